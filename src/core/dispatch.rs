//! Hands each input to the part of the agent that handles it.

use super::Agent;
use super::input::{CallId, Input, Lifecycle, Target};
use super::rejected::Rejected;
use super::time::Now;
use super::tracker::info::Value;
use super::turn::Reply;

impl Agent {
    pub(super) fn take(
        &mut self,
        input: Input,
        now: Now,
    ) -> Option<(CallId, Result<Reply, Rejected>)> {
        let answer = |call: Option<CallId>, result| Some((call?, result));
        self.end_waits(&input, now);
        match input {
            Input::Open { call, player, source, uid, app, playhead, info } => {
                let who = match (call, info.get("app")) {
                    (Some(_), _) => None,
                    (None, Some(Value::Text(app))) => Some((player.sender.clone(), app.clone())),
                    (None, _) => Some((player.sender.clone(), app.clone())),
                };
                let result = self.open(player, (source, uid), app, playhead, &info, now);
                self.count_rejection("SessionStart", who, &result, now);
                answer(call, result)
            }
            Input::Begin { player, uid, app, info, playhead, until } => {
                let who = (player.sender.clone(), app.clone());
                let result = self.begin(player, uid, app, &info, (playhead, until), now);
                self.count_rejection("SessionStart", Some(who), &result, now);
                None
            }
            Input::Known { player, length, start, place, over } => {
                self.known(&player, (length, start), place, over, now);
                None
            }
            Input::Event { call, target, name, playhead, info } => {
                let result = self.mpris_event(&target, name, playhead, &info, now);
                let who = (call.is_none() && result.is_err()).then(|| self.sender_of(&target));
                self.count_rejection(name.name(), who, &result, now);
                answer(call, result)
            }
            // Their adapter knows the senders and has said it.
            Input::Unreadable { why, .. } => {
                self.rejected_events += 1;
                self.refused = Some(why);
                None
            }
            Input::Flooded { events } => {
                self.rejected_events += events;
                None
            }
            Input::PlayerGone { sender } => {
                self.player_gone(&sender, now);
                None
            }
            Input::InstanceGone { player } => {
                self.instance_gone(&player, now);
                None
            }
            Input::Lifecycle { call, app, state } => {
                self.lifecycle(&app, state, now);
                if state == Lifecycle::Foreground {
                    self.read_again(Some(&app), now);
                }
                answer(call, Ok(Reply::Done))
            }
            Input::GetResumePoint { call, app, media_id } => {
                let point = self.resume_point(&app, &media_id, now);
                Some((call, Ok(Reply::ResumePoint(point))))
            }
            Input::SetResumePoint { call, app, media_id, point } => {
                Some((call, self.set_resume_point(&app, &media_id, &point, now).map(Reply::Kept)))
            }
            Input::ForgetResumePoint { call, app, media_id } => {
                self.resume.forget(&app, &media_id, &mut self.changes);
                Some((call, Ok(Reply::Done)))
            }
            Input::List { call, listing } => Some((call, Ok(self.listing(listing, now)))),
            Input::Watched(watched) => {
                self.delivery.watched = watched;
                None
            }
            Input::Flush { call } => {
                self.delivery.flush(now.boot);
                answer(call, Ok(Reply::Pending(self.delivery.queued())))
            }
            Input::SetConsent { call, consent } => {
                self.set_consent(consent, now);
                answer(call, Ok(Reply::Done))
            }
            Input::Answer { request, outcome } => {
                let (delivery, mut ctx) = self.delivery_context();
                delivery.answer(request, &outcome, now, &mut ctx);
                if self.meta.next_rejected != self.written_rejected {
                    self.written_rejected = self.meta.next_rejected;
                    self.write_meta();
                }
                self.changes.write_within(now.boot, self.settings.flush_interval);
                None
            }
            Input::Written { batch } => {
                self.delivery.written(batch);
                None
            }
            Input::Read { id, read } => {
                let (delivery, mut ctx) = self.delivery_context();
                delivery.read(id, read, now, &mut ctx);
                self.changes.write_within(now.boot, self.settings.flush_interval);
                None
            }
            Input::ConsentRead(record) => {
                self.consent_read(record, now);
                None
            }
            Input::Joined { stored } => {
                self.join(*stored, now);
                None
            }
            Input::Network { online } => {
                self.delivery.network(online, now, &self.settings);
                self.reconnect = true;
                None
            }
            Input::Metered(metered) => {
                self.delivery.metered(metered);
                None
            }
            Input::Clock { trusted } => {
                self.clock(trusted, now);
                None
            }
            Input::Sleep => {
                self.sleep(now);
                self.delivery.close(now.boot);
                None
            }
            // What the sleep means was handled before its timers (`Agent::handle`).
            Input::Wake | Input::Slept { .. } => {
                self.wake(now);
                self.read_again(None, now);
                self.reconnect = true;
                None
            }
            Input::Reload { settings } => {
                let tracked = !self.opted_out();
                self.settings = *settings;
                self.apply_settings();
                let (delivery, mut ctx) = self.delivery_context();
                delivery.set_collectors(&mut ctx);
                if tracked && self.opted_out() {
                    // Nobody has said so: a later `consent.initial` may count again.
                    self.opt_out(now);
                }
                None
            }
            Input::Recovered { present } => {
                self.recovered(&present, now);
                None
            }
            Input::Tick | Input::Probe { .. } | Input::TurnedAway { .. } => None,
            Input::Stop => {
                self.stop();
                self.delivery.close(now.boot);
                None
            }
            Input::ShutDown => {
                self.shut_down(now);
                self.delivery.close(now.boot);
                None
            }
        }
    }

    /// Who sent an event, and the application of its session.
    fn sender_of(&self, target: &Target) -> (String, String) {
        let session = match target {
            Target::Session { number, .. } => Some(number),
            Target::Player(player) => self.players.get(player),
        };
        let session = session.and_then(|number| self.sessions.get(number));
        (target.sender().to_owned(), session.map(|session| session.app.clone()).unwrap_or_default())
    }

    /// Counts a refusal. `who`: the sender and its application, for what has no reply that could
    /// carry the reason. Of calls the adapter says it.
    fn count_rejection(
        &mut self,
        event: &str,
        who: Option<(String, String)>,
        result: &Result<Reply, Rejected>,
        now: Now,
    ) {
        if let Err(rejected) = result {
            self.rejected_events += 1;
            if let Some((sender, app)) = who {
                self.refused = Some(rejected.why.clone());
                self.warnings.refused.say(event, &sender, &app, rejected, now.boot);
            }
        }
    }
}
