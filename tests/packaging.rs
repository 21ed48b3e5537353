//! What an integrator builds from: `make install` and `make uninstall`, the recipes for Yocto and
//! Buildroot, and what the Debian package is made of. The built package, and the service on a box, are
//! looked at by `make test-system`.

#[path = "packaging/development.rs"]
mod development;
#[path = "packaging/installed.rs"]
mod installed;
#[path = "packaging/recipes.rs"]
mod recipes;
#[path = "common/skipped.rs"]
mod skipped;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: impl AsRef<Path>) -> String {
    let path = root().join(file.as_ref());
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// `make` as somebody calls it, who is in no build of this repository.
fn make(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("make");
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_") || name.starts_with("MAKE") || name == "MFLAGS" {
            command.env_remove(&*name);
        }
    }
    command.arg("-s").args(arguments).current_dir(directory).output().expect("make")
}

fn made(directory: &Path, arguments: &[&str]) -> String {
    let out = make(directory, arguments);
    let complaint = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && complaint.is_empty(), "make {arguments:?}: {complaint}");
    String::from_utf8(out.stdout).expect("text")
}

/// What a program that is no part of every machine prints; `None` where it is not there.
fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let out = match Command::new(program).args(arguments).current_dir(root()).output() {
        Ok(out) => out,
        Err(error) => {
            skipped::skip(&format!("{program} {}", arguments.join(" ")), error);
            return None;
        }
    };
    let complaint = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success(),
        "{program} {arguments:?}: {complaint}{}",
        String::from_utf8_lossy(&out.stdout)
    );
    Some(String::from_utf8(out.stdout).expect("text"))
}

/// Two programs to be installed that say nothing.
fn programs(place: &Path) -> PathBuf {
    let programs = place.join("box");
    std::fs::create_dir(&programs).expect("a directory");
    for name in ["playheadd", "playheadctl"] {
        std::fs::write(programs.join(name), "#!/bin/sh\n").expect("written");
    }
    programs
}

/// Everything below a directory but directories that hold something, without the directory's name.
fn tree(of: &Path) -> Vec<String> {
    fn walk(place: &Path, of: &Path, found: &mut Vec<String>) {
        let entries: Vec<_> = std::fs::read_dir(place).expect("a directory").collect();
        if entries.is_empty() && place != of {
            found.push(format!("{}/", place.strip_prefix(of).expect("below").display()));
        }
        for entry in entries {
            let path = entry.expect("an entry").path();
            match path.symlink_metadata().expect("an entry").is_dir() {
                true => walk(&path, of, found),
                false => found.push(path.strip_prefix(of).expect("below").display().to_string()),
            }
        }
    }
    let mut found = Vec::new();
    walk(of, of, &mut found);
    found.sort();
    found
}
