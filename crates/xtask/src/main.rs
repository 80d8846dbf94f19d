//! Chores of the repository: components for tests, the test command, the example job.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "chores report to the person who called them"
)]

mod bench;
mod command;
mod count;
mod dist;
mod docs;
mod example;
mod fuzz;
mod nfs;
mod packages;
mod setup;
mod test;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Chores of the Scalegrease repository
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Fetch the components that tests run against and that need no root
    ///
    /// They go to `target/components`, or to the directory that `SCALEGREASE_COMPONENTS` names:
    /// Luigi in a virtual environment, Hadoop's client, a compiled `WordCount` and a fat jar that
    /// Maven builds. What is there already is kept.
    Setup {
        /// First install the Debian packages that are missing; needs root
        #[arg(long)]
        packages: bool,
    },
    /// Fetch components, run all tests, and list those that were skipped with their reasons
    ///
    /// `SCALEGREASE_REQUIRE=all`, or a comma list of components, makes a missing component fail
    /// the tests that need it.
    Test {
        /// What to hand to `cargo nextest run`, or to `cargo test` where nextest is absent;
        /// doc tests run only without it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run the tests with loops, chaos and fuzzing at length
    Soak {
        /// How many times longer than in an ordinary run
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        length: u32,
        /// What to hand to `cargo nextest run`, or to `cargo test` where nextest is absent
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run the fuzz targets of `crates/fuzz`, each for a few seconds
    ///
    /// `SCALEGREASE_LENGTH` multiplies the seconds.
    Fuzz {
        /// Targets; all if absent
        targets: Vec<String>,
        /// Run each for so many minutes instead
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        minutes: Option<u32>,
    },
    /// Make the jar of the example job in `docs/example` from its source
    Example,
    /// Write the documents that are generated from the code
    Docs,
    /// Measure what Scalegrease costs against what people would use without it
    Bench {
        /// What to measure; everything if absent
        benchmarks: Vec<bench::Benchmark>,
        /// How often each contestant is measured; by default as often as it takes
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: Option<u32>,
        /// Put the results into docs/benchmarks.md
        #[arg(long, conflicts_with = "benchmarks")]
        write: bool,
    },
    /// Try what is promised of shared storage on real NFS, in a virtual machine
    ///
    /// Needs root, some Debian packages, and once 70 MB for a kernel; no KVM, and no NFS in the kernel
    /// here. `tests/nfs/guest.sh` has the scenarios.
    Nfs {
        /// Scenarios; all if absent
        scenarios: Vec<String>,
    },
    /// Build what is released: programs, man pages, completions, config
    Dist,
}

fn main() -> Result<ExitCode> {
    grease_testkit::faultfs::serve_if_asked(); // A benchmark starts this program again for that.
    match Arguments::parse().chore {
        Chore::Setup { packages } => {
            if packages {
                packages::install()?;
            }
            setup::setup()
        }
        Chore::Test { arguments } => test::test(&arguments, None),
        Chore::Soak { length, arguments } => test::test(&arguments, Some(length)),
        Chore::Fuzz { targets, minutes } => fuzz::fuzz(&targets, minutes),
        Chore::Example => example::make(),
        Chore::Docs => docs::write(),
        Chore::Bench {
            benchmarks,
            rounds,
            write,
        } => bench::bench(&benchmarks, rounds, write),
        Chore::Nfs { scenarios } => nfs::nfs(&scenarios),
        Chore::Dist => dist::make(),
    }
}
