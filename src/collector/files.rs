//! The files that the configuration of a collector names.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::{CollectorConfig, is_of_the_service};

/// The most bytes of a file: a bundle of all authorities has a quarter of it.
const MOST_BYTES: u64 = 1 << 20;

/// A key of a collector: its section, as of the first one, and its name there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key(pub &'static str, pub &'static str);

/// A key with what is wrong with its file.
pub(super) type Mistake = (Key, String);

/// A file that is named. What the service alone can read is left to it.
pub(super) fn named(file: &Option<PathBuf>) -> Option<&Path> {
    file.as_deref().filter(|path| !is_of_the_service(path))
}

pub(super) fn read(path: &Path, key: Key) -> Result<Vec<u8>, Mistake> {
    let unreadable = |why: String| (key, format!("{} cannot be read: {why}", path.display()));
    let said = |e: std::io::Error| unreadable(e.to_string());
    // Looked at before it is opened: whoever opens a FIFO waits for its other end.
    if !path.metadata().map_err(said)?.is_file() {
        return Err(unreadable("it is no regular file".into()));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(said)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(said)?;
    match bytes.len() as u64 > MOST_BYTES {
        true => Err(unreadable(format!("it has more than {MOST_BYTES} bytes"))),
        false => Ok(bytes),
    }
}

/// Whether everybody may read a file.
pub(super) fn is_public(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.permissions().mode() & 0o004 != 0)
}

/// A number that is another one as soon as one of the files holds something else.
pub(super) fn fingerprint(config: &CollectorConfig) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in
        [&config.ca_file, &config.client_cert_file, &config.client_key_file, &config.headers_file]
    {
        let bytes = file.as_deref().map(|path| read(path, Key("", "")).ok());
        bytes.hash(&mut hasher);
    }
    hasher.finish()
}
