//! Fetching an artifact: nothing to ask, nothing new, nothing here yet.

mod maven;
mod nginx;
mod site;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::comparison::{Comparison, Contestant, empty};
use super::ground::{Ground, silent, version_of};
use super::memory;
use super::{Aim, Bound, Chapter};
use crate::command::{command, run_quietly};
use maven::Maven;
use nginx::{Asked, Nginx};

/// The names under which the server knows its clients.
const FETCH: &str = "fetch";
const MVN: &str = "mvn";
const CURL: &str = "curl";

/// Calls in one process whose time is taken: enough for a median, in a tenth of a second or so.
const CALLS: &str = "100";

/// Fetches into a file system and compares with a known checksum: `$0` directory, `$1` address,
/// `$2` checksum.
const CURL_LINE: &str = "curl --silent --fail --output \"$0/large.jar\" \"$1\" \
    && echo \"$2  $0/large.jar\" | sha1sum --check --status";

/// The same, with the file on the disk before it is used.
const CURL_SYNC_LINE: &str = "curl --silent --fail --output \"$0/large.jar\" \"$1\" \
    && sync \"$0/large.jar\" \
    && echo \"$2  $0/large.jar\" | sha1sum --check --status";

/// The server, who asks it, and what was found so far.
struct Scene<'a> {
    ground: &'a Ground,
    nginx: Nginx,
    maven: Option<Maven>,
    /// Ours.
    settings: PathBuf,
    body: String,
    aims: Vec<Aim>,
}

pub(super) fn run(ground: &Ground) -> Result<Chapter> {
    let (site, own) = (ground.path("site"), ground.path("nginx"));
    let sha1 = site::make(&site)?;
    fs_err::create_dir(&own)?;
    let nginx = Nginx::start(&own, &site)?;
    let settings = ground.path("settings.xml");
    let text = maven::write_settings(&ground.path("fetch/repository"), &nginx.url(FETCH));
    fs_err::write(&settings, text)?;
    let maven = Maven::prepare(ground, &nginx.url(MVN))?;
    let peer = maven
        .as_ref()
        .map_or("no Maven on this machine", |maven| &maven.version);
    let mut scene = Scene {
        body: format!(
            "Repository: {} on this machine. Peer: {peer}.\n",
            nginx.version
        ),
        ground,
        nginx,
        maven,
        settings,
        aims: Vec::new(),
    };
    scene.warm()?;
    scene.refresh()?;
    scene.cold(&sha1)?;
    Ok(Chapter {
        heading: "Fetching an artifact",
        body: scene.body,
        aims: scene.aims,
    })
}

impl Scene<'_> {
    /// Our program, which keeps everything below `place`.
    fn fetch(&self, place: &Path, options: &[&str], coordinates: &str) -> Command {
        let mut fetch = self.ground.example("fetch");
        fetch
            .arg("--settings")
            .arg(&self.settings)
            .arg("--local-repository")
            .arg(place.join("repository"))
            .arg("--cache")
            .arg(place.join("cache"))
            .args(options)
            .arg(coordinates);
        past_proxies(fetch)
    }

    /// Maven as a contestant, which copies into an empty directory.
    fn mvn(&self, options: &[&str], coordinates: &str) -> Contestant {
        let Some(maven) = &self.maven else {
            return Contestant::missing("mvn");
        };
        let into = self.ground.path("mvn-copy");
        let words = [&["mvn"], options, &["dependency:copy"]].concat();
        let name = format!("`{}`", words.join(" "));
        Contestant::new(name, maven.copy(options, coordinates, &into)).into_empty(into)
    }

    /// The snapshot is here and was asked for today.
    fn warm(&mut self) -> Result<()> {
        let place = self.ground.path("fetch");
        let mut fetch = self.fetch(&place, &[], site::SNAPSHOT);
        run_quietly(&mut fetch)?;
        if let Some(maven) = &self.maven {
            let into = self.ground.path("mvn-copy");
            run_quietly(&mut maven.copy(&[], site::SNAPSHOT, &into))?;
        }
        self.nginx.asked()?;
        let mut within = self.ground.example("warm");
        within
            .arg(&self.settings)
            .args([place.join("repository"), place.join("cache")])
            .args([site::SNAPSHOT, CALLS]);
        let mut load = self.ground.example("fetch");
        load.arg("--help");
        let rounds = self.ground.rounds(15);
        let comparison = Comparison {
            ours: Contestant::new("`fetch`, the whole process", fetch),
            peers: vec![
                Contestant::new(
                    format!("`Fetcher::fetch` and the settings, within a process ({CALLS} calls)"),
                    past_proxies(within),
                )
                .timing_itself(),
                Contestant::new("`fetch --help`: only to load the program", load),
                self.mvn(&[], site::SNAPSHOT),
                self.mvn(&["-o"], site::SNAPSHOT),
            ],
            rounds,
        };
        let measured = comparison.measure()?;
        let asked = self.nginx.asked()?;
        writeln!(
            self.body,
            "\n**Warm**: the latest snapshot is here, and was asked for today.\n\n{}\n\
             Requests that the server answered meanwhile: {} in all.",
            measured.table(),
            asked.len()
        )?;
        self.aims.extend([
            Aim {
                text: "warm: at most 2 ms within the process (wall, medians)",
                bound: Bound::AtMost(2.0),
                measured: measured.pair(0).map(|(_, within)| within.wall_median),
                unit: "ms",
            },
            Aim {
                text: "warm: 500 times faster than mvn, process against process (wall, medians)",
                bound: Bound::AtLeast(500.0),
                measured: measured
                    .pair(2)
                    .map(|(ours, mvn)| mvn.wall_median / ours.wall_median),
                unit: "times",
            },
            Aim {
                text: "warm: no request",
                bound: Bound::AtMost(0.0),
                measured: Some(of(&asked, FETCH).count()),
                unit: "requests",
            },
        ]);
        Ok(())
    }

    /// The snapshot is here, and the repository is asked whether it is the latest still.
    fn refresh(&mut self) -> Result<()> {
        let fetch = self.fetch(
            &self.ground.path("fetch"),
            &["--update", "always"],
            site::SNAPSHOT,
        );
        let rounds = self.ground.rounds(15);
        let comparison = Comparison {
            ours: Contestant::new("`fetch --update always`", fetch),
            peers: vec![self.mvn(&["-U"], site::SNAPSHOT)],
            rounds,
        };
        let measured = comparison.measure()?;
        let asked = self.nginx.asked()?;
        let runs = rounds + 1; // One does not count, but asks as well.
        writeln!(
            self.body,
            "\n**Refresh**: the latest snapshot is here, the repository is asked, nothing has \
             changed.\n\n{}\nRequests that the server answered, for each run: `fetch` {}; `mvn` {}.",
            measured.table(),
            of(&asked, FETCH).told(runs),
            of(&asked, MVN).told(runs),
        )?;
        self.aims.push(Aim {
            text: "refresh: two requests, which tests show to be made at once: one round trip",
            bound: Bound::AtMost(2.0),
            measured: Some(of(&asked, FETCH).count() / f64::from(runs)),
            unit: "requests",
        });
        Ok(())
    }

    /// A large release is not here.
    fn cold(&mut self, sha1: &str) -> Result<()> {
        let place = self.ground.path("cold");
        let mvn = self.mvn(&[], site::RELEASE);
        let mvn = match &self.maven {
            Some(maven) => mvn.into_empty(maven.place_of(site::GROUP)),
            None => mvn,
        };
        let rounds = self.ground.rounds(11);
        let comparison = Comparison {
            ours: Contestant::new("`fetch`", self.fetch(&place, &[], site::RELEASE))
                .into_empty(place.clone())
                .settled(),
            peers: vec![
                self.curl("curl -o FILE && sha1sum -c", CURL_LINE, sha1),
                self.curl(
                    "curl -o FILE && sync FILE && sha1sum -c",
                    CURL_SYNC_LINE,
                    sha1,
                ),
                mvn.settled(),
            ],
            rounds,
        };
        let measured = comparison.measure()?;
        let asked = self.nginx.asked()?;
        let runs = rounds + 1;
        self.compare_files(&place)?;
        empty(&place)?;
        let peak = memory::to_the_end(self.fetch(&place, &[], site::RELEASE))?.peak;
        writeln!(
            self.body,
            "\n**Cold**: a release of {} MB is downloaded into an empty local repository.\n\n{}\n\
             Requests that the server answered, for each run: `fetch` {}; `mvn` {}.\n\n\
             Memory of `fetch` in one more run: at most {peak:.1} MiB resident{}.",
            site::LARGE_BYTES / 1_000_000,
            measured.table(),
            of(&asked, FETCH).told(runs),
            of(&asked, MVN).told(runs),
            self.memory_of_mvn()?
        )?;
        let against = |peer| {
            measured
                .pair(peer)
                .map(|(ours, curl)| ours.wall_median / curl.wall_median)
        };
        self.aims.extend([
            Aim {
                text: "cold: at most 1.15 times curl and sha1sum (wall, medians)",
                bound: Bound::AtMost(1.15),
                measured: against(0),
                unit: "times",
            },
            Aim {
                text: "cold: at most 1.15 times curl, sync and sha1sum (wall, medians)",
                bound: Bound::AtMost(1.15),
                measured: against(1),
                unit: "times",
            },
            Aim {
                text: "cold: at most 20 MB of memory at 120 MB",
                bound: Bound::AtMost(20.0),
                measured: Some(peak * memory::MB_IN_A_MIB),
                unit: "MB",
            },
        ]);
        Ok(())
    }

    /// What Maven needs for the same, as the end of a sentence.
    fn memory_of_mvn(&self) -> Result<String> {
        let Some(maven) = &self.maven else {
            return Ok(String::new());
        };
        let into = self.ground.path("mvn-copy");
        empty(&maven.place_of(site::GROUP))?;
        empty(&into)?;
        let memory = memory::to_the_end(maven.copy(&[], site::RELEASE, &into))?;
        Ok(format!("; of `mvn` {:.0} MiB", memory.peak))
    }

    /// curl as a contestant, with what a script would do around it.
    fn curl(&self, name: &str, line: &str, sha1: &str) -> Contestant {
        let versions = version_of("curl", "--version").zip(version_of("sha1sum", "--version"));
        let Some((curl, sha1sum)) = versions else {
            return Contestant::missing("curl or sha1sum");
        };
        let curl = curl
            .split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" ");
        let into = self.ground.path(CURL);
        let mut shell = silent("sh");
        shell
            .args(["-c", line])
            .arg(&into)
            .arg(format!("{}{}", self.nginx.url(CURL), site::RELEASE_PATH))
            .arg(sha1);
        Contestant::new(format!("`{name}` ({curl}; {sha1sum})"), past_proxies(shell))
            .into_empty(into)
            .settled()
    }

    /// Makes sure that everyone has what the server has.
    fn compare_files(&self, place: &Path) -> Result<()> {
        let original = self.ground.path("site").join(site::RELEASE_PATH);
        let mut copies = vec![place.join("repository").join(site::RELEASE_PATH)];
        if self.maven.is_some() {
            let name = original.file_name().unwrap_or_default();
            copies.push(self.ground.path("mvn-copy").join(name));
        }
        for copy in copies {
            run_quietly(command("cmp").arg(&original).arg(copy))?;
        }
        Ok(())
    }
}

/// A command that asks the server itself, whatever proxies the environment names.
fn past_proxies(mut command: Command) -> Command {
    command
        .env("no_proxy", "127.0.0.1")
        .env("NO_PROXY", "127.0.0.1");
    command
}

/// What one client asked for.
#[derive(Debug, Default)]
struct Share {
    /// Answers of each status.
    statuses: BTreeMap<u16, u32>,
    /// Of all of them.
    body_bytes: u64,
}

/// The requests of one client.
fn of(asked: &[Asked], client: &str) -> Share {
    let mut share = Share::default();
    for one in asked.iter().filter(|one| one.client == client) {
        *share.statuses.entry(one.status).or_default() += 1;
        share.body_bytes += one.body_bytes;
    }
    share
}

impl Share {
    fn count(&self) -> f64 {
        f64::from(self.statuses.values().sum::<u32>())
    }

    /// Says how many there were for each of so many runs.
    fn told(&self, runs: u32) -> String {
        let mut text = (self.count() / f64::from(runs)).to_string();
        for (index, (status, count)) in self.statuses.iter().enumerate() {
            let before = if index == 0 { " (" } else { ", " };
            let each = f64::from(*count) / f64::from(runs);
            write!(text, "{before}{each} with status {status}").expect("in memory");
        }
        if !self.statuses.is_empty() {
            let bytes = self.body_bytes / u64::from(runs);
            write!(text, ", {bytes} bytes)").expect("in memory");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_for_each_run_with_their_statuses() {
        let one = |client: &str, status| Asked {
            client: client.to_owned(),
            status,
            body_bytes: 5,
        };
        let asked = [
            one(FETCH, 304),
            one(FETCH, 304),
            one(MVN, 200),
            one(FETCH, 200),
            one(FETCH, 304),
            one(FETCH, 304),
        ];
        let share = of(&asked, FETCH);
        assert_eq!(
            share.told(2),
            "2.5 (0.5 with status 200, 2 with status 304, 12 bytes)"
        );
        assert_eq!(of(&asked, CURL).told(2), "0");
    }
}
