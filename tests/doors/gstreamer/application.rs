//! An application that plays with GStreamer (doors/gstreamer/tests/player.c) under the tracer, and what
//! there is to play.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::common::{Bus, PATIENCE, skip};

const DOOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/doors/gstreamer");
const PACKAGES: &str = "Debian packages: gcc make pkg-config libgstreamer1.0-dev libsystemd-dev \
                        gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good";

/// Where the tracer, the application and what it plays are. None, and the test is reported as
/// skipped, where GStreamer is not there.
pub struct Workshop {
    dir: PathBuf,
}

impl Workshop {
    pub fn open(test: &str) -> Option<Workshop> {
        let missing = missing();
        if !missing.is_empty() {
            skip(test, format!("{} missing ({PACKAGES})", missing.join(", ")));
            return None;
        }
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gstreamer");
        std::fs::create_dir_all(&dir).expect("a directory");
        // One test makes everything, the others find it done.
        let lock = File::create(dir.join("lock")).expect("a lock file");
        lock.lock().expect("the lock");
        let workshop = Workshop { dir };
        workshop.build();
        workshop.make_media();
        Some(workshop)
    }

    /// Both with the sanitizers, so that a wild pointer is a failed run.
    fn build(&self) {
        let make = Command::new("make")
            .args(["--no-print-directory", "-C", DOOR])
            .arg(format!("OUT={}", self.dir.display()))
            .arg("SANITIZE=address,undefined")
            .args([self.dir.join("libgstplayhead.so"), self.dir.join("player")])
            .output()
            .expect("make");
        let said = String::from_utf8_lossy(&make.stderr);
        assert!(make.status.success(), "{said}\n({PACKAGES})");
        // The first program to run writes down which plugins there are, which takes a second.
        if !self.dir.join("registry.bin").exists() {
            let status = self.program("").stdin(Stdio::null()).stdout(Stdio::null()).status();
            assert!(status.expect("the player").success());
        }
    }

    fn make_media(&self) {
        let film = "videotestsrc num-buffers=200 ! video/x-raw,width=64,height=48,framerate=10/1 \
                    ! jpegenc ! taginject tags=title=Harbour-Lights ! avimux name=mux ! FILE \
                    audiotestsrc num-buffers=200 samplesperbuffer=800 \
                    ! audio/x-raw,format=S16LE,rate=8000,channels=1 ! mux.";
        self.make("film.avi", film);
        for song in ["first", "second"] {
            let song_of = format!(
                "audiotestsrc num-buffers=60 samplesperbuffer=800 ! audio/x-raw,rate=8000,channels=1 \
                 ! taginject tags=title={song},artist=Nobody ! vorbisenc ! oggmux ! FILE"
            );
            self.make(&format!("{song}.ogg"), &song_of);
        }
        for (name, seconds) in [("click.wav", 2), ("half-minute.wav", 30)] {
            let silence = format!(
                "audiotestsrc wave=silence num-buffers={} samplesperbuffer=800 \
                 ! audio/x-raw,format=S16LE,rate=8000,channels=1 ! wavenc ! FILE",
                seconds * 10
            );
            self.make(name, &silence);
        }
    }

    /// Makes a file by a description of a pipeline, in which FILE stands for the sink.
    fn make(&self, name: &str, description: &str) {
        if self.dir.join(name).exists() {
            return;
        }
        let unfinished = self.dir.join(format!("{name}.new"));
        let sink = format!("filesink location={}", unfinished.display());
        let description = description.replace("FILE", &sink);
        let status =
            Command::new("gst-launch-1.0").arg("-q").args(description.split_whitespace()).status();
        assert!(status.expect("gst-launch-1.0").success(), "{description}");
        std::fs::rename(unfinished, self.dir.join(name)).expect("the file");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn uri(&self, name: &str) -> String {
        format!("file://{}", self.path(name).display())
    }

    fn program(&self, tracers: &str) -> Command {
        let mut program = Command::new(self.dir.join("player"));
        program
            .env("GST_TRACERS", tracers)
            .env("GST_PLUGIN_PATH", &self.dir)
            .env("GST_REGISTRY", self.dir.join("registry.bin"))
            // The scanner is a program without the sanitizers.
            .env("GST_REGISTRY_FORK", "no")
            // GLib keeps its types until the process ends.
            .env("ASAN_OPTIONS", "detect_leaks=0");
        program
    }

    /// Starts the application. `more`: further parameters of the tracer.
    pub fn start(&self, bus: &Bus, more: &str) -> Application {
        let tracers = format!("playhead(bus=\"{}\",app=tv.example.box{more})", bus.address);
        Application::start(&mut self.program(&tracers))
    }
}

/// The player in Python (doors/gstreamer/tests/player.py) with playhead_gst.py. None, and the test is
/// reported as skipped, where there is no GStreamer for Debian's Python.
pub fn in_python(test: &str, bus: &Bus, uri: &str) -> Option<Application> {
    let python = "/usr/bin/python3";
    let gst = "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst";
    if !works(python, &["-c", gst]) {
        skip(
            test,
            "GStreamer for Python missing (Debian packages: python3-gi gir1.2-gstreamer-1.0)",
        );
        return None;
    }
    let mut program = Command::new(python);
    program.arg(format!("{DOOR}/tests/player.py")).args([&bus.address, uri]);
    Some(Application::start(&mut program))
}

fn works(program: &str, arguments: &[&str]) -> bool {
    let mut program = Command::new(program);
    let status = program.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// What this machine lacks.
fn missing() -> Vec<&'static str> {
    let mut missing = Vec::new();
    for program in ["cc", "make", "gst-launch-1.0"] {
        if !works(program, &["--version"]) {
            missing.push(program);
        }
    }
    for library in ["gstreamer-1.0", "libsystemd"] {
        if !works("pkg-config", &["--exists", library]) {
            missing.push(library);
        }
    }
    let elements =
        ["playbin3", "uridecodebin", "souphttpsrc", "taginject", "jpegenc", "avimux", "vorbisenc"];
    for element in elements {
        if !works("gst-inspect-1.0", &["--exists", element]) {
            missing.push(element);
        }
    }
    missing
}

/// The application, killed on drop.
pub struct Application {
    child: Child,
    tells: Option<ChildStdin>,
    says: Receiver<String>,
}

impl Application {
    fn start(program: &mut Command) -> Application {
        let mut child =
            program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the player");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (said, says) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    return;
                }
            }
        });
        let mut application = Application { tells: child.stdin.take(), child, says };
        application.hears("ready");
        application
    }

    pub fn tell(&mut self, command: &str) {
        let input = self.tells.as_mut().expect("a pipe");
        writeln!(input, "{command}").expect("the player reads");
    }

    /// Waits until the application says this; what it says before does not matter.
    #[track_caller]
    pub fn hears(&mut self, line: &str) {
        self.next(line, |said| said == line);
    }

    #[track_caller]
    fn next(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut before = Vec::new();
        loop {
            match self.says.recv_timeout(PATIENCE) {
                Ok(said) if wanted(&said) => return said,
                Ok(said) => before.push(said),
                Err(e) => panic!("the player never said '{what}', but {before:?}: {e}"),
            }
        }
    }

    /// Waits until a pipeline is there, in seconds, or beyond.
    #[track_caller]
    pub fn reaches(&mut self, name: &str, seconds: f64) {
        self.tell(&format!("reach {name} {seconds}"));
        self.hears(&format!("reached {name}"));
    }

    /// Where a pipeline is, in seconds.
    #[track_caller]
    pub fn position(&mut self, name: &str) -> f64 {
        let start = format!("at {name} ");
        self.tell(&format!("where {name}"));
        let said = self.next(&start, |said| said.starts_with(&start));
        said[start.len()..].parse().expect("seconds")
    }

    pub fn dies(mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("its end");
    }

    /// The end of its input: it exits.
    pub fn exits(mut self) {
        self.tells = None;
        assert!(self.child.wait().expect("its end").success());
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
