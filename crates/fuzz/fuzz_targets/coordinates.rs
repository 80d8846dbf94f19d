//! Coordinates in all orders: what is accepted reads the same again and leads to a path below a
//! repository.

#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use maven_fetch::coordinates::{
    Coordinates, Defaults, Field, Order, VersionRequest, base_version, check, is_snapshot,
};

fuzz_target!(|text: &str| {
    let defaults = Defaults {
        version: Some("LATEST".to_owned()),
        classifier: Some("jar-with-dependencies".to_owned()),
        ..Defaults::default()
    };
    let orders = [
        None,
        Some(Order::Plugin),
        Some(Order::Aether),
        Some(Order::Gradle),
    ];
    for order in orders {
        let parsed = match order {
            None => Coordinates::parse(text, &defaults),
            Some(order) => Coordinates::parse_as(order, text, &defaults),
        };
        match parsed {
            Ok(coordinates) => expect_sound(&coordinates, &defaults),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});

fn expect_sound(coordinates: &Coordinates, defaults: &Defaults) {
    let shown = coordinates.to_string();
    let again = Coordinates::parse_as(Order::Plugin, &shown, defaults);
    assert_eq!(again.as_ref(), Ok(coordinates), "{shown}");
    let Coordinates {
        group,
        artifact,
        version,
        extension,
        classifier,
    } = coordinates;
    check(Field::Group, group).unwrap();
    check(Field::Artifact, artifact).unwrap();
    check(Field::Extension, extension).unwrap();
    classifier
        .iter()
        .for_each(|text| check(Field::Classifier, text).unwrap());
    let version = match version {
        VersionRequest::Exact(version) | VersionRequest::Snapshot(version) => version,
        VersionRequest::Latest | VersionRequest::Release | VersionRequest::Range(_) => "1.0",
    };
    let base = base_version(version);
    assert_eq!(base_version(&base), base, "{version}");
    assert_eq!(is_snapshot(&base), is_snapshot(version), "{version}");
    let path = coordinates.resolved(version).unwrap().path();
    let is_inside = Path::new(&path)
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    assert!(is_inside, "{path}");
    assert_eq!(
        path.split('/').count(),
        group.split('.').count() + 3,
        "{path}"
    );
}
