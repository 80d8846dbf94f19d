//! The example job of the README.

use grease_testkit::component::{Component, workspace};

use super::{Site, directory_of, run};

#[test]
fn the_example_greets_from_its_script() {
    let site = Site::new(&[]);
    let jar = workspace().join("docs/example/hello.jar");
    let mut job = site.greaserun("shell");
    job.arg(jar).args(["hello.sh", "reader"]);
    assert_eq!(run(&mut job, 0), "hello, reader\n");
}

#[test]
fn the_example_greets_from_python() {
    let Some(python) = directory_of(Component::Python) else {
        return;
    };
    let site = Site::new(&[&python]);
    let jar = workspace().join("docs/example/hello.jar");
    let mut job = site.greaserun("python");
    job.arg(jar).args(["python3", "hello.py", "reader"]);
    assert_eq!(run(&mut job, 0), "hello, reader, from hello.jar\n");
}
