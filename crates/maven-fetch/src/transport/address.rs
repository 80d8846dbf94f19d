//! Addresses: from a path in a repository to a URL, across redirects, and as shown in messages.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::{Host, Url};

use super::TransportError;
use crate::repository::Repository;

/// What is encoded in a path: everything outside the unreserved characters of RFC 3986, also `+`,
/// which some object stores read as a space. Slashes separate.
const ENCODED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// Makes the address of a path in a repository, without credentials.
pub(super) fn address(repository: &Repository, path: &str) -> Result<Url, TransportError> {
    check_path(repository, path)?;
    let mut url = without_user(repository.url.clone());
    let below = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{below}/{}", utf8_percent_encode(path, &ENCODED)));
    Ok(url)
}

/// Refuses a path that names something other than a file below the repository.
pub(super) fn check_path(repository: &Repository, path: &str) -> Result<(), TransportError> {
    if path
        .split('/')
        .any(|segment| matches!(segment, "" | "." | ".."))
        || path.contains('\0')
    {
        return Err(TransportError::Invalid {
            url: shown(&repository.url),
            reason: format!("`{path}` is not a path in a repository"),
        });
    }
    Ok(())
}

/// The address of a path in a repository as it may be shown: without user, password and query.
pub fn display_address(repository: &Repository, path: &str) -> String {
    let base = shown(&repository.url);
    format!("{}/{path}", base.trim_end_matches('/'))
}

/// An address as it may be shown: without user, password and query, in which signatures travel.
pub(super) fn shown(url: &Url) -> String {
    let mut url = without_user(url.clone());
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// Where a redirect leads.
///
/// Never from `https` to anything else, and only to `http` and `https`. A user name or password
/// in the target is dropped: the server does not choose who we are.
pub(super) fn redirected(from: &Url, location: &str) -> Result<Url, String> {
    let to = from
        .join(location)
        .map_err(|error| format!("it redirects to an address that cannot be read: {error}"))?;
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => Ok(without_user(to)),
        ("https", "http") => Err(format!(
            "it redirects from `https` to plain `http`: `{}`",
            shown(&to)
        )),
        (_, other) => Err(format!("it redirects to an address of scheme `{other}`")),
    }
}

/// Tells whether two addresses have the same scheme, host and port: whether what is told to one
/// may be told to the other.
pub(super) fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

/// Tells whether nothing sent to this address leaves the machine, or is encrypted if it does.
pub(super) fn is_private(url: &Url) -> bool {
    url.scheme() == "https"
        || match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
}

/// The user name and password that stand in an address itself, decoded.
pub(super) fn user_in(url: &Url) -> Option<(String, String)> {
    let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
    (!url.username().is_empty()).then(|| {
        (
            decode(url.username()),
            decode(url.password().unwrap_or_default()),
        )
    })
}

/// Drops user name and password; an address that cannot have any has none.
fn without_user(mut url: Url) -> Url {
    url.set_username("").ok();
    url.set_password(None).ok();
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_path_is_encoded_but_for_its_slashes() {
        let encoded = utf8_percent_encode("com/ex/a-1.0+b~c_d é%2F.jar", &ENCODED).to_string();
        assert_eq!(encoded, "com/ex/a-1.0%2Bb~c_d%20%C3%A9%252F.jar");
    }

    #[test]
    fn a_redirect_is_followed_but_never_out_of_https_or_http() {
        let from = url("https://repo.example/maven/a.jar");
        let to = |location| redirected(&from, location).map(|url| url.to_string());
        assert_eq!(to("b.jar").unwrap(), "https://repo.example/maven/b.jar");
        assert_eq!(to("/b.jar").unwrap(), "https://repo.example/b.jar");
        assert_eq!(to("//cdn.example/b").unwrap(), "https://cdn.example/b");
        assert_eq!(
            to("https://u:p@cdn.example/b?s=1").unwrap(),
            "https://cdn.example/b?s=1"
        );
        for location in [
            "http://repo.example/a",
            "file:///etc/passwd",
            "javascript:1",
            "https://[",
            "ftp://x/",
        ] {
            assert!(to(location).is_err(), "{location}");
        }
        let refused = to("http://u:secret@x/?token=secret").unwrap_err();
        assert!(refused.contains("plain `http`: `http://x/`"), "{refused}");
        assert!(redirected(&url("http://a/"), "http://b/").is_ok());
        assert!(redirected(&url("http://a/"), "https://a/").is_ok());
    }

    #[test]
    fn another_scheme_host_or_port_is_another_origin() {
        let one = url("https://repo.example/a");
        assert!(same_origin(&one, &url("https://repo.example:443/b?c")));
        for other in [
            "http://repo.example/a",
            "https://repo.example:8443/a",
            "https://a.repo.example/a",
        ] {
            assert!(!same_origin(&one, &url(other)), "{other}");
        }
    }

    #[test]
    fn only_https_and_the_loopback_are_private() {
        for private in [
            "https://a/",
            "http://localhost/",
            "http://127.9.9.9:1/",
            "http://[::1]/",
        ] {
            assert!(is_private(&url(private)), "{private}");
        }
        for open in ["http://a/", "http://localhost.example/", "http://10.0.0.1/"] {
            assert!(!is_private(&url(open)), "{open}");
        }
    }

    #[test]
    fn what_is_shown_has_neither_user_nor_query() {
        assert_eq!(
            shown(&url("https://me:s3cret@a/b?sig=s3cret#x")),
            "https://a/b"
        );
        assert_eq!(
            user_in(&url("https://m%40x:s%2F%C3%A9@a/b")),
            Some(("m@x".to_owned(), "s/é".to_owned()))
        );
        assert_eq!(user_in(&url("https://a/b")), None);
    }
}
