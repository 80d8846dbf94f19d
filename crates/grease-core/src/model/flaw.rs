//! What a section of the config finds wrong with itself.

/// One value that contradicts another or a rule of its section.
///
/// The section does not know its file; `config` adds file and line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The key's path within the section: `load1_per_core`, `policy.projects[0].allow_root`.
    pub key: String,
    /// What is wrong, in the words of an error.
    pub message: String,
}

impl Flaw {
    /// A flaw of the value at `key`.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
        }
    }
}
