//! A real web server that serves directories as repositories, and the log of what it was asked.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use grease_testkit::component::{Component, require};
use tempfile::TempDir;

/// How long anything may take that takes a moment.
const DEADLINE: Duration = Duration::from_secs(20);

/// How often a port is tried: another program may take it first.
const TRIES_MAX: u32 = 5;

/// An nginx on a free port of the loopback; it ends when it is dropped.
pub(crate) struct Nginx {
    program: Child,
    port: u16,
    /// Its configuration, log and temporary files.
    directory: TempDir,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// What was asked for.
    pub(crate) path: String,
    /// What was answered.
    pub(crate) status: u16,
    /// How long the body of the answer was.
    pub(crate) sent_bytes: u64,
    /// `Range`, or `-`.
    pub(crate) range: String,
}

impl Nginx {
    /// Serves the files of `root`; none, and the test is skipped, if there is no nginx.
    pub(crate) fn serve(root: &Path) -> Option<Self> {
        let found = require(Component::Nginx)?;
        let started = (0..TRIES_MAX).find_map(|_| Self::try_serve(&found.path, root));
        Some(started.expect("nginx starts on one of several ports"))
    }

    fn try_serve(program: &Path, root: &Path) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let configuration = directory.path().join("nginx.conf");
        fs_err::write(&configuration, text(directory.path(), root, port)).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a server for the tests")]
        let mut command = Command::new(program);
        let child = command
            .arg("-p")
            .arg(directory.path())
            .arg("-e")
            .arg(directory.path().join("error.log"))
            .arg("-c")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self {
            program: child,
            port,
            directory,
        };
        let is_up = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        let start = Instant::now();
        while start.elapsed() < DEADLINE {
            if server.program.try_wait().unwrap().is_some() {
                return None; // The port was taken.
            }
            if is_up() {
                return Some(server);
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("nginx does not start");
    }

    /// The repository's address, with a slash at its end.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// The requests so far, once there are as many as expected of those that are meant.
    pub(crate) fn requests(
        &self,
        expected: usize,
        is_meant: impl Fn(&Request) -> bool,
    ) -> Vec<Request> {
        let start = Instant::now();
        loop {
            // A request is written down after its answer was sent.
            let log = fs_err::read(self.log()).unwrap_or_default();
            let text = String::from_utf8(log).unwrap();
            let requests: Vec<_> = text
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'))
                .map(Request::of)
                .filter(&is_meant)
                .collect();
            if requests.len() >= expected {
                return requests;
            }
            assert!(
                start.elapsed() < DEADLINE,
                "{} requests instead of {expected}:\n{text}",
                requests.len()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("access.log")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.program.kill().ok();
        self.program.wait().ok();
    }
}

impl Request {
    fn of(line: &str) -> Self {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [path, status, sent_bytes, range] = fields.as_slice() else {
            panic!("`{line}` is not in the format of the log");
        };
        Self {
            path: path.trim_start_matches('/').to_owned(),
            status: status.parse().unwrap(),
            sent_bytes: sent_bytes.parse().unwrap(),
            range: (*range).to_owned(),
        }
    }
}

/// A configuration under which one process of any user does everything.
fn text(directory: &Path, root: &Path, port: u16) -> String {
    let directory = directory.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {directory}/{kind};"))
        .concat();
    format!(
        "daemon off; master_process off; pid {directory}/pid;\n\
         events {{ }}\n\
         http {{\n\
         log_format short '$uri $status $body_bytes_sent $request_range';\n\
         map $http_range $request_range {{ '' -; default $http_range; }}\n\
         access_log {directory}/access.log short;\n\
         {temporary}\n\
         types {{ text/xml xml pom; application/java-archive jar; text/plain sha1 md5; }}\n\
         server {{ listen 127.0.0.1:{port}; root {root}; }}\n\
         }}\n",
        root = root.display()
    )
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
