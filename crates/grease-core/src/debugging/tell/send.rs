//! Sends what is to be said: over HTTP, and to commands. Nothing here takes longer than [`PATIENCE`]
//! and some.

use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::blocking::Client;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::model::harmless;

/// How long an address or a command has.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Distance of two looks at a command.
const LOOK: Duration = Duration::from_millis(50);

/// What is kept of the last that a command wrote to standard error.
const SAID_BYTES_MAX: usize = 400;

/// Where commands look for programs: they inherit nothing.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a server says how long the body of a ping may be.
const BODY_LIMIT: &str = "Ping-Body-Limit";

/// Posts. The client is made when first needed, and kept.
#[derive(Debug, Default)]
pub(super) struct Http {
    client: Option<Client>,
}

/// Why something was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Nobody is there, or hears.
    #[error("{0}")]
    Unreachable(String),
    /// Another time it may be.
    #[error("{0}")]
    Later(String),
    /// It never will.
    #[error("{0}")]
    Never(String),
}

impl Http {
    /// Posts a body; returns how long the server lets the bodies of pings be, if it says so.
    ///
    /// Errors name the host alone: the rest of such addresses is mostly a key.
    pub(super) fn post(
        &mut self,
        url: &Url,
        kind: &'static str,
        body: Vec<u8>,
    ) -> Result<Option<usize>, Refusal> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let client = match &self.client {
            Some(client) => client,
            None => self.client.insert(client().map_err(|error| {
                Refusal::Later(format!("no HTTP client: {}", innermost(&error)))
            })?),
        };
        let answer = client
            .post(url.clone())
            .header(reqwest::header::CONTENT_TYPE, kind)
            .body(body)
            .send()
            .map_err(|error| {
                Refusal::Unreachable(format!("`{host}` does not answer: {}", innermost(&error)))
            })?;
        let status = answer.status();
        let text = format!("`{host}` answers with status {status}");
        match status.as_u16() {
            200..=299 => {
                let limit = answer.headers().get(BODY_LIMIT);
                Ok(limit.and_then(|limit| limit.to_str().ok()?.trim().parse().ok()))
            }
            408 | 425 | 429 | 500..=599 => Err(Refusal::Later(text)),
            _ => Err(Refusal::Never(text)),
        }
    }
}

impl Drop for Http {
    /// A client ends its own thread, which a name server that does not answer can hold up.
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            std::thread::spawn(move || drop(client));
        }
    }
}

fn client() -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(concat!("scalegrease/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .http1_only()
        .no_proxy()
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE / 2)
        .build()
}

/// The innermost cause in its own words; what stands around it has the address in it.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Runs a command with `input` on its standard input; whatever it starts ends with it.
///
/// It gets no variable of ours, no descriptor, and not our directory. The input lies in a file
/// without a name in `directory`, so that nobody waits for a command that does not read it.
pub(super) fn command(words: &[String], input: &[u8], directory: &Path) -> Result<(), Refusal> {
    let [program, arguments @ ..] = words else {
        return Err(Refusal::Never("the command has no words".to_owned()));
    };
    let told = |error: io::Error| Refusal::Later(format!("`{program}` cannot be run: {error}"));
    let input = nameless(input, directory).map_err(told)?;
    #[expect(clippy::disallowed_methods, reason = "it is no job: it is told of one")]
    let mut command = std::process::Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs([("PATH", PATH), ("LANG", "C.UTF-8"), ("HOME", "/")])
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::from(input.into_parts().0))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(told)?;
    let mut said = Said::default();
    let ended = end_of(&mut child, &mut said);
    match ended.map_err(told)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(Refusal::Later(format!(
            "`{program}` ended with {status}{said}"
        ))),
        None => {
            let seconds = PATIENCE.as_secs();
            Err(Refusal::Later(format!(
                "`{program}` was ended after {seconds} s{said}"
            )))
        }
    }
}

fn nameless(content: &[u8], directory: &Path) -> io::Result<fs_err::File> {
    let path = directory.join(format!(".{}.input", crate::model::RunId::new()));
    let mut file = fs_err::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs_err::remove_file(&path)?;
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

/// Waits for a command, and ends all of its group; none if its time was over.
fn end_of(child: &mut Child, said: &mut Said) -> io::Result<Option<ExitStatus>> {
    let mut errors = child.stderr.take().expect("it is piped");
    rustix::io::ioctl_fionbio(&errors, true)?;
    let deadline = Instant::now() + PATIENCE;
    let pid = Pid::from_raw(child.id().cast_signed()).expect("a process has an id");
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let in_time = loop {
        said.listen(&mut errors);
        // It is left a zombie, so that its group cannot be another's when that is killed.
        match rustix::process::waitid(WaitId::Pid(pid), options) {
            Ok(Some(_)) => break true,
            Ok(None) if Instant::now() >= deadline => break false,
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    };
    rustix::process::kill_process_group(pid, Signal::KILL).ok(); // It may have ended.
    let status = child.wait()?;
    said.listen(&mut errors);
    Ok(in_time.then_some(status))
}

/// The last that a command said.
#[derive(Default)]
struct Said(Vec<u8>);

impl Said {
    /// Takes what there is, and waits a little for it.
    fn listen(&mut self, errors: &mut ChildStderr) {
        let look = Timespec::try_from(LOOK).expect("milliseconds fit");
        let mut ready = [PollFd::from_borrowed_fd(errors.as_fd(), PollFlags::IN)];
        let is_ready = poll(&mut ready, Some(&look)).is_ok_and(|count| count > 0);
        let mut piece = [0; 4096];
        match errors.read(&mut piece) {
            Ok(count) if count > 0 => {
                self.0.extend_from_slice(&piece[..count]);
                let surplus = self.0.len().saturating_sub(SAID_BYTES_MAX);
                self.0.drain(..surplus);
            }
            // Its end makes no pause in `poll`.
            _ if is_ready => std::thread::sleep(LOOK),
            _ => {}
        }
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(&self.0);
        match text.trim() {
            "" => Ok(()),
            text => write!(formatter, ": {}", harmless(text, &[], SAID_BYTES_MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, input: &[u8]) -> Result<(), Refusal> {
        let place = tempfile::tempdir().unwrap();
        let words = ["sh", "-c", script].map(str::to_owned);
        command(&words, input, place.path())
    }

    #[test]
    fn a_command_gets_its_input_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        let ours = fs_err::File::create(place.path().join("ours")).unwrap();
        let script = format!(
            "{{ cat; env; pwd; ls -l /proc/self/fd | grep -c ours; }} > {}",
            out.display()
        );
        shell(&format!("{script}; true"), b"hello\n").unwrap();
        drop(ours);
        let text = fs_err::read_to_string(&out).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.retain(|line| !line.starts_with("PWD=") && !line.starts_with("_="));
        lines.sort_unstable();
        let path = format!("PATH={PATH}");
        assert_eq!(lines, ["/", "0", "HOME=/", "LANG=C.UTF-8", &path, "hello"]);
    }

    #[test]
    fn a_command_that_does_not_read_is_not_waited_for() {
        shell("true", &vec![b'x'; 1 << 20]).unwrap();
    }

    #[test]
    fn what_a_failing_command_says_is_told() {
        let refusal = shell(
            "head -c 100000 /dev/zero >&2; echo; echo no such room >&2; exit 3",
            b"",
        )
        .unwrap_err();
        let text = refusal.to_string();
        assert!(
            text.contains("exit status: 3") && text.ends_with("no such room"),
            "{text}"
        );
        let missing = ["/nowhere/at-all".to_owned()];
        let place = tempfile::tempdir().unwrap();
        command(&missing, b"", place.path()).unwrap_err();
    }

    #[test]
    fn whatever_a_command_starts_ends_with_it() {
        let place = tempfile::tempdir().unwrap();
        let pids = place.path().join("pids");
        shell(&format!("sleep 1000 & echo $! > {}", pids.display()), b"").unwrap();
        let pid: i32 = fs_err::read_to_string(&pids)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        grease_testkit::sandbox::wait_until("it is gone", || {
            !grease_testkit::sandbox::is_running(pid)
        });
    }

    #[test]
    fn a_command_that_does_not_end_is_ended() {
        let begun = Instant::now();
        let refusal = shell("trap '' TERM; sleep 1000", b"").unwrap_err();
        assert!(
            refusal.to_string().contains("was ended after 10 s"),
            "{refusal}"
        );
        assert!(begun.elapsed() < PATIENCE * 3);
    }
}
