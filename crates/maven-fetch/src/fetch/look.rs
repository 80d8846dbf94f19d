//! One look at one metadata file: what is here, and what its repository says now.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{Timestamp, ZonedDateTime};

use super::arrived::{NAME, News};
use super::ask::{Heard, Known, Query};
use super::known::age;
use super::{Counted, Fetcher, Notice, directory_of, told, trouble, whole};
use crate::coordinates::Coordinates;
use crate::download::{
    Deadline, Downloader, MetadataAnswer, MetadataBody, MetadataFile, Otherwise, Situation,
};
use crate::local::{StoredMetadata, is_due};
use crate::metadata::{ArtifactMetadata, Dated, MetadataError, SnapshotMetadata};
use crate::repository::Repository;
use crate::resolve::{Answer, Knowledge, LastGood, Level, Trouble};
use crate::state::{FileKey, FileRecord};
use crate::transport::display_address;

/// All that a query needs, to be shared between threads.
pub(super) struct Look<'a> {
    pub(super) fetcher: &'a Fetcher<'a>,
    pub(super) coordinates: &'a Coordinates,
    pub(super) now: &'a ZonedDateTime,
    pub(super) cancel: &'a AtomicBool,
    pub(super) transport: &'a Counted,
    /// There is something to go on with.
    pub(super) has_something: bool,
    /// Another process was at it: what it found out is not found out again.
    pub(super) has_waited: bool,
}

/// What came of asking for one kind of metadata.
struct Looked<M> {
    knowledge: Knowledge<M>,
    news: Option<News>,
    notices: Vec<Notice>,
    tried: Option<String>,
    is_cancelled: bool,
}

/// What is here of metadata.
struct Kept<M> {
    last_good: Option<LastGood<M>>,
    /// When the repository confirmed the file that is here; none if that is gone or of no use.
    checked_at: Option<Timestamp>,
}

impl Look<'_> {
    /// Does a query.
    pub(super) fn at(&self, query: Query, repository: &Repository) -> Heard {
        let coordinates = self.coordinates;
        match query.level.clone() {
            Level::Artifact => {
                let parse = |bytes: &[u8]| ArtifactMetadata::accept(coordinates, bytes);
                let looked = self.look(&query, repository, &parse);
                looked.heard(query, Known::Versions)
            }
            Level::Snapshot(base) => {
                let parse = |bytes: &[u8]| SnapshotMetadata::accept(coordinates, &base, bytes);
                let looked = self.look(&query, repository, &parse);
                looked.heard(query, |knowledge| Known::Builds(base.clone(), knowledge))
            }
        }
    }

    fn look<M: Dated>(
        &self,
        query: &Query,
        repository: &Repository,
        parse: &dyn Fn(&[u8]) -> Result<M, MetadataError>,
    ) -> Looked<M> {
        let Fetcher { local, state, .. } = *self.fetcher;
        let directory = directory_of(self.coordinates, &query.level);
        let mut warnings = Vec::new();
        let stored = local.metadata(&directory, &repository.id, &mut warnings);
        let url = display_address(repository, "");
        let path = format!("{directory}/{NAME}");
        let record = state.file(FileKey {
            local: local.head(),
            repository_url: &url,
            path: &path,
        });
        let kept = self.kept(stored.as_ref(), record.as_ref(), parse);
        let mut looked = Looked {
            knowledge: Knowledge {
                answer: Answer::NotAsked,
                last_good: kept.last_good,
            },
            news: None,
            notices: warnings.into_iter().map(Notice::Local).collect(),
            tried: None,
            is_cancelled: false,
        };
        let policy = match &query.level {
            Level::Artifact => self
                .fetcher
                .update_policy(repository, &self.coordinates.version),
            Level::Snapshot(_) => self
                .fetcher
                .preferences
                .update
                .unwrap_or(repository.snapshots.update),
        };
        if !query.no_cache && !is_due(policy, kept.checked_at, self.now) {
            return looked;
        }
        if let Some(answer) = self.refusal(repository) {
            looked.knowledge.answer = answer;
            return looked;
        }
        let record = record.filter(|_| !query.no_cache && looked.knowledge.last_good.is_some());
        // Of the very file that was read: another process may replace it at any moment.
        let unchanged = record.filter(|record| {
            stored
                .as_ref()
                .is_some_and(|stored| stored.facts == record.facts)
        });
        self.request(query, repository, unchanged, parse, &mut looked);
        looked
    }

    /// What was said last, and when; out of the file, else out of our memory of it.
    fn kept<M>(
        &self,
        stored: Option<&StoredMetadata>,
        record: Option<&FileRecord>,
        parse: &dyn Fn(&[u8]) -> Result<M, MetadataError>,
    ) -> Kept<M> {
        let from_file = stored.and_then(|stored| {
            let metadata = parse(&stored.bytes).ok()?;
            Some((metadata, stored.status.checked_at, stored.modified))
        });
        if let Some((metadata, checked_at, modified)) = from_file {
            let then = checked_at.or(modified).unwrap_or_default();
            return Kept {
                last_good: Some(LastGood {
                    metadata,
                    age: age(then, self.now),
                }),
                checked_at,
            };
        }
        let from_memory = record.and_then(|record| {
            let metadata = parse(record.metadata.as_ref()?.as_bytes()).ok()?;
            let age = age(record.checked_at, self.now);
            Some(LastGood { metadata, age })
        });
        Kept {
            last_good: from_memory,
            checked_at: None,
        }
    }

    /// Why a repository is not asked, if so.
    fn refusal<M>(&self, repository: &Repository) -> Option<Answer<M>> {
        if self.fetcher.preferences.offline {
            return Some(Answer::Offline);
        }
        if let Err(blocked) = repository.check_allowed() {
            return Some(Answer::Failed(Trouble::Blocked(blocked.to_string())));
        }
        let outage =
            self.fetcher
                .outage(repository, self.now, self.has_something || self.has_waited)?;
        Some(Answer::Failed(Trouble::Unreachable(outage)))
    }

    fn request<M: Dated>(
        &self,
        query: &Query,
        repository: &Repository,
        unchanged: Option<FileRecord>,
        parse: &dyn Fn(&[u8]) -> Result<M, MetadataError>,
        looked: &mut Looked<M>,
    ) {
        let budget = self.fetcher.preferences.budget;
        let has_something = self.has_something;
        let (time, otherwise) = if has_something {
            (budget.metadata_with_cached, Otherwise::ServeCached)
        } else {
            (budget.metadata, Otherwise::Fail)
        };
        let situation = Situation {
            deadline: Deadline::after(time),
            cancel: self.cancel,
            otherwise,
            no_cache: query.no_cache,
        };
        let policy = match query.level {
            Level::Artifact => repository.releases.merged(repository.snapshots),
            Level::Snapshot(_) => repository.snapshots,
        };
        let path = format!("{}/{NAME}", directory_of(self.coordinates, &query.level));
        let file = MetadataFile {
            repository,
            path: &path,
            validators: unchanged.as_ref().map(|record| &record.validators),
            checksum: policy.checksum,
        };
        let url = display_address(repository, &path);
        let answer = Downloader::new(self.transport).metadata(&file, &situation);
        self.fetcher
            .note_outage(repository, answer.as_ref().err(), self.now);
        looked.knowledge.answer = match answer {
            Ok(MetadataAnswer::NotModified) => {
                if let Some(last_good) = &mut looked.knowledge.last_good {
                    last_good.age = Duration::ZERO;
                }
                looked.news = unchanged.map(News::Confirmed);
                Answer::NotModified
            }
            Ok(MetadataAnswer::Body(body)) => read(&url, body, parse, looked),
            Err(error) => {
                looked.is_cancelled = self.cancel.load(Ordering::Relaxed);
                looked.tried = Some(told(&error));
                Answer::Failed(trouble(&error))
            }
        };
    }
}

/// Says that metadata was written before the one that is here: a replica that lags behind gives it.
fn older<M: Dated>(metadata: &M, known: &M) -> Option<String> {
    let (date, known) = (metadata.last_updated()?, known.last_updated()?);
    (date < known).then(|| format!("it is of {date}, and that of {known} was there before"))
}

/// Reads what came, and says what it is worth.
fn read<M: Dated>(
    url: &str,
    body: MetadataBody,
    parse: &dyn Fn(&[u8]) -> Result<M, MetadataError>,
    looked: &mut Looked<M>,
) -> Answer<M> {
    match parse(&body.bytes) {
        Ok(metadata) => {
            let known = looked.knowledge.last_good.as_ref();
            if let Some(problem) = known.and_then(|known| older(&metadata, &known.metadata)) {
                looked.tried = Some(format!("`{url}`: {problem}"));
                return Answer::Failed(Trouble::Invalid(problem));
            }
            looked
                .notices
                .extend(body.mismatch.map(|mismatch| Notice::MetadataChecksum {
                    url: url.to_owned(),
                    mismatch: mismatch.to_string(),
                }));
            looked.news = Some(News::Body {
                bytes: body.bytes,
                validators: body.validators,
            });
            Answer::Fresh(metadata)
        }
        Err(error) => {
            let start = &body.bytes[..body.bytes.len().min(200)];
            tracing::debug!(url, body = %String::from_utf8_lossy(start), "no metadata");
            looked.tried = Some(format!("`{url}`: {}", whole(&error)));
            Answer::Failed(Trouble::Invalid(whole(&error)))
        }
    }
}

impl<M> Looked<M> {
    fn heard(self, query: Query, known: impl FnOnce(Knowledge<M>) -> Known) -> Heard {
        let Self {
            knowledge,
            news,
            notices,
            tried,
            is_cancelled,
        } = self;
        Heard {
            query,
            knowledge: known(knowledge),
            news,
            notices,
            tried,
            is_cancelled,
        }
    }
}
