//! The daemon without a configuration that can be used: it has its name, answers everybody, and waits
//! for a good one (behaviour.md 3). No store is open, and there is no engine.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::bus_link::BusLink;
use super::control::{Control, Missed, bus_gone};
use super::event_loop::longest_sleep;
use super::reload::{self, Loaded};
use super::{AppError, Arguments};
use crate::engine::unconfigured::Unconfigured;
use crate::port::Message;
use crate::system::clock;
use crate::system::notify::Notify;

/// Messages that are answered before timers get a turn.
const MESSAGES_A_TURN: usize = 64;

/// The end of the wait.
pub enum End {
    /// A reload has found a good configuration. The service manager waits for `READY=1`.
    Configured(Box<Loaded>),
    Stop,
}

/// Waits for a good configuration after `error`.
///
/// Errors: the bus is gone, or the name is not to be had.
pub async fn wait(
    error: &AppError,
    arguments: &Arguments,
    (link, messages): (&mut BusLink, &mut mpsc::Receiver<Message>),
    notify: &Notify,
    (control, controls): (mpsc::Sender<Control>, &mut mpsc::Receiver<Control>),
) -> Result<End, AppError> {
    let clock_trusted = clock::trusted(clock::now());
    let state = Unconfigured::new(error.mistakes(), clock_trusted, clock::now().boot);
    let mut missed = Missed::default();
    tokio::select! {
        opened = link.open(state.snapshot(), control) => opened?,
        () = missed.until_stop(controls) => return Ok(End::Stop),
    }
    notify.ready(&state.status_line(clock::now()));
    crate::system::memory::let_go_of_program_pages();
    Waiting { state, arguments, link, messages, notify }.run(controls, missed).await
}

struct Waiting<'a> {
    state: Unconfigured,
    arguments: &'a Arguments,
    link: &'a mut BusLink,
    messages: &'a mut mpsc::Receiver<Message>,
    notify: &'a Notify,
}

impl Waiting<'_> {
    async fn run(
        mut self,
        controls: &mut mpsc::Receiver<Control>,
        missed: Missed,
    ) -> Result<End, AppError> {
        if missed.bus_gone {
            return bus_gone();
        }
        if missed.reload
            && let Some(loaded) = self.reload()
        {
            return Ok(End::Configured(loaded));
        }
        let mut wake = self.wake_at();
        loop {
            tokio::select! {
                biased;
                Some(control) = controls.recv() => match control {
                    Control::BusGone => return bus_gone(),
                    Control::Stop => {
                        self.leave().await;
                        return Ok(End::Stop);
                    }
                    Control::Reload => if let Some(loaded) = self.reload() {
                        return Ok(End::Configured(loaded));
                    },
                },
                Some(message) = self.messages.recv() => self.take(message),
                () = sleep_until(wake) => {}
            }
            if Instant::now() >= wake {
                self.state.tick(clock::now().boot);
                self.notify.watchdog(clock::now().boot);
                wake = self.wake_at();
            }
        }
    }

    /// Half of the watchdog's period at most, as in the event loop.
    fn wake_at(&self) -> Instant {
        let until = self.state.deadline() - clock::now().boot;
        let until = Duration::from_millis(until.0.max(0).unsigned_abs() + 1);
        Instant::now() + until.min(longest_sleep())
    }

    fn take(&mut self, first: Message) {
        let dropped = self.state.dropped();
        self.answer(first);
        for _ in 1..MESSAGES_A_TURN {
            let Ok(message) = self.messages.try_recv() else { break };
            self.answer(message);
        }
        if self.state.dropped() != dropped {
            self.link.publish(self.state.snapshot());
        }
    }

    fn answer(&mut self, message: Message) {
        let answer = self.state.take(&message.input, message.arrived);
        if let Some((_, caller)) = message.answer {
            // A caller that went away needs no answer.
            let _ = caller.send(answer);
        }
    }

    /// Reads the configuration anew. Gives a good one.
    fn reload(&mut self) -> Option<Box<Loaded>> {
        self.notify.reloading(clock::monotonic_us());
        match reload::read(self.arguments, None) {
            Ok(loaded) => {
                self.state.say_dropped();
                tracing::info!("there is a configuration that can be used now");
                Some(Box::new(loaded))
            }
            Err(error) => {
                self.state.broken(error.mistakes(), clock::now().boot);
                self.link.publish(self.state.snapshot());
                self.notify.ready(&self.state.status_line(clock::now()));
                None
            }
        }
    }

    /// Stops. Whoever has called by now is answered.
    async fn leave(&mut self) {
        self.notify.stopping();
        self.messages.close();
        while let Ok(message) = self.messages.try_recv() {
            self.answer(message);
        }
        self.state.say_dropped();
        self.link.send_last_replies().await;
        tracing::info!("stopped");
    }
}
