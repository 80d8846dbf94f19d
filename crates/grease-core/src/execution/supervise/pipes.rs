//! The pipes that the job writes to.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use super::Event;
use super::echo::Echo;
use crate::model::Stream;

/// Bytes that the kernel keeps for us in each pipe.
pub(super) const PIPE_BYTES: usize = 1024 * 1024;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 128 * 1024;

/// One of the job's output streams.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) stream: Stream,
    /// `None` once everybody has closed the other end.
    pub(super) descriptor: Option<OwnedFd>,
    /// Where the output is passed on to, if it is.
    pub(super) echo: Option<Echo>,
    /// Bytes read so far.
    pub(super) bytes: u64,
    /// At the last look there was nothing more to read.
    pub(super) drained: bool,
    buffer: Vec<u8>,
}

impl Pipe {
    /// Makes a pipe, and returns with it the end that the job gets.
    pub(super) fn open(stream: Stream, echo: Option<Echo>) -> rustix::io::Result<(Self, OwnedFd)> {
        let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        // Refused when the user has too many large pipes (`pipe(7)`): the usual size will do.
        rustix::pipe::fcntl_setpipe_size(&reader, PIPE_BYTES).ok();
        rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::NONBLOCK)?;
        let buffer = vec![0; CHUNK_BYTES];
        Ok((
            Self {
                stream,
                descriptor: Some(reader),
                echo,
                bytes: 0,
                drained: false,
                buffer,
            },
            writer,
        ))
    }

    /// The end to wait for, unless it is closed or there is no room for more.
    pub(super) fn wanted(&self) -> Option<&OwnedFd> {
        let room = self.echo.as_ref().is_none_or(Echo::has_room);
        self.descriptor.as_ref().filter(|_| room)
    }

    /// Reads once; returns whether there may be more.
    pub(super) fn read(&mut self, on_event: &mut dyn FnMut(Event<'_>)) -> bool {
        let Some(reader) = &self.descriptor else {
            return false;
        };
        self.drained = false;
        match rustix::io::read(reader, &mut self.buffer[..]) {
            Ok(0) => self.descriptor = None,
            Ok(count) => {
                let bytes = &self.buffer[..count];
                self.bytes += count as u64;
                on_event(Event::Output {
                    stream: self.stream,
                    bytes,
                });
                if let Some(echo) = &self.echo {
                    echo.push(Arc::from(bytes));
                }
                return true;
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.descriptor = None,
        }
        self.drained = true;
        false
    }
}
