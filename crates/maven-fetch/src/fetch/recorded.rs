//! What is remembered of files and answers, so that little is read or asked again.

use super::{Fetched, Notice, Work};
use crate::coordinates::Resolved;
use crate::local::Content;
use crate::resolve::Facts;
use crate::state::{FileKey, FileRecord};
use crate::transport::Validators;

impl Work<'_, '_> {
    /// Remembers an answer.
    pub(super) fn remember(&mut self, fetched: &Fetched, facts: &Facts<'_>) {
        let now = &self.occasion.now;
        let remembered = self.fetcher.remember_answer(fetched, facts, now);
        self.notices.extend(remembered.err());
    }

    /// What is remembered of a file.
    pub(super) fn record_of(&self, artifact: &Resolved) -> Option<FileRecord> {
        let path = artifact.path();
        self.fetcher.state.file(self.key_of(&path))
    }

    /// Remembers the content of a file, so that it is not read again before it is touched.
    pub(super) fn record(&mut self, artifact: &Resolved, content: Content, validators: Validators) {
        let now = self.occasion.now.timestamp();
        let record = FileRecord {
            facts: content.facts,
            validators,
            sha1: content.sha1,
            sha256: content.sha256,
            fetched_at: now,
            checked_at: now,
            metadata: None,
        };
        let path = artifact.path();
        let remembered = self
            .fetcher
            .state
            .remember_file(self.key_of(&path), &record);
        self.notices.extend(remembered.err().map(Notice::State));
    }

    /// The key of an artifact: the same bytes, from whichever repository.
    fn key_of<'k>(&self, path: &'k str) -> FileKey<'k>
    where
        Self: 'k,
    {
        FileKey {
            local: self.fetcher.local.head(),
            repository_url: "",
            path,
        }
    }
}
