//! Addresses of repositories, as settings and callers write them.

use std::path::Path;

use percent_encoding::percent_decode_str;
use url::Url;

use super::document::Text;
use super::error::{Error, Origin};
use crate::repository::{Credentials, Secret};

/// An address that was understood.
pub(super) enum Address {
    Supported(Url),
    /// Of another scheme: for an extension of Maven.
    Unsupported(String),
}

/// Reads an address of settings.
pub(super) fn address_of(repository: &str, text: &Text) -> Result<Address, Error> {
    parse_address(text.known_secret()?).map_err(|reason| Error::Address {
        repository: repository.to_owned(),
        origin: Origin::Settings(text.place.clone()),
        reason,
    })
}

/// Reads an address, which gets a slash at its end. The reason for a refusal does not quote it: it
/// may hold a password.
pub(super) fn parse_address(text: &str) -> Result<Address, String> {
    let mut url = if Path::new(text).is_absolute() {
        Url::from_directory_path(text).map_err(|()| "it is not an absolute path".to_owned())?
    } else {
        Url::parse(text).map_err(|error| error.to_string())?
    };
    match url.scheme() {
        "file" if url.has_host() => return Err("a `file` address has no host".to_owned()),
        "http" | "https" | "file" => {}
        other => return Ok(Address::Unsupported(other.to_owned())),
    }
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(Address::Supported(url))
}

/// The user name and password that an address holds.
pub(super) fn credentials_in(url: &Url) -> Option<Credentials> {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let password = url.password().unwrap_or_default();
    (!url.username().is_empty() || !password.is_empty()).then(|| Credentials {
        username: plain(url.username()),
        password: Secret(plain(password)),
    })
}

/// The address without user name and password.
pub(super) fn without_credentials(mut url: Url) -> Url {
    // Neither can fail but for addresses that cannot have credentials, such as `file:`.
    url.set_username("").ok();
    url.set_password(None).ok();
    url
}

/// An address as it may be shown: scheme, host and path only.
pub(super) fn shown(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) => {
            let mut url = without_credentials(url);
            url.set_query(None);
            url.to_string()
        }
        Err(_) if Path::new(text).is_absolute() => text.to_owned(),
        Err(_) => "[no address]".to_owned(),
    }
}
