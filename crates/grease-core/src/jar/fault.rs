//! What can be wrong with an entry of a jar.

/// Why an entry is not unpacked; reads on from "entry `x` of `y.jar`".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A name that starts at the root of the file system.
    #[error("has an absolute name")]
    AbsoluteName,
    /// A name with `..` in it.
    #[error("has `..` in its name, which leads out of the folder it is unpacked to")]
    ParentInName,
    /// A name with `.` or nothing between two slashes.
    #[error("has `.` or nothing between two slashes of its name")]
    IdleComponent,
    /// The separator of another operating system.
    #[error("has a backslash in its name, where a slash was expected")]
    Backslash,
    /// A character that breaks log lines or cuts the name short.
    #[error("has a control character in its name")]
    ControlCharacter,
    /// Bytes that are no text.
    #[error("has a name that is not UTF-8")]
    NotUtf8,
    /// A name that file systems do not take.
    #[error(
        "has a name longer than {NAME_BYTES_MAX} bytes, or a part of it longer than \
         {COMPONENT_BYTES_MAX}"
    )]
    LongName,
    /// A link, which could lead anywhere.
    #[error("is a symbolic link")]
    SymbolicLink,
    /// A device, pipe or socket, or a name and a mode that contradict each other.
    #[error("is neither a file nor a folder: its mode is {mode:o}")]
    SpecialFile {
        /// `st_mode` of the machine that the jar was made on.
        mode: u32,
    },
    /// Nobody here has the password.
    #[error("is encrypted")]
    Encrypted,
    /// A way of compression that jars do not use.
    #[error("is compressed with method {method}, where stored or deflated was expected")]
    Compression {
        /// Name or number of the method.
        method: String,
    },
    /// It is not clear which of two contents is meant.
    #[error("is there twice")]
    Twice,
    /// On many file systems the two are one file.
    #[error("differs from entry `{other}` only in upper and lower case")]
    CaseCollision {
        /// The other entry.
        other: String,
    },
    /// A name cannot be both.
    #[error("is a file, and also a folder in the name of entry `{other}`")]
    FileAndFolder {
        /// An entry in the folder.
        other: String,
    },
    /// A bomb.
    #[error("would grow from {packed} to {unpacked} bytes, more than {RATIO_MAX} times as many")]
    Ratio {
        /// Bytes in the jar.
        packed: u64,
        /// Bytes unpacked, as declared.
        unpacked: u64,
    },
    /// Fewer bytes than declared.
    #[error("ends after {found} bytes, where {declared} were expected")]
    Short {
        /// Bytes in the jar's directory.
        declared: u64,
        /// Bytes there were.
        found: u64,
    },
}

/// Longest name in bytes: `PATH_MAX` of Linux.
pub(super) const NAME_BYTES_MAX: usize = 4096;

/// Longest name between two slashes in bytes: `NAME_MAX` of Linux.
pub(super) const COMPONENT_BYTES_MAX: usize = 255;

/// How many times its packed size something may have; deflate reaches 1032, text and logs 20.
pub(super) const RATIO_MAX: u64 = 200;

impl Fault {
    /// What to do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::AbsoluteName
            | Self::ParentInName
            | Self::IdleComponent
            | Self::Backslash
            | Self::ControlCharacter
            | Self::NotUtf8
            | Self::LongName => {
                "rename the file and build the jar again; no build tool makes such names by \
                 itself, so if it is not yours, do not trust it"
            }
            Self::SymbolicLink | Self::SpecialFile { .. } => {
                "put the file itself into the jar and build it again"
            }
            Self::Encrypted | Self::Compression { .. } => {
                "build the jar again with `jar`, Maven or Gradle, without further options"
            }
            Self::Twice | Self::CaseCollision { .. } | Self::FileAndFolder { .. } => {
                "two dependencies or folders of sources bring the same name: exclude one of \
                 them and build the jar again"
            }
            Self::Ratio { .. } => {
                "fetch files of this kind from a data store instead of packing them"
            }
            Self::Short { .. } => "fetch or build the jar again",
        }
    }
}
