//! The door's program: parse, listen, serve until it is told to stop.

use std::process::ExitCode;
use std::sync::Arc;

use playhead_firebolt::apps::Apps;
use playhead_firebolt::arguments::{self, Arguments, Command};
use playhead_firebolt::server::{Doorway, Server};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let arguments = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => {
            print!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Command::Version) => {
            println!("playhead-firebolt {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Ok(Command::Run(arguments)) => arguments,
        Err(why) => {
            eprintln!("playhead-firebolt: {why}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(run(*arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("playhead-firebolt: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = Server::listen(&arguments.listen).await?;
    println!("listening on {}", server.url);
    let apps = Apps::new(arguments.bus, arguments.policy);
    let doorway = Doorway {
        apps: apps.clone(),
        origins: Arc::new(arguments.origins),
        gateway_grace: arguments.gateway_grace,
    };
    tokio::select! {
        () = server.serve(doorway) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    apps.stop().await;
    Ok(())
}
