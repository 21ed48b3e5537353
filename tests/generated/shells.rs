//! Completions of both programs, as clap_complete writes them.

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
            let name = match shell {
                Shell::Bash => format!("{program}.bash"),
                Shell::Zsh => format!("_{program}"),
                _ => format!("{program}.fish"),
            };
            files.push((format!("completions/{name}"), String::from_utf8(script).expect("text")));
        }
    }
    files
}
