//! The example job of the README.

use grease_testkit::component::{Component, workspace};

use super::{Site, directory_of, output_with_code};

#[test]
fn the_example_greets_from_its_script() {
    let site = Site::new(&[]);
    let jar = workspace().join("docs/example/hello.jar");
    let finished = site
        .greaserun("shell", &jar, &["hello.sh", "reader"])
        .finish();
    assert_eq!(output_with_code(&finished, 0), "hello, reader\n");
}

#[test]
fn the_example_greets_from_python() {
    let Some(python) = directory_of(Component::Python) else {
        return;
    };
    let site = Site::new(&[python]);
    let jar = workspace().join("docs/example/hello.jar");
    let finished = site
        .greaserun("python", &jar, &["python3", "hello.py", "reader"])
        .finish();
    assert_eq!(
        output_with_code(&finished, 0),
        "hello, reader, from hello.jar\n"
    );
}
