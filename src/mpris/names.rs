//! Which names on the bus are players that are tracked, and the application of a name
//! (behaviour.md 1.7, "Who").

/// Every player's name begins so.
pub const PREFIX: &str = "org.mpris.MediaPlayer2.";

/// Globs over names without [`PREFIX`].
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub allow: Vec<String>,
    /// These win.
    pub deny: Vec<String>,
}

impl Filter {
    /// Whether the player of this name is tracked.
    pub fn admits(&self, short: &str) -> bool {
        let any = |globs: &[String]| globs.iter().any(|pattern| glob(pattern, short));
        any(&self.allow) && !any(&self.deny)
    }
}

/// The application of a name without [`PREFIX`]: without `.instance...`, `.Sandboxed` and `-N`.
pub fn app_of(short: &str) -> &str {
    let name = short.split(".instance").next().unwrap_or(short);
    let name = name.strip_suffix(".Sandboxed").unwrap_or(name);
    let name = match name.rsplit_once('-') {
        Some((name, n)) if !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => name,
    };
    if name.is_empty() { short } else { name }
}

/// `*` is any run of characters, `?` is one. It takes no more than the product of both lengths.
fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // The last star, and where in the name it was tried to end.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, end)) = star else { return false };
                star = Some((at, end + 1));
                p = at + 1;
                n = end + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, name, matches) in [
            ("*", "mpv", true),
            ("mpv", "mpv", true),
            ("mpv*", "mpv.instance7", true),
            ("m?v", "mpv", true),
            ("m?v", "mv", false),
            ("", "mpv", false),
            ("*.instance*", "vlc.instance12", true),
            ("*x", "mpv", false),
            ("*a*b", "aabab", true),
            ("mpv**", "mpv", true),
        ] {
            assert_eq!(glob(pattern, name), matches, "{pattern} {name}");
        }
        assert!(!glob(&("*a".repeat(100) + "b"), &"a".repeat(255)), "in no time");
    }

    #[test]
    fn deny_wins() {
        let filter = Filter { allow: vec!["*".into()], deny: vec!["playerctld".into()] };
        assert!(filter.admits("mpv") && !filter.admits("playerctld"));
    }

    #[test]
    fn applications() {
        for (name, app) in [
            ("mpv", "mpv"),
            ("vlc.instance12", "vlc"),
            ("firefox.instance_1_7", "firefox"),
            ("webkit.instance77-2", "webkit"),
            ("tv.box.Browser.Sandboxed.instance-3", "tv.box.Browser"),
            ("tv.box.Browser.Sandboxed", "tv.box.Browser"),
            ("box-2", "box"),
            ("media-center", "media-center"),
            (".instance7", ".instance7"),
        ] {
            assert_eq!(app_of(name), app, "{name}");
        }
    }
}
