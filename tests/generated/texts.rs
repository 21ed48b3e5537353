//! What the three pages say besides the definitions of the command lines and of the settings. In
//! backticks stands what is typed, in `<` and `>` a placeholder. A blank line begins a paragraph.

use super::roff::Block::{self, Entry, Lines, Text};

type Sections = &'static [(&'static str, &'static [Block])];

pub const PLAYHEADD: &str = "the playback-session agent for set-top boxes";

pub const PLAYHEADD_FIRST: Sections = &[(
    "DESCRIPTION",
    &[Text(
        "`playheadd` keeps the playback sessions of a box. Players tell it over D-Bus what happens: by \
         method, by signal, or by MPRIS without a line of code. It stores every session, so that a \
         playback goes on after the player, the daemon or the box restarted. It reports to Adobe's Media \
         Collection API over HTTPS, in order and with the time at which things happened; what cannot be \
         sent waits in the store.\n\n\
         It stays in the foreground and writes its log to standard error, or as entries with fields where \
         that leads to the journal of systemd. The service `playheadd.service` runs it as the user \
         `playheadd`. A call to its bus name starts the service. One state directory belongs to one \
         daemon.\n\n\
         With a missing or broken configuration it takes its name on the bus, tracks nothing, and answers \
         every call but reads with `tv.playhead.Error.NotConfigured`. It begins to work with the first \
         reload of a configuration that is right.",
    )],
)];

/// More about a flag, below its help.
pub const PLAYHEADD_FLAGS: &[(&str, &str)] = &[
    (
        "config",
        "Without it the files are those of `playheadd.toml`(5). Settings of the environment lie on top in \
         any case.",
    ),
    (
        "check",
        "Each mistake is told with its file, line and key: one of syntax and at most 64 in all of a file, at \
         most 256 of all files, and how many more there are. Only the configuration is looked at: no bus, no \
         store and no network is needed.",
    ),
    (
        "reload",
        "It sends SIGHUP to the daemon of this process id, checks the configuration that this one was \
         started with, and exits as `--check` does. The variables and credentials that count are those with \
         which the daemon was started: what is wrong with them takes a restart. This is what `systemctl \
         reload playheadd` runs; it works without systemd too.",
    ),
    (
        "read-store",
        "The exit status is 0 when all was read, 3 when the database is broken, and 4 when it could not be \
         read.",
    ),
];

pub const PLAYHEADD_STATUSES: &[Block] = &[Text(
    "`--read-store` has statuses of its own, see above. The service is started again after any failure but \
     2, which a person has to correct.",
)];

pub const PLAYHEADD_REST: Sections = &[
    (
        "SIGNALS",
        &[
            Entry(
                "`SIGTERM`, `SIGINT`",
                "The daemon writes everything, tries for up to 2 s to deliver what waits, and exits. Sessions \
                 stay open in the store and go on after the next start. When the box is shutting down \
                 they end instead.",
            ),
            Entry(
                "`SIGHUP`",
                "The daemon reads its configuration anew. A broken one is told in the log and by `playheadctl \
                 status`, and the old one stays in force. Variables and credentials are those of the start. \
                 What only a restart can change (`[mpris]`, `[log]`, \
                 `store.path`, `store.max_bytes`, and limits of the bus) is named in the log.",
            ),
        ],
    ),
    (
        "D-BUS",
        &[
            Text(
                "The daemon owns the name `tv.playhead.Agent1` on the system bus, or on the one that `--bus` or \
                 `--bus-address` names.",
            ),
            Entry(
                "`/tv/playhead/Agent1`",
                "The agent: `tv.playhead.Agent1` (sessions are opened here; resume points, consent, how it is \
                 doing), `tv.playhead.Monitor1` (what happens, for people who look for a fault), and the \
                 `ObjectManager` of the sessions.",
            ),
            Entry(
                "`/tv/playhead/Agent1/session/`<N>",
                "A session, `tv.playhead.Session1`: only the connection that opened it may drive it.",
            ),
            Text(
                "It listens to signals of `tv.playhead.Player1` (players that hold no object), of \
                 `tv.playhead.Lifecycle1` (application managers) and, with `mpris.enabled`, of \
                 `org.mpris.MediaPlayer2.Player`. The interfaces with their keys and errors are described in \
                 the XML files below.\n\n\
                 The group `playhead` is for players and application managers, the group `playhead-admin` for \
                 those that ask the viewer for consent. Everybody may read how the agent is doing. The policy \
                 of the bus says this, and the daemon checks each caller itself.",
            ),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            Entry(
                "`PLAYHEADD_`<SECTION>`__`<KEY>",
                "A setting on top of all files, such as `PLAYHEADD_LOG__LEVEL=debug`: see `playheadd.toml`(5).",
            ),
            Entry(
                "`CREDENTIALS_DIRECTORY`",
                "The directory of systemd's credentials, to which the configuration may refer: see \
                 `playheadd.toml`(5).",
            ),
            Entry(
                "`DBUS_SYSTEM_BUS_ADDRESS`, `DBUS_SESSION_BUS_ADDRESS`",
                "Where the two buses are. Without the second the session bus is `$XDG_RUNTIME_DIR/bus`.",
            ),
            Entry("`XDG_RUNTIME_DIR`", "The directory in which the session bus is looked for."),
            Entry(
                "`RUNTIME_DIRECTORY`",
                "Where a copy of the store lies while the disk takes no writes. Without it a directory of the \
                 daemon's own below `/dev/shm` is made.",
            ),
            Entry(
                "`PLAYHEADD_BOOT_ID`",
                "The id of this boot, where the sandbox hides `/proc/sys/kernel/random/boot_id`.",
            ),
            Entry(
                "`NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`, `JOURNAL_STREAM`",
                "Set by systemd: readiness and state for the service manager, the watchdog, and whether \
                 standard error leads to the journal.",
            ),
            Entry("`TZ`", "The local time of `media.live_day = \"local\"`, as in `tzset`(3)."),
        ],
    ),
    (
        "FILES",
        &[
            Entry(
                "`/usr/lib/playheadd/playheadd.toml`, `/usr/lib/playheadd/conf.d/*.toml`",
                "The vendor's configuration.",
            ),
            Entry(
                "`/etc/playheadd/playheadd.toml`, `/etc/playheadd/conf.d/*.toml`",
                "The local configuration, which comes after the vendor's: see `playheadd.toml`(5).",
            ),
            Entry(
                "`/var/lib/playheadd/db`",
                "Open sessions, hits that wait and resume points. It may be deleted while the daemon is \
                 stopped: then nobody resumes, and what waited is lost.",
            ),
            Entry(
                "`/var/lib/playheadd/consent`",
                "What the viewer allows, and the id of the box. Without it, beside a database, nothing is sent \
                 until somebody says it again.",
            ),
            Entry(
                "`/var/lib/playheadd/db.broken-1`",
                "A database that could not be read and was set aside.",
            ),
            Entry("`/run/playheadd`", "The runtime directory of the service."),
            Entry(
                "`/usr/share/dbus-1/system.d/tv.playhead.Agent1.conf`",
                "The policy of the bus: who may own the name, call the agent and hear it.",
            ),
            Entry(
                "`/usr/share/dbus-1/system.d/tv.playhead.Players.conf`",
                "The policy of the bus for players that speak MPRIS on the system bus.",
            ),
            Entry(
                "`/usr/share/dbus-1/interfaces/tv.playhead.*.xml`",
                "The interfaces, for people and for code generators.",
            ),
        ],
    ),
    (
        "EXAMPLES",
        &[
            Text(
                "The configuration as the service finds it is checked, and taken over if it is right:",
            ),
            Lines("playheadd --check && systemctl reload playheadd"),
            Text(
                "A daemon for development, on the bus of the desktop session and with a state of its own:",
            ),
            Lines("playheadd --bus session --config playheadd.toml --state-dir \"$PWD/state\""),
        ],
    ),
    (
        "SEE ALSO",
        &[Text(
            "`playheadctl`(1), `playheadd.toml`(5), `dbus-daemon`(1), `systemctl`(1), `journalctl`(1)",
        )],
    ),
];

pub const PLAYHEADCTL: &str = "shows what playheadd does, and tries players and boxes out";

pub const PLAYHEADCTL_FIRST: Sections = &[(
    "DESCRIPTION",
    &[Text(
        "`playheadctl` asks the daemon `playheadd`(8) over D-Bus how it is doing, and tells it what an operator \
         wants. `simulate` needs no daemon: it runs the whole agent over a timeline, a file that says what \
         happened on a box, one JSON object a line. `record` writes such a file and `player` plays it to a \
         daemon.\n\n\
         A command prints text for people, with tables, and with `--json` JSON: one object or list, or one \
         object a line where it goes on and on (`monitor`, `player`, `collector`). Errors go to standard \
         error. Text of others is printed so that it cannot do anything to a terminal. There is colour only \
         on a terminal.",
    )],
)];

pub const PLAYHEADCTL_OPTIONS: &str =
    "The options of the bus may stand before or behind the command.";

pub const PLAYHEADCTL_STATUSES: &[Block] = &[];

pub const PLAYHEADCTL_REST: Sections = &[
    (
        "ENVIRONMENT",
        &[
            Entry("`NO_COLOR`", "If it is set and not empty, there is no colour."),
            Entry(
                "`DBUS_SYSTEM_BUS_ADDRESS`, `DBUS_SESSION_BUS_ADDRESS`",
                "Where the two buses are. Without the second the session bus is `$XDG_RUNTIME_DIR/bus`.",
            ),
            Entry("`XDG_RUNTIME_DIR`", "The directory in which the session bus is looked for."),
        ],
    ),
    (
        "EXAMPLES",
        &[
            Text("Does it work, and if not, what is to be done?"),
            Lines("playheadctl status\nplayheadctl doctor"),
            Text("A script acts on the state of delivery:"),
            Lines("playheadctl status --json | jq -r .DeliveryState"),
            Text("The viewer has agreed:"),
            Lines("playheadctl consent in"),
            Text("Is the configuration of an image right, and where does each value come from?"),
            Lines(
                "playheadctl config --check --root /srv/image\nplayheadctl config --origin --root /srv/image",
            ),
            Text("What would a box report of half a minute of a film?"),
            Lines(
                r#"playheadctl simulate - <<'END'
{"at":0,"event":"SessionStart","playhead":0,"info":{"id":"ep-1","length":600}}
{"at":0,"event":"Play","playhead":0}
{"at":30,"event":"End","playhead":30}
END"#,
            ),
            Text("What a player does on a box is recorded, and looked at later:"),
            Lines("playheadctl record box.jsonl\nplayheadctl simulate box.jsonl"),
        ],
    ),
    ("SEE ALSO", &[Text("`playheadd`(8), `playheadd.toml`(5), `busctl`(1), `dbus-monitor`(1)")]),
];

pub const SETTINGS: &str = "the configuration of playheadd";

pub const SETTINGS_FIRST: Sections = &[
    (
        "SYNOPSIS",
        &[
            Text("`/usr/lib/playheadd/playheadd.toml`"),
            Text("`/etc/playheadd/playheadd.toml`"),
            Text("`/usr/lib/playheadd/conf.d/*.toml`"),
            Text("`/etc/playheadd/conf.d/*.toml`"),
            Text("`PLAYHEADD_`<SECTION>`__`<KEY>`=`<VALUE>"),
        ],
    ),
    (
        "DESCRIPTION",
        &[
            Text(
                "The configuration of `playheadd`(8) is TOML. It comes in layers, in the order of the synopsis: \
                 the file of the vendor, that of the box, then the files of both `conf.d` in the order of their \
                 names, then variables of the environment. What comes later wins, key by key. None of the files \
                 has to be there.\n\n\
                 A file in `/etc/playheadd/conf.d` takes the place of the vendor's of the same name. An empty \
                 one, or a link to `/dev/null`, switches the vendor's off. `--config` <FILE> takes the place of \
                 all files.\n\n\
                 The value of a variable is read as TOML, or as a text where it is no TOML: \
                 `PLAYHEADD_HEARTBEAT__MAIN_SECONDS=5` sets `heartbeat.main_seconds`. The service gets variables \
                 by `Environment=` in a drop-in, and keeps them until it is restarted.\n\n\
                 An unknown key, a value of another type and one that cannot work are mistakes. They are \
                 told at once, each with its file, line and key: one of syntax and at most 64 in all of a \
                 file, at most 256 of all files, and how many more there are. `playheadd --check` looks for them, and \
                 `playheadctl config --origin` shows what holds and where it comes from. `systemctl reload \
                 playheadd` takes a changed configuration over; of a broken one nothing is taken.",
            ),
            Text("The least that the daemon needs:"),
        ],
    ),
];

pub const SETTINGS_KEYS: &str = "Times are in seconds and may have a fraction, sizes are in bytes.";

pub const SETTINGS_REST: Sections = &[
    (
        "SECRETS",
        &[
            Text(
                "Private keys are files that the configuration names, and never values in it. The password of a proxy \
                 is a value, in `collector.proxy`: it belongs into a file of its own, such as \
                 `/etc/playheadd/conf.d/50-proxy.toml`, of the owner root, the group `playheadd` and the mode 0640. They should be \
                 readable by the user `playheadd` alone (mode 0600). Where systemd is 247 or newer they can be \
                 credentials of the service, from files that only root may read:",
            ),
            Lines("[Service]\nLoadCredential=client.key:/etc/playheadd/secrets/client.key"),
            Text(
                "The keys whose names end in `_file` may then begin with the directory of the credentials. No \
                 other key knows variables.",
            ),
            Lines("[collector]\nclient_key_file = \"${CREDENTIALS_DIRECTORY}/client.key\""),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            Entry("`PLAYHEADD_`<SECTION>`__`<KEY>", "A setting on top of all files, see above."),
            Entry("`CREDENTIALS_DIRECTORY`", "Where credentials lie. The service manager sets it."),
        ],
    ),
    (
        "FILES",
        &[Text(
            "See the synopsis. Each is a regular file of at most 256 KiB that the user `playheadd` can read. A \
             name in `conf.d` ends in `.toml` and does not begin with a dot; more than 128 of them are a \
             mistake.",
        )],
    ),
    (
        "EXAMPLES",
        &[
            Text(
                "A vendor sets where all its boxes report to in `/usr/lib/playheadd/playheadd.toml`. One of them \
                 is to report more often, through a proxy, by `/etc/playheadd/conf.d/50-lab.toml`:",
            ),
            Lines(
                "[collector]\nproxy = \"http://proxy.lab.example:3128\"\n\n[heartbeat]\nmain_seconds = 5",
            ),
            Text("Players that speak MPRIS on the system bus are tracked, but for a browser:"),
            Lines(
                "[mpris]\nenabled = true\nbus = \"system\"\ndeny = [\"playerctld\", \"chromium*\"]",
            ),
        ],
    ),
    ("SEE ALSO", &[Text("`playheadd`(8), `playheadctl`(1), `systemd.exec`(5)")]),
];
