//! What a job started elsewhere, and how that is ended when the job is.
//!
//! The client of a cluster waits for the work that it submitted; to end the client does not end
//! that work. What was submitted is known from the job's output alone.

use std::collections::VecDeque;

use crate::model::{Stream, Words};

/// Most applications of one job that are remembered; the newest are the ones that may still run.
const APPLICATIONS_MAX: usize = 100;

/// Most digits of the first number of an id, which Hadoop reads as a `long`.
const STAMP_DIGITS_MAX: usize = 18;

/// Most digits of the second number of an id, which Hadoop reads as an `int`.
const NUMBER_DIGITS_MAX: usize = 9;

/// What ids begin with: those of YARN's applications, and those of `MapReduce` jobs, which have the
/// numbers of their application.
const PREFIXES: [&[u8]; 2] = [b"application_", b"job_"];

/// Bytes of a word that are looked at: the longest id and what shows that it ends there.
const WORD_BYTES_MAX: usize = PREFIXES[0].len() + STAMP_DIGITS_MAX + 1 + NUMBER_DIGITS_MAX + 1;

/// The command that ends what a job started elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnKill {
    /// Its words.
    pub command: Words,
    /// Whether the ids of the job's YARN applications follow; without any, nothing is run.
    pub takes_applications: bool,
}

/// The YARN applications that a job's output names, found while it streams by.
#[derive(Debug, Default)]
pub struct Applications {
    /// In the order in which they appeared.
    ids: VecDeque<String>,
    /// For each stream, the beginning of the word that may go on in the next piece.
    open: [Vec<u8>; 2],
}

impl Applications {
    /// Looks through the next piece of one of the job's streams.
    pub fn see(&mut self, stream: Stream, bytes: &[u8]) {
        let stream = usize::from(stream == Stream::Stderr);
        for (position, part) in bytes.split(|byte| !is_of_word(*byte)).enumerate() {
            if position > 0 {
                self.end_word(stream);
            }
            let word = &mut self.open[stream];
            let room = WORD_BYTES_MAX - word.len();
            word.extend_from_slice(&part[..part.len().min(room)]);
        }
    }

    /// The ids, in the order in which they appeared first; the output has ended.
    pub fn into_ids(mut self) -> Vec<String> {
        for stream in 0..self.open.len() {
            self.end_word(stream);
        }
        self.ids.into()
    }

    fn end_word(&mut self, stream: usize) {
        let id = application(&self.open[stream]);
        self.open[stream].clear();
        if let Some(id) = id.filter(|id| !self.ids.contains(id)) {
            if self.ids.len() == APPLICATIONS_MAX {
                self.ids.pop_front();
            }
            self.ids.push_back(id);
        }
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The application that a word names: `application_1700000000000_0042`, or a job with these numbers,
/// also in front of more (`job_1700000000000_0042_conf`).
fn application(word: &[u8]) -> Option<String> {
    let numbers = PREFIXES
        .iter()
        .find_map(|prefix| word.strip_prefix(*prefix))?;
    let mut parts = numbers.split(|byte| *byte == b'_');
    let stamp = number(parts.next()?, STAMP_DIGITS_MAX)?;
    let number = number(parts.next()?, NUMBER_DIGITS_MAX)?;
    Some(format!("application_{stamp}_{number}"))
}

fn number(part: &[u8], digits_max: usize) -> Option<&str> {
    let fits = (1..=digits_max).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(part).ok().filter(|_| fits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut applications = Applications::default();
        applications.see(Stream::Stdout, text.as_bytes());
        applications.into_ids()
    }

    #[test]
    fn what_hadoop_prints_names_its_application_once() {
        let text = "\
2026-11-24 12:00:00,000 INFO impl.YarnClientImpl: Submitted application application_1700000000000_0042
2026-11-24 12:00:00,000 INFO mapreduce.Job: The url to track the job: http://rm:8088/proxy/application_1700000000000_0042/
2026-11-24 12:00:00,000 INFO mapreduce.Job: Running job: job_1700000000000_0042
2026-11-24 12:00:09,000 INFO mapreduce.Job: Running job: job_1700000000000_10043
container_e17_1700000000000_0044_01_000001 attempt_1700000000000_0045_m_000000_0
";
        let expected = [
            "application_1700000000000_0042",
            "application_1700000000000_10043",
        ];
        assert_eq!(found(text), expected);
    }

    #[test]
    fn what_only_looks_like_an_id_is_none() {
        for (text, expected) in [
            ("application_1_2", Some("application_1_2")),
            ("(job_1_2_conf.xml)", Some("application_1_2")),
            ("job_1_2_", Some("application_1_2")),
            ("job_local1234_0001", None),
            ("load_job_2026_11", None),
            ("application_1", None),
            ("application_1_", None),
            ("application__2", None),
            ("application_1_2x", None),
            ("Application_1_2", None),
            ("job_1234567890123456789_1", None),
            (
                "job_123456789012345678_123456789",
                Some("application_123456789012345678_123456789"),
            ),
            ("job_123456789012345678_1234567890", None),
            ("application_123456789012345678_1234567890", None),
        ] {
            assert_eq!(found(text), expected.as_slice(), "{text}");
        }
    }

    #[test]
    fn a_word_that_alternates_between_the_streams_is_not_mixed_up() {
        let mut applications = Applications::default();
        applications.see(Stream::Stdout, b"application_1_");
        applications.see(Stream::Stderr, b"job_3_4 ");
        applications.see(Stream::Stdout, b"2\n");
        assert_eq!(
            applications.into_ids(),
            ["application_3_4", "application_1_2"]
        );
    }

    #[test]
    fn of_very_many_ids_the_newest_are_kept() {
        let mut applications = Applications::default();
        for number in 1..=250 {
            applications.see(Stream::Stdout, format!("job_1_{number}\n").as_bytes());
        }
        let expected: Vec<_> = (151..=250)
            .map(|number| format!("application_1_{number}"))
            .collect();
        assert_eq!(applications.into_ids(), expected);
    }

    #[test]
    fn a_word_without_an_end_takes_no_memory() {
        let mut applications = Applications::default();
        for _ in 0..1000 {
            applications.see(Stream::Stdout, &[b'1'; 1000]);
        }
        assert!(applications.open[0].capacity() < 1000);
    }

    /// Texts in which ids, and what resembles them, are frequent.
    fn text() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "application_",
            "job_",
            "job_local",
            "1",
            "22",
            "1700000000000",
            "_",
            "_",
            " ",
            "\n",
            "x",
            "é",
            "application_1_2",
            "job_17_0042",
        ]);
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_cutting_into_pieces_finds_the_same_ids(text in text(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            let mut applications = Applications::default();
            let mut from = 0;
            for to in cuts.into_iter().chain([text.len()]) {
                applications.see(Stream::Stderr, &text.as_bytes()[from..to]);
                from = to;
            }
            prop_assert_eq!(applications.into_ids(), found(&text));
        }
    }
}
