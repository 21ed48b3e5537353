//! Which files and variables make the configuration, and which of them wins.

use std::process::Command;

use crate::scene::{LEAST, LOCAL, Said, Scene, VENDOR};

#[test]
fn the_later_layer_wins_key_by_key() {
    let scene = Scene::whole();
    scene.write(
        LOCAL,
        "[heartbeat]\nmain_seconds = 20\nad_seconds = 2\n[media]\nchannel = \"local\"\n",
    );
    scene.write("etc/playheadd/conf.d/50-b.toml", "[media]\nchannel = \"b\"\n");
    scene.write(
        "usr/lib/playheadd/conf.d/40-a.toml",
        "[heartbeat]\nad_seconds = 3\n[media]\nchannel = \"a\"\n",
    );
    scene.write("usr/lib/playheadd/conf.d/60-c.toml", "\n\n[heartbeat]\ndownloaded_seconds = 4\n");
    let said = scene.origins();
    for (section, key, value, origin) in [
        ("collector", "url", "\"https://c.example\"", "usr/lib/playheadd/playheadd.toml:2"),
        ("heartbeat", "main_seconds", "20", "etc/playheadd/playheadd.toml:2"),
        ("heartbeat", "ad_seconds", "3", "usr/lib/playheadd/conf.d/40-a.toml:2"),
        ("media", "channel", "\"b\"", "etc/playheadd/conf.d/50-b.toml:2"),
        ("heartbeat", "downloaded_seconds", "4", "usr/lib/playheadd/conf.d/60-c.toml:4"),
        ("idle", "timeout_seconds", "1800", "default"),
    ] {
        let (found, place) = said.key(section, key);
        assert_eq!(found, value, "{section}.{key}");
        assert!(place.ends_with(origin), "{section}.{key}: {place}");
    }
    let variables = [("PLAYHEADD_HEARTBEAT__MAIN_SECONDS", "7"), ("PLAYHEADD_BOOT_ID", "x")];
    let said = scene.ctl_with(&variables, &["--origin"]);
    let expected = ("7".into(), "PLAYHEADD_HEARTBEAT__MAIN_SECONDS".into());
    assert_eq!(said.key("heartbeat", "main_seconds"), expected);
    assert!(said.out.starts_with("# variables are those of this command"), "{}", said.out);
}

#[test]
fn a_file_of_the_same_name_masks_the_vendors_and_an_empty_one_switches_it_off() {
    let scene = Scene::whole();
    for name in ["masked", "empty", "null", "kept"] {
        let text = format!(
            "[media]\n{}\n",
            match name {
                "masked" => "channel = \"vendor\"\nplayer_name = \"vendor\"",
                "empty" => "content_type = \"vendor\"",
                "null" => "live_day = \"local\"",
                _ => "stream_type = \"audio\"",
            }
        );
        scene.write(&format!("usr/lib/playheadd/conf.d/{name}.toml"), text);
    }
    scene.write("etc/playheadd/conf.d/masked.toml", "[media]\nchannel = \"local\"\n");
    scene.write("etc/playheadd/conf.d/empty.toml", "");
    let link = scene.path("etc/playheadd/conf.d/null.toml");
    std::os::unix::fs::symlink("/dev/null", link).expect("a link");
    // What is no file of the configuration is not read.
    scene.write("etc/playheadd/conf.d/.hidden.toml", "broken");
    scene.write("etc/playheadd/conf.d/kept.toml.dpkg-old", "broken");
    scene.write("etc/playheadd/conf.d/README", "broken");
    let said = scene.origins();
    for (key, value) in [
        ("channel", "\"local\""),
        ("player_name", "\"playheadd\""),
        ("content_type", "\"vod\""),
        ("live_day", "\"utc\""),
        ("stream_type", "\"audio\""),
    ] {
        assert_eq!(said.key("media", key).0, value, "{key}");
    }
}

#[test]
fn variables_are_toml_or_texts() {
    let scene = Scene::whole();
    let variables = [
        ("PLAYHEADD_MPRIS__ALLOW", "[\"vlc\", \"mpv*\"]"),
        ("PLAYHEADD_MPRIS__ENABLED", "true"),
        ("PLAYHEADD_MEDIA__CHANNEL", "living room"),
        ("PLAYHEADD_MEDIA__PLAYER_NAME", "\"quoted\""),
        ("PLAYHEADD_ANALYTICS__VISITOR_ID", "12345"),
        ("PLAYHEADD_LIMITS__SESSIONS", "0x10"),
        ("PLAYHEADD_COLLECTOR__PROXY", ""),
    ];
    let said = scene.ctl_with(&variables, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for line in [
        "allow = [\"vlc\", \"mpv*\"]",
        "enabled = true",
        "channel = \"living room\"",
        "player_name = \"quoted\"",
        "visitor_id = \"12345\"",
        "sessions = 16",
        "# proxy: not set",
    ] {
        assert!(said.out.lines().any(|found| found == line), "{line}: {}", said.out);
    }
    for (variable, value, parts) in [
        ("PLAYHEADD_HARTBEAT__MAIN_SECONDS", "1", ["unknown section `hartbeat`", "`heartbeat`"]),
        ("PLAYHEADD_HEARTBEAT__MAIN_SECOND", "1", ["heartbeat.main_second", "`main_seconds`"]),
        ("PLAYHEADD_HEARTBEAT__MAIN_SECONDS", "ten", ["heartbeat.main_seconds", "0.1 or more"]),
        (
            "PLAYHEADD_COLLECTORS__LAB__URL",
            "x",
            ["collectors.lab.url: expected an https:// URL", "without http://"],
        ),
        ("PLAYHEADD___URL", "x", ["unknown section ``", "expected one of"]),
        ("PLAYHEADD_COLLECTOR_URL", "x", ["two underscores", "mean PLAYHEADD_COLLECTOR__URL?"]),
        ("PLAYHEADD_LOG_LEVLE", "x", ["two underscores", "mean PLAYHEADD_LOG__LEVEL?"]),
        ("PLAYHEADD_LIMITS_X", "x", ["two underscores", "expected PLAYHEADD_LIMITS__KEY"]),
        ("PLAYHEADD_STORE", "x", ["two underscores", "expected PLAYHEADD_STORE__KEY"]),
    ] {
        let said = scene.ctl_with(&[(variable, value)], &["--check"]);
        assert_eq!(said.code, Some(1), "{variable}: {said:?}");
        for part in parts {
            let begins = said.err.starts_with(&format!("{variable}: "));
            assert!(begins && said.err.contains(part), "{variable}, '{part}': {}", said.err);
        }
    }
}

#[test]
fn variables_that_are_no_settings_are_left_alone() {
    let others = [("PLAYHEADD_BOOT_ID", "x"), ("PLAYHEADD_ARGS", "x"), ("PLAYHEADD_", "x")];
    let said = Scene::whole().ctl_with(&others, &["--check"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
}

#[test]
fn one_file_in_place_of_all_has_the_variables_on_top() {
    let scene = Scene::whole();
    let file = scene.write("other.toml", format!("{LEAST}[media]\nchannel = \"other\"\n"));
    let name = file.display().to_string();
    let said = scene.ctl_with(&[("PLAYHEADD_MEDIA__LIVE_DAY", "local")], &["--config", &name]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.key("media", "channel").0, "\"other\"");
    assert_eq!(said.key("media", "live_day").0, "\"local\"");
    let bad = [("PLAYHEADD_MEDIA__LIVE_DAY", "mars")];
    let said = scene.daemon(&file, &bad);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("PLAYHEADD_MEDIA__LIVE_DAY: media.live_day"), "{}", said.err);
    assert_eq!(scene.daemon(&file, &[]).code, Some(0));
}

#[test]
fn what_is_printed_is_taken_back_and_makes_the_same() {
    let scene = Scene::whole();
    // What follows from others is printed as it is.
    scene.write(
        LOCAL,
        "[store]\nmax_bytes = 10_000_000\n[collector]\ntimeout_seconds = 4\n\
        [limits]\nevents_per_second = 700\n[media]\nchannel = \"a\\\"b\\\\c\\u0007\\u202e ü\"\n",
    );
    let first = scene.ctl(&[]);
    assert_eq!(first.code, Some(0), "{first:?}");
    assert_eq!(first.key("delivery", "queue_max_bytes").0, "1666666");
    assert_eq!(first.key("collector", "connect_timeout_seconds").0, "2");
    assert_eq!(first.key("limits", "all_events_per_second").0, "700");
    let file = scene.write("merged.toml", &first.out);
    let said = scene.daemon(&file, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let again = scene.ctl(&["--config", &file.display().to_string()]);
    assert_eq!(again.out, first.out);
    let origins = scene.origins();
    let (_, origin) = origins.key("delivery", "queue_max_bytes");
    assert_eq!(origin, "default, follows store.max_bytes");
}

#[test]
fn without_a_configuration_it_says_where_it_looked() {
    let scene = Scene::new();
    let said = scene.ctl(&["--check"]);
    assert_eq!(said.code, Some(1));
    for part in
        ["/usr/lib/playheadd/playheadd.toml", "/etc/playheadd/playheadd.toml", "conf.d/*.toml"]
    {
        assert!(said.err.lines().next().is_some_and(|line| line.contains(part)), "{}", said.err);
    }
    for key in ["collector.url", "analytics.tracking_server", "report_suite", "org_id"] {
        assert!(said.err.contains(&format!("{key}: not set")), "{key}: {}", said.err);
    }
    scene.write(VENDOR, LEAST);
    let said = scene.ctl(&["--check"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert!(said.out.starts_with("nothing is wrong in "), "{}", said.out);
}

/// The real directories, in a mount namespace that sees the scene's files there.
#[test]
fn both_programs_read_the_directories_of_the_box() {
    let scene = Scene::whole();
    scene.write(LOCAL, "[media]\nchannel = \"local\"\n");
    let seen = |program: &std::path::Path, arguments: &str| {
        let root = scene.root().display();
        let script = format!(
            "mount -t overlay overlay -o lowerdir={root}/etc:/etc /etc && \
             mount -t overlay overlay -o lowerdir={root}/usr/lib:/usr/lib /usr/lib || exit 77; \
             exec {} {arguments}",
            program.display()
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]);
        Said::of(&command.output().expect("unshare"))
    };
    let ctl = std::path::Path::new(env!("CARGO_BIN_EXE_playheadctl"));
    let said = seen(ctl, "config --origin");
    if said.code == Some(77) || said.err.contains("unshare") {
        let name = "both_programs_read_the_directories_of_the_box";
        crate::common::skip(name, format!("it needs the right to mount: {}", said.err.trim()));
        return;
    }
    let place = ("\"local\"".into(), "/etc/playheadd/playheadd.toml:2".into());
    assert_eq!(said.key("media", "channel"), place, "{said:?}");
    let daemon = crate::common::daemon();
    assert_eq!(seen(&daemon, "--check").code, Some(0));
    scene.write("etc/playheadd/conf.d/x.toml", "[media]\nchannel = 1\n");
    let said = seen(&daemon, "--check");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("/etc/playheadd/conf.d/x.toml:2: media.channel"), "{}", said.err);
}
