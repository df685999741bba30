//! Which streams a command is about: `-f FILE`, once or more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use super::outcome::{self, Faults};
use crate::manifest::{self, ManifestError};
use crate::policy::ScalingPolicy;

/// Which streams.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// A KinesisStreamAutoscaler manifest; several documents and several -f are taken, - is stdin
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// One stream of a selection.
#[derive(Debug, Clone)]
pub(super) struct Selected {
    /// The file that says what is wanted.
    pub file: PathBuf,
    /// What is wanted.
    pub policy: ScalingPolicy,
}

impl Selection {
    /// Reads every file. One that is wrong stops the command before anything is touched, and all
    /// that is wrong is told at once.
    pub fn read(&self) -> anyhow::Result<Vec<Selected>> {
        let (mut selected, mut faults) = (Vec::new(), Vec::new());
        for file in &self.files {
            match manifest::read(file) {
                Ok(manifests) => selected.extend(
                    manifests
                        .into_iter()
                        .map(|manifest| Selected { file: file.clone(), policy: manifest.policy }),
                ),
                Err(ManifestError::Invalid(found)) => faults.extend(found.iter().map(ToString::to_string)),
                Err(error) => faults.push(outcome::chain(&error.into())),
            }
        }
        faults.extend(doubled(&selected));
        if faults.is_empty() { Ok(selected) } else { Err(Faults(faults).into()) }
    }
}

/// Two resources for one stream would work against each other.
fn doubled(selected: &[Selected]) -> Vec<String> {
    let mut seen: BTreeMap<_, &Path> = BTreeMap::new();
    let mut faults = Vec::new();
    for Selected { file, policy } in selected {
        let stream = (&policy.stream.name, &policy.stream.region, &policy.stream.arn);
        if let Some(first) = seen.insert(stream, file) {
            let (first, file, name) = (first.display(), file.display(), &policy.stream.name);
            faults
                .push(format!("{file}: the stream {name} is also in {first}: one resource for each stream"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_is_named_twice_is_refused() {
        let one = |file: &str, name: &str| Selected {
            file: PathBuf::from(file),
            policy: ScalingPolicy::for_stream(name, 8),
        };
        assert!(doubled(&[one("a.yaml", "orders"), one("b.yaml", "clicks")]).is_empty());
        assert_eq!(
            doubled(&[one("a.yaml", "orders"), one("b.yaml", "orders")]),
            ["b.yaml: the stream orders is also in a.yaml: one resource for each stream"]
        );
    }
}
