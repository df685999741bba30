//! What is shipped to be installed: every file is read, what belongs together agrees, and nothing asks
//! for more than it needs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use reshard::manifest;
use reshard::resource::KIND;
use serde_json::Value;

use crate::crd::Judge;

mod alerts;
mod pods;
mod rights;

/// The package.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below `folder` with this extension, in order.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|found| found == extension) {
                found.push(entry);
            }
        }
    }
    found.sort();
    found
}

/// The objects of a file.
fn objects(file: &Path) -> Vec<Value> {
    manifest::documents(&fs::read_to_string(file).unwrap(), &file.display().to_string()).unwrap()
}

/// The objects of this kind in a file of `manifests`, by their names.
fn of_kind(file: &str, kind: &str) -> BTreeMap<String, Value> {
    let of_kind = objects(&root().join("manifests").join(file)).into_iter().filter(|o| o["kind"] == kind);
    of_kind.map(|object| (object["metadata"]["name"].as_str().unwrap().to_owned(), object)).collect()
}

/// The one object of this kind in a file of `manifests`.
fn sole(file: &str, kind: &str) -> Value {
    let mut objects: Vec<Value> = of_kind(file, kind).into_values().collect();
    assert_eq!(objects.len(), 1, "{file}: {kind}");
    objects.remove(0)
}

#[test]
fn every_file_holds_objects_and_is_part_of_what_is_installed() {
    for folder in ["manifests", "manifests/cronjob", "crds"] {
        let folder = root().join(folder);
        let [kustomization] = objects(&folder.join("kustomization.yaml")).try_into().unwrap();
        assert_eq!(kustomization["kind"], "Kustomization");
        let listed: Vec<&str> = kustomization["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        for name in &listed {
            assert!(folder.join(name).exists(), "{name} is not there");
        }
        for entry in fs::read_dir(&folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let is_manifest = name.ends_with(".yaml") && name != "kustomization.yaml";
            assert!(!is_manifest || listed.contains(&&*name), "{name} is not installed");
        }
    }
    let files = files("manifests", "yaml");
    assert!(files.len() > 20, "{} files", files.len());
    for file in files.iter().filter(|file| !file.ends_with("kustomization.yaml")) {
        for object in objects(file) {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            assert!(object["apiVersion"].is_string() && object["kind"].is_string(), "{}", file.display());
            assert!(!name.is_empty(), "{}", file.display());
        }
    }
}

#[test]
fn every_example_is_a_good_resource_about_a_stream_of_its_own() {
    let judge = Judge::new();
    let mut streams = Vec::new();
    for file in files("manifests/examples", "yaml") {
        let resources: Vec<Value> =
            objects(&file).into_iter().filter(|object| object["kind"] == KIND).collect();
        if resources.is_empty() {
            continue;
        }
        for resource in &resources {
            assert_eq!(judge.faults(resource, None), Vec::<String>::new(), "{}", file.display());
        }
        let read = manifest::read(&file).unwrap();
        assert_eq!(read.len(), resources.len());
        streams.extend(read.into_iter().map(|manifest| {
            assert_eq!(manifest.resource.metadata.namespace.as_deref(), Some("payments"));
            (manifest.policy.stream, manifest.policy.role_arn)
        }));
    }
    assert!(streams.len() >= 8, "{} examples", streams.len());
    for (at, stream) in streams.iter().enumerate() {
        assert!(!streams[..at].contains(stream), "{stream:?} has two examples");
    }
}
