//! `reshard inspect` against a sandbox: a stream that no resource names.

use reshard::manifest;
use reshard::policy::Targets;
use reshard::quota::MAX_SHARDS;
use reshard::simulator::workload::{HotSpot, Workload};

use crate::acceptance::world::{World, even};

fn hot(bytes_per_second: u64) -> Workload {
    let mut load = even(bytes_per_second);
    load.hot_spot = Some(HotSpot { share: 0.4, width: 0.1, position: Some(0.1), moves_every: None });
    load
}

#[test]
fn a_stream_without_a_resource_is_shown_with_a_policy_that_fits() {
    let world = World::new(4, hot(2_400_000), 0);
    world.skip(6 * 60);
    let before = world.writes();

    let ran = world.run(&["inspect", "orders", "--region", "us-east-1"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    for told in
        ["PAST", "\n  1 h ", "\n  24 h ", "HASH-KEY SPACE", "POLICY", "minShards", "STEPS", "COST", "▲"]
    {
        assert!(ran.stdout.contains(told), "{told} in {}", ran.stdout);
    }
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ran.stdout);

    let ran = world.run(&["inspect", "orders", "--region", "us-east-1", "--suggest"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let [suggested] = manifest::read_from(ran.stdout.as_bytes(), "suggested").unwrap().try_into().unwrap();
    let bounds = suggested.policy.bounds;
    // 2.4 shards' worth, at all hours, at 95 % × 0.95.
    assert_eq!((bounds.min(), bounds.max()), (3, 6), "{}", ran.stdout);
    assert_eq!(suggested.policy.targets, Targets::default(), "what never grows needs no more room");
    assert_eq!(suggested.policy.stream.region.as_deref(), Some("us-east-1"));
    for value in ["mode:", "minShards:", "maxShards:", "targets:", "readBytes:", "metrics:"] {
        let at = ran.stdout.lines().position(|line| line.trim_start().starts_with(value)).expect(value);
        let explained = ran.stdout.lines().nth(at - 1).is_some_and(|line| line.trim_start().starts_with('#'))
            || value == "targets:";
        assert!(explained, "{value} in {}", ran.stdout);
    }
    // What is suggested is what is planned under.
    let file = world.files.write("suggested.yaml", &ran.stdout);
    assert_eq!(world.planned(&file).0, Some(2));
    assert_eq!(world.writes(), before, "nothing was changed");
}

#[test]
fn a_stream_that_was_made_a_moment_ago_is_shown_as_unknown() {
    let world = World::new(3, even(0), 0);
    world.recreate(3);
    let ran = world.run(&["inspect", "arn:aws:kinesis:us-east-1:123456789012:stream/orders", "--suggest"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let [suggested] = manifest::read_from(ran.stdout.as_bytes(), "suggested").unwrap().try_into().unwrap();
    assert!(suggested.policy.bounds.max() <= MAX_SHARDS && suggested.policy.stream.arn.is_some());
    assert!(ran.stdout.contains("minutes of the past are known"), "{}", ran.stdout);
}

#[test]
fn what_is_no_stream_is_told_before_anything_is_asked() {
    let world = World::new(1, even(0), 0);
    let before = world.requests();
    for (stream, told) in [("or ders", "is not the name of a stream"), ("arn:aws:s3:::b", "is not the ARN")] {
        let ran = world.run(&["inspect", stream, "--region", "us-east-1"]);
        assert_eq!(ran.code, Some(1));
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
    assert_eq!(world.requests(), before);
}
