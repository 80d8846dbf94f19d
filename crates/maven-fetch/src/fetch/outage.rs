//! Hosts that did not answer: they are left alone for a while.

use jiff::ZonedDateTime;

use super::Fetcher;
use crate::download::DownloadError;
use crate::repository::Repository;
use crate::transport::TransportError;

impl Fetcher<'_> {
    /// Why the host of a repository is left alone, if it is: it did not answer a moment ago, and
    /// there is something to go on with, and nobody waits for a better answer.
    pub(super) fn outage(
        &self,
        repository: &Repository,
        now: &ZonedDateTime,
        has_something: bool,
    ) -> Option<String> {
        if self.preferences.attended || !has_something {
            return None;
        }
        let host = host_of(repository)?;
        let outage = self.state.outage(&host, now.timestamp())?;
        let until = outage.down_until.to_zoned_datetime(now.time_zone().clone());
        let until = until.strftime("%H:%M:%S");
        Some(format!("not asked again before {until}: {}", outage.reason))
    }

    /// Remembers whether the host of a repository answered.
    pub(super) fn note_outage(
        &self,
        repository: &Repository,
        error: Option<&DownloadError>,
        now: &ZonedDateTime,
    ) {
        let Some(host) = host_of(repository) else {
            return;
        };
        match error {
            Some(DownloadError::Transport(TransportError::Unreachable {
                reason,
                answered: None | Some(429 | 503),
                ..
            })) => {
                // Without it the next run waits as long, no more.
                if let Err(error) = self.state.remember_failure(&host, reason, now.timestamp()) {
                    tracing::debug!(%error, "an outage is not remembered");
                }
            }
            Some(DownloadError::OutOfTime { .. }) => {
                let reason = "it was too slow";
                self.state
                    .remember_failure(&host, reason, now.timestamp())
                    .ok();
            }
            _ => self.state.remember_success(&host),
        }
    }
}

/// What of a repository can be down.
fn host_of(repository: &Repository) -> Option<String> {
    let host = repository.url.host_str()?;
    let port = repository.url.port_or_known_default()?;
    Some(format!("{host}:{port}"))
}
