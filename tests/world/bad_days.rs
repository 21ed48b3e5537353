//! Days that were bad once, cut down, each with what went wrong on it.

pub const BAD_DAYS: &[(&str, &str)] = &[
    (
        "a ping that was delivered and not yet on the medium is later than the end of the session",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true,"comment":"ping_s=10"}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":104.5,"event":"StateStart","info":{"name":"s1"}}
{"at":119,"event":"PowerLoss","down_s":60}"#,
    ),
    (
        "the same with a slow heartbeat",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true,"comment":"ping_s=60"}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":103,"event":"Play"}
{"at":230,"event":"PowerLoss","down_s":60}"#,
    ),
    (
        "the same after a long sleep",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":101,"event":"Sleep"}
{"at":101.5,"event":"Play"}
{"at":150,"event":"Wake"}
{"at":151,"event":"PowerLoss","down_s":60}"#,
    ),
    (
        "the same after a long time without the agent",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":101,"event":"AgentCrash","down_s":60}
{"at":162,"event":"PowerLoss","down_s":60}"#,
    ),
    (
        "the same when the player went while the agent was down",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":103,"event":"StateStart","info":{"name":"s1"}}
{"at":110.5,"event":"AgentCrash","down_s":30}
{"at":120,"event":"PlayerVanished"}"#,
    ),
    (
        "what waits is thought too old by a clock that nobody trusts",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":101,"event":"Play"}
{"at":130,"event":"PowerLoss","down_s":60,"unix_ms":3086761873714,"trusted":false}
{"at":300,"event":"SessionStart","from":"p2","playhead":0.0,"info":{"id":"clip","metadata":{"mark":"v2"}}}"#,
    ),
    (
        "a ping that went back to the store by mistake is sent twice",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":105,"event":"Collector","rules":[{"on":"events","delay_s":40}]}
{"at":172,"event":"AgentCrash","down_s":3}"#,
    ),
    (
        "a lost session that plays again and cannot be opened at once loses what follows",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":110,"event":"Pause"}
{"at":120,"event":"NetworkDown","silent":true}
{"at":800,"event":"NetworkUp","silent":true}
{"at":1100,"event":"NetworkDown"}
{"at":1110,"event":"Play"}
{"at":1115,"event":"Error","info":{"id":"e1"}}
{"at":1120,"event":"Pause"}
{"at":1130,"event":"NetworkUp"}"#,
    ),
    (
        "a lost session that is at rest forgets what opened while the agent was started again",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":101,"event":"Pause"}
{"at":102,"event":"NetworkDown","silent":true}
{"at":110,"event":"AdBreakStart","info":{"name":"b1","position":1,"start":0.0}}
{"at":1400,"event":"AdStart","info":{"id":"a1","name":"ad","position":1,"length":15.0}}
{"at":1500,"event":"AgentCrash","down_s":3}
{"at":1600,"event":"Play"}
{"at":1700,"event":"NetworkUp"}"#,
    ),
    (
        "what follows a ping of unknown fate in the same instant has its ts",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":101,"event":"AdBreakStart","info":{"name":"b1","position":1,"start":0.0}}
{"at":102,"event":"AdStart","info":{"id":"a1","name":"ad","position":1,"length":15.0}}
{"at":109.5,"event":"Collector","rules":[{"on":"events","drop_after_send":true,"times":1}]}
{"at":110,"event":"AdComplete"}"#,
    ),
    (
        "a sid of an earlier boot is thought dead after one more restart",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true}
{"at":90,"event":"NetworkDown"}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":101,"event":"Play"}
{"at":130,"event":"PowerLoss","down_s":1000}
{"at":1140,"event":"Collector","rules":[{"on":"events","status":500}]}
{"at":1150,"event":"NetworkUp"}
{"at":1200,"event":"AgentCrash","down_s":2}"#,
    ),
    (
        "a player that went while the agent was down is thought to have gone when it came back",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true}
{"at":90,"event":"NetworkDown"}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":101,"event":"AgentCrash","down_s":3000}
{"at":200,"event":"PlayerVanished"}
{"at":3200,"event":"NetworkUp"}"#,
    ),
    (
        "a player that went is paused after the end of its session for being idle",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":1000,"event":"AgentCrash","down_s":1000}
{"at":1500,"event":"AgentCrash","comment":"after 3 effects","down_s":1000}
{"at":2500,"event":"PlayerVanished"}"#,
    ),
    (
        "a report of the position is forgotten when the collector opens the session",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":100.05,"event":"Playhead","playhead":50.0}
{"at":100.07,"event":"SessionStart","from":"p2","playhead":0.0,"info":{"id":"clip","metadata":{"mark":"v2"}}}
{"at":103,"event":"AgentCrash","down_s":2}
{"at":110,"event":"Play"}"#,
    ),
    (
        "a heartbeat written in the same instant covers what was said after it",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":101,"event":"Playhead","playhead":50.0}
{"at":101,"event":"SessionStart","from":"p2","playhead":0.0,"info":{"id":"clip","metadata":{"mark":"v2"}}}
{"at":101,"event":"Pause","playhead":60.0}
{"at":101.05,"event":"AgentCrash","down_s":2}
{"at":110,"event":"Error","info":{"id":"e1"}}"#,
    ),
    (
        "an event under way when the power went is later than the end of the session",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true}
{"at":100,"event":"SessionStart","playhead":0.0,"info":{"id":"film","metadata":{"mark":"v1"}}}
{"at":117.5,"event":"Error","info":{"id":"e1"}}
{"at":117.51,"event":"PowerLoss","down_s":60}"#,
    ),
    (
        "a stop that was asked for is taken for the last word although more was said",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true,"comment":"ping_s=60"}
{"at":100,"event":"SessionStart","from":"m1","playhead":0.0,"info":{"id":"series","metadata":{"mark":"v1"}}}
{"at":130,"event":"Reboot","down_s":600}
{"at":130.8,"event":"ChapterStart","from":"m1","info":{"name":"c1","position":1,"start":0.0,"length":60.0}}
{"at":130.805,"event":"PowerLoss","down_s":60}"#,
    ),
    (
        "on a full disk a downloaded session outgrows the limit",
        r#"{"at":0,"comment":"seed=1795741173547 ping_s=30 max_session_s=86400 resume_window_s=2592000 queue_bytes=20000 agreed=1 disk_fails_every=0","event":"Boot","trusted":false,"unix_ms":420422}
{"at":2590.702,"event":"SessionStart","from":"p1","info":{"downloaded":true,"id":"stored","length":3000.0,"metadata":{"mark":"v1"}},"playhead":0.0}
{"at":3737.714,"event":"Play","from":"p1"}
{"at":5956.84,"event":"DiskFull"}
{"at":6990.124,"event":"Sleep"}"#,
    ),
    (
        "a repeated play is taken for one that came a moment later",
        r#"{"at":0,"comment":"seed=137 ping_s=60 max_session_s=86400 resume_window_s=2592000 queue_bytes=0 agreed=1 disk_fails_every=10","event":"Boot","trusted":true,"unix_ms":1700000000006}
{"at":318.895,"event":"SessionStart","from":"p1","info":{"ad_ping_seconds":10,"id":"film","length":7200.0,"metadata":{"mark":"v1"}},"playhead":0.0}
{"at":328.097,"event":"Play","from":"p1","playhead":1458.592}
{"at":330.612,"event":"BitrateChange","from":"p1","info":{"bitrate":2}}
{"at":344.435,"event":"ChapterStart","from":"p1","info":{"length":60.0,"name":"c3","position":1,"start":0.0}}
{"at":344.735,"event":"NetworkDown","silent":false}
{"at":353.002,"event":"NetworkUp","silent":false}
{"at":369.482,"event":"AdBreakStart","from":"p1","info":{"name":"b4","position":1,"start":298.0}}
{"at":369.516,"event":"AdBreakComplete","from":"p1"}
{"at":369.52,"event":"Play","from":"p1"}
{"at":369.544,"event":"Collector","rules":[{"headers":{"Retry-After":"5000"},"on":"events","status":503,"times":3}]}
{"at":2072.589,"event":"BitrateChange","from":"p1","info":{"bitrate":5}}
{"at":2228.948,"event":"AdBreakStart","from":"p1","info":{"name":"b6","position":1,"start":126.0}}
{"at":2465.117,"event":"End","from":"p1"}
{"at":3962.801,"event":"SessionStart","from":"p1","info":{"content_type":"live","id":"news","metadata":{"mark":"v7"}}}
{"at":3971.801,"down_s":3.476,"event":"PowerLoss","trusted":false,"unix_ms":931268}"#,
    ),
    (
        "a play that was repeated for ten minutes counts from its last try",
        r#"{"at":0,"comment":"seed=743 ping_s=10 max_session_s=86400 resume_window_s=7200 queue_bytes=0 agreed=1 disk_fails_every=0 backlog_ratio=2 parallel=4","event":"Boot","trusted":true,"unix_ms":1700000000270}
{"at":2715.1,"event":"SessionStart","from":"p2","info":{"ad_ping_seconds":10,"id":"series","metadata":{"mark":"v17"}}}
{"at":2970.884,"event":"BufferStart","from":"p2","playhead":180.436}
{"at":3622.097,"event":"Collector","rules":[{"on":"downloaded","status":504,"times":2},{"drop_after_send":true,"on":"events"}]}
{"at":3968.542,"event":"SessionStart","from":"p1","info":{"id":"clip","length":300.0,"metadata":{"mark":"v7"}},"playhead":170.086}
{"at":3971.542,"event":"Play","from":"p1"}
{"at":4452.997,"event":"Collector","rules":[]}
{"at":6471.827,"event":"PlayerVanished","from":"p2"}"#,
    ),
    (
        "a download whose beginning was given up goes out without a start",
        r#"{"at":0,"comment":"seed=1596 ping_s=30 max_session_s=14400 resume_window_s=2592000 queue_bytes=20000 agreed=1 disk_fails_every=0 backlog_ratio=0 parallel=4","event":"Boot","trusted":false,"unix_ms":23071}
{"at":268.592,"event":"SessionStart","from":"m1","info":{"ad_ping_seconds":10,"id":"film","length":7200.0,"metadata":{"mark":"v21"}},"playhead":0.0}
{"at":447.964,"event":"Play","from":"m1","playhead":6913.726}
{"at":705.574,"event":"SessionStart","from":"p1","info":{"ad_ping_seconds":10,"id":"clip","length":300.0,"metadata":{"mark":"v1"}},"playhead":0.0}
{"at":1665.407,"event":"SessionStart","from":"p2","info":{"ad_ping_seconds":10,"downloaded":true,"id":"stored","length":3000.0,"metadata":{"mark":"v34"}},"playhead":0.0}
{"at":1668.407,"event":"Play","from":"p2"}
{"at":3326.715,"event":"Play","from":"p1","playhead":1361.003}
{"at":3326.754,"event":"Pause","from":"p1"}
{"at":3345.908,"event":"Play","from":"p1"}
{"at":3443.453,"event":"Qoe","from":"m1","info":{"fps":35},"playhead":2358.782}
{"at":3545.46,"event":"StateStart","from":"m1","info":{"name":"s27"}}
{"at":3567.41,"event":"Error","from":"m1","info":{"id":"e28"}}
{"at":6915.745,"event":"AdBreakStart","from":"p1","info":{"name":"b18","position":1,"start":54.0}}
{"at":7188.895,"event":"AdStart","from":"p1","info":{"id":"a20","length":15.0,"name":"ad","position":1},"playhead":1142.211}
{"at":13364.747,"event":"BufferStart","from":"m1"}"#,
    ),
    (
        "a full queue thins the pings that keep the sid of a session that lives",
        r#"{"at":0,"comment":"seed=1965 ping_s=60 max_session_s=86400 resume_window_s=2592000 queue_bytes=20000 agreed=1 disk_fails_every=0 backlog_ratio=2 parallel=1","event":"Boot","trusted":true,"unix_ms":1699999999963}
{"at":3097.217,"event":"SessionStart","from":"p2","info":{"ad_ping_seconds":10,"id":"series","metadata":{"mark":"v22"},"resume":true},"playhead":0.0}
{"at":3444.124,"event":"Play","from":"p2"}
{"at":3542.74,"event":"SessionStart","from":"p1","info":{"ad_ping_seconds":10,"downloaded":true,"id":"stored","length":3000.0,"metadata":{"mark":"v2"}},"playhead":0.0}
{"at":3543.34,"event":"Play","from":"p1"}
{"at":18795.466,"event":"Play","from":"m1"}"#,
    ),
    (
        "what one of two collectors lost with a session that it had closed was not counted",
        r#"{"at":0,"comment":"parallel=1 logs=1","event":"Boot","trusted":false,"unix_ms":709696}
{"at":2723.588,"event":"ClockSet","trusted":true,"unix_ms":1700002723340}
{"at":15579.71,"event":"SessionStart","from":"p1","info":{"id":"clip","length":300.0,"metadata":{"mark":"v13"}},"playhead":0.0}
{"at":15580.31,"event":"Play","from":"p1"}
{"at":18288.426,"comment":"openings 1","down_s":4501.195,"event":"AgentCrash"}"#,
    ),
    (
        "two records of a session with one id: a ping that was sent and never written, and an end",
        r#"{"at":0,"comment":"seed=53 ping_s=10 max_session_s=14400 resume_window_s=7200 edge=1 logs=1","event":"Boot","trusted":false,"unix_ms":16269}
{"at":51.615,"event":"ClockSet","trusted":true,"unix_ms":1700000051497}
{"at":1447.917,"event":"SessionStart","from":"p1","info":{"ad_ping_seconds":10,"id":"film","length":7200.0,"metadata":{"mark":"v1"}},"playhead":6255.705}
{"at":22930.386,"event":"AdBreakStart","from":"p1","info":{"name":"b20","position":1,"start":75.0}}
{"at":22952.46,"event":"AdStart","from":"p1","info":{"id":"a21","length":15.0,"name":"ad","position":1}}
{"at":23070.46,"event":"DiskReadOnly"}
{"at":23317.123,"down_s":0.2,"event":"PowerLoss"}"#,
    ),
];
