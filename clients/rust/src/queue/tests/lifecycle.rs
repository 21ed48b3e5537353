//! What an application manager says, among what sessions say.

use super::*;

impl Rig {
    fn lifecycle(&mut self, state: &'static str) {
        self.queue.lifecycle(self.now, "app", state);
    }
}

#[test]
fn it_waits_for_what_was_said_before_and_what_was_said_after_waits_for_it() {
    let mut rig = Rig::new();
    let film = rig.open_as("film", "main");
    let news = rig.open_as("news", "small");
    rig.lifecycle("background");
    rig.play(film, 0.0);
    rig.lifecycle("foreground");
    rig.play(news, 0.0);
    assert_eq!(rig.queue.pending(), 6);
    assert_eq!(rig.call(), ["Open film 0", "Open news 0"]);
    rig.opened(1);
    assert_eq!(rig.call(), [""; 0]);
    rig.opened(2);
    assert_eq!(rig.call(), ["app background"]);
    assert_eq!(rig.call(), [""; 0]);
    rig.done();
    assert_eq!(rig.call(), ["1 Play 0"]);
    rig.done();
    assert_eq!(rig.call(), ["app foreground"]);
    rig.done();
    assert_eq!(rig.call(), ["2 Play 0"]);
    rig.done();
    assert_eq!(rig.queue.pending(), 0);
    assert_eq!(rig.queue.deadline(rig.now), None, "nothing to wake up for");
    assert_eq!(rig.notices(), [""; 0]);
}

#[test]
fn it_needs_no_session() {
    let mut rig = Rig::new();
    rig.lifecycle("stopped");
    assert_eq!(rig.call(), ["app stopped"]);
    rig.queue.close(rig.now, SECOND);
    assert!(!rig.queue.is_over(rig.now), "the answer is waited for");
    rig.done();
    assert!(rig.queue.is_over(rig.now));
    rig.lifecycle("foreground");
    assert_eq!(rig.notices(), ["- NotifyLifecycle NoSession"]);
}

#[test]
fn an_agent_that_is_away_hears_it_later() {
    let mut rig = Rig::new();
    let film = rig.playing("film", 1);
    rig.lifecycle("background");
    rig.pause(film, 1.0);
    assert_eq!(rig.call(), ["app background"]);
    rig.fails("ServiceUnknown", "nobody has the name");
    assert_eq!(rig.call(), [""; 0]);
    rig.queue.owner_changed(rig.now, true);
    assert_eq!(rig.call(), ["app background"]);
    // No answer, and then one that is late.
    assert_eq!(rig.pass_to_deadline(), 5 * SECOND);
    assert_eq!(rig.call(), [""; 0]);
    assert_eq!(rig.pass_to_deadline(), 5 * SECOND);
    assert_eq!(rig.call(), ["app background"]);
    rig.calls.remove(0);
    rig.done();
    assert_eq!(rig.call(), ["1 Pause 1"]);
    rig.done();
    // Without the bus, too.
    rig.lifecycle("foreground");
    assert_eq!(rig.call(), ["app foreground"]);
    rig.queue.disconnected("gone");
    assert_eq!(rig.call(), [""; 0]);
    rig.queue.connected();
    assert_eq!(rig.call(), ["app foreground"]);
    rig.calls.remove(0);
    rig.done();
    assert_eq!(rig.queue.pending(), 0);
    assert_eq!(rig.notices(), [""; 0]);
}

#[test]
fn what_the_agent_refuses() {
    let mut rig = Rig::new();
    rig.lifecycle("background");
    assert_eq!(rig.call(), ["app background"]);
    rig.fails("NotConfigured", "no configuration");
    assert_eq!(rig.call(), [""; 0]);
    assert_eq!(rig.pass_to_deadline(), SECOND);
    assert_eq!(rig.call(), ["app background"]);
    rig.fails("AccessDenied", "no right");
    assert_eq!(rig.call(), [""; 0]);
    assert_eq!(rig.queue.pending(), 0);
    assert_eq!(rig.notices(), ["- NotifyLifecycle AccessDenied"]);
}

#[test]
fn it_has_bounds() {
    let mut rig = Rig::without_bus();
    for _ in 0..33 {
        rig.lifecycle("background");
    }
    assert_eq!(rig.queue.pending(), 32);
    assert_eq!(rig.notices(), ["- NotifyLifecycle Dropped"]);
    rig.pass(61 * SECOND);
    assert_eq!(rig.queue.pending(), 0);
    assert_eq!(rig.notices().len(), 32);
}
