//! The configuration of a daemon that runs, read anew (behaviour.md 3).

use super::clients::Clients;
use super::{AppError, Arguments, load, load_with};
use crate::config::{Config, Environment, MprisConfig, StoreConfig};
use crate::core::settings::Limits;
use crate::dbus::BusAddress;
use crate::engine::failure::CLOCK_DROP_IN;
use crate::system::process;

/// Where the configuration comes from, and what of it holds until a restart.
pub struct Source {
    arguments: Arguments,
    limits: Limits,
    store: StoreConfig,
    mpris: MprisConfig,
    log_level: tracing::Level,
}

impl Source {
    /// `config` is what the daemon starts with.
    pub fn new(arguments: Arguments, config: &Config) -> Source {
        Source {
            arguments,
            limits: config.settings.limits.clone(),
            store: config.store.clone(),
            mpris: config.mpris.clone(),
            log_level: config.log_level,
        }
    }

    /// Reads the configuration anew, and keeps what it can of the clients.
    pub fn read(&self, before: &Clients) -> Result<Loaded, AppError> {
        read(&self.arguments, Some(before))
    }

    /// The bus that it serves.
    pub fn bus(&self) -> &BusAddress {
        &self.arguments.bus
    }

    /// Where the state lies until a restart.
    pub fn state_dir(&self) -> &std::path::Path {
        &self.store.path
    }

    /// Names the sections in which something differs that holds until a restart, for the log.
    pub fn until_restart(&self, new: &Config) -> String {
        let limits = &new.settings.limits;
        // The agent takes these at once; the others are those of the bus.
        let of_the_bus = Limits {
            sessions_per_sender: limits.sessions_per_sender,
            sessions_per_uid: limits.sessions_per_uid,
            sessions: limits.sessions,
            metadata_bytes: limits.metadata_bytes,
            state_names: limits.state_names,
            rejected_kept: limits.rejected_kept,
            ..self.limits.clone()
        };
        // This key is one of `resume`.
        let of_the_watcher = MprisConfig { beginning: self.mpris.beginning, ..new.mpris.clone() };
        let differ = [
            ("limits", of_the_bus != *limits),
            ("store", self.store != new.store),
            ("mpris", self.mpris != of_the_watcher),
            ("log", self.log_level != new.log_level),
        ];
        let mut named = String::new();
        for (section, _) in differ.iter().filter(|d| d.1) {
            named.push_str(if named.is_empty() { "; a restart takes over: " } else { ", " });
            named.push_str(section);
        }
        named
    }
}

/// A configuration that can be used, and the clients that it asks for.
pub type Loaded = (Config, Clients);

/// Reads the configuration, and makes the clients, but for those of before that are the same.
///
/// Errors: whatever keeps the agent from its work.
pub fn read(arguments: &Arguments, before: Option<&Clients>) -> Result<Loaded, AppError> {
    let config = load(arguments)?;
    let clients = Clients::new(&config.collectors, before)?;
    Ok((config, clients))
}

/// Checks all that keeps the agent from its work. Gives warnings about what is allowed and may not
/// be meant.
pub fn check(arguments: &Arguments) -> Result<Vec<String>, AppError> {
    check_with(arguments, &Environment::of_process())
}

/// The same for a daemon that runs. Its variables and its credentials count, where this process may see
/// them.
pub fn check_for(pid: u32, arguments: &Arguments) -> Result<Vec<String>, AppError> {
    let variables = match process::environment(pid) {
        // The service manager has given this process the variables that a restart would take over.
        Err(_) if process::is_reload_of(pid) => Ok(std::env::vars_os().collect()),
        variables => variables,
    };
    let environment = match variables {
        Ok(variables) => {
            let mut of_credentials = variables.iter().filter(|v| v.0 == "CREDENTIALS_DIRECTORY");
            let hidden = of_credentials.any(|(_, path)| std::fs::read_dir(path).is_err());
            let environment = Environment::of(variables.into_iter());
            if hidden { environment.without_credentials() } else { environment }
        }
        Err(_) => Environment::of_process().without_credentials(),
    };
    check_with(arguments, &environment)
}

fn check_with(arguments: &Arguments, environment: &Environment) -> Result<Vec<String>, AppError> {
    let config = load_with(arguments, environment)?;
    let mut warnings = config.warnings;
    if config.require_sync {
        warnings.push(format!(
            "clock.require_sync is set; playheadd.service as it is shipped hides the kernel's \
             synchronised flag, so that systemd-timesyncd or systemd-timedated has to say that the \
             clock is synchronised; where neither of them is, nothing is sent unless you {CLOCK_DROP_IN}"
        ));
    }
    Ok(warnings)
}
