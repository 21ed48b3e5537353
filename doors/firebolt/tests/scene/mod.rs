//! The door as a process, on a bus of its own with a daemon of its own, and applications that connect.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use zbus::{Connection, OwnedObjectPath, OwnedVariant};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How long is waited between two looks at what has to change.
const LOOK: Duration = Duration::from_millis(20);

const AGENT: &str = "tv.playhead.Agent1";

const BUS: &str = r#"<busconfig>
  <type>session</type>
  <listen>unix:path=DIR/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// Nothing is sent: the collector does not exist. What vanished is over at once.
const CONFIG: &str = "[collector]\nurl = \"http://127.0.0.1:9\"\nallow_plain_http = true\n\
    [analytics]\ntracking_server = \"m.example\"\nreport_suite = \"tests\"\n\
    org_id = \"TESTS@AdobeOrg\"\n[consent]\ninitial = \"in\"\n\
    [interrupt]\ngrace_seconds = GRACE\n[delivery]\nreconnect_spread_seconds = 0\n";

/// Session objects, with their interfaces and the properties of each.
type Objects = HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>>;

/// Says that a test is skipped, on standard error and in the file that `SKIPPED` names, if any.
fn skip(why: &str) {
    let line = format!("SKIP doors/firebolt: {why}\n");
    eprint!("{line}");
    if let Some(file) = std::env::var_os("SKIPPED") {
        let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
        opened.expect("the file of SKIPPED").write_all(line.as_bytes()).expect("written");
    }
}

/// The daemon: `PLAYHEADD_BIN`, or the one that is built in this tree.
fn daemon() -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/playheadd");
    let program = std::env::var_os("PLAYHEADD_BIN").map_or(built, PathBuf::from);
    program.exists().then_some(program)
}

/// A process that dies with its test.
pub struct Process(pub Child);

impl Process {
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(name).arg(self.0.id().to_string()).status();
        assert!(status.expect("kill").success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program and reads its first line.
fn started(command: &mut Command) -> (Process, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("a pipe");
    let process = Process(child);
    BufReader::new(out).read_line(&mut line).expect("its first line");
    (process, line.trim().to_owned())
}

/// A bus, the daemon and the door.
pub struct Scene {
    pub door: Process,
    pub daemon: Process,
    _bus: Process,
    dir: tempfile::TempDir,
    pub address: String,
    /// `HOST:PORT` of the door.
    pub host: String,
    pub watcher: Connection,
}

impl Scene {
    /// `None`: the machine lacks something, and the test is skipped.
    pub async fn start(options: &[&str]) -> Option<Scene> {
        Scene::with_grace(options, 60).await
    }

    /// The same with this many seconds until the agent ends what was interrupted.
    pub async fn with_grace(options: &[&str], grace: u32) -> Option<Scene> {
        let Some(program) = daemon() else {
            skip("no playheadd in target/debug; cargo build makes it");
            return None;
        };
        if Command::new("dbus-daemon").arg("--version").output().is_err() {
            skip("no dbus-daemon (Debian package dbus)");
            return None;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let place = |name: &str| dir.path().join(name);
        let bus = BUS.replace("DIR", &dir.path().display().to_string());
        std::fs::write(place("bus.conf"), bus).expect("written");
        let config = CONFIG.replace("GRACE", &grace.to_string());
        std::fs::write(place("playheadd.toml"), config).expect("written");
        let (bus, address) = started(
            Command::new("dbus-daemon")
                .args(["--nofork", "--print-address"])
                .stderr(Stdio::null())
                .arg(format!("--config-file={}", place("bus.conf").display())),
        );
        let watcher = zbus::connection::Builder::address(address.as_str());
        let watcher = watcher.build().await.expect("a connection to the bus");
        let daemon = launch(&program, dir.path(), &address);
        let (door, line) = started(
            Command::new(env!("CARGO_BIN_EXE_playhead-firebolt"))
                .args(["--listen", "127.0.0.1:0", "--bus-address", &address])
                .args(options),
        );
        let host = line.strip_prefix("listening on ws://").expect("where it listens").to_owned();
        let scene = Scene { door, daemon, _bus: bus, dir, address, host, watcher };
        scene.named().await;
        Some(scene)
    }

    /// SIGKILL for the daemon, and its name is gone from the bus.
    pub async fn kill_daemon(&mut self) {
        self.daemon.0.kill().expect("SIGKILL");
        self.daemon.0.wait().expect("its end");
        self.until("the name is free", async || !self.is_named().await).await;
    }

    pub async fn start_daemon(&mut self) {
        self.daemon = launch(&daemon().expect("the daemon"), self.dir.path(), &self.address);
        self.named().await;
    }

    async fn is_named(&self) -> bool {
        let bus = zbus::fdo::DBusProxy::new(&self.watcher).await.expect("the bus");
        bus.name_has_owner(AGENT.try_into().expect("a name")).await.expect("an answer")
    }

    async fn named(&self) {
        self.until("the daemon has its name", async || self.is_named().await).await;
    }

    /// Looks until it is so.
    pub async fn until(&self, what: &str, mut is: impl AsyncFnMut() -> bool) {
        let looks = async {
            while !is().await {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(PATIENCE, looks).await.is_err() {
            let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            panic!("{what} has not come; the sessions are {:?}\n{log}", self.sessions().await);
        }
    }

    /// The connections to the bus.
    pub async fn connections(&self) -> usize {
        let bus = zbus::fdo::DBusProxy::new(&self.watcher).await.expect("the bus");
        let names = bus.list_names().await.expect("names");
        names.iter().filter(|name| name.starts_with(':')).count()
    }

    /// The sessions that are open: application, media and state, in the order of the first two.
    pub async fn sessions(&self) -> Vec<(String, String, String)> {
        let objects = self.objects().await;
        let mut sessions: Vec<_> = objects
            .values()
            .filter_map(|interfaces| interfaces.get("tv.playhead.Session1"))
            .map(|session| {
                let text =
                    |key: &str| <&str>::try_from(&session[key]).expect("a string").to_owned();
                (text("App"), text("MediaId"), text("State"))
            })
            .collect();
        sessions.sort();
        sessions
    }

    /// The objects of the sessions that are open.
    pub async fn paths(&self) -> Vec<String> {
        self.objects().await.keys().map(|path| path.as_str().to_owned()).collect()
    }

    async fn objects(&self) -> Objects {
        let manager = Some("org.freedesktop.DBus.ObjectManager");
        let call = self.watcher.call_method(
            Some(AGENT),
            "/tv/playhead/Agent1",
            manager,
            "GetManagedObjects",
            &(),
        );
        match call.await {
            Ok(answer) => answer.body().deserialize().expect("objects"),
            // The daemon is away.
            Err(_) => Objects::new(),
        }
    }

    /// Waits until these sessions are open, and no others.
    pub async fn sees(&self, wanted: &[(&str, &str, &str)]) {
        let so = async || {
            let sessions = self.sessions().await;
            sessions.len() == wanted.len()
                && sessions
                    .iter()
                    .zip(wanted)
                    .all(|(is, wanted)| (is.0.as_str(), is.1.as_str(), is.2.as_str()) == *wanted)
        };
        self.until(&format!("{wanted:?}"), so).await;
    }

    /// Where the viewer was, seconds.
    pub async fn position(&self, app: &str, media: &str) -> Option<f64> {
        let asked = (app, media);
        let path = "/tv/playhead/Agent1";
        let call =
            self.watcher.call_method(Some(AGENT), path, Some(AGENT), "GetResumePoint", &asked);
        let point: HashMap<String, OwnedVariant> =
            call.await.expect("an answer").body().deserialize().expect("a point");
        point.get("position").map(|position| f64::try_from(position).expect("seconds"))
    }

    pub async fn connect(&self, path: &str) -> Caller {
        self.try_connect(path, &[]).await.expect("a connection")
    }

    /// Errors: the door's refusal of the handshake.
    pub async fn try_connect(&self, path: &str, headers: &[(&str, &str)]) -> Result<Caller, Error> {
        let stream = TcpStream::connect(&self.host).await.expect("the door listens");
        let mut request =
            format!("ws://{}{path}", self.host).into_client_request().expect("a request");
        for (name, value) in headers {
            let name: tokio_tungstenite::tungstenite::http::HeaderName =
                name.parse().expect("a name");
            request.headers_mut().insert(name, value.parse().expect("a value"));
        }
        let (socket, response) = client_async(request, stream).await?;
        let protocol = response.headers().get("sec-websocket-protocol");
        let protocol = protocol.map(|protocol| protocol.to_str().expect("text").to_owned());
        Ok(Caller { socket, id: 0, protocol })
    }
}

fn launch(program: &Path, dir: &Path, address: &str) -> Process {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("log"));
    let child = Command::new(program)
        .arg("--config")
        .arg(dir.join("playheadd.toml"))
        .args(["--bus-address", address])
        .arg("--state-dir")
        .arg(dir.join("state"))
        .env("DBUS_SESSION_BUS_ADDRESS", address)
        .env("RUNTIME_DIRECTORY", dir)
        .stderr(log.expect("a log"))
        .spawn();
    Process(child.expect("the daemon"))
}

/// A connection to the door.
pub struct Caller {
    pub socket: WebSocketStream<TcpStream>,
    id: u64,
    /// The subprotocol that the door chose.
    pub protocol: Option<String>,
}

impl Caller {
    pub async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.expect("sent");
    }

    /// The next text.
    pub async fn hear(&mut self) -> Value {
        let next = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("in time");
        match next {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("expected an answer, got {other:?}"),
        }
    }

    /// How the door closes the connection.
    pub async fn closed(&mut self) -> Option<CloseFrame> {
        let next = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("in time");
        match next {
            Some(Ok(Message::Close(frame))) => frame,
            other => panic!("expected an end, got {other:?}"),
        }
    }

    /// A call, and its answer.
    pub async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        let id = self.id;
        let call = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send(call.to_string()).await;
        let answer = self.hear().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// A call that is done.
    pub async fn call(&mut self, method: &str, params: Value) {
        let answer = self.ask(method, params.clone()).await;
        let done = json!({"jsonrpc": "2.0", "id": self.id, "result": null});
        assert_eq!(answer, done, "{method} {params}");
    }

    /// A call of Metrics about this media.
    pub async fn media(&mut self, method: &str, entity: &str) {
        self.call(&format!("Metrics.{method}"), json!({"entityId": entity})).await;
    }

    /// The same through a gateway, for this application.
    pub async fn media_of(&mut self, app: &str, method: &str, entity: &str) {
        let context = json!({"appId": app, "connectionId": 7, "requestId": 1});
        let params = json!({"entityId": entity, "context": context});
        self.call(&format!("metrics.{method}"), params).await;
    }

    pub async fn leave(mut self) {
        self.socket.close(None).await.expect("closed");
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}
