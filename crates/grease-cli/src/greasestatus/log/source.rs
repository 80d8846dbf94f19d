//! Where the bytes of a log come from: the spool of this host, or a child that reads the share.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use grease_core::debugging::read::Spool;
use grease_core::model::RunId;
use grease_core::sys::fs::open_regular;

use super::super::child::{Heard, Reader};
use super::super::context::Context;
use super::super::find::Resolved;
use super::super::tail::LOOK_PAUSE;

/// Bytes read at once.
const PIECE: usize = 256 << 10;

/// Where the bytes come from.
pub(super) enum Source {
    /// The spool of this host.
    Here {
        spool: Spool,
        run: RunId,
        offset: u64,
    },
    /// The share.
    Share(Box<Share>),
}

/// What came.
pub(super) enum Got {
    Bytes(Vec<u8>),
    /// Nothing for now.
    Nothing,
    /// There is no more: the end of a log that is not followed.
    End,
    /// The share has not responded for so long.
    Silent(Duration),
    /// The child could not read it.
    Failed(String),
}

/// A log on the share.
pub(super) struct Share {
    reader: Option<Reader>,
    /// One that was given up, and may still wait in the kernel. There is never more than one.
    stuck: Option<Reader>,
    words: Vec<OsString>,
    user: String,
    path: PathBuf,
    follow: bool,
    /// Bytes that have come.
    offset: u64,
    /// When the share last responded.
    heard: Instant,
}

impl Source {
    /// Finds the log of a run.
    pub(super) fn of(context: &Context, run: &Resolved, follow: bool) -> Option<Self> {
        for spool in &context.spools {
            if spool.log(run.id).is_some() {
                return Some(Self::Here {
                    spool: spool.clone(),
                    run: run.id,
                    offset: 0,
                });
            }
        }
        context.share.as_ref()?;
        Some(Self::Share(Box::new(Share {
            reader: None,
            stuck: None,
            words: context.words.clone(),
            user: run.user.clone(),
            path: run.log.clone()?.into(),
            follow,
            offset: 0,
            heard: Instant::now(),
        })))
    }

    /// Bytes that have come.
    pub(super) fn offset(&self) -> u64 {
        match self {
            Self::Here { offset, .. } => *offset,
            Self::Share(share) => share.offset,
        }
    }

    /// Waits a while for more.
    pub(super) fn next(&mut self) -> io::Result<Got> {
        match self {
            Self::Here { spool, run, offset } => {
                let Some(path) = spool.log(*run) else {
                    return Ok(Got::Failed("it was removed".to_owned()));
                };
                let mut bytes = vec![0; PIECE];
                let count = open_regular(&path)?.file().read_at(&mut bytes, *offset)?;
                bytes.truncate(count);
                *offset += count as u64;
                Ok(if count == 0 {
                    Got::End
                } else {
                    Got::Bytes(bytes)
                })
            }
            Self::Share(share) => share.next(),
        }
    }
}

impl Share {
    fn next(&mut self) -> io::Result<Got> {
        let Some(reader) = &mut self.reader else {
            return self.replace();
        };
        Ok(match reader.next(LOOK_PAUSE)? {
            Heard::Output(bytes) => {
                self.heard = Instant::now();
                self.offset += bytes.len() as u64;
                Got::Bytes(bytes)
            }
            Heard::Nothing => {
                self.heard = Instant::now()
                    .checked_sub(reader.silence())
                    .unwrap_or(self.heard);
                Got::Nothing
            }
            Heard::Silent => {
                reader.abandon();
                self.stuck = self.reader.take();
                Got::Silent(self.heard.elapsed())
            }
            Heard::Ended(0) => Got::End,
            Heard::Ended(_) => {
                let errors = String::from_utf8_lossy(&reader.errors).into_owned();
                let line = errors.lines().find_map(|line| line.strip_prefix("error: "));
                let why = line
                    .unwrap_or("the child that reads it has died")
                    .to_owned();
                self.reader = None;
                Got::Failed(why)
            }
        })
    }

    /// Starts a child that goes on where the last one was, once that one is gone.
    fn replace(&mut self) -> io::Result<Got> {
        if let Some(stuck) = &mut self.stuck {
            if !stuck.is_gone() {
                std::thread::sleep(LOOK_PAUSE);
                return Ok(Got::Silent(self.heard.elapsed()));
            }
            self.stuck = None;
        }
        let mut words = vec![OsString::from("plain")];
        words.extend(self.words.iter().cloned());
        words.extend([
            "__tail".into(),
            self.user.clone().into(),
            self.path.clone().into(),
        ]);
        words.push(self.offset.to_string().into());
        words.extend(self.follow.then(|| "--follow".into()));
        self.reader = Some(Reader::start(&words)?);
        self.next()
    }
}
