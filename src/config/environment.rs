//! The variables of a process, as far as they are of the configuration.

use std::ffi::OsString;
use std::path::PathBuf;

use super::schema::{BESIDE, find, is_section, keys_of};
use crate::core::text::nearest;

/// What the variables of settings begin with.
const PREFIX: &str = "PLAYHEADD_";
/// What stands between sections and key in their names.
pub(super) const BETWEEN: &str = "__";

/// The variables that count.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `PLAYHEADD_SECTION__KEY` with their values, by name; `None` for a value that is no UTF-8. Those
    /// that only look like settings are among them.
    pub(super) settings: Vec<(String, Option<String>)>,
    pub(super) credentials: Credentials,
}

/// Where systemd puts the credentials of the service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Credentials {
    At(PathBuf),
    /// `CREDENTIALS_DIRECTORY` is not set.
    #[default]
    Unset,
    /// The service alone knows.
    OfTheService,
}

impl Environment {
    /// The variables of this process.
    pub fn of_process() -> Environment {
        Environment::of(std::env::vars_os())
    }

    /// These variables. Those of ours without `__` in their names are no settings, and are left out
    /// unless they begin with a section.
    pub fn of(variables: impl Iterator<Item = (OsString, OsString)>) -> Environment {
        let mut found = Environment::default();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            if name == "CREDENTIALS_DIRECTORY" && !value.is_empty() {
                found.credentials = Credentials::At(value.into());
            } else if name.strip_prefix(PREFIX).is_some_and(is_meant) {
                found.settings.push((name, value.into_string().ok()));
            }
        }
        found.settings.sort_unstable();
        found
    }

    /// For a program that is not the service. It may have credentials of its own.
    pub fn outside_of_the_service(self) -> Environment {
        match self.credentials {
            Credentials::Unset => self.without_credentials(),
            _ => self,
        }
    }

    /// With credentials that the service alone can read.
    pub fn without_credentials(mut self) -> Environment {
        self.credentials = Credentials::OfTheService;
        self
    }

    /// The names of the settings in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.settings.iter().map(|(name, _)| name.as_str())
    }
}

/// Whether what follows our prefix is meant as a setting.
fn is_meant(rest: &str) -> bool {
    let first = rest.split('_').next().unwrap_or_default().to_ascii_lowercase();
    rest.contains(BETWEEN) || is_section(&first) || first == BESIDE
}

/// What is wrong with the name of a variable that begins with a section and has no `__`.
pub(super) fn misnamed(name: &str) -> String {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase();
    let (section, key) = rest.split_once('_').unwrap_or((&rest, ""));
    if section == BESIDE {
        return format!(
            "two underscores stand between sections and key; expected \
             {PREFIX}COLLECTORS{BETWEEN}NAME{BETWEEN}KEY"
        );
    }
    let near = nearest(key, keys_of(section));
    let meant = match near.filter(|_| find(section, key).is_none()).unwrap_or(key) {
        key if near.is_none() || key.is_empty() => {
            format!("expected {PREFIX}{}{BETWEEN}KEY", section.to_ascii_uppercase())
        }
        key => format!(
            "did you mean {PREFIX}{}{BETWEEN}{}?",
            section.to_ascii_uppercase(),
            key.to_ascii_uppercase()
        ),
    };
    format!("two underscores stand between section and key; {meant}")
}

/// Sections and key of a variable's name, in small letters.
pub(super) fn path_of(name: &str) -> Option<(String, String)> {
    let path = name.strip_prefix(PREFIX)?.to_ascii_lowercase();
    let (section, key) = path.rsplit_once(BETWEEN)?;
    Some((section.replace(BETWEEN, "."), key.to_owned()))
}
