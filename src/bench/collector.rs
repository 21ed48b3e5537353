//! A bench collector inside a test's own process.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::connections::serve_shared;
use super::log::Record;
use super::server::rules_from_json;
use super::shared::{Options, Shared, State};
use super::tls::Tls;
use crate::sim::CollectorModel as _;
use crate::sim::backend::Rule;

/// A bench collector on its own thread, for tests in this process. It stops when dropped.
pub struct Collector {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    /// A silent collector without faults on a free port of 127.0.0.1.
    ///
    /// Panics when the machine gives no port or no thread: a test cannot go on without them.
    pub fn start() -> Collector {
        Collector::start_with(Options::default())
    }

    /// The same that speaks TLS. What it presents has to be good for 127.0.0.1, and can be changed
    /// through a clone.
    pub fn start_tls(tls: Tls) -> Collector {
        Collector::start_with(Options { tls: Some(tls), ..Options::default() })
    }

    fn start_with(options: Options) -> Collector {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")
            .expect("a free port on the loopback for the collector");
        Collector::on(listener, options).expect("a thread for the collector")
    }

    /// A collector on a listener of the caller's, such as the port of one that was stopped.
    ///
    /// Errors: the system gives no runtime or no thread.
    pub fn on(listener: std::net::TcpListener, options: Options) -> io::Result<Collector> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let shared = Arc::new(Shared::new(options));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("collector".into()).spawn(move || {
            let shutdown = async {
                let _ = stopped.await;
            };
            runtime.block_on(serve_shared(listener, serving, shutdown));
        })?;
        Ok(Collector { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The `{uri}` of spec 1, without a slash at the end.
    pub fn url(&self) -> String {
        format!("{}://{}", self.shared.scheme(), self.address)
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many connections there were since the start.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Every request so far in the order of arrival (the newest 100,000), without `/bench/`.
    pub fn hits(&self) -> Vec<Record> {
        self.shared.state().log.records().to_vec()
    }

    /// Requests that the schemas or the sid rules refused; fault rules do not count.
    pub fn refused(&self) -> usize {
        self.shared.state().log.refused()
    }

    /// Replaces the fault rules.
    pub fn set_rules(&self, rules: Vec<Rule>) {
        self.shared.state().backend.set_rules(rules);
    }

    /// Replaces the fault rules by a JSON array (behaviour.md 4).
    ///
    /// Errors: see [`rules_from_json`]; the old rules stay.
    pub fn set_rules_json(&self, text: &str) -> Result<(), String> {
        self.set_rules(rules_from_json(text.as_bytes())?);
        Ok(())
    }

    /// Forgets hits and sums; sids and rules stay.
    pub fn clear(&self) {
        self.shared.clear();
    }

    /// Waits until the records satisfy `enough`, looked at after each request; false when
    /// `deadline` passes first.
    pub fn wait_for(&self, deadline: Duration, enough: impl Fn(&[Record]) -> bool) -> bool {
        let unmet = |state: &mut State| !enough(state.log.records());
        let waited = self.shared.changed.wait_timeout_while(self.shared.state(), deadline, unmet);
        let (state, result) = waited.expect("no holder of the collector's state has panicked");
        drop(state);
        !result.timed_out()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was printed already, and the test has its own result.
            let _ = thread.join();
        }
    }
}
