//! The pages and the example file are made of the definition (`config::keys`). With `UPDATE=1` in the
//! environment they are written anew (`make docs`).

use std::path::{Path, PathBuf};

use playheadd::config::keys::{BESIDE, Default, KeyDoc, SECTIONS, SectionDoc};
use playheadd::config::kind::Kind;

use crate::scene::Scene;

const EXAMPLE: &str = "packaging/playheadd.toml.example";

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap_or_default()
}

/// Holds a file against what is made, or writes it.
fn hold(file: &str, made: &str) {
    #[allow(clippy::disallowed_methods)]
    if std::env::var("UPDATE").is_ok() {
        std::fs::write(path(file), made).expect("written");
    }
    assert!(read(file) == made, "{file} is old: run `make docs`");
}

/// Puts each part between its markers, `<!-- settings: NAME -->` and `<!-- end -->`.
fn with_parts(page: &str, part: impl Fn(&str) -> String) -> (String, usize) {
    let (begin, end) = ("<!-- settings: ", "<!-- end -->");
    let mut pieces = page.split(begin);
    let mut made = pieces.next().expect("a beginning").to_owned();
    let mut parts = 0;
    for piece in pieces {
        let (name, rest) = piece.split_once(" -->").expect("a marker");
        let (_, rest) = rest.split_once(end).expect("its end");
        made.push_str(&format!("{begin}{name} -->\n{}{end}{rest}", part(name)));
        parts += 1;
    }
    (made, parts)
}

/// A cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn default(key: &KeyDoc) -> String {
    match key.default {
        Default::Toml(value) => format!("`{value}`{}", in_words(key.kind, value)),
        other => other.to_string(),
    }
}

/// A long time or a large size as people say it.
fn in_words(kind: Kind, value: &str) -> String {
    let Ok(n) = value.parse::<u64>() else { return String::new() };
    match kind {
        Kind::Seconds(_) if n >= 86_400 && n % 86_400 == 0 => match n / 86_400 {
            1 => " (a day)".into(),
            days => format!(" ({days} days)"),
        },
        Kind::Bytes(_) | Kind::CountBytes if n >= 1 << 20 => format!(" ({} MiB)", n >> 20),
        _ => String::new(),
    }
}

fn table(section: &SectionDoc) -> String {
    let mut text = "| key | takes | default | meaning |\n|---|---|---|---|\n".to_owned();
    for key in section.keys {
        let kind = cell(&key.kind.to_string().replace("'", "`"));
        let (name, meaning) = (key.name, cell(key.meaning));
        text.push_str(&format!("| `{name}` | {kind} | {} | {meaning} |\n", default(key)));
    }
    text
}

fn part(name: &str) -> String {
    match name {
        "sections" => {
            let mut text = "| section | keys |\n|---|---|\n".to_owned();
            for section in SECTIONS {
                let keys: Vec<String> =
                    section.keys.iter().map(|key| format!("`{}`", key.name)).collect();
                let (name, meaning) = (section.name, section.meaning);
                text.push_str(&format!("| `[{name}]` | {meaning} {} |\n", keys.join(", ")));
            }
            for (section, own) in BESIDE {
                let (name, meaning) = (section.name, section.meaning);
                text.push_str(&format!("| `[{name}]` | {meaning} The keys of `[{own}]` |\n"));
            }
            text
        }
        "all" => {
            let beside = BESIDE.iter().map(|(section, _)| section);
            SECTIONS
                .iter()
                .chain(beside)
                .map(|s| format!("\n### `[{}]`\n{}\n\n{}", s.name, s.meaning, table(s)))
                .collect::<String>()
                + "\n"
        }
        name => {
            let section = SECTIONS.iter().find(|section| section.name == name);
            table(section.unwrap_or_else(|| panic!("there is no section {name}")))
        }
    }
}

#[test]
fn the_tables_are_made_of_the_definition() {
    for (page, parts) in [("docs/configuration.md", 1), ("docs/behaviour.md", 2), ("README.md", 1)]
    {
        let (made, found) = with_parts(&read(page), part);
        assert_eq!(found, parts, "{page}");
        hold(page, &made);
    }
}

/// A comment of at most 100 columns.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("a line");
        if line.len() + 1 + word.len() > 100 {
            lines.push(format!("# {word}"));
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}

fn example() -> String {
    let mut text = comment(
        "The configuration of playheadd: every key with its default. What the daemon needs is marked; \
         all else can stay as it is.",
    );
    text.push_str("#\n");
    text.push_str(&comment(
        "Put what you change into /etc/playheadd/playheadd.toml or into a file of its own, \
         /etc/playheadd/conf.d/NAME.toml. `playheadctl config --origin` shows what holds and where it \
         comes from, `playheadctl config --check` what is wrong; `systemctl reload playheadd` loads it.",
    ));
    for section in SECTIONS {
        text.push_str(&format!("\n{}[{}]\n", comment(section.meaning), section.name));
        text.push_str(&keys(section));
    }
    // A header that is no comment would make such a collector.
    for (section, _) in BESIDE {
        let name = section.name.replace("NAME", "pipeline");
        text.push_str(&format!("\n{}#[{name}]\n", comment(section.meaning)));
        text.push_str(&keys(section));
    }
    text
}

fn keys(section: &SectionDoc) -> String {
    let mut text = String::new();
    for key in section.keys {
        let (value, note) = match key.default {
            Default::Toml(value) => (value.to_owned(), String::new()),
            Default::Required(example) => {
                (format!("{example:?}"), " The daemon needs it.".to_owned())
            }
            Default::RequiredFor(kind, example) => {
                (format!("{example:?}"), format!(" The daemon needs it for {kind}."))
            }
            Default::Unset => (value_like(key.kind).to_owned(), " Not set by default.".to_owned()),
            Default::Random => {
                (value_like(key.kind).to_owned(), " Random by default, and stored.".to_owned())
            }
        };
        let kind = key.kind.to_string();
        text.push_str(&format!("\n{}", comment(&format!("{}{note} Takes {kind}.", key.meaning))));
        text.push_str(&format!("#{} = {value}\n", key.name));
    }
    text
}

/// What a value may look like of a key without a default.
fn value_like(kind: Kind) -> &'static str {
    match kind {
        Kind::Proxy => "\"http://proxy.example:3128\"",
        Kind::File => "\"/etc/playheadd/FILE.pem\"",
        Kind::SchemaPath => "\"_tenant.media\"",
        _ => "\"\"",
    }
}

#[test]
fn the_example_file_is_made_of_the_definition() {
    hold(EXAMPLE, &example());
}

/// The example as it is means nothing, and with all its defaults uncommented the same.
#[test]
fn the_example_file_says_the_defaults() {
    let scene = Scene::whole();
    let nothing = scene.ctl(&[]);
    assert_eq!(nothing.code, Some(0), "{nothing:?}");
    scene.write("etc/playheadd/playheadd.toml", read(EXAMPLE));
    let said = scene.ctl(&[]);
    assert_eq!((said.code, said.out), (Some(0), nothing.out.clone()), "{}", said.err);
    let unset = ["FILE.pem", "proxy.example", "_tenant.media\"", "<"];
    let spoken = |line: &str| {
        let key = line
            .strip_prefix('#')
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        key.filter(|line| !unset.iter().any(|word| line.contains(word))).unwrap_or(line).to_owned()
    };
    let example = read(EXAMPLE);
    let (of_first, beside) = example.split_once("\n#[collectors.").expect("a collector beside it");
    assert!(beside.contains("\n#url = "), "{beside}");
    let text: Vec<String> = of_first.lines().map(spoken).collect();
    assert!(text.iter().filter(|line| line.contains(" = ") && !line.starts_with('#')).count() > 60);
    scene.write("etc/playheadd/playheadd.toml", text.join("\n"));
    let said = scene.ctl(&[]);
    assert_eq!((said.code, said.out), (Some(0), nothing.out), "{}", said.err);
}
