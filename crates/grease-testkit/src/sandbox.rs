//! A place for one test: a home, a state directory, a config, and programs run in them.
//!
//! Programs start with a cleared environment and with no signal ignored, so that a test means
//! the same on a terminal, in CI, under cron and in the background of a script. What a test
//! says about `CI`, `TERM` and the like is all there is.

mod redact;

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use redact::redact;

/// Longest that a test waits for anything; only a fault makes it wait so long.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// A guard that decides by the slots alone, however loaded the machine is that tests run on.
pub const CALM: &str = r#", "guard": {"jitter": {"mode": "none"}, "start_spacing": 0, "max_jobs": 1000,
    "cost_capacity": 1000, "load1_per_core": {"low": 1000, "normal": 1000, "high": 1000},
    "pressure": {"memory_full_avg10": null, "io_full_avg60": null},
    "memory": {"min_available": 0, "floor": 0}, "pids_headroom": 0,
    "disk": {"scratch": {"min_free": 0, "min_free_pct": 0, "min_inodes_pct": 0},
             "cache": {"min_free": 0, "min_free_pct": 0, "min_inodes_pct": 0},
             "spool": {"min_free": 0, "min_free_pct": 0, "min_inodes_pct": 0}}}"#;

/// Pause between two looks at something that is waited for.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// A place for one test; everything in it goes with it, processes too.
#[derive(Debug)]
pub struct Sandbox {
    dir: TempDir,
    programs: PathBuf,
}

/// How a program ended, and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

/// A program that is about to be started.
#[derive(Debug)]
pub struct Run {
    command: Command,
    stdin: Vec<u8>,
}

/// A program that runs. Dropped before its end, it is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    readers: Option<[JoinHandle<Vec<u8>>; 2]>,
}

impl Sandbox {
    /// Makes a place for a test of the programs in the directory of `program`, such as
    /// `env!("CARGO_BIN_EXE_greaserun")`, with a config that keeps all state in it.
    pub fn new(program: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let programs = Path::new(program)
            .parent()
            .expect("a program has a directory")
            .to_owned();
        let sandbox = Self { dir, programs };
        for name in ["home", "work"] {
            fs_err::create_dir(sandbox.path(name)).expect("a fresh directory");
        }
        sandbox.config(r#"{"jobs": {"defaults": {"nice": 0}}}"#);
        sandbox
    }

    /// A path in the sandbox.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where programs start: `work` in the sandbox.
    pub fn work(&self, name: &str) -> PathBuf {
        self.path("work").join(name)
    }

    /// Replaces the config by `json` with `common.state_dir` added, and with [`CALM`] unless it has
    /// a section `guard`.
    pub fn config(&self, json: &str) {
        let state = self.path("state");
        let rest = json.trim_start().strip_prefix('{').expect("an object");
        let comma = [",", ""][usize::from(rest.trim_start().starts_with('}'))];
        let guard = if json.contains("\"guard\"") { "" } else { CALM };
        let state = state.display();
        let text = format!(r#"{{"common": {{"state_dir": "{state}"}}{guard}{comma}{rest}"#);
        fs_err::write(self.path("scalegrease.json"), text).expect("write the config");
    }

    /// Replaces the config by one with a place of its own for scratch directories, and [`CALM`].
    pub fn config_with_scratch(&self, scratch: &Path) {
        let (state, scratch) = (self.path("state"), scratch.display());
        let text = format!(
            r#"{{"common": {{"state_dir": "{}", "scratch_dir": "{scratch}"}}{CALM}}}"#,
            state.display()
        );
        fs_err::write(self.path("scalegrease.json"), text).expect("write the config");
    }

    /// The spool of this user in the sandbox.
    pub fn spool(&self) -> PathBuf {
        let uid = rustix::process::geteuid().as_raw();
        self.path("state").join("spool").join(uid.to_string())
    }

    /// The directories of finished runs, oldest first.
    pub fn sealed(&self) -> Vec<PathBuf> {
        list(&self.spool().join("sealed"))
    }

    /// The directories of live runs.
    pub fn live(&self) -> Vec<PathBuf> {
        list(&self.spool().join("runs"))
    }

    /// What is left in the default place of scratch directories.
    pub fn scratches(&self) -> Vec<PathBuf> {
        list(&self.spool().join("scratch"))
    }

    /// `greaserun -c CONFIG ARGUMENTS`.
    pub fn greaserun<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Run {
        let config = self.path("scalegrease.json");
        self.program("greaserun")
            .arguments(["-c".as_ref(), config.as_os_str()])
            .arguments(arguments)
    }

    /// One of our programs, by name, or any other by its path.
    pub fn program(&self, name: impl AsRef<OsStr>) -> Run {
        let name = name.as_ref();
        let ours = self.programs.join(name);
        #[expect(
            clippy::disallowed_methods,
            reason = "tests stand outside of the programs"
        )]
        let mut command = Command::new("env"); // It becomes the program: the id stays the same.
        command
            .arg("--default-signal")
            .arg(if ours.exists() {
                ours.as_os_str()
            } else {
                name
            })
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.path("home"))
            .env("LANG", "C.UTF-8")
            .current_dir(self.path("work"));
        Run {
            command,
            stdin: Vec::new(),
        }
    }

    /// The processes that run with this sandbox's home in the environment they started with,
    /// whoever their parent is by now; those that wait to be reaped are not among them.
    pub fn processes(&self) -> Vec<i32> {
        let home = [b"HOME=", self.path("home").as_os_str().as_bytes()].concat();
        let lives_here = |pid: &i32| {
            let environment = fs_err::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == home)
        };
        let entries = fs_err::read_dir("/proc")
            .expect("/proc is mounted")
            .flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(lives_here)
            .filter(|pid| is_running(*pid))
            .collect()
    }

    /// The directory of our programs, to put on a `PATH`.
    pub fn programs(&self) -> &Path {
        &self.programs
    }
}

impl Drop for Sandbox {
    /// Ends what a test left behind, so that a failed one does not disturb those after it.
    fn drop(&mut self) {
        for pid in self.processes() {
            let pid = rustix::process::Pid::from_raw(pid).expect("a process id");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok(); // It may have ended.
        }
    }
}

fn list(dir: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

impl Run {
    /// Adds arguments.
    #[must_use]
    pub fn arguments<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts in another directory.
    #[must_use]
    pub fn directory(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Feeds `bytes` to standard input; without this it is empty.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Gives the command away, for what this does not offer.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Starts the program.
    pub fn start(mut self) -> Running {
        let bytes = std::mem::take(&mut self.stdin);
        let (running, mut stdin) = self.start_and_type();
        std::thread::spawn(move || stdin.write_all(&bytes).ok());
        running
    }

    /// Starts the program and leaves its standard input open, to be written to step by step.
    pub fn start_and_type(mut self) -> (Running, ChildStdin) {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("start the program");
        let stdin = child.stdin.take().expect("piped");
        let readers = [
            reader(child.stdout.take().expect("piped")),
            reader(child.stderr.take().expect("piped")),
        ];
        (
            Running {
                child,
                readers: Some(readers),
            },
            stdin,
        )
    }

    /// Runs the program to its end, which must come before [`DEADLINE`].
    pub fn finish(self) -> Finished {
        self.start().finish()
    }
}

fn reader(mut source: impl std::io::Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        source
            .read_to_end(&mut bytes)
            .expect("read the program's output");
        bytes
    })
}

impl Running {
    /// The process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id")
    }

    /// Sends a signal by number.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid()).expect("a process id");
        rustix::process::kill_process(pid, signal).expect("the program runs");
    }

    /// Whether the program has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_some()
    }

    /// Waits for the end, which must come before [`DEADLINE`], and for the end of its output.
    pub fn finish(mut self) -> Finished {
        use std::os::unix::process::ExitStatusExt as _;

        wait_until("the program ends", || self.has_ended());
        let status = self.child.wait().expect("our child");
        let readers = self.readers.take().expect("taken once");
        wait_until("its output ends", || {
            readers.iter().all(JoinHandle::is_finished)
        });
        let [stdout, stderr] = readers.map(|reader| reader.join().expect("a reader"));
        Finished {
            code: status.code(),
            signal: status.signal(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok(); // It may have ended.
        self.child.wait().ok();
    }
}

impl Finished {
    /// Standard output as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Exit code, standard output and standard error in one text, for snapshots.
    pub fn all(&self) -> String {
        let code = self
            .code
            .map_or_else(|| "signal".to_owned(), |code| code.to_string());
        format!(
            "exit code: {code}\n----- stdout\n{}----- stderr\n{}",
            self.out(),
            self.err()
        )
    }
}

/// Waits until `holds`, and fails the test if that takes longer than [`DEADLINE`].
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::sleep(LOOK_PAUSE);
    }
}

/// Waits until a file is there and has content, and returns that.
pub fn wait_for_file(path: &Path) -> String {
    let mut content = String::new();
    wait_until(&format!("`{}` is written", path.display()), || {
        content = fs_err::read_to_string(path).unwrap_or_default();
        content.ends_with('\n')
    });
    content
}

/// Whether a process runs; a zombie does not.
pub fn is_running(pid: i32) -> bool {
    fs_err::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| !rest.starts_with('Z'))
    })
}

/// The state letter of a process, as `ps` shows it.
pub fn state(pid: i32) -> Option<char> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Words of a command line, for calls that mix texts and paths.
pub fn words(words: &[&dyn AsRef<OsStr>]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}
