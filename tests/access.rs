//! Who may do what (behaviour.md 1.3, 1.4): every member of the interfaces times five callers, on a
//! system bus with the shipped policy and on a bus without any.
//!
//! Needs root, to be somebody else. The users exist only in the mount namespace of what is started here.

#[path = "access/caller.rs"]
mod caller;
mod common;
#[path = "access/place.rs"]
mod place;
#[path = "access/scene.rs"]
mod scene;

use place::{ADMIN, CLOSED, OPEN, OTHER, PLAYER, SERVICE};
use scene::Scene;

/// What a caller may do: root, the service's user, a member of `playhead`, one of `playhead-admin`
/// alone, another uid.
type Row = (&'static str, [bool; 5]);

const EVERYBODY: [bool; 5] = [true; 5];
const PLAYERS_ONLY: [bool; 5] = [true, true, true, false, false];
const ADMINS_ONLY: [bool; 5] = [true, true, false, true, false];
const MANAGERS_ONLY: [bool; 5] = [true, true, false, false, false];
const NOBODY: [bool; 5] = [false; 5];

const TABLE: &[Row] = &[
    ("OpenSession", PLAYERS_ONLY),
    ("GetResumePoint", PLAYERS_ONLY),
    ("SetResumePoint", PLAYERS_ONLY),
    ("ForgetResumePoint", PLAYERS_ONLY),
    ("NotifyLifecycle", PLAYERS_ONLY),
    ("Flush", MANAGERS_ONLY),
    ("SetConsent", ADMINS_ONLY),
    ("Watch", MANAGERS_ONLY),
    ("List", MANAGERS_ONLY),
    ("Probe", MANAGERS_ONLY),
    ("properties of the agent", EVERYBODY),
    ("a property of the agent", EVERYBODY),
    ("hear the agent's properties", EVERYBODY),
    ("Introspect", PLAYERS_ONLY),
    ("Ping", EVERYBODY),
    ("GetManagedObjects", PLAYERS_ONLY),
    ("properties of a session", PLAYERS_ONLY),
    ("a property of a session", PLAYERS_ONLY),
    ("drive an own session", PLAYERS_ONLY),
    ("drive another's session", NOBODY),
    ("Player1", PLAYERS_ONLY),
    ("Lifecycle1", PLAYERS_ONLY),
    ("hear of a session", PLAYERS_ONLY),
];

/// Who is in the columns of the table.
const CALLERS: [(&str, u32); 5] = [
    ("root", 0),
    ("the service's user", SERVICE),
    ("a player", PLAYER),
    ("a settings screen", ADMIN),
    ("another", OTHER),
];

async fn check(policy: &str, table: &[Row]) {
    if !rustix::process::geteuid().is_root() {
        common::skip("access", "only root can be somebody else");
        return;
    }
    let scene = Scene::new(policy).await;
    let mut wrong = Vec::new();
    for (column, (who, uid)) in CALLERS.into_iter().enumerate() {
        let came = scene.try_as(uid).await;
        for (what, may) in table {
            let wanted = if may[column] { "allowed" } else { "denied" };
            let got: Vec<_> = came.iter().filter(|(w, _)| w == what).map(|(_, c)| c).collect();
            if got.is_empty() || got.iter().any(|came| *came != wanted) {
                wrong.push(format!("{who}: {what} should be {wanted}, came: {got:?}"));
            }
        }
        let known = |what: &str| table.iter().any(|(row, _)| *row == what);
        wrong.extend(came.iter().filter(|(what, _)| !known(what)).map(|c| format!("{c:?}?")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_policy_and_the_agent_let_in_who_belongs() {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/dbus/tv.playhead.Agent1.conf");
    check(&format!("{CLOSED}<include>{policy}</include>"), TABLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_without_a_policy_opens_no_door() {
    // What the agent says by signal is kept private by the policy alone.
    let table: Vec<Row> = TABLE
        .iter()
        .map(|(what, may)| (*what, if *what == "hear of a session" { EVERYBODY } else { *may }))
        .collect();
    check(OPEN, &table).await;
}
