//! Small files, into memory.

use super::{
    BUFFER_BYTES, ChecksumSource, DownloadError, Downloader, Mismatch, Situation, check_length,
};
use crate::checksum::{Checksum, Digests};
use crate::repository::{ChecksumPolicy, Repository};
use crate::transport::{
    Content, Expect, Request, Response, TransportError, Validators, display_address,
};

/// Largest metadata file. The largest known, of an artifact with 200,000 versions, has 8 MiB.
const METADATA_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A metadata file that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct MetadataFile<'a> {
    /// Which repository.
    pub repository: &'a Repository,
    /// Path below the repository's address, segments separated by `/`, not encoded.
    pub path: &'a str,
    /// What is here already. None if no body is here that they belong to.
    pub validators: Option<&'a Validators>,
    /// What happens on a wrong checksum. A missing one is never asked for: what counts is whether
    /// the content makes sense.
    pub checksum: ChecksumPolicy,
}

/// What a repository says to the question for metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataAnswer {
    /// It is as the validators say.
    NotModified,
    /// It is this.
    Body(MetadataBody),
}

/// A metadata file as it came, complete. Whether it makes sense is the caller's to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataBody {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What tells this state of the file from another.
    pub validators: Validators,
    /// Its checksum is wrong, twice. Repositories do announce wrong ones for metadata, which they
    /// make up on the fly.
    pub mismatch: Option<Mismatch>,
}

impl Downloader<'_> {
    /// Downloads a metadata file into memory, up to 16 MiB.
    ///
    /// A wrong checksum in the header leads to one further download past all caches. If it is wrong
    /// again, the policy [`ChecksumPolicy::Fail`] makes it an error, else the caller is told.
    pub fn metadata(
        &self,
        file: &MetadataFile<'_>,
        situation: &Situation<'_>,
    ) -> Result<MetadataAnswer, DownloadError> {
        let url = display_address(file.repository, file.path);
        let first = self.metadata_once(&url, file, situation)?;
        if !matches!(
            &first,
            MetadataAnswer::Body(MetadataBody {
                mismatch: Some(_),
                ..
            })
        ) {
            return Ok(first);
        }
        let file = MetadataFile {
            validators: None,
            ..*file
        };
        let second = self.metadata_once(
            &url,
            &file,
            &Situation {
                no_cache: true,
                ..*situation
            },
        )?;
        match second {
            MetadataAnswer::Body(MetadataBody {
                mismatch: Some(mismatch),
                ..
            }) if file.checksum == ChecksumPolicy::Fail => Err(DownloadError::ChecksumMismatch {
                url,
                mismatch,
                file: None,
            }),
            other => Ok(other),
        }
    }

    fn metadata_once(
        &self,
        url: &str,
        file: &MetadataFile<'_>,
        situation: &Situation<'_>,
    ) -> Result<MetadataAnswer, DownloadError> {
        self.retry(url, situation, || {
            let request = Request {
                repository: file.repository,
                path: file.path,
                expect: Expect::Metadata,
                validators: file.validators,
                resume: None,
                no_cache: situation.no_cache,
                timeout: self.patience.timeout,
                within: situation.deadline.remaining(),
            };
            let response = self.transport.open(&request)?;
            if response.content == Content::NotModified {
                return Ok(MetadataAnswer::NotModified);
            }
            let checksum = response.checksums.first().cloned();
            let validators = response.validators.clone();
            let bytes = read_all(url, response, situation, METADATA_MAX_BYTES)?;
            let mismatch = checksum
                .filter(|_| file.checksum != ChecksumPolicy::Ignore)
                .and_then(|expected| compare(expected, &bytes));
            Ok(MetadataAnswer::Body(MetadataBody {
                bytes,
                validators,
                mismatch,
            }))
        })
    }

    /// Downloads a checksum file, once; none if there is none that can be read.
    pub(super) fn sidecar(
        &self,
        request: &Request<'_>,
        situation: &Situation<'_>,
        limit_bytes: u64,
    ) -> Result<Option<String>, DownloadError> {
        let url = display_address(request.repository, request.path);
        let body = self
            .transport
            .open(request)
            .map_err(DownloadError::from)
            .and_then(|response| read_all(&url, response, situation, limit_bytes));
        match body {
            Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
            Err(error) if is_absent(&error) => {
                tracing::debug!(%error, "no checksum there");
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }
}

/// Tells whether a checksum file counts as absent: it is not there, or not to be had by us, or not to
/// be used. One that may be there later is not absent.
fn is_absent(error: &DownloadError) -> bool {
    match error {
        DownloadError::Transport(error) => !matches!(error, TransportError::Unreachable { .. }),
        DownloadError::TooLarge { .. } => true,
        _ => false,
    }
}

/// Reads a body into memory.
fn read_all(
    url: &str,
    mut response: Response,
    situation: &Situation<'_>,
    limit_bytes: u64,
) -> Result<Vec<u8>, DownloadError> {
    let too_large = || DownloadError::TooLarge {
        url: url.to_owned(),
        limit_bytes,
    };
    if response.length.is_some_and(|length| length > limit_bytes) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let received = situation.pump(
        url,
        &mut *response.body,
        &mut vec![0; BUFFER_BYTES],
        |piece| {
            if (bytes.len() + piece.len()) as u64 > limit_bytes {
                return Err(too_large());
            }
            bytes.extend_from_slice(piece);
            Ok(())
        },
    )?;
    check_length(url, received, response.length)?;
    Ok(bytes)
}

/// Compares bytes with their checksum; the difference, if there is one.
fn compare(expected: Checksum, bytes: &[u8]) -> Option<Mismatch> {
    let mut digests = Digests::new(expected.algorithm);
    digests.update(bytes);
    let actual = digests
        .hex(expected.algorithm)
        .expect("it was asked for when it was made");
    (actual != expected.hex).then_some(Mismatch {
        expected,
        source: ChecksumSource::Header,
        actual,
    })
}
