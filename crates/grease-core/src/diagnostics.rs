//! What our own programs do, for those who look for a fault in them: kept on this host for a week.
//!
//! Scopes tell it with `tracing`; a program decides where it goes. It is written at once and by no thread, so
//! nothing is lost and signals stay blocked everywhere; never on the share, which may hang. Whatever
//! goes wrong with it goes wrong in silence.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{Level, Metadata, Subscriber};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::sys::{clock, fs};

/// Directory of these files in the spool.
pub const DIRECTORY: &str = "diagnostics";

/// Days that are kept, today included.
const DAYS: usize = 7;

/// Longest event; of a longer one the beginning is kept.
const EVENT_BYTES_MAX: usize = 8 * 1024;

/// Target of events that the user was told of already: they are kept, and not shown again.
pub const TOLD: &str = "grease_told";

/// Takes secrets out of a text.
pub type Mask = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Shows a text to whoever called the program; never waits.
pub type Show = Box<dyn Fn(&str) + Send + Sync>;

/// Takes what is told from now on: keeps it in `spool`, if there is one, in a file for each program and day
/// (UTC), and shows it, if that is asked for. Costs next to nothing until something is told. A second call
/// has no effect.
pub fn keep(spool: Option<&Path>, program: &'static str, mask: &Mask, show: Option<Show>) {
    let kept = spool.map(|spool| layer(file(spool, program, mask.clone()), |_| true));
    let shown = show.map(|show| {
        let mask = mask.clone();
        let put = move |text: &str| show(&harmless(&mask(text)));
        layer(put, |target| target != TOLD)
    });
    let all = tracing_subscriber::registry().with(kept).with(shown);
    all.try_init().ok(); // A second one would be a mistake of ours, and no reason to fail.
}

/// Tells of panics from now on, which nobody sees of a process without a terminal.
pub fn tell_of_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!("{panic}");
        usual(panic);
    }));
}

/// Hands what is told from now on to another process, which keeps it, by what `tell` does with it.
pub(crate) fn pass_on(tell: impl Fn(&str) + Send + Sync + 'static) {
    let layer = layer(tell, |_| true);
    tracing_subscriber::registry().with(layer).try_init().ok();
}

/// Puts a text into today's file.
fn file(spool: &Path, program: &'static str, mask: Mask) -> impl Fn(&str) + Send + Sync + 'static {
    let directory = spool.join(DIRECTORY);
    move |text| {
        let (now, pid) = (clock::now(), std::process::id());
        let line = format!("{now:.6} {pid} {}\n", harmless(&mask(text)));
        write(&directory, program, line.as_bytes()).ok(); // A full disk, say.
    }
}

fn layer<S, P>(put: P, is_meant: fn(&str) -> bool) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    P: Fn(&str) + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .without_time()
        .with_writer(Sink(put))
        .log_internal_errors(false); // They would go to standard error.
    layer.with_filter(filter_fn(move |about| {
        is_ours(about) && is_meant(about.target())
    }))
}

/// Whether one of our crates tells it: what libraries tell may hold anything, headers with passwords too.
fn is_ours(about: &Metadata<'_>) -> bool {
    let target = about.target();
    *about.level() <= Level::DEBUG
        && ["grease_", "maven_fetch"]
            .iter()
            .any(|ours| target.starts_with(ours))
}

/// One line, of a length that does no harm.
fn harmless(text: &str) -> String {
    let mut line: String = text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    let end = line.floor_char_boundary(EVENT_BYTES_MAX);
    line.truncate(end);
    line
}

/// Appends a line to today's file. The appender is made for each line: one that lives goes over to the next
/// day by itself, and tells what fails then on standard error, as it does when it removes old files.
fn write(directory: &Path, program: &str, line: &[u8]) -> io::Result<()> {
    let is_new = !directory.exists();
    if is_new {
        fs::private_dir(directory)?;
    }
    let appender = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(program)
        .filename_suffix("log")
        .build(directory);
    let mut appender = appender.map_err(io::Error::other)?;
    appender.write_all(line)?;
    remove_old(directory, program)
}

/// Removes all but the newest files of a program: their names sort by their days.
fn remove_old(directory: &Path, program: &str) -> io::Result<()> {
    let mut files: Vec<PathBuf> = fs_err::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_of(path, program))
        .collect();
    files.sort_unstable();
    let old = files.len().saturating_sub(DAYS);
    for file in &files[..old] {
        fs_err::remove_file(file).ok(); // Another process did it, or a later one does.
    }
    Ok(())
}

fn is_of(path: &Path, program: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let day = name
        .and_then(|name| name.strip_prefix(program)?.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(".log"));
    day.is_some_and(|day| day.parse::<jiff::civil::Date>().is_ok())
}

/// Where events go.
struct Sink<P>(P);

impl<'a, P: Fn(&str) + 'a> MakeWriter<'a> for Sink<P> {
    type Writer = Event<'a, P>;

    fn make_writer(&'a self) -> Event<'a, P> {
        Event(&self.0)
    }
}

/// Takes an event, which comes in one piece.
struct Event<'a, P>(&'a P);

impl<P: Fn(&str)> Write for Event<'_, P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(String::from_utf8_lossy(bytes).trim());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(spool: &Path, tell: impl FnOnce()) -> String {
        let mask: Mask = Arc::new(|text| text.replace("hunter2", "[REDACTED]"));
        let layer = layer(file(spool, "greaserun", mask), |_| true);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, tell);
        let mut text = String::new();
        for entry in std::fs::read_dir(spool.join(DIRECTORY))
            .into_iter()
            .flatten()
        {
            text.push_str(&fs_err::read_to_string(entry.unwrap().path()).unwrap());
        }
        text
    }

    #[test]
    fn an_event_is_a_line_without_secrets_and_control_characters() {
        let spool = tempfile::tempdir().unwrap();
        let text = told(spool.path(), || {
            tracing::warn!(word = "a\u{1b}[31m\nb", "hunter2 is told");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains("WARN") && text.contains("[REDACTED] is told"),
            "{text}"
        );
        assert!(
            !text.contains('\u{1b}') && !text.contains("hunter2"),
            "{text}"
        );
    }

    #[test]
    fn a_panic_of_a_process_that_nobody_looks_at_is_kept() {
        let spool = tempfile::tempdir().unwrap();
        tell_of_panics();
        let text = told(spool.path(), || {
            std::panic::catch_unwind(|| panic!("one too many")).unwrap_err();
        });
        assert!(
            text.contains("ERROR") && text.contains("one too many"),
            "{text}"
        );
    }

    #[test]
    fn where_nothing_is_told_nothing_is_made() {
        let spool = tempfile::tempdir().unwrap();
        assert_eq!(told(spool.path(), || {}), "");
        assert!(!spool.path().join(DIRECTORY).exists());
    }

    #[test]
    fn a_week_is_kept_and_what_is_not_ours_stays() {
        let spool = tempfile::tempdir().unwrap();
        let directory = spool.path().join(DIRECTORY);
        fs_err::create_dir(&directory).unwrap();
        let names: Vec<String> = (1..=9)
            .map(|day| format!("greaserun.2020-01-0{day}.log"))
            .collect();
        for name in names
            .iter()
            .map(String::as_str)
            .chain(["greaserun.old.log", "ship.2020-01-01.log"])
        {
            fs_err::write(directory.join(name), "").unwrap();
        }
        told(spool.path(), || tracing::info!("once"));
        let is_there = |name: &str| directory.join(name).exists();
        assert_eq!(names.iter().filter(|name| is_there(name)).count(), DAYS - 1);
        assert!(is_there("greaserun.2020-01-09.log"));
        assert!(is_there("greaserun.old.log") && is_there("ship.2020-01-01.log"));
    }

    #[test]
    fn a_place_that_cannot_be_written_to_is_no_trouble() {
        let spool = tempfile::tempdir().unwrap();
        fs_err::write(spool.path().join(DIRECTORY), "a file").unwrap();
        assert_eq!(told(spool.path(), || tracing::error!("lost")), "");
    }
}
