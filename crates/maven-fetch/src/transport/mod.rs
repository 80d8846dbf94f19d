//! How bytes come out of a repository: one trait, over HTTP and over directories.

mod address;
mod answer;
mod body;
mod credentials;
mod directory;
mod http;

use std::error::Error;
use std::io::Read;
use std::time::Duration;

pub use address::display_address;
pub use directory::DirectoryTransport;
pub use http::{ClearText, HttpTransport};

use crate::ErrorKind;
use crate::checksum::Checksum;
use crate::repository::Repository;

/// Brings bytes out of repositories.
pub trait Transport: Sync {
    /// Sends one request and follows redirects; the body is read by the caller.
    fn open(&self, request: &Request<'_>) -> Result<Response, TransportError>;
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Which repository.
    pub repository: &'a Repository,
    /// Path below the repository's address, segments separated by `/`, not encoded.
    pub path: &'a str,
    /// What the file is, which says how it may travel.
    pub expect: Expect,
    /// What is here already: the answer may be that it has not changed.
    pub validators: Option<&'a Validators>,
    /// Bytes that are here already, with the validators they came with: the rest will do. The
    /// answer may still be the whole file.
    pub resume: Option<(u64, &'a Validators)>,
    /// Caches in between must ask the repository.
    pub no_cache: bool,
    /// Longest wait for the answer to begin, and for each further piece of it.
    pub timeout: Duration,
    /// Longest time for the whole, with the body. It ends the wait for a piece too when it is
    /// shorter than `timeout`; a caller with a longer one looks at its clock between pieces.
    pub within: Duration,
}

/// What a requested file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// XML, small: may be compressed on the way.
    Metadata,
    /// Any file, large: travels as it is stored.
    Artifact,
    /// A checksum file.
    Sidecar,
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Validators {
    /// `ETag`, as it came.
    pub etag: Option<String>,
    /// `Last-Modified`, as it came.
    pub last_modified: Option<String>,
}

impl Validators {
    /// What proves that bytes are of the same state of the file, for `If-Range` (RFC 9110,
    /// 13.1.5): a strong `ETag`, else `Last-Modified`.
    pub fn strong(&self) -> Option<&str> {
        match &self.etag {
            Some(etag) if !etag.starts_with("W/") => Some(etag),
            _ => self.last_modified.as_deref(),
        }
    }
}

/// The beginning of an answer.
pub struct Response {
    /// What the body is.
    pub content: Content,
    /// Bytes of the body, if the server says.
    pub length: Option<u64>,
    /// What tells this state of the file from another.
    pub validators: Validators,
    /// Checksums of the whole file, out of the headers, strongest first.
    pub checksums: Vec<Checksum>,
    /// `Content-Type`, as it came.
    pub content_type: Option<String>,
    /// The body. Ends early with an error, never silently.
    pub body: Box<dyn Read + Send>,
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The whole file.
    Whole,
    /// The file from here on.
    From(u64),
    /// Nothing: the file is as the validators say.
    NotModified,
}

/// Asks by HTTP or reads a directory, as the repository's address says.
#[derive(Debug, Default)]
pub struct ByScheme {
    /// For `http` and `https`.
    pub http: HttpTransport,
    /// For `file`.
    pub directory: DirectoryTransport,
}

impl ByScheme {
    /// Makes one that sends credentials in clear text as `clear_text` allows. No client is made
    /// before a request.
    pub fn new(clear_text: ClearText) -> Self {
        Self {
            http: HttpTransport::new(clear_text),
            directory: DirectoryTransport,
        }
    }
}

impl Transport for ByScheme {
    fn open(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        match request.repository.url.scheme() {
            "file" => self.directory.open(request),
            "http" | "https" => self.http.open(request),
            other => Err(TransportError::Invalid {
                url: display_address(request.repository, request.path),
                reason: format!("`{other}` is not `http`, `https` or `file`"),
            }),
        }
    }
}

/// What was said about who we are when a repository refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Introduction {
    /// There are no credentials for the repository.
    NoCredentials,
    /// There are, but they are not sent in clear text over a network.
    Withheld,
    /// They were sent.
    Sent,
}

/// Why there is no answer, or none that helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// There is no such file (404, 410, and 409 of a repository manager's policy).
    #[error("`{url}` does not exist{}", status_of(url, *status))]
    NotFound {
        /// What was asked for, without credentials.
        url: String,
        /// The status.
        status: u16,
    },
    /// Credentials are missing or wrong, or the right is (401, 403, 407).
    #[error("`{url}` is refused to us{}", status_of(url, *status))]
    Refused {
        /// What was asked for, without credentials.
        url: String,
        /// The status.
        status: u16,
        /// What we said about who we are.
        introduction: Introduction,
    },
    /// It may work later: no connection, too slow, cut off, overloaded.
    #[error("`{url}` cannot be reached: {reason}")]
    Unreachable {
        /// What was asked for, without credentials.
        url: String,
        /// What happened.
        reason: String,
        /// How long the server asks us to wait.
        retry_after: Option<Duration>,
        /// The status that the repository's own host answered with, if it did: then it is not down.
        answered: Option<u16>,
    },
    /// The answer makes no sense, or must not be followed.
    #[error("the answer for `{url}` is of no use: {reason}")]
    Invalid {
        /// What was asked for, without credentials.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The status of an answer over HTTP; a directory gives none.
fn status_of(url: &str, status: u16) -> String {
    if url.starts_with("file:") {
        String::new()
    } else {
        format!(" (status {status})")
    }
}

impl TransportError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Refused { .. } => ErrorKind::Credentials,
            Self::Unreachable { .. } => ErrorKind::Unreachable,
            Self::Invalid { .. } => ErrorKind::BadContent,
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotFound { status: 409, .. } => {
                "the repository does not take this kind of version (releases or snapshots): \
                 is it the right repository?"
            }
            Self::NotFound { .. } => {
                "is the specification right, and the repository? some repositories also hide what \
                 a user may not read"
            }
            Self::Refused { status: 407, .. } => {
                "the proxy wants a user name and a password: set them in `proxies` of settings.xml"
            }
            Self::Refused { url, .. } if url.starts_with("file:") => {
                "the user of this process may not read the file"
            }
            Self::Refused {
                introduction: Introduction::NoCredentials,
                ..
            } => {
                "there are no credentials for this repository: add a `server` with its id to \
                 settings.xml"
            }
            Self::Refused {
                introduction: Introduction::Withheld,
                ..
            } => "the credentials were not sent, because the address is plain `http`: use `https`",
            Self::Refused {
                introduction: Introduction::Sent,
                ..
            } => "the credentials of this repository in settings.xml are wrong or do not suffice",
            Self::Unreachable { .. } => return None,
            Self::Invalid { .. } => {
                "open the address in a browser: a login page or a proxy may answer in place of the \
                 repository"
            }
        };
        Some(hint.to_owned())
    }
}

/// The innermost cause of an error, in its own words: what HTTP libraries wrap around it says
/// nothing that the address does not.
pub(crate) fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
