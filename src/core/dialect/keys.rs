//! Names that validation and dialects share: the standard metadata that players may give.

/// StandardKeys metadata of one kind of thing: keys that are not custom (spec 2.3, 2.4).
#[derive(Debug)]
pub struct StandardKeys {
    /// What the full name of each key begins with.
    pub prefix: &'static str,
    /// The names behind the prefix.
    pub names: &'static [&'static str],
}

impl StandardKeys {
    /// Whether a player's metadata key, in its full name, is a standard one.
    pub fn has(&self, key: &str) -> bool {
        key.strip_prefix(self.prefix).is_some_and(|name| self.names.contains(&name))
    }
}

/// Content metadata (spec 2.3).
pub const CONTENT: StandardKeys = StandardKeys { prefix: "media.", names: CONTENT_NAMES };
/// Ad metadata (spec 2.4).
pub const AD: StandardKeys = StandardKeys {
    prefix: "media.ad.",
    names: &["advertiser", "campaignId", "creativeId", "siteId", "creativeURL", "placementId"],
};
/// Chapters have no standard metadata (spec 2.4).
pub const CHAPTER: StandardKeys = StandardKeys { prefix: "media.chapter.", names: &[] };

const CONTENT_NAMES: &[&str] = &[
    "show",
    "season",
    "episode",
    "assetId",
    "genre",
    "firstAirDate",
    "firstDigitalDate",
    "rating",
    "originator",
    "network",
    "showType",
    "adLoad",
    "pass.mvpd",
    "pass.auth",
    "dayPart",
    "feed",
    "streamFormat",
    "artist",
    "album",
    "label",
    "author",
    "station",
    "publisher",
];
