//! Which files make the configuration, and how they are read (behaviour.md 3).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// The directories of the vendor and of the box, the later one on top.
pub const DIRECTORIES: [&str; 2] = ["/usr/lib/playheadd", "/etc/playheadd"];
/// The file of each of them.
const NAME: &str = "playheadd.toml";
/// The directory of each of them with further files.
const FURTHER: &str = "conf.d";
/// How the name of a further file ends. One that begins with a dot is not read.
const SUFFIX: &[u8] = b".toml";

/// The most that a file may hold. A parsed one takes thirty times its size.
const MOST_BYTES: u64 = 256 * 1024;
/// The most further files.
const MOST_FILES: usize = 128;

/// Where the files are looked for, in words.
pub const LOOKED_FOR: &str = "/usr/lib/playheadd/playheadd.toml, /etc/playheadd/playheadd.toml and \
                              conf.d/*.toml of both directories";

/// A file, and its text or why it cannot be read.
pub(super) type Text = (PathBuf, Result<String, Unread>);

/// Why a file cannot be read.
pub(super) struct Unread {
    /// 0 where it is about the whole file.
    pub line: usize,
    pub why: String,
}

impl From<String> for Unread {
    fn from(why: String) -> Unread {
        Unread { line: 0, why }
    }
}

/// The layers below `root`, in the order in which they are read.
pub(super) fn layers(root: &Path) -> Vec<Text> {
    let directories =
        DIRECTORIES.map(|directory| root.join(directory.strip_prefix('/').unwrap_or(directory)));
    let mut texts = Vec::new();
    let mut further = BTreeMap::new();
    for directory in &directories {
        let file = directory.join(NAME);
        if file.symlink_metadata().is_err_and(|e| e.kind() == ErrorKind::NotFound) {
            continue;
        }
        let text = read(&file);
        texts.push((file, text));
    }
    for directory in &directories {
        let directory = directory.join(FURTHER);
        if let Err(why) = list(&directory, &mut further) {
            texts.push((directory, Err(why.into())));
        }
    }
    if further.len() > MOST_FILES {
        let why = format!("expected at most {MOST_FILES} files, got {}", further.len());
        texts.push((directories[1].join(FURTHER), Err(why.into())));
        return texts;
    }
    texts.extend(further.into_values().map(|file| {
        let text = read(&file);
        (file, text)
    }));
    texts
}

/// Adds the further files of a directory. One of the same name, from before, is masked.
fn list(directory: &Path, into: &mut BTreeMap<OsString, PathBuf>) -> Result<(), String> {
    let unreadable = |e: std::io::Error| format!("cannot be read: {e}");
    let entries = match std::fs::read_dir(directory) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(unreadable)?,
    };
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.ends_with(SUFFIX) && !bytes.starts_with(b".") {
            into.insert(name, entry.path());
        }
    }
    Ok(())
}

/// The text of one file.
pub(super) fn read(file: &Path) -> Result<String, Unread> {
    let unreadable = |e: std::io::Error| format!("cannot be read: {e}");
    // Looked at before it is opened: whoever opens a FIFO waits for its other end.
    let kind = file.metadata().map_err(unreadable)?;
    if is_null(file, &kind) {
        return Ok(String::new());
    }
    if !kind.is_file() {
        return Err(format!("expected a regular file, got {}", kind_of(&kind)).into());
    }
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(unreadable)?;
    opened.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("expected a configuration of at most {MOST_BYTES} bytes").into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = &error.as_bytes()[..at];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let byte = error.as_bytes().get(at).copied().unwrap_or_default();
        Unread { line, why: format!("expected UTF-8, got the byte 0x{byte:02x}") }
    })
}

/// Whether it is a link to /dev/null, as an empty file is.
fn is_null(file: &Path, kind: &Metadata) -> bool {
    let target = || file.canonicalize();
    kind.file_type().is_char_device() && target().is_ok_and(|path| path == Path::new("/dev/null"))
}

fn kind_of(kind: &Metadata) -> &'static str {
    let kind = kind.file_type();
    match () {
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}
