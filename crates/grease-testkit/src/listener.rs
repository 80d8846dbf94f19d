//! A small HTTP server that is posted to: it notes what comes, and answers as told.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::sandbox::wait_until;

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Method and target.
    pub line: String,
    /// The body, which must be UTF-8.
    pub body: String,
}

/// The server, on a free port of the loopback.
#[derive(Debug)]
pub struct Listener {
    port: u16,
    log: Arc<Mutex<Vec<Posted>>>,
}

impl Listener {
    /// Starts; `answers` are statuses with headers, `503 Busy`, for the first requests, and what is
    /// said to all after them comes last.
    pub fn start(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&log);
        let mut answers: VecDeque<&'static str> = answers.iter().copied().collect();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let answer = match answers.len() {
                    0 => "200 OK",
                    1 => answers[0],
                    _ => answers.pop_front().expect("there are two"),
                };
                // An error is a client that left.
                if let Ok(posted) = stream.and_then(|stream| serve(stream, answer)) {
                    noted.lock().expect("nobody panics with it").push(posted);
                }
            }
        });
        Self { port, log }
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What came so far.
    pub fn posted(&self) -> Vec<Posted> {
        self.log.lock().expect("nobody panics with it").clone()
    }

    /// Waits until so much has come.
    pub fn wait_for(&self, count: usize) -> Vec<Posted> {
        wait_until("the server has heard it", || self.posted().len() >= count);
        self.posted()
    }
}

fn serve(mut stream: TcpStream, answer: &str) -> std::io::Result<Posted> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut lines = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        lines.push(line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let line = lines.first().and_then(|line| line.rsplit_once(' '));
    let end = "Content-Length: 0\r\nConnection: close\r\n\r\n";
    write!(stream, "HTTP/1.1 {answer}\r\n{end}")?;
    Ok(Posted {
        line: line.map_or("", |(line, _)| line).to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
