//! The benchmarks: what Scalegrease costs against what people would use without it.
//!
//! Each benchmark is a file with a `run`; what it measured becomes a chapter of
//! `docs/benchmarks.md`. Only comparisons within one run of this chore mean anything: the
//! contestants take turns, so that they share whatever else the machine does.

mod artifacts;
mod comparison;
mod ground;
mod guard;
mod machine;
mod memory;
mod output;
mod records;
mod share;
mod start;
mod unpack;

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use grease_testkit::component;

use ground::Ground;

/// Where the results are kept, below the workspace.
const DOCUMENT: &str = "docs/benchmarks.md";

/// The lines around the part of the document that this chore writes.
const MARKERS: [&str; 2] = ["<!-- results: begin -->\n", "<!-- results: end -->\n"];

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Benchmark {
    /// Starting a script that does nothing: greaserun against the shell
    Start,
    /// 1 GB of a job's output on its way into a file: greaserun against tee
    Output,
    /// Unpacking the folder python/ of a large jar: greaserun against unzip and zipfile
    Unpack,
    /// Fetching an artifact: maven-fetch against mvn and curl
    Artifacts,
    /// Admission, refusal and crowds: greaserun against itself, GNU parallel and make
    Guard,
    /// Questions about a million runs: greasestatus
    Records,
    /// What a share adds to a job, healthy and hung, and what a run asks of it
    Share,
}

/// What a benchmark found.
struct Chapter {
    heading: &'static str,
    /// Markdown: tables and figures.
    body: String,
    aims: Vec<Aim>,
}

/// A figure that the project has set itself.
struct Aim {
    /// The aim in words.
    text: &'static str,
    /// What meets it.
    bound: Bound,
    /// What was measured; `None` if the peer is missing.
    measured: Option<f64>,
    unit: &'static str,
}

/// On which side of a value an aim is met.
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Aim {
    fn line(&self) -> String {
        let Self {
            text,
            bound,
            measured,
            unit,
        } = self;
        let Some(measured) = *measured else {
            return format!("- not judged, the peer is missing: {text}\n");
        };
        let met = match *bound {
            Bound::AtMost(most) => measured <= most,
            Bound::AtLeast(least) => measured >= least,
        };
        let verdict = if met { "met" } else { "not met" };
        format!("- {verdict}: {text}; measured {measured:.2} {unit}\n")
    }
}

/// Runs the benchmarks named, or all, and prints what they found.
///
/// With `write` it goes into the document as well.
pub(crate) fn bench(named: &[Benchmark], rounds: Option<u32>, write: bool) -> Result<ExitCode> {
    let ground = Ground::prepare(rounds)?;
    let named = if named.is_empty() {
        Benchmark::value_variants()
    } else {
        named
    };
    let mut text = machine::describe(ground.directory())?;
    for benchmark in named {
        eprintln!("measuring {benchmark:?}");
        let chapter = match benchmark {
            Benchmark::Start => start::run(&ground),
            Benchmark::Output => output::run(&ground),
            Benchmark::Unpack => unpack::run(&ground),
            Benchmark::Artifacts => artifacts::run(&ground),
            Benchmark::Guard => guard::run(&ground),
            Benchmark::Records => records::run(&ground),
            Benchmark::Share => share::run(&ground),
        }?;
        let Chapter {
            heading,
            body,
            aims,
        } = chapter;
        write!(text, "\n### {heading}\n\n{body}\nAims:\n\n")?;
        for aim in &aims {
            text.push_str(&aim.line());
        }
    }
    writeln!(text, "\nLoad averages at the end: {}.", machine::load()?)?;
    print!("{text}");
    if write {
        let path = component::workspace().join(DOCUMENT);
        let document = fs_err::read_to_string(&path)?;
        let document = with_results(&document, &text).context("the document has no markers")?;
        fs_err::write(&path, document)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The document with `text` between its markers; `None` if it has none.
fn with_results(document: &str, text: &str) -> Option<String> {
    let [begin, end] = MARKERS;
    let (head, rest) = document.split_once(begin)?;
    let (_, tail) = rest.split_once(end)?;
    Some(format!("{head}{begin}\n{text}\n{end}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_replace_those_of_the_last_time_and_nothing_else() {
        let [begin, end] = MARKERS;
        let document = format!("head\n{begin}old\n{end}tail\n");
        let once = with_results(&document, "new\n").unwrap();
        assert_eq!(once, format!("head\n{begin}\nnew\n\n{end}tail\n"));
        assert_eq!(with_results(&once, "new\n").unwrap(), once);
        assert_eq!(with_results("head\n", "new\n"), None);
    }

    #[test]
    fn an_aim_is_met_on_its_own_side_of_the_bound_and_never_without_a_measurement() {
        let line = |bound, measured| {
            Aim {
                text: "a",
                bound,
                measured,
                unit: "ms",
            }
            .line()
        };
        assert_eq!(
            line(Bound::AtMost(5.0), Some(5.0)),
            "- met: a; measured 5.00 ms\n"
        );
        assert_eq!(
            line(Bound::AtMost(5.0), Some(5.1)),
            "- not met: a; measured 5.10 ms\n"
        );
        assert_eq!(
            line(Bound::AtLeast(5.0), Some(5.1)),
            "- met: a; measured 5.10 ms\n"
        );
        assert_eq!(
            line(Bound::AtLeast(5.0), Some(4.9)),
            "- not met: a; measured 4.90 ms\n"
        );
        let unjudged = "- not judged, the peer is missing: a\n";
        assert_eq!(line(Bound::AtLeast(5.0), None), unjudged);
    }
}
