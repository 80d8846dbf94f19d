//! The beginning of an index line, read without the rest: enough to pass over most lines.
//!
//! Lines that greaserun writes begin with version, event, run and job, in this order and without
//! blanks. Of a line that does not nothing is told here: it is parsed as a whole.

use memchr::{memchr, memmem};

use crate::model::RunId;

/// How all lines begin.
const BEGIN: &[u8] = br#"{"v":1,"event":""#;

/// What stands between event and run.
const RUN: &[u8] = br#"","run":""#;

/// What stands between run and job.
const JOB: &[u8] = br#"","job":""#;

/// Characters of an id.
const ID_LENGTH: usize = 26;

/// The beginning of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// `start`, `execute` or `end`.
    event: &'a [u8],
    run: &'a [u8],
    /// The line up to the end of the job's name, its quotation mark included.
    pub(super) text: &'a [u8],
}

impl<'a> Head<'a> {
    /// Reads the beginning of a line; none if it is not that of one of ours.
    pub(super) fn of(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_prefix(BEGIN)?;
        let (event, rest) = rest.split_at(memchr(b'"', rest)?);
        let (run, rest) = rest.strip_prefix(RUN)?.split_at_checked(ID_LENGTH)?;
        let job = rest.strip_prefix(JOB)?;
        let name = end_of_text(job)?;
        Some(Self {
            event,
            run,
            text: &line[..line.len() - job.len() + name],
        })
    }

    /// The run's id.
    pub(super) fn id(&self) -> Option<RunId> {
        std::str::from_utf8(self.run).ok()?.parse().ok()
    }

    /// Whether the event is not that of an end.
    pub(super) fn is_before_end(&self) -> bool {
        matches!(self.event, b"start" | b"execute")
    }
}

/// How long a text is with its quotation mark. One with escapes is not read: there are few.
fn end_of_text(text: &[u8]) -> Option<usize> {
    let end = memchr(b'"', text)?;
    memchr(b'\\', &text[..end]).is_none().then_some(end + 1)
}

/// Whether a text of JSON, with or without its quotation marks, occurs.
pub(super) fn occurs(finder: &memmem::Finder<'_>, line: &[u8], head: Option<&Head<'_>>) -> bool {
    finder.find(head.map_or(line, |head| head.text)).is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::debugging::read::event::Line;

    const RUN_ID: &str = "01M7BNNEXDEZ82TRP1EPE1JMB1";

    #[test]
    fn a_line_that_is_not_written_as_ours_has_no_head() {
        let ours = format!(r#"{{"v":1,"event":"end","run":"{RUN_ID}","job":"j","time":"t"}}"#);
        assert!(Head::of(ours.as_bytes()).is_some());
        for (from, to) in [
            ("{", " {"),
            (r#""v":1"#, r#""v":2"#),
            (r#"","run""#, r#"", "run""#),
            ("MB1", "MB"),
            (r#""j""#, r#""a\"b""#),
            (r#""job":"j","time":"t"}"#, r#""job":"j"#),
        ] {
            let other = ours.replace(from, to);
            assert_eq!(Head::of(other.as_bytes()), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_head_tells_what_the_whole_line_tells(
            event in "start|execute|end|.*",
            job: String,
            cut in 0_usize..120,
        ) {
            let line = json!({"v": 1, "event": event, "run": RUN_ID, "job": job, "time": "t"});
            // The order of fields is that of ours.
            let line = format!(
                r#"{{"v":1,"event":{},"run":"{RUN_ID}","job":{},"time":"t"}}"#,
                line["event"], line["job"]
            );
            let Some(head) = Head::of(line.as_bytes()) else {
                prop_assert!(event.contains(['"', '\\']) || line.contains('\\'));
                return Ok(());
            };
            let parsed = Line::parse(line.as_bytes()).unwrap();
            prop_assert_eq!(head.id(), parsed.id());
            let is_before_end = matches!(&*parsed.event, "start" | "execute");
            prop_assert_eq!(head.is_before_end(), is_before_end);
            let end = format!(r#""job":"{job}""#);
            prop_assert!(head.text.ends_with(end.as_bytes()));
            let cut = &line.as_bytes()[..cut.min(line.len())];
            if let Some(of_cut) = Head::of(cut) {
                prop_assert_eq!(of_cut, head);
            }
        }
    }
}
