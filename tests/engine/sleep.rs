//! The box sleeps: for how long that is put off, what the clocks tell, and what announcements are
//! worth that come late or never (docs/behaviour.md 1.6).

use super::*;

impl Box_ {
    /// The box sleeps so long, and nothing of the agent runs.
    fn asleep(&mut self, ms: i64) {
        (self.now, self.slept) = (self.now + ms, self.slept + ms);
    }

    fn announced(&mut self, input: Input) {
        self.message(input, self.now);
        self.accept();
    }

    fn puts_off(&self) -> bool {
        self.driver.engine().expect("an engine").puts_off_sleep()
    }

    fn types(&self) -> Vec<String> {
        let kinds = self.hits().into_iter().map(|(kind, _)| kind);
        kinds.filter(|kind| kind != "ping").collect()
    }
}

/// A session that plays, with everything delivered, at 5 s.
fn playing() -> Box_ {
    let mut a_box = Box_::new();
    a_box.open(1);
    a_box.say(EventName::Play, 0);
    a_box.pass_to(5_000);
    assert_eq!(a_box.types(), ["sessionStart", "play"]);
    a_box
}

const PLAYED: [&str; 3] = ["sessionStart", "play", "pauseStart"];

#[test]
fn sleep_is_put_off_while_a_session_is_open_and_until_it_is_saved() {
    let mut a_box = Box_::new();
    assert!(!a_box.puts_off(), "nothing is to be saved");
    a_box.announced(Input::Sleep);
    assert!(!a_box.puts_off());
    a_box.announced(Input::Wake);
    let mut a_box = playing();
    assert!(a_box.puts_off());
    a_box.announced(Input::Sleep);
    a_box.pass_to(a_box.now);
    assert_eq!(a_box.types(), PLAYED, "it is delivered first");
    assert!(!a_box.puts_off());
    a_box.announced(Input::Wake);
    assert!(a_box.puts_off(), "taken anew");
    a_box.say(EventName::End, a_box.now);
    assert!(!a_box.puts_off());
}

#[test]
fn a_collector_that_does_not_answer_puts_it_off_for_two_seconds() {
    let mut a_box = playing();
    a_box.message(Input::Sleep, a_box.now);
    while a_box.driver.deadline().is_some_and(|due| due.0 <= a_box.now) {
        a_box.tell(Event::Tick);
    }
    assert!(a_box.puts_off(), "the pause is under way");
    a_box.now += 1_999;
    a_box.tell(Event::Tick);
    assert!(a_box.puts_off());
    assert_eq!(a_box.driver.deadline(), Some(BootInstant(a_box.now + 1)));
    a_box.now += 1;
    a_box.tell(Event::Tick);
    assert!(!a_box.puts_off());
}

#[test]
fn an_announced_sleep_whose_end_nobody_announces_is_over_ten_seconds_later() {
    let mut a_box = playing();
    a_box.announced(Input::Sleep);
    a_box.pass_to(a_box.now);
    a_box.asleep(3_600_000);
    a_box.tell(Event::Tick);
    assert!(!a_box.puts_off(), "it is still said to sleep");
    a_box.pass_to(a_box.now + 9_999);
    a_box.say(EventName::Playhead, a_box.now);
    a_box.pass_to(a_box.now + 1);
    a_box.say(EventName::Play, a_box.now);
    a_box.pass_to(a_box.now);
    assert!(a_box.puts_off(), "awake");
    // The grace ran out long ago, so this is another session, and the end of the first is too old.
    assert_eq!(a_box.types()[3..], ["sessionStart", "play"]);
}

#[test]
fn an_announcement_that_comes_late_is_of_the_sleep_that_the_clocks_told() {
    let mut a_box = playing();
    a_box.asleep(20_000);
    a_box.tell(Event::Tick);
    a_box.accept();
    a_box.pass_to(a_box.now);
    assert_eq!(a_box.types(), PLAYED);
    let pause = a_box.hits().into_iter().find(|(kind, _)| kind == "pauseStart").expect("a pause");
    assert!(pause.1 <= 5_000, "{pause:?}");
    a_box.announced(Input::Sleep);
    a_box.announced(Input::Wake);
    a_box.say(EventName::Playhead, a_box.now);
    a_box.say(EventName::SeekStart, a_box.now);
    a_box.pass_to(a_box.now);
    assert_eq!(a_box.types()[3..], ["play", "pauseStart"], "it had not noticed, and seeks");
}

#[test]
fn a_second_sleep_soon_after_the_first_is_a_sleep() {
    let mut a_box = playing();
    a_box.asleep(20_000);
    a_box.tell(Event::Tick);
    a_box.accept();
    a_box.say(EventName::Play, a_box.now);
    a_box.pass_to(a_box.now + 6_000);
    assert_eq!(a_box.types()[3..], ["play"]);
    a_box.announced(Input::Sleep);
    a_box.pass_to(a_box.now);
    assert_eq!(a_box.types()[4..], ["pauseStart"]);
    assert!(!a_box.puts_off(), "saved");
}
