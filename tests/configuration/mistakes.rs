//! Every mistake is named with its place, and all of them at once.

use std::process::Command;

use crate::common::{self, World};
use crate::scene::{LEAST, LOCAL, Said, Scene};

#[test]
fn all_mistakes_stand_there_in_the_order_of_the_files() {
    let scene = Scene::whole();
    scene.write(
        LOCAL,
        "[heartbeat]\nmain_seconds = nan\nad_second = 1\n\n[hartbeat]\n[clock]\n\
        require_sync = \"yes\"\n[collector]\nproxy = \"foo\"\n",
    );
    scene
        .write("etc/playheadd/conf.d/10.toml", "[store]\npath = \"state\"\n[media\nx = 1\ny = 2\n");
    scene.write("usr/lib/playheadd/conf.d/20.toml", "url = \"https://c.example\"\nlog = 1\n");
    let wanted = [
        "etc/playheadd/playheadd.toml:2: heartbeat.main_seconds: expected 0.1 or more seconds, got NaN",
        "etc/playheadd/playheadd.toml:3: heartbeat.ad_second: unknown key `ad_second`; did you mean `ad_seconds`?",
        "etc/playheadd/playheadd.toml:5: unknown section `hartbeat`; did you mean `heartbeat`?",
        "etc/playheadd/playheadd.toml:7: clock.require_sync: expected true or false",
        "etc/playheadd/playheadd.toml:9: collector.proxy: expected an http:// or https:// URL",
        "etc/playheadd/conf.d/10.toml:3: unclosed table",
        "usr/lib/playheadd/conf.d/20.toml:1: `url` belongs to the section [collector]",
        "usr/lib/playheadd/conf.d/20.toml:2: expected a section, [log]",
        "PLAYHEADD_LOG__LEVEL: log.level: expected 'error', 'warn', 'info', 'debug' or 'trace', got 'loud'",
    ];
    let said = scene.ctl_with(&[("PLAYHEADD_LOG__LEVEL", "loud")], &["--check"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    let lines: Vec<&str> = said.err.lines().collect();
    assert_eq!(lines.len(), wanted.len(), "{}", said.err);
    for (line, wanted) in lines.iter().zip(wanted) {
        assert!(line.contains(wanted), "'{wanted}' in '{line}'");
    }
    let said = scene.ctl_with(&[("PLAYHEADD_LOG__LEVEL", "loud")], &["--check", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!((json["ok"].as_bool(), said.code, said.err.as_str()), (Some(false), Some(1), ""));
    let errors = json["errors"].as_array().expect("errors");
    assert_eq!(errors.len(), wanted.len());
    assert_eq!(
        (errors[0]["line"].as_u64(), errors[0]["key"].as_str()),
        (Some(2), Some("heartbeat.main_seconds"))
    );
    // The daemon says the same of one file.
    let said = scene.daemon(&scene.path(LOCAL), &[]);
    assert_eq!(said.code, Some(2));
    for (n, wanted) in wanted[..5].iter().enumerate() {
        assert!(said.err.lines().nth(n).is_some_and(|line| line.contains(wanted)), "{}", said.err);
    }
}

#[test]
fn values_that_cannot_work_are_refused() {
    let scene = Scene::new();
    for (section, line, wanted) in [
        ("collector", "proxy = \"socks5://p:1080\"", "SOCKS is not built in"),
        ("collector", "proxy = \"http://box:hush@\"", "a URL with a host"),
        ("collector", "url = \"https://\"", "a URL with a host"),
        ("collector", "url = \"https://u:hush@c.example\"", "without user and password"),
        ("collector", "url = \"https://c.example/a b\"", "without blanks"),
        ("collector", "url = \"https://c.example/?x=1\"", "without '?'"),
        ("collector", "ca_file = \"ca.pem\"", "an absolute path, or ${CREDENTIALS_DIRECTORY}/NAME"),
        ("collector", "ca_file = \"${HOME}/ca.pem\"", "an absolute path, or"),
        (
            "collector",
            "ca_file = \"/nowhere/ca.pem\"",
            "/nowhere/ca.pem cannot be read: No such file",
        ),
        ("collector", "ca_file = \"/tmp\"", "/tmp cannot be read: it is no regular file"),
        ("collector", "ca_file = \"/etc/passwd\"", "holds no usable certificate"),
        ("collector", "client_cert_file = \"/nowhere/a\"", "needs collector.client_key_file"),
        ("collector", "client_key_file = \"/nowhere/a\"", "needs collector.client_cert_file"),
        ("collector", "timeout_seconds = inf", "at most 3200000000 seconds, got inf"),
        ("collector", "timeout_seconds = -1", "0.1 or more seconds, got -1"),
        (
            "analytics",
            "tracking_server = \"https://x.example/y\"",
            "the name of a host without scheme",
        ),
        ("analytics", "org_id = \"\"", "expected a text that is not empty"),
        ("analytics", "visitor_id = 4711", "expected a text, got a value of the type integer"),
        ("store", "path = \"state\"", "an absolute path, got 'state'"),
        ("store", "path = \"/\"", "a directory of its own, got '/'"),
        ("store", "path = \"/../.\"", "a directory of its own, got '/../.'"),
        ("store", "path = \"\"", "an absolute path, got ''"),
        ("store", "max_bytes = 99999999999999999", "at most 1099511627776, got"),
        (
            "limits",
            "sessions_per_sender = 65",
            "at most limits.sessions (default), which is 64, got 65",
        ),
        (
            "limits",
            "string_bytes = 65537",
            "at most limits.info_bytes (default), which is 65536, got 65537",
        ),
        ("limits", "sessions = 0", "at least 1, got 0"),
        ("limits", "sessions = 1e3", "at least 1, got 1000"),
        ("limits", "sessions = 4294967296", "at most 4294967295, got 4294967296"),
        ("mpris", "bus = \"\"", "'session', 'system' or a D-Bus address"),
        ("mpris", "bus = \"loud\"", "'session', 'system' or a D-Bus address"),
        ("mpris", "allow = [\"\"]", "patterns of letters"),
        ("mpris", "allow = [1]", "a list of patterns, such as"),
        ("mpris", "deny = [\"org.mpris.MediaPlayer2.vlc\"]", "without org.mpris.MediaPlayer2."),
        ("mpris", "position_seconds = 0.5", "0, or 1 or more seconds, got 0.5"),
        ("idle", "timeout_seconds = 1e300", "at most 3200000000 seconds, got 1e300"),
        ("media", "live_day = \"\"", "'utc' or 'local', got ''"),
    ] {
        let key = line.split(' ').next().expect("a key");
        let others: String = LEAST
            .lines()
            .filter(|l| !l.starts_with(&format!("{key} =")))
            .map(|l| format!("{l}\n"))
            .collect();
        let header = format!("[{section}]\n");
        let text = match others.contains(&header) {
            true => others.replace(&header, &format!("{header}{line}\n")),
            false => format!("{others}{header}{line}\n"),
        };
        let at = text.lines().position(|l| l == line).expect("it is there") + 1;
        let file = scene.write("one.toml", &text);
        let daemon = scene.daemon(&file, &[]);
        let ctl = scene.ctl(&["--check", "--config", &file.display().to_string()]);
        assert_eq!((daemon.code, ctl.code), (Some(2), Some(1)), "{line}: {daemon:?}");
        for said in [&daemon.err, &ctl.err] {
            let lines =
                said.lines().filter(|line| !line.contains("/nowhere/a cannot be read")).count();
            assert_eq!(lines, 1, "{line}: {said}");
            assert!(said.contains(&format!("one.toml:{at}: {section}.{key}: ")), "{line}: {said}");
            assert!(said.contains(wanted), "{line}: '{wanted}' in {said}");
            assert!(!said.contains("hush") && !said.contains("4711"), "{said}");
        }
    }
}

#[test]
fn mistakes_without_an_end_are_counted_and_not_told() {
    let scene = Scene::whole();
    let keys: String = (0..29_000).map(|n| format!("x{n:05}=1\n")).collect();
    let keys = format!("[delivery]\n{keys}");
    for n in 0..5 {
        scene.write(&format!("etc/playheadd/conf.d/{n}.toml"), &keys);
    }
    let sections: String = (0..30_000).map(|n| format!("[{n}]\n")).collect();
    scene.write(LOCAL, sections);
    let said = scene.ctl(&["--check"]);
    assert_eq!(said.code, Some(1));
    let lines: Vec<&str> = said.err.lines().collect();
    assert_eq!(lines.len(), 256 + 5, "{}", said.err);
    assert!(lines[63].contains("playheadd.toml:64: unknown section"), "{}", lines[63]);
    assert!(lines[64].ends_with("playheadd.toml: and 29936 more"), "{}", lines[64]);
    assert!(lines[65].contains("0.toml:2: delivery.x"), "{}", lines[65]);
    assert!(lines[129].ends_with("0.toml: and 28936 more"), "{}", lines[129]);
    assert_eq!(lines[260], "and 58000 more");
    let said = scene.daemon(&scene.path("etc/playheadd/conf.d/0.toml"), &[]);
    assert!(said.code == Some(2) && said.err.contains("0.toml: and 28936 more"), "{said:?}");
    assert!(said.err.contains("collector.url: not set"), "{}", said.err);
}

#[test]
fn two_keys_that_contradict_each_other_are_both_placed() {
    let scene = Scene::whole();
    scene
        .write(LOCAL, "[collector]\nconnect_timeout_seconds = 9\n[store]\nmax_bytes = 3_000_000\n");
    scene.write(
        "etc/playheadd/conf.d/x.toml",
        "[collector]\ntimeout_seconds = 9\n\
        url = \"http://127.0.0.1:1\"\n[delivery]\nqueue_max_bytes = 1_000_000\n",
    );
    let said = scene.ctl(&["--check"]);
    for (wanted, other) in [
        (
            "playheadd.toml:2: collector.connect_timeout_seconds: expected less than collector.timeout_seconds (",
            "conf.d/x.toml:2), which is 9, got 9",
        ),
        (
            "playheadd.toml:4: store.max_bytes: expected at least 6 times delivery.queue_max_bytes (",
            "conf.d/x.toml:5), which is 1000000, got 3000000",
        ),
        (
            "conf.d/x.toml:3: collector.url: plain http is for a collector on this machine, where \
          collector.allow_plain_http (default) is true",
            "127.0.0.1",
        ),
    ] {
        let line = said.err.lines().find(|line| line.contains(wanted));
        assert!(
            line.is_some_and(|line| line.contains(other)),
            "'{wanted}...{other}' in {}",
            said.err
        );
    }
    assert_eq!(said.err.lines().count(), 3, "{}", said.err);
}

#[test]
fn what_is_no_file_or_cannot_be_read_is_named_and_holds_nobody_up() {
    let scene = Scene::whole();
    let fifo = scene.path("etc/playheadd/conf.d/fifo.toml");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    std::fs::create_dir_all(scene.path("etc/playheadd/conf.d/dir.toml")).expect("a directory");
    let link = scene.path("etc/playheadd/conf.d/gone.toml");
    std::os::unix::fs::symlink("/nowhere/at-all", link).expect("a link");
    scene.write("etc/playheadd/conf.d/bytes.toml", b"[media]\nchannel = \"\xff\"\n");
    scene.write("etc/playheadd/conf.d/large.toml", "# much\n".repeat(60_000));
    let said = scene.ctl(&["--check"]);
    assert_eq!(said.code, Some(1));
    for wanted in [
        "fifo.toml: expected a regular file, got a FIFO",
        "dir.toml: expected a regular file, got a directory",
        "gone.toml: cannot be read: No such file",
        "bytes.toml:2: expected UTF-8, got the byte 0xff",
        "large.toml: expected a configuration of at most 262144 bytes",
    ] {
        assert!(said.err.contains(wanted), "'{wanted}' in {}", said.err);
    }
    let said = scene.daemon(&fifo, &[]);
    assert!(said.code == Some(2) && said.err.contains("got a FIFO"), "{said:?}");
    let many = Scene::whole();
    for n in 0..129 {
        many.write(&format!("etc/playheadd/conf.d/{n}.toml"), "");
    }
    let said = many.ctl(&["--check"]);
    assert!(said.err.contains("conf.d: expected at most 128 files, got 129"), "{said:?}");
}

#[test]
fn a_credential_is_found_where_systemd_puts_it() {
    let scene = Scene::new();
    let text =
        LEAST.replace("[analytics]", "ca_file = \"${CREDENTIALS_DIRECTORY}/ca.pem\"\n[analytics]");
    let file = scene.write("playheadd.toml", text);
    let said = scene.daemon(&file, &[]);
    assert_eq!(said.code, Some(2));
    for part in ["playheadd.toml:3: collector.ca_file", "LoadCredential=ca.pem:"] {
        assert!(said.err.contains(part), "'{part}' in {}", said.err);
    }
    let directory = scene.path("credentials/ca.pem").with_file_name("");
    let directory = directory.to_str().expect("UTF-8");
    let variables = [("CREDENTIALS_DIRECTORY", directory)];
    let said = scene.daemon(&file, &variables);
    assert!(said.err.contains("credentials/ca.pem cannot be read"), "{said:?}");
    let authority = rcgen::generate_simple_self_signed(["x".into()]).expect("a certificate");
    scene.write("credentials/ca.pem", authority.cert.pem());
    let said = scene.daemon(&file, &variables);
    assert_eq!(said.code, Some(0), "{said:?}");
    // Whoever is not the service cannot look.
    let name = file.display().to_string();
    let said = scene.ctl(&["--check", "--config", &name]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("collector.ca_file is a credential of the service"), "{}", said.out);
    let said = scene.ctl(&["--config", &name]);
    assert!(said.out.contains("ca_file = \"${CREDENTIALS_DIRECTORY}/ca.pem\""), "{}", said.out);
}

#[test]
fn files_that_a_box_names_are_those_of_its_image() {
    let scene = Scene::whole();
    scene.write(LOCAL, "[collector]\nca_file = \"/etc/playheadd/ca.pem\"\n");
    let said = scene.ctl(&["--check"]);
    assert!(
        said.err.contains("collector.ca_file: ") && said.err.contains("cannot be read"),
        "{said:?}"
    );
    let authority = rcgen::generate_simple_self_signed(["x".into()]).expect("a certificate");
    scene.write("etc/playheadd/ca.pem", authority.cert.pem());
    assert_eq!(scene.ctl(&["--check"]).code, Some(0));
    // All files at once, each by its own key.
    scene.write(
        LOCAL,
        "[collector]\nca_file = \"/a\"\nclient_cert_file = \"/b\"\nclient_key_file = \"/c\"\n",
    );
    let said = scene.ctl(&["--check"]);
    for (n, key) in ["ca_file", "client_cert_file", "client_key_file"].iter().enumerate() {
        let line = said.err.lines().nth(n).unwrap_or_default();
        assert!(
            line.contains(&format!("playheadd.toml:{}: collector.{key}: ", n + 2)),
            "{}",
            said.err
        );
    }
}

#[test]
fn a_reload_counts_the_variables_of_the_daemon() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut world = World::start("").await;
        assert!(world.agent.stop().success());
        let text = common::config_text(&world.collector.url(), "");
        let text = text.replace("report_suite = \"tests\"\n", "");
        std::fs::write(world.agent.config(), text).expect("written");
        world.agent.under = vec!["env".into(), "PLAYHEADD_ANALYTICS__REPORT_SUITE=tests".into()];
        world.agent.start_again().await;
        let reload = || {
            let mut command = Command::new(common::daemon());
            command.args(["--reload", &world.agent.pid().to_string()]);
            Said::of(&command.output().expect("playheadd"))
        };
        assert_eq!(reload().code, Some(0));
        while !world.agent.log().contains("the configuration was read anew") {
            tokio::task::yield_now().await;
        }
        std::fs::write(world.agent.config(), "[a]\n[b]\n").expect("written");
        let said = reload();
        assert_eq!(said.code, Some(2), "{said:?}");
        while !world.agent.log().contains("the old one stays in force") {
            tokio::task::yield_now().await;
        }
        // One line has both.
        let log = world.agent.log();
        let line = log.lines().find(|line| line.contains("stays in force")).expect("a line");
        let second = format!("`; {}:2: unknown section `b`", world.agent.config().display());
        assert!(line.contains("unknown section `a`") && line.contains(&second), "{line}");
    });
}
