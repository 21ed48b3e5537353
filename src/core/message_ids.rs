//! What the log calls the events on which an operator has to act: the journal's `MESSAGE_ID`, given
//! as the field `message_id`. `systemd/playheadd.catalog` explains each.

/// The store or the consent file cannot be written or read.
pub const STORE_FAILS: &str = "4164bb1ec8784e7ba20d8c385d435634";
/// A broken store was set aside.
pub const STORE_SET_ASIDE: &str = "ffe81d9ab4774b90934dd895dd5e4289";
/// A configuration that was to be loaded is broken.
pub const CONFIGURATION_BROKEN: &str = "168b3e5eaaf74c4cb524a2e1d152d010";
/// There is no configuration that can be used.
pub const NOT_CONFIGURED: &str = "50764ad7e97949a69a8447de9c65655f";
/// A synchronised clock is required, and nobody can say whether it is.
pub const CLOCK_HIDDEN: &str = "dbe541438a0243fd9999623b9b557962";
/// Nothing is sent: consent is unknown.
pub const WAITS_FOR_CONSENT: &str = "414b4927e5214634bf7b235517d66c78";
/// Nothing is sent: the wall clock is not trusted.
pub const WAITS_FOR_CLOCK: &str = "ff584d97d10d45e9bf4cafaec349c835";
/// Nothing is sent: the connection is metered.
pub const HELD_METERED: &str = "bca41dc838c04a7786d6ead21643ab9d";
/// Nothing is sent: the budget of the day is spent.
pub const HELD_BUDGET: &str = "3030c5b0288c4481b2388ffad15255a8";
/// Requests fail.
pub const DELIVERY_FAILS: &str = "62c87a813a8e46d3b1d2e06ba87a7fce";
/// A collector has refused hits for good.
pub const HITS_REFUSED: &str = "6bf6d9b24c0e4150a079e6122cd6f4fe";
/// Hits were given up: too much waits, or they are too old.
pub const HITS_GIVEN_UP: &str = "0ec13f1e0eb54f24a879b1cbd2ed6094";
/// The connection to the bus is lost.
pub const BUS_LOST: &str = "4297d27c73844df58bfcc5d21bb5d809";
/// The bus of the MPRIS players is away.
pub const PLAYERS_AWAY: &str = "2e958a366c0a4aa7b1712d730372014e";
