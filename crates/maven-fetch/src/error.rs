//! What kind of failure an error is, so that a program can choose its exit code.

/// What kind of failure an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// What was asked for makes no sense as it is written.
    Usage,
    /// The configuration does not allow it.
    Config,
    /// There is no such file in any place that was asked.
    NotFound,
    /// No answer; the same call may succeed later.
    Unreachable,
    /// An answer that cannot be used: wrong checksum, not an archive, a login page.
    BadContent,
    /// Credentials are missing, wrong, or do not suffice.
    Credentials,
    /// The disk: full, read-only, faulty.
    Io,
    /// The caller asked to stop.
    Cancelled,
}
