//! Known deviations of single players, so that they stay out of the rules in `map`.

/// How one player deviates from the MPRIS specification.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quirk {
    /// After a new track a `Get` of `Position` still gives that of the old one.
    pub stale_position_on_new_track: bool,
}

const TABLE: &[(&str, Quirk)] = &[
    ("vlc", Quirk { stale_position_on_new_track: true }),
    ("chromium", Quirk { stale_position_on_new_track: true }),
];

/// The quirk of an application: its name without `org.mpris.MediaPlayer2.` and `.instance...`.
pub fn of(app: &str) -> Quirk {
    TABLE.iter().find(|(name, _)| *name == app).map(|(_, quirk)| *quirk).unwrap_or_default()
}
