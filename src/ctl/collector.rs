//! `playheadctl collector`: the bench collector (feature `bench`).

use std::io::Write;

use tokio::net::TcpListener;

use super::{Failure, output};
use crate::bench::{self, Lines, Options};
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
        let url = format!("http://{address}");
        // Standard output has only hits.
        let _ = writeln!(std::io::stderr(), "the bench collector listens on {url}");
        if let Some(path) = &args.url_file {
            std::fs::write(path, &url)
                .map_err(|e| Failure::failed(format!("cannot write {}: {e}", path.display())))?;
        }
        let options = Options { output: Box::new(std::io::stdout()), lines, rules };
        bench::serve(listener, options, std::future::pending()).await;
        Ok(())
    })
}
