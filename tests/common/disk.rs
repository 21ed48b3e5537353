//! Disks that are full, read-only or failing, and what tests of them look at.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use playheadd::bench::Record;

use super::{AGENT, AGENT_PATH, Agent, Info, Player, World, double};

/// Delivery that waits for nothing, and players that may say as much as they like.
pub const FAST: &str = "[delivery]\nreconnect_spread_seconds = 0\nbacklog_ratio = 0\nmax_rate = 0\n\n\
     [limits]\nevents_per_second = 100000\nevent_burst = 100000\n";

/// The app of every session here.
pub const APP: &str = "tv.example.tests";
/// Where each film was left.
pub const LEFT_AT: f64 = 60.0;

/// A file system of 16 MiB in a file.
pub struct Disk(tempfile::TempDir);

impl Disk {
    /// `None`, said by the test's name, without the right to mount.
    pub fn mount(test: &str) -> Option<Disk> {
        let disk = Disk(tempfile::tempdir().expect("a directory"));
        let (image, root) = (disk.0.path().join("image"), disk.0.path().join("root"));
        std::fs::create_dir(&root).expect("a directory");
        let file = std::fs::File::create(&image).expect("an image");
        file.set_len(16 << 20).expect("its size");
        let made = done(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image));
        let mounted = made && done(Command::new("mount").args(["-o", "loop"]).args([image, root]));
        if !mounted {
            super::skip(test, "no file system of its own can be mounted");
        }
        mounted.then_some(disk)
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }

    pub fn state(&self) -> PathBuf {
        self.root().join("state")
    }

    pub fn fill(&self) {
        // What no large block fits in is filled by small ones. The error is the point.
        for (name, size) in [("large", "bs=64k"), ("small", "bs=512")] {
            let file = self.root().join(name);
            let file = format!("of={}", file.display());
            assert!(!done(Command::new("dd").args(["if=/dev/zero", size, &file])), "not full");
        }
    }

    pub fn make_room(&self) {
        for name in ["large", "small"] {
            std::fs::remove_file(self.root().join(name)).expect("what filled the disk");
        }
    }

    pub fn take_no_writes(&self) {
        self.remount("remount,ro");
    }

    pub fn take_writes(&self) {
        self.remount("remount,rw");
    }

    fn remount(&self, how: &str) {
        assert!(done(Command::new("mount").args(["-o", how]).arg(self.root())), "{how}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.root()).output();
    }
}

/// System calls of a daemon that fail with EIO, until this is dropped.
pub struct Eio(Child);

impl Eio {
    /// Makes these system calls fail from now on, only those on `file` if there is one. `None`,
    /// said by the test's name, where a process cannot be traced.
    pub fn inject(test: &str, agent: &Agent, calls: &str, file: Option<&Path>) -> Option<Eio> {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-p", &agent.pid().to_string()]);
        strace.args(["-e", &format!("inject={calls}:error=EIO"), "-e", &format!("trace={calls}")]);
        if let Some(file) = file {
            strace.arg("-P").arg(file);
        }
        let tracer = strace.stderr(Stdio::null()).spawn().ok();
        let mut eio = tracer.map(Eio);
        while let Some(Eio(tracer)) = &mut eio {
            if all_traced(agent.pid()) {
                return eio;
            }
            if tracer.try_wait().expect("its state").is_some() {
                break;
            }
        }
        super::skip(test, "strace cannot trace the daemon");
        None
    }
}

impl Drop for Eio {
    fn drop(&mut self) {
        // strace lets go of the daemon when it is asked to end, and only then.
        let _ = Command::new("kill").arg(self.0.id().to_string()).output();
        let _ = self.0.wait();
    }
}

fn all_traced(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    threads.flatten().all(|thread| {
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
    })
}

fn done(command: &mut Command) -> bool {
    command.output().is_ok_and(|out| out.status.success())
}

pub async fn healthy(world: &World) -> bool {
    let value = world.player().await.property(AGENT_PATH, AGENT, "StoreHealthy").await;
    bool::try_from(value).expect("a boolean")
}

pub async fn queued(world: &World) -> u64 {
    let value = world.player().await.property(AGENT_PATH, AGENT, "QueuedHits").await;
    u64::try_from(value).expect("a number")
}

pub async fn consent(world: &World) -> String {
    let value = world.player().await.property(AGENT_PATH, AGENT, "Consent").await;
    String::try_from(value).expect("a word")
}

pub async fn set_consent(player: &Player, word: &str) -> zbus::Result<()> {
    player
        .connection
        .call_method(Some(AGENT), AGENT_PATH, Some(AGENT), "SetConsent", &(word,))
        .await
        .map(|_| ())
}

/// From now on the collector takes nothing.
pub fn send_collector_away(world: &World) {
    world.collector.set_rules_json(r#"[{"on": "sessions", "status": 503}]"#).expect("a rule");
}

/// The collector takes everything, and has seen nothing yet.
pub fn bring_collector_back(world: &World) {
    world.collector.set_rules(Vec::new());
    world.collector.clear();
}

pub fn a_film(id: &str) -> Info {
    let (id, app) = (id.to_owned(), APP.to_owned());
    Info::from([("id", id.into()), ("app", app.into()), ("length", 600.0.into())])
}

/// The same at such length that sled gets it at once: what is short goes to its journal.
pub fn a_film_at_length(id: &str) -> Info {
    let said: HashMap<String, String> =
        (0..8).map(|n| (format!("said{n}"), "at length ".repeat(400))).collect();
    let mut film = a_film(id);
    film.insert("metadata", said.into());
    film
}

/// Plays films from beginning to end; every call is answered.
pub async fn play_films(player: &Player, name: &str, count: usize) -> Vec<String> {
    let ids: Vec<String> = (0..count).map(|n| format!("{name}-{n}")).collect();
    for id in &ids {
        let session = player.open(0.0, a_film(id)).await.expect("a session");
        player.call(&session, "Play", 0.0, Info::new()).await.expect("play");
        player.call(&session, "End", LEFT_AT, Info::new()).await.expect("end");
    }
    ids
}

/// Where a film was left, if the daemon knows it.
pub async fn left_at(world: &World, id: &str) -> Option<f64> {
    let point = world.player().await.resume_point(APP, id).await;
    point.get("position").map(double)
}

/// How often the collector has taken the start and the end of each film.
pub fn starts_and_ends(hits: &[Record]) -> BTreeMap<String, (usize, usize)> {
    let mut films: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let taken: Vec<_> = hits.iter().filter(|hit| hit.counted).collect();
    for start in taken.iter().filter(|hit| hit.event_type() == "sessionStart") {
        let id = start.body["params"]["media.id"].as_str().expect("a media id");
        let of_it = taken.iter().filter(|hit| hit.sid == start.sid);
        let ends = of_it.filter(|hit| hit.event_type() == "sessionEnd").count();
        let film = films.entry(id.to_owned()).or_default();
        *film = (film.0 + 1, film.1 + ends);
    }
    films
}

/// Whether the collector has taken the whole of each film at least once.
pub fn all_there(hits: &[Record], ids: &[String]) -> bool {
    let films = starts_and_ends(hits);
    ids.iter().all(|id| films.get(id).is_some_and(|(starts, ends)| *starts > 0 && *ends > 0))
}

/// Every one of these films was delivered from its start to its end, and none of them twice.
#[track_caller]
pub fn assert_once_each(hits: &[Record], ids: &[String]) {
    let films = starts_and_ends(hits);
    let wrong: Vec<_> = ids
        .iter()
        .map(|id| (id, films.get(id)))
        .filter(|(_, film)| *film != Some(&(1, 1)))
        .collect();
    assert!(wrong.is_empty(), "not once from start to end: {wrong:?}");
}

/// The names in a state directory that begin like this.
pub fn named_like(dir: &Path, start: &str) -> Vec<String> {
    let names = std::fs::read_dir(dir).expect("the state directory").flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(start)).collect()
}

/// No store was thought to be broken.
#[track_caller]
pub fn assert_none_broken(world: &World) {
    assert_eq!(named_like(world.agent.state(), "db.broken"), [""; 0]);
}

/// Whether any file below a directory has these bytes.
pub fn holds(dir: &Path, needle: &str) -> bool {
    std::fs::read_dir(dir).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, needle);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(needle.len()).any(|w| w == needle.as_bytes())
    })
}

/// Bytes of all files below a directory.
pub fn bytes_in(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => bytes_in(&entry.path()),
        _ => entry.metadata().map_or(0, |file| file.len()),
    };
    entries.map(size).sum()
}
