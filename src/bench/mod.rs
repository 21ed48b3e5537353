//! The bench collector: a collector of every protocol as a real HTTP/1.1 server, with faults on request.
//!
//! For development and tests, not part of a box (feature `bench`). The rules are those of the simulated
//! collector (`sim::backend`), which checks each body, and every request is recorded.

mod collector;
mod connections;
mod lines;
mod log;
mod mistakes_page;
mod page;
mod saved;
mod server;
mod shared;
mod stream;
mod tls;
mod tls_files;

pub use collector::Collector;
pub use connections::serve;
pub use lines::Lines;
pub use log::Record;
pub use saved::{Saved, read_saved, timeline_notes};
pub use server::{MAX_BODY_BYTES, rules_from_json};
pub use shared::Options;
pub use tls::{Authority, Identity, Tls};
pub use tls_files::{client_files, open_authority};

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn start() -> Value {
        json!({
            "eventType": "sessionStart",
            "playerTime": {"playhead": 0, "ts": 1},
            "params": {
                "analytics.trackingServer": "t", "analytics.reportSuite": "r",
                "visitor.marketingCloudOrgId": "o", "media.id": "ep-1", "media.length": 60,
                "media.contentType": "vod", "media.playerName": "p", "media.channel": "c"
            }
        })
    }

    fn hit(kind: &str) -> Value {
        json!({"eventType": kind, "playerTime": {"playhead": 1, "ts": 2}})
    }

    /// One connection that speaks HTTP by hand.
    struct Client(TcpStream);

    struct Reply {
        status: u16,
        head: String,
        body: String,
    }

    impl Client {
        fn new(to: SocketAddr) -> Client {
            let stream = TcpStream::connect(to).expect("the collector listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
            Client(stream)
        }

        fn send(&mut self, method: &str, path: &str, body: &str) {
            let length = body.len();
            let text = format!(
                "{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            self.0.write_all(text.as_bytes()).expect("the collector reads");
        }

        /// The next answer; an error when the connection ends before it.
        fn receive(&mut self) -> std::io::Result<Reply> {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                self.0.read_exact(&mut byte)?;
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.map_or(0, |n| n.parse().expect("a length"))];
            self.0.read_exact(&mut body)?;
            let status = head[9..12].parse().expect("a status line");
            Ok(Reply { status, head, body: String::from_utf8_lossy(&body).into_owned() })
        }

        fn call(&mut self, method: &str, path: &str, body: &str) -> Reply {
            self.send(method, path, body);
            self.receive().expect("an answer")
        }

        fn post(&mut self, path: &str, body: &Value) -> Reply {
            self.call("POST", path, &body.to_string())
        }
    }

    fn bench(rules: Value) -> (Collector, Client) {
        let collector = Collector::start();
        collector.set_rules_json(&rules.to_string()).expect("rules of a test are valid");
        let client = Client::new(collector.address());
        (collector, client)
    }

    const SESSIONS: &str = "/api/v1/sessions";
    const EVENTS: &str = "/api/v1/sessions/S1/events";

    #[test]
    fn a_session_over_one_connection() {
        let (collector, mut client) = bench(json!([]));
        let opened = client.post("/tv/api/v1/sessions", &start());
        assert_eq!((opened.status, opened.body.as_str()), (201, ""));
        assert!(opened.head.contains("location: /api/v1/sessions/s1\r\n"), "{}", opened.head);
        for (kind, status) in [("play", 204), ("sessionEnd", 204), ("ping", 410)] {
            assert_eq!(client.post(EVENTS, &hit(kind)).status, status, "{kind}");
        }
        assert_eq!(client.post("/api/v1/sessions/S9/events", &hit("ping")).status, 404);
        let batch = json!([start(), hit("play"), hit("sessionEnd")]);
        assert_eq!(client.post("/api/v1/downloaded", &batch).status, 201);

        let seen: Vec<_> = collector
            .hits()
            .iter()
            .map(|r| (r.event_type().to_owned(), r.status, r.sid.clone(), r.refusal.is_some()))
            .collect();
        let one = |kind: &str, status, sid: Option<&str>, refused| {
            (kind.to_owned(), Some(status), sid.map(str::to_owned), refused)
        };
        let expected = [
            one("sessionStart", 201, Some("S1"), false),
            one("play", 204, Some("S1"), false),
            one("sessionEnd", 204, Some("S1"), false),
            one("ping", 410, Some("S1"), true),
            one("ping", 404, Some("S9"), true),
            one("sessionStart", 201, None, false),
        ];
        assert_eq!(seen, expected);
        assert_eq!(collector.refused(), 2);
    }

    #[test]
    fn pipelined_requests_are_answered_in_order() {
        let (_collector, mut client) = bench(json!([]));
        client.send("POST", SESSIONS, &start().to_string());
        client.send("POST", EVENTS, &hit("play").to_string());
        client.send("POST", EVENTS, "{}");
        let statuses = [(); 3].map(|()| client.receive().expect("an answer").status);
        assert_eq!(statuses, [201, 204, 400]);
    }

    #[test]
    fn a_body_that_fails_is_told_why() {
        let (collector, mut client) = bench(json!([]));
        let mut wrong = start();
        wrong["params"]["media.length"] = json!("60");
        let table = [
            (SESSIONS, wrong.to_string(), "params.media.length: expected a number from 0"),
            (SESSIONS, "{\"eventType\"".into(), "body: expected JSON"),
            (SESSIONS, String::new(), "body: expected JSON"),
            (SESSIONS, "\u{1}".into(), "body: expected JSON"),
            (SESSIONS, json!([start()]).to_string(), "[0].params.media.downloaded"),
            (EVENTS, "[]".into(), "body: expected an object"),
            ("/api/v1/downloaded", "{}".into(), "body: expected an array"),
        ];
        let number = table.len();
        for (path, body, part) in table {
            let reply = client.call("POST", path, &body);
            assert_eq!(reply.status, 400, "{body}");
            assert!(reply.body.contains(part), "{} does not say {part}", reply.body);
            assert!(reply.head.contains("content-type: text/plain"));
        }
        assert_eq!(collector.refused(), number);
    }

    #[test]
    fn the_path_tells_the_protocol() {
        let (collector, mut client) = bench(json!([]));
        let config = "?configId=11111111-2222-4333-8444-555555555555";
        let session = format!("/ee/va/v1/sessionStart{config}");
        let edge = |kind: &str, second: u8, collection: Value| {
            json!({"events": [{"xdm": {
                "eventType": format!("media.{kind}"),
                "timestamp": format!("2024-01-01T00:00:0{second}Z"), "mediaCollection": collection,
            }}]})
        };
        let mut details = json!({
            "name": "ep-1", "playerName": "p", "length": 60, "channel": "c", "contentType": "vod",
        });
        let edge_start = |details: &Value| {
            edge("sessionStart", 0, json!({"playhead": 0, "sessionDetails": details}))
        };
        let opened = client.post(&session, &edge_start(&details));
        assert_eq!(opened.status, 200, "{}", opened.body);
        assert!(opened.head.contains("content-type: application/json\r\n"), "{}", opened.head);
        let id = opened.body.split("\"sessionId\":\"").nth(1).expect("an id")[..64].to_owned();
        let play = edge("play", 1, json!({"playhead": 0, "sessionID": id}));
        let played = client.post(&format!("/ee/va6/va/v1/play{config}"), &play);
        assert_eq!((played.status, played.body.as_str()), (204, ""));
        details["length"] = json!("60");
        let refused = client.post(&session, &edge_start(&details));
        assert!(refused.status == 207 && refused.body.contains("va-edge-0400-400"));
        let unread = client.call("POST", &session, "{");
        assert!(unread.status == 400 && unread.head.contains("application/problem+json"));
        let logs = client.post("/v1/logs", &json!({"resourceLogs": []}));
        assert!(logs.status == 400 && logs.body.contains("\"code\":3"), "{}", logs.body);
        assert_eq!(client.post(SESSIONS, &start()).status, 201);

        let seen: Vec<_> = collector
            .hits()
            .iter()
            .map(|r| (r.status, r.sid.clone(), r.counted, r.refusal.is_some()))
            .collect();
        let taken = |status, sid: &str| (Some(status), Some(sid.to_owned()), true, false);
        let wrong = |status| (Some(status), None, false, true);
        let expected = [
            taken(200, "S1"),
            taken(204, "S1"),
            wrong(207),
            wrong(400),
            wrong(400),
            taken(201, "S2"),
        ];
        assert_eq!(seen, expected);
        assert_eq!(collector.refused(), 3);
    }

    #[test]
    fn other_paths_and_methods() {
        let (collector, mut client) = bench(json!([]));
        for (method, path, status) in [
            ("GET", "/elsewhere", 404),
            ("GET", "/api/v1/schemas/play", 404),
            ("GET", SESSIONS, 405),
            ("POST", "/api/v2/sessions", 404),
        ] {
            assert_eq!(client.call(method, path, "").status, status, "{method} {path}");
        }
        // Only a POST can be a hit gone wrong.
        assert_eq!((collector.hits().len(), collector.refused()), (4, 1));
    }

    #[test]
    fn bodies_over_the_limit() {
        let (collector, mut client) = bench(json!([]));
        let head = format!(
            "POST {SESSIONS} HTTP/1.1\r\nHost: b\r\nContent-Length: {}\r\n\r\n",
            MAX_BODY_BYTES + 1
        );
        client.0.write_all(head.as_bytes()).expect("the collector reads");
        assert_eq!(client.receive().expect("an answer").status, 413);
        assert_eq!(collector.refused(), 1);
    }

    #[test]
    fn a_status_with_headers_then_the_normal_answer() {
        let rule = json!({"on": "sessions", "times": 1, "status": 503,
                          "headers": {"Retry-After": "7"}});
        let (collector, mut client) = bench(json!([rule]));
        let reply = client.post(SESSIONS, &start());
        assert!(reply.status == 503 && reply.head.contains("retry-after: 7\r\n"), "{}", reply.head);
        assert_eq!(client.post(SESSIONS, &start()).status, 201);
        assert_eq!(collector.refused(), 0);
    }

    #[test]
    fn a_delay_is_waited_while_others_are_answered() {
        let (collector, mut client) = bench(json!([{"on": "sessions", "delay_s": 0.2}]));
        client.send("POST", SESSIONS, &start().to_string());
        let mut other = Client::new(client.0.peer_addr().expect("an address"));
        assert_eq!(other.call("GET", "/bench/summary", "").status, 200);
        assert_eq!(client.receive().expect("an answer").status, 201);
        assert_eq!(collector.hits()[0].delay_ms, Some(200));
    }

    #[test]
    fn a_hang_stays_open_and_a_drop_closes() {
        let (collector, mut client) = bench(json!([
            {"on": "events", "event_type": "ping", "hang": true},
            {"on": "events", "event_type": "sessionEnd", "times": 1, "drop_after_send": true}
        ]));
        assert_eq!(client.post(SESSIONS, &start()).status, 201);
        let mut hanging = Client::new(collector.address());
        hanging.send("POST", EVENTS, &hit("ping").to_string());
        assert!(collector.wait_for(PATIENCE, |hits| hits.len() == 2));

        client.send("POST", EVENTS, &hit("sessionEnd").to_string());
        let closed = client.receive().err().expect("no answer").kind();
        assert!(matches!(closed, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset));
        let mut again = Client::new(collector.address());
        assert_eq!(again.post(EVENTS, &hit("play")).status, 410, "the dropped end counted");

        hanging.0.set_nonblocking(true).expect("the mode can be set");
        let silence = hanging.receive().err().expect("no answer").kind();
        assert_eq!(silence, ErrorKind::WouldBlock);
        let statuses: Vec<_> = collector.hits().iter().map(|record| record.status).collect();
        assert_eq!(statuses, [Some(201), None, None, Some(410)]);
    }

    #[test]
    fn control_from_another_process() {
        let (_collector, mut client) = bench(json!([]));
        let faults = client.post("/bench/faults", &json!([{"on": "events", "status": 500}]));
        assert_eq!(faults.status, 204);
        for (wrong, part) in [
            ("[{\"on\":\"events\",\"sttus\":500}]", "sttus"),
            ("[{\"on\":\"logs\",\"collector\":\"main\"}]", "has no name"),
            ("[{\"on\":\"events\",\"headers\":{\"a b\":\"c\"}}]", "a b"),
            ("[", "expected JSON"),
        ] {
            let reply = client.call("POST", "/bench/faults", wrong);
            assert!(reply.status == 400 && reply.body.contains(part), "{}", reply.body);
        }
        client.post(SESSIONS, &start());
        assert_eq!(client.post(EVENTS, &hit("play")).status, 500, "the old rules stay");

        let hits = client.call("GET", "/bench/hits", "").body;
        let hits: Vec<Value> =
            hits.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
        assert_eq!(hits.len(), 2);
        assert_eq!((&hits[0]["sid"], &hits[1]["status"]), (&json!("S1"), &json!(500)));
        assert_eq!(hits[1]["body"], hit("play"));

        let summary = |client: &mut Client| -> Value {
            let body = client.call("GET", "/bench/summary", "").body;
            serde_json::from_str(&body).expect("JSON")
        };
        let sums = |requests: u64, by_session: Value| {
            json!({"requests": requests, "accepted": requests / 2, "refused": 0,
                   "hits": requests / 2, "hits_by_session": by_session})
        };
        assert_eq!(summary(&mut client), sums(2, json!({"S1": 1})));
        assert_eq!(client.call("POST", "/bench/clear", "").status, 204);
        assert_eq!(summary(&mut client), sums(0, json!({})));
        let file = format!(
            "{}\n",
            json!({"at_ms": 5, "method": "POST", "body": start(),
            "path": SESSIONS, "status": 201, "sid": "S1", "counted": true, "fault": false})
        );
        let read = client.call("POST", "/bench/read", &file);
        let read: Value = serde_json::from_str(&read.body).expect("JSON");
        assert_eq!(read["hits"][0]["hits"][0]["params"]["media.id"], "ep-1");
        assert_eq!(read["timeline"], json!([]));
        let line = json!({"at": 1, "event": "Play", "playhead": 0}).to_string();
        let read = client.call("POST", "/bench/read", &line).body;
        assert!(read.contains("\"at_ms\":1700000001000"), "{read}");
        let wrong = client.call("POST", "/bench/read", "nonsense");
        assert!(wrong.status == 400 && wrong.body.starts_with("file:1: no JSON"), "{}", wrong.body);
        for (method, path, status) in [
            ("GET", "/bench/read", 405),
            ("GET", "/bench/faults", 405),
            ("POST", "/bench/hits", 405),
            ("GET", "/bench/other", 404),
        ] {
            assert_eq!(client.call(method, path, "").status, status, "{method} {path}");
        }
    }

    #[test]
    fn waiting_ends_with_the_request_or_the_deadline() {
        let (collector, mut client) = bench(json!([]));
        assert!(!collector.wait_for(Duration::ZERO, |hits| !hits.is_empty()));
        std::thread::scope(|scope| {
            let waiting =
                scope.spawn(|| collector.wait_for(PATIENCE, |h| h.iter().any(|r| r.counted)));
            client.post(SESSIONS, &start());
            assert!(waiting.join().expect("the waiting thread"));
        });
    }

    #[test]
    fn dropping_it_closes_everything_and_frees_the_port() {
        let (collector, mut client) = bench(json!([{"on": "sessions", "delay_s": 3600}]));
        client.send("POST", SESSIONS, &start().to_string());
        assert!(collector.wait_for(PATIENCE, |hits| hits.len() == 1));
        let address = collector.address();
        drop(collector);
        assert!(client.receive().is_err());
        let listener = TcpListener::bind(address).expect("the port is free again");
        let again = Collector::on(listener, Options::default()).expect("a collector");
        assert_eq!(Client::new(again.address()).post(SESSIONS, &start()).status, 201);
    }

    #[test]
    fn serve_writes_a_line_a_request_and_stops_when_told() {
        #[derive(Clone, Default)]
        struct Buffer(Arc<Mutex<Vec<u8>>>);
        impl Write for Buffer {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().expect("no writer has panicked").write(bytes)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let output = Buffer::default();
        let options = Options {
            output: Box::new(output.clone()),
            lines: Lines::Json,
            rules: rules_from_json(br#"[{"on": "sessions", "status": 418}]"#).expect("a rule"),
            ..Options::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let (done, told) = tokio::sync::oneshot::channel();
            std::thread::spawn(move || {
                let status = Client::new(address).post(SESSIONS, &start()).status;
                done.send(status).expect("the server waits for this");
            });
            let mut status = 0;
            serve(listener, options, async { status = told.await.expect("a status") }).await;
            assert_eq!(status, 418);
        });
        let text = output.0.lock().expect("no writer has panicked").clone();
        let lines: Vec<Value> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("a JSON line"))
            .collect();
        assert_eq!(lines.len(), 1);
        assert_eq!((&lines[0]["status"], &lines[0]["fault"]), (&json!(418), &json!(true)));
    }
}
