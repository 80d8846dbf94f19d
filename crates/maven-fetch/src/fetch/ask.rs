//! Metadata: what is here, what repositories say now, and its publication.

use std::sync::atomic::Ordering;
use std::thread;

use super::known::age;
use super::{FetchError, Fetcher, Notice, Work, directory_of, told};
use crate::checksum::{Algorithm, Digests};
use crate::coordinates::{Coordinates, base_version};
use crate::download::{
    Deadline, DownloadError, Downloader, MetadataAnswer, MetadataBody, MetadataFile, Otherwise,
    Situation,
};
use crate::local::{StoredMetadata, is_due};
use crate::metadata::{ArtifactMetadata, MetadataError, SnapshotMetadata};
use crate::repository::Repository;
use crate::resolve::{Answer, Facts, Knowledge, LastGood, Level, Question, Trouble};
use crate::state::{FileKey, FileRecord};
use crate::transport::{TransportError, Validators, display_address};

/// The name of metadata in a repository.
const NAME: &str = "maven-metadata.xml";

/// What a repository said just now, to be published once what it names is here.
pub(super) struct Arrived {
    level: Level,
    repository: Repository,
    news: News,
}

enum News {
    /// It is this.
    Body {
        bytes: Vec<u8>,
        validators: Validators,
    },
    /// It is as it was.
    Confirmed(FileRecord),
}

/// One metadata file of one repository.
#[derive(Clone)]
struct Query {
    source: usize,
    level: Level,
    no_cache: bool,
}

/// What came of a query.
struct Heard {
    query: Query,
    knowledge: Known,
    news: Option<News>,
    notices: Vec<Notice>,
    tried: Option<String>,
    is_cancelled: bool,
}

enum Known {
    Versions(Knowledge<ArtifactMetadata>),
    Builds(String, Knowledge<SnapshotMetadata>),
}

/// What came of asking for one kind of metadata.
struct Looked<M> {
    knowledge: Knowledge<M>,
    news: Option<News>,
    notices: Vec<Notice>,
    tried: Option<String>,
    is_cancelled: bool,
}

impl Work<'_, '_> {
    /// Looks at metadata, asking all repositories that have to be asked at the same moment.
    pub(super) fn ask(
        &mut self,
        facts: &mut Facts<'_>,
        question: &Question,
    ) -> Result<(), FetchError> {
        if question.no_cache {
            facts.asked_again = true;
        }
        if let Level::Snapshot(base) = &question.level
            && !facts.installed_builds.contains_key(base)
        {
            self.fetcher.add_installed_builds(facts, base);
        }
        let mut queries: Vec<Query> = question
            .sources
            .iter()
            .map(|source| Query {
                source: *source,
                level: question.level.clone(),
                no_cache: question.no_cache,
            })
            .collect();
        queries.extend(in_advance(facts, question));
        for heard in self.hear(facts, queries) {
            if heard.is_cancelled {
                let url = display_address(facts.repository(heard.query.source), "");
                return Err(Box::new(DownloadError::Cancelled { url }).into());
            }
            let repository = facts.repository(heard.query.source).clone();
            match heard.knowledge {
                Known::Versions(knowledge) => facts.learn_artifact(heard.query.source, knowledge),
                Known::Builds(base, knowledge) => {
                    facts.learn_snapshot(heard.query.source, &base, knowledge);
                }
            }
            self.notices.extend(heard.notices);
            self.tried.extend(heard.tried);
            let level = heard.query.level;
            self.arrived.extend(heard.news.map(|news| Arrived {
                level,
                repository,
                news,
            }));
        }
        Ok(())
    }

    /// Does all queries, the first in this thread.
    fn hear(&self, facts: &Facts<'_>, mut queries: Vec<Query>) -> Vec<Heard> {
        let has_something = !facts.complete.is_empty();
        let look = Look {
            fetcher: self.fetcher,
            coordinates: self.coordinates,
            now: &self.occasion.now,
            cancel: self.occasion.cancel,
            transport: self.transport,
            has_something,
        };
        let rest = queries.split_off(queries.len().min(1));
        thread::scope(|scope| {
            let look = &look;
            let others: Vec<_> = rest
                .into_iter()
                .map(|query| {
                    let repository = facts.repository(query.source);
                    scope.spawn(move || look.at(query, repository))
                })
                .collect();
            let first = queries
                .into_iter()
                .map(|query| look.at(query.clone(), facts.repository(query.source)));
            let mut heard: Vec<Heard> = first.collect();
            for other in others {
                heard.push(
                    other
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                );
            }
            heard
        })
    }

    /// Publishes what arrived: builds before the versions that name them. What cannot be written is
    /// asked for again, no more.
    pub(super) fn publish_metadata(&mut self) {
        let mut arrived = std::mem::take(&mut self.arrived);
        arrived.sort_by_key(|one| one.level == Level::Artifact);
        for one in arrived {
            self.publish_one(one);
        }
    }

    fn publish_one(&mut self, arrived: Arrived) {
        let Arrived {
            level,
            repository,
            news,
        } = arrived;
        let now = self.occasion.now.timestamp();
        let directory = directory_of(self.coordinates, &level);
        let place = match self.fetcher.local.prepare_directory(&directory) {
            Ok(place) => place,
            Err(error) => return self.notices.push(Notice::Local(error)),
        };
        let record = match news {
            News::Body { bytes, validators } => {
                let published = match place.publish_metadata(&repository.id, &bytes, now) {
                    Ok(published) => published,
                    Err(error) => return self.notices.push(Notice::Local(error)),
                };
                let notices = published.warnings.into_iter().map(Notice::Local);
                self.notices.extend(notices);
                let (sha1, sha256) = digests_of(&bytes);
                FileRecord {
                    facts: published.facts,
                    validators,
                    sha1,
                    sha256,
                    fetched_at: now,
                    checked_at: now,
                    metadata: String::from_utf8(bytes).ok(),
                }
            }
            News::Confirmed(record) => {
                let stamped = place.stamp_metadata(&repository.id, now);
                self.notices.extend(stamped.err().map(Notice::Local));
                FileRecord {
                    checked_at: now,
                    ..record
                }
            }
        };
        self.notices.extend(place.warning.map(Notice::Local));
        let url = display_address(&repository, "");
        let path = format!("{directory}/{NAME}");
        let key = FileKey {
            local: self.fetcher.local.head(),
            repository_url: &url,
            path: &path,
        };
        let remembered = self.fetcher.state.remember_file(key, &record);
        self.notices.extend(remembered.err().map(Notice::State));
    }
}

/// The builds that were taken last, asked for together with the versions: if nothing moved, one
/// round trip does.
fn in_advance(facts: &Facts<'_>, question: &Question) -> Option<Query> {
    let record = facts.record.as_ref()?;
    let base = base_version(&record.version);
    let is_first = question.level == Level::Artifact && !question.no_cache;
    if !is_first || !base.ends_with("SNAPSHOT") {
        return None;
    }
    let is_supplier = |source: &&usize| {
        record.repository.as_deref() == Some(facts.repository(**source).id.as_str())
    };
    Some(Query {
        source: *question.sources.iter().find(is_supplier)?,
        level: Level::Snapshot(base),
        no_cache: false,
    })
}

/// All that a query needs, to be shared between threads.
struct Look<'a> {
    fetcher: &'a Fetcher<'a>,
    coordinates: &'a Coordinates,
    now: &'a jiff::ZonedDateTime,
    cancel: &'a std::sync::atomic::AtomicBool,
    transport: &'a super::Counted,
    /// There is something to go on with.
    has_something: bool,
}

impl Look<'_> {
    fn at(&self, query: Query, repository: &Repository) -> Heard {
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

    fn look<M>(
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
        let unchanged = record.filter(|record| {
            stored
                .as_ref()
                .is_some_and(|stored| record.validators_for(&stored.path).is_some())
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
        let outage = self
            .fetcher
            .outage(repository, self.now, self.has_something)?;
        Some(Answer::Failed(Trouble::Unreachable(outage)))
    }

    fn request<M>(
        &self,
        query: &Query,
        repository: &Repository,
        unchanged: Option<FileRecord>,
        parse: &dyn Fn(&[u8]) -> Result<M, MetadataError>,
        looked: &mut Looked<M>,
    ) {
        let budget = self.fetcher.preferences.budget;
        let has_something = self.has_something || looked.knowledge.last_good.is_some();
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
                    last_good.age = std::time::Duration::ZERO;
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

/// Reads what came, and says what it is worth.
fn read<M>(
    url: &str,
    body: MetadataBody,
    parse: &dyn Fn(&[u8]) -> Result<M, MetadataError>,
    looked: &mut Looked<M>,
) -> Answer<M> {
    match parse(&body.bytes) {
        Ok(metadata) => {
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
            looked.tried = Some(format!("`{url}`: {error}"));
            Answer::Failed(Trouble::Invalid(error.to_string()))
        }
    }
}

/// What is here of metadata.
struct Kept<M> {
    last_good: Option<LastGood<M>>,
    /// When the repository confirmed the file that is here; none if that is gone or of no use.
    checked_at: Option<jiff::Timestamp>,
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

impl Fetcher<'_> {
    /// Why the host of a repository is left alone, if it is: it did not answer a moment ago, and
    /// there is something to go on with, and nobody waits for a better answer.
    pub(super) fn outage(
        &self,
        repository: &Repository,
        now: &jiff::ZonedDateTime,
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
        now: &jiff::ZonedDateTime,
    ) {
        let Some(host) = host_of(repository) else {
            return;
        };
        match error {
            Some(DownloadError::Transport(TransportError::Unreachable { reason, .. })) => {
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

/// What a failed download says about a repository.
pub(super) fn trouble(error: &DownloadError) -> Trouble {
    use crate::ErrorKind;
    let text = told(error);
    match error.kind() {
        ErrorKind::NotFound => Trouble::NotFound,
        ErrorKind::Credentials => Trouble::Refused(text),
        ErrorKind::BadContent => Trouble::Invalid(text),
        ErrorKind::Io => Trouble::Disk(text),
        ErrorKind::Usage | ErrorKind::Config | ErrorKind::Unreachable | ErrorKind::Cancelled => {
            Trouble::Unreachable(text)
        }
    }
}

fn digests_of(bytes: &[u8]) -> (String, String) {
    let mut digests = Digests::new(Algorithm::Sha256);
    digests.update(bytes);
    let hex = |algorithm| digests.hex(algorithm).expect("it is always computed");
    (hex(Algorithm::Sha1), hex(Algorithm::Sha256))
}
