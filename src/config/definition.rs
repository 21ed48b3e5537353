//! The one definition of the configuration: every section and key of behaviour.md 3, with what it
//! takes, its default and its meaning. The reader (`schema`), the pages, the example file and the
//! manual (`keys`) are made of it.

/// Calls a macro with the whole definition. Of each key it has the kind (`kind::Kind`), the default
/// (`keys::Default`) and one sentence of meaning.
macro_rules! definition {
    ($then:ident) => {
        $then! {
            /// Where reports go, and how the box gets there.
            Collector as collector {
                /// Protocol of the collector: Adobe's Media Collection API, its successor Media Edge, or
                /// OpenTelemetry logs for a pipeline of your own.
                kind: Word(&["media-collection", "media-edge", "otlp"]) => Toml("\"media-collection\""),
                /// URL to which reports go; a path in it is kept, and a slash at its end is not needed;
                /// for `media-edge` it is `https://edge.adobedc.net` where it is not set.
                url: Url => Required("https://<your namespace>.hb-api.omtrdc.net"),
                /// URL of the proxy for all requests; none is taken from the environment.
                proxy: Proxy => Unset,
                /// PEM file with the authorities that may sign the collector's certificate, in place of
                /// those that are built in.
                ca_file: File => Unset,
                /// PEM file with the certificate that the box shows to the collector, and the
                /// certificates between it and its authority; `client_key_file` belongs to it.
                client_cert_file: File => Unset,
                /// PEM file with the private key of `client_cert_file`.
                client_key_file: File => Unset,
                /// How long a connection may take, with the handshakes of the proxy and of TLS; less
                /// than `timeout_seconds`, and at most half of it where only that is set.
                connect_timeout_seconds: Seconds(0.1) => Toml("5"),
                /// How long a whole request may take; a slow answer is not a lost one.
                timeout_seconds: Seconds(0.1) => Toml("30"),
                /// Allows an http:// URL of a collector on this machine.
                allow_plain_http: Flag => Toml("false"),
                /// Types of the events that it gets, such as `["sessionStart", "play", "sessionEnd"]`;
                /// all where it is empty.
                events: Events => Toml("[]"),
                /// Share of the sessions that it gets.
                sample: Share => Toml("1"),
                /// How long reports are gathered before they are sent.
                interval_seconds: Seconds(0.0) => Toml("0"),
            }
            /// Who reports to whom.
            Analytics as analytics {
                /// Host of the Adobe Analytics tracking server.
                tracking_server: Host => RequiredFor("media-collection", "<your host>.sc.omtrdc.net"),
                /// Report suite that the hits belong to; it has to be "timestamps optional".
                report_suite: Text => RequiredFor("media-collection", "<your report suite>"),
                /// Id of the Experience Cloud organisation.
                org_id: Text => RequiredFor("media-collection", "<your organisation>@AdobeOrg"),
                /// Analytics visitor id, where players give none.
                visitor_id: Text => Unset,
                /// Experience Cloud id of the viewer, where players give none.
                marketing_cloud_user_id: Text => Unset,
                /// Identity of the box.
                app_installation_id: Text => Random,
            }
            /// What a collector of the kind `media-edge` needs beside its URL.
            Edge as edge {
                /// Id of the datastream.
                datastream_id: Uuid => RequiredFor("media-edge", "<id of your datastream>"),
                /// Path in your own schema under which custom metadata goes, such as `_tenant.media`; without it
                /// Adobe loses what has no such path as its name.
                metadata_prefix: SchemaPath => Unset,
            }
            /// What a collector of the kind `otlp` may need beside its URL.
            Otlp as otlp {
                /// File with a line `Name: value` for each further header of a request, such as one with
                /// a key of access.
                headers_file: File => Unset,
                /// Attributes of the box, such as `"deployment.environment.name" = "production"`, in the
                /// section `[otlp.resource]`.
                resource: Texts => Toml("{}"),
            }
            /// What a session says of itself where its player says nothing.
            Media as media {
                /// Name of the player.
                player_name: Text => Toml("\"playheadd\""),
                /// Channel in which the content is played.
                channel: Text => Toml("\"set-top-box\""),
                /// Type of the content: `vod`, `live`, `linear` or a word of your own.
                content_type: Text => Toml("\"vod\""),
                /// Whether the content is video or audio.
                stream_type: Word(&["video", "audio"]) => Toml("\"video\""),
                /// The midnight from which positions in live content are counted.
                live_day: Word(&["utc", "local"]) => Toml("\"utc\""),
            }
            /// How often a playback reports its position.
            Heartbeat as heartbeat {
                /// Time between two pings of the main content.
                main_seconds: Seconds(0.1) => Toml("10"),
                /// Time between two pings during an ad.
                ad_seconds: Seconds(0.1) => Toml("1"),
                /// Time between two pings of downloaded content.
                downloaded_seconds: Seconds(0.1) => Toml("10"),
            }
            /// When a session ends of itself.
            Idle as idle {
                /// How long a session may stand without playing before it ends.
                timeout_seconds: Seconds(1.0) => Toml("1800"),
                /// Age at which a session that plays is ended and continued as a new one.
                max_session_seconds: Seconds(1.0) => Toml("86400"),
            }
            /// Players that are in the background or vanished.
            Interrupt as interrupt {
                /// How long such a player may be away before its session ends; 0 is for ever.
                grace_seconds: Seconds(0.0) => Toml("60"),
            }
            /// Where viewers go on.
            Resume as resume {
                /// Age up to which the resume point of recorded content counts.
                window_seconds: Seconds(0.0) => Toml("2592000"),
                /// Age up to which the resume point of live content counts.
                live_window_seconds: Seconds(0.0) => Toml("1800"),
                /// Positions below this one count as the beginning.
                start_seconds: Seconds(0.0) => Toml("2"),
                /// A rest of the content below this one counts as its end, at most a tenth of it.
                end_seconds: Seconds(0.0) => Toml("10"),
                /// The most resume points that are kept; the oldest go first.
                max_points: Count => Toml("2000"),
                /// The most bytes of resume points that are kept.
                max_bytes: Bytes(1) => Toml("1048576"),
            }
            /// How reports get to the collector, and what may wait.
            Delivery as delivery {
                /// The longest random wait after a short outage, so that not all boxes send at once.
                reconnect_spread_seconds: Seconds(0.0) => Toml("30"),
                /// How fast old hits are worked off, in relation to the pings of their session; 0 is as
                /// fast as `max_rate` allows.
                backlog_ratio: Ratio => Toml("2"),
                /// Requests a second for all old hits together; 0 is no limit.
                max_rate: CountOrZero => Toml("20"),
                /// Sessions that may have a request in flight at the same time.
                parallel: Count => Toml("4"),
                /// Bytes of hits that may wait; at most a sixth of `store.max_bytes`.
                queue_max_bytes: Bytes(1) => Toml("8388608"),
                /// Age of its last hit at which a waiting session is given up.
                queue_max_age_seconds: Seconds(1.0) => Toml("604800"),
                /// Bytes of requests that may be sent a day (UTC); 0 is no budget.
                daily_bytes: Bytes(0) => Toml("0"),
                /// Whether hits are sent or kept while the network manager calls the connection metered.
                on_metered: Word(&["send", "hold"]) => Toml("\"send\""),
                /// Sends downloaded content to `/sessions`, for a collector without `/downloaded`.
                legacy_sessions_batch: Flag => Toml("false"),
                /// Sends `media.downloaded` (Media Edge: `isDownloaded`) with downloaded content also where the
                /// route says it.
                send_flag: Flag => Toml("true"),
            }
            /// What the viewer allows.
            Consent as consent {
                /// What counts until somebody calls `SetConsent`: `in` sends, `unknown` keeps and sends
                /// nothing, `out` keeps nothing.
                initial: Word(&["in", "out", "unknown"]) => Toml("\"unknown\""),
            }
            /// Where the state lies.
            Store as store {
                /// Directory of the state.
                path: Directory => Toml("\"/var/lib/playheadd\""),
                /// The most that the store may take on the disk, also while it is compacted; at least 6
                /// times `delivery.queue_max_bytes`.
                max_bytes: Bytes(2_097_152) => Toml("50331648"),
                /// How late pings and positions may reach the disk.
                flush_seconds: Seconds(0.1) => Toml("5"),
            }
            /// The most that players may take.
            Limits as limits {
                /// Sessions of one connection.
                sessions_per_sender: Count => Toml("16"),
                /// Sessions of one user; root and the service's user have no such limit.
                sessions_per_uid: Count => Toml("48"),
                /// Sessions of all players together.
                sessions: Count => Toml("64"),
                /// Length of one text.
                string_bytes: CountBytes => Toml("4096"),
                /// Size of the info of one event.
                info_bytes: CountBytes => Toml("65536"),
                /// Size of the metadata of all sessions together.
                metadata_bytes: Bytes(1) => Toml("2097152"),
                /// Events a second of one connection.
                events_per_second: Count => Toml("50"),
                /// Events of one connection that may come at once.
                event_burst: Count => Toml("200"),
                /// Events a second of one user; follows a larger `events_per_second` where it is not
                /// set.
                uid_events_per_second: Count => Toml("150"),
                /// Events of one user that may come at once; follows a larger `event_burst` where it is
                /// not set.
                uid_event_burst: Count => Toml("600"),
                /// Events a second of all players; follows a larger `uid_events_per_second` where it is
                /// not set.
                all_events_per_second: Count => Toml("300"),
                /// Events of all players that may come at once; follows a larger `uid_event_burst` where
                /// it is not set.
                all_event_burst: Count => Toml("1000"),
                /// Reads a second of one connection; more of them wait for their turn.
                reads_per_second: Count => Toml("50"),
                /// Answers that one connection may wait for.
                unread_answers: Count => Toml("64"),
                /// Names of player states in one session.
                state_names: Count => Toml("10"),
                /// Hits that the collector refused for good and that are kept with its reason.
                rejected_kept: Count => Toml("64"),
            }
            /// Players that speak MPRIS, tracked without a line of code in them.
            Mpris as mpris {
                /// Tracks players that speak MPRIS.
                enabled: Flag => Toml("false"),
                /// The players to track, by what stands after `org.mpris.MediaPlayer2.` in their names;
                /// `*` stands for any text.
                allow: Globs => Toml("[\"*\"]"),
                /// The players not to track; these win over `allow`.
                deny: Globs => Toml("[\"playerctld\"]"),
                /// Bus of the players: `session`, `system` or an address; it is tried again while it is
                /// away.
                bus: BusName => Toml("\"session\""),
                /// How long a start waits for the length of the content.
                length_wait_seconds: Seconds(0.0) => Toml("10"),
                /// How often a player that plays is asked for its position; 0 is never.
                position_seconds: ZeroOrSeconds(1.0) => Toml("30"),
            }
            /// Trust in the time of the box.
            Clock as clock {
                /// Trusts the clock only when the kernel or systemd says that a time daemon has
                /// synchronised it.
                require_sync: Flag => Toml("false"),
            }
            /// What the daemon says on standard error.
            Log as log {
                /// The least important lines that are written.
                level: Word(&["error", "warn", "info", "debug", "trace"]) => Toml("\"info\""),
            }
        }
    };
}

pub(super) use definition;
