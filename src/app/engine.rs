//! The one loop, and the only owner of the agent: takes an input, carries the effects out in
//! order, sleeps until the deadline. What depends on a batch is released when it is written.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::AppError;
use super::trace::{self, Trace};
use super::writer::{Writer, Written};
use crate::collector::Client;
use crate::config::Config;
use crate::core::Agent;
use crate::core::dialect::exchange::Request;
use crate::core::input::{CallId, Input};
use crate::core::media::MediaInfo;
use crate::core::record::Durability;
use crate::core::rejected::{Refusal, Rejected};
use crate::core::time::{BootInstant, Span};
use crate::core::turn::{Reply, Step, Turn};
use crate::port::{Answer, News, Picture, Port, Said, SessionView};
use crate::system::clock;
use crate::system::notify::Notify;

/// Inputs taken before timers get a turn.
const INPUTS_A_TURN: usize = 64;
/// What a stop leaves for delivery (api.md 1.6).
const LAST_WORDS: Duration = Duration::from_secs(2);
/// An idle loop turns at least this often, so that a suspended clock is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// A status line and a sign of life are worth a message to the service manager this often.
const MANAGER_INTERVAL: Span = Span::millis(500);
const UNTRUSTED_SLEEP: Duration = Duration::from_secs(1);

/// What comes from the process itself.
pub enum Control {
    Stop,
    Reload(Box<Config>),
    BusGone,
}

/// Steps that wait for a batch, and whether its promise was a synced one.
struct Held {
    batch: u64,
    synced: bool,
    steps: Vec<Step>,
}

pub struct Engine {
    agent: Agent,
    client: Client,
    writer: Writer,
    port: Port,
    news: mpsc::UnboundedSender<News>,
    notify: Notify,
    watch: clock::Watch,
    steps: clock::Steps,
    answers: HashMap<CallId, Answer>,
    held: VecDeque<Held>,
    flying: JoinSet<()>,
    store_healthy: bool,
    collector: String,
    media: HashMap<u32, Arc<MediaInfo>>,
    longest_sleep: Duration,
    told_at: Option<BootInstant>,
    trace: Trace,
}

impl Engine {
    pub fn new(
        agent: Agent,
        client: Client,
        writer: Writer,
        port: Port,
        news: mpsc::UnboundedSender<News>,
        notify: Notify,
        watch: clock::Watch,
    ) -> Engine {
        // Half of the watchdog's period, so that an idle box lives.
        let longest_sleep =
            Notify::watchdog_period().map_or(LONGEST_SLEEP, |p| (p / 2).min(LONGEST_SLEEP));
        Engine {
            agent,
            client,
            writer,
            port,
            news,
            notify,
            watch,
            steps: clock::Steps::watch(),
            answers: HashMap::new(),
            held: VecDeque::new(),
            flying: JoinSet::new(),
            store_healthy: true,
            collector: String::new(),
            media: HashMap::new(),
            longest_sleep,
            told_at: None,
            trace: Trace::default(),
        }
    }

    /// Tells the service manager that calls are answered.
    pub fn ready(&mut self, url: &str) {
        self.collector = host(url);
        self.publish();
        self.notify.ready(&self.status());
        tracing::info!(collector = self.collector, "ready");
        crate::system::memory::let_go_of_program_pages();
    }

    /// One input, and everything that follows from it.
    pub fn input(&mut self, input: Input) {
        let now = clock::now();
        if !self.port.is_watched() {
            self.trace.forget();
            let turn = self.agent.handle(input, now);
            return self.carry_out(turn);
        }
        let line = self.trace.input(&input, &self.agent, now);
        let refused_before = self.agent.status().rejected_events;
        let turn = self.agent.handle(input, now);
        if let Some(mut line) = line {
            let refused = self.agent.status().rejected_events > refused_before;
            trace::outcome(&mut line, &turn, refused);
            self.show(&line);
        }
        self.carry_out(turn);
    }

    /// To those who watch.
    fn show(&self, line: &serde_json::Value) {
        let _ = self.news.send(News::Seen(line.to_string()));
    }

    /// Runs until a stop or until the bus is gone.
    pub async fn run(
        mut self,
        mut inputs: mpsc::UnboundedReceiver<Said>,
        mut controls: mpsc::UnboundedReceiver<Control>,
    ) -> Result<(), AppError> {
        let left = loop {
            let wake = self.wake_at();
            tokio::select! {
                biased;
                Some(control) = controls.recv() => match control {
                    Control::Stop => break Ok(()),
                    Control::BusGone => break Err(AppError::BusGone),
                    Control::Reload(config) => self.reload(*config),
                },
                Some(written) = self.writer.written.recv() => self.written(written),
                Some(said) = inputs.recv() => self.take(said, &mut inputs),
                () = self.steps.next() => {}
                () = sleep_until(wake) => {}
            }
            self.look_at_the_clock();
            self.tick_if_due();
            self.publish();
            while self.flying.try_join_next().is_some() {}
            self.tell_the_manager();
        };
        self.leave(&mut inputs).await;
        left
    }

    /// Status and watchdog, not more often than anybody looks.
    fn tell_the_manager(&mut self) {
        let now = clock::now().boot;
        if self.told_at.is_none_or(|told| now - told >= MANAGER_INTERVAL) {
            self.told_at = Some(now);
            self.notify.status(&self.status());
            self.notify.watchdog();
        }
    }

    fn take(&mut self, first: Said, inputs: &mut mpsc::UnboundedReceiver<Said>) {
        self.said(first);
        for _ in 1..INPUTS_A_TURN {
            match inputs.try_recv() {
                Ok(said) => self.said(said),
                Err(_) => break,
            }
        }
    }

    fn said(&mut self, said: Said) {
        if let Some((call, answer)) = said.answer {
            self.answers.insert(call, answer);
        }
        self.input(said.input);
    }

    fn look_at_the_clock(&mut self) {
        if self.watch.changed(clock::now()) {
            let trusted = self.watch.trusted();
            tracing::info!(trusted, "the wall clock was set");
            self.input(Input::Clock { trusted });
        }
    }

    fn tick_if_due(&mut self) {
        if self.agent.deadline().is_some_and(|due| due <= clock::now().boot) {
            self.input(Input::Tick);
        }
    }

    fn wake_at(&self) -> Instant {
        let now = clock::now();
        let until = self.agent.deadline().map_or(self.longest_sleep, |due| {
            // A millisecond more than the difference, because both clocks were cut off.
            Duration::from_millis((due - now.boot).0.max(0) as u64 + 1)
        });
        // Until the time is known, it is looked for more often.
        let longest = if self.watch.trusted() { self.longest_sleep } else { UNTRUSTED_SLEEP };
        Instant::now() + until.min(longest.min(self.longest_sleep))
    }

    /// Persist before send before reply (api.md 2.9): what promises something waits for its batch,
    /// what is sent waits for every batch before it.
    fn carry_out(&mut self, turn: Turn) {
        let mut batch = None;
        let mut waiting = Vec::new();
        for step in turn.steps() {
            match step {
                Step::Wipe => {
                    // Nothing that was held or is under way may be sent any more.
                    self.flying.abort_all();
                    for held in &mut self.held {
                        held.steps.retain(|step| !matches!(step, Step::Send(_)));
                    }
                    self.writer.wipe();
                }
                Step::Write(b) => {
                    batch = Some((b.number, b.durability == Durability::Synced));
                    self.writer.hand_over(b);
                }
                Step::Read(read) => self.writer.read(read),
                Step::Reply(call, result) if batch.is_none() || result.is_err() => {
                    self.reply(call, result);
                }
                step => waiting.push(step),
            }
        }
        if waiting.is_empty() && batch.is_none() {
            return;
        }
        let last = self.held.back().map(|held| held.batch);
        match (batch, last) {
            (Some((batch, synced)), _) => {
                self.held.push_back(Held { batch, synced, steps: waiting });
            }
            (None, Some(batch)) => {
                self.held.push_back(Held { batch, synced: false, steps: waiting });
            }
            (None, None) => self.release(waiting),
        }
    }

    fn written(&mut self, written: Written) {
        let (number, healthy) = match written {
            Written::Read(id, reports) => return self.input(Input::Read { id, reports }),
            Written::Done(number) => (number, true),
            Written::Failed(number, error) => {
                if self.store_healthy {
                    tracing::error!(error, "the store cannot be written; going on from memory");
                }
                (number, false)
            }
        };
        if healthy && !self.store_healthy {
            tracing::info!("the store can be written again");
        }
        self.store_healthy = healthy;
        while self.held.front().is_some_and(|held| held.batch <= number) {
            let Some(mut held) = self.held.pop_front() else { break };
            if !healthy && held.synced {
                refuse_promises(&mut held.steps);
            }
            self.release(held.steps);
        }
        if healthy && number > 0 {
            self.input(Input::Written { batch: number });
        }
    }

    fn release(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Send(request) => self.send(request),
                Step::Reply(call, result) => self.reply(call, result),
                Step::Announce(notice) => {
                    let _ = self.news.send(News::Notice(notice));
                }
                // Handed over at once.
                Step::Wipe | Step::Write(_) | Step::Read(_) => {}
            }
        }
    }

    fn send(&mut self, request: Request) {
        let (client, port) = (self.client.clone(), self.port.clone());
        tracing::debug!(path = request.path, "sending");
        if self.port.is_watched() {
            let line = self.trace.request(&request, clock::now());
            self.show(&line);
        }
        self.flying.spawn(async move {
            let outcome = client.send(&request).await;
            port.tell(Input::Answer { request: request.id, outcome });
        });
    }

    fn reply(&mut self, call: CallId, result: Result<Reply, Rejected>) {
        if let Some(answer) = self.answers.remove(&call) {
            // A caller that went away needs no answer.
            let _ = answer.send(result);
        }
    }

    fn reload(&mut self, config: Config) {
        self.notify.reloading(clock::monotonic_us());
        let url = config.collector.url.clone().unwrap_or_default();
        match Client::new(&url, &config.collector) {
            Ok(client) => {
                self.client = client;
                self.collector = host(&url);
                self.input(Input::Reload { settings: Box::new(config.settings) });
                tracing::info!(
                    "the configuration was read anew; bus, store, limits of messages, mpris, clock and log keep theirs until a restart"
                );
            }
            Err(error) => {
                tracing::error!(%error, "the configuration is broken; the old one stays in force");
            }
        }
        self.notify.ready(&self.status());
    }

    /// Everything is written, what can be delivered in two seconds is delivered.
    async fn leave(&mut self, inputs: &mut mpsc::UnboundedReceiver<Said>) {
        self.notify.stopping();
        self.input(Input::Stop);
        let last_words = async {
            loop {
                self.tick_if_due();
                while self.flying.try_join_next().is_some() {}
                if self.flying.is_empty() && inputs.is_empty() && self.held.is_empty() {
                    return;
                }
                tokio::select! {
                    Some(written) = self.writer.written.recv() => self.written(written),
                    Some(said) = inputs.recv() => self.take(said, inputs),
                    Some(_) = self.flying.join_next() => {}
                }
            }
        };
        if timeout(LAST_WORDS, last_words).await.is_err() {
            tracing::info!("not everything could be delivered; it is kept");
        }
        self.input(Input::Stop);
        self.writer.finish();
        tracing::info!("stopped");
    }

    /// Puts up what readers see, and tells the bus what has changed.
    pub fn publish(&mut self) {
        let delivery = self.agent.delivery();
        let mut sessions = std::collections::BTreeMap::new();
        for (number, session) in self.agent.sessions() {
            let media = self.media.entry(number).or_insert_with(|| session.tracker.media().clone());
            let (queued, opened) = delivery.queued_of(number);
            let view = SessionView {
                app: session.app.clone(),
                media: media.clone(),
                state: session.state_name(),
                playhead: session.tracker.playhead(),
                resumed: session.resumed,
                queued,
                opened,
                sid: delivery.sid(session.log).map(str::to_owned),
            };
            sessions.insert(number, view);
        }
        self.media.retain(|number, _| sessions.contains_key(number));
        let picture = Picture {
            status: Some(self.agent.status()),
            store_healthy: self.store_healthy,
            queued_bytes: delivery.queued_bytes(),
            collector: self.collector.clone(),
            sessions,
            now: clock::now,
        };
        for changed in self.port.view.publish(picture) {
            let _ = self.news.send(News::Changed(changed));
        }
    }

    /// One line that a person can read in `systemctl status`.
    fn status(&self) -> String {
        let status = self.agent.status();
        format!(
            "{} session{}, {} hits delivered, {} waiting{}{}",
            status.active_sessions,
            if status.active_sessions == 1 { "" } else { "s" },
            status.counters.delivered,
            status.queued_hits,
            if status.gates.consent { "" } else { "; waiting for consent" },
            if self.store_healthy { "" } else { "; the store cannot be written" }
        )
    }
}

/// The store could not keep what these replies promise (api.md 2.9).
fn refuse_promises(steps: &mut [Step]) {
    for step in steps {
        if let Step::Reply(_, result @ Ok(_)) = step {
            let opened = match result {
                Ok(Reply::Session(number)) => format!(" as session {number}"),
                _ => String::new(),
            };
            *result = Err(Rejected::new(
                Refusal::Storage,
                format!(
                    "done{opened}, but the store cannot be written: it would not survive a power cut"
                ),
            ));
        }
    }
}

/// The host of a URL, and nothing more of it.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}
