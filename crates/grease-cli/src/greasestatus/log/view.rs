//! What is shown of the lines of a log.

use std::collections::VecDeque;

use grease_core::debugging::frame::{self, Ownership};
use grease_core::model::{RunId, Stream};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::screen::Screen;

/// Longest line that is put together of its pieces; a longer one is shown in parts.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Where the pieces of greaserun's own lines are put together.
const OWN: usize = 2;

/// What is wanted of a log.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Choice {
    /// Only so many of the last lines.
    pub(in super::super) last: Option<usize>,
    /// Only since then.
    pub(in super::super) since: Option<Timestamp>,
    /// Only lines with this text.
    pub(in super::super) grep: Option<String>,
    /// Only this stream.
    pub(in super::super) stream: Option<Stream>,
    /// The job's bytes as they were.
    pub(in super::super) raw: bool,
}

impl Choice {
    /// The last lines of both streams.
    pub(in super::super) fn last(lines: usize) -> Self {
        Self {
            last: Some(lines),
            ..Self::default()
        }
    }
}

/// Takes the bytes of a log, and gives the lines that are wanted.
pub(in super::super) struct View {
    choice: Choice,
    run: String,
    zone: TimeZone,
    screen: Screen,
    /// The begin of a line of the log.
    rest: Vec<u8>,
    /// A line begins in the middle.
    skips: bool,
    ownership: Ownership,
    /// Pieces of a line of each stream of the job's, and of greaserun's own, with the time of the first.
    pieces: [(String, Vec<u8>); 3],
    lines: VecDeque<String>,
    raw: Vec<u8>,
    /// What greaserun said itself, if the job's bytes are wanted.
    remarks: Vec<String>,
    /// The end event, once it came.
    pub(in super::super) end: Option<serde_json::Value>,
}

impl View {
    /// Nothing yet, of a run.
    pub(in super::super) fn new(choice: Choice, run: RunId, zone: TimeZone, colored: bool) -> Self {
        Self {
            choice,
            run: format!(r#""run":"{run}""#),
            zone,
            screen: Screen::new(colored),
            rest: Vec::new(),
            skips: false,
            ownership: Ownership::default(),
            pieces: Default::default(),
            lines: VecDeque::new(),
            raw: Vec::new(),
            remarks: Vec::new(),
            end: None,
        }
    }

    /// The first line that comes is not whole.
    pub(in super::super) fn skip_first(&mut self, skips: bool) {
        self.skips = skips;
    }

    /// Takes the next bytes of the log.
    pub(in super::super) fn take(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, later) = bytes.split_at(end + 1);
            bytes = later;
            self.rest.extend_from_slice(line);
            let line = std::mem::take(&mut self.rest);
            if !std::mem::take(&mut self.skips) {
                self.line(&line);
            }
        }
        self.rest.extend_from_slice(bytes);
        if self.rest.len() > LINE_BYTES_MAX {
            // None of ours: a hole, or another's file.
            self.rest = Vec::new();
            self.skips = true;
        }
    }

    fn line(&mut self, line: &[u8]) {
        let Some((stream, content)) = frame::parse(line) else {
            return; // Cut by a full disk, or by the end of its greaserun.
        };
        let is_own = self.ownership.is_own(stream, &content);
        let is_unwanted = self.choice.stream.is_some_and(|wanted| wanted != stream);
        if !is_own && is_unwanted {
            return;
        }
        if !is_own && self.choice.raw {
            self.raw.extend_from_slice(&content);
            return;
        }
        let index = if is_own {
            OWN
        } else {
            usize::from(stream == Stream::Stderr)
        };
        let (time, pieces) = &mut self.pieces[index];
        if pieces.is_empty() {
            let first = line.split(|byte| *byte == b' ').next().unwrap_or_default();
            *time = String::from_utf8_lossy(first).into_owned();
        }
        pieces.extend_from_slice(&content);
        let is_whole = pieces.ends_with(b"\n");
        if is_own && is_whole {
            self.own(is_unwanted);
        } else if is_whole || (!is_own && pieces.len() >= LINE_BYTES_MAX) {
            self.show(index);
        }
    }

    /// A line of greaserun's own is whole.
    fn own(&mut self, is_unwanted: bool) {
        let line = &self.pieces[OWN].1;
        let text =
            String::from_utf8_lossy(line.strip_prefix(frame::OWN.as_bytes()).unwrap_or(line));
        let text = text.trim_end().to_owned();
        if self.is_event(&text) {
            self.pieces[OWN].1.clear();
        } else if self.choice.raw {
            self.remarks.push(text);
            self.pieces[OWN].1.clear();
        } else if is_unwanted {
            self.pieces[OWN].1.clear();
        } else {
            self.show(OWN);
        }
    }

    /// Whether it is an event of this run, which people see in another form.
    fn is_event(&mut self, own: &str) -> bool {
        let Some((word, json)) = own.split_once(' ') else {
            return false;
        };
        let is_event = matches!(word, "start" | "execute" | "end") && json.contains(&self.run);
        if is_event && word == "end" {
            self.end = serde_json::from_str(json).ok();
        }
        is_event
    }

    fn show(&mut self, index: usize) {
        let (time, pieces) = &mut self.pieces[index];
        let line = std::mem::take(pieces);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let time: Option<Timestamp> = time.parse().ok();
        if self
            .choice
            .since
            .is_some_and(|since| time.is_none_or(|time| time < since))
        {
            return;
        }
        let text = self.screen.line(line);
        if let Some(wanted) = &self.choice.grep
            && !String::from_utf8_lossy(line).contains(wanted)
        {
            return;
        }
        let clock = time.map_or_else(
            || "??:??:??.???".to_owned(),
            |time| {
                time.to_zoned_datetime(self.zone.clone())
                    .strftime("%H:%M:%S.%3f")
                    .to_string()
            },
        );
        let mark = if index == 0 { ' ' } else { 'E' };
        self.lines.push_back(format!("{clock} {mark} {text}"));
        if self.choice.last.is_some_and(|last| self.lines.len() > last) {
            self.lines.pop_front();
        }
    }

    /// Whether only the last lines are wanted of what comes now.
    pub(in super::super) fn is_limited(&self) -> bool {
        self.choice.last.is_some()
    }

    /// From here on all lines are wanted, and not only the last ones.
    pub(in super::super) fn follow(&mut self) {
        self.choice.last = None;
    }

    /// What there is to be printed now.
    pub(in super::super) fn drain(&mut self) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.raw);
        for line in self.lines.drain(..) {
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
        out
    }

    /// What greaserun said itself, where that is not among the lines.
    pub(in super::super) fn remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    /// The log is over: what was not ended is shown as well.
    pub(in super::super) fn close(&mut self) {
        for index in [0, 1, OWN] {
            if !self.pieces[index].1.is_empty() {
                self.show(index);
            }
        }
    }

    /// The lines, after the end of the log.
    pub(in super::super) fn finish(mut self) -> Vec<String> {
        self.close();
        self.lines.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_one_hole_takes_no_memory_and_hides_only_the_line_that_it_ends() {
        let mut view = View::new(Choice::last(3), RunId::new(), TimeZone::UTC, false);
        for _ in 0..64 {
            view.take(&vec![0; 1 << 16]);
            assert!(view.rest.capacity() <= 2 * LINE_BYTES_MAX);
        }
        let line = |text: &str| format!("2026-11-24T10:00:00.000000Z stdout F {text}\n");
        view.take(line("torn").as_bytes());
        view.take(line("whole").as_bytes());
        assert_eq!(view.finish(), ["10:00:00.000   whole"]);
    }
}
