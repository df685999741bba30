//! A decision is kept in a file and decided again elsewhere: without AWS, to the same hash.

use std::process::Command;

use super::world::{World, two_hot_shards_of_four};
use crate::cli::{Files, Ran};

/// Another machine: its own folder, no credentials, no configuration, no endpoint.
fn elsewhere(files: &Files, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reshard"));
    command.args(arguments).env_clear().current_dir(files.path("."));
    command.output().unwrap().into()
}

#[test]
fn what_was_recorded_is_decided_elsewhere_to_the_same_hash_in_every_format() {
    let world = World::new(4, two_hot_shards_of_four(), 0);
    let spec = "maxShards: 16";
    let manifest = world.files.manifest("orders.yaml", spec);
    let record = world.files.path("seen.json");
    let seen = world.run(&["plan", "-f", &manifest, "--record", &record, "-o", "json"]);
    assert_eq!((seen.code, seen.stderr.as_str()), (Some(0), ""));
    let report: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
    let hash = report["plan"]["hash"].as_str().unwrap();
    assert!(report["steps"][0]["action"].as_str().unwrap().starts_with("split shard "), "{report:#}");

    let other = Files::new();
    other.manifest("orders.yaml", spec);
    other.write("seen.json", &std::fs::read_to_string(&record).unwrap());
    // The stream moves on; the record does not.
    world.recreate(2);
    let requests = world.requests();
    for format in ["table", "json", "yaml", "markdown"] {
        let arguments = ["plan", "-f", "orders.yaml", "--snapshot", "seen.json", "--detailed-exitcode"];
        let ran = elsewhere(&other, &[&arguments[..], &["-o", format]].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(2), ""), "{format}: {}", ran.stdout);
        assert!(ran.stdout.contains(hash), "{format}: {hash} in {}", ran.stdout);
        if format == "json" {
            assert_eq!(ran.stdout, seen.stdout);
        }
    }
    assert_eq!(world.requests(), requests);

    // Another policy decides otherwise on the same record.
    other.manifest("orders.yaml", "minShards: 4\nmaxShards: 4");
    let ran = elsewhere(&other, &["plan", "-f", "orders.yaml", "--snapshot", "seen.json", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_ne!(report["plan"]["hash"].as_str(), Some(hash), "{report:#}");
}
