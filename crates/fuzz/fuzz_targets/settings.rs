//! Settings, up to the list of repositories: what is listed can be asked without harm.
//!
//! Input: `settings.xml`, and behind a NUL byte, which no XML has, `settings-security.xml`.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use maven_fetch::repository::Repository;
use maven_fetch::settings::{OwnRepository, Settings, Surroundings, repositories};
use tempfile::TempDir;

/// A home directory. It is not removed at the end.
static HOME: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == 0);
    let (settings, security) = bytes.split_at(end.unwrap_or(bytes.len()));
    let home = HOME.path();
    let write = |name: &str, content: &[u8]| -> PathBuf {
        let path = home.join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let surroundings = Surroundings {
        home: home.to_owned(),
        user_settings: Some(write("settings.xml", settings)),
        environment: BTreeMap::from([
            pair("TOKEN", "a b\r\nc: ${env.TOKEN}"),
            pair("https_proxy", "http://u:p@proxy:3128"),
        ]),
        properties: BTreeMap::from([(
            "settings.security".to_owned(),
            write("security.xml", security.get(1..).unwrap_or_default())
                .to_string_lossy()
                .into_owned(),
        )]),
        ..Surroundings::default()
    };
    let own = [OwnRepository::new("own", "https://u:p@h/own")];
    let settings = match Settings::load(surroundings) {
        Ok(settings) => settings,
        Err(error) => return expect_told(&error.to_string(), home),
    };
    match repositories(&settings, &own) {
        Ok((repositories, warnings)) => {
            expect_sound(&repositories);
            warnings
                .iter()
                .for_each(|warning| expect_told(&warning.to_string(), home));
        }
        Err(error) => expect_told(&error.to_string(), home),
    }
});

/// A message has a text, and a place in the file if it names the file.
fn expect_told(message: &str, home: &Path) {
    assert!(!message.is_empty());
    for name in ["settings.xml:", "security.xml:"] {
        let file = home.join(name).to_string_lossy().into_owned();
        for place in message.split(&file).skip(1) {
            let mut numbers = place.splitn(3, [':', '`', ')']);
            for _ in 0..2 {
                let number = numbers.next().and_then(|text| text.parse::<u32>().ok());
                assert!(number.is_some_and(|number| number > 0), "{message}");
            }
        }
    }
}

fn expect_sound(repositories: &[Repository]) {
    let ids: BTreeSet<&str> = repositories.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids.len(), repositories.len(), "two of one id");
    assert!(
        ids.contains("own"),
        "settings took away what the caller named"
    );
    for repository in repositories {
        let Repository {
            id, url, headers, ..
        } = repository;
        assert!(!id.is_empty() && id != "local", "{id}");
        assert!(["http", "https", "file"].contains(&url.scheme()), "{url}");
        assert!(
            url.username().is_empty() && url.password().is_none(),
            "{url}"
        );
        for (name, value) in headers {
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b':'),
                "{name}"
            );
            assert!(
                !value.0.contains(['\r', '\n', '\0']),
                "a header makes another"
            );
        }
    }
}
