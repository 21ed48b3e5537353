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
        "a stop that was asked for is taken for the last word although more was said",
        r#"{"at":0,"event":"Boot","unix_ms":1700000000000,"trusted":true,"comment":"ping_s=60"}
{"at":100,"event":"SessionStart","from":"m1","playhead":0.0,"info":{"id":"series","metadata":{"mark":"v1"}}}
{"at":130,"event":"Reboot","down_s":600}
{"at":130.8,"event":"ChapterStart","from":"m1","info":{"name":"c1","position":1,"start":0.0,"length":60.0}}
{"at":130.805,"event":"PowerLoss","down_s":60}"#,
    ),
];
