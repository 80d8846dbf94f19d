//! One answer of the test server, and how it goes wrong.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Logged, wait_for_end, write};

/// When every file was last modified.
const LAST_MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// How long a request waits for the others of its meeting.
const MEETING_MAX: Duration = Duration::from_secs(10);

/// An answer, made by one of the first functions and changed by the others.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    etag: Option<String>,
    latency: Duration,
    length: Length,
    end: End,
    drip: Option<(usize, Duration)>,
    authorization: Option<String>,
    conditions: bool,
    ranges: Ranges,
    gzip: bool,
    instead: Option<Silence>,
    meeting: Option<Meeting>,
}

/// Requests that must be here at the same time to be answered. Clones are the same meeting.
#[derive(Debug, Clone)]
pub(crate) struct Meeting {
    expected: usize,
    here: Arc<(Mutex<usize>, Condvar)>,
}

impl Meeting {
    /// Of so many requests.
    pub(crate) fn of(expected: usize) -> Self {
        Self {
            expected,
            here: Arc::default(),
        }
    }

    /// Waits until all are here; tells whether they came.
    fn join(&self) -> bool {
        let (here, came) = &*self.here;
        let mut count = here.lock().unwrap();
        *count += 1;
        came.notify_all();
        let is_missing = |count: &mut usize| *count < self.expected;
        let (count, _) = came
            .wait_timeout_while(count, MEETING_MAX, is_missing)
            .unwrap();
        *count >= self.expected
    }
}

/// What is said about the length of a body.
#[derive(Debug, Clone, Copy)]
enum Length {
    True,
    Declared(usize),
    Chunked,
}

/// What happens instead of an answer.
#[derive(Debug, Clone, Copy)]
enum Silence {
    Hang,
    Close,
}

/// What happens in the middle of a body.
#[derive(Debug, Clone, Copy)]
enum End {
    Whole,
    CutAfter(usize),
    HangAfter(usize),
}

/// What is done about requests for a part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ranges {
    /// The part is sent if `If-Range` fits.
    Honoured,
    /// The whole is sent.
    Ignored,
    /// The part is sent although `If-Range` does not fit.
    WithoutCondition,
}

impl Answer {
    /// A status without a body.
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            etag: None,
            latency: Duration::ZERO,
            length: Length::True,
            end: End::Whole,
            drip: None,
            authorization: None,
            conditions: false,
            ranges: Ranges::Ignored,
            gzip: false,
            instead: None,
            meeting: None,
        }
    }

    /// A file, by the book: `ETag` by content, `Last-Modified`, conditions and ranges honoured.
    pub(crate) fn file(body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let etag = Some(format!("\"{:016x}\"", hasher.finish()));
        Self {
            body,
            etag,
            conditions: true,
            ranges: Ranges::Honoured,
            ..Self::status(200)
        }
        .header("Last-Modified", LAST_MODIFIED)
    }

    /// A page for people, with status 200.
    pub(crate) fn login_page() -> Self {
        let page = Self {
            body: b"<html>Log in</html>".to_vec(),
            ..Self::status(200)
        };
        page.header("Content-Type", "text/html; charset=utf-8")
    }

    /// A redirect.
    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("Location", location)
    }

    /// With one more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With another status.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With another `ETag`; none for the empty one.
    pub(crate) fn etag(mut self, etag: &str) -> Self {
        self.etag = (!etag.is_empty()).then(|| etag.to_owned());
        self
    }

    /// Only after so long.
    pub(crate) fn after(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// The body ends with the connection after so many bytes.
    pub(crate) fn cut_after(mut self, bytes: usize) -> Self {
        self.end = End::CutAfter(bytes);
        self
    }

    /// Nothing comes, and the connection stays.
    pub(crate) fn hang(mut self) -> Self {
        self.instead = Some(Silence::Hang);
        self
    }

    /// The connection ends without an answer.
    pub(crate) fn close() -> Self {
        Self {
            instead: Some(Silence::Close),
            ..Self::status(200)
        }
    }

    /// Only once all requests of the meeting are here; 500 if they do not come.
    pub(crate) fn once_all_are_at(mut self, meeting: &Meeting) -> Self {
        self.meeting = Some(meeting.clone());
        self
    }

    /// Nothing more comes after so many bytes of the body, and the connection stays.
    pub(crate) fn hang_after(mut self, bytes: usize) -> Self {
        self.end = End::HangAfter(bytes);
        self
    }

    /// `Content-Length` says this.
    pub(crate) fn declared_length(mut self, bytes: usize) -> Self {
        self.length = Length::Declared(bytes);
        self
    }

    /// In chunks, without a length.
    pub(crate) fn chunked(mut self) -> Self {
        self.length = Length::Chunked;
        self
    }

    /// So many bytes at a time, with so long in between.
    pub(crate) fn drip(mut self, bytes: usize, pause: Duration) -> Self {
        self.drip = Some((bytes, pause));
        self
    }

    /// Only to who knows (`Authorization` as it is on the wire), else 401.
    pub(crate) fn only_to(mut self, authorization: &str) -> Self {
        self.authorization = Some(authorization.to_owned());
        self
    }

    /// Requests for a part get the whole.
    pub(crate) fn ignoring_ranges(mut self) -> Self {
        self.ranges = Ranges::Ignored;
        self
    }

    /// Requests for a part get it even if the file has changed.
    pub(crate) fn ignoring_if_range(mut self) -> Self {
        self.ranges = Ranges::WithoutCondition;
        self
    }

    /// Compressed, if the client takes that.
    pub(crate) fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    /// Sends it; tells whether the connection can go on.
    pub(super) fn send(&self, request: &Logged, stream: &TcpStream) -> std::io::Result<bool> {
        thread::sleep(self.latency);
        match self.instead {
            Some(Silence::Hang) => {
                wait_for_end(stream);
                return Ok(false);
            }
            Some(Silence::Close) => return Ok(false),
            None => {}
        }
        if self.meeting.as_ref().is_some_and(|meeting| !meeting.join()) {
            return Self::status(500).send_now(request, stream);
        }
        if let Some(wanted) = &self.authorization
            && request.header("authorization") != Some(wanted)
        {
            return Self::status(401)
                .header("WWW-Authenticate", "Basic realm=\"test\"")
                .send_now(request, stream);
        }
        self.send_now(request, stream)
    }

    fn send_now(&self, request: &Logged, stream: &TcpStream) -> std::io::Result<bool> {
        let (status, body, mut headers) = self.select(request);
        headers.extend(self.headers.iter().cloned());
        if let Some(etag) = &self.etag {
            headers.push(("ETag".to_owned(), etag.clone()));
        }
        match self.length {
            _ if status == 304 => {}
            Length::Chunked => {
                headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
            }
            Length::True => headers.push(("Content-Length".to_owned(), body.len().to_string())),
            Length::Declared(length) => {
                headers.push(("Content-Length".to_owned(), length.to_string()));
            }
        }
        let mut head = format!("HTTP/1.1 {status} Told\r\n");
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        write(stream, format!("{head}\r\n").as_bytes())?;
        self.send_body(&body, stream)
    }

    /// Which status, bytes and headers a request gets.
    fn select(&self, request: &Logged) -> (u16, Vec<u8>, Vec<(String, String)>) {
        let etag = self.etag.as_deref();
        if self.conditions && etag.is_some() && request.header("if-none-match") == etag {
            return (304, Vec::new(), Vec::new());
        }
        let size = self.body.len();
        let first = request
            .header("range")
            .filter(|_| self.ranges != Ranges::Ignored)
            .filter(|_| {
                let condition = request.header("if-range");
                self.ranges == Ranges::WithoutCondition
                    || condition.is_none_or(|is| Some(is) == etag || is == LAST_MODIFIED)
            })
            .and_then(|range| {
                range
                    .strip_prefix("bytes=")?
                    .strip_suffix('-')?
                    .parse()
                    .ok()
            });
        match first {
            Some(first) if first < size => {
                let range = format!("bytes {first}-{}/{size}", size - 1);
                (
                    206,
                    self.body[first..].to_vec(),
                    vec![("Content-Range".to_owned(), range)],
                )
            }
            Some(_) => {
                let range = format!("bytes */{size}");
                (416, Vec::new(), vec![("Content-Range".to_owned(), range)])
            }
            None if self.gzip && request.header("accept-encoding") == Some("gzip") => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&self.body).unwrap();
                let packed = encoder.finish().unwrap();
                (
                    self.status,
                    packed,
                    vec![("Content-Encoding".to_owned(), "gzip".to_owned())],
                )
            }
            None => (self.status, self.body.clone(), Vec::new()),
        }
    }

    fn send_body(&self, body: &[u8], stream: &TcpStream) -> std::io::Result<bool> {
        let (until, whole) = match self.end {
            End::CutAfter(bytes) | End::HangAfter(bytes) if bytes < body.len() => (bytes, false),
            _ => (body.len(), true),
        };
        let (size, pause) = self.drip.unwrap_or((64 * 1024, Duration::ZERO));
        for piece in body[..until].chunks(size) {
            if matches!(self.length, Length::Chunked) {
                write(stream, format!("{:x}\r\n", piece.len()).as_bytes())?;
                write(stream, piece)?;
                write(stream, b"\r\n")?;
            } else {
                write(stream, piece)?;
            }
            thread::sleep(pause);
        }
        if !whole && matches!(self.end, End::HangAfter(_)) {
            wait_for_end(stream);
        }
        if whole && matches!(self.length, Length::Chunked) {
            write(stream, b"0\r\n\r\n")?;
        }
        // After a lie about the length, what follows would be read as the next answer.
        Ok(whole && !matches!(self.length, Length::Declared(_)))
    }
}
