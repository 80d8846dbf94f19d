//! The repositories that are really asked: after mirrors, with credentials, headers and proxy.

use std::fmt;
use std::path::Path;

use url::Url;

use super::Settings;
use super::address::{
    Address, address_of, credentials_in, parse_address, shown, without_credentials,
};
use super::document::Place;
use super::error::{Error, Origin, Warning};
use super::mirrors::{self, DEFAULT_LAYOUT, Subject};
use super::model::{Declared, LOCAL_ID, Mirror, Server};
use super::passwords::credentials;
use super::policies::policy;
use super::{netrc, proxies};
use crate::repository::{Credentials, Policy, Proxy, Repository, Secret};

/// A repository of the caller's own list. Mirrors do not apply to it; credentials by id do.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnRepository {
    /// Its id: names its files in the local repository, and its `server` in settings.
    pub id: String,
    /// Its address: `https`, `http` or `file`, or an absolute path.
    pub url: String,
    /// For released versions.
    pub releases: Policy,
    /// For snapshot versions.
    pub snapshots: Policy,
    /// Groups that only it may supply, such as `com.acme` or, the same, `com.acme.*`.
    pub groups: Vec<String>,
}

impl OwnRepository {
    /// Makes one with Maven's usual policies, for releases and snapshots.
    pub fn new(id: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            url: url.into(),
            releases: Policy::USUAL,
            snapshots: Policy::USUAL,
            groups: Vec::new(),
        }
    }
}

impl fmt::Debug for OwnRepository {
    /// The address without what may be secret in it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            url,
            releases,
            snapshots,
            groups,
        } = self;
        formatter
            .debug_struct("OwnRepository")
            .field("id", id)
            .field("url", &shown(url))
            .field("releases", releases)
            .field("snapshots", snapshots)
            .field("groups", groups)
            .finish()
    }
}

/// Lists the repositories to ask, in the order in which to ask them.
///
/// First those of the active profiles in settings, each replaced by its mirror if it has one; then
/// `central`, if a mirror stands for it and no profile declares it; then `own` as written, which
/// replace those of the same id. Several repositories behind one mirror become one, whose policies
/// allow what one of theirs allows. Passwords are decrypted only for what is listed.
///
/// The warnings are those of the settings files too. Nothing to list is an error.
pub fn repositories(
    settings: &Settings,
    own: &[OwnRepository],
) -> Result<(Vec<Repository>, Vec<Warning>), Error> {
    let mut warnings = settings.warnings.clone();
    let mut planned: Vec<Planned<'_>> = Vec::new();
    for declared in &settings.declared {
        if let Some(one) = plan(declared, &settings.mirrors, &mut warnings)? {
            add(&mut planned, one, &mut warnings);
        }
    }
    if let Some(central) = mirror_of_central(settings)? {
        add(&mut planned, central, &mut warnings);
    }
    add_own(&mut planned, own, &mut warnings)?;
    let repositories = planned
        .into_iter()
        .map(|planned| finish(planned, settings, &mut warnings))
        .collect::<Result<Vec<Repository>, Error>>()?;
    if repositories.is_empty() {
        return Err(Error::NoRepository);
    }
    Ok((repositories, warnings))
}

/// A repository before its credentials and its proxy are looked for.
struct Planned<'a> {
    id: String,
    url: Url,
    releases: Policy,
    snapshots: Policy,
    groups: Vec<String>,
    /// The mirror that stands for it.
    mirror: Option<&'a Mirror>,
    /// Where it stands in settings.
    place: Option<Place>,
}

/// Applies mirrors to a declared repository. Nothing if it is of a kind that nobody can ask.
fn plan<'a>(
    declared: &Declared,
    mirrors: &'a [Mirror],
    warnings: &mut Vec<Warning>,
) -> Result<Option<Planned<'a>>, Error> {
    let id = declared.id.known()?;
    let layout = declared.layout.as_deref().unwrap_or(DEFAULT_LAYOUT);
    let url = Url::parse(&declared.url.value).ok();
    let mirror = mirrors::choose(mirrors, &Subject::new(id, url.as_ref(), layout));
    let (id, url, layout) = match mirror {
        Some(mirror) => (mirror.id.as_str(), &mirror.url, mirror.layout.as_deref()),
        None => (id, &declared.url, Some(layout)),
    };
    let unsupported = |reason: String| Warning::Unsupported {
        place: url.place.clone(),
        repository: id.to_owned(),
        reason,
    };
    if let Some(layout) = layout.filter(|layout| *layout != DEFAULT_LAYOUT) {
        warnings.push(unsupported(format!(
            "its layout `{layout}` is not supported"
        )));
        return Ok(None);
    }
    let url = match address_of(id, url)? {
        Address::Supported(url) => url,
        Address::Unsupported(scheme) => {
            warnings.push(unsupported(format!(
                "addresses of scheme `{scheme}` are not supported"
            )));
            return Ok(None);
        }
    };
    Ok(Some(Planned {
        id: id.to_owned(),
        url,
        releases: policy(&declared.releases, warnings),
        snapshots: policy(&declared.snapshots, warnings),
        groups: Vec::new(),
        mirror,
        place: Some(declared.id.place.clone()),
    }))
}

/// The mirror that stands for `central`, if there is one.
fn mirror_of_central(settings: &Settings) -> Result<Option<Planned<'_>>, Error> {
    let Some(mirror) = settings.mirror_of_central() else {
        return Ok(None);
    };
    let Address::Supported(url) = address_of(&mirror.id, &mirror.url)? else {
        return Ok(None);
    };
    Ok(Some(Planned {
        id: mirror.id.clone(),
        url,
        releases: Policy::USUAL,
        snapshots: Policy {
            enabled: false,
            ..Policy::USUAL
        },
        groups: Vec::new(),
        mirror: Some(mirror),
        place: Some(mirror.place.clone()),
    }))
}

/// Adds one, unless its id is there: then the first stays, and its policies are merged. That is so
/// for repositories behind one mirror, and (as Maven 3.8.7 was seen to do) for any others too.
fn add<'a>(planned: &mut Vec<Planned<'a>>, new: Planned<'a>, warnings: &mut Vec<Warning>) {
    let Some(known) = planned.iter_mut().find(|known| known.id == new.id) else {
        planned.push(new);
        return;
    };
    known.releases = known.releases.merged(new.releases);
    known.snapshots = known.snapshots.merged(new.snapshots);
    if let Some(place) = new.place.filter(|_| known.url != new.url) {
        warnings.push(Warning::Repeated {
            place,
            what: "repository",
            id: new.id,
        });
    }
}

fn add_own(
    planned: &mut Vec<Planned<'_>>,
    own: &[OwnRepository],
    warnings: &mut Vec<Warning>,
) -> Result<(), Error> {
    for (index, repository) in own.iter().enumerate() {
        let OwnRepository {
            id,
            url,
            releases,
            snapshots,
            groups,
        } = repository;
        let refused = |reason| {
            Err(Error::Identity {
                id: id.clone(),
                reason,
            })
        };
        if id.is_empty() || id == LOCAL_ID {
            return refused("empty and `local` mean something else in a local repository");
        }
        if own.iter().take(index).any(|other| other.id == *id) {
            return refused("it stands there twice");
        }
        let failed = |reason: String| Error::Address {
            repository: id.clone(),
            origin: Origin::Caller,
            reason,
        };
        let url = match parse_address(url).map_err(failed)? {
            Address::Supported(url) => url,
            Address::Unsupported(scheme) => {
                return Err(failed(format!("scheme `{scheme}` is not supported")));
            }
        };
        if let Some(index) = planned.iter().position(|known| known.id == *id) {
            let Planned {
                place,
                url: replaced,
                ..
            } = planned.remove(index);
            if let Some(place) = place.filter(|_| replaced != url) {
                warnings.push(Warning::Replaced {
                    place,
                    repository: id.clone(),
                });
            }
        }
        let group = |group: &String| group.strip_suffix(".*").unwrap_or(group).to_owned();
        planned.push(Planned {
            id: id.clone(),
            url,
            releases: *releases,
            snapshots: *snapshots,
            groups: groups.iter().map(group).collect(),
            mirror: None,
            place: None,
        });
    }
    Ok(())
}

/// Adds credentials, headers, timeouts and proxy. What is blocked needs none, and gets none.
fn finish(
    planned: Planned<'_>,
    settings: &Settings,
    warnings: &mut Vec<Warning>,
) -> Result<Repository, Error> {
    let Planned {
        id,
        url,
        releases,
        snapshots,
        groups,
        mirror,
        place: _,
    } = planned;
    let in_address = credentials_in(&url);
    let mut repository = Repository {
        id,
        url: without_credentials(url),
        releases,
        snapshots,
        groups,
        credentials: None,
        headers: Vec::new(),
        proxy: None,
        connect_timeout: None,
        request_timeout: None,
        blocked_by: mirror
            .filter(|mirror| mirror.blocked)
            .map(|mirror| format!("{} ({})", mirror.id, mirror.place)),
    };
    if repository.blocked_by.is_some() || repository.url.scheme() == "file" {
        return Ok(repository);
    }
    let server = settings
        .servers
        .iter()
        .find(|server| server.id == repository.id);
    if let Some(server) = server {
        repository.headers = headers(server)?;
        repository.connect_timeout = server.connect_timeout;
        repository.request_timeout = server.request_timeout;
        let Server {
            username, password, ..
        } = server;
        repository.credentials =
            credentials(username.as_ref(), password.as_ref(), &settings.surroundings)?;
    }
    repository.credentials = repository.credentials.or(in_address);
    if repository.credentials.is_none() && repository.headers.is_empty() {
        let path = settings.surroundings.netrc_file();
        repository.credentials = of_netrc(&path, &repository.url, warnings);
    }
    repository.proxy = proxy(settings, &repository.url, warnings)?;
    Ok(repository)
}

fn headers(server: &Server) -> Result<Vec<(String, Secret)>, Error> {
    server
        .headers
        .iter()
        .map(|(name, value)| {
            Ok((
                name.known()?.to_owned(),
                Secret(value.known_secret()?.to_owned()),
            ))
        })
        .collect()
}

fn of_netrc(path: &Path, url: &Url, warnings: &mut Vec<Warning>) -> Option<Credentials> {
    let host = url.host_str()?;
    netrc::find(path, host).unwrap_or_else(|reason| {
        let (path, host) = (path.to_owned(), host.to_owned());
        warnings.push(Warning::Netrc { path, host, reason });
        None
    })
}

/// The proxy before an address. Settings that name any proxy, active or not, decide alone.
fn proxy(
    settings: &Settings,
    url: &Url,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Proxy>, Error> {
    if settings.proxies.is_empty() {
        return Ok(proxies::of_environment(
            &settings.surroundings.environment,
            url,
            warnings,
        ));
    }
    let Some(entry) = proxies::of_settings(&settings.proxies, url) else {
        return Ok(None);
    };
    Ok(Some(Proxy {
        host: entry.host.known()?.to_owned(),
        port: entry.port,
        credentials: credentials(
            entry.username.as_ref(),
            entry.password.as_ref(),
            &settings.surroundings,
        )?,
    }))
}
