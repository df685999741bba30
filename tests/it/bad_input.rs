//! Bad manifests: one clear error each, with the file, the path inside it and what would be right.

use std::fs;
use std::path::{Path, PathBuf};

use reshard::manifest::{self, ManifestError};
use reshard::resource::KinesisStreamAutoscaler;

pub mod fields;
pub mod properties;

/// A file among the manifest fixtures.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/manifests").join(name)
}

/// The resources of a good file.
pub fn resources(name: &str) -> Vec<KinesisStreamAutoscaler> {
    let manifests = manifest::read(&fixture(name)).unwrap();
    manifests.into_iter().map(|manifest| manifest.resource).collect()
}

/// An error with all its causes, as the command line prints it.
fn chain(error: &ManifestError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[test]
fn every_bad_file_says_what_is_wrong_where_and_what_would_be_right() {
    let mut files: Vec<PathBuf> =
        fs::read_dir(fixture("bad")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 20, "fixtures are missing");
    let mut report = String::new();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let error = manifest::read_from(fs::File::open(&file).unwrap(), name).unwrap_err();
        report.push_str(&chain(&error));
        report.push('\n');
    }
    insta::assert_snapshot!(report);
}

#[test]
fn a_file_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("orders.yaml");
    let error = manifest::read(&missing).unwrap_err();
    assert_eq!(chain(&error), format!("{}: no such file", missing.display()));

    let error = manifest::read(folder.path()).unwrap_err();
    let expected = "is a directory: name a file in it, or - for standard input";
    assert_eq!(chain(&error), format!("{}: {expected}", folder.path().display()));

    let large = folder.path().join("large.yaml");
    fs::write(&large, "#".repeat((1 << 20) + 1)).unwrap();
    let error = manifest::read(&large).unwrap_err();
    assert_eq!(chain(&error), format!("{}: is larger than 1 MiB: no manifest is", large.display()));

    fs::write(&large, "#".repeat(1 << 20)).unwrap();
    assert!(matches!(manifest::read(&large).unwrap_err(), ManifestError::Empty { .. }));
}

#[test]
fn a_byte_order_mark_before_the_text_is_no_part_of_it() {
    let text = fs::read(fixture("orders.yaml")).unwrap();
    let marked = [&b"\xef\xbb\xbf"[..], &text].concat();
    let [plain] = manifest::read_from(&text[..], "orders.yaml").unwrap().try_into().unwrap();
    let [read] = manifest::read_from(&marked[..], "orders.yaml").unwrap().try_into().unwrap();
    assert_eq!(read.resource, plain.resource);
}

#[test]
fn documents_lists_and_anchors_are_read() {
    let [orders, clicks] = resources("several.yaml").try_into().unwrap();
    assert_eq!((orders.metadata.name.as_str(), clicks.metadata.name.as_str()), ("orders", "clicks"));
    assert_eq!(orders.spec.targets.ingest_bytes, orders.spec.targets.ingest_records);

    let [orders, clicks] = manifest::read(&fixture("list.yaml")).unwrap().try_into().unwrap();
    assert_eq!((orders.policy.generation, clicks.policy.generation), (7, 0));
    assert_eq!(orders.policy.stream.name, "orders");
    assert_eq!(orders.policy.stream.region.as_deref(), Some("eu-west-1"));
}

#[test]
fn what_is_left_out_has_the_documented_value() {
    let [full] = manifest::read(&fixture("orders.yaml")).unwrap().try_into().unwrap();
    let [mut smallest] = resources("smallest.yaml").try_into().unwrap();
    // Whatever orders.yaml says beyond the defaults.
    smallest.metadata.namespace = full.resource.metadata.namespace.clone();
    smallest.spec.stream_ref = full.resource.spec.stream_ref.clone();
    smallest.spec.aws = full.resource.spec.aws.clone();
    smallest.spec.min_shards = 4;
    smallest.spec.max_shards = 64;
    smallest.spec.interval = full.resource.spec.interval.clone();
    smallest.spec.consumers = full.resource.spec.consumers.clone();
    smallest.spec.schedules = full.resource.spec.schedules.clone();
    let policy = smallest.to_policy().unwrap();
    assert_eq!(format!("{policy:?}"), format!("{:?}", full.policy));
}
