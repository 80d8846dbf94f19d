//! Secrets are masked before anything is written.
//!
//! What is a secret is known by its name: that of an environment variable, or of a word on the
//! command line. Values are looked for as they are, and as URLs, JSON and base64 have them.

use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

use crate::model::Glob;
use crate::sys::env::Env;

/// What stands in the place of a secret.
pub const MASK: &str = "[REDACTED]";

/// Shortest value that is masked: `none` and `true` are no secrets (as Buildkite's agent has it).
const SECRET_BYTES_MIN: usize = 6;

/// Longer values are looked for in parts, so that little has to be kept between two reads.
const PART_BYTES_MAX: usize = 1024;

/// Knows the secrets of one run.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    names: Vec<Glob>,
    secrets: Option<Arc<Secrets>>,
}

#[derive(Debug)]
struct Secrets {
    /// All forms of all values, sorted.
    forms: Vec<Vec<u8>>,
    longest: usize,
    automaton: AhoCorasick,
}

/// Masks secrets in a stream, also where one comes in pieces.
#[derive(Debug, Default)]
pub struct Stream {
    secrets: Option<Arc<Secrets>>,
    /// Bytes that may be the beginning of a secret.
    held: Vec<u8>,
    out: Vec<u8>,
}

impl Redactor {
    /// Masks the values of those variables of `env`, and of those words of a job, whose names match
    /// one of `names`.
    pub fn new(names: &[Glob], env: &Env, words: &[String]) -> Self {
        let mut redactor = Self {
            names: names.to_vec(),
            secrets: None,
        };
        let mut values: Vec<Vec<u8>> = env
            .iter()
            .filter(|(name, _)| redactor.is_secret(&name.to_string_lossy()))
            .map(|(_, value)| value.as_encoded_bytes().trim_ascii().to_vec())
            .collect();
        redactor.mask_words(words, &mut |value| {
            let value = value.trim_matches(['"', '\'']);
            // What a shell is yet to replace is no secret.
            if !value.starts_with(['$', '`']) {
                values.push(value.as_bytes().to_vec());
            }
        });
        redactor.secrets = Secrets::new(&values).map(Arc::new);
        redactor
    }

    /// A stream in which secrets are masked.
    pub fn stream(&self) -> Stream {
        Stream {
            secrets: self.secrets.clone(),
            ..Stream::default()
        }
    }

    /// A text without secrets, and without the passwords in its URLs.
    pub fn text(&self, text: &str) -> String {
        let mut stream = self.stream();
        let mut bytes = stream.push(text.as_bytes()).to_vec();
        bytes.extend_from_slice(stream.finish());
        without_passwords(&String::from_utf8_lossy(&bytes))
    }

    /// The words of a command line without secrets: `--password=x`, `--token x`, `DB_PASSWORD=x`.
    pub fn words(&self, words: &[String]) -> Vec<String> {
        self.mask_words(words, &mut |_| {})
    }

    /// Masks words; `found` gets each value that a name tells to be a secret.
    fn mask_words(&self, words: &[String], found: &mut dyn FnMut(&str)) -> Vec<String> {
        let mut is_value = false;
        let mut masked = Vec::with_capacity(words.len());
        for word in words {
            let mut text = String::with_capacity(word.len());
            // A word may be a whole script.
            for piece in word.split_inclusive(char::is_whitespace) {
                let token = piece.trim_end();
                if !token.is_empty() || is_value {
                    text.push_str(&self.mask_token(token, &mut is_value, found));
                }
                text.push_str(piece.get(token.len()..).unwrap_or_default());
            }
            masked.push(self.text(&text));
        }
        masked
    }

    /// Masks one word; `is_value` tells whether the one before it named a secret.
    fn mask_token(&self, token: &str, is_value: &mut bool, found: &mut dyn FnMut(&str)) -> String {
        let named = token
            .split_once('=')
            .filter(|(name, _)| self.is_secret(name));
        let names_next = token.starts_with('-') && !token.contains('=') && self.is_secret(token);
        let hidden = std::mem::replace(is_value, names_next);
        match named {
            _ if hidden => {
                found(token);
                MASK.to_owned()
            }
            Some((name, value)) => {
                found(value);
                format!("{name}={MASK}")
            }
            None => token.to_owned(),
        }
    }

    /// Whether a name is that of a secret: `DB_PASSWORD`, `--db-password`, `-Ddb.password`,
    /// `dbPassword`, and `--password` for a pattern like `*_PASSWORD`.
    fn is_secret(&self, name: &str) -> bool {
        let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let mut plain = String::from("_");
        let mut was_lower = false;
        for c in name.chars() {
            if c.is_ascii_uppercase() && was_lower {
                plain.push('_');
            }
            was_lower = c.is_ascii_lowercase();
            plain.push(if matches!(c, '-' | '.') {
                '_'
            } else {
                c.to_ascii_uppercase()
            });
        }
        plain.len() > 1
            && self
                .names
                .iter()
                .any(|glob| glob.matches(&plain) || glob.matches(name))
    }
}

impl Secrets {
    fn new(values: &[Vec<u8>]) -> Option<Self> {
        let mut forms: Vec<Vec<u8>> = values
            .iter()
            .filter(|value| value.len() >= SECRET_BYTES_MIN)
            .flat_map(|value| parts(value))
            .flat_map(forms)
            .filter(|form| form.len() >= SECRET_BYTES_MIN)
            .collect();
        forms.sort_unstable();
        forms.dedup();
        let longest = forms.iter().map(Vec::len).max()?;
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            // Small, and quick to build; a DFA would take many times the memory.
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&forms)
            .ok()?;
        Some(Self {
            forms,
            longest,
            automaton,
        })
    }

    /// Where in `bytes`, from `from` on, something begins that may become a secret with what follows.
    fn undecided(&self, bytes: &[u8], from: usize) -> usize {
        let earliest = from.max((bytes.len() + 1).saturating_sub(self.longest));
        (earliest..bytes.len())
            .find(|position| self.is_begun(&bytes[*position..]))
            .unwrap_or(bytes.len())
    }

    /// Whether a form begins with `bytes` and goes on.
    fn is_begun(&self, bytes: &[u8]) -> bool {
        let first = self.forms.partition_point(|form| form.as_slice() <= bytes);
        self.forms
            .get(first)
            .is_some_and(|form| form.starts_with(bytes))
    }
}

impl Stream {
    /// Takes what comes next, and gives what is certain by now.
    pub fn push<'a>(&'a mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(secrets) = &self.secrets else {
            return bytes;
        };
        self.out.clear();
        if self.held.is_empty()
            && secrets.automaton.find(bytes).is_none()
            && secrets.undecided(bytes, 0) == bytes.len()
        {
            return bytes;
        }
        self.held.extend_from_slice(bytes);
        let mut done = 0;
        loop {
            let undecided = secrets.undecided(&self.held, done);
            let next = secrets.automaton.find(&self.held[done..]);
            let Some(found) = next.filter(|found| done + found.start() < undecided) else {
                self.out.extend_from_slice(&self.held[done..undecided]);
                self.held.drain(..undecided);
                return &self.out;
            };
            let before = &self.held[done..done + found.start()];
            self.out.extend_from_slice(before);
            self.out.extend_from_slice(MASK.as_bytes());
            done += found.end();
        }
    }

    /// Nothing more comes: gives the rest.
    pub fn finish(&mut self) -> &[u8] {
        self.out.clear();
        let rest = std::mem::take(&mut self.held);
        match &self.secrets {
            Some(secrets) => {
                let mut done = 0;
                for found in secrets.automaton.find_iter(&rest) {
                    self.out.extend_from_slice(&rest[done..found.start()]);
                    self.out.extend_from_slice(MASK.as_bytes());
                    done = found.end();
                }
                self.out.extend_from_slice(&rest[done..]);
            }
            None => self.out = rest,
        }
        &self.out
    }
}

/// The parts of a value that are looked for; none is so short that it would not be masked.
fn parts(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let count = value.len().div_ceil(PART_BYTES_MAX).max(1);
    value.chunks(value.len().div_ceil(count).max(1))
}

/// A value as it is, and as it looks in URLs, in JSON and in base64.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![value.to_vec()];
    for (kept, space) in [("-_.~", "%20"), ("-_.~/", "%20"), ("-_.*", "+")] {
        let encoded = percent_encoded(value, kept, space);
        forms.push(with_lowercase_digits(&encoded));
        forms.push(encoded);
    }
    if let Ok(text) = std::str::from_utf8(value)
        && let Ok(json) = serde_json::to_string(text)
    {
        forms.push(json.trim_matches('"').as_bytes().to_vec());
    }
    for alphabet in [STANDARD, URL_SAFE] {
        let engine = GeneralPurpose::new(&alphabet, NO_PAD);
        forms.push(
            base64::engine::general_purpose::STANDARD
                .encode(value)
                .into_bytes(),
        );
        // Inside of something longer, at each of the three places that a byte can have.
        for (before, cut) in [(0, 0), (1, 2), (2, 3)] {
            let encoded = engine.encode([&[0; 2][..before], value].concat());
            let is_open = !(before + value.len()).is_multiple_of(3);
            let end = encoded.len() - usize::from(is_open);
            forms.push(encoded.as_bytes()[cut.min(end)..end].to_vec());
        }
    }
    forms
}

fn percent_encoded(value: &[u8], kept: &str, space: &str) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(value.len());
    for byte in value {
        match byte {
            b' ' => encoded.extend_from_slice(space.as_bytes()),
            byte if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(byte) => {
                encoded.push(*byte);
            }
            byte => encoded.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    encoded
}

/// The hexadecimal digits of percent-encoding may be of either case.
fn with_lowercase_digits(encoded: &[u8]) -> Vec<u8> {
    let mut lower = encoded.to_vec();
    let mut rest = lower.as_mut_slice();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let (_, after) = rest.split_at_mut(at + 1);
        let (digits, others) = after.split_at_mut(after.len().min(2));
        digits.make_ascii_lowercase();
        rest = others;
    }
    lower
}

/// Masks passwords before the host in URLs: `https://user:[REDACTED]@host`.
fn without_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("://");
        let stops = |c: char| matches!(c, '/' | '?' | '#' | '"' | '\'') || c.is_whitespace();
        let (authority, rest) = part.split_at(part.find(stops).unwrap_or(part.len()));
        match authority
            .rsplit_once('@')
            .map(|(user, host)| (user.split_once(':'), host))
        {
            Some((Some((user, _)), host)) => {
                shown.extend([user, ":", MASK, "@", host]);
            }
            _ => shown.push_str(authority),
        }
        shown.push_str(rest);
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redactor(variables: &[(&str, &str)], words: &[&str]) -> Redactor {
        let names = ["*_PASSWORD", "*_TOKEN", "*_API_KEY"].map(Glob::new);
        let env: Env = variables.iter().copied().collect();
        Redactor::new(&names, &env, &owned(words))
    }

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn redacted(redactor: &Redactor, chunks: &[&[u8]]) -> Vec<u8> {
        let mut stream = redactor.stream();
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend_from_slice(stream.push(chunk));
        }
        out.extend_from_slice(stream.finish());
        out
    }

    #[test]
    fn a_secret_is_masked_in_every_form_that_it_may_have() {
        let redactor = redactor(&[("DB_PASSWORD", "p%ss /wörd\"1")], &[]);
        let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        for form in [
            "p%ss /wörd\"1".to_owned(),
            "p%25ss%20%2Fw%C3%B6rd%221".to_owned(),
            "p%25ss%20%2fw%c3%b6rd%221".to_owned(),
            "p%25ss+%2Fw%C3%B6rd%221".to_owned(),
            "p%ss /wörd\\\"1".to_owned(),
            encode("p%ss /wörd\"1"),
        ] {
            assert_eq!(
                redactor.text(&format!("a {form} b")),
                "a [REDACTED] b",
                "{form}"
            );
        }
        for user in ["u:", "us:", "use:"] {
            let header = redactor.text(&encode(&format!("{user}p%ss /wörd\"1 etc")));
            assert!(header.contains(MASK) && header.len() < 30, "{header}");
        }
    }

    #[test]
    fn short_values_and_other_variables_are_no_secrets() {
        let variables = [("A_TOKEN", "none"), ("PATH", "/usr/bin"), ("B_TOKEN", "")];
        let text = "none of /usr/bin";
        assert_eq!(redactor(&variables, &[]).text(text), text);
    }

    #[test]
    fn what_cannot_begin_a_secret_is_not_held_back() {
        let redactor = redactor(&[("A_TOKEN", "secret-1")], &[]);
        let mut stream = redactor.stream();
        assert_eq!(stream.push(b"a line\n"), b"a line\n");
        assert_eq!(stream.push(b"no line: s"), b"no line: ");
        assert_eq!(stream.push(b"old\n"), b"sold\n");
        assert_eq!(stream.push(b"secret-"), b"");
        assert_eq!(stream.push(b"1!"), b"[REDACTED]!");
        assert_eq!(stream.push(b"secret"), b"");
        assert_eq!(stream.finish(), b"secret");
    }

    #[test]
    fn of_two_secrets_the_longer_one_is_masked() {
        let redactor = redactor(&[("A_TOKEN", "secret"), ("B_TOKEN", "secret-of-b")], &[]);
        assert_eq!(redacted(&redactor, &[b"secret-of-", b"b"]), b"[REDACTED]");
        assert_eq!(
            redacted(&redactor, &[b"secret-of-", b"c"]),
            b"[REDACTED]-of-c"
        );
    }

    #[test]
    fn the_longest_value_is_masked_whole() {
        let value: Vec<String> = (0..16_000).map(|number| number.to_string()).collect();
        let value = value.concat();
        let redactor = redactor(&[("A_TOKEN", &value)], &[]);
        let shown = redactor.text(&format!("<{value}>"));
        assert_eq!(shown.replace(MASK, ""), "<>");
    }

    #[test]
    fn words_are_masked_by_their_names() {
        let redactor = redactor(&[], &[]);
        for (words, expected) in [
            (
                &["--password=x", "--token", "y", "z"][..],
                "--password=[REDACTED]|--token|[REDACTED]|z",
            ),
            (
                &["-Ddb.password=x", "dbPassword=y"],
                "-Ddb.password=[REDACTED]|dbPassword=[REDACTED]",
            ),
            (
                &["--token", "--token", "x"],
                "--token|[REDACTED]|[REDACTED]",
            ),
            (
                &["DB_PASSWORD=a=b", "--tokens=3"],
                "DB_PASSWORD=[REDACTED]|--tokens=3",
            ),
            (
                &["sh", "-c", "a  --api-key k\n b"],
                "sh|-c|a  --api-key [REDACTED]\n b",
            ),
            (
                &["https://u:p@w@h/x", "http://u@h"],
                "https://u:[REDACTED]@h/x|http://u@h",
            ),
            (&["jdbc:x://h?a=b", "--token"], "jdbc:x://h?a=b|--token"),
        ] {
            assert_eq!(redactor.words(&owned(words)).join("|"), expected);
        }
    }

    #[test]
    fn what_was_a_secret_on_the_command_line_is_one_in_the_output() {
        let redactor = redactor(&[], &["--password=hunter22", "--token=$(cat f)"]);
        assert_eq!(
            redactor.text("+ login hunter22 $(cat"),
            "+ login [REDACTED] $(cat"
        );
    }

    proptest! {
        #[test]
        fn any_chunks_give_what_the_whole_gives(
            secrets in prop::collection::vec("[ab]{6,9}", 1..4),
            text in prop::collection::vec(prop_oneof![20 => Just(b'a'), 20 => Just(b'b'), 1 => any::<u8>()], 0..200),
            cuts in prop::collection::vec(0_usize..200, 0..20),
        ) {
            let names: Vec<String> = (0..secrets.len()).map(|n| format!("S{n}_TOKEN")).collect();
            let variables: Vec<(&str, &str)> =
                names.iter().map(String::as_str).zip(secrets.iter().map(String::as_str)).collect();
            let redactor = redactor(&variables, &[]);
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= text.len()).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
            let secrets = redactor.secrets.as_ref().unwrap();
            let mut whole = Vec::new();
            let mut done = 0;
            for found in secrets.automaton.find_iter(&text) {
                whole.extend_from_slice(&text[done..found.start()]);
                whole.extend_from_slice(MASK.as_bytes());
                done = found.end();
            }
            whole.extend_from_slice(&text[done..]);
            prop_assert_eq!(redacted(&redactor, &chunks), whole);
        }
    }
}
