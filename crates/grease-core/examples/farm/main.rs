//! Writes what a farm leaves on its share, as greaserun and its shipper would: `farm SHARE RUNS`.
//!
//! Two hundred hosts, five users, the ten days before now; all by chance, but by the same one each
//! time. Every run is in the index; logs and digests are there of one job only.

mod run;

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use grease_core::debugging::share::layout;
use grease_core::model::ResultWord;
use jiff::Timestamp;
use serde_json::json;

use run::{BOOT, Chance, Run};

const HOSTS: u32 = 200;
const USERS: [&str; 5] = ["etl", "reports", "search", "billing", "hadoop"];
const DAY: Duration = Duration::from_hours(24);
const DAYS: u32 = 10;

/// Jobs of each user, all alike.
const JOBS: u64 = 100;

/// The job of which there are logs and digests.
const LOGGED: &str = "com.acme.etl:feed-17#load.sh";

/// A job that the first user runs once a day on one host. It failed nine days ago.
const NIGHTLY: &str = "com.acme.etl:nightly#close-the-day.sh";

/// The host that runs it, and one that fell silent an hour ago.
const NIGHTLY_HOST: u32 = 7;
const SILENT_HOST: u32 = HOSTS - 2;

type Done<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// The events of one host, each with its time.
type Events = Vec<(Timestamp, Vec<u8>)>;

fn main() -> Done {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [share, runs] = arguments.as_slice() else {
        return Err("needs SHARE RUNS".into());
    };
    let share = Path::new(share);
    let each = runs.parse::<u32>()? / (HOSTS * 5);
    let marker = json!({"v": 1, "share_id": BOOT, "layout": 1,
        "created": "2026-01-01T00:00:00.000000Z"});
    fs_err::create_dir_all(share)?;
    fs_err::write(share.join(layout::MARKER), format!("{marker}\n"))?;
    let now = Timestamp::now();
    std::thread::scope(|scope| {
        let users = USERS.map(|name| {
            let dir = share.join(name);
            scope.spawn(move || User { dir, name, now }.write(each))
        });
        let mut users = users.into_iter();
        users.try_for_each(|user| user.join().expect("it does not panic"))
    })
}

/// One user's part of the tree.
struct User {
    dir: PathBuf,
    name: &'static str,
    now: Timestamp,
}

impl User {
    fn write(&self, each: u32) -> Done {
        for day in 0..=DAYS {
            let day = layout::day(self.now - DAY * day);
            fs_err::create_dir_all(self.dir.join(day).join(layout::INDEX))?;
        }
        fs_err::create_dir_all(self.dir.join(layout::HOSTS))?;
        (0..HOSTS).try_for_each(|host| self.host(host, each))
    }

    fn host(&self, number: u32, each: u32) -> Done {
        let host = format!("dp-{number:03}");
        let mut chance = Chance::of(&format!("{} {host}", self.name));
        let mut events = Events::new();
        let mut live = Vec::new();
        for left in (1..=each).rev() {
            let jitter = Duration::from_millis(chance.below(60_000));
            let start = self.now - DAY * DAYS / (each + 1) * left - jitter;
            let job = format!("com.acme.{}:feed-{}#load.sh", self.name, chance.below(JOBS));
            let run = Run::new(job, self.name, &host, start, &mut chance);
            // Every other host runs something now.
            let is_live = left == 1 && number.is_multiple_of(2);
            if is_live {
                live.push(run.id.to_string());
            }
            events.extend(run.events(!is_live)?);
            if run.job == LOGGED {
                self.log(&run)?;
            }
        }
        if self.name == USERS[0] && number == NIGHTLY_HOST {
            for day in 0..DAYS {
                let start = self.now - DAY * day - Duration::from_hours(23);
                let mut run = Run::new(NIGHTLY.to_owned(), self.name, &host, start, &mut chance);
                run.result = match day {
                    9 => ResultWord::Failure,
                    _ => ResultWord::Success,
                };
                events.extend(run.events(true)?);
            }
        }
        self.index(&host, events)?;
        self.beat(&host, &live, number == SILENT_HOST)
    }

    fn index(&self, host: &str, mut events: Events) -> Done {
        events.sort_by_key(|(time, _)| *time);
        let day = |event: &(Timestamp, Vec<u8>)| layout::day(event.0);
        for events in events.chunk_by(|one, other| day(one) == day(other)) {
            let lines: Vec<&[u8]> = events.iter().map(|(_, line)| &line[..]).collect();
            let path = layout::index(&day(&events[0]), host);
            create(&self.dir.join(path))?.write_all(&lines.concat())?;
        }
        Ok(())
    }

    fn log(&self, run: &Run) -> Done {
        let time = format!("{:.6}", run.start);
        let lines = (0..40).map(|line| format!("{time} stdout F line {line} of the job\n"));
        let text: String = lines.collect();
        create(&self.dir.join(&run.log))?.write_all(text.as_bytes())?;
        if run.result == ResultWord::Failure {
            let text = "job: it\nresult: failure\n\nreading\nno input\n";
            let path = layout::digest(run.start, &run.job, &run.host, run.id);
            create(&self.dir.join(path))?.write_all(text.as_bytes())?;
        }
        Ok(())
    }

    fn beat(&self, host: &str, live: &[String], is_silent: bool) -> Done {
        let beat = json!({"v": 1, "host": host, "user": self.name, "boot": BOOT, "spool": BOOT,
            "seq": 7, "time": format!("{:.6}", self.now), "live": live, "backlog_bytes": 0,
            "clock_offset_ms": 0, "version": "0.1.0", "error": null});
        let mut file = create(&self.dir.join(layout::heartbeat(host)))?;
        writeln!(file, "{:<4095}", beat.to_string())?;
        if is_silent {
            let seen = SystemTime::now() - Duration::from_hours(1);
            file.file().set_modified(seen)?;
        }
        Ok(())
    }
}

fn create(path: &Path) -> Done<fs_err::File> {
    if let Some(dir) = path.parent() {
        fs_err::create_dir_all(dir)?;
    }
    Ok(fs_err::File::create(path)?)
}
