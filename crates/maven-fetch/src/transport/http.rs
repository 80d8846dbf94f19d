//! Repositories over HTTP: HTTP/1.1, redirects by hand, conditions, credentials, proxies.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::blocking::{Client, RequestBuilder};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_RANGE, PRAGMA, RANGE,
};
use url::Url;

use super::address::{address, display_address, is_private, redirected, same_origin};
use super::answer::{Answer, judge};
use super::body::answered;
use super::credentials::{Charset, basic, differs_in_latin1, header, known};
use super::innermost;
use super::{Expect, Introduction, Request, Response, Transport, TransportError};
use crate::download::Deadline;
use crate::repository::{Credentials, Proxy};

/// Most redirects that are followed: what Maven's client follows.
const REDIRECTS_MAX: usize = 10;

/// Longest wait for a connection, over all addresses of the host, unless the settings say else. A
/// reachable repository takes one; the usual two minutes of TCP would outlast a cron interval.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks repositories over HTTP.
///
/// A client, with its thread and the system's certificates, is made when the first request is
/// really sent, one for each proxy and time limit, and kept with its open connections.
///
/// Credentials and configured headers go to the repository's own scheme, host and port only,
/// whatever it redirects to, and in clear text only within the machine.
#[derive(Default)]
pub struct HttpTransport {
    clients: Mutex<Vec<(Route, Client)>>,
    clear_text: ClearText,
}

/// Whether credentials may travel in clear text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClearText {
    /// Within the machine only.
    #[default]
    Loopback,
    /// Anywhere: passwords can be read on the way.
    Anywhere,
}

/// Shortest wait that is given to the HTTP client, for which none means no limit.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// What requests must have in common to share a client.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Route {
    proxy: Option<Proxy>,
    connect: Duration,
    wait: Duration,
}

/// What is asked with, beyond the request: changes as the server's answers teach us.
#[derive(Debug, Clone, Copy)]
struct Manner {
    conditions: bool,
    charset: Charset,
    /// A redirect led to another host: who we are is not told any more, wherever that leads.
    has_left: bool,
}

impl HttpTransport {
    /// Makes one that sends credentials in clear text as `clear_text` allows.
    pub fn new(clear_text: ClearText) -> Self {
        Self {
            clients: Mutex::default(),
            clear_text,
        }
    }

    /// Asks, follows redirects, and asks again once in each other manner that the answers call for.
    fn ask(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        let client = self.client(request)?;
        let mut manner = Manner {
            conditions: true,
            charset: Charset::Utf8,
            has_left: false,
        };
        let deadline = Deadline::after(request.within);
        let mut url = address(request.repository, request.path)?;
        let mut redirects = 0;
        loop {
            let response = self
                .prepare(&client, &url, request, manner, deadline)?
                .send()
                .map_err(|error| failed(request, &error, manner, &url))?;
            let asked = if manner.conditions {
                request.clone()
            } else {
                Request {
                    validators: None,
                    resume: None,
                    ..request.clone()
                }
            };
            let status = response.status();
            match judge(status, response.headers(), &asked, SystemTime::now()) {
                Answer::Take(head) => return Ok(answered(head, response, request, deadline)),
                Answer::Redirect(location) if redirects < REDIRECTS_MAX => {
                    redirects += 1;
                    url = redirected(&url, &location).map_err(|reason| invalid(request, reason))?;
                    manner.has_left |= !same_origin(&url, &request.repository.url);
                }
                Answer::Redirect(_) => {
                    let reason = format!("more than {REDIRECTS_MAX} redirects");
                    return Err(invalid(request, reason));
                }
                Answer::AskPlainly(_) if manner.conditions => {
                    manner.conditions = false;
                    url = address(request.repository, request.path)?;
                }
                Answer::Refused
                    if status.as_u16() == 401
                        && manner.charset == Charset::Utf8
                        && known(request.repository)
                            .is_some_and(|known| differs_in_latin1(&known)) =>
                {
                    manner.charset = Charset::Latin1;
                    url = address(request.repository, request.path)?;
                }
                Answer::AskPlainly(reason) => return Err(invalid(request, reason.to_owned())),
                Answer::Useless(reason) => return Err(invalid(request, reason)),
                Answer::NotFound => {
                    return Err(TransportError::NotFound {
                        url: shown(request),
                        status: status.as_u16(),
                    });
                }
                Answer::Refused => return Err(self.refused(request, status.as_u16())),
                Answer::Later(retry_after) => {
                    return Err(later(request, manner, &url, status, retry_after));
                }
            }
        }
    }

    /// Finds or makes the client for a request.
    fn client(&self, request: &Request<'_>) -> Result<Client, TransportError> {
        let repository = request.repository;
        let route = Route {
            proxy: repository.proxy.clone(),
            connect: repository.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
            wait: wait(request),
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(known, _)| *known == route) {
            return Ok(client.clone());
        }
        let client = build(&route).map_err(|error| invalid(request, innermost(&error)))?;
        clients.push((route, client.clone()));
        Ok(client)
    }

    /// Makes one request to one address.
    fn prepare(
        &self,
        client: &Client,
        url: &Url,
        request: &Request<'_>,
        manner: Manner,
        deadline: Deadline,
    ) -> Result<RequestBuilder, TransportError> {
        let encoding = if request.expect == Expect::Metadata {
            "gzip"
        } else {
            "identity"
        };
        let mut builder = client
            .get(url.clone())
            .header(ACCEPT, "*/*")
            .header(ACCEPT_ENCODING, encoding);
        let left = deadline.remaining();
        if left <= wait(request) {
            builder = builder.timeout(left.max(TIMEOUT_MIN));
        }
        // A second question without conditions follows an answer that only a cache can give.
        if request.no_cache || !manner.conditions {
            builder = builder
                .header(CACHE_CONTROL, "no-cache")
                .header(PRAGMA, "no-cache");
        }
        if manner.conditions {
            builder = conditions(builder, request);
        }
        if !manner.has_left && same_origin(url, &request.repository.url) && self.may_tell(url) {
            for (name, value) in &request.repository.headers {
                let header = header(name, value).ok_or_else(|| {
                    invalid(
                        request,
                        format!("its configured header `{name}` cannot be sent"),
                    )
                })?;
                builder = builder.header(header.0, header.1);
            }
            if let Some(known) = known(request.repository) {
                builder = builder.header(AUTHORIZATION, basic(&known, manner.charset));
            }
        }
        Ok(builder)
    }

    /// Tells whether credentials may go to an address.
    fn may_tell(&self, url: &Url) -> bool {
        self.clear_text == ClearText::Anywhere || is_private(url)
    }

    fn refused(&self, request: &Request<'_>, status: u16) -> TransportError {
        let introduction = match known(request.repository) {
            None => Introduction::NoCredentials,
            Some(_) if self.may_tell(&request.repository.url) => Introduction::Sent,
            Some(_) => Introduction::Withheld,
        };
        TransportError::Refused {
            url: shown(request),
            status,
            introduction,
        }
    }
}

impl Transport for HttpTransport {
    fn open(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        let outcome = self.ask(request);
        tracing::debug!(
            url = shown(request),
            outcome = outcome
                .as_ref()
                .map_or_else(ToString::to_string, |response| format!(
                    "{:?}",
                    response.content
                )),
            "asked"
        );
        outcome
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HttpTransport")
            .field("clear_text", &self.clear_text)
            .finish_non_exhaustive()
    }
}

/// Longest wait for the next bytes: the settings know better.
fn wait(request: &Request<'_>) -> Duration {
    request
        .repository
        .request_timeout
        .unwrap_or(request.timeout)
}

/// Makes a client. It trusts the system's certificates; `SSL_CERT_FILE` and `SSL_CERT_DIR` name
/// others.
fn build(route: &Route) -> reqwest::Result<Client> {
    // In the blocking client, this limits each wait and not the whole: for the head of the
    // answer, and for each piece of the body.
    let mut builder = Client::builder()
        .user_agent(concat!("maven-fetch/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .http1_only()
        .no_proxy()
        .connect_timeout(route.connect)
        .timeout(route.wait);
    if let Some(Proxy {
        host,
        port,
        credentials,
    }) = &route.proxy
    {
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        let mut proxy = reqwest::Proxy::all(format!("http://{host}:{port}"))?;
        if let Some(Credentials { username, password }) = credentials {
            proxy = proxy.basic_auth(username, &password.0);
        }
        builder = builder.proxy(proxy);
    }
    builder.build()
}

/// Adds what the answer shall depend on.
fn conditions(mut builder: RequestBuilder, request: &Request<'_>) -> RequestBuilder {
    if let Some(validators) = request.validators {
        if let Some(etag) = &validators.etag {
            builder = builder.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = &validators.last_modified {
            builder = builder.header(IF_MODIFIED_SINCE, date);
        }
    }
    if let Some((offset, validators)) = request.resume
        && let Some(strong) = validators.strong()
    {
        builder = builder
            .header(RANGE, format!("bytes={offset}-"))
            .header(IF_RANGE, strong);
    }
    builder
}

/// Says why a request got no answer.
fn failed(
    request: &Request<'_>,
    error: &reqwest::Error,
    manner: Manner,
    asked: &Url,
) -> TransportError {
    let reason = innermost(error);
    // A proxy that refuses a tunnel is known by the words of its error only.
    if reason.contains("proxy authorization required") {
        let introduction = match request.repository.proxy.as_ref() {
            Some(Proxy {
                credentials: Some(_),
                ..
            }) => Introduction::Sent,
            _ => Introduction::NoCredentials,
        };
        return TransportError::Refused {
            url: shown(request),
            status: 407,
            introduction,
        };
    }
    if error.is_builder() {
        return invalid(request, reason);
    }
    TransportError::Unreachable {
        url: shown(request),
        reason: detour(manner, asked, reason),
        retry_after: None,
        answered: manner.has_left.then_some(302),
    }
}

/// An answer that may be another one later.
fn later(
    request: &Request<'_>,
    manner: Manner,
    asked: &Url,
    status: StatusCode,
    retry_after: Option<Duration>,
) -> TransportError {
    TransportError::Unreachable {
        url: shown(request),
        reason: detour(manner, asked, format!("status {status}")),
        retry_after,
        answered: Some(if manner.has_left {
            302
        } else {
            status.as_u16()
        }),
    }
}

/// Says which host it was that a redirect led to.
fn detour(manner: Manner, asked: &Url, reason: String) -> String {
    match asked.host_str().filter(|_| manner.has_left) {
        Some(host) => format!("it redirects to `{host}`: {reason}"),
        None => reason,
    }
}

fn invalid(request: &Request<'_>, reason: String) -> TransportError {
    TransportError::Invalid {
        url: shown(request),
        reason,
    }
}

fn shown(request: &Request<'_>) -> String {
    display_address(request.repository, request.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_is_made_before_a_request() {
        let transport = HttpTransport::default();
        assert!(transport.clients.lock().unwrap().is_empty());
    }
}
