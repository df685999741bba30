//! Manifests: the one place that reads and writes YAML.
//!
//! A file may hold several documents, lists as kubectl prints them, and `-` is standard input. What
//! is wrong is told with the file, the path inside it and what would be right, all faults together.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::policy::ScalingPolicy;
use crate::policy::claim::Claim;
use crate::resource::{FieldError, KinesisStreamAutoscaler, in_plain_words, join};

mod decode;
mod tree;

/// A file larger than this is no manifest.
const MOST_BYTES: usize = 1 << 20;

/// One resource of a file, and what it asks for.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// As it was written, with the defaults filled in.
    pub resource: KinesisStreamAutoscaler,
    /// What it asks for.
    pub policy: ScalingPolicy,
}

/// Why a file gave no manifests.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file is not there.
    #[error("{file}: no such file")]
    Missing {
        /// The file.
        file: String,
    },
    /// It is a directory.
    #[error("{file}: is a directory: name a file in it, or - for standard input")]
    Directory {
        /// The directory.
        file: String,
    },
    /// It cannot be read.
    #[error("{file}: cannot be read")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// It is too large.
    #[error("{file}: is larger than 1 MiB: no manifest is")]
    TooLarge {
        /// The file.
        file: String,
    },
    /// It is not text.
    #[error("{file}: line {line}: is not UTF-8 text")]
    NotText {
        /// The file.
        file: String,
        /// The first line that is not.
        line: usize,
    },
    /// It is not YAML.
    #[error("{file}: {}cannot be read as YAML: {message}", ordinal(*document))]
    Syntax {
        /// The file.
        file: String,
        /// The document, counted from 1, where there are several.
        document: Option<usize>,
        /// What is wrong, with line and column.
        message: String,
    },
    /// There is nothing in it.
    #[error("{file}: holds no manifest: give a KinesisStreamAutoscaler (reshard.dev/v1alpha1)")]
    Empty {
        /// The file.
        file: String,
    },
    /// Its resources are at fault.
    #[error("{}", lines(.0))]
    Invalid(Vec<Fault>),
    /// A value could not be written as YAML.
    #[error("this cannot be written as YAML")]
    Unwritable(#[source] serde_yaml::Error),
}

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// The document, counted from 1, where there are several.
    pub document: Option<usize>,
    /// Where in the document, what is wrong and what would be right.
    pub error: FieldError,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { file, document, error: FieldError { path, message } } = self;
        let colon = if path.is_empty() { "" } else { ": " };
        write!(f, "{file}: {}{path}{colon}{message}", ordinal(*document))
    }
}

/// Reads every resource of a file, `-` being standard input. There is at least one.
///
/// # Errors
///
/// Where the file cannot be read, is not YAML or holds nothing; else all faults of all its resources.
pub fn read(source: &Path) -> Result<Vec<Manifest>, ManifestError> {
    if source == Path::new("-") {
        return read_from(io::stdin().lock(), "standard input");
    }
    let file = source.display().to_string();
    if source.is_dir() {
        return Err(ManifestError::Directory { file });
    }
    match File::open(source) {
        Ok(reader) => read_from(reader, &file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ManifestError::Missing { file }),
        Err(source) => Err(ManifestError::Unreadable { file, source }),
    }
}

/// Reads every resource of `reader`; errors call it `file`.
///
/// # Errors
///
/// As [`read`].
pub fn read_from(reader: impl Read, file: &str) -> Result<Vec<Manifest>, ManifestError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    if let Err(source) = reader.take(limit).read_to_end(&mut bytes) {
        return Err(ManifestError::Unreadable { file: file.to_owned(), source });
    }
    if bytes.len() > MOST_BYTES {
        return Err(ManifestError::TooLarge { file: file.to_owned() });
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => parse(text, file),
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            Err(ManifestError::NotText { file: file.to_owned(), line })
        }
    }
}

/// Writes any value as YAML.
///
/// # Errors
///
/// Where the value has a shape that YAML cannot hold.
pub fn to_yaml(value: &impl Serialize) -> Result<String, ManifestError> {
    serde_yaml::to_string(value).map_err(ManifestError::Unwritable)
}

fn parse(text: &str, file: &str) -> Result<Vec<Manifest>, ManifestError> {
    let documents = documents(text, file)?;
    let several = documents.len() > 1;
    let mut manifests: Vec<Manifest> = Vec::new();
    let mut faults = Vec::new();
    for (number, tree) in (1..).zip(documents) {
        let document = several.then_some(number);
        for (path, tree) in decode::items(tree) {
            match decode::manifest(&path, tree).and_then(|manifest| sole(manifest, &path, &manifests)) {
                Ok(manifest) => manifests.push(manifest),
                Err(errors) => faults.extend(errors.into_iter().map(|error| Fault {
                    file: file.to_owned(),
                    document,
                    error,
                })),
            }
        }
    }
    match (faults.is_empty(), manifests.is_empty()) {
        (false, _) => Err(ManifestError::Invalid(faults)),
        (true, true) => Err(ManifestError::Empty { file: file.to_owned() }),
        (true, false) => Ok(manifests),
    }
}

/// The manifest, unless one before it is about the same stream: two would undo each other's work.
fn sole(manifest: Manifest, path: &str, before: &[Manifest]) -> Result<Manifest, Vec<FieldError>> {
    let claim = Claim::of(&manifest.policy);
    let rivals = |other: &&Manifest| Claim::of(&other.policy).may_be(&claim);
    let Some(rival) = before.iter().find(rivals) else { return Ok(manifest) };
    let name = &rival.resource.metadata.name;
    let message = if Claim::of(&rival.policy).is_same(&claim) {
        format!("`{name}` is about the same stream: give each stream one resource")
    } else {
        format!(
            "`{name}` may be about the same stream: give each stream one resource, or each resource its ARN"
        )
    };
    Err(vec![FieldError { path: join(path, "spec.streamRef"), message }])
}

/// The documents of a file that are not empty, whatever they describe; errors call it `file`.
///
/// # Errors
///
/// [`ManifestError::Syntax`] where one is not YAML.
pub fn documents(text: &str, file: &str) -> Result<Vec<Value>, ManifestError> {
    let mut documents = Vec::new();
    let budget = tree::Budget::default();
    let text = without_mark(text);
    for (number, document) in (1..).zip(serde_yaml::Deserializer::from_str(text)) {
        match budget.read(document) {
            Ok(Value::Null) => {}
            Ok(tree) => documents.push(tree),
            Err(error) => {
                return Err(ManifestError::Syntax {
                    file: file.to_owned(),
                    document: (number > 1).then_some(number),
                    message: in_plain_words(&error.to_string()),
                });
            }
        }
    }
    Ok(documents)
}

/// A text without the byte order mark that some editors put before it.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn ordinal(document: Option<usize>) -> String {
    document.map(|number| format!("document {number}: ")).unwrap_or_default()
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}
