//! Layers are the same as their keys one by one, each key does something, and no bytes do harm.

use std::path::PathBuf;

use playheadd::config::keys::{BESIDE, Default, SECTIONS};
use playheadd::config::kind::Kind;
use playheadd::config::{Config, Environment, From, Loaded};
use proptest::prelude::*;

use crate::scene::Scene;

/// `section.key` and two values, neither of them the default. Those that others contradict are left
/// out.
fn keys() -> Vec<(String, [String; 2])> {
    let mut found = Vec::new();
    let of_first = SECTIONS.iter().map(|section| (section, section.name.to_owned()));
    let beside = BESIDE.iter().map(|(section, _)| (section, section.name.replace("NAME", "lab")));
    for (section, full) in of_first.chain(beside) {
        for key in section.keys {
            let name = format!("{full}.{}", key.name);
            let of = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
            let values = match key.kind {
                Kind::Flag if key.default == Default::Toml("true") => of("false", "false"),
                Kind::Flag => of("true", "true"),
                Kind::Word(words) => {
                    let mut words = words
                        .iter()
                        .map(|w| format!("{w:?}"))
                        .filter(|w| key.default.to_string() != *w);
                    let first = words.next().expect("another word");
                    [first.clone(), words.next().unwrap_or(first)]
                }
                Kind::Text | Kind::Host => of("\"a\"", "\"b\""),
                Kind::Url => of("\"https://a.example\"", "\"https://b.example/x/\""),
                Kind::Proxy => of("\"http://a:1\"", "\"https://b:2\""),
                Kind::Directory | Kind::File => of("\"/a\"", "\"/b\""),
                Kind::Globs => of("[\"a\", \"b*\"]", "[]"),
                Kind::Events => of("[\"play\"]", "[\"ping\", \"sessionEnd\"]"),
                Kind::Texts => of("{ a = \"b\" }", "{ \"a.b\" = \"c\", d.e = \"f\" }"),
                Kind::Uuid => of(
                    "\"12345678-90ab-4def-8123-4567890abcde\"",
                    "\"AAAAAAAA-90ab-1def-0123-4567890abcde\"",
                ),
                Kind::SchemaPath => of("\"_a.b\"", "\"_a.\""),
                Kind::Share => of("0.25", "0"),
                Kind::BusName => of("\"system\"", "\"unix:path=/a\""),
                Kind::Seconds(_) | Kind::ZeroOrSeconds(_) => of("7", "8.5"),
                Kind::Ratio => of("0.5", "3"),
                Kind::Count | Kind::CountOrZero | Kind::CountBytes => of("7", "9"),
                Kind::Bytes(_) => of("3_000_000", "60_000_000"),
            };
            found.push((name, values));
        }
    }
    found
}

fn shown(config: &Config) -> String {
    // Warnings have the places of their keys.
    format!("{:?}", Config { warnings: Vec::new(), ..config.clone() })
}

#[test]
fn each_key_changes_the_configuration() {
    let of = |settings: &[String]| Config::from_overrides(settings).map(|config| shown(&config));
    for (name, values) in keys() {
        let section = if name.starts_with("collectors.") { "collectors.lab" } else { "collector" };
        let with = |setting: &str| vec![format!("{section}.{setting}")];
        let companion = match name.rsplit('.').next().unwrap_or_default() {
            "allow_plain_http" => continue,
            "events" | "headers_file" => with("kind=otlp"),
            "client_cert_file" => with("client_key_file=\"/k\""),
            "client_key_file" => with("client_cert_file=\"/k\""),
            _ => Vec::new(),
        };
        for value in &values {
            let mut settings = companion.clone();
            settings.push(format!("{name}={value}"));
            // A key alone of a pair is refused.
            let before = of(&companion).unwrap_or_default();
            assert_ne!(of(&settings).expect(&name), before, "{name}={value}");
        }
    }
    let plain =
        ["collector.url=http://127.0.0.1:1".to_owned(), "collector.allow_plain_http=true".into()];
    assert!(of(&plain[..1]).is_err());
    assert!(of(&plain).is_ok());
}

/// A setting: which key, which of its values, in which layer.
type Setting = (usize, usize, usize);

const LAYERS: [&str; 5] = [
    "usr/lib/playheadd/playheadd.toml",
    "etc/playheadd/playheadd.toml",
    "usr/lib/playheadd/conf.d/10-a.toml",
    "etc/playheadd/conf.d/20-b.toml",
    "usr/lib/playheadd/conf.d/30-c.toml",
];

fn merged_is_one_by_one(settings: &[Setting]) {
    let keys = keys();
    let scene = Scene::new();
    let mut one_by_one = Vec::new();
    let mut variables = Vec::new();
    for layer in 0..=LAYERS.len() {
        let mut text = String::new();
        for (n, (name, values)) in keys.iter().enumerate() {
            let mut here = settings.iter().filter(|s| s.0 % keys.len() == n && s.2 == layer);
            let Some(value) = here.next_back().map(|s| &values[s.1]) else { continue };
            one_by_one.push(format!("{name}={value}"));
            text.push_str(&format!("{name} = {value}\n"));
            if layer == LAYERS.len() {
                let variable = format!("PLAYHEADD_{}", name.replace('.', "__").to_uppercase());
                variables.push((variable.into(), value.into()));
            }
        }
        if let Some(file) = LAYERS.get(layer) {
            scene.write(file, text);
        }
    }
    let environment = Environment::of(variables.into_iter());
    let loaded = Loaded::read(From::Box(scene.root()), &environment, &|_| Vec::new());
    match Config::from_overrides(&one_by_one) {
        Ok(config) => {
            assert_eq!(shown(&loaded.config), shown(&config));
            let missing =
                loaded.mistakes().iter().all(|mistake| mistake.message.starts_with("not set"));
            assert!(missing, "{:?}", loaded.mistakes());
        }
        Err(error) => {
            for mistake in error.mistakes {
                let same = loaded.mistakes().iter().any(|other| other.key == mistake.key);
                assert!(same, "{mistake} is not among {:?}", loaded.mistakes());
            }
        }
    }
}

/// What a file may look like, and worse.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("[collector]\n".to_owned()),
        Just("url = ".to_owned()),
        Just("[[media]]\n".to_owned()),
        Just("heartbeat.main_seconds = ".to_owned()),
        Just("\"\"\"".to_owned()),
        Just("[\"\\u0000\", 1e999, ".to_owned()),
        Just("{ a.b.c = 0x".to_owned()),
        Just("ä\u{202e}\n".to_owned()),
        "[ -~\n]{0,12}",
    ];
    let words =
        proptest::collection::vec(word, 0..24).prop_map(|words| words.concat().into_bytes());
    prop_oneof![words, proptest::collection::vec(any::<u8>(), 0..256)]
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn layers_are_their_keys_one_by_one(
        settings in proptest::collection::vec((any::<usize>(), 0..2usize, 0..=LAYERS.len()), 0..120)
    ) {
        merged_is_one_by_one(&settings);
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn no_bytes_do_harm(bytes in hostile(), name in "[A-Z_]{0,20}") {
        let scene = Scene::new();
        let file: PathBuf = scene.write("any.toml", &bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let _ = Config::from_overrides(std::slice::from_ref(&text));
        let variable = (format!("PLAYHEADD_{name}__X").into(), text.into());
        let environment = Environment::of([variable].into_iter());
        let mut loaded = Loaded::read(From::File(&file), &environment, &|_| Vec::new());
        let beside = BESIDE.iter().map(|(section, _)| section.keys.len()).sum::<usize>();
        let of_first = loaded.entries().len() % beside;
        prop_assert_eq!(of_first, (keys().len() - beside) % beside);
        let error = loaded.into_config().expect_err("it is not whole").to_string();
        prop_assert!(error.lines().count() < 400, "{}", error);
    }
}
