//! What one settings file says, before anything is decided, and how two files make one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::document::{Element, Place, Text};
use super::error::{Error, Warning};

/// The id of an entry that has none: Maven gives this one too.
const DEFAULT_ID: &str = "default";

/// The id that stands for installed files in the local repository, and would mix with them.
pub(super) const LOCAL_ID: &str = "local";

/// What one settings file says, or two together.
#[derive(Default)]
pub(super) struct Model {
    pub(super) local_repository: Option<Text>,
    pub(super) offline: Option<bool>,
    pub(super) mirrors: Vec<Mirror>,
    pub(super) servers: Vec<Server>,
    pub(super) proxies: Vec<ProxyEntry>,
    pub(super) profiles: Vec<Profile>,
    pub(super) active_profiles: Vec<Text>,
}

#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) id: String,
    pub(super) url: Text,
    /// `mirrorOf`: which repositories it stands for.
    pub(super) pattern: String,
    /// `mirrorOfLayouts`: of which layouts.
    pub(super) layouts: Option<String>,
    /// Its own layout.
    pub(super) layout: Option<String>,
    pub(super) blocked: bool,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) id: String,
    pub(super) username: Option<Text>,
    pub(super) password: Option<Text>,
    pub(super) headers: Vec<(Text, Text)>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) request_timeout: Option<Duration>,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) struct ProxyEntry {
    pub(super) id: String,
    pub(super) active: bool,
    pub(super) protocol: String,
    pub(super) host: Text,
    pub(super) port: u16,
    pub(super) username: Option<Text>,
    pub(super) password: Option<Text>,
    pub(super) non_proxy_hosts: String,
}

/// Has no `Debug`: properties may be passwords.
pub(super) struct Profile {
    pub(super) id: String,
    pub(super) active_by_default: bool,
    pub(super) property: Option<Condition>,
    /// Conditions that are not looked at, as their elements are named.
    pub(super) other_conditions: Vec<(String, Place)>,
    pub(super) properties: BTreeMap<String, String>,
    pub(super) repositories: Vec<Declared>,
}

/// A property or variable that makes a profile active.
pub(super) struct Condition {
    pub(super) name: String,
    pub(super) value: Option<String>,
}

/// A repository as a profile declares it.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    pub(super) id: Text,
    pub(super) url: Text,
    pub(super) layout: Option<String>,
    pub(super) releases: DeclaredPolicy,
    pub(super) snapshots: DeclaredPolicy,
}

#[derive(Debug, Clone)]
pub(super) struct DeclaredPolicy {
    pub(super) enabled: bool,
    pub(super) update: Option<Text>,
    pub(super) checksum: Option<Text>,
}

impl Model {
    /// Takes what counts out of `<settings>`. Unknown elements are left alone.
    pub(super) fn of(settings: Element<'_>, warnings: &mut Vec<Warning>) -> Result<Self, Error> {
        let offline = settings.child("offline")?.and_then(Element::text).is_some();
        let mut servers: Vec<Server> = Vec::new();
        for element in named(settings.list("servers")?, "server") {
            let server = server(element, warnings)?;
            // The first of two counts, as to Maven.
            if servers.iter().any(|other| other.id == server.id) {
                let Server { id, place, .. } = server;
                warnings.push(Warning::Repeated {
                    place,
                    what: "server",
                    id,
                });
            } else {
                servers.push(server);
            }
        }
        Ok(Self {
            local_repository: settings.value("localRepository")?,
            offline: offline
                .then(|| settings.flag("offline", false, warnings))
                .transpose()?,
            mirrors: each(settings.list("mirrors")?, "mirror", |one| {
                mirror(one, warnings)
            })?,
            servers,
            proxies: each(settings.list("proxies")?, "proxy", |one| {
                proxy(one, warnings)
            })?,
            profiles: each(settings.list("profiles")?, "profile", |one| {
                profile(one, warnings)
            })?,
            active_profiles: named(settings.list("activeProfiles")?, "activeProfile")
                .filter_map(Element::text)
                .collect(),
        })
    }

    /// Adds what another file says where this one says nothing.
    ///
    /// Entries of lists are told apart by id. Maven 3 never looks at `offline` of the
    /// installation; here it counts, since whoever wrote it meant it.
    #[must_use]
    pub(super) fn over(mut self, global: Self) -> Self {
        fn append<T>(list: &mut Vec<T>, more: Vec<T>, id: fn(&T) -> &str) {
            let new = |entry: &T| !list.iter().any(|own| id(own) == id(entry));
            let more: Vec<T> = more.into_iter().filter(new).collect();
            list.extend(more);
        }
        append(&mut self.mirrors, global.mirrors, |mirror| &mirror.id);
        append(&mut self.servers, global.servers, |server| &server.id);
        append(&mut self.proxies, global.proxies, |proxy| &proxy.id);
        append(&mut self.profiles, global.profiles, |profile| &profile.id);
        append(&mut self.active_profiles, global.active_profiles, |text| {
            &text.value
        });
        Self {
            local_repository: self.local_repository.or(global.local_repository),
            offline: self.offline.or(global.offline),
            ..self
        }
    }
}

fn named<'a>(
    elements: impl Iterator<Item = Element<'a>>,
    name: &str,
) -> impl Iterator<Item = Element<'a>> {
    elements.filter(move |element| element.name() == name)
}

fn each<'a, T>(
    elements: impl Iterator<Item = Element<'a>>,
    name: &str,
    take: impl FnMut(Element<'a>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    named(elements, name).map(take).collect()
}

/// The text of a child that cannot be a password.
fn word(element: Element<'_>, name: &str) -> Result<Option<String>, Error> {
    Ok(element.value(name)?.map(|text| text.value))
}

fn id(element: Element<'_>) -> Result<String, Error> {
    Ok(word(element, "id")?.unwrap_or_else(|| DEFAULT_ID.to_owned()))
}

fn refuse_local(id: Option<&Text>) -> Result<(), Error> {
    match id {
        Some(id) if id.value == LOCAL_ID => {
            Err(id.unexpected("an id other than `local`, which stands for installed files"))
        }
        _ => Ok(()),
    }
}

fn mirror(element: Element<'_>, warnings: &mut Vec<Warning>) -> Result<Mirror, Error> {
    refuse_local(element.value("id")?.as_ref())?;
    Ok(Mirror {
        id: id(element)?,
        url: element.required("url")?,
        pattern: element.required("mirrorOf")?.value,
        layouts: word(element, "mirrorOfLayouts")?,
        layout: word(element, "layout")?,
        blocked: element.flag("blocked", false, warnings)?,
        place: element.place(),
    })
}

fn server(element: Element<'_>, warnings: &mut Vec<Warning>) -> Result<Server, Error> {
    let username = element.value("username")?;
    if let Some(key) = element.child("privateKey")?.filter(|_| username.is_none()) {
        warnings.push(Warning::Ignored {
            place: key.place(),
            element: "privateKey".to_owned(),
            reason: "keys are for `scp`; HTTP has user names, passwords and headers",
        });
    }
    let mut server = Server {
        id: id(element)?,
        username,
        password: element.value("password")?,
        headers: Vec::new(),
        connect_timeout: None,
        request_timeout: None,
        place: element.place(),
    };
    let Some(configuration) = element.child("configuration")? else {
        return Ok(server);
    };
    for property in configuration.list("httpHeaders")? {
        let name = property.required("name")?;
        let value = property.required("value")?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if !name.value.bytes().all(token) {
            return Err(name.unexpected("the name of an HTTP header"));
        }
        if value.value.chars().any(char::is_control) {
            return Err(value.unexpected("a text of one line"));
        }
        server.headers.push((name, value));
    }
    // The older form is that of Maven's former HTTP client, which had one set for each method.
    let older = match configuration.child("httpConfiguration")? {
        Some(methods) => methods.child("all")?.or(methods.child("get")?),
        None => None,
    };
    let timeout = |name: &str, older_name: &str| -> Result<Option<Duration>, Error> {
        let older = || older.map(|set| set.value(older_name)).transpose();
        match configuration.value(name)? {
            Some(text) => milliseconds(&text),
            None => older()?
                .flatten()
                .map_or(Ok(None), |text| milliseconds(&text)),
        }
    };
    server.connect_timeout = timeout("connectTimeout", "connectionTimeout")?;
    server.request_timeout = timeout("requestTimeout", "readTimeout")?;
    Ok(server)
}

/// A time; none for 0, by which Maven waits for ever.
fn milliseconds(text: &Text) -> Result<Option<Duration>, Error> {
    let milliseconds: u32 = text
        .value
        .parse()
        .map_err(|_| text.unexpected("a number of milliseconds"))?;
    Ok((milliseconds > 0).then(|| Duration::from_millis(milliseconds.into())))
}

fn proxy(element: Element<'_>, warnings: &mut Vec<Warning>) -> Result<ProxyEntry, Error> {
    let protocol = element.value("protocol")?;
    if let Some(protocol) = &protocol
        && !["http", "https"]
            .iter()
            .any(|known| protocol.value.eq_ignore_ascii_case(known))
    {
        warnings.push(Warning::Ignored {
            place: element.place(),
            element: "proxy".to_owned(),
            reason: "only proxies for `http` and `https` are used",
        });
    }
    let port = match element.value("port")? {
        Some(text) => text
            .value
            .parse()
            .map_err(|_| text.unexpected("a port, 1 to 65535"))?,
        None => 8080,
    };
    Ok(ProxyEntry {
        id: id(element)?,
        active: element.flag("active", true, warnings)?,
        protocol: protocol.map_or_else(|| "http".to_owned(), |text| text.value),
        host: element.required("host")?,
        port,
        username: element.value("username")?,
        password: element.value("password")?,
        non_proxy_hosts: word(element, "nonProxyHosts")?.unwrap_or_default(),
    })
}

fn profile(element: Element<'_>, warnings: &mut Vec<Warning>) -> Result<Profile, Error> {
    let mut profile = Profile {
        id: id(element)?,
        active_by_default: false,
        property: None,
        other_conditions: Vec::new(),
        properties: element
            .list("properties")?
            .map(|property| {
                let value = property.text().map(|text| text.value).unwrap_or_default();
                (property.name().to_owned(), value)
            })
            .collect(),
        repositories: each(element.list("repositories")?, "repository", |one| {
            declared(one, warnings)
        })?,
    };
    let Some(activation) = element.child("activation")? else {
        return Ok(profile);
    };
    profile.active_by_default = activation.flag("activeByDefault", false, warnings)?;
    if let Some(property) = activation.child("property")? {
        let name = property.required("name")?.value;
        profile.property = Some(Condition {
            name,
            value: word(property, "value")?,
        });
    }
    profile.other_conditions = activation
        .children()
        .filter(|condition| !["activeByDefault", "property"].contains(&condition.name()))
        .map(|condition| (condition.name().to_owned(), condition.place()))
        .collect();
    Ok(profile)
}

fn declared(element: Element<'_>, warnings: &mut Vec<Warning>) -> Result<Declared, Error> {
    let id = element.required("id")?;
    refuse_local(Some(&id))?;
    Ok(Declared {
        id,
        url: element.required("url")?,
        layout: word(element, "layout")?,
        releases: declared_policy(element.child("releases")?, warnings)?,
        snapshots: declared_policy(element.child("snapshots")?, warnings)?,
    })
}

fn declared_policy(
    element: Option<Element<'_>>,
    warnings: &mut Vec<Warning>,
) -> Result<DeclaredPolicy, Error> {
    let Some(element) = element else {
        return Ok(DeclaredPolicy {
            enabled: true,
            update: None,
            checksum: None,
        });
    };
    Ok(DeclaredPolicy {
        enabled: element.flag("enabled", true, warnings)?,
        update: element.value("updatePolicy")?,
        checksum: element.value("checksumPolicy")?,
    })
}
