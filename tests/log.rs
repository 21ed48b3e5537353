//! What the log says, in virtual time: when and why nothing is sent, that it goes on, reminders, who was
//! refused what, and how much was lost.

mod driven;

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use driven::{Agents, settings};
use playheadd::core::dialect::exchange::Outcome;
use playheadd::core::input::{CallId, Input, Listing};
use playheadd::core::message_ids as ids;
use playheadd::core::settings::Consent;
use playheadd::core::tracker::event::EventName;
use playheadd::core::tracker::info::Value;
use playheadd::core::turn::Reply;
use playheadd::engine::Event;
use serde_json::Value as Json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

const HOUR_MS: i64 = 3_600_000;

/// Keeps the lines that an operator sees: ` name=value` of each field, the sentence as `message`.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// The lines since the last call that hold a text.
    fn take(&self, text: &str) -> Vec<String> {
        let lines = std::mem::take(&mut *self.0.lock().unwrap());
        lines.into_iter().filter(|line| line.contains(text)).collect()
    }

    /// The only one of them.
    fn one(&self, text: &str) -> String {
        let mut lines = self.take(text);
        assert_eq!(lines.len(), 1, "{text}: {lines:#?}");
        lines.remove(0)
    }

    /// Runs what logs into it.
    fn of<T>(&self, what: impl FnOnce() -> T) -> T {
        tracing::subscriber::with_default(self.clone(), what)
    }
}

struct Fields(String);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {field}={value}");
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(event.metadata().level().to_string());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn id() -> (&'static str, Value) {
    ("id", Value::Text("m".into()))
}

/// All requests that were sent are answered so.
fn answer(agents: &mut Agents, status: u16) -> usize {
    let sent = std::mem::take(&mut agents.sent);
    for request in &sent {
        let outcome = Outcome::Answered {
            status,
            location: (status < 300).then(|| "/api/v1/sessions/S1".into()),
            retry_after: None,
            body: "not such things".into(),
        };
        agents.tell(Event::Answer { request: request.id, outcome });
    }
    sent.len()
}

#[test]
fn a_hold_is_said_with_its_reason_each_hour_and_when_it_is_over() {
    let log = Log::default();
    log.of(|| {
        let mut agents = Agents::new(settings(1));
        let metered = log.one("nothing is sent");
        assert!(metered.contains(ids::HELD_METERED) && metered.contains("waiting=0"), "{metered}");
        agents.say(1, EventName::SessionStart, &[id()]);
        agents.say(1, EventName::Play, &[]);
        agents.pass(HOUR_MS - 1_000);
        assert_eq!(log.take("nothing is sent"), [""; 0]);
        agents.pass(2_000);
        let still = log.one("still: nothing is sent: the connection is metered");
        assert!(still.contains("WARN") && still.contains("state=held-metered"), "{still}");
        assert!(still.contains("since=2027-01-16T08:00:00Z"), "{still}");
        assert!(still.contains("oldest=2027-01-16T08:00:00Z"), "{still}");
        assert!(still.contains(&format!("waiting={}", agents.agent().delivery().queued())));
        agents.give(Input::Metered(false));
        let over = log.one("delivery goes on");
        assert!(over.contains("INFO") && over.contains("was=held-metered"), "{over}");
        assert!(over.contains("after_seconds=3601"), "{over}");
    });
}

#[test]
fn each_hold_has_its_reason_and_the_budget_its_end() {
    let log = Log::default();
    log.of(|| {
        let mut own = settings(1);
        own.initial_consent = Consent::Unknown;
        own.delivery.daily_bytes = 1;
        let mut agents = Agents::new(own);
        let consent = log.one("nothing is sent: nobody has said");
        assert!(consent.contains(ids::WAITS_FOR_CONSENT), "{consent}");
        agents.give(Input::Metered(false));
        agents.pass(100_000);
        agents.give(Input::Clock { trusted: false });
        agents.give(Input::SetConsent { call: None, consent: Consent::In });
        let clock = log.one("nothing is sent");
        assert!(clock.contains(ids::WAITS_FOR_CLOCK), "{clock}");
        agents.pass(100_000);
        agents.give(Input::Clock { trusted: true });
        log.one("delivery goes on");
        agents.pass(100_000);
        agents.say(1, EventName::SessionStart, &[id()]);
        agents.say(1, EventName::Play, &[]);
        while agents.sent.is_empty() {
            agents.pass(1_000);
        }
        answer(&mut agents, 201);
        agents.pass(100_000);
        let budget = log.one("nothing is sent: the bytes of this day");
        assert!(budget.contains(ids::HELD_BUDGET), "{budget}");
        assert!(budget.contains("until=2027-01-17T00:00:"), "{budget}");
        agents.give(Input::SetConsent { call: None, consent: Consent::Out });
        agents.pass(HOUR_MS);
        assert_eq!(log.take("nothing is sent"), [""; 0], "who opted out is not reminded");
    });
}

#[test]
fn a_failure_is_said_once_then_each_hour_and_when_it_is_over() {
    let log = Log::default();
    log.of(|| {
        let mut agents = Agents::new(settings(1));
        agents.give(Input::Metered(false));
        agents.pass(100_000);
        log.take("");
        agents.say(1, EventName::SessionStart, &[id()]);
        agents.say(1, EventName::Play, &[]);
        for _ in 0..2 * 3_600 + 10 {
            agents.pass(1_000);
            answer(&mut agents, 503);
        }
        let lines = log.take(ids::DELIVERY_FAILS);
        assert_eq!(lines.len(), 3, "{lines:#?}");
        assert!(lines.iter().all(|line| line.contains("503")), "{lines:#?}");
        assert!(lines[0].contains("message=delivery fails"), "{lines:#?}");
        assert!(lines[2].contains("message=still: delivery fails"), "{lines:#?}");
        while answer(&mut agents, 201) == 0 {
            agents.pass(1_000);
        }
        assert!(log.one("delivery goes on").contains("was=failing"));
    });
}

#[test]
fn a_store_that_cannot_be_written_is_called_to_mind() {
    let log = Log::default();
    log.of(|| {
        let mut agents = Agents::new(settings(1));
        agents.driver.disk.fault.full = true;
        agents.say(1, EventName::SessionStart, &[id()]);
        agents.pass(1_000);
        assert!(log.one(ids::STORE_FAILS).contains("no space"));
        agents.tell(Event::ReloadFailed("a.toml:3: no".into()));
        agents.pass(2 * HOUR_MS);
        let lines = log.take("still: ");
        let of = |id: &str| lines.iter().filter(|line| line.contains(id)).count();
        assert_eq!((of(ids::STORE_FAILS), of(ids::CONFIGURATION_BROKEN)), (2, 2), "{lines:#?}");
    });
}

#[test]
fn a_refused_event_names_its_sender_and_application() {
    let log = Log::default();
    log.of(|| {
        let mut agents = Agents::new(settings(1));
        agents.say(1, EventName::SessionStart, &[id()]);
        agents.say(1, EventName::AdStart, &[]);
        let line = log.one("refused");
        for part in ["WARN", "event=AdStart", "sender=:1.1 ", "app=tv.app ", "unsaid=0"] {
            assert!(line.contains(part), "{part}: {line}");
        }
        for _ in 0..5 {
            agents.say(2, EventName::Play, &[]);
        }
        // Another kind.
        assert!(log.one("refused").contains("sender=:1.2 refusal=NoSession"));
        agents.pass(60_000);
        agents.say(2, EventName::Play, &[]);
        assert!(log.one("refused").contains("unsaid=4"));
    });
}

/// The rejected list as the store has it.
fn rejected(agents: &Agents) -> Vec<Json> {
    let stored = agents.driver.disk.store.raw().filter(|(key, _)| key.first() == Some(&b'Q'));
    let json = |bytes: &[u8]| {
        let from = bytes.iter().position(|byte| *byte == b'{').expect("JSON");
        serde_json::from_slice(&bytes[from..]).expect("JSON")
    };
    stored.map(|(_, value)| json(value)).collect()
}

#[test]
fn what_a_refused_start_has_cost_is_said_at_its_end() {
    let log = Log::default();
    log.of(|| {
        let mut agents = Agents::new(settings(1));
        agents.give(Input::Metered(false));
        agents.say(1, EventName::SessionStart, &[id()]);
        agents.say(1, EventName::Play, &[]);
        while answer(&mut agents, 400) == 0 {
            agents.pass(1_000);
        }
        let refused = log.one("refused a hit for good");
        assert!(refused.contains(ids::HITS_REFUSED) && refused.contains("lost=2"), "{refused}");
        agents.pass(60_000);
        agents.say(1, EventName::End, &[]);
        agents.pass(10_000);
        let dropped = agents.agent().status().counters.dropped;
        assert!(dropped >= 9, "start, play, the pings of a minute, the end: {dropped}");
        let over = log.one("all its hits are lost");
        assert!(over.contains(ids::HITS_REFUSED), "{over}");
        assert!(over.contains(&format!("lost={dropped}")), "{over}");
        let list = rejected(&agents);
        assert_eq!(list.len(), 1);
        assert_eq!(list[0]["lost"], dropped - 1, "besides the start itself");
        agents.give(Input::List { call: CallId(1), listing: Listing::Rejected });
        let Some(Ok(Reply::Json(shown))) = agents.replies.pop() else { panic!("no list") };
        let shown: Json = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(shown[0]["lost"], dropped - 1, "{shown}");
        // A session that is accepted says nothing of the kind.
        agents.say(1, EventName::SessionStart, &[id()]);
        agents.say(1, EventName::End, &[]);
        agents.deliver();
        assert_eq!(log.take("are lost"), [""; 0]);
    });
}
