//! What repositories said just now, and its publication.

use super::{Notice, Work, directory_of};
use crate::checksum::{Algorithm, Digests};
use crate::repository::Repository;
use crate::resolve::Level;
use crate::state::{FileKey, FileRecord};
use crate::transport::{Validators, display_address};

/// The name of metadata in a repository.
pub(super) const NAME: &str = "maven-metadata.xml";

/// What a repository said just now, to be published once what it names is here.
pub(super) struct Arrived {
    pub(super) level: Level,
    pub(super) repository: Repository,
    pub(super) news: News,
}

/// What it said.
pub(super) enum News {
    /// It is this.
    Body {
        bytes: Vec<u8>,
        validators: Validators,
    },
    /// It is as it was.
    Confirmed(FileRecord),
}

impl Work<'_, '_> {
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

fn digests_of(bytes: &[u8]) -> (String, String) {
    let mut digests = Digests::new(Algorithm::Sha256);
    digests.update(bytes);
    let hex = |algorithm| digests.hex(algorithm).expect("it is always computed");
    (hex(Algorithm::Sha1), hex(Algorithm::Sha256))
}
