//! A box's files below a directory, and both programs that read them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub const VENDOR: &str = "usr/lib/playheadd/playheadd.toml";
pub const LOCAL: &str = "etc/playheadd/playheadd.toml";

/// What a daemon needs.
pub const LEAST: &str = "[collector]\nurl = \"https://c.example\"\n[analytics]\n\
     tracking_server = \"metrics.example.com\"\nreport_suite = \"tests\"\norg_id = \"TESTS@AdobeOrg\"\n";

pub struct Scene {
    place: TempDir,
}

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(output: &Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The value and the origin of a key, as `--origin` shows them.
    pub fn key(&self, section: &str, key: &str) -> (String, String) {
        let part = self.out.split(&format!("[{section}]\n")).nth(1).expect(section);
        let part = part.split("\n[").next().expect("a section");
        let line = part.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
        let line = line.unwrap_or_else(|| panic!("no {section}.{key} in {}", self.out));
        let (value, origin) = line.split_once("  # ").unwrap_or((line, ""));
        (value.to_owned(), origin.to_owned())
    }
}

impl Scene {
    pub fn new() -> Scene {
        Scene { place: tempfile::tempdir().expect("a directory") }
    }

    /// With the least in the vendor's file.
    pub fn whole() -> Scene {
        let scene = Scene::new();
        scene.write(VENDOR, LEAST);
        scene
    }

    pub fn path(&self, file: &str) -> PathBuf {
        let path = self.place.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        path
    }

    pub fn root(&self) -> &Path {
        self.place.path()
    }

    pub fn write(&self, file: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(file);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// `playheadctl config` with these variables and nothing else.
    pub fn ctl_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_playheadctl"));
        command.env_clear().envs(variables.iter().copied()).arg("config").args(arguments);
        if !arguments.contains(&"--config") {
            command.arg("--root").arg(self.root());
        }
        Said::of(&command.output().expect("playheadctl"))
    }

    pub fn ctl(&self, arguments: &[&str]) -> Said {
        self.ctl_with(&[], arguments)
    }

    /// `playheadctl config --origin`
    pub fn origins(&self) -> Said {
        let said = self.ctl(&["--origin"]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
        said
    }

    /// `playheadd --check` of a file.
    pub fn daemon(&self, file: &Path, variables: &[(&str, &str)]) -> Said {
        let mut command = Command::new(crate::common::daemon());
        command.env_clear().envs(variables.iter().copied()).args(["--check", "--config"]).arg(file);
        Said::of(&command.output().expect("playheadd"))
    }
}
