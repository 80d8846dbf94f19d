//! Who we are to a repository, as headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderName, HeaderValue};

use super::address::user_in;
use crate::repository::{Credentials, Repository, Secret};

/// How credentials are written in bytes: servers do not agree (RFC 7617 leaves it open).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    Latin1,
}

/// Who we are to a repository: as configured, else as its address says.
pub(super) fn known(repository: &Repository) -> Option<Credentials> {
    repository.credentials.clone().or_else(|| {
        let (username, password) = user_in(&repository.url)?;
        Some(Credentials {
            username,
            password: Secret(password),
        })
    })
}

/// Makes the header of HTTP's Basic scheme (RFC 7617).
pub(super) fn basic(credentials: &Credentials, charset: Charset) -> HeaderValue {
    let pair = format!("{}:{}", credentials.username, credentials.password.0);
    let bytes = match charset {
        Charset::Utf8 => pair.into_bytes(),
        Charset::Latin1 => latin1(&pair).unwrap_or_else(|| pair.into_bytes()),
    };
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(bytes)))
        .expect("Base64 has only characters that a header can have");
    value.set_sensitive(true);
    value
}

/// Tells whether credentials can be written in Latin-1 and then differ from UTF-8.
pub(super) fn differs_in_latin1(credentials: &Credentials) -> bool {
    let pair = format!("{}{}", credentials.username, credentials.password.0);
    !pair.is_ascii() && latin1(&pair).is_some()
}

fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).ok())
        .collect()
}

/// Makes a configured header; none if it cannot be one.
pub(super) fn header(name: &str, value: &Secret) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::try_from(name).ok()?;
    let mut value = HeaderValue::try_from(value.0.as_str()).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_written_in_the_charset_asked_for() {
        let known = |password: &str| Credentials {
            username: "me".to_owned(),
            password: Secret(password.to_owned()),
        };
        let written = |password: &str, charset| {
            let value = basic(&known(password), charset);
            assert!(value.is_sensitive());
            STANDARD
                .decode(value.to_str().unwrap().strip_prefix("Basic ").unwrap())
                .unwrap()
        };
        assert_eq!(written("é", Charset::Utf8), b"me:\xc3\xa9");
        assert_eq!(written("é", Charset::Latin1), b"me:\xe9");
        assert!(differs_in_latin1(&known("é")));
        assert!(!differs_in_latin1(&known("plain")));
        assert!(!differs_in_latin1(&known("€")));
    }
}
