//! What the records tell: of the tree on shared storage, and of the spool of this host.
//!
//! Only a process that can be abandoned reads the tree (`greasestatus __read`); the spool is local and
//! anybody may. There is no database: index files are scanned, the newest first, with a search for
//! bytes before a line is parsed.

mod collect;
mod event;
mod find;
mod head;
mod heartbeat;
mod local;
mod log;
mod moment;
mod query;
mod run;
mod scan;
mod source;

pub use find::{Found, Wanted, find, last_success, nearest};
pub use heartbeat::{Heartbeat, Hosts, SILENT_MAX};
pub use local::Spool;
pub use log::{Piece, Tail, digest, length};
pub use moment::{AROUND, At, Moment, at};
pub use query::Query;
pub use run::{End, Run, State};
pub use source::{Answer, Sources, Trouble};

/// Lets go of what the caller of this program left open: a process that hangs on the share must not
/// hold a lock of somebody else's.
pub fn close_inherited() {
    for descriptor in crate::sys::fs::open_descriptors() {
        if descriptor > 2 {
            nix::unistd::close(descriptor).ok(); // That of the directory just read is closed already.
        }
    }
}
