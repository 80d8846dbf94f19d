//! Proxies: which of them stands before a host, by settings or by the environment.

use std::collections::BTreeMap;
use std::net::IpAddr;

use url::{Host, Url};

use super::address::credentials_in;
use super::error::Warning;
use super::model::ProxyEntry;
use crate::repository::Proxy;

/// The proxy of settings for an address.
///
/// For each protocol the first active entry counts that does not exclude the host. An `https`
/// address goes through a proxy for `https`, else through one for `http`.
pub(super) fn of_settings<'a>(entries: &'a [ProxyEntry], url: &Url) -> Option<&'a ProxyEntry> {
    let host = url.host_str()?;
    let first = |protocol: &str| {
        entries.iter().find(|entry| {
            entry.active
                && entry.protocol.eq_ignore_ascii_case(protocol)
                && !is_excluded(&entry.non_proxy_hosts, host)
        })
    };
    match url.scheme() {
        "https" => first("https").or_else(|| first("http")),
        scheme => first(scheme),
    }
}

/// Tells whether one of the patterns of `nonProxyHosts`, between `|`, is the host; `*` stands for
/// anything.
fn is_excluded(patterns: &str, host: &str) -> bool {
    patterns
        .split('|')
        .map(|pattern| pattern.trim().to_ascii_lowercase())
        .any(|pattern| !pattern.is_empty() && glob(&pattern, &host.to_ascii_lowercase()))
}

/// Tells whether a pattern with `*` is the whole text.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut text) = text.strip_suffix(end) else {
        return false;
    };
    // The first place where a piece fits leaves the most for the others.
    middle.split('*').all(|piece| match text.split_once(piece) {
        Some((_, after)) => {
            text = after;
            true
        }
        None => false,
    })
}

/// The proxy of the environment for an address: `http_proxy`, `https_proxy`, `no_proxy`, in lower
/// or upper case, as `curl` and most others read them. Loopback addresses never have one.
pub(super) fn of_environment(
    environment: &BTreeMap<String, String>,
    url: &Url,
    warnings: &mut Vec<Warning>,
) -> Option<Proxy> {
    let [lower, upper] = match url.scheme() {
        "https" => ["https_proxy", "HTTPS_PROXY"],
        "http" => ["http_proxy", "HTTP_PROXY"],
        _ => return None,
    };
    let value_of = |name: &'static str| {
        environment
            .get(name)
            .filter(|value| !value.is_empty())
            .map(|value| (name, value))
    };
    let (variable, value) = value_of(lower).or_else(|| value_of(upper))?;
    let (_, exceptions) = value_of("no_proxy")
        .or_else(|| value_of("NO_PROXY"))
        .map_or(("", ""), |(name, value)| (name, value.as_str()));
    if is_loopback(url) || is_direct(exceptions, url) {
        return None;
    }
    match proxy_address(value) {
        Ok(proxy) => Some(proxy),
        Err(reason) => {
            warnings.push(Warning::EnvironmentProxy { variable, reason });
            None
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Tells whether `no_proxy` names an address: by `*`, by host (with all below it), by host and
/// port, by IP address or by its network (`10.0.0.0/8`).
fn is_direct(exceptions: &str, url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return true;
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = host.parse().ok();
    exceptions
        .split([',', ' '])
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .any(|word| {
            let word = word.to_ascii_lowercase();
            if let (Some(address), Some((network, bits))) = (address, word.split_once('/')) {
                return in_network(address, network, bits);
            }
            let port = url
                .port_or_known_default()
                .map(|port| format!(":{port}"))
                .unwrap_or_default();
            let name = word.strip_suffix(port.as_str()).unwrap_or(&word);
            let name = name.trim_start_matches("*.").trim_start_matches('.');
            let below = || {
                host.strip_suffix(name)
                    .is_some_and(|before| before.ends_with('.'))
            };
            word == "*" || host == name || (address.is_none() && below())
        })
}

fn in_network(address: IpAddr, network: &str, bits: &str) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    let same = |one: u128, other: u128, width: u32| {
        bits <= width && (one ^ other).checked_shr(width - bits).unwrap_or(0) == 0
    };
    match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            same(one.to_bits().into(), other.to_bits().into(), 32)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => same(one.to_bits(), other.to_bits(), 128),
        _ => false,
    }
}

/// Reads `[http://][USER[:PASSWORD]@]HOST[:PORT]`; the port is 80 if none is given.
fn proxy_address(value: &str) -> Result<Proxy, &'static str> {
    let with_scheme = if value.contains("://") {
        value.to_owned()
    } else {
        format!("http://{value}")
    };
    let url = Url::parse(&with_scheme).map_err(|_| "it is not an address")?;
    if url.scheme() != "http" {
        return Err("only proxies that are spoken to by `http://` are used");
    }
    let host = url.host_str().ok_or("it has no host")?.to_owned();
    let credentials = credentials_in(&url);
    Ok(Proxy {
        host,
        port: url.port_or_known_default().unwrap_or(80),
        credentials,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn non_proxy_hosts_mean_what_they_mean_to_maven() {
        let hosts = ["r.corp", "localhost", "10.1.2.3", "corp", "a.b.corp"];
        // Made by Maven's own `DefaultProxySelector`; `n` stands for a host without proxy. The
        // last row is not Maven's: it does not trim.
        for (patterns, expected) in [
            ("*.corp|localhost", "nnYYn"),
            ("r.corp", "nYYYY"),
            ("R.CORP", "nYYYY"),
            ("r.*", "nYYYY"),
            ("*corp", "nYYnn"),
            ("10.*", "YYnYY"),
            ("", "YYYYY"),
            (".corp", "YYYYY"),
            ("*.*.corp|*1*2*", "YYnYn"),
            ("a*a|*", "nnnnn"),
            ("*.x| r.corp ", "nYYYY"),
        ] {
            let found: String = hosts
                .iter()
                .map(|host| {
                    if is_excluded(patterns, host) {
                        'n'
                    } else {
                        'Y'
                    }
                })
                .collect();
            assert_eq!(found, expected, "{patterns:?}");
        }
        assert!(!glob("a*a", "a"));
        assert!(!glob(&"*a".repeat(40), &format!("{}b", "a".repeat(10_000))));
    }

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_environments_proxy_depends_on_the_scheme_and_lower_case_wins() {
        let environment = environment(&[
            ("http_proxy", "p1:3128"),
            ("HTTP_PROXY", "http://no:1"),
            ("HTTPS_PROXY", "http://ann:s%40cret@p2/"),
            ("no_proxy", ""),
        ]);
        let mut warnings = Vec::new();
        let mut found = |address: &str| of_environment(&environment, &url(address), &mut warnings);
        let plain = found("http://r.corp/").unwrap();
        assert_eq!((plain.host.as_str(), plain.port), ("p1", 3128));
        let tls = found("https://r.corp/").unwrap();
        assert_eq!((tls.host.as_str(), tls.port), ("p2", 80));
        let credentials = tls.credentials.unwrap();
        assert_eq!(
            (
                credentials.username.as_str(),
                credentials.password.0.as_str()
            ),
            ("ann", "s@cret")
        );
        for direct in [
            "file:///srv/m/",
            "http://localhost:1/",
            "http://127.0.0.9/",
            "http://[::1]/",
        ] {
            assert_eq!(found(direct), None, "{direct}");
        }
        assert_eq!(warnings, []);
    }

    #[test]
    fn a_proxy_of_an_unknown_kind_is_told_and_not_used() {
        for value in [
            "socks5://p:1",
            "https://p",
            "http://",
            "http://ann:secret@ p",
        ] {
            let mut warnings = Vec::new();
            let environment = environment(&[("https_proxy", value)]);
            assert_eq!(
                of_environment(&environment, &url("https://r/"), &mut warnings),
                None
            );
            assert_eq!(warnings.len(), 1, "{value}");
            assert!(!format!("{warnings:?} {}", warnings[0]).contains("secret"));
        }
    }

    #[test]
    fn no_proxy_names_hosts_ports_addresses_and_networks() {
        for (exceptions, address, direct) in [
            ("corp", "http://r.corp/", true),
            (".corp", "http://r.corp/", true),
            ("*.corp", "http://r.corp/", true),
            ("x, R.Corp", "http://r.corp/", true),
            ("corp", "http://acorp/", false),
            ("rp", "http://r.corp/", false),
            ("*", "http://r.corp/", true),
            ("r.corp:8081", "http://r.corp:8081/", true),
            ("r.corp:8081", "http://r.corp/", false),
            ("r.corp:443", "https://r.corp/", true),
            ("10.0.0.0/8", "http://10.1.2.3/", true),
            ("10.0.0.0/8", "http://11.1.2.3/", false),
            ("0.0.0.0/0", "http://11.1.2.3/", true),
            ("10.1.2.3/33,x/8", "http://10.1.2.3/", false),
            ("fd00::/8", "http://[fd12::1]/", true),
            ("10.1.2.3", "http://10.1.2.3/", true),
            ("2.3", "http://10.1.2.3/", false),
            ("", "http://r.corp/", false),
        ] {
            assert_eq!(
                is_direct(exceptions, &url(address)),
                direct,
                "{exceptions:?} {address}"
            );
        }
    }
}
