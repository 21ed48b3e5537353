//! What a player in C or C++ is built with: the pkg-config file leads to header and source, and the Debian
//! package `playheadd-dev` holds them.

use std::path::Path;
use std::process::Command;

use crate::{made, printed, read, root, skipped};

/// The version of the client stands in its header, in its source and in the pkg-config file.
#[test]
fn the_version_of_the_client_is_the_same_everywhere() {
    let header = read("clients/c/playhead.h");
    let (_, rest) = header.split_once("#define PLAYHEAD_VERSION \"").expect("a version");
    let version = rest.split('"').next().expect("a version");
    assert!(header.contains(&format!(" Version {version}, C99")), "{version}");
    assert!(read("clients/c/playhead.c").contains(&format!(" Version {version}.")), "{version}");
    let file = read("clients/c/playhead.pc.in");
    assert!(file.contains(&format!("\nVersion: {version}\n")), "{file}");
}

/// The line that the pkg-config file and the README show builds a player of examples/, in either language.
#[test]
fn a_player_is_built_with_what_is_installed() {
    let place = tempfile::tempdir().expect("a directory");
    let prefix = place.path().display();
    made(root(), &["install", "PARTS=dev", &format!("PREFIX={prefix}")]);
    let pkg_config = |arguments: &[&str]| {
        let path = place.path().join("share/pkgconfig");
        Command::new("pkg-config").args(arguments).env("PKG_CONFIG_PATH", path).output()
    };
    match pkg_config(&["--exists", "playhead"]) {
        Ok(out) if out.status.success() => {}
        Ok(_) => return skipped::skip("a player is built by pkg-config", "no libsystemd-dev here"),
        Err(error) => return skipped::skip("a player is built by pkg-config", error),
    }
    let said = |arguments: &[&str]| {
        let out = pkg_config(arguments).expect("pkg-config");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("text").trim().to_owned()
    };
    assert_eq!(said(&["--modversion", "playhead"]), "1.0.0");
    let sources = said(&["--variable=sources", "playhead"]);
    assert_eq!(Path::new(&sources), place.path().join("share/playheadd/clients/c/playhead.c"));
    let flags = said(&["--cflags", "--libs", "playhead"]);
    let c = format!("cc -std=c99 -o player examples/c/player.c {sources} {flags}");
    let cpp = format!(
        "cc -std=c99 -c -o playhead.o {sources} {flags} \
         && c++ -std=c++17 -o player-cpp ROOT/examples/cpp/player.cpp playhead.o {flags}"
    );
    for line in [c.replace("examples/", "ROOT/examples/"), cpp] {
        let line = line.replace("ROOT", &root().display().to_string());
        let out = Command::new("sh").args(["-ec", &line]).current_dir(place.path()).output();
        let out = out.expect("a shell");
        assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
    }
}

/// The lines of C in the pages are of this interface, in C99.
#[test]
fn the_lines_of_the_pages_compile() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("lines.c");
    let pages = ["clients/c/README.md", "docs/integrating-a-player.md"];
    for page in pages {
        let text = read(page);
        let (_, lines) = text.split_once("```c\n").expect("lines of C");
        let lines = lines.split("```").next().expect("lines of C");
        // The first page makes the agent itself, and both begin somewhere.
        let agent =
            if lines.contains("playhead_new") { "" } else { "playhead_agent *agent = NULL;" };
        let program = format!(
            "#include \"playhead.h\"\n\
             static void on_error(playhead_session *s, const struct playhead_failure *e, void *u) \
             {{ (void)s, (void)e, (void)u; }}\n\
             int main(void) {{ double position = 0; (void)on_error; {agent}\n{lines}\n}}\n"
        );
        std::fs::write(&file, program).expect("written");
        let mut compiler = Command::new("cc");
        compiler.args(["-std=c99", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
        compiler.arg("-I").arg(root().join("clients/c")).arg(&file);
        match compiler.output() {
            Ok(out) => {
                let said = String::from_utf8_lossy(&out.stderr);
                assert!(out.status.success(), "{page}: {said}");
            }
            Err(error) => return skipped::skip("the lines of C in the pages compile", error),
        }
    }
}

#[test]
fn the_pkg_config_file_names_another_sd_bus() {
    let place = tempfile::tempdir().expect("a directory");
    let prefix = format!("PREFIX={}", place.path().display());
    made(root(), &["install", "PARTS=dev", &prefix, "SD_BUS=libelogind"]);
    let file = std::fs::read_to_string(place.path().join("share/pkgconfig/playhead.pc"));
    let file = file.expect("the file");
    assert!(file.contains("\nRequires: libelogind\n") && !file.contains('@'), "{file}");
}

#[test]
fn the_debian_package_holds_what_is_named() {
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        return skipped::skip("playheadd-dev is built", "no dpkg-deb here");
    }
    let place = tempfile::tempdir().expect("a directory");
    let package = place.path().join("dev.deb");
    let package = package.to_str().expect("text");
    let build = place.path().join("build");
    made(
        root(),
        &["deb-dev", &format!("DEV_DEB={package}"), &format!("DEV_ROOT={}", build.display())],
    );
    let control = printed("dpkg-deb", &["--field", package]).expect("the control file");
    for line in ["Package: playheadd-dev", "Architecture: all"] {
        assert!(control.lines().any(|found| found == line), "{control}");
    }
    assert!(
        control.contains(&format!("\nVersion: {}-1\n", env!("CARGO_PKG_VERSION"))),
        "{control}"
    );
    assert!(!control.contains('@') || control.matches('@').count() == 1, "{control}");
    let listed = printed("dpkg-deb", &["--contents", package]).expect("the contents");
    let mut found: Vec<_> = listed
        .lines()
        .filter(|line| !line.ends_with('/'))
        .map(|line| {
            assert!(line.starts_with("-rw-r--r-- root/root "), "{line}");
            line.rsplit_once(" .").expect("a path").1.to_owned()
        })
        .filter(|path| !path.contains("/share/doc/") && !path.contains("/share/lintian/"))
        .collect();
    found.sort();
    let named = made(root(), &["installed", "PARTS=dev"]);
    let mut named: Vec<_> =
        named.lines().map(|line| line.split_once(' ').expect("mode and place").1).collect();
    named.sort_unstable();
    assert_eq!(found, named);
}
