//! Signals of players and application managers, and connections that leave. All come from one
//! message stream, so they keep the order of the wire (behaviour.md 1.5).

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use zbus::message::Type;
use zbus::{Connection, MatchRule, Message, MessageStream};

use super::args;
use super::identity;
use super::monitor::Watchers;
use super::names::{BUS, LIFECYCLE, PLAYER};
use super::senders::Senders;
use crate::core::input::{Input, Lifecycle, Target};
use crate::core::player::{EventSource, PlayerId};
use crate::core::time::BootInstant;
use crate::core::tracker::event::EventName;
use crate::port;
use crate::system::clock;

/// The signals that the bus has to route to us.
pub(super) fn match_rules() -> Vec<MatchRule<'static>> {
    let signal = || MatchRule::builder().msg_type(Type::Signal);
    [
        signal().interface(PLAYER).build(),
        signal().interface(LIFECYCLE).build(),
        signal().sender(BUS).interface(BUS).member("NameOwnerChanged").build(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Passes on the signals that concern us and drops every other message at once.
pub(super) async fn relay(mut stream: MessageStream, heard: mpsc::Sender<Message>) {
    while let Some(message) = stream.next().await {
        match message {
            Ok(message) if concerns_us(&message) => {
                if heard.send(message).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "a message could not be read"),
        }
    }
}

fn concerns_us(message: &Message) -> bool {
    let header = message.header();
    message.message_type() == Type::Signal
        && header.interface().is_some_and(|i| [PLAYER, LIFECYCLE, BUS].contains(&i.as_str()))
}

/// Handles the signals, in order, until the bus is gone.
pub(super) async fn listen(
    mut signals: mpsc::Receiver<Message>,
    senders: Senders,
    watchers: Watchers,
) {
    let mut leaving = FuturesUnordered::new();
    loop {
        tokio::select! {
            message = signals.recv() => match message {
                Some(message) => {
                    if let Some(gone) = hear(&message, &senders) {
                        let arrived = clock::now().boot;
                        leaving.push(flush_own_queue(senders.connection.clone(), gone, arrived));
                    }
                }
                None => break,
            },
            Some((gone, arrived)) = leaving.next() => {
                senders.forget(&gone);
                watchers.remove(&gone);
                senders.port.tell_when_room(Input::PlayerGone { sender: gone }, arrived).await;
            }
        }
    }
}

/// Handles one signal. Gives the connection that it reports as gone.
fn hear(message: &Message, senders: &Senders) -> Option<String> {
    let header = message.header();
    let sender = header.sender()?.as_str();
    match header.interface()?.as_str() {
        PLAYER => player(message, sender, senders),
        LIFECYCLE => lifecycle(message, senders),
        BUS if sender == BUS && header.member()?.as_str() == "NameOwnerChanged" => {
            let body = message.body();
            let (name, _old, new): (&str, &str, &str) = body.deserialize().ok()?;
            return senders.name_changed(name, new).then(|| name.to_owned());
        }
        _ => {}
    }
    None
}

/// Sends a D-Bus ping to ourselves. When it comes back, everything that the bus routed to us before
/// it was handed in, so what a player sent before it died counts (measured, behaviour.md 1.5).
async fn flush_own_queue(
    connection: Connection,
    gone: String,
    arrived: BootInstant,
) -> (String, BootInstant) {
    if let Some(own) = connection.unique_name() {
        let peer = Some("org.freedesktop.DBus.Peer");
        let answered = connection.call_method(Some(own), "/", peer, "Ping", &()).await;
        if let Err(error) = answered {
            tracing::debug!(%error, "the ping to ourselves failed");
        }
    }
    (gone, arrived)
}

fn player(message: &Message, sender: &str, senders: &Senders) {
    let arrived = clock::now().boot;
    let header = message.header();
    let (Some(member), Some(path)) = (header.member(), header.path()) else { return };
    let Some(name) = EventName::parse(member) else {
        tracing::debug!(signal = member.as_str(), "an unknown Player1 signal");
        return;
    };
    let (playhead, info) = match args::event(message, &senders.limits) {
        Ok(args) => args,
        Err(rejected) => {
            let input = Input::Unreadable {
                event: name.name(),
                sender: sender.to_owned(),
                why: rejected.why,
            };
            senders.hand_in(message, port::Message { input, arrived, answer: None });
            return;
        }
    };
    let player = PlayerId { sender: sender.to_owned(), instance: path.to_string() };
    let input = match name {
        EventName::SessionStart => Input::Open {
            call: None,
            player,
            source: EventSource::Signal,
            uid: None,
            app: String::new(),
            playhead,
            info,
        },
        name => Input::Event { call: None, target: Target::Player(player), name, playhead, info },
    };
    senders.hand_in(message, port::Message { input, arrived, answer: None });
}

/// `Foreground(s app)`, `Background(s app)`, `Stopped(s app)`.
fn lifecycle(message: &Message, senders: &Senders) {
    let arrived = clock::now().boot;
    let header = message.header();
    let word = header.member().map(|m| m.as_str().to_ascii_lowercase()).unwrap_or_default();
    let Some(state) = Lifecycle::parse(&word) else {
        tracing::debug!(signal = word, "an unknown Lifecycle1 signal");
        return;
    };
    let input = match args::strings(message, &senders.limits) {
        Ok([app]) => Input::Lifecycle { call: None, app, state },
        Err(rejected) => Input::Unreadable {
            event: state.name(),
            sender: identity::sender(&header).to_owned(),
            why: rejected.why,
        },
    };
    senders.hand_in(message, port::Message { input, arrived, answer: None });
}
