//! The engine at its public door: what counts when, what waits for what, and a disk that fails. The
//! rest of it is shown by everything that runs through the driver.

#[path = "engine/sleep.rs"]
mod sleep;

use playheadd::config::Config;
use playheadd::core::dialect::exchange::{Outcome, RequestId, RetryAfter};
use playheadd::core::input::{CallId, Input, Listing, Target};
use playheadd::core::player::{EventSource, PlayerId};
use playheadd::core::record::Key;
use playheadd::core::rejected::Refusal;
use playheadd::core::settings::{CollectorSettings, Consent, Settings};
use playheadd::core::time::{BootInstant, Now, Span, WallTime};
use playheadd::core::tracker::event::EventName;
use playheadd::core::tracker::info::{Info, Value};
use playheadd::core::turn::Reply;
use playheadd::engine::{Action, Event, StoreJob};
use playheadd::sim::driver::{ActionHandler, DiskFault, Driver, start_info};
use playheadd::sim::{Exchange, Options, simulate, timeline};
use serde_json::Value as Json;

const EPOCH_MS: i64 = 1_700_000_000_000;

struct Box_ {
    driver: Driver,
    now: i64,
    /// For how long it has slept.
    slept: i64,
    actions: Vec<Action>,
}

fn player() -> PlayerId {
    PlayerId { sender: ":1.1".into(), instance: String::new() }
}

impl Box_ {
    fn new() -> Box_ {
        let mut new = Box_ { driver: Driver::default(), now: 0, slept: 0, actions: Vec::new() };
        new.start();
        new
    }

    /// The agent starts on what the disk holds.
    fn start(&mut self) {
        let settings = Settings { initial_consent: Consent::In, ..Settings::default() };
        self.driver.start(settings, start_info("b", 1), self.clock());
        self.message(Input::Recovered { present: Vec::new() }, self.now);
    }

    fn clock(&self) -> Now {
        let wall = WallTime(EPOCH_MS + self.now);
        Now { boot: BootInstant(self.now), wall, slept: Span(self.slept) }
    }

    fn tell(&mut self, event: Event) {
        let (now, at) = (self.clock(), self.now);
        self.driver.tell(event, now, at, &mut self.actions);
    }

    /// Something that arrived at a moment, taken in now.
    fn message(&mut self, input: Input, arrived: i64) {
        self.tell(Event::Message { input, arrived: BootInstant(arrived) });
    }

    fn open(&mut self, call: u64) {
        let info = Info::from([("id".to_owned(), Value::Text("m".into()))]);
        let input = Input::Open {
            call: Some(CallId(call)),
            player: player(),
            source: EventSource::Method,
            uid: None,
            app: "tv.app".into(),
            playhead: 0.0,
            info,
        };
        self.message(input, self.now);
    }

    fn say(&mut self, name: EventName, arrived: i64) {
        let target = Target::Player(player());
        let call = Some(CallId(100 + arrived as u64));
        let info = Info::new();
        self.message(Input::Event { call, target, name, playhead: -1.0, info }, arrived);
    }

    /// Time goes on, and every timer has its turn at its time.
    fn pass_to(&mut self, at: i64) {
        while let Some(due) = self.driver.deadline().filter(|due| due.0 <= at) {
            self.now = self.now.max(due.0);
            self.tell(Event::Tick);
            self.accept();
        }
        self.now = at;
    }

    /// Everything that was sent is accepted.
    fn accept(&mut self) {
        let sent: Vec<_> = self.actions.iter().filter_map(request).collect();
        for id in sent.into_iter().map(|(id, _)| id) {
            let outcome = Outcome::Answered {
                status: 201,
                location: Some("/api/v1/sessions/S1".into()),
                retry_after: None,
                body: String::new(),
            };
            // One that was answered before is nobody's.
            self.tell(Event::Answer { request: id, outcome });
        }
    }

    /// Type and time of happening of every hit so far.
    fn hits(&self) -> Vec<(String, i64)> {
        let mut hits: Vec<(String, i64)> = Vec::new();
        for (_, body) in self.actions.iter().filter_map(request) {
            let at = body["playerTime"]["ts"].as_i64().unwrap_or(0) - EPOCH_MS;
            hits.push((body["eventType"].as_str().unwrap_or_default().to_owned(), at));
        }
        hits
    }

    fn reply(&self, call: u64) -> Option<Result<(), Refusal>> {
        self.actions.iter().find_map(|action| match action {
            Action::Reply(CallId(to), result) if *to == call => {
                Some(result.as_ref().map(|_: &Reply| ()).map_err(|rejected| rejected.kind))
            }
            _ => None,
        })
    }
}

fn request(action: &Action) -> Option<(RequestId, Json)> {
    match action {
        Action::Send(request) => {
            Some((request.id, serde_json::from_str(&request.body).expect("JSON")))
        }
        _ => None,
    }
}

#[test]
fn a_message_counts_from_its_arrival_and_timers_between_run_after_it() {
    let mut b = Box_::new();
    b.open(1);
    b.say(EventName::Play, 0);
    b.pass_to(5_000);
    // The pause came at 3 s and was taken in at 25 s: the pings of the time between come after it.
    b.now = 25_000;
    b.say(EventName::Pause, 3_000);
    b.pass_to(40_000);
    let hits = b.hits();
    let at = |kind: &str| hits.iter().find(|(k, _)| k == kind).map(|(_, at)| *at);
    assert_eq!(at("pauseStart"), Some(3_000), "{hits:?}");
    let pings: Vec<i64> =
        hits.iter().filter(|(kind, _)| kind == "ping").map(|(_, at)| *at).collect();
    assert!(pings.iter().all(|at| *at > 3_000), "{hits:?}");
}

#[test]
fn a_message_that_came_before_a_hit_that_is_out_counts_just_after_it() {
    let mut b = Box_::new();
    b.open(1);
    b.say(EventName::Play, 0);
    b.pass_to(10_400);
    b.say(EventName::Pause, 9_900);
    b.pass_to(11_000);
    let hits = b.hits();
    let position = |kind: &str| hits.iter().position(|(k, _)| k == kind);
    assert!(position("ping") < position("pauseStart"), "{hits:?}");
    assert_eq!(hits.last(), Some(&("pauseStart".to_owned(), 10_001)), "{hits:?}");
    let bodies: Vec<Json> = b.actions.iter().filter_map(request).map(|(_, body)| body).collect();
    let pause = bodies.iter().find(|body| body["eventType"] == "pauseStart").expect("a pause");
    assert_eq!(pause["playerTime"]["playhead"], 10.001, "the position of that moment");
}

#[test]
fn after_a_wake_and_on_another_network_requests_use_new_connections() {
    for change in [Input::Wake, Input::Network { online: true }, Input::Network { online: false }] {
        let mut b = Box_::new();
        b.open(1);
        b.say(EventName::Play, 0);
        b.pass_to(5_000);
        if change == Input::Wake {
            b.message(Input::Sleep, 5_000);
            b.pass_to(7_000);
        }
        b.actions.clear();
        let said = format!("{change:?}");
        b.message(change, b.now);
        b.say(EventName::Pause, b.now);
        b.pass_to(b.now + 20_000);
        let first = |wanted: fn(&Action) -> bool| b.actions.iter().position(wanted);
        let reconnect = first(|action| *action == Action::Reconnect);
        let send = first(|action| matches!(action, Action::Send(_)));
        assert!(
            reconnect.is_some() && send.is_some() && reconnect < send,
            "{said}: {:?}",
            b.actions
        );
    }
}

#[test]
fn what_one_collector_asked_for_does_not_bind_another() {
    let mut b = Box_::new();
    for n in 0..2 {
        b.open(n);
        b.say(EventName::End, b.now);
        b.now += 1_000;
    }
    // They are left over from before a kill, and the collector wants to be left alone for an hour.
    b.driver.kill();
    b.start();
    b.actions.clear();
    let mut tries = 0;
    while let Some(due) = b.driver.deadline().filter(|due| due.0 < b.now + 600_000) {
        b.now = b.now.max(due.0);
        b.tell(Event::Tick);
        let sent: Vec<_> = b.actions.drain(..).collect();
        for (request, _) in sent.iter().filter_map(request) {
            let outcome = Outcome::Answered {
                status: 503,
                location: None,
                retry_after: Some(RetryAfter::Seconds(3_600)),
                body: String::new(),
            };
            b.tell(Event::Answer { request, outcome });
            tries += 1;
        }
    }
    assert_eq!(tries, 2, "it is obeyed");
    let url = "https://other.example".to_owned();
    let settings = Settings {
        initial_consent: Consent::In,
        collectors: vec![CollectorSettings { url, ..CollectorSettings::default() }],
        ..Settings::default()
    };
    b.tell(Event::Reload(Box::new(settings)));
    b.pass_to(b.now + 120_000);
    let ends = b.hits().into_iter().filter(|(kind, _)| kind == "sessionEnd").count();
    assert_eq!(ends, 2, "{:?}", b.hits());
}

#[test]
fn a_list_of_what_waits_has_a_thousand_rows_and_counts_the_rest() {
    let mut b = Box_::new();
    for n in 0..1_003 {
        b.open(n);
        b.say(EventName::End, b.now);
        b.now += 1_000;
    }
    b.actions.clear();
    b.message(Input::List { call: CallId(7), listing: Listing::Queue }, b.now);
    let text = b.actions.iter().find_map(|action| match action {
        Action::Reply(CallId(7), Ok(Reply::Json(text))) => Some(text.clone()),
        _ => None,
    });
    let list: Json = serde_json::from_str(&text.expect("a list")).expect("JSON");
    assert_eq!(list["logs"].as_array().expect("rows").len(), 1_000);
    assert_eq!((&list["left_out"], &list["hits"]), (&3.into(), &2_006.into()));
    assert_eq!(list["logs"][0]["oldest"], EPOCH_MS, "the oldest first");
}

#[test]
fn a_reply_that_promises_something_waits_for_a_slow_disk_and_nothing_else_does() {
    let mut b = Box_::new();
    b.driver.disk.delay_ms = 500;
    b.open(1);
    assert_eq!(b.reply(1), None, "not before it is on the disk");
    b.say(EventName::Playhead, 0);
    b.now = 500;
    let (now, at) = (b.clock(), b.now);
    b.driver.store_done(now, at, &mut b.actions);
    assert_eq!(b.reply(1), Some(Ok(())));
}

/// Keys of everything that was written, and the other actions.
#[derive(Default)]
struct Written(Vec<Key>, Vec<Action>);

impl ActionHandler for Written {
    fn act(&mut self, action: Action) {
        self.1.push(action);
    }

    fn stored(&mut self, job: &StoreJob, _: bool) {
        if let StoreJob::Write(batches) = job {
            assert!(batches.iter().all(|batch| batch.deleted_reports.is_empty()));
            let keys = batches.iter().flat_map(|batch| &batch.changes).map(|(key, _)| key.clone());
            self.0.extend(keys);
        }
    }
}

#[test]
fn a_heartbeat_is_two_records_and_its_ping_is_none_unless_it_fails() {
    let mut b = Box_::new();
    b.open(1);
    b.say(EventName::Play, 0);
    b.pass_to(39_900);
    let written = |b: &mut Box_, to: i64, status: u16| {
        let mut written = Written::default();
        while let Some(due) = b.driver.deadline().filter(|due| due.0 <= to) {
            b.now = b.now.max(due.0);
            b.driver.tell(Event::Tick, b.clock(), b.now, &mut written);
            for (request, _) in std::mem::take(&mut written.1).iter().filter_map(request) {
                let (location, retry_after, body) = (None, None, String::new());
                let outcome = Outcome::Answered { status, location, retry_after, body };
                let answer = Event::Answer { request, outcome };
                b.driver.tell(answer, b.clock(), b.now, &mut written);
            }
        }
        b.now = to;
        written.0
    };
    let heartbeat = |key: &Key| matches!(key, Key::Heartbeat(_));
    let accepted = written(&mut b, 49_900, 204);
    // As it goes out, and five seconds later.
    assert!(accepted.len() == 2 && accepted.iter().all(heartbeat), "{accepted:?}");
    let failed = written(&mut b, 56_000, 503);
    let pings = failed.iter().filter(|key| matches!(key, Key::Report(..))).count();
    assert_eq!(pings, 1, "{failed:?}");
}

/// Nothing goes on when a heartbeat is on the disk, so the daemon need not wake up for it.
#[test]
fn nobody_waits_for_a_heartbeat_to_be_written() {
    let mut b = Box_::new();
    b.open(1);
    b.say(EventName::Play, 0);
    b.pass_to(14_900);
    b.driver.disk.delay_ms = 500;
    let waits = |b: &Box_| b.driver.engine().map(|engine| engine.waits_for_store());
    b.pass_to(15_100);
    assert!(b.driver.store_done_at().is_some(), "it is being written");
    assert_eq!(waits(&b), Some(false));
    b.say(EventName::Pause, 15_100);
    assert_eq!(waits(&b), Some(true), "a reply waits for it and for more");
}

/// A request that waits for the disk was made for the collector of before, in its dialect.
#[test]
fn a_request_that_waits_does_not_go_to_another_collector() {
    let mut b = Box_::new();
    b.driver.disk.delay_ms = 500;
    b.open(1);
    b.tell(Event::Tick);
    assert_eq!(b.hits(), [], "it waits for the disk");
    let settings = |url: &str| Settings {
        initial_consent: Consent::In,
        collectors: vec![CollectorSettings { url: url.into(), ..CollectorSettings::default() }],
        ..Settings::default()
    };
    b.tell(Event::Reload(Box::new(settings("https://other.example"))));
    b.now = 500;
    let (now, at) = (b.clock(), b.now);
    b.driver.store_done(now, at, &mut b.actions);
    assert_eq!(b.hits(), [], "nobody gets what was made for the first one");
    b.driver.disk.delay_ms = 0;
    b.pass_to(5_000);
    let starts = b.hits().into_iter().filter(|(kind, _)| kind == "sessionStart").count();
    assert_eq!(starts, 1, "the other one gets its own: {:?}", b.hits());
}

#[test]
fn a_disk_that_fails_breaks_promises_says_so_and_heals_by_itself() {
    let mut b = Box_::new();
    b.driver.disk.fault = DiskFault { fails: true, ..DiskFault::default() };
    b.open(1);
    assert_eq!(b.reply(1), Some(Err(Refusal::Storage)));
    b.say(EventName::Play, 0);
    b.pass_to(12_000);
    let hits = b.hits();
    assert!(hits.iter().any(|(kind, _)| kind == "ping"), "it goes on from memory: {hits:?}");
    assert!(!b.driver.engine().expect("an engine").store_healthy());
    b.driver.disk.fault = DiskFault::default();
    b.pass_to(20_000);
    assert!(b.driver.engine().expect("an engine").store_healthy());
    assert_eq!(b.driver.disk.store.load().sessions.len(), 1, "what was kept is written");
}

fn run(text: &str) -> Vec<Exchange> {
    let lines = timeline::parse("the test", text).expect("valid lines");
    let config = Config::from_overrides(&[]).expect("the defaults");
    simulate(&lines, Options { config, until_ms: None, seed: 0 })
}

/// A timeline with `Disk`, and what a crash takes with it.
#[test]
fn a_disk_in_a_timeline() {
    let story = |disk: &str| {
        run(&format!(
            r#"
            {{"at": 0, "event": "SessionStart", "playhead": 0, "info": {{"id": "m", "length": 900}}}}
            {{"at": 0, "event": "Play", "playhead": 0}}
            {disk}
            {{"at": 30, "event": "NetworkDown"}}
            {{"at": 40, "event": "Error", "info": {{"id": "e1"}}}}
            {{"at": 50, "event": "AgentCrash", "down_s": 1}}
            {{"at": 60, "event": "NetworkUp"}}
            {{"at": 90, "event": "Complete"}}
            "#
        ))
    };
    let arrived = |made: &[Exchange], kind: &str| made.iter().any(|e| e.body["eventType"] == kind);
    assert!(arrived(&story(""), "error"));
    let full = story(r#"{"at": 20, "event": "Disk", "full": true}"#);
    assert!(!arrived(&full, "error"), "what came since is lost with the agent");
    assert!(arrived(&full, "sessionComplete"), "what lay there is read all the same");
    let healed = story(
        r#"{"at": 20, "event": "Disk", "full": true}
           {"at": 22, "event": "Disk"}"#,
    );
    assert!(arrived(&healed, "error"));
}

#[test]
fn the_service_manager_hears_of_a_change_at_most_half_a_second_late() {
    let mut box_ = Box_::new();
    let status = |box_: &mut Box_| {
        let now = box_.clock();
        box_.driver.engine_mut().expect("an engine").manager_status(now)
    };
    box_.now = 10_000;
    let line = status(&mut box_).expect("the first line");
    assert!(line.starts_with("idle: 0 sessions, 0 hits delivered, 0 waiting"), "{line}");
    box_.now += 100;
    box_.message(Input::Clock { trusted: false }, box_.now);
    assert_eq!(status(&mut box_), None, "it has had a line just now");
    // The loop is woken for the rest, though nothing else is to be done.
    let due = box_.driver.engine().expect("an engine").deadline();
    assert_eq!(due, Some(BootInstant(10_500)));
    box_.now = 10_500;
    box_.tell(Event::Tick);
    let line = status(&mut box_).expect("it is due");
    assert!(line.starts_with("waiting-clock: "), "{line}");
    assert!(box_.driver.engine().expect("an engine").deadline() > Some(BootInstant(10_500)));
}
