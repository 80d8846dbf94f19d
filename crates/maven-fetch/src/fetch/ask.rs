//! Asks for metadata: all repositories that have to be asked at the same moment.

use std::thread;

use super::arrived::{Arrived, News};
use super::look::Look;
use super::{FetchError, Notice, Work};
use crate::coordinates::base_version;
use crate::download::DownloadError;
use crate::metadata::{ArtifactMetadata, SnapshotMetadata};
use crate::resolve::{Facts, Knowledge, Level, Question};
use crate::transport::display_address;

/// One metadata file of one repository.
#[derive(Clone)]
pub(super) struct Query {
    pub(super) source: usize,
    pub(super) level: Level,
    pub(super) no_cache: bool,
}

/// What came of a query.
pub(super) struct Heard {
    pub(super) query: Query,
    pub(super) knowledge: Known,
    pub(super) news: Option<News>,
    pub(super) notices: Vec<Notice>,
    pub(super) tried: Option<String>,
    pub(super) is_cancelled: bool,
}

/// What is known of one file.
pub(super) enum Known {
    Versions(Knowledge<ArtifactMetadata>),
    Builds(String, Knowledge<SnapshotMetadata>),
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
        let has_something = self.spares(facts);
        let look = Look {
            fetcher: self.fetcher,
            coordinates: self.coordinates,
            now: &self.occasion.now,
            cancel: self.occasion.cancel,
            transport: self.transport,
            has_something,
            has_waited: !self.insists && self.flight.has_waited(),
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
