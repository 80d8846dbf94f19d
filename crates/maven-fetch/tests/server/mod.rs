//! A Maven repository over HTTP that misbehaves as told, for tests.
//!
//! Each path has a script of [`Answer`]s, one for each request; the last one stays. What has no
//! script is looked for in a directory, if there is one, and else is not found. Every request is
//! logged with its headers. A test program that does not use all of it writes
//! `#[expect(dead_code, reason = "..")] mod server;`.

pub(crate) mod answer;

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) use answer::Answer;

/// A server on a free port of the loopback. Dropped, it refuses connections and ends open ones.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    scripts: Mutex<HashMap<String, VecDeque<Answer>>>,
    directory: Mutex<Option<PathBuf>>,
    log: Mutex<Vec<Logged>>,
    /// None once the server is to end.
    connections: Mutex<Option<Vec<TcpStream>>>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    /// Path, still encoded; of a request to a proxy, the whole address.
    pub(crate) target: String,
    /// Headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl Logged {
    /// The path without the slash in front.
    pub(crate) fn path(&self) -> &str {
        self.target.trim_start_matches('/')
    }

    /// Value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

impl Server {
    /// Starts without any file.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            connections: Mutex::new(Some(Vec::new())),
            ..State::default()
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                match &mut *shared.connections.lock().unwrap() {
                    Some(connections) => connections.push(stream.try_clone().unwrap()),
                    None => return,
                }
                let shared = Arc::clone(&shared);
                // An error is a client that left.
                thread::spawn(move || serve(&stream, &shared).ok());
            }
        });
        Self { address, state }
    }

    /// The repository's address, with a slash at its end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The server's port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Tells what to answer to the requests for a path (encoded, without a slash in front), one
    /// after the other; the last answer stays.
    pub(crate) fn script(&self, path: &str, answers: impl IntoIterator<Item = Answer>) -> &Self {
        let answers = answers.into_iter().collect();
        self.state
            .scripts
            .lock()
            .unwrap()
            .insert(path.to_owned(), answers);
        self
    }

    /// Changes the answers to the requests for a path.
    pub(crate) fn answer_differently(
        &self,
        path: &str,
        change: impl Fn(Answer) -> Answer,
    ) -> &Self {
        let mut scripts = self.state.scripts.lock().unwrap();
        for answer in scripts.entry(path.to_owned()).or_default() {
            *answer = change(answer.clone());
        }
        drop(scripts);
        self
    }

    /// Moves the answers for a path to another.
    pub(crate) fn answer_elsewhere(&self, path: &str, other: &str) -> &Self {
        let mut scripts = self.state.scripts.lock().unwrap();
        let answers = scripts.remove(path).unwrap_or_default();
        scripts.insert(other.to_owned(), answers);
        drop(scripts);
        self
    }

    /// Answers the next request for a path in this way, and the others as before.
    pub(crate) fn answer_first(&self, path: &str, answer: Answer) -> &Self {
        let mut scripts = self.state.scripts.lock().unwrap();
        scripts
            .entry(path.to_owned())
            .or_default()
            .push_front(answer);
        drop(scripts);
        self
    }

    /// Serves the files of a directory for paths without a script.
    pub(crate) fn serve_directory(&self, directory: &Path) -> &Self {
        *self.state.directory.lock().unwrap() = Some(directory.to_owned());
        self
    }

    /// All requests so far.
    pub(crate) fn log(&self) -> Vec<Logged> {
        self.state.log.lock().unwrap().clone()
    }

    /// The requests since the last call of this.
    pub(crate) fn take_log(&self) -> Vec<Logged> {
        std::mem::take(&mut *self.state.log.lock().unwrap())
    }

    /// The paths of all requests so far, without the slash in front.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.log()
            .iter()
            .map(|logged| logged.path().to_owned())
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let connections = self.state.connections.lock().unwrap().take();
        for connection in connections.unwrap_or_default() {
            connection.shutdown(Shutdown::Both).ok();
        }
        // Wakes the listening thread, which then ends.
        TcpStream::connect(self.address).ok();
    }
}

/// A port on which nothing listens. It is in use as the near end of a connection for as long as
/// this program runs, so that no server of another test gets it.
pub(crate) fn closed_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (_, stream) = Box::leak(Box::new((listener, stream)));
    stream.local_addr().unwrap().port()
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader)? {
        let key = key(&request.target);
        state.log.lock().unwrap().push(request.clone());
        let answer = next_answer(state, &key);
        if !answer.send(&request, stream)? {
            break;
        }
    }
    stream.shutdown(Shutdown::Both)
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Logged>> {
    // Whoever begins to encrypt is told off at once.
    if !reader
        .fill_buf()?
        .first()
        .is_some_and(u8::is_ascii_uppercase)
    {
        return Ok(None);
    }
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_lowercase(), value.trim().to_owned())),
            None => return Ok(Some(Logged { target, headers })),
        }
    }
}

/// The key of a script: the path without the slash in front and without the query.
fn key(target: &str) -> String {
    let path = match target.strip_prefix("http://") {
        Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
        None => target.trim_start_matches('/'),
    };
    path.split('?').next().unwrap_or_default().to_owned()
}

fn next_answer(state: &State, key: &str) -> Answer {
    if let Some(answers) = state.scripts.lock().unwrap().get_mut(key) {
        return match answers.len() {
            0 => Answer::status(404),
            1 => answers[0].clone(),
            _ => answers.pop_front().unwrap(),
        };
    }
    let directory = state.directory.lock().unwrap().clone();
    let mut bytes = Vec::new();
    directory
        .and_then(|directory| fs_err::File::open(directory.join(key)).ok())
        .and_then(|mut file| file.read_to_end(&mut bytes).ok())
        .map_or_else(|| Answer::status(404), |_| Answer::file(bytes))
}

/// Waits until the client leaves, or the server is dropped.
fn wait_for_end(mut stream: &TcpStream) {
    let mut byte = [0];
    while matches!(stream.read(&mut byte), Ok(1)) {}
}

/// Writes all, at once.
fn write(mut stream: &TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}
