//! What the command lines say of themselves: usage, options, commands.

use clap::builder::ValueHint;
use clap::{Arg, ArgAction, Command, CommandFactory};
use playheadd::cli::{Ctl, daemon};

use super::roff::Page;

/// The command line of playheadctl.
pub fn ctl() -> Command {
    let mut ctl = Ctl::command().disable_help_subcommand(true);
    ctl.build();
    ctl
}

/// The command line of playheadd, made of its table of flags, for those that only read it: the daemon
/// has a parser of its own.
pub fn playheadd() -> Command {
    let mut command = Command::new("playheadd")
        .about(daemon::ABOUT)
        .disable_help_flag(true)
        .disable_version_flag(true);
    for flag in daemon::FLAGS {
        let mut arg = Arg::new(flag.long).long(flag.long).help(flag.help.join(" "));
        if let Some(short) = flag.short {
            arg = arg.short(short);
        }
        arg = match flag.value {
            "" => arg.action(ArgAction::SetTrue),
            "FILE" => arg.value_name("FILE").value_hint(ValueHint::FilePath),
            "DIR" => arg.value_name("DIR").value_hint(ValueHint::DirPath),
            words if words.contains('|') => {
                let words: Vec<&'static str> = words.split('|').collect();
                arg.value_name(flag.value).value_parser(words)
            }
            name => arg.value_name(name).value_hint(ValueHint::Other),
        };
        command = command.arg(arg);
    }
    command.build();
    command
}

/// Whether an argument is described with its command, and not once for all.
fn own(arg: &Arg) -> bool {
    !arg.is_global_set() && !["help", "version"].contains(&arg.get_id().as_str())
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

/// What its value is called, or the words that it may be.
fn value(arg: &Arg) -> String {
    let words: Vec<String> = words(arg).into_iter().map(|(word, _)| format!("`{word}`")).collect();
    if !words.is_empty() {
        return words.join("|");
    }
    let names = arg.get_value_names().expect("a value has a name");
    format!("<{}>", names[0])
}

/// The words that it may be, each with its help.
fn words(arg: &Arg) -> Vec<(String, String)> {
    let all = if takes_value(arg) { arg.get_possible_values() } else { Vec::new() };
    let said = |word: &clap::builder::PossibleValue| {
        let help = word.get_help().map(ToString::to_string).unwrap_or_default();
        (word.get_name().to_owned(), help)
    };
    all.iter().map(said).collect()
}

/// `--flag VALUE`, in running text.
fn option(arg: &Arg) -> String {
    let long = arg.get_long().expect("each option has a long name");
    match takes_value(arg) {
        true => format!("`--{long}` {}", value(arg)),
        false => format!("`--{long}`"),
    }
}

/// `command [--flag] FILE`, in running text.
pub fn usage(name: &str, command: &Command) -> String {
    let mut usage = format!("`{name}`");
    let shown = |arg: &&Arg| !["help", "version"].contains(&arg.get_id().as_str());
    for arg in command.get_opts().chain(command.get_arguments().filter(|a| !takes_value(a))) {
        if own(arg) {
            let more = if matches!(arg.get_action(), ArgAction::Append) { " ..." } else { "" };
            usage += &format!(" [{}]{more}", option(arg));
        }
    }
    for arg in command.get_positionals().filter(shown) {
        usage += &match arg.is_required_set() {
            true => format!(" {}", value(arg)),
            false => format!(" [{}]", value(arg)),
        };
    }
    usage
}

/// An argument with its help, its words and its default.
fn argument(page: &mut Page, arg: &Arg, more: &str) {
    let term = match (arg.get_long(), arg.get_short()) {
        (None, _) => value(arg),
        (_, None) => option(arg),
        (_, Some(short)) => format!("`-{short}`, {}", option(arg)),
    };
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string);
    let help = help.unwrap_or_else(|| panic!("{term} has no help"));
    let mut text = match help.split_once(" [default: ") {
        Some((help, default)) => {
            format!("{help}. The default is {}.", default.trim_end_matches(']'))
        }
        None => format!("{help}."),
    };
    let said: Vec<String> = words(arg)
        .iter()
        .filter(|(_, help)| !help.is_empty())
        .map(|(word, help)| format!("`{word}`: {}{}.", help[..1].to_lowercase(), &help[1..]))
        .collect();
    if !said.is_empty() {
        text += &format!(" {}", said.join(" "));
    }
    let defaults = arg.get_default_values();
    if takes_value(arg) && !defaults.is_empty() {
        text += &format!(" The default is `{}`.", defaults[0].to_string_lossy());
    }
    if !more.is_empty() {
        text += &format!("\n\n{more}");
    }
    page.entry(&term, &text);
}

/// The options of a program that stand before its command.
pub fn options(page: &mut Page, command: &Command, more: impl Fn(&str) -> &'static str) {
    for arg in command.get_arguments() {
        argument(page, arg, more(arg.get_id().as_str()));
    }
}

/// A command with all that is its own.
pub fn command(page: &mut Page, command: &Command) {
    let name = command.get_name();
    page.heading(name);
    page.usage(&usage(name, command));
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.unwrap_or_else(|| panic!("{name} has no help")).to_string();
    let (first, rest) = about.split_once("\n\n").unwrap_or((&about, ""));
    page.text(&format!("{first}. {rest}"));
    for arg in command.get_positionals().chain(command.get_opts().chain(flags(command))) {
        if own(arg) {
            argument(page, arg, "");
        }
    }
    if let Some(examples) = command.get_after_help() {
        let examples = examples.to_string();
        let (title, lines) = examples.split_once('\n').expect("a title and examples");
        page.text(title);
        let lines: Vec<&str> = lines.lines().map(str::trim_start).collect();
        page.lines(&lines.join("\n"));
    }
}

fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !takes_value(arg) && !arg.is_positional())
}
