//! What programs say to people.
//!
//! Data goes to standard output, everything else to standard error. A message that cannot be
//! written, because its reader is gone, is nobody's failure.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::shared::Color;

/// Writes to standard error, with the first word of lines that begin with `error:`,
/// `warning:`, `caused by:` or `hint:` in colour if that is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    colored: bool,
}

impl Terminal {
    /// Decides about colour: as asked, else only for a terminal and without `NO_COLOR`.
    pub(crate) fn new(color: Color, no_color: bool) -> Self {
        let colored = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => !no_color && std::io::stderr().is_terminal(),
        };
        Self { colored }
    }

    /// The same for standard output, by [`Self::print`].
    pub(crate) fn of_output(color: Color, no_color: bool) -> Self {
        match color {
            Color::Auto => Self {
                colored: !no_color && std::io::stdout().is_terminal(),
            },
            Color::Always | Color::Never => Self::new(color, no_color),
        }
    }

    /// Whether colours may be shown.
    pub(crate) fn is_colored(self) -> bool {
        self.colored
    }

    /// Says something on standard error.
    pub(crate) fn say(self, text: &str) {
        std::io::stderr()
            .write_all(self.painted(text).as_bytes())
            .ok();
    }

    /// Prints on standard output what people read there.
    pub(crate) fn print(self, text: &str) {
        print(&self.painted(text));
    }

    fn painted(self, text: &str) -> String {
        let mut out = String::new();
        for line in text.lines() {
            out.push_str(&self.paint(line));
            out.push('\n');
        }
        out
    }

    fn paint(self, line: &str) -> String {
        const COLORS: [(&str, &str); 4] = [
            ("error:", "31"),
            ("warning:", "33"),
            ("caused by:", "31"),
            ("hint:", "36"),
        ];

        let found = COLORS.iter().find(|(word, _)| line.starts_with(word));
        match (self.colored, found) {
            (true, Some((word, color))) => {
                let rest = line.strip_prefix(word).unwrap_or_default();
                format!("\x1b[1;{color}m{word}\x1b[0m{rest}")
            }
            _ => line.to_owned(),
        }
    }
}

/// Whether standard error takes a short text without being waited for (`pipe(7)`, `PIPE_BUF`).
pub(crate) fn can_take() -> bool {
    let stderr = std::io::stderr();
    let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
    let now = Timespec::default();
    matches!(poll(&mut ready, Some(&now)), Ok(1..))
}

/// Prints data on standard output.
pub(crate) fn print(text: &str) {
    std::io::stdout().write_all(text.as_bytes()).ok();
}

/// A duration as people say it.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, _) => format!("{:.1} s", duration.as_secs_f64()),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (milliseconds, expected) in [
            (40, "0.0 s"),
            (59_949, "59.9 s"),
            (61_000, "1m 1s"),
            (7_380_000, "2h 3m"),
        ] {
            assert_eq!(duration(Duration::from_millis(milliseconds)), expected);
        }
    }
}
