//! `playheadctl collector`: the bench collector (feature `bench`).

use std::io::Write;
use std::net::IpAddr;
use std::path::Path;

use tokio::net::TcpListener;

use super::{Failure, output};
use crate::bench::{self, Lines, Options, Tls};
use crate::cli::CollectorArgs;

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
        let _ = writeln!(std::io::stderr(), "the bench collector listens on {url}");
        let options = Options {
            output: Box::new(std::io::stdout()),
            lines,
            rules,
            tls,
            complaints: Box::new(std::io::stderr()),
        };
        bench::serve(listener, options, std::future::pending()).await;
        Ok(())
    })
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
