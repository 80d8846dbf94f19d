//! A job's output on a terminal: colours pass, all else that steers a terminal does not.

use std::fmt::Write as _;

use grease_core::model::harmless;
use vte::{Params, Parser, Perform};

/// Ends all colours.
const RESET: &str = "\x1b[0m";

/// Makes the lines of one stream fit for where they are shown.
pub(super) struct Screen {
    colored: bool,
}

/// One line as it was made up to now.
struct Line {
    text: String,
    colored: bool,
    /// Whether a colour may be on.
    is_painted: bool,
}

impl Screen {
    /// With `colored`, colours pass.
    pub(super) fn new(colored: bool) -> Self {
        Self { colored }
    }

    /// A line without its end. Escapes do not reach beyond it.
    ///
    /// Of what a carriage return would overwrite, a progress bar mostly, the last state is shown.
    pub(super) fn line(&self, bytes: &[u8]) -> String {
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let mut line = Line {
            text: String::with_capacity(bytes.len()),
            colored: self.colored,
            is_painted: false,
        };
        let mut parser = Parser::new();
        parser.advance(&mut line, bytes);
        if line.is_painted {
            line.text.push_str(RESET);
        }
        line.text
    }
}

impl Perform for Line {
    fn print(&mut self, c: char) {
        // Marks of direction and what is left of control characters.
        self.text
            .push_str(&harmless(c.encode_utf8(&mut [0; 4]), &[], 1));
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\t' => self.text.push('\t'),
            b'\r' => self.text.clear(),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        if !self.colored || action != 'm' || ignore || !intermediates.is_empty() {
            return;
        }
        self.text.push_str("\x1b[");
        for (position, param) in params.iter().enumerate() {
            let separator = if position == 0 { "" } else { ";" };
            let values: Vec<String> = param.iter().map(ToString::to_string).collect();
            write!(self.text, "{separator}{}", values.join(":")).expect("in memory");
        }
        self.text.push('m');
        self.is_painted = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_pass_to_a_terminal_and_nothing_else_does() {
        for (bytes, colored, plain) in [
            (&b"plain\ttext"[..], "plain\ttext", "plain\ttext"),
            (
                b"\x1b[1;31mred\x1b[0m",
                "\x1b[1;31mred\x1b[0m\x1b[0m",
                "red",
            ),
            (b"\x1b[38:5:1mx", "\x1b[38:5:1mx\x1b[0m", "x"),
            (b"a\x1b[2Jb\x1b[Hc", "abc", "abc"),
            (b"\x1b]0;title\x07x", "x", "x"),
            (b"\x1b]52;c;ZXZpbA==\x1b\\x", "x", "x"),
            (b"\x1b]52;never ended", "", ""),
            (b"\x1bPq\x1b\\x\x1b_a\x1b\\y\x1b^b\x1b\\", "xy", "xy"),
            (b"\x1bcx\x1b(0y", "xy", "xy"),
            (b"\x1b[>4;2mx\x1b[?25lx", "xx", "xx"),
            (b"10%\r20%\r", "20%", "20%"),
            (b"bell\x07\x08\x00\x0b", "bell", "bell"),
            (
                "\u{9b}2Jx\u{202e}y".as_bytes(),
                "2Jx\\u{202e}y",
                "2Jx\\u{202e}y",
            ),
            (b"\xff\xfe", "\u{fffd}\u{fffd}", "\u{fffd}\u{fffd}"),
        ] {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let strip = |shown: String| shown.replace("\\u{9b}", "");
            assert_eq!(strip(Screen::new(true).line(bytes)), colored, "{text:?}");
            assert_eq!(strip(Screen::new(false).line(bytes)), plain, "{text:?}");
        }
    }

    #[test]
    fn any_bytes_leave_nothing_that_steers() {
        // A walk through bytes that matter most, in an order that repeats late.
        let bytes = b"\x1b[];m0P_^\\X\x9b\xc2\x07\x18\r?>A";
        let mut seed = 1_u64;
        for _ in 0..20_000 {
            let mut line = Vec::new();
            for _ in 0..12 {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                line.push(bytes[usize::try_from(seed >> 33).unwrap() % bytes.len()]);
            }
            let shown = Screen::new(false).line(&line);
            assert!(!shown.chars().any(char::is_control), "{line:?} {shown:?}");
            let shown = Screen::new(true).line(&line);
            for part in shown.split('\x1b').skip(1) {
                let rest = part
                    .strip_prefix('[')
                    .unwrap()
                    .trim_start_matches(|c: char| c.is_ascii_digit() || c == ';' || c == ':');
                assert!(rest.starts_with('m'), "{line:?} {shown:?}");
            }
        }
    }
}
