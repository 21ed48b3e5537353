//! The real store and a power cut (behaviour.md 2.9): its directory is copied while it is written,
//! what had not reached the medium is dropped page by page, and the copy is opened. It opens, and
//! what was synced is there. Bytes that no cut explains must not stop the process either.
//!
//! A copy is opened in a process of its own in which a panic is the end, as it is for the daemon.
//! `PLAYHEADD_CUTS` says how many cuts.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use common::Rng;
use playheadd::core::clock::BootId;
use playheadd::core::record::{
    Batch, Durability, Key, Read, ReadId, Record, ReportRange, ResumePoint, StoredReport,
};
use playheadd::core::report::{ErrorSource, PlayerError, Report, What};
use playheadd::core::time::BootInstant;
use playheadd::store::copy::MemoryDir;
use playheadd::store::opening::{OpenStore, Opened, StoreLocation};
use playheadd::store::reader::Reader;
use playheadd::store::sled::{self as store, SledStore};

/// How long an opening may take before it counts as a hang.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a medium writes as a whole.
const PAGE: usize = 4096;
/// What an opened store has to take before it counts as sound.
const BATCHES_AFTERWARDS: usize = 200;
/// Starts that a service manager makes of a daemon that dies over its store.
const STARTS: usize = 3;
const GENERATION: u64 = 1;
/// Names the directory to the process that opens it.
const DIR: &str = "PLAYHEADD_TEST_OPENS";

/// The files of a directory as they were at a moment, or page by page at several.
#[derive(Clone, Default)]
struct Image(BTreeMap<PathBuf, Vec<u8>>);

impl Image {
    fn read(root: &Path) -> Image {
        let mut image = Image::default();
        let mut left = vec![root.to_owned()];
        while let Some(dir) = left.pop() {
            // A file that goes away meanwhile is not there.
            for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    left.push(path);
                } else if let Ok(bytes) = std::fs::read(&path) {
                    let name = path.strip_prefix(root).expect("below the root").to_owned();
                    image.0.insert(name, bytes);
                }
            }
        }
        image
    }

    fn write(&self, root: &Path) {
        std::fs::create_dir_all(root.join("db/blobs")).expect("a directory");
        for (name, bytes) in &self.0 {
            std::fs::write(root.join(name), bytes).expect("a file");
        }
    }

    /// What a medium may hold when the power goes: every page as it was synced or as it was
    /// written later.
    fn torn(&self, now: &Image, chance: &mut Rng) -> Image {
        let mut torn = Image::default();
        // A snapshot is synced before it takes its name, so these come all old or all new.
        let snapshots_are_new = chance.below(2) == 1;
        let names: BTreeSet<_> = self.0.keys().chain(now.0.keys()).collect();
        for name in names {
            let (old, new) = (self.0.get(name), now.0.get(name));
            let snapshot = name.to_string_lossy().contains("snap.");
            let bytes = match (old, new) {
                _ if snapshot && snapshots_are_new => new.cloned(),
                _ if snapshot => old.cloned(),
                (Some(old), Some(new)) => Some(torn_pages(old, new, chance)),
                (None, Some(new)) => {
                    [None, Some(Vec::new()), Some(new.clone())][chance.below(3)].clone()
                }
                (old, None) => old.filter(|_| chance.below(2) == 1).cloned(),
            };
            torn.0.extend(bytes.map(|bytes| (name.clone(), bytes)));
        }
        torn
    }
}

fn torn_pages(old: &[u8], new: &[u8], chance: &mut Rng) -> Vec<u8> {
    let grown = if chance.below(2) == 1 { new.len() } else { old.len() };
    let mut bytes = Vec::with_capacity(grown);
    for at in (0..grown).step_by(PAGE) {
        let end = grown.min(at + PAGE);
        let from = if chance.below(2) == 1 { new } else { old };
        let written = from.get(at..end.min(from.len())).unwrap_or_default();
        bytes.extend_from_slice(written);
        bytes.resize(end, 0);
    }
    bytes
}

fn location(dir: &Path) -> StoreLocation {
    let reader = Reader { program: env!("CARGO_BIN_EXE_playheadd").into(), patience: PATIENCE };
    let memory = MemoryDir::of(dir);
    StoreLocation {
        dir: dir.to_owned(),
        max_bytes: 64 << 20,
        memory,
        reader,
        lock: Default::default(),
    }
}

/// Opens the store that the environment names and prints what it holds. Not a test by itself.
#[test]
fn opened_in_a_process_of_its_own() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    std::panic::set_hook(Box::new(|why| {
        eprintln!("{why}");
        std::process::abort();
    }));
    store::note_panics(Path::new(&dir));
    let location = location(Path::new(&dir));
    let Opened { store: OpenStore::Disk(mut store), stored, .. } = location.open(GENERATION) else {
        panic!("it opens, or is set aside");
    };
    for (_, media, point) in &stored.points {
        println!("= R {media} {}", point.position);
    }
    let range = ReportRange { log: 1, from: 0, to: u64::MAX };
    let all = Read { id: ReadId(1), range, most: usize::MAX };
    for (number, stored) in store.read(&all).expect("reports can be read").reports {
        println!("= H 1/{number} {}", stored.report.playhead);
    }
    // It goes on: what is torn further in the file must not be met later either.
    let mut playback = Playback::new(3, 400);
    for _ in 0..BATCHES_AFTERWARDS {
        store.apply(&[playback.batch()]).expect("it can be written");
    }
    println!("= whole");
}

/// For each key the values that keep the promise; `None` is a key that is gone.
type Promise = BTreeMap<String, BTreeSet<Option<String>>>;

/// What came of an opening.
#[derive(Debug)]
enum Opening {
    /// Key and value of each record, and whether a broken database was set aside.
    Works(BTreeMap<String, String>, bool),
    /// The end of the process, or no end of it.
    Fails(String),
}

fn open(dir: &Path) -> Opening {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "opened_in_a_process_of_its_own", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    let (mut out, mut err) = (child.stdout.take().expect("a pipe"), child.stderr.take());
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = out.read_to_string(&mut text);
        let _ = said.send(text);
    });
    let text = heard.recv_timeout(PATIENCE);
    let _ = child.kill();
    let status = child.wait().expect("its end");
    let mut why = String::new();
    if let Some(err) = &mut err {
        let _ = err.read_to_string(&mut why);
    }
    let Ok(text) = text else { return Opening::Fails("it hangs".into()) };
    if !text.contains("= whole") {
        return Opening::Fails(format!("{status}: {why}"));
    }
    let records = text.lines().filter_map(|line| line.split_once("= ")?.1.rsplit_once(' '));
    let records = records.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    Opening::Works(records, dir.join("db.broken-1").exists())
}

fn resume_point(media: usize, position: u64) -> (Key, Option<Record>) {
    let point = ResumePoint {
        position: position as f64,
        length: 0.0,
        live: false,
        completed: false,
        ended_at: None,
        ended: BootInstant(0),
        boot: BootId("b".into()),
        session: None,
    };
    (Key::Resume("tv.app".into(), media.to_string()), Some(Record::Resume(point)))
}

/// A change as `open` tells of it.
fn told((key, record): &(Key, Option<Record>)) -> (String, Option<String>) {
    let key = match key {
        Key::Resume(_, media) => format!("R {media}"),
        Key::Report(log, number) => format!("H {log}/{number}"),
        other => panic!("{other:?} is not written here"),
    };
    let value = record.as_ref().map(|record| match record {
        Record::Resume(point) => point.position.to_string(),
        Record::Report(stored) => stored.report.playhead.to_string(),
        other => panic!("{other:?} is not written here"),
    });
    (key, value)
}

/// Batches as the daemon writes them: hits come and go in order, resume points change.
struct Playback {
    chance: Rng,
    serial: u64,
    first: u64,
    /// The longest text in a hit.
    text_bytes: usize,
}

impl Playback {
    fn new(seed: u64, text_bytes: usize) -> Playback {
        Playback { chance: Rng(seed), serial: 0, first: 0, text_bytes }
    }

    fn batch(&mut self) -> Batch {
        let mut changes = Vec::new();
        for _ in 0..=self.chance.below(4) {
            self.serial += 1;
            let text = "x".repeat(self.chance.below(self.text_bytes));
            let error = Box::new(PlayerError { id: text, source: ErrorSource::Player });
            let report = Report::new(What::Error(error), BootInstant(0), self.serial as f64);
            let stored = StoredReport { report, recorded_at: None };
            changes.push((Key::Report(1, self.serial), Some(Record::Report(stored))));
        }
        while self.serial - self.first > 40 {
            self.first += 1;
            changes.push((Key::Report(1, self.first), None));
        }
        changes.push(resume_point(1 + self.chance.below(30), self.serial));
        let durability =
            if self.chance.below(8) == 0 { Durability::Synced } else { Durability::Flushed };
        let (deleted_reports, deleted) = (Vec::new(), Vec::new());
        Batch { number: self.serial, changes, deleted_reports, deleted, durability }
    }
}

/// What the writer has done so far.
#[derive(Default)]
struct Done {
    /// How many syncs were completed, and what the last one covers: records and files.
    syncs: usize,
    synced: BTreeMap<String, Option<String>>,
    image: Image,
    /// Written since, batch by batch, and what is being written.
    later: Vec<(String, Option<String>)>,
    current: Vec<(String, Option<String>)>,
}

/// Writes until told to stop.
fn write(dir: &Path, mut playback: Playback, done: &Arc<Mutex<Done>>, stop: &AtomicBool) {
    let (mut store, _) = SledStore::open(dir, GENERATION, u64::MAX).expect("a store");
    // The store syncs by itself, too, when much was written since the last time.
    let (heard, files) = (done.clone(), dir.to_owned());
    store.on_sync(Box::new(move || {
        let mut done = heard.lock().expect("the writer's record");
        let Done { syncs, synced, later, image, .. } = &mut *done;
        *syncs += 1;
        synced.extend(later.drain(..));
        *image = Image::read(&files);
    }));
    while !stop.load(Ordering::Relaxed) {
        let batch = playback.batch();
        done.lock().expect("the writer's record").current =
            batch.changes.iter().map(told).collect();
        store.apply(std::slice::from_ref(&batch)).expect("written");
        let mut done = done.lock().expect("the writer's record");
        let Done { synced, later, current, .. } = &mut *done;
        match batch.durability {
            Durability::Synced => synced.extend(current.drain(..)),
            Durability::Flushed => later.append(current),
        }
    }
}

/// The files as a cut leaves them, and what may be found in them: for each key the values that
/// keep the promise.
fn cut(dir: &Path, done: &Mutex<Done>, chance: &mut Rng) -> Option<(Image, Promise)> {
    let lock = || done.lock().expect("the writer's record");
    let (syncs, old) = {
        let done = lock();
        (done.syncs, done.image.clone())
    };
    let new = Image::read(dir);
    let done = lock();
    if syncs == 0 || done.syncs != syncs {
        // Another sync came in between, and no medium forgets that one.
        return None;
    }
    let synced = done.synced.iter().map(|(key, value)| (key.clone(), [value.clone()].into()));
    let mut allowed: BTreeMap<_, BTreeSet<_>> = synced.collect();
    for (key, value) in done.later.iter().chain(&done.current).cloned() {
        allowed.entry(key).or_insert_with(|| [None].into()).insert(value);
    }
    drop(done);
    Some((old.torn(&new, chance), allowed))
}

fn cuts() -> usize {
    let told = std::env::var_os("PLAYHEADD_CUTS");
    told.and_then(|n| n.to_str()?.parse().ok()).unwrap_or(25)
}

fn cut_the_power(seed: u64, text_bytes: usize) {
    let dir = tempfile::tempdir().expect("a directory");
    let live = dir.path().join("live");
    let (done, stop) = (Arc::new(Mutex::new(Done::default())), Arc::new(AtomicBool::new(false)));
    let writer = {
        let (live, done, stop) = (live.clone(), done.clone(), stop.clone());
        let playback = Playback::new(seed, text_bytes);
        std::thread::spawn(move || write(&live, playback, &done, &stop))
    };
    let mut chance = Rng(seed);
    let (mut broken, mut left, mut seen) = (Vec::new(), cuts(), 0);
    while left > 0 && !writer.is_finished() {
        let Some((image, allowed)) = cut(&live, &done, &mut chance) else { continue };
        left -= 1;
        let copy = dir.path().join(format!("cut-{left}"));
        image.write(&copy);
        match open(&copy) {
            Opening::Works(found, aside) => {
                seen += found.len();
                let wrong = allowed
                    .iter()
                    .filter(|(key, values)| !values.contains(&found.get(*key).cloned()));
                let wrong: Vec<_> = wrong.map(|(k, v)| (k, v, found.get(k))).take(4).collect();
                if aside || !wrong.is_empty() {
                    broken.push(format!("cut {left}: set aside: {aside}, {wrong:?}"));
                }
            }
            Opening::Fails(why) => broken.push(format!("cut {left}: {why}")),
        }
        let _ = std::fs::remove_dir_all(copy);
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().expect("the writer");
    assert!(seen > 10 * cuts(), "{seen} records in all: the test tests nothing");
    assert!(broken.is_empty(), "{} of {} cuts: {broken:#?}", broken.len(), cuts());
}

#[test]
fn what_was_synced_survives_a_power_cut() {
    cut_the_power(1, 400);
}

#[test]
fn large_records_survive_a_power_cut_too() {
    cut_the_power(2, 6_000);
}

/// A kill loses nothing that was written, at whatever length the journal in front of sled is.
#[test]
fn what_was_written_survives_a_kill() {
    let dir = tempfile::tempdir().expect("a directory");
    let (live, copy) = (dir.path().join("live"), dir.path().join("copy"));
    let (mut store, _) = SledStore::open(&live, GENERATION, u64::MAX).expect("a store");
    let (mut playback, mut written) = (Playback::new(5, 900), BTreeMap::new());
    for _ in 0..cuts() {
        for _ in 0..7 {
            let batch = playback.batch();
            store.apply(std::slice::from_ref(&batch)).expect("written");
            written.extend(batch.changes.iter().map(told));
        }
        Image::read(&live).write(&copy);
        let Opening::Works(found, false) = open(&copy) else { panic!("it opens") };
        let lost: Vec<_> =
            written.iter().filter(|(key, value)| found.get(*key) != value.as_ref()).collect();
        assert!(lost.is_empty(), "lost after {} hits: {lost:?}", playback.serial);
        std::fs::remove_dir_all(&copy).expect("removed");
    }
}

/// One fault of a medium: bits, a page, or a file.
fn spoil(image: &mut Image, chance: &mut Rng) -> String {
    let names: Vec<PathBuf> = image.0.keys().cloned().collect();
    let name = &names[chance.below(names.len())];
    let bytes = image.0.get_mut(name).expect("a file");
    let at = chance.below(bytes.len());
    let page = at - at % PAGE..bytes.len().min(at - at % PAGE + PAGE);
    let how = match chance.below(7) {
        0 if !bytes.is_empty() => {
            bytes[at] ^= 1 << chance.below(8);
            "a flipped bit"
        }
        1 if !bytes.is_empty() => {
            bytes[page].fill(0);
            "a page of zeros"
        }
        2 if !bytes.is_empty() => {
            bytes[page].iter_mut().for_each(|b| *b = chance.below(256) as u8);
            "a page of noise"
        }
        3 => {
            let from = chance.below(bytes.len() / PAGE) * PAGE;
            let (from, to) = (bytes[from..].to_vec(), &mut bytes[page]);
            to.iter_mut().zip(from).for_each(|(to, from)| *to = from);
            "a page of elsewhere"
        }
        4 => {
            bytes.truncate(at);
            "a short file"
        }
        5 => {
            image.0.remove(name);
            "a missing file"
        }
        _ => {
            bytes.clear();
            "an empty file"
        }
    };
    format!("{} in {}", how, name.display())
}

/// Whatever the medium does to the files, the daemon is not stuck on them: the third start that a
/// service manager makes has a store that works (behaviour.md 2.9).
#[test]
fn no_damage_holds_up_more_than_two_starts() {
    let dir = tempfile::tempdir().expect("a directory");
    let live = dir.path().join("live");
    let mut playback = Playback::new(4, 6_000);
    let (mut store, _) = SledStore::open(&live, GENERATION, u64::MAX).expect("a store");
    for _ in 0..400 {
        store.apply(&[playback.batch()]).expect("written");
    }
    store.close();
    let whole = Image::read(&live);
    let mut chance = Rng(5);
    let mut stuck = Vec::new();
    for n in 0..cuts() {
        let mut image = whole.clone();
        let faults: Vec<_> = (0..=n % 3).map(|_| spoil(&mut image, &mut chance)).collect();
        let copy = dir.path().join(format!("spoiled-{n}"));
        image.write(&copy);
        let mut deaths = Vec::new();
        while deaths.len() < STARTS {
            match open(&copy) {
                Opening::Works(..) => break,
                Opening::Fails(why) => deaths.push(why),
            }
        }
        println!("{faults:?}: {deaths:?}");
        if deaths.len() == STARTS {
            stuck.push((faults, deaths));
        }
        let _ = std::fs::remove_dir_all(copy);
    }
    assert!(stuck.is_empty(), "{} of {}: {stuck:#?}", stuck.len(), cuts());
}
