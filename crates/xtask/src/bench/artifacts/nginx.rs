//! The repository server: nginx, which serves one directory under as many names as there are
//! clients, and whose log tells who asked for what.

use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::bench::ground::silent;
use crate::command::command;

/// Where Debian puts it, which is not on every user's `PATH`.
const PROGRAMS: [&str; 2] = ["nginx", "/usr/sbin/nginx"];

/// Longest wait for the server to start or to write its log: far more than it takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Asked for by ourselves, to know that the log has all that was asked before.
const MARK: &str = "/mark";

/// A server that runs. Dropped, it ends.
pub(super) struct Nginx {
    child: Child,
    port: u16,
    log: PathBuf,
    /// Lines of the log that were read.
    read: Cell<usize>,
    /// Name and version.
    pub(super) version: String,
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// The client's name: the first segment of the path.
    pub(super) client: String,
    pub(super) status: u16,
    /// Bytes of the body that was sent.
    pub(super) body_bytes: u64,
}

impl Nginx {
    /// Serves the directory `site`, with its own files in the empty directory `own`.
    pub(super) fn start(own: &Path, site: &Path) -> Result<Self> {
        let (program, version) = find().context("the server is missing: install nginx-light")?;
        // Free a moment ago: as good as it gets with a server that cannot choose one itself.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let log = own.join("access.log");
        let configuration = own.join("nginx.conf");
        fs_err::write(&configuration, configure(own, site, port))?;
        let child = silent(program)
            .arg("-p")
            .arg(own)
            .arg("-e")
            .arg(own.join("error.log"))
            .arg("-c")
            .arg(&configuration)
            .spawn()?;
        let nginx = Self {
            child,
            port,
            log,
            read: Cell::new(0),
            version,
        };
        let begun = Instant::now();
        while let Err(error) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            if begun.elapsed() > PATIENCE {
                let errors = fs_err::read_to_string(own.join("error.log")).unwrap_or_default();
                bail!("nginx does not start: {error}\n{errors}");
            }
            thread::sleep(PAUSE);
        }
        Ok(nginx)
    }

    /// The address of the repository, for a client with a name of its own.
    pub(super) fn url(&self, client: &str) -> String {
        format!("http://127.0.0.1:{}/{client}/", self.port)
    }

    /// What was asked for since the last time.
    pub(super) fn asked(&self) -> Result<Vec<Asked>> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.write_all(format!("GET {MARK} HTTP/1.0\r\n\r\n").as_bytes())?;
        stream.read_to_end(&mut Vec::new())?;
        let begun = Instant::now();
        loop {
            let text = fs_err::read_to_string(&self.log)?;
            let lines: Vec<&str> = text.split_inclusive('\n').skip(self.read.get()).collect();
            if let Some(end) = lines.iter().position(|line| line.contains(MARK)) {
                self.read.set(self.read.get() + end + 1);
                return lines.iter().take(end).map(|line| asked(line)).collect();
            }
            if begun.elapsed() > PATIENCE {
                bail!("nginx does not log what it was asked for");
            }
            thread::sleep(PAUSE);
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The program, and its name with the version.
fn find() -> Option<(&'static str, String)> {
    PROGRAMS.into_iter().find_map(|program| {
        let output = command(program).arg("-v").output().ok()?;
        let text = String::from_utf8(output.stderr).ok()?;
        let (_, version) = text.trim().rsplit_once(": ")?;
        output
            .status
            .success()
            .then(|| (program, version.to_owned()))
    })
}

/// One process is enough for one client at a time, and runs as whoever started it.
fn configure(own: &Path, site: &Path, port: u16) -> String {
    let (own, site) = (own.display(), site.display());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {own}/{kind};\n"))
        .concat();
    format!(
        "daemon off;
master_process off;
pid {own}/nginx.pid;
events {{}}
http {{
{temporary}    log_format requests '$uri $status $body_bytes_sent';
    access_log {own}/access.log requests;
    sendfile on;
    tcp_nopush on;
    default_type application/octet-stream;
    server {{
        listen 127.0.0.1:{port};
        location = {MARK} {{ return 204; }}
        location ~ ^/[^/]+/(.*)$ {{ alias {site}/$1; }}
    }}
}}
"
    )
}

/// Reads a line of the log: path, status, bytes.
fn asked(line: &str) -> Result<Asked> {
    let read = || {
        let mut words = line.split_whitespace();
        let client = words.next()?.split('/').nth(1)?.to_owned();
        let status = words.next()?.parse().ok()?;
        let body_bytes = words.next()?.parse().ok()?;
        Some(Asked {
            client,
            status,
            body_bytes,
        })
    };
    read().with_context(|| format!("nginx logged `{line}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_names_client_status_and_bytes() {
        let expected = Asked {
            client: "mvn".to_owned(),
            status: 304,
            body_bytes: 0,
        };
        assert_eq!(asked("/mvn/com/a.jar 304 0\n").unwrap(), expected);
        asked("/mvn/com/a.jar 304\n").unwrap_err();
    }

    #[test]
    fn requests_are_counted_for_the_client_that_made_them_and_only_once() {
        if find().is_none() {
            println!("skipped: nginx is not installed");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let (own, site) = (directory.path().join("own"), directory.path().join("site"));
        fs_err::create_dir(&own).unwrap();
        fs_err::create_dir(&site).unwrap();
        fs_err::write(site.join("file"), "content").unwrap();
        let nginx = Nginx::start(&own, &site).unwrap();
        let get = |url: &str| {
            let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap();
            let mut stream = TcpStream::connect(host).unwrap();
            let request = format!("GET /{path}file HTTP/1.0\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            assert!(text.ends_with("\r\n\r\ncontent"), "{text}");
        };
        for client in ["one", "two"] {
            get(&nginx.url(client));
        }
        let clients = |asked: Vec<Asked>| -> Vec<(String, u16, u64)> {
            asked
                .into_iter()
                .map(|one| (one.client, one.status, one.body_bytes))
                .collect()
        };
        assert_eq!(
            clients(nginx.asked().unwrap()),
            [("one".to_owned(), 200, 7), ("two".to_owned(), 200, 7)]
        );
        assert_eq!(clients(nginx.asked().unwrap()), []);
    }
}
