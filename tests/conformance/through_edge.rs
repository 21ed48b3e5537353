//! A case through the Media Edge dialect: each request is held to the strict model and to the place that
//! the server named for its session, then read back in the words of the case.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use playheadd::core::dialect::{Dialects, media_edge};
use playheadd::core::settings::{CollectorSettings, EdgeSettings};
use playheadd::sim::backend::{Backend, Outcome, Plan, Rule};
use playheadd::sim::{CollectorModel, Collectors, Exchange, Options, simulate_with, timeline};
use serde_json::Value;

use crate::from_edge;
use crate::judge::{self, Repeats};

const DATASTREAM: &str = "11111111-2222-4333-8444-555555555555";

/// Runs a case and gives what is wrong, with each request that the model refused for what is in it.
pub fn run(case: &Value, repeats: Repeats) -> Vec<String> {
    let refused = Rc::new(RefCell::new(Vec::new()));
    let mut faults = judge::run_with(case, repeats, |lines, options| {
        let sent = simulated(lines, options, Rc::clone(&refused));
        sent.iter().flat_map(from_edge::exchanges).collect()
    });
    faults.extend(refused.take());
    faults
}

fn simulated(
    lines: &[timeline::Line],
    mut options: Options,
    refused: Rc<RefCell<Vec<String>>>,
) -> Vec<Exchange> {
    let edge = EdgeSettings { datastream_id: DATASTREAM.into(), ..EdgeSettings::default() };
    let only =
        CollectorSettings { kind: media_edge::KIND.into(), edge, ..CollectorSettings::default() };
    let model: Box<dyn CollectorModel> = Box::new(Held { refused, ..Held::default() });
    let models = BTreeMap::from([(only.name.clone(), model)]);
    options.config.settings.collectors = vec![only];
    simulate_with(lines, options, Collectors { dialects: Dialects::default(), models })
}

/// The model, which notes what it refuses.
#[derive(Default)]
struct Held {
    backend: Backend,
    /// Session ids with the place that the server named.
    places: HashMap<String, String>,
    refused: Rc<RefCell<Vec<String>>>,
}

impl CollectorModel for Held {
    fn set_rules(&mut self, rules: Vec<Rule>) {
        self.backend.set_rules(rules);
    }

    fn arrive(&mut self, path: &str, body: &Value, now_ms: i64) -> Plan {
        let answer = self.backend.judge(path, body, now_ms);
        let Outcome::Answer { status, body: said, .. } = &answer.plan.outcome else {
            return answer.plan;
        };
        // Sessions that are closed are a matter of the case.
        if let Some(why) = answer.refusal.filter(|_| *status != 404) {
            self.refused.borrow_mut().push(format!("{path}: {why}"));
        }
        if let Some((id, place)) = opened(said) {
            self.places.insert(id, place);
        }
        let id = body["events"][0]["xdm"]["mediaCollection"]["sessionID"].as_str();
        let place =
            id.and_then(|id| self.places.get(id)).map_or(String::new(), |p| format!("{p}/"));
        if !path.starts_with(&format!("/ee/{place}va/v1/")) {
            let why = format!("{path}: the session is kept at {place:?}");
            self.refused.borrow_mut().push(why);
        }
        answer.plan
    }

    fn session(&self, path: &str, body: &Value, sid: Option<&str>) -> Option<String> {
        self.backend.session(path, body, sid)
    }
}

/// The id and the place in the answer to a start.
fn opened(answer: &str) -> Option<(String, String)> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let handle = |kind: &str| {
        let handles = answer["handle"].as_array()?;
        handles.iter().find(|handle| handle["type"] == kind).map(|handle| &handle["payload"])
    };
    let id = handle("media-analytics:new-session")?[0]["sessionId"].as_str()?;
    let places = handle("locationHint:result")?.as_array()?;
    let edge = places.iter().find(|place| place["scope"] == "EdgeNetwork")?;
    Some((id.to_owned(), edge["hint"].as_str()?.to_owned()))
}
