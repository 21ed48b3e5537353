pub mod clock;
pub mod rejected;
pub mod settings;
pub mod time;
pub mod tracker;
