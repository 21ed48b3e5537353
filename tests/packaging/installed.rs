//! `make install` puts everything into a system or an image, `make uninstall` takes it away again.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::{made, programs, read, root, tree};

struct Image {
    place: tempfile::TempDir,
}

impl Image {
    fn new() -> Self {
        let image = Self { place: tempfile::tempdir().expect("a directory") };
        programs(image.place.path());
        std::fs::create_dir(image.root()).expect("a directory");
        image
    }

    fn root(&self) -> std::path::PathBuf {
        self.place.path().join("image")
    }

    fn make(&self, target: &str, more: &[&str]) -> String {
        let destination = format!("DESTDIR={}", self.root().display());
        let programs = format!("BOX={}", self.place.path().join("box").display());
        let mut arguments = vec![target, &destination, &programs];
        arguments.extend(more);
        made(root(), &arguments)
    }

    /// Mode and place of each file, as the Makefile names them.
    fn named(&self, more: &[&str]) -> Vec<(u32, String)> {
        let said = self.make("installed", more);
        let line = |line: &str| {
            let (mode, target) = line.split_once(' ').expect("mode and target");
            (
                u32::from_str_radix(mode, 8).expect("a mode"),
                target.trim_start_matches('/').to_owned(),
            )
        };
        let mut named: Vec<_> = said.lines().map(line).collect();
        named.sort_by(|a, b| a.1.cmp(&b.1));
        named
    }

    fn holds(&self, place: &str) -> bool {
        self.root().join(place).exists()
    }
}

#[test]
fn what_is_installed_is_what_is_named_and_is_taken_away_again() {
    for more in [
        &[][..],
        &["PREFIX=/usr/local"],
        &["PREFIX=/opt/playheadd"],
        &["UNITS=/lib/systemd/system"],
        &["PARTS=box"],
        &["PARTS=dev"],
    ] {
        let image = Image::new();
        image.make("install", more);
        let found = tree(&image.root());
        let named = image.named(more);
        assert_eq!(
            found,
            named.iter().map(|(_, place)| place.clone()).collect::<Vec<_>>(),
            "{more:?}"
        );
        for (mode, place) in named {
            let real = image.root().join(&place).metadata().expect("a file").permissions().mode();
            assert_eq!(real & 0o7777, mode, "{place}");
        }
        image.make("uninstall", more);
        let left = tree(&image.root());
        let ours = |place: &&String| place.contains("playhead") || !place.ends_with('/');
        assert_eq!(left.iter().find(ours), None, "{more:?}: {left:?}");
    }
}

/// Empty directories too: a fresh system has `/usr/local/bin` and `/etc/dbus-1/system.d`.
#[test]
fn directories_that_were_there_before_stay() {
    for more in [&[][..], &["PREFIX=/usr/local"]] {
        let image = Image::new();
        for (_, place) in image.named(more) {
            let directory = match place.split_once("/playheadd/") {
                Some((directory, _)) => Path::new(directory),
                None => Path::new(&place).parent().expect("a directory"),
            };
            std::fs::create_dir_all(image.root().join(directory)).expect("made");
        }
        let before = tree(&image.root());
        assert!(before.len() > 8, "{before:?}");
        image.make("install", more);
        image.make("uninstall", more);
        assert_eq!(tree(&image.root()), before, "{more:?}");
    }
}

#[test]
fn everything_has_its_place() {
    let image = Image::new();
    image.make("install", &[]);
    for place in [
        "usr/bin/playheadd",
        "usr/bin/playheadctl",
        "usr/lib/systemd/system/playheadd.service",
        "usr/lib/systemd/system-preset/50-playheadd.preset",
        "usr/lib/systemd/catalog/playheadd.catalog",
        "usr/lib/sysusers.d/playheadd.conf",
        "usr/share/dbus-1/system.d/tv.playhead.Agent1.conf",
        "usr/share/dbus-1/system-services/tv.playhead.Agent1.service",
        "usr/share/licenses/playheadd/LICENSE-MIT",
        "usr/include/playhead.h",
        "usr/share/playheadd/clients/c/playhead.c",
        "usr/share/pkgconfig/playhead.pc",
    ] {
        assert!(image.holds(place), "{place}");
    }
    // What lies in these directories is installed without anybody naming it.
    let all = |directory: &str| -> Vec<String> {
        let names = tree(&root().join(directory));
        assert!(!names.is_empty(), "{directory} is empty");
        names
    };
    let mut expected = Vec::new();
    for name in all("dbus").into_iter().filter(|name| name.ends_with(".xml")) {
        expected.push(format!("usr/share/dbus-1/interfaces/{name}"));
    }
    for name in all("man") {
        let (_, section) = name.rsplit_once('.').expect("a section");
        expected.push(format!("usr/share/man/man{section}/{name}"));
    }
    for name in all("completions") {
        expected.push(match name.strip_suffix(".bash") {
            Some(program) => format!("usr/share/bash-completion/completions/{program}"),
            None if name.ends_with(".fish") => {
                format!("usr/share/fish/vendor_completions.d/{name}")
            }
            None => format!("usr/share/zsh/site-functions/{name}"),
        });
    }
    for name in all("dbus").into_iter().filter(|name| name.starts_with("tv.")) {
        if name.ends_with(".conf") {
            expected.push(format!("usr/share/dbus-1/system.d/{name}"));
        }
    }
    let examples = "usr/share/playheadd/examples";
    for directory in ["systemd", "dbus"] {
        for name in all(&format!("{directory}/examples")) {
            expected.push(format!("{examples}/{directory}/{name}"));
        }
    }
    for name in all("examples/pipeline") {
        expected.push(format!("{examples}/pipeline/{name}"));
    }
    read("packaging/playheadd.toml.example");
    expected.push(format!("{examples}/playheadd.toml"));
    for place in expected {
        assert!(image.holds(&place), "{place}");
    }
}

/// A page that says to copy an example names a file that every image has. What is below share/doc is
/// deleted by Buildroot, packaged apart by Yocto, and left out by slim Debian images.
#[test]
fn examples_that_are_named_are_installed_where_images_keep_them() {
    let image = Image::new();
    image.make("install", &[]);
    assert!(!image.holds("usr/share/doc"));
    let mut named = 0;
    for page in ["docs/operating.md", "packaging/debian/playheadd.toml"] {
        let page = read(page);
        assert!(!page.contains("/usr/share/doc/"));
        for place in page.split("/usr/share/playheadd/").skip(1) {
            let place = place.split([' ', '`', '\n', ')']).next().expect("a path");
            let place = format!("usr/share/playheadd/{}", place.trim_end_matches('.'));
            assert!(image.holds(&place), "{place}");
            named += 1;
        }
    }
    assert!(named >= 4, "{named}");
}

#[test]
fn another_prefix_is_followed_by_unit_and_policy() {
    let image = Image::new();
    image.make("install", &["PREFIX=/usr/local"]);
    let unit = image.root().join("usr/local/lib/systemd/system/playheadd.service");
    let unit = std::fs::read_to_string(unit).expect("the unit");
    assert!(unit.contains("\nExecStart=/usr/local/bin/playheadd\n"), "{unit}");
    assert!(unit.contains("\nExecReload=/usr/local/bin/playheadd --reload $MAINPID\n"), "{unit}");
    // The bus reads no policy below /usr/local.
    assert!(image.holds("etc/dbus-1/system.d/tv.playhead.Agent1.conf"));
}

#[test]
fn the_next_steps_are_said_for_an_image_and_for_a_system() {
    let image = Image::new();
    let said = image.make("install", &[]);
    let place = image.root();
    for step in ["systemd-sysusers --root=", "systemctl --root=", "journalctl --root="] {
        assert!(said.contains(&format!("{step}{}", place.display())), "{said}");
    }
    let steps = made(root(), &["-n", "install", "BOX=none"]);
    for step in [
        "systemd-sysusers",
        "systemctl daemon-reload",
        "systemctl reload dbus",
        "enable --now playheadd",
    ] {
        assert!(steps.contains(step), "{steps}");
    }
}

#[test]
fn uninstall_leaves_configuration_and_state_and_no_link_to_nothing() {
    let image = Image::new();
    image.make("install", &[]);
    let kept = ["etc/playheadd/playheadd.toml", "var/lib/playheadd/consent"];
    let others = "etc/systemd/system/multi-user.target.wants/other.service";
    for file in kept.iter().chain([&others]) {
        let path = image.root().join(file);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        std::fs::write(path, "").expect("written");
    }
    for target in ["multi-user", "tv"] {
        let wants = image.root().join(format!("etc/systemd/system/{target}.target.wants"));
        std::fs::create_dir_all(&wants).expect("made");
        symlink(
            Path::new("/usr/lib/systemd/system/playheadd.service"),
            wants.join("playheadd.service"),
        )
        .expect("a link");
    }
    image.make("uninstall", &[]);
    let left = tree(&image.root());
    let files: Vec<_> = left.iter().filter(|place| !place.ends_with('/')).collect();
    assert_eq!(files, [kept[0], others, kept[1]]);
}

#[test]
fn a_system_can_do_without_some_files() {
    let image = Image::new();
    image.make("install", &["WITHOUT=playheadctl playheadd.service"]);
    assert!(image.holds("usr/bin/playheadd") && !image.holds("usr/bin/playheadctl"));
    assert!(!image.holds("usr/lib/systemd/system/playheadd.service"));
    // Nor what belongs to a program: its man page, its completions for three shells.
    let companions = |program: &str| {
        let all = tree(&image.root());
        all.into_iter().filter(|place| place.contains(program)).collect::<Vec<_>>()
    };
    assert_eq!(companions("playheadctl"), Vec::<String>::new());
    let of_daemon = ["man8/playheadd.8", "completions/playheadd", "_playheadd", "playheadd.fish"];
    for place in of_daemon {
        assert!(companions("playheadd").iter().any(|found| found.ends_with(place)), "{place}");
    }
}

#[test]
fn make_help_lists_each_target() {
    let said = made(root(), &["help"]);
    for target in ["install", "uninstall", "deb", "deb-dev", "dist", "crates"] {
        assert!(
            said.lines().any(|line| line.split(' ').next() == Some(target)),
            "{target}: {said}"
        );
    }
}

/// The package's configuration says what is missing, and is right as soon as it is filled in.
#[test]
fn the_configuration_of_the_package_can_be_filled_in() {
    let marked = read("packaging/debian/playheadd.toml");
    assert!(marked.lines().all(|line| line.is_empty() || line.starts_with('#')), "{marked}");
    let mut filled = String::new();
    for line in marked.lines() {
        let setting =
            line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' '));
        let mut text = setting.unwrap_or_default().to_owned();
        while let Some((before, rest)) = text.split_once('<') {
            text = format!("{before}box{}", rest.split_once('>').expect("its end").1);
        }
        filled.push_str(&text);
        filled.push('\n');
    }
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("playheadd.toml");
    for (text, right) in [(&marked, false), (&filled, true)] {
        std::fs::write(&file, text).expect("written");
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_playheadd"))
            .args(["--check", "--config"])
            .arg(&file)
            .output()
            .expect("playheadd");
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.success(), right, "{text}\n{said}");
        assert!(right || said.contains("collector.url"), "{said}");
    }
}
