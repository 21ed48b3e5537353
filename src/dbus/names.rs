//! Every name on the bus that the agent speaks or listens to.

/// The name that players and tools look for.
pub const BUS_NAME: &str = "tv.playhead.Agent1";
pub const AGENT_PATH: &str = "/tv/playhead/Agent1";
pub const AGENT_INTERFACE: &str = "tv.playhead.Agent1";
pub const MONITOR_INTERFACE: &str = "tv.playhead.Monitor1";
/// The interface of a session object. Its methods are the names of events.
pub const SESSION_INTERFACE: &str = "tv.playhead.Session1";

/// The methods of `tv.playhead.Agent1`.
pub(super) const AGENT_METHODS: &[&str] = &[
    "OpenSession",
    "GetResumePoint",
    "SetResumePoint",
    "ForgetResumePoint",
    "NotifyLifecycle",
    "Flush",
    "SetConsent",
];

/// The signals of players and of application managers.
pub(super) const PLAYER: &str = "tv.playhead.Player1";
pub(super) const LIFECYCLE: &str = "tv.playhead.Lifecycle1";

/// The bus itself.
pub(super) const BUS: &str = "org.freedesktop.DBus";
/// The service manager. Where it runs, it knows the service of a process.
pub(super) const SYSTEMD: &str = "org.freedesktop.systemd1";
