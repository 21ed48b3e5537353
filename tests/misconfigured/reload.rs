//! A good reload starts the agent in the same process, with the same name.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use zbus::fdo::DBusProxy;
use zbus::names::BusName;
use zbus::{MessageStream, fdo};

use crate::common::{AGENT, PATIENCE, Player, World, film, nothing, refusal};
use crate::{NOT_CONFIGURED, configure, configured, mend, misconfigured, word};

async fn owner(player: &Player) -> String {
    let bus = DBusProxy::new(&player.connection).await.expect("the bus");
    let name: BusName<'_> = AGENT.try_into().expect("a name");
    bus.get_name_owner(name).await.expect("an owner").to_string()
}

#[tokio::test]
async fn the_same_process_and_name_go_on_and_a_session_is_reported() {
    let world = misconfigured(None).await;
    let player = world.player().await;
    let (pid, before) = (world.agent.pid(), owner(&player).await);
    let bus = DBusProxy::new(&player.connection).await.expect("the bus");
    let name = [(0, AGENT)];
    let mut owners =
        bus.receive_name_owner_changed_with_args(&name).await.expect("the bus's signals");
    // Another broken one changes the reason, and nothing else.
    configure(&world, Some("[heartbeat]\nmain = 1\n"));
    world.agent.hang_up();
    let patience = tokio::time::Instant::now() + PATIENCE;
    while !word(&player, "LastError").await.contains("`main`") {
        assert!(tokio::time::Instant::now() < patience, "{}", word(&player, "LastError").await);
    }
    assert_eq!(word(&player, "DeliveryState").await, "misconfigured");
    configured(&player, || mend(&world, "")).await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    world.wait("what was played", |hits| hits.len() >= 2);
    assert_eq!((world.agent.pid(), owner(&player).await), (pid, before));
    // The log is as detailed as the configuration says.
    assert!(world.agent.log().contains("DEBUG"), "{}", world.agent.log());
    // From now on a broken one leaves the old in force.
    configure(&world, None);
    world.agent.hang_up();
    while word(&player, "LastError").await.is_empty() {
        assert!(tokio::time::Instant::now() < patience, "{}", world.agent.log());
    }
    assert!(word(&player, "LastError").await.starts_with("the old configuration is in force"));
    player.call(&session, "Pause", 1.0, nothing()).await.expect("pause");
    // The name never changed hands.
    word(&player, "DeliveryState").await;
    let changed = futures_util::FutureExt::now_or_never(owners.next());
    assert!(changed.is_none(), "{changed:?}");
}

/// A broken configuration between two starts costs no session.
#[tokio::test]
async fn sessions_of_before_go_on_after_a_good_reload() {
    let mut world = World::start("").await;
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    world.wait("the start", |hits| hits.len() >= 2);
    assert!(world.agent.stop().success());
    configure(&world, Some("[collector\n"));
    world.agent.start_again().await;
    let (name, why) = refusal(player.call(&session, "Pause", 5.0, nothing()).await);
    assert_eq!(name, NOT_CONFIGURED, "{why}");
    let manager = fdo::ObjectManagerProxy::builder(&player.connection)
        .destination(AGENT)
        .path(crate::common::AGENT_PATH)
        .build()
        .await
        .expect("a proxy");
    let mut added = manager.receive_interfaces_added().await.expect("a stream");
    configured(&player, || mend(&world, "")).await;
    let appeared = tokio::time::timeout(PATIENCE, added.next()).await.expect("in time");
    let appeared = appeared.expect("a session that appears");
    assert_eq!(appeared.args().expect("arguments").object_path().as_str(), session.as_str());
    player.call(&session, "Pause", 6.0, nothing()).await.expect("pause");
    player.call(&session, "End", 6.0, nothing()).await.expect("end");
    let hits =
        world.wait("its end", |hits| hits.iter().any(|hit| hit.body["eventType"] == "sessionEnd"));
    let sids: std::collections::BTreeSet<_> = hits.iter().map(|hit| hit.sid.clone()).collect();
    assert_eq!(sids.len(), 1, "one session all along");
}

/// Calls that come around the reload: each has an answer, the old one or the new one.
#[tokio::test]
async fn no_call_is_lost_when_the_agent_starts() {
    let world = misconfigured(None).await;
    let player = world.player().await;
    let mut refused = 0;
    let mut calls = FuturesUnordered::new();
    for _ in 0..8 {
        calls.push(player.resumes());
    }
    mend(&world, "[limits]\nevents_per_second = 100000\nevent_burst = 100000\n");
    let patience = tokio::time::Instant::now() + PATIENCE;
    let mut accepted = 0;
    while accepted < 8 {
        match calls.next().await.expect("a call") {
            Ok(()) => accepted += 1,
            Err(error) => {
                let (name, why) = refusal(Err(error));
                let answers = [NOT_CONFIGURED, "tv.playhead.Error.LimitsExceeded"];
                assert!(answers.contains(&name.as_str()), "{name}: {why}");
                refused += 1;
                // Not to be over the limits all the time.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                calls.push(player.resumes());
            }
        }
        assert!(tokio::time::Instant::now() < patience, "{refused} refused");
    }
}

impl Player {
    /// A call that stores nothing and is no read.
    async fn resumes(&self) -> zbus::Result<()> {
        let (agent, path) = (Some(AGENT), crate::common::AGENT_PATH);
        let body = ("tv.example.tests", "ep-1");
        let call = self.connection.call_method(agent, path, agent, "ForgetResumePoint", &body);
        call.await.map(|_| ())
    }
}

#[tokio::test]
async fn players_of_mpris_are_left_alone_until_then() {
    let world = misconfigured(Some("[mpris]\nenabled = true\n[collector]\nurl = 1\n")).await;
    let vlc = world.bus.connect().await;
    let mut asked = MessageStream::from(&vlc);
    vlc.request_name("org.mpris.MediaPlayer2.vlc").await.expect("a name");
    let mut is_asked = async || {
        loop {
            let message = asked.next().await.expect("a message").expect("one that can be read");
            if message.message_type() == zbus::message::Type::MethodCall {
                return;
            }
        }
    };
    let player = world.player().await;
    // What the daemon asks because of the name comes before its answer to this.
    assert_eq!(word(&player, "DeliveryState").await, "misconfigured");
    let early = futures_util::FutureExt::now_or_never(is_asked());
    assert!(early.is_none(), "it asks players");
    configured(&player, || mend(&world, "[mpris]\nenabled = true\n")).await;
    tokio::time::timeout(PATIENCE, is_asked()).await.expect("asked in time");
}
