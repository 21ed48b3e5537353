//! `playheadctl collector`: the bench collector (feature `bench`).

use std::io::Write;
use std::net::IpAddr;
use std::path::Path;

use tokio::net::TcpListener;

use super::{Failure, output, simulate, warnings};
use crate::bench::{self, Lines, Options, Saved, Tls};
use crate::cli::CollectorArgs;
use crate::config::Config;
use crate::sim::{self, timeline};

pub(super) fn run(args: CollectorArgs) -> Result<(), Failure> {
    let rules = match &args.faults {
        None => Vec::new(),
        Some(path) => {
            let name = path.display();
            let bytes = std::fs::read(path)
                .map_err(|e| Failure::usage(format!("{name} cannot be read: {e}")))?;
            bench::rules_from_json(&bytes).map_err(|e| Failure::usage(format!("{name}: {e}")))?
        }
    };
    let tls = match &args.tls {
        None => None,
        Some(dir) => {
            let made = tls(dir, args.client_certificates, args.listen.ip());
            Some(made.map_err(Failure::usage)?)
        }
    };
    let saved = args.open.as_deref().map(open).transpose()?;
    let lines = match (args.json, output::colour()) {
        (true, _) => Lines::Json,
        (false, true) => Lines::Coloured,
        (false, false) => Lines::Plain,
    };
    super::on_bus(async move {
        let listener = TcpListener::bind(args.listen)
            .await
            .map_err(|e| Failure::failed(format!("cannot listen on {}: {e}", args.listen)))?;
        let address = listener.local_addr().map_err(Failure::failed)?;
        let url = format!("{}://{address}", if tls.is_some() { "https" } else { "http" });
        if let Some(path) = &args.url_file {
            std::fs::write(path, &url)
                .map_err(|e| Failure::failed(format!("cannot write {}: {e}", path.display())))?;
        }
        // Standard output has only hits.
        let says = match &args.open {
            Some(file) => format!("{} is shown on {url}/", file.display()),
            None => format!("the bench collector listens on {url}\nits page is {url}/"),
        };
        let _ = writeln!(std::io::stderr(), "{says}");
        let options = Options {
            output: Box::new(std::io::stdout()),
            lines,
            rules,
            tls,
            complaints: Box::new(std::io::stderr()),
            saved,
        };
        bench::serve(listener, options, std::future::pending()).await;
        Ok(())
    })
}

/// What is in a saved file. A timeline is simulated, with the settings that are the default.
fn open(file: &Path) -> Result<Saved, Failure> {
    let (name, text) = simulate::read(file)?;
    if let Some(saved) = bench::read_saved(&name, &text).map_err(Failure::usage)? {
        return Ok(saved);
    }
    let lines = timeline::parse(&name, &text).map_err(Failure::usage)?;
    let config = Config::from_overrides(&[]).map_err(Failure::usage)?;
    let options = sim::Options { config, until_ms: None, seed: 0 };
    let exchanges = warnings::shown(|| sim::simulate(&lines, options));
    Ok(bench::timeline_notes(&name, &text, exchanges))
}

/// What is presented: a new certificate at each start, of the authority that is kept in `dir`. It is good
/// for this machine's own names and for the address that is listened on.
fn tls(dir: &Path, client_certificates: bool, listen: IpAddr) -> Result<Tls, String> {
    let authority = bench::open_authority(dir)?;
    let tls = Tls::new(authority.server(&["localhost", "127.0.0.1", "::1", &listen.to_string()]));
    if client_certificates {
        bench::client_files(dir, &authority)?;
        tls.ask_for_clients_of(Some(&authority));
    }
    Ok(tls)
}
