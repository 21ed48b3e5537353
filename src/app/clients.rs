//! The HTTP clients, one for each collector.

use crate::collector::{Client, CollectorError, Mark};
use crate::config::CollectorConfig;

/// In the order of the configuration.
pub struct Clients(Vec<Client>);

impl Clients {
    /// Makes the clients of these collectors. Of those of before, each is kept whose configuration and
    /// files are the same, with its connections.
    ///
    /// Errors: what keeps one of them from being made.
    pub fn new(
        collectors: &[CollectorConfig],
        before: Option<&Clients>,
    ) -> Result<Clients, CollectorError> {
        let known = |config: &CollectorConfig| {
            before?.0.iter().find(|client| client.is_of(config)).cloned()
        };
        let kept: Vec<Option<Client>> = collectors.iter().map(known).collect();
        let mut marks: Vec<Mark> = kept.iter().flatten().map(Client::mark).collect();
        let mut clients = Vec::new();
        for (config, kept) in collectors.iter().zip(kept) {
            let client = match kept {
                Some(client) => client,
                None => {
                    let mark = Mark::unlike(&marks);
                    marks.push(mark);
                    Client::new(config, mark)?
                }
            };
            clients.push(client);
        }
        Ok(Clients(clients))
    }

    /// The client of a collector; `None` for one that the configuration does not have any more.
    pub fn get(&self, collector: &str) -> Option<&Client> {
        self.0.iter().find(|client| client.name() == collector)
    }

    /// Drops all connections, which may be dead.
    pub fn reconnect(&mut self) {
        for client in &mut self.0 {
            match client.anew() {
                Ok(anew) => *client = anew,
                Err(error) => {
                    let collector = client.name();
                    tracing::error!(collector, %error, "the old connections are used further");
                }
            }
        }
    }
}
