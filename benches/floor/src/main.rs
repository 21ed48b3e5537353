//! A service on the daemon's crates that does nothing: it owns a name, has a store open and a client for
//! requests at hand, answers calls, and keeps an entry when asked to.
//!
//! usage: floor BUS-ADDRESS STATE-DIR

use std::error::Error;
use std::fs::File;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

use futures_util::StreamExt;
use zbus::MessageStream;
use zbus::connection::Builder;
use zbus::message::Type;

const NAME: &str = "tv.playhead.test.Floor";
/// About a heartbeat's record.
const ENTRY: [u8; 300] = [b'x'; 300];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut arguments = std::env::args().skip(1);
    let (address, state) =
        (arguments.next().ok_or("an address")?, arguments.next().ok_or("a directory")?);
    runtime.block_on(serve(&address, &state))
}

/// As the daemon makes its own.
fn client() -> Result<reqwest::Client> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()?
    .with_root_certificates(roots)
    .with_no_client_auth();
    Ok(reqwest::Client::builder().tls_backend_preconfigured(tls).build()?)
}

async fn serve(address: &str, state: &str) -> Result<()> {
    let store = sled::Config::new()
        .path(state)
        .segment_size(64 * 1024)
        .cache_capacity(256 * 1024)
        .flush_every_ms(None)
        .open()?;
    let file = File::open(format!("{state}/db"))?;
    let client = client()?;
    let connection = Builder::address(address).build().await?;
    let mut heard = MessageStream::from(&connection);
    connection.request_name(NAME).await?;
    if let Ok(manager) = std::env::var("NOTIFY_SOCKET") {
        UnixDatagram::unbound()?.send_to(b"READY=1", manager)?;
    }
    let mut number = 0_u64;
    while let Some(Ok(message)) = heard.next().await {
        if message.message_type() != Type::MethodCall {
            continue;
        }
        match message.header().member().map(|member| member.as_str()) {
            // What a call costs the daemon that is on the medium when it is answered.
            Some("Keep") => {
                number += 1;
                store.insert(number.to_be_bytes(), ENTRY.as_slice())?;
                store.flush()?;
                file.sync_data()?;
            }
            // One request, so that the client is a part of the program.
            Some("Send") => drop(client.get("http://127.0.0.1:9/").send().await),
            _ => {}
        }
        connection.reply(&message.header(), &()).await?;
    }
    Ok(())
}
