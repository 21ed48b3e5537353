//! Kinds of collectors and collectors beside the first: what each needs, what it may not hold, and where
//! its values come from.

use crate::scene::{LEAST, LOCAL, Scene, VENDOR};

const DATASTREAM: &str = "12345678-90ab-cdef-1234-567890abcdef";

fn edge() -> String {
    format!("[collector]\nkind = \"media-edge\"\n[edge]\ndatastream_id = \"{DATASTREAM}\"\n")
}

/// What both programs say of one file, without its path.
fn said_of(text: &str) -> Vec<String> {
    let scene = Scene::new();
    let file = scene.write("one.toml", text);
    let name = file.display().to_string();
    let (daemon, ctl) = (scene.daemon(&file, &[]), scene.ctl(&["--check", "--config", &name]));
    let lines: Vec<String> = ctl.err.lines().map(|line| line.replace(&name, "F")).collect();
    let of_daemon = daemon.err.replace(&name, "F").replace("playheadd: ", "");
    assert_eq!(of_daemon.lines().count(), lines.len(), "{}\n{}", daemon.err, ctl.err);
    assert!(
        lines.iter().all(|line| of_daemon.lines().any(|l| l == line)),
        "{of_daemon}\n{lines:?}"
    );
    let errors = lines.iter().any(|line| !line.starts_with("warning: "));
    let codes = if errors { (Some(2), Some(1)) } else { (Some(0), Some(0)) };
    assert_eq!((daemon.code, ctl.code), codes, "{lines:?}");
    lines
}

#[test]
fn what_the_daemon_needs_depends_on_the_kind() {
    for (text, missing) in [
        ("", &["collector.url", "tracking_server", "report_suite", "org_id"][..]),
        ("[collector]\nkind = \"media-edge\"\n", &["edge.datastream_id"]),
        ("[collector]\nkind = \"otlp\"\n", &["collector.url"]),
        ("[collector]\nkind = \"otlp\"\nurl = \"https://c.example\"\n", &[]),
        (&edge(), &[]),
        (
            &format!("{}[collectors.a]\nurl = \"https://a.example\"\n", edge()),
            &["tracking_server", "report_suite", "org_id"],
        ),
        (
            &format!("{LEAST}[collectors.a]\n[collectors.b]\nkind = \"media-edge\"\n"),
            &["collectors.a.url", "collectors.b.edge.datastream_id"],
        ),
        (&format!("{LEAST}[collectors.a]\nkind = \"otlp\"\nurl = \"https://a.example\"\n"), &[]),
        // A box may change its kind: keys of another one do no harm.
        (
            &format!("{LEAST}[edge]\nmetadata_prefix = \"_a\"\n[otlp]\nheaders_file = \"/none\"\n"),
            &[],
        ),
    ] {
        let lines = said_of(text);
        assert_eq!(lines.len(), missing.len(), "{text}: {lines:#?}");
        for (line, key) in lines.iter().zip(missing) {
            let (_, example) = line.split_once(": not set; put ").expect(line);
            assert!(line.split(": ").next().is_some_and(|name| name.ends_with(key)), "{line}");
            let section = example.split("below [").nth(1).and_then(|s| s.split(']').next());
            let place = section.map(|section| format!("{section}.")).expect(line);
            assert!(line.starts_with(&place), "the section of the key: {line}");
        }
    }
    let lines = said_of("[collector]\nkind = \"otlp\"\n[collectors.b]\nkind = \"media-edge\"\n");
    assert!(lines[0].contains("put url = \"https://<your pipeline>:4318\" below [collector]"));
    assert!(lines[1].contains("below [collectors.b.edge]"), "{lines:?}");
}

#[test]
fn media_edge_is_at_adobes_host_unless_it_is_said() {
    let scene = Scene::new();
    scene.write(VENDOR, format!("{}[collectors.b]\nkind = \"media-edge\"\n[collectors.b.edge]\ndatastream_id = \"{DATASTREAM}\"\n", edge()));
    let said = scene.origins();
    let followed = |other: &str| {
        ("\"https://edge.adobedc.net\"".to_owned(), format!("default, follows {other}"))
    };
    assert_eq!(said.key("collector", "url"), followed("collector.kind"));
    assert_eq!(said.key("collectors.b", "url"), followed("collectors.b.kind"));
    scene.write(LOCAL, "[collector]\nurl = \"https://cname.example/\"\n");
    assert_eq!(scene.origins().key("collector", "url").0, "\"https://cname.example/\"");
    // An empty text is as none.
    scene.write(LOCAL, "[collector]\nurl = \"\"\n");
    assert_eq!(scene.origins().key("collector", "url").0, followed("").0);
}

#[test]
fn a_mistake_of_a_collector_is_named_by_its_key() {
    let all = "sessionStart, play, pauseStart, bufferStart, sessionEnd, sessionComplete";
    for (lines, at, wanted) in [
        ("[collector]\nkind = \"edge\"\n", 2, "collector.kind: expected 'media-collection', 'media-edge' or 'otlp', got 'edge'".to_owned()),
        ("[collector]\nevents = [\"sessionstart\"]\n", 2, "collector.events: unknown event type `sessionstart`; did you mean `sessionStart`?".into()),
        ("[collector]\nevents = [\"xyzzyx\"]\n", 2, "expected some of `sessionStart`, `play`, `ping`".into()),
        ("[collector]\nevents = [\"ping\"]\n", 2, format!("collector.events: without {all} a session at Adobe dies")),
        ("[collector]\nsample = -0.1\n", 2, "collector.sample: expected a number from 0 to 1, got -0.1".into()),
        ("[collector]\nsample = nan\n", 2, "collector.sample: expected a number from 0 to 1, got NaN".into()),
        ("[collector]\ninterval_seconds = 301\n", 2, "collector.interval_seconds: expected at most 300 seconds (Adobe ends".into()),
        ("[edge]\ndatastream_id = \"12345678-90ab-cdef-1234\"\n", 2, "edge.datastream_id: expected a UUID (8-4-4-4-12 hexadecimal digits), got '12345678-90ab-cdef-1234'".into()),
        ("[edge]\nmetadata_prefix = \"tenant.x\"\n", 2, "edge.metadata_prefix: expected names of letters".into()),
        ("[edge]\nmetadata_prefix = \"_a..b\"\n", 2, "such as _tenant.media, got '_a..b'".into()),
        ("[otlp]\nresource = \"x\"\n", 2, "otlp.resource: expected a table of texts, got a value of the type string".into()),
        ("[otlp.resource]\na.b = 1\n", 1, "otlp.resource: expected a text for `a.b`, got a value of the type integer".into()),
        ("[otlp.resource]\n\"service.name\" = \"x\"\n", 1, "`service.name` is given by the agent".into()),
        ("[otlp.resource]\n\"a b\" = \"x\"\n", 1, "expected names without blanks, got 'a b'".into()),
        ("[collectors.main]\n", 1, "`main` is the first collector, and its section is [collector]".into()),
        ("[collectors.Lab]\n", 1, "expected the name of a collector of 1 to 32 of a-z, 0-9, '-' and '_', got 'Lab'".into()),
        ("[collectors.\"\"]\n", 1, "expected the name of a collector".into()),
        ("[collectors.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n", 1, "of 1 to 32".into()),
        ("[collectors]\nurl = \"x\"\n", 2, "collectors.url: expected a section, [collectors.NAME], got a value of the type string".into()),
        ("collectors = 1\n", 1, "expected a section, [collectors.NAME], got a value of the type integer".into()),
        ("[collectors.e]\nedge = 1\n", 2, "expected a section, [collectors.e.edge], got".into()),
        ("[collectors.e]\nca_fil = \"x\"\n", 2, "collectors.e.ca_fil: unknown key `ca_fil`; did you mean `ca_file`?".into()),
        ("[collectors.e]\nheaders_file = \"x\"\n", 2, "unknown key `headers_file` here; there is one in the section [collectors.e.otlp]".into()),
        ("[collectors.e.otlp]\nheader_file = \"x\"\n", 2, "collectors.e.otlp.header_file: unknown key `header_file`; did you mean `headers_file`?".into()),
        ("[collectors.e]\nreport_suite = \"x\"\n", 2, "there is one in the section [analytics]".into()),
        ("[collectors.e]\nclient_key_file = \"/k\"\n", 2, "needs collectors.e.client_cert_file, which is not set".into()),
        ("[collectors.e]\nconnect_timeout_seconds = 9\ntimeout_seconds = 8\n", 2, "expected less than collectors.e.timeout_seconds (F:3), which is 8, got 9".into()),
        ("[collectors.e]\ninterval_seconds = 86401\nkind = \"otlp\"\n", 2, "collectors.e.interval_seconds: expected at most 86400 seconds, got 86401".into()),
        ("[collectors.e]\nca_file = \"/none.pem\"\n", 2, "collectors.e.ca_file: /none.pem cannot be read".into()),
        ("[collectors.e.otlp]\nheaders_file = \"/none\"\n[collectors.e]\nkind = \"otlp\"\n", 2, "collectors.e.otlp.headers_file: /none cannot be read".into()),
        ("[collectors.e]\nurl = \"http://c.example\"\n", 2, "collectors.e.url: plain http is for a collector on this machine, where collectors.e.allow_plain_http (default) is true".into()),
    ] {
        let lines = said_of(&format!("{lines}\n"));
        let place = format!("F:{at}: ");
        assert!(lines.iter().any(|line| line.starts_with(&place) && line.contains(&wanted)), "{place}{wanted}: {lines:#?}");
    }
    let nine: String =
        (0..9).map(|n| format!("[collectors.c{n}]\nurl = \"https://c.example\"\n")).collect();
    let lines = said_of(&format!("{LEAST}{nine}"));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("expected at most 8 collectors beside the first, got `c8` too"));
    let many: String = (0..20_000).map(|n| format!("[collectors.c{n}]\n")).collect();
    assert!(said_of(&many).len() < 100, "bounded");
}

#[test]
fn collectors_are_merged_key_by_key_from_files_variables_and_settings() {
    let scene = Scene::whole();
    scene.write(
        VENDOR,
        format!(
            "{LEAST}[collectors.lab]\nkind = \"otlp\"\nurl = \"https://a.example\"\nsample = 0.5\n\
             [collectors.lab.otlp.resource]\n\"a.b\" = \"vendor\"\nc.d = \"vendor\"\ne = \"gone\"\n"
        ),
    );
    scene.write(
        LOCAL,
        "[collectors.lab]\nsample = 0.25\nevents = [\"play\"]\n[collectors.lab.otlp.resource]\n\
         \"c.d\" = \"local\"\ne = \"\"\n",
    );
    let variables = [
        ("PLAYHEADD_COLLECTORS__LAB__URL", "https://b.example"),
        ("PLAYHEADD_COLLECTORS__E__KIND", "media-edge"),
        ("PLAYHEADD_COLLECTORS__E__EDGE__DATASTREAM_ID", DATASTREAM),
        ("PLAYHEADD_COLLECTORS__LAB__OTLP__RESOURCE__DEPLOYMENT__ENVIRONMENT__NAME", "prod"),
        ("PLAYHEADD_OTLP__RESOURCE", "{ x = \"1\" }"),
    ];
    let said = scene.ctl_with(&variables, &["--origin"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    let (url, place) = said.key("collectors.lab", "url");
    assert_eq!((url.as_str(), place.as_str()), ("\"https://b.example\"", variables[0].0));
    let (share, place) = said.key("collectors.lab", "sample");
    assert!(share == "0.25" && place.ends_with("etc/playheadd/playheadd.toml:2"), "{place}");
    let (kind, place) = said.key("collectors.lab", "kind");
    assert!(kind == "\"otlp\"" && place.contains("usr/lib/"), "{place}");
    let (stream, place) = said.key("collectors.e.edge", "datastream_id");
    assert_eq!((stream, place.as_str()), (format!("\"{DATASTREAM}\""), variables[2].0));
    assert_eq!(said.key("otlp", "resource").0, "{ \"x\" = \"1\" }");
    let (resource, places) = said.key("collectors.lab.otlp", "resource");
    assert_eq!(
        resource,
        "{ \"a.b\" = \"vendor\", \"c.d\" = \"local\", \"deployment.environment.name\" = \"prod\" }"
    );
    let places: Vec<&str> = places.split(", ").collect();
    assert_eq!(places.len(), 3, "{places:?}");
    assert!(places[0].contains("usr/lib/") && places[1].contains("etc/"), "{places:?}");
    assert_eq!(places[2], variables[3].0);

    // What is printed is taken back, and is the same.
    let printed = scene.ctl_with(&variables, &[]);
    let text =
        printed.out.lines().filter(|line| !line.starts_with("# variables")).collect::<Vec<_>>();
    let file = scene.write("merged.toml", text.join("\n"));
    let name = file.display().to_string();
    let again = scene.ctl(&["--config", &name]);
    assert_eq!(again.out.trim(), text.join("\n").trim());
    assert_eq!(scene.daemon(&file, &[]).code, Some(0));
    let json = scene.ctl(&["--config", &name, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(json["collectors.lab.otlp"]["resource"]["value"]["c.d"], "local");
    assert_eq!(json["collectors.e"]["kind"]["value"], "media-edge");

    for (variable, wanted) in [
        ("PLAYHEADD_COLLECTORS_LAB_URL", "expected PLAYHEADD_COLLECTORS__NAME__KEY"),
        ("PLAYHEADD_COLLECTORS__URL", "expected collectors.NAME.url"),
        ("PLAYHEADD_COLLECTORS__LAB__MEDIA__CHANNEL", "unknown section `collectors.lab.media`"),
        (
            "PLAYHEADD_COLLECTORS__LAB__UR",
            "collectors.lab.ur: unknown key `ur`; did you mean `url`?",
        ),
        ("PLAYHEADD_COLLECTORS__MAIN__URL", "`main` is the first collector"),
        ("PLAYHEADD_OTLP__RESOURCE__SERVICE__NAME", "`service.name` is given by the agent"),
    ] {
        let said = scene.ctl_with(&[(variable, "x")], &["--check"]);
        let line = format!("{variable}: ");
        assert!(said.err.starts_with(&line) && said.err.contains(wanted), "{wanted}: {said:?}");
    }
}

#[test]
fn settings_of_a_simulation_name_collectors_too() {
    let of = |settings: &[&str]| {
        let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
        playheadd::config::Config::from_overrides(&settings)
    };
    let config = of(&[
        "collectors.b.kind=otlp",
        "collectors.b.otlp.resource.host.name=box",
        "collectors.a.url=https://a.example",
        "edge.metadata_prefix=_tenant.media.",
        "collector.events=[\"sessionStart\"]",
        "collector.kind=otlp",
    ])
    .expect("settings");
    let all = &config.settings.collectors;
    let names: Vec<&str> = all.iter().map(|collector| collector.name.as_str()).collect();
    assert_eq!(names, ["main", "a", "b"], "the first one, and the others by name");
    assert_eq!(all[0].edge.metadata_prefix, "_tenant.media");
    assert_eq!(all[0].events.as_deref(), Some(&["sessionStart".to_owned()][..]));
    assert_eq!((all[1].url.as_str(), all[1].events.as_ref()), ("https://a.example", None));
    assert_eq!((all[2].kind.as_str(), all[2].otlp.resource["host.name"].as_str()), ("otlp", "box"));
    assert!(of(&["collectors.B.kind=otlp"]).is_err());
    assert!(of(&["collectors.b=1"]).is_err());
}

/// What works and is surely not meant is said, and changes no exit status.
#[test]
fn warnings_are_no_mistakes() {
    let text = format!("{}[analytics]\napp_installation_id = \"box-4711\"\n", edge());
    let lines = said_of(&text);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let start =
        "warning: F:6: analytics.app_installation_id: Media Edge (collector.kind) takes a UUID";
    assert!(lines[0].starts_with(start) && !lines[0].contains("4711"), "{lines:?}");
    let scene = Scene::new();
    scene.write(LOCAL, &text);
    let said = scene.ctl(&["--check", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!((said.code, json["ok"].as_bool(), said.err.as_str()), (Some(0), Some(true), ""));
    assert_eq!(json["warnings"][0]["key"], "analytics.app_installation_id");
    assert_eq!(
        (json["warnings"][0]["line"].as_u64(), json["errors"].as_array().map(Vec::len)),
        (Some(6), Some(0))
    );
    for arguments in [&[][..], &["--json"], &["--origin"]] {
        let said = scene.ctl(arguments);
        assert!(said.code == Some(0) && said.err.starts_with("warning: "), "{said:?}");
    }
    // Of another kind, or with an id that Media Edge takes, there is nothing to say.
    let random = "123e4567-e89b-42d3-a456-426614174000";
    assert_eq!(said_of(&text.replace("box-4711", random)), Vec::<String>::new());
    assert_eq!(said_of(&format!("{LEAST}app_installation_id = \"box-1\"\n")), Vec::<String>::new());
    let url = "[collector]\nkind = \"otlp\"\nurl = \"https://c.example/v1/logs/\"\n";
    assert!(said_of(url)[0].contains("warning: F:3: collector.url: requests add /v1/logs"));
}

#[test]
fn a_file_of_headers_is_looked_at_and_never_quoted() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new();
    let headers = scene.write("headers", "# ours\nX-Key: hush\n\nbroken hush\n");
    std::fs::set_permissions(&headers, PermissionsExt::from_mode(0o600)).expect("a mode");
    let path = headers.display();
    let text = format!(
        "[collector]\nkind = \"otlp\"\nurl = \"https://c.example\"\n[otlp]\nheaders_file = \"{path}\"\n"
    );
    let lines = said_of(&text);
    assert_eq!(lines, [format!("F:5: otlp.headers_file: {path}:4: expected 'Name: value'")]);
    scene.write("headers", "X-Key: hush\n");
    assert_eq!(said_of(&text), Vec::<String>::new());
    std::fs::set_permissions(&headers, PermissionsExt::from_mode(0o644)).expect("a mode");
    let lines = said_of(&text);
    assert!(
        lines[0].starts_with("warning: F:5: otlp.headers_file: everybody may read"),
        "{lines:?}"
    );
}
