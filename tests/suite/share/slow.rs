//! A slow share: what matters comes first, and the job does not notice.

use grease_testkit::sandbox::wait_until;

use super::Host;

/// Largest resident memory of a process so far, KiB.
fn peak_kib(pid: i32) -> u64 {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap_or("0 kB").trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}

#[test]
fn index_and_digest_arrive_before_the_log_at_ten_kilobytes_in_a_second() {
    let Some(host) = Host::new() else {
        return;
    };
    host.waits("0s");
    host.share.rules("write=rate:10240");
    let script = "head -c 400000 /dev/zero | tr '\\0' x; echo; echo the reason >&2; exit 3";
    let failed = host.shell(script).finish();
    assert_eq!((failed.code, failed.stdout.len()), (Some(3), 400_001));
    let log = host.sandbox.sealed().pop().unwrap().join("log");
    let whole = fs_err::metadata(log).unwrap().len();
    let mut shipped = 0;
    wait_until("the reason is on the share", || {
        let digest = host.files("failed").pop();
        let index = host.files("index").pop();
        let [digest, index] = [digest, index].map(|path| {
            path.and_then(|path| fs_err::read_to_string(path).ok())
                .unwrap_or_default()
        });
        shipped = host
            .files("logs")
            .iter()
            .map(|path| fs_err::metadata(path).unwrap().len())
            .sum();
        digest.contains("the reason") && index.contains("\"event\":\"end\"")
    });
    assert!(shipped < whole, "{shipped} of {whole} bytes of the log");
    for pid in host.shippers() {
        let peak = peak_kib(pid);
        assert!(peak < 64 << 10, "the shipper needs {peak} KiB");
    }
    host.share.rules("");
    host.assert_arrives();
}

#[test]
fn a_long_log_does_not_keep_a_short_one_waiting() {
    let Some(host) = Host::new() else {
        return;
    };
    host.waits("0s");
    host.share.rules("write@/logs/=rate:102400");
    host.run("head -c 4000000 /dev/zero | tr '\\0' x");
    let long = host.sandbox.sealed().pop().unwrap();
    host.run("echo short");
    let short = host.sandbox.sealed().pop().unwrap();
    assert_ne!(long, short);
    wait_until("the short one is there", || short.join("shipped").exists());
    assert!(!long.join("shipped").exists());
    host.share.rules("");
    host.assert_arrives();
}
