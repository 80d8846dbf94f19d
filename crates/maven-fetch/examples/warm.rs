//! Times what a program pays for an artifact that is here already, when nothing has to be asked:
//! `warm SETTINGS LOCAL_REPOSITORY CACHE COORDINATES CALLS`.
//!
//! Each call begins as a new process would, with the environment and the settings files. Prints
//! two numbers: the median of a call's wall time, and the mean of its CPU time, in nanoseconds.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use jiff::ZonedDateTime;
use maven_fetch::coordinates::{Coordinates, Defaults};
use maven_fetch::fetch::{Fetched, Fetcher, Occasion, Preferences};
use maven_fetch::local::LocalRepository;
use maven_fetch::resolve::Freshness;
use maven_fetch::settings::{self, Settings, Surroundings};
use maven_fetch::state::State;
use rustix::time::{ClockId, clock_gettime};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [settings, local, cache, coordinates, calls] = arguments.as_slice() else {
        return Err("needs SETTINGS LOCAL_REPOSITORY CACHE COORDINATES CALLS".into());
    };
    let calls: u32 = calls.parse()?;
    let call = || fetch(settings, Path::new(local), Path::new(cache), coordinates);
    let mut times = Vec::new();
    let before = clock_gettime(ClockId::ProcessCPUTime);
    for _ in 0..calls {
        let begun = Instant::now();
        let fetched = call()?;
        times.push(begun.elapsed().as_nanos());
        if fetched.requests > 0 || fetched.freshness != Freshness::Fresh {
            return Err("a repository was asked: the call is not warm".into());
        }
    }
    let after = clock_gettime(ClockId::ProcessCPUTime);
    times.sort_unstable();
    let median = times
        .get(times.len() / 2)
        .ok_or("needs one call at least")?;
    let seconds = after.tv_sec - before.tv_sec;
    let cpu = (seconds * 1_000_000_000 + after.tv_nsec - before.tv_nsec) / i64::from(calls);
    writeln!(io::stdout(), "{median} {cpu}")?;
    Ok(())
}

fn fetch(
    settings: &str,
    local: &Path,
    cache: &Path,
    coordinates: &str,
) -> Result<Fetched, Box<dyn Error>> {
    let coordinates = Coordinates::parse(coordinates, &Defaults::default())?;
    let mut surroundings = Surroundings::of_process();
    surroundings.user_settings = Some(PathBuf::from(settings));
    let settings = Settings::load(surroundings)?;
    let (repositories, _warnings) = settings::repositories(&settings, &[])?;
    let state = State::new(cache);
    let local = LocalRepository::new(local.to_owned(), state.own_repository(local), Vec::new());
    let fetcher = Fetcher {
        repositories: &repositories,
        local: &local,
        state: &state,
        preferences: Preferences::default(),
    };
    let cancel = AtomicBool::new(false);
    let mut occasion = Occasion {
        now: ZonedDateTime::now(),
        cancel: &cancel,
        progress: &mut |_, _| {},
    };
    Ok(fetcher.fetch(&coordinates, &mut occasion)?)
}
