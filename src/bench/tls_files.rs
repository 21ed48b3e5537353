//! The files of an authority: made once, the same ones at every later start, so that what a box was
//! told stays right.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::tls::Authority;

/// Certificate of the authority, for `collector.ca_file`.
const CA: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
/// For `collector.client_cert_file` and `collector.client_key_file`.
const CLIENT: &str = "client.pem";
const CLIENT_KEY: &str = "client.key";

/// The authority whose files lie in `dir`; what is missing is made, `dir` included.
///
/// Errors: a sentence with the file, what was expected, what came and what to do.
pub fn open_authority(dir: &Path) -> Result<Authority, String> {
    fs::create_dir_all(dir).map_err(|e| {
        let shown = dir.display();
        format!(
            "--tls {shown}: expected a directory that is there or can be made: {e}; name another one"
        )
    })?;
    let (certificate, key) = (read(dir, CA)?, read(dir, CA_KEY)?);
    let start_over = format!(
        "delete {CA} and {CA_KEY} in it to have a new authority made; each box then needs the new {CA}"
    );
    let authority = match &key {
        Some(key) => Authority::from_key(key).map_err(|e| broken(dir, CA_KEY, &e, &start_over))?,
        None if certificate.is_some() => {
            let what = format!("expected the private key of {CA}, but it is not there");
            return Err(broken(dir, CA_KEY, &what, &format!("put it back, or {start_over}")));
        }
        None => Authority::new(),
    };
    // The key comes first: from it the certificate can be made again, and not the other way round.
    if key.is_none() {
        write(dir, CA_KEY, &authority.key(), 0o600)?;
    }
    match certificate {
        Some(pem) => authority.check_own(&pem).map_err(|e| broken(dir, CA, &e, &start_over))?,
        None => write(dir, CA, authority.certificate(), 0o644)?,
    }
    Ok(authority)
}

/// Makes a client certificate of `authority` and its key in `dir`, if they are not there.
///
/// Errors: as for [`open_authority`].
pub fn client_files(dir: &Path, authority: &Authority) -> Result<(), String> {
    let start_over = format!("delete {CLIENT} and {CLIENT_KEY} in it to have both made anew");
    match (read(dir, CLIENT)?, read(dir, CLIENT_KEY)?) {
        (Some(certificate), Some(key)) => authority
            .check_client(&certificate, &key)
            .map_err(|e| broken(dir, CLIENT, &e, &start_over)),
        (None, None) => {
            let client = authority.client("playheadd bench client");
            write(dir, CLIENT_KEY, client.key(), 0o600)?;
            write(dir, CLIENT, client.certificate(), 0o644)
        }
        (certificate, _) => {
            let (there, missing) =
                if certificate.is_some() { (CLIENT, CLIENT_KEY) } else { (CLIENT_KEY, CLIENT) };
            let what = format!("expected it beside {there}, but it is not there");
            Err(broken(dir, missing, &what, &start_over))
        }
    }
}

fn broken(dir: &Path, file: &str, why: &str, what_to_do: &str) -> String {
    format!("{}: {why}; {what_to_do}", dir.join(file).display())
}

/// The text of a file; `None` when there is none.
fn read(dir: &Path, file: &str) -> Result<Option<String>, String> {
    match fs::read(dir.join(file)) {
        // What is no text is no PEM either, and is refused as such.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(broken(dir, file, &format!("cannot be read: {e}"), "make it readable")),
    }
}

/// Writes a file that is not there, readable for those in `mode` only from the beginning.
fn write(dir: &Path, file: &str, text: &str, mode: u32) -> Result<(), String> {
    let whole = || {
        let mut out =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(dir.join(file))?;
        out.write_all(text.as_bytes())
    };
    whole().map_err(|e| {
        broken(
            dir,
            file,
            &format!("cannot be written: {e}"),
            "name a directory that can be written",
        )
    })
}
