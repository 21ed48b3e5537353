//! What is known of single players, so that oddities stay out of the rules.

/// How one player differs from what the specification says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quirk {
    /// After a new track a `Get` of `Position` still gives that of the old one.
    pub stale_position_on_new_track: bool,
}

const TABLE: &[(&str, Quirk)] = &[
    ("vlc", Quirk { stale_position_on_new_track: true }),
    ("chromium", Quirk { stale_position_on_new_track: true }),
];

/// By application: the name without `org.mpris.MediaPlayer2.` and `.instance...`.
pub fn of(app: &str) -> Quirk {
    TABLE.iter().find(|(name, _)| *name == app).map(|(_, quirk)| *quirk).unwrap_or_default()
}
