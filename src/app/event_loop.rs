//! The daemon's one loop. It passes events to the engine, carries out the engine's actions and
//! sleeps until the engine's deadline. It decides nothing.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::AppError;
use super::bus_link::BusLink;
use super::clients::Clients;
use super::control::{Control, Missed, bus_gone};
use super::reload::Source;
use super::store_worker::{ConsentThread, StoreThread};
use crate::core::dialect::exchange::{Cause, Outcome, Problem, Purpose, RequestId};
use crate::core::input::{CallId, Input};
use crate::core::message_ids as ids;
use crate::core::turn::Notice;
use crate::engine::failure::Failure;
use crate::engine::{Action, Engine, Event};
use crate::mpris::ReadAgain;
use crate::port::{Answer, BusUpdate, Message};
use crate::system::clock_watcher::ClockWatcher;
use crate::system::logind::SleepLock;
use crate::system::notify::Notify;
use crate::system::{clock, shutdown};

/// Messages taken before timers get a turn.
const MESSAGES_A_TURN: usize = 64;
/// An idle loop turns at least this often, so that a suspended clock is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// While the wall clock is not trusted, the loop looks at it this often.
const UNTRUSTED_SLEEP: Duration = Duration::from_secs(1);

/// What becomes of a request to a collector that was taken out of the configuration meanwhile.
const REMOVED: &str = "the configuration does not have this collector any more";

/// The threads that touch the disk, and the runtime of the requests, which has its own.
pub struct Threads {
    pub store: StoreThread,
    pub consent: ConsentThread,
    pub collector: tokio::runtime::Handle,
}

/// The parts that the loop joins.
pub struct EventLoop {
    pub engine: Engine,
    pub clients: Clients,
    pub source: Source,
    pub threads: Threads,
    pub link: BusLink,
    pub notify: Notify,
    pub watch: ClockWatcher,
    pub steps: clock::Steps,
    alarm: clock::Alarm,
    /// To the watcher of MPRIS players, if there is one.
    pub read_again: Option<mpsc::Sender<ReadAgain>>,
    /// To logind, once the bus is served.
    pub sleep_lock: Option<SleepLock>,
    /// Calls that wait for their replies.
    answers: HashMap<CallId, Answer>,
    requests: JoinSet<(RequestId, Outcome)>,
    watched: bool,
    players_away: bool,
    clock_hidden: bool,
    longest_sleep: Duration,
}

impl EventLoop {
    pub fn new(
        (engine, clients, source, threads): (Engine, Clients, Source, Threads),
        link: BusLink,
        watch: ClockWatcher,
        notify: Notify,
    ) -> EventLoop {
        EventLoop {
            engine,
            clients,
            source,
            threads,
            link,
            notify,
            watch,
            steps: clock::Steps::watch(),
            alarm: clock::Alarm::new(),
            read_again: None,
            sleep_lock: None,
            answers: HashMap::new(),
            requests: JoinSet::new(),
            watched: false,
            players_away: false,
            clock_hidden: false,
            longest_sleep: longest_sleep(),
        }
    }

    /// Tells the service manager that calls are answered.
    pub fn ready(&mut self) {
        self.publish();
        self.notify.ready(&self.engine.status_line(clock::now()));
        let collector = self.engine.snapshot(clock::now()).of_collectors(|c| &c.host);
        tracing::info!(collector, "ready");
        crate::system::memory::let_go_of_program_pages();
    }

    /// Passes one event to the engine and carries out the resulting actions.
    pub fn tell(&mut self, event: Event) {
        for action in self.engine.handle(event, clock::now()) {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Store(job) => self.threads.store.ask(job),
            Action::Consent(job) => self.threads.consent.ask(job),
            Action::Send(request) => {
                tracing::debug!(path = request.path, "sending");
                let client = self.clients.get(&request.collector);
                // A probe finds out how a connection is made, so it uses none that is there.
                let client = match (client, &request.purpose) {
                    (Some(client), Purpose::Probe) => client.anew().ok().or(Some(client.clone())),
                    (client, _) => client.cloned(),
                };
                let send = async move {
                    let outcome = match client {
                        Some(client) => client.send(&request).await,
                        None => Outcome::Unreachable(Problem::new(Cause::Connection, REMOVED)),
                    };
                    (request.id, outcome)
                };
                self.requests.spawn_on(send, &self.threads.collector);
            }
            Action::Reconnect => self.clients.reconnect(),
            Action::DropRequests => self.requests.abort_all(),
            Action::Reply(call, result) => {
                if let Some(answer) = self.answers.remove(&call) {
                    // A caller that went away needs no answer.
                    let _ = answer.send(result);
                }
            }
            Action::Announce(Notice::ReadAgain(owner, position)) => {
                // One that finds no room is read at its next signal.
                if let Some(watcher) = &self.read_again {
                    let _ = watcher.try_send((owner, position));
                }
            }
            Action::Announce(notice) => self.link.news.tell(BusUpdate::Notice(notice)),
            Action::Show(line) => self.link.news.tell(BusUpdate::Seen(line)),
        }
    }

    /// Runs until a stop or until the bus is gone.
    pub async fn run(
        mut self,
        mut messages: mpsc::Receiver<Message>,
        mut controls: mpsc::Receiver<Control>,
        missed: Missed,
    ) -> Result<(), AppError> {
        if missed.reload {
            self.reload();
        }
        if missed.bus_gone {
            let gone = bus_gone();
            self.leave(&mut messages).await;
            return gone;
        }
        let left = loop {
            let (until, wanted) = (self.sleeps_for(), self.engine.waits_for_store());
            tokio::select! {
                biased;
                Some(control) = controls.recv() => match control {
                    Control::Stop => {
                        self.end_with_the_box().await;
                        break Ok(());
                    }
                    Control::BusGone => break bus_gone(),
                    Control::Reload => self.reload(),
                },
                Some(done) = self.threads.store.done(wanted) => self.tell(Event::Store(done)),
                Some(done) = self.threads.consent.done.recv() => self.tell(Event::Consent(done)),
                Some(answered) = self.requests.join_next() => self.answered(answered),
                Some(message) = messages.recv() => self.take(message, &mut messages),
                () = self.steps.next() => {}
                () = self.alarm.after(until) => {}
            }
            self.turn();
        };
        self.leave(&mut messages).await;
        left
    }

    /// Ends a turn: checks the clock, runs timers that are due, publishes, notifies the watchdog.
    fn turn(&mut self) {
        if self.watch.changed(clock::now()) {
            let trusted = self.watch.trusted();
            tracing::info!(trusted, "the wall clock was set, or its trust has changed");
            self.tell(Event::Clock { trusted });
        }
        if self.watch.hidden() != self.clock_hidden {
            self.look_for_hidden_clock();
        }
        self.look_for_watchers();
        if self.link.port.are_players_away() != self.players_away {
            self.players_away = !self.players_away;
            self.tell(Event::PlayersAway(self.players_away));
        }
        if self.engine.deadline().is_some_and(|due| due <= clock::now().boot) {
            self.tell(Event::Tick);
        }
        self.publish();
        if let Some(lock) = &self.sleep_lock {
            lock.want(self.engine.puts_off_sleep());
        }
        if let Some(status) = self.engine.manager_status(clock::now()) {
            self.notify.status(&status);
            self.notify.watchdog(clock::now().boot);
        }
    }

    /// Whoever watches sees everything that comes after the answer to `Watch`.
    fn look_for_watchers(&mut self) {
        if self.link.port.is_watched() != self.watched {
            self.watched = !self.watched;
            self.tell(Event::Watched(self.watched));
        }
    }

    fn take(&mut self, first: Message, messages: &mut mpsc::Receiver<Message>) {
        self.message(first);
        for _ in 1..MESSAGES_A_TURN {
            let Ok(message) = messages.try_recv() else { break };
            self.message(message);
        }
    }

    fn message(&mut self, message: Message) {
        self.look_for_watchers();
        let Message { input, arrived, answer } = message;
        if let Some((call, answer)) = answer {
            self.answers.insert(call, answer);
        }
        self.tell(Event::Message { input, arrived });
    }

    fn answered(&mut self, answered: Result<(RequestId, Outcome), tokio::task::JoinError>) {
        // A dropped request (`JoinError`) has no answer.
        if let Ok((request, outcome)) = answered {
            self.tell(Event::Answer { request, outcome });
        }
    }

    fn sleeps_for(&self) -> Duration {
        let now = clock::now();
        let until = self.engine.deadline().map_or(self.longest_sleep, |due| {
            // One millisecond more, because both clocks are rounded down.
            Duration::from_millis((due - now.boot).0.max(0) as u64 + 1)
        });
        let longest = if self.watch.trusted() { self.longest_sleep } else { UNTRUSTED_SLEEP };
        until.min(longest.min(self.longest_sleep))
    }

    /// Reads the configuration anew. A broken one leaves the old in force (behaviour.md 3). The
    /// service manager hears of the end in both cases.
    fn reload(&mut self) {
        self.notify.reloading(clock::monotonic_us());
        match self.source.read(&self.clients) {
            Ok((config, clients)) => {
                self.clients = clients;
                self.watch.require_sync(config.require_sync);
                let until_restart = self.source.until_restart(&config);
                self.warn(config.warnings);
                self.tell(Event::Reload(Box::new(config.settings)));
                tracing::info!("the configuration was read anew{until_restart}");
                self.look_for_hidden_clock();
                self.look_for_broken_store();
            }
            Err(error) => {
                let message_id = ids::CONFIGURATION_BROKEN;
                let what = "the configuration is broken; the old one stays in force";
                let mistakes = error.mistakes();
                // One line of a bounded length, however many mistakes there are.
                tracing::error!(message_id, error = %mistakes, "{what}");
                self.tell(Event::ReloadFailed(mistakes));
            }
        }
        // Whoever looks when it is over sees what became of it.
        self.turn();
        self.notify.ready(&self.engine.status_line(clock::now()));
    }

    /// Says in the log what works in the configuration and is surely not meant.
    pub fn warn(&mut self, warnings: Vec<String>) {
        for what in &warnings {
            tracing::warn!("the configuration: {what}");
        }
        self.tell(Event::Warnings(warnings));
    }

    /// Says when a synchronised clock is required, and nobody can say that it is.
    pub fn look_for_hidden_clock(&mut self) {
        let hidden = self.watch.hidden();
        self.clock_hidden = hidden;
        if hidden {
            let why = Failure::ClockHidden;
            tracing::error!(message_id = ids::CLOCK_HIDDEN, %why, "nothing is sent");
        }
        self.tell(Event::ClockHidden(hidden));
    }

    /// Looks whether a broken store still lies aside.
    pub fn look_for_broken_store(&mut self) {
        let aside = crate::store::opening::laid_aside(self.source.state_dir());
        self.tell(Event::StoreSetAside(aside.map(|path| path.display().to_string())));
    }

    /// Before a stop: every session ends if the box is shut down. Otherwise, as at an upgrade, the next
    /// start goes on with them.
    async fn end_with_the_box(&mut self) {
        let announced = self.sleep_lock.as_ref().is_some_and(SleepLock::shutting_down);
        if announced || shutdown::under_way(self.link.bus.connection()).await {
            let arrived = clock::now().boot;
            self.tell(Event::Message { input: Input::ShutDown, arrived });
        }
    }

    /// Stops: writes everything, and delivers what can be delivered in two seconds.
    async fn leave(&mut self, messages: &mut mpsc::Receiver<Message>) {
        self.notify.stopping();
        self.tell(Event::Stop);
        while !self.engine.may_leave(clock::now().boot) || !messages.is_empty() {
            let until = self.sleeps_for();
            tokio::select! {
                Some(done) = self.threads.store.done(true) => self.tell(Event::Store(done)),
                Some(done) = self.threads.consent.done.recv() => self.tell(Event::Consent(done)),
                Some(message) = messages.recv() => self.take(message, messages),
                Some(answered) = self.requests.join_next() => self.answered(answered),
                () = self.alarm.after(until) => self.tell(Event::Tick),
            }
            if self.engine.stop_is_over(clock::now().boot) {
                tracing::info!("some hits were not delivered in time; they are kept");
                break;
            }
        }
        // Answers that came meanwhile are written too.
        self.tell(Event::Stop);
        while !self.engine.store_at_rest() {
            let until = self.sleeps_for();
            tokio::select! {
                Some(done) = self.threads.store.done(true) => self.tell(Event::Store(done)),
                Some(done) = self.threads.consent.done.recv() => self.tell(Event::Consent(done)),
                () = self.alarm.after(until) => self.tell(Event::Tick),
            }
        }
        // Calls that came too late are told so, and replies reach their callers.
        messages.close();
        while messages.try_recv().is_ok() {}
        self.answers.clear();
        self.link.send_last_replies().await;
        self.threads.store.finish(self.engine.store_is_free());
        tracing::info!("stopped");
    }

    /// Publishes a new snapshot, and tells the bus adapter what changed in it.
    pub fn publish(&mut self) {
        self.link.publish(self.engine.snapshot(clock::now()));
    }
}

/// How long a loop may sleep: half of the watchdog's period, so that the watchdog does not kill an idle
/// daemon.
pub fn longest_sleep() -> Duration {
    Notify::watchdog_period().map_or(LONGEST_SLEEP, |p| (p / 2).min(LONGEST_SLEEP))
}
