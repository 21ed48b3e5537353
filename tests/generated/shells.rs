//! Completions of both programs: what clap_complete writes, and what it leaves out.

use clap::Command;
use clap::builder::ValueHint;
use clap_complete::aot::{Shell, generate};

use super::programs;

/// File name and contents.
pub fn all() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for (program, command) in
        [("playheadd", programs::playheadd()), ("playheadctl", programs::ctl())]
    {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            generate(shell, &mut command.clone(), program, &mut script);
            let mut script = String::from_utf8(script).expect("text");
            let name = match shell {
                Shell::Bash => {
                    script = bash_files(script, &command);
                    format!("{program}.bash")
                }
                Shell::Zsh => format!("_{program}"),
                _ => {
                    script += &fish_words(program, &command);
                    format!("{program}.fish")
                }
            };
            files.push((format!("completions/{name}"), script));
        }
    }
    files
}

/// For bash clap_complete offers the flags of a command where a file is to be named. Offered nothing,
/// bash offers files by itself.
fn bash_files(mut script: String, command: &Command) -> String {
    for command in command.get_subcommands() {
        let file = |arg: &clap::Arg| arg.get_value_hint() == ValueHint::FilePath;
        if !command.get_positionals().any(file) {
            continue;
        }
        let beginning = format!("__subcmd__{})\n            opts=", command.get_name());
        let at = script.find(&beginning).expect("a block for each command");
        let block = script.split_off(at);
        let first = " || ${COMP_CWORD} -eq 2 ]]";
        let other = "*)\n                    COMPREPLY=()\n";
        assert!(
            block.contains(first) && block.contains(other),
            "clap_complete writes it otherwise"
        );
        let nothing = format!("{other}                    return 0\n");
        script += &block.replacen(first, " ]]", 1).replacen(other, &nothing, 1);
    }
    script
}

/// For fish clap_complete says nothing of arguments without a flag, so fish would offer files for all
/// of them: the words of a command that has words, and nothing for one that takes nothing.
fn fish_words(program: &str, command: &Command) -> String {
    if command.get_subcommands().next().is_none() {
        return format!("complete -c {program} -f\n");
    }
    let mut lines = String::new();
    for command in command.get_subcommands() {
        let name = command.get_name();
        let line =
            format!("complete -c {program} -n \"__fish_{program}_using_subcommand {name}\" -f");
        match command.get_positionals().next() {
            None => lines += &format!("{line}\n"),
            Some(argument) => {
                for word in argument.get_possible_values() {
                    let help = word.get_help().map(ToString::to_string).unwrap_or_default();
                    assert!(!help.contains('\''), "a quote in: {help}");
                    lines += &format!("{line} -a {} -d '{help}'\n", word.get_name());
                }
            }
        }
    }
    lines
}
