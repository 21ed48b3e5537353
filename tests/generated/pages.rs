//! The three pages: what comes from a definition, between what stands in `texts`.

use playheadd::cli::{self, daemon};
use playheadd::config::keys::{BESIDE, Default, KeyDoc, SECTIONS};

use super::roff::{Block, Page};
use super::{programs, texts};

/// `playheadd(8)`.
pub fn playheadd() -> String {
    let command = programs::playheadd();
    let mut page = Page::new("playheadd", 8, "System Administration", texts::PLAYHEADD);
    page.section("SYNOPSIS");
    let one = |names: &[&str]| {
        let flag = |name: &&str| {
            let flag = daemon::FLAGS.iter().find(|f| f.long == *name).expect("a flag");
            match flag.value {
                "" => format!("`--{name}`"),
                words if words.contains('|') => {
                    format!("`--{name}` `{}`", words.replace('|', "`|`"))
                }
                value => format!("`--{name}` <{value}>"),
            }
        };
        names.iter().map(flag).collect::<Vec<String>>()
    };
    let run = one(&["config", "bus", "bus-address", "state-dir", "check"]);
    page.usage(&format!("`playheadd` [{}]", run.join("] [")));
    for alone in ["reload", "read-store"] {
        page.usage(&format!("`playheadd` {}", one(&[alone])[0]));
    }
    page.usage("`playheadd` `--help`|`--version`");
    sections(&mut page, texts::PLAYHEADD_FIRST);
    page.section("OPTIONS");
    programs::options(&mut page, &command, |name| {
        let more = texts::PLAYHEADD_FLAGS.iter().find(|(flag, _)| *flag == name);
        more.map_or("", |(_, text)| text)
    });
    statuses(&mut page, daemon::EXIT_STATUSES, texts::PLAYHEADD_STATUSES);
    sections(&mut page, texts::PLAYHEADD_REST);
    page.finish()
}

/// `playheadctl(1)`.
pub fn playheadctl() -> String {
    let command = programs::ctl();
    let mut page = Page::new("playheadctl", 1, "User Commands", texts::PLAYHEADCTL);
    page.section("SYNOPSIS");
    page.usage("`playheadctl` [<OPTIONS>] <COMMAND> [<ARGUMENTS>]");
    page.usage("`playheadctl` [<COMMAND>] `--help`");
    sections(&mut page, texts::PLAYHEADCTL_FIRST);
    page.section("OPTIONS");
    page.text(texts::PLAYHEADCTL_OPTIONS);
    programs::options(&mut page, &command, |_| "");
    page.section("COMMANDS");
    for command in command.get_subcommands() {
        programs::command(&mut page, command);
    }
    statuses(&mut page, cli::EXIT_STATUSES, texts::PLAYHEADCTL_STATUSES);
    sections(&mut page, texts::PLAYHEADCTL_REST);
    page.finish()
}

/// `playheadd.toml(5)`.
pub fn settings() -> String {
    let mut page = Page::new("playheadd.toml", 5, "File Formats", texts::SETTINGS);
    sections(&mut page, texts::SETTINGS_FIRST);
    page.lines(&least());
    page.section("SECTIONS AND KEYS");
    page.text(texts::SETTINGS_KEYS);
    for section in SECTIONS.iter().chain(BESIDE.iter().map(|(section, _)| section)) {
        page.heading(&format!("[{}]", section.name));
        page.text(section.meaning);
        for key in section.keys {
            let default = match key.default {
                Default::Toml(value) => format!("The default is `{value}`."),
                Default::Required(_) => "The daemon needs it.".to_owned(),
                Default::RequiredFor(kind, _) => {
                    format!("The daemon needs it for a collector of the kind `{kind}`.")
                }
                Default::Unset => "It has no default.".to_owned(),
                Default::Random => "Without it a random one is made once and stored.".to_owned(),
            };
            // Words are strings of TOML; a variable is typed as it is.
            let file = ("${CREDENTIALS_DIRECTORY}/NAME", "`${CREDENTIALS_DIRECTORY}/`<NAME>");
            let kind = key.kind.to_string().replace(file.0, file.1).replace('\'', "\"");
            let kind = format!("Expected: {kind}.");
            page.entry(&format!("`{}`", key.name), &format!("{}\n\n{kind} {default}", key.meaning));
        }
    }
    sections(&mut page, texts::SETTINGS_REST);
    page.finish()
}

/// The keys that the daemon needs, as a file.
fn least() -> String {
    let mut lines = String::new();
    for section in SECTIONS {
        let of_default_kind =
            |key: &&KeyDoc| key.default.needed_for().is_none_or(|kind| kind == "media-collection");
        let keys = section.keys.iter().filter(of_default_kind);
        let keys = keys.filter_map(|key| Some((key.name, key.default.example()?)));
        for (n, (name, example)) in keys.enumerate() {
            if n == 0 {
                lines += &format!("\n[{}]\n", section.name);
            }
            lines += &format!("{name} = \"{example}\"\n");
        }
    }
    lines
}

fn sections(page: &mut Page, sections: &[(&str, &[Block])]) {
    for (title, blocks) in sections {
        page.section(title);
        page.blocks(blocks);
    }
}

fn statuses(page: &mut Page, statuses: &[(u8, &str)], more: &[Block]) {
    page.section("EXIT STATUS");
    for (status, meaning) in statuses {
        page.entry(
            &format!("`{status}`"),
            &format!("{}{}.", meaning[..1].to_uppercase(), &meaning[1..]),
        );
    }
    page.blocks(more);
}
