//! Measures calls and requests, with as little as possible between the clock and the wire.
//!
//! usage: caller calls BUS-ADDRESS COUNT      caller post URL COUNT FILE      caller events BUS-ADDRESS COUNT
//!
//! `calls` has the agent and the floor (src/main.rs) answer by turns: calls that store nothing, and calls
//! that are on the medium when they are answered. It prints a line for each kind: p50 and p99 in
//! microseconds. `post` sends FILE COUNT times over one connection, each when the one before is answered,
//! and prints the seconds. `events` gives the agent COUNT reports, 64 on the way at a time, and prints the
//! seconds.

use std::collections::HashMap;
use std::error::Error;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream;
use zbus::connection::Builder;
use zbus::{Connection, OwnedObjectPath, Variant};

const AGENT: &str = "tv.playhead.Agent1";
const SESSION: &str = "tv.playhead.Session1";
const FLOOR: &str = "tv.playhead.test.Floor";
const AT_ONCE: usize = 64;

type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Info = HashMap<&'static str, Variant<'static>>;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["calls", address, count] => runtime.block_on(calls(address, count.parse()?)),
        ["post", url, count, file] => {
            runtime.block_on(post(url, count.parse()?, std::fs::read(file)?))
        }
        ["events", address, count] => runtime.block_on(events(address, count.parse()?)),
        _ => Err("usage: see src/caller.rs".into()),
    }
}

async fn open(connection: &Connection) -> Result<OwnedObjectPath> {
    let info: Info =
        [("id", "a-film".into()), ("app", "bench".into()), ("length", 90_000.0.into())].into();
    let body = (0.0, info);
    let reply = connection.call_method(
        Some(AGENT),
        "/tv/playhead/Agent1",
        Some(AGENT),
        "OpenSession",
        &body,
    );
    Ok(reply.await?.body().deserialize()?)
}

async fn event(connection: &Connection, session: &str, name: &str, playhead: f64) -> Result<()> {
    let body = (playhead, Info::new());
    connection.call_method(Some(AGENT), session, Some(SESSION), name, &body).await?;
    Ok(())
}

async fn echo(connection: &Connection, name: &str, playhead: f64) -> Result<()> {
    let body = (playhead, Info::new());
    connection.call_method(Some(FLOOR), "/", Some(FLOOR), name, &body).await?;
    Ok(())
}

async fn calls(address: &str, count: usize) -> Result<()> {
    let connection = Builder::address(address).build().await?;
    let session = open(&connection).await?;
    event(&connection, &session, "Play", 0.0).await?;
    let mut took: [Vec<u128>; 4] = Default::default();
    for n in 0..count {
        let at = n as f64;
        let stored = if n % 2 == 0 { "Pause" } else { "Play" };
        for (kind, times) in took.iter_mut().enumerate() {
            let from = Instant::now();
            match kind {
                0 => event(&connection, &session, "Playhead", at).await?,
                1 => echo(&connection, "Nothing", at).await?,
                2 => event(&connection, &session, stored, at).await?,
                _ => echo(&connection, "Keep", at).await?,
            }
            times.push(from.elapsed().as_nanos());
            // As apart as those of a player that is busy, and never in step with a timer.
            tokio::time::sleep(std::time::Duration::from_micros(7_300)).await;
        }
    }
    event(&connection, &session, "End", count as f64).await?;
    for mut times in took {
        times.sort_unstable();
        let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)] as f64 / 1e3;
        println!("{:.1} {:.1}", at(50), at(99));
    }
    Ok(())
}

async fn post(url: &str, count: usize, body: Vec<u8>) -> Result<()> {
    let client = reqwest::Client::builder().no_proxy();
    let tls = rustls::ClientConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()?
    .with_root_certificates(rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    })
    .with_no_client_auth();
    let client = client.tls_backend_preconfigured(tls).build()?;
    let from = Instant::now();
    for _ in 0..count {
        let request =
            client.post(url).header("content-type", "application/json").body(body.clone());
        request.send().await?.bytes().await?;
    }
    println!("{:.6}", from.elapsed().as_secs_f64());
    Ok(())
}

async fn events(address: &str, count: usize) -> Result<()> {
    let connection = Builder::address(address).build().await?;
    let session = open(&connection).await?;
    event(&connection, &session, "Play", 0.0).await?;
    let from = Instant::now();
    let mut calls =
        stream::iter((1..=count).map(|n| event(&connection, &session, "Playhead", n as f64)))
            .buffered(AT_ONCE);
    while let Some(answered) = calls.next().await {
        answered?;
    }
    println!("{:.6}", from.elapsed().as_secs_f64());
    Ok(())
}
