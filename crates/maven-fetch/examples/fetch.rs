//! Fetches one artifact and prints its path: `fetch [OPTIONS] COORDINATES`.
//!
//! Where to ask stands in `mvn`'s own settings, and it is put where `mvn` puts it. Warnings go to
//! stderr.
#![expect(clippy::print_stderr, reason = "it is a program for people")]

use std::error::Error as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use maven_fetch::ErrorKind;
use maven_fetch::coordinates::{Coordinates, CoordinatesError, Defaults};
use maven_fetch::fetch::{FetchError, Fetched, Fetcher, Occasion, Preferences};
use maven_fetch::local::LocalRepository;
use maven_fetch::repository::{Repository, UpdatePolicy};
use maven_fetch::resolve::{Freshness, Tolerance};
use maven_fetch::settings::{self, OwnRepository, Settings, Surroundings};
use maven_fetch::state::State;

/// Fetches one artifact out of Maven repositories and prints its path.
#[derive(Parser)]
struct Arguments {
    /// `group:artifact[:version[:packaging[:classifier]]]`, or the orders of Aether and Gradle.
    coordinates: String,
    /// The user's settings, instead of `~/.m2/settings.xml`.
    #[arg(short, long)]
    settings: Option<PathBuf>,
    /// The local repository, instead of what the settings say.
    #[arg(short, long)]
    local_repository: Option<PathBuf>,
    /// Another repository, as `ID=ADDRESS`, after those of the settings; can be repeated.
    #[arg(short, long, value_name = "ID=ADDRESS")]
    repository: Vec<String>,
    /// Where to remember things between two calls.
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Ask no repository.
    #[arg(short, long)]
    offline: bool,
    /// How often to ask for metadata again, instead of what the settings say.
    #[arg(short = 'U', long)]
    update: Option<Update>,
    /// Take nothing that is not certainly the newest.
    #[arg(long)]
    strict: bool,
    /// Take nothing that was last confirmed longer ago, in seconds.
    #[arg(long, default_value_t = 7 * 24 * 3600)]
    max_stale: u64,
    /// The classifier where the coordinates do not say one.
    #[arg(long)]
    classifier: Option<String>,
    /// Print all that is known, as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Update {
    Always,
    Daily,
    Never,
}

/// Whatever went wrong.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Coordinates(#[from] CoordinatesError),
    #[error(transparent)]
    Settings(#[from] settings::Error),
    #[error("`{0}` is not `ID=ADDRESS`")]
    Repository(String),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("cannot print the result")]
    Print(#[from] io::Error),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("fetch: {failure}");
            let mut cause = failure.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            if let Some(hint) = failure.hint() {
                eprintln!("  {hint}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let defaults = Defaults {
        version: Some("LATEST".to_owned()),
        classifier: arguments.classifier.clone(),
        ..Defaults::default()
    };
    let coordinates = Coordinates::parse(&arguments.coordinates, &defaults)?;
    let mut surroundings = Surroundings::of_process();
    surroundings.user_settings.clone_from(&arguments.settings);
    let cache = arguments.cache.clone().unwrap_or_else(|| {
        let home = surroundings.home.join(".cache");
        let base = surroundings.environment.get("XDG_CACHE_HOME");
        base.map_or(home, PathBuf::from).join("maven-fetch")
    });
    let settings = Settings::load(surroundings)?;
    let repositories = repositories(&settings, &arguments.repository)?;
    let head = arguments
        .local_repository
        .as_ref()
        .unwrap_or(&settings.local_repository);
    let state = State::new(&cache);
    let local = LocalRepository::new(head.clone(), state.own_repository(head), Vec::new());
    let fetcher = Fetcher {
        repositories: &repositories,
        local: &local,
        state: &state,
        preferences: Preferences {
            offline: arguments.offline || settings.offline,
            update: arguments.update.map(|update| match update {
                Update::Always => UpdatePolicy::Always,
                Update::Daily => UpdatePolicy::Daily,
                Update::Never => UpdatePolicy::Never,
            }),
            tolerance: Tolerance {
                strict: arguments.strict,
                age_max: Duration::from_secs(arguments.max_stale),
            },
            ..Preferences::default()
        },
    };
    let cancel = AtomicBool::new(false);
    let mut occasion = Occasion {
        now: now(),
        cancel: &cancel,
        progress: &mut |_, _| {},
    };
    match fetcher.fetch(&coordinates, &mut occasion) {
        Ok(result) => Ok(print(&result, arguments.json)?),
        Err(error) if repositories.is_empty() && error.kind() == ErrorKind::Config => {
            Err(settings::Error::NoRepository.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Now, in the machine's time zone. Without `TZ` that is read from its file: to find its name, the
/// whole database of zones would be listed.
fn now() -> ZonedDateTime {
    let file = Path::new("/etc/localtime");
    let is_named = std::env::vars_os().any(|(name, _)| name == "TZ");
    let bytes = (!is_named).then(|| fs_err::read(file).ok()).flatten();
    let zone = bytes.and_then(|bytes| TimeZone::tzif("/etc/localtime", &bytes).ok());
    Timestamp::now().to_zoned_datetime(zone.unwrap_or_else(TimeZone::system))
}

/// Those of the settings, then those of the command line. Without any, what is here can be had.
fn repositories(settings: &Settings, more: &[String]) -> Result<Vec<Repository>, Failure> {
    let own = more
        .iter()
        .map(|text| match text.split_once('=') {
            Some((id, address)) => Ok(OwnRepository::new(id, address)),
            None => Err(Failure::Repository(text.clone())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    match settings::repositories(settings, &own) {
        Ok((repositories, warnings)) => {
            for warning in warnings {
                eprintln!("fetch: warning: {warning}");
            }
            Ok(repositories)
        }
        // What is here already needs none.
        Err(settings::Error::NoRepository) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn print(fetched: &Fetched, json: bool) -> io::Result<()> {
    let stale = match &fetched.freshness {
        Freshness::Fresh => None,
        Freshness::Stale { reason, age } => {
            Some((reason.to_string(), age.map(|age| age.as_secs())))
        }
    };
    if let Some((reason, _)) = &stale {
        eprintln!("fetch: warning: it may not be the newest: {reason}");
    }
    for notice in &fetched.notices {
        eprintln!("fetch: warning: {notice}");
    }
    if !json {
        return writeln!(io::stdout(), "{}", fetched.path.display());
    }
    let line = serde_json::json!({
        "artifact": fetched.artifact.to_string(),
        "version": fetched.artifact.version,
        "path": fetched.path,
        "repository": fetched.repository,
        "size_bytes": fetched.size_bytes,
        "sha1": fetched.sha1,
        "sha256": fetched.sha256,
        "state": if stale.is_some() { "stale" } else { "fresh" },
        "reason": stale.as_ref().map(|(reason, _)| reason),
        "age_s": stale.as_ref().and_then(|(_, age)| *age),
        "downloaded": fetched.downloaded,
        "requests": fetched.requests,
    });
    writeln!(io::stdout(), "{line}")
}

impl Failure {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Coordinates(_) | Self::Repository(_) => ErrorKind::Usage,
            Self::Settings(error) => error.kind(),
            Self::Fetch(error) => error.kind(),
            Self::Print(_) => ErrorKind::Io,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Coordinates(error) => error.hint(),
            Self::Settings(error) => error.hint().map(str::to_owned),
            Self::Fetch(error) => error.hint(),
            Self::Repository(_) | Self::Print(_) => None,
        }
    }

    /// As in `sysexits.h`.
    fn exit_code(&self) -> u8 {
        match self.kind() {
            ErrorKind::Usage => 64,
            ErrorKind::BadContent => 65,
            ErrorKind::NotFound | ErrorKind::Unreachable => 69,
            ErrorKind::Io => 74,
            ErrorKind::Credentials => 77,
            ErrorKind::Config => 78,
            ErrorKind::Cancelled => 130,
        }
    }
}
