//! What the configuration says of consent counts until somebody has spoken, and never after
//! (docs/behaviour.md 2.10).

mod driven;

use driven::{Agents, media, of_type, player, settings};
use playheadd::core::input::Input;
use playheadd::core::record::ConsentRecord;
use playheadd::core::settings::{Consent, Settings};
use playheadd::core::tracker::event::EventName;

const INITIALS: [Consent; 3] = [Consent::In, Consent::Out, Consent::Unknown];

fn initial(consent: Consent) -> Settings {
    Settings { initial_consent: consent, ..settings(1) }
}

/// An agent with a film that plays, which nothing holds back but consent.
fn playing(consent: Consent) -> Agents {
    let mut agents = Agents::new(initial(consent));
    agents.give(Input::Metered(false));
    agents.say(1, EventName::SessionStart, &media("m", false));
    agents.say(1, EventName::Play, &[]);
    agents.pass(1_000);
    agents
}

fn says(agents: &mut Agents, consent: Consent) {
    agents.give(Input::SetConsent { call: None, consent });
}

/// The consent file.
fn file(agents: &Agents) -> ConsentRecord {
    agents.driver.disk.consent.clone().expect("a consent file")
}

/// What the store holds of viewers.
fn kept(agents: &Agents) -> usize {
    let stored = agents.driver.disk.store.load();
    stored.sessions.len() + stored.logs.len() + stored.points.len() + stored.media.len()
}

#[test]
fn what_was_said_outlives_every_reload() {
    for said in INITIALS {
        for (before, after) in INITIALS.iter().flat_map(|b| INITIALS.map(|a| (*b, a))) {
            let mut agents = playing(before);
            says(&mut agents, said);
            let (record, sessions) = (file(&agents), agents.agent().sessions().count());
            agents.reload(initial(after));
            agents.pass(1_000);
            assert_eq!(agents.agent().consent(), said, "{before:?} to {after:?}");
            assert_eq!(file(&agents), record, "{before:?} to {after:?}, said {said:?}");
            assert_eq!(agents.agent().sessions().count(), sessions);
            agents.start_with(initial(before), vec![player(1).sender]);
            assert_eq!(file(&agents), record, "{after:?} to {before:?} by a restart");
        }
    }
}

#[test]
fn before_anybody_has_spoken_a_reload_counts_at_once() {
    let mut agents = playing(Consent::Unknown);
    assert!(agents.sent.is_empty(), "kept, not sent");
    agents.reload(initial(Consent::In));
    agents.pass(1_000);
    let got = agents.deliver();
    assert_eq!(of_type(&got, "sessionStart"), 1, "what was kept is sent: {got:?}");
    agents.reload(initial(Consent::Unknown));
    agents.say(1, EventName::Pause, &[]);
    agents.pass(60_000);
    assert!(agents.sent.is_empty() && agents.agent().status().queued_hits > 0);
    assert_eq!(file(&agents).consent, None, "nobody has said anything");
}

#[test]
fn out_by_configuration_deletes_everything_and_is_nobodys_word() {
    for by_restart in [false, true] {
        let mut agents = playing(Consent::In);
        agents.deliver();
        let before = file(&agents);
        assert!(kept(&agents) > 0, "a session is stored");
        match by_restart {
            false => agents.reload(initial(Consent::Out)),
            true => agents.start_with(initial(Consent::Out), vec![player(1).sender]),
        }
        agents.sent.clear();
        agents.pass(10_000);
        let out = file(&agents);
        assert_eq!(out.consent, None, "nobody has said it");
        assert_eq!(out.generation, before.generation + 1);
        // Without a restart the same seed gives the same id again.
        assert!(!by_restart || out.installation != before.installation, "another id of the box");
        assert_eq!(agents.agent().settings().identity.installation, out.installation);
        assert_eq!((kept(&agents), agents.agent().sessions().count()), (0, 0));
        agents.say(1, EventName::SessionStart, &media("m", false));
        agents.pass(10_000);
        assert_eq!((kept(&agents), agents.sent.len()), (0, 0), "nothing is tracked");
        // The next start finds nothing to delete.
        agents.start_with(initial(Consent::Out), Vec::new());
        assert_eq!(file(&agents), out);
        // And `in` by configuration counts again.
        match by_restart {
            false => agents.reload(initial(Consent::In)),
            true => agents.start_with(initial(Consent::In), Vec::new()),
        }
        agents.give(Input::Metered(false));
        agents.say(2, EventName::SessionStart, &media("n", false));
        agents.say(2, EventName::Play, &[]);
        agents.pass(1_000);
        assert_eq!(of_type(&agents.deliver(), "sessionStart"), 1);
        assert_eq!(file(&agents), out);
    }
}

#[test]
fn a_consent_file_that_can_be_read_late_and_says_nothing_leaves_it_to_the_configuration() {
    let mut agents = playing(Consent::In);
    let generation = file(&agents).generation;
    agents.driver.kill();
    agents.driver.disk.fault.fails = true;
    agents.start_with(initial(Consent::Out), Vec::new());
    assert_eq!(agents.agent().consent(), Consent::Unknown, "nobody knows what was said");
    agents.driver.disk.fault.fails = false;
    agents.pass(60_000);
    assert_eq!(agents.agent().consent(), Consent::Out);
    let record = file(&agents);
    assert_eq!((record.consent, record.generation), (None, generation + 1));
    assert_eq!(kept(&agents), 0);
}
