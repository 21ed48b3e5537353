//! The recipes are of these sources: versions, checksums, users, crates, and the profile that makes the
//! program small. What only bitbake and Buildroot can say stands in the READMEs under packaging/.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{made, printed, programs, read, root, tree};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const RECIPES: &str = "packaging/yocto/recipes-multimedia/playheadd";
const PACKAGE: &str = "packaging/buildroot/package/playheadd";

fn recipe() -> String {
    read(format!("{RECIPES}/playheadd_{VERSION}.bb"))
}

fn package() -> String {
    read(format!("{PACKAGE}/playheadd.mk"))
}

#[test]
fn versions_are_that_of_cargo_toml() {
    let recipes: Vec<_> = std::fs::read_dir(root().join(RECIPES))
        .expect("the recipes")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| name.ends_with(".bb"))
        .collect();
    assert_eq!(recipes, [format!("playheadd_{VERSION}.bb")]);
    assert!(package().contains(&format!("\nPLAYHEADD_VERSION = {VERSION}\n")));
    assert!(read("packaging/debian/changelog").starts_with(&format!("playheadd ({VERSION}-1) ")));
}

#[test]
fn the_crates_of_the_recipe_are_those_of_cargo_lock() {
    let Some(made) = printed("/usr/bin/python3", &["packaging/yocto/crates"]) else { return };
    assert!(
        made == read(format!("{RECIPES}/playheadd-crates.inc")),
        "it is old: run `make crates`"
    );
    let locked = read("Cargo.lock").matches("\nchecksum = ").count();
    assert_eq!(made.matches("crate://crates.io/").count(), locked);
    assert_eq!(made.matches(".sha256sum] = ").count(), locked);
}

#[test]
fn checksums_are_those_of_the_licence() {
    if let Some(md5) = printed("md5sum", &["LICENSE-MIT"]) {
        assert!(recipe().contains(&format!("md5={}\"", md5.split(' ').next().expect("a sum"))));
    }
    if let Some(sha256) = printed("sha256sum", &["LICENSE-MIT"]) {
        assert!(read(format!("{PACKAGE}/playheadd.hash")).contains(&format!("sha256  {sha256}")));
    }
}

#[test]
fn user_and_groups_are_the_same_everywhere() {
    let sysusers = read("systemd/playheadd.sysusers.conf");
    let names: Vec<_> = sysusers
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().nth(1).expect("a name"))
        .collect();
    assert_eq!(names, ["playheadd", "playhead", "playhead-admin"]);
    let (recipe, package) = (recipe(), package());
    let bitbake = |text: &str| recipe.lines().any(|line| line.contains(text));
    assert!(bitbake("GROUPADD_PARAM:${PN} = \"--system playhead; --system playhead-admin\""));
    assert!(bitbake("'Playback-session agent' playheadd\""));
    for line in ["\tplayheadd -1 playheadd -1 ", "\t- -1 playhead -1 ", "\t- -1 playhead-admin -1 "]
    {
        assert!(package.contains(line), "{line}");
    }
}

/// Each installed file is in a package of the recipe, or in one that its classes bring.
#[test]
fn the_recipe_packages_every_file() {
    let recipe = recipe().replace("\\\n", " ");
    let mut owned: Vec<String> = Vec::new();
    for line in recipe.lines().filter(|line| line.starts_with("FILES:")) {
        let places = line.split('"').nth(1).expect("a value");
        for place in places.split_whitespace() {
            let place =
                place.replace("${nonarch_libdir}", "/usr/lib").replace("${bindir}", "/usr/bin");
            owned.push(place.replace("${datadir}", "/usr/share"));
        }
    }
    assert!(owned.iter().all(|place| !place.contains('$')), "{owned:?}");
    // bitbake.conf (programs, share/playheadd, man pages, headers, pkg-config files), systemd.bbclass,
    // bash-completion.bbclass.
    let classes = [
        "/usr/bin/",
        "/usr/share/man/",
        "/usr/share/playheadd/",
        "/usr/lib/systemd/system/",
        "/usr/share/bash-completion/",
        "/usr/include/",
        "/usr/share/pkgconfig/",
    ];
    for line in made(root(), &["installed", "BOX=none"]).lines() {
        let (_, file) = line.split_once(' ').expect("mode and target");
        let has = owned.iter().any(|place| Path::new(file).starts_with(place));
        let preset = file.contains("/system-preset/")
            && recipe.contains("rm -r ${D}${nonarch_libdir}/systemd/system-preset");
        assert!(has || preset || classes.iter().any(|place| file.starts_with(place)), "{file}");
    }
}

/// bitbake refuses a layer that does not name the release.
#[test]
fn releases_of_yocto_that_the_page_names_are_those_of_the_layer() {
    let layer = read("packaging/yocto/conf/layer.conf");
    let (_, series) = layer.split_once("LAYERSERIES_COMPAT_playheadd = \"").expect("the releases");
    let series: Vec<_> =
        series.split('"').next().expect("the releases").split_whitespace().collect();
    assert!(series.contains(&"styhead"), "{series:?}");
    let page = read("packaging/yocto/README.md");
    let (_, table) = page.split_once("| release | what to do |\n|---|---|\n").expect("the table");
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let named: Vec<_> = rows
        .flat_map(|row| row.split('|').nth(1).expect("the releases").split(','))
        .map(|name| name.split_whitespace().next().expect("a name"))
        .collect();
    assert_eq!(named, series);
}

#[test]
fn scripts_are_clean() {
    let mut scripts: Vec<String> =
        ["postinst", "prerm", "postrm"].map(|name| format!("packaging/debian/{name}")).into();
    scripts.push(format!("{PACKAGE}/S85playheadd"));
    for script in scripts {
        printed("sh", &["-n", &script]).expect("a shell");
        printed("shellcheck", &[&script]);
    }
}

/// Buildroot's own macros, as far as a package sees them.
const INFRASTRUCTURE: &str = r#"
qstrip = $(strip $(subst ",,$(1)))
UPPERCASE = $(shell echo $(1) | tr a-z- A-Z_)
INSTALL = install
cargo-package =
RUSTC_TARGET_NAME = armv7-unknown-linux-gnueabihf
PLAYHEADD_PKGDIR = $(BR2_EXTERNAL_PLAYHEADD_PATH)/package/playheadd
include $(BR2_EXTERNAL_PLAYHEADD_PATH)/external.mk
value:
	@echo '$($(OF))'
%/install-staging:
	$(PLAYHEADD_INSTALL_STAGING_CMDS)
%/install-target:
	$(PLAYHEADD_INSTALL_TARGET_CMDS)
	$(PLAYHEADD_INSTALL_INIT_SYSV)
"#;

struct Buildroot {
    place: tempfile::TempDir,
    settings: Vec<String>,
}

impl Buildroot {
    fn new(settings: &[&str]) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        std::fs::write(place.path().join("Makefile"), INFRASTRUCTURE).expect("written");
        let mut all = vec![format!(
            "BR2_EXTERNAL_PLAYHEADD_PATH={}",
            root().join("packaging/buildroot").display()
        )];
        all.push(format!("TARGET_DIR={}", place.path().join("target").display()));
        all.push(format!("STAGING_DIR={}", place.path().join("staging").display()));
        all.extend(settings.iter().map(|&setting| setting.to_owned()));
        Self { place, settings: all }
    }

    fn make(&self, arguments: &[&str]) -> String {
        let mut all: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        all.extend(arguments);
        made(self.place.path(), &all)
    }

    fn value(&self, of: &str) -> String {
        self.make(&["value", &format!("OF={of}")]).trim().to_owned()
    }

    fn target(&self) -> PathBuf {
        self.place.path().join("target")
    }
}

#[test]
fn buildroot_finds_the_archive_that_make_dist_writes_or_another() {
    let archive = format!("file://{}", root().join("target/dist").display());
    let here = Buildroot::new(&[]);
    assert_eq!(here.value("PLAYHEADD_SITE"), archive);
    assert_eq!(here.value("BR_NO_CHECK_HASH_FOR"), format!("playheadd-{VERSION}.tar.gz"));
    // A hash is wanted of what comes from elsewhere.
    let elsewhere = Buildroot::new(&["BR2_PACKAGE_PLAYHEADD_SITE=\"https://example.com/sources\""]);
    assert_eq!(elsewhere.value("PLAYHEADD_SITE"), "https://example.com/sources");
    assert_eq!(elsewhere.value("BR_NO_CHECK_HASH_FOR"), "");
}

#[test]
fn buildroot_installs_what_its_init_system_needs() {
    let configuration = format!(
        "BR2_PACKAGE_PLAYHEADD_CONFIG=\"{}\"",
        root().join("tests/system/guest/playheadd.toml").display()
    );
    for (settings, systemd, ctl) in [
        (vec!["BR2_INIT_SYSTEMD=y", "BR2_PACKAGE_PLAYHEADD_CTL=y"], true, true),
        (vec!["BR2_PACKAGE_PLAYHEADD_CTL=y"], false, true),
        (vec![configuration.as_str()], false, false),
    ] {
        let buildroot = Buildroot::new(&settings);
        let programs = programs(buildroot.place.path());
        let target = format!("{}/install-target", root().display());
        buildroot.make(&[&target, &format!("PLAYHEADD_BOX={}", programs.display())]);
        let found = tree(&buildroot.target());
        let has = |file: &str| found.iter().any(|found| found == file);
        assert!(has("usr/bin/playheadd") && has("etc/init.d/S85playheadd"), "{found:?}");
        assert!(has("usr/share/dbus-1/system.d/tv.playhead.Agent1.conf"), "{found:?}");
        assert_eq!(has("usr/bin/playheadctl"), ctl, "{found:?}");
        // What players are built with lies where Buildroot builds them, and not on the box.
        assert!(!found.iter().any(|file| file.contains("clients/")), "{found:?}");
        assert!(!has("usr/include/playhead.h"), "{found:?}");
        buildroot.make(&[&target.replace("target", "staging"), "PLAYHEADD_BOX=none"]);
        let staged = tree(&buildroot.place.path().join("staging"));
        let wanted = [
            "usr/include/playhead.h",
            "usr/share/pkgconfig/playhead.pc",
            "usr/share/playheadd/clients/c/playhead.c",
        ];
        assert_eq!(staged, wanted);
        for file in [
            "usr/lib/systemd/system/playheadd.service",
            "usr/lib/systemd/system-preset/50-playheadd.preset",
            "usr/lib/systemd/catalog/playheadd.catalog",
            "usr/lib/sysusers.d/playheadd.conf",
            "usr/share/dbus-1/system-services/tv.playhead.Agent1.service",
        ] {
            assert_eq!(has(file), systemd, "{file}");
        }
        assert_eq!(
            has("usr/lib/playheadd/playheadd.toml"),
            settings.contains(&configuration.as_str()),
            "{found:?}"
        );
    }
}

/// The parts of each crate's profile that decide over size, with these variables in the environment.
fn profiles(environment: &[(String, String)]) -> BTreeMap<String, Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "--release",
        "--locked",
        "--offline",
        "--unit-graph",
        "-Zunstable-options",
    ]);
    cargo.env("RUSTC_BOOTSTRAP", "1").envs(environment.iter().cloned()).current_dir(root());
    let out = cargo.output().expect("cargo");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let graph: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let mut found = BTreeMap::new();
    for unit in graph["units"].as_array().expect("units") {
        let profile = &unit["profile"];
        let parts =
            ["opt_level", "lto", "codegen_units", "panic", "strip", "debuginfo", "overflow_checks"];
        let name = format!("{} {} {}", unit["pkg_id"], unit["target"]["name"], unit["mode"]);
        found.insert(
            name,
            parts.iter().map(|&part| (part.to_owned(), profile[part].clone())).collect(),
        );
    }
    assert!(found.keys().any(|name| name.contains("playheadctl")), "{found:?}");
    found
}

/// Pairs out of `A="x" B="y"`.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |word: &str| {
        let (name, value) = word.split_once('=').expect("a variable");
        (name.to_owned(), value.trim_matches('"').to_owned())
    };
    text.split_whitespace().map(pair).collect()
}

#[test]
fn buildroot_builds_with_the_profile_of_cargo_toml() {
    let ours = profiles(&[]);
    // What its cargo infrastructure exports, for BR2_OPTIMIZE_2 without LTO.
    let mut environment = pairs(
        "CARGO_PROFILE_RELEASE_INCREMENTAL=false CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
         CARGO_PROFILE_RELEASE_SPLIT_DEBUGINFO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=2 \
         CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_DEBUG=0 \
         CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=false CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=false",
    );
    assert_ne!(profiles(&environment), ours, "its variables are without effect");
    environment.extend(pairs(&Buildroot::new(&[]).value("PLAYHEADD_CARGO_ENV")));
    assert_eq!(profiles(&environment), ours);
}

#[test]
fn yocto_builds_with_the_profile_of_cargo_toml_and_strips_by_itself() {
    let recipe = recipe();
    let exported: Vec<_> = recipe
        .lines()
        .filter_map(|line| line.strip_prefix("export "))
        .map(|line| line.replace(" = ", "="))
        .flat_map(|line| pairs(&line))
        .collect();
    assert_eq!(exported, pairs("CARGO_PROFILE_RELEASE_STRIP=none"));
    let without_strip = |profiles: BTreeMap<String, Value>| -> BTreeMap<String, Value> {
        let mut profiles = profiles;
        for profile in profiles.values_mut() {
            profile.as_object_mut().expect("an object").remove("strip");
        }
        profiles
    };
    let (plain, bitbakes) = (profiles(&[]), profiles(&exported));
    assert_ne!(plain, bitbakes, "it strips all the same");
    assert_eq!(without_strip(plain), without_strip(bitbakes));
}

#[test]
fn thumb_code_is_for_armv7_alone() {
    let flags = "CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_RUSTFLAGS";
    for (settings, thumb) in [
        (&["BR2_arm=y", "BR2_ARM_CPU_ARMV7A=y"][..], true),
        (&["BR2_arm=y", "BR2_ARM_CPU_ARMV8A=y"], true),
        (&["BR2_arm=y", "BR2_ARM_CPU_ARMV6=y"], false),
        (&["BR2_aarch64=y", "BR2_ARM_CPU_ARMV8A=y"], false),
    ] {
        let environment = Buildroot::new(settings).value("PLAYHEADD_CARGO_ENV");
        assert_eq!(environment.contains(flags), thumb, "{settings:?}: {environment}");
        assert_eq!(environment.contains("+thumb-mode"), thumb, "{settings:?}: {environment}");
    }
}
