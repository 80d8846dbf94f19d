//! Two hosts of one name on one share: two spools, whose files must never meet.

use grease_testkit::sandbox::Sandbox;

use super::{Host, arrives, configure, files_below, shell, tree};

#[test]
fn two_hosts_of_one_name_keep_their_files_apart() {
    let Some(host) = Host::new() else {
        return;
    };
    let second = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
    configure(&second, &host.share.path(), "30s");
    for round in 0..3 {
        let runs = [
            host.shell(&format!("echo first {round}")).start(),
            shell(&second, &format!("echo second {round}")).start(),
        ];
        for run in runs {
            assert_eq!(run.finish().code, Some(0));
        }
    }
    let root = host.share.backing();
    arrives(&host.sandbox, &root);
    arrives(&second, &root);
    let names = [&host.sandbox, &second]
        .map(|sandbox| fs_err::read_to_string(sandbox.spool().join("ship/host")).unwrap());
    assert_ne!(names[0], names[1]);
    assert_eq!(files_below(&tree(&root).join("hosts")).len(), 2);
    assert_eq!(host.files("logs").len(), 6);
    host.assert_only_shippers_asked();
}

#[test]
fn a_host_keeps_its_name_on_the_share() {
    let Some(host) = Host::new() else {
        return;
    };
    let name = || fs_err::read_to_string(host.sandbox.spool().join("ship/host")).unwrap();
    host.run("echo once");
    let before = name();
    for _ in 0..3 {
        host.kill_shipper();
        host.run("echo again");
        assert_eq!(name(), before);
    }
    host.assert_arrives();
}
