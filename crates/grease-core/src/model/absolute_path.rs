//! A path that means the same wherever a program was started.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A path that begins with `/` and holds no NUL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct AbsolutePath(PathBuf);

impl AbsolutePath {
    /// The path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for AbsolutePath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl TryFrom<String> for AbsolutePath {
    type Error = RelativePath;

    fn try_from(path: String) -> Result<Self, RelativePath> {
        if path.starts_with('/') && !path.contains('\0') {
            Ok(Self(path.into()))
        } else {
            Err(RelativePath { path })
        }
    }
}

impl JsonSchema for AbsolutePath {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AbsolutePath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // An editor sees the file before its variables are replaced.
        json_schema!({ "title": "path", "type": "string", "pattern": "^[/$]" })
    }
}

/// The path depends on where the program was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an absolute path, found `{}`", path.escape_debug())]
pub struct RelativePath {
    path: String,
}
