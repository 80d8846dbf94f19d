//! Jobs that a real cron daemon starts: why they run, what they get, and what is mailed.
//!
//! The daemon has a mount namespace of its own, in which the machine's crontabs are hidden, its
//! mail goes into files, and its site-wide environment is ours. It ends with the test.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use grease_core::debugging::frame;
use grease_core::model::Stream;
use grease_testkit::component::{Component, require};
use grease_testkit::sandbox::{Run, Running, Sandbox, redact, wait_until};
use serde_json::Value;

/// Hides what the machine has, then becomes the daemon.
///
/// `/usr/sbin` gets our sendmail; `/etc` gets our environment and an empty system crontab.
const DAEMON: &str = "
    umask 022
    mount -t overlay overlay -o lowerdir=$1/etc:/etc /etc
    mount -t overlay overlay -o lowerdir=$1/sbin:/usr/sbin /usr/sbin
    mount --bind $1/cron.d /etc/cron.d
    mount -t tmpfs tmpfs /run
    mount -t tmpfs tmpfs /var/spool/cron
    exec $2 -f
";

/// Prints what a job finds around it.
const SURROUNDINGS: &str = "\
    env | sort\n\
    pwd\n\
    umask\n\
    readlink /proc/self/fd/0\n\
    ls /proc/self/fd\n\
    grep -e SigBlk -e SigIgn /proc/self/status\n\
    cat\n";

/// The variables that the machine gives to every session, in our daemon's namespace.
const SITE: [&str; 2] = ["LANG=de_DE.UTF-8", "SITE_WIDE=1"];

/// What one minute of a crontab left behind.
struct Tick {
    sandbox: Sandbox,
    /// Text of the mails, without their headers.
    mails: Vec<String>,
}

#[test]
fn jobs_under_a_real_cron_daemon() {
    let needs = [Component::MountNamespace, Component::Cron].map(require);
    let [Some(_), Some(cron)] = needs else { return };
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
    fs_err::write(sandbox.work("surroundings"), SURROUNDINGS).unwrap();
    let surroundings = format!("sh {}", sandbox.work("surroundings").display());
    let tick = tick(
        sandbox,
        &cron.path,
        &[
            ("good", "sh -c 'echo fine; echo careful >&2'"),
            ("bad", r"sh -c 'echo reading; echo 100\% naïve >&2; exit 4'"),
            ("around", &surroundings),
            ("reads", "cat%first%second"),
            ("eats-nothing", "cat%first"),
            ("one", "true && GREASERUN -D --job two -r shell - false"),
            ("absent", "no-such-program"),
        ],
    );

    tick.every_run_was_scheduled();
    tick.only_failures_are_mailed();
    assert_eq!(tick.output("reads"), "first\nsecond\n");
    assert_eq!(tick.output("eats-nothing"), "");
    tick.as_cron_gives_by_hand_what_cron_gave(&surroundings);
}

/// Lets a daemon run each job once, and returns when it is done with all of them.
///
/// In a line, GREASERUN stands for the program with its config.
fn tick(sandbox: Sandbox, cron: &Path, jobs: &[(&str, &str)]) -> Tick {
    let greaserun = format!(
        "{} -c {}",
        sandbox.programs().join("greaserun").display(),
        sandbox.path("scalegrease.json").display()
    );
    let lines = jobs.iter().map(|(name, words)| {
        let stdin = if *name == "reads" {
            "--stdin inherit"
        } else {
            ""
        };
        format!("* * * * * root GREASERUN -D --job {name} {stdin} -r shell - {words}\n")
    });
    let crontab = lines.collect::<String>().replace("GREASERUN", &greaserun);
    let runs = crontab.matches(&greaserun).count();
    let site = sandbox.path("site");
    write(&site.join("etc/crontab"), "", 0o644);
    write(
        &site.join("etc/environment"),
        &format!("{}\n", SITE[1]),
        0o644,
    );
    write(
        &site.join("etc/default/locale"),
        &format!("{}\n", SITE[0]),
        0o644,
    );
    write(&site.join("cron.d/jobs"), &crontab, 0o644);
    let mail = site.join("mail");
    fs_err::create_dir(&mail).unwrap();
    let sendmail = format!("#!/bin/sh\nexec cat > {}/$$\n", mail.display());
    write(&site.join("sbin/sendmail"), &sendmail, 0o755);

    // Started on the brink of a minute, it could miss that minute.
    wait_until("there is time to start", || seconds() % 60 < 55);
    let daemon = daemon(&sandbox, &site, cron).start();
    let started = seconds() / 60;
    wait_until("the minute is full", || seconds() / 60 > started);
    wait_until("the first job starts", || {
        !sandbox.live().is_empty() || !sandbox.sealed().is_empty()
    });
    fs_err::remove_file(site.join("cron.d/jobs")).unwrap(); // Once is enough.
    wait_until("all runs have ended", || sandbox.sealed().len() == runs);
    wait_until("all mail is sent", || is_idle(&daemon));
    drop(daemon);
    let mails = fs_err::read_dir(mail).unwrap().map(|entry| {
        let mail = fs_err::read_to_string(entry.unwrap().path()).unwrap();
        mail.split_once("\n\n").unwrap().1.to_owned()
    });
    Tick {
        mails: mails.collect(),
        sandbox,
    }
}

/// The daemon as the first process of a process namespace: whatever it started ends with it.
fn daemon(sandbox: &Sandbox, site: &Path, cron: &Path) -> Run {
    sandbox
        .program("setpriv")
        .arguments([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--pid",
            "--fork",
        ])
        .arguments(["--kill-child", "--mount-proc", "sh", "-ec", DAEMON, "sh"])
        .arguments([site, cron])
}

/// Whether the daemon waits for nothing that it started.
fn is_idle(daemon: &Running) -> bool {
    let children =
        |pid: &str| fs_err::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let cron = children(&daemon.pid().to_string());
    children(cron.trim()).is_empty()
}

fn seconds() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn write(path: &Path, text: &str, mode: u32) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, text).unwrap();
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

impl Tick {
    fn every_run_was_scheduled(&self) {
        for dir in self.sandbox.sealed() {
            let log = fs_err::read_to_string(dir.join("log")).unwrap();
            let start = log.lines().next().unwrap().split_once(" start ").unwrap().1;
            let start: Value = serde_json::from_str(start).unwrap();
            assert_eq!(start["trigger"], "scheduled", "{start}");
        }
    }

    fn only_failures_are_mailed(&self) {
        let home = self.account_home();
        let redacted = |mail: &String| {
            let mail = redact(mail, &self.sandbox).replace(&home, "[HOME]");
            let lines = mail
                .split_inclusive('\n')
                .filter(|line| !line.starts_with("warning: "));
            lines.collect::<String>()
        };
        let mut mails: Vec<String> = self.mails.iter().map(redacted).collect();
        mails.sort();
        insta::assert_snapshot!(mails.join("-----\n"), @r"
        greaserun: absent could not be run on [HOST]
        error: cannot execute `no-such-program`
        caused by: No such file or directory (os error 2)
        hint: PATH is /usr/bin:/bin

        run     [RUN]
        user    [USER]
        ended   [TIME]
        log     less [SANDBOX]/state/spool/[UID]/sealed/[RUN]/log
        why     greasestatus why [RUN] -c [SANDBOX]/scalegrease.json
        again   cd [HOME] && env -i HOME=[HOME] LOGNAME=root PATH=/usr/bin:/bin SHELL=/bin/sh [BIN]/greaserun -c [SANDBOX]/scalegrease.json -D --job absent -r shell - no-such-program < /dev/null
        -----
        greaserun: bad failed with exit code 4 after [N] s on [HOST]

        The last lines of its output:
            reading
            100% naïve

        run     [RUN]
        user    [USER]
        ended   [TIME]
        log     less [SANDBOX]/state/spool/[UID]/sealed/[RUN]/log
        why     greasestatus why [RUN] -c [SANDBOX]/scalegrease.json
        again   cd [HOME] && env -i HOME=[HOME] LOGNAME=root PATH=/usr/bin:/bin SHELL=/bin/sh [BIN]/greaserun -c [SANDBOX]/scalegrease.json -D --job bad -r shell - sh -c 'echo reading; echo 100% naïve >&2; exit 4' < /dev/null
        -----
        greaserun: two failed with exit code 1 after [N] s on [HOST]

        The job wrote nothing.

        run     [RUN]
        user    [USER]
        ended   [TIME]
        log     less [SANDBOX]/state/spool/[UID]/sealed/[RUN]/log
        why     greasestatus why [RUN] -c [SANDBOX]/scalegrease.json
        again   cd [HOME] && env -i HOME=[HOME] LOGNAME=root PATH=/usr/bin:/bin SHELL=/bin/sh [BIN]/greaserun -c [SANDBOX]/scalegrease.json -D --job two -r shell - false < /dev/null
        ");
    }

    /// What a job wrote to standard output, out of the log of its run.
    fn output(&self, job: &str) -> String {
        let log = self.sandbox.sealed().into_iter().find_map(|dir: PathBuf| {
            let log = fs_err::read(dir.join("log")).unwrap();
            let end = fs_err::read_to_string(dir.join("sealed")).unwrap();
            let end: Value = serde_json::from_str(&end).unwrap();
            (end["job"] == job).then_some(log)
        });
        let log = log.unwrap_or_else(|| panic!("no run of `{job}`"));
        let lines = log
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| frame::parse(line).unwrap());
        let output = lines.filter(|(stream, _)| *stream == Stream::Stdout);
        String::from_utf8(output.flat_map(|(_, bytes)| bytes).collect()).unwrap()
    }

    /// The same but for the variables of the machine, which every session has and not only cron's.
    fn as_cron_gives_by_hand_what_cron_gave(&self, command: &str) {
        let by_hand = self
            .sandbox
            .greaserun(["-q", "--as-cron", "-r", "shell", "-"])
            .arguments(command.split(' '))
            .env("SECRET_OF_MY_SHELL", "1")
            .env("LC_ALL", "C")
            .stdin("not read")
            .finish();
        let by_cron = self.output("around");
        let lines = |text: &str| {
            let is_of_the_run =
                |line: &str| line.starts_with("GREASE_") || line.starts_with("TRACEPARENT=");
            let lines = text.lines().filter(|line| !is_of_the_run(line));
            lines.map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        let mut expected = lines(&by_cron);
        for variable in SITE {
            let position = expected.iter().position(|line| line == variable);
            expected.remove(position.unwrap_or_else(|| panic!("no {variable} in {by_cron}")));
        }
        assert_eq!(lines(&by_hand.out()), expected);
    }

    fn account_home(&self) -> String {
        let home = self
            .sandbox
            .program("/bin/sh")
            .arguments(["-c", "eval echo ~$(id -un)"])
            .finish();
        home.out().trim().to_owned()
    }
}
