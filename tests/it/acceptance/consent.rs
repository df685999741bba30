//! Nothing is done that nobody agreed to: plans that no longer fit, approval, suspension.

use reshard::simulator::fault::Operation;

use super::world::{STREAM, World, even};
use crate::cli::Ran;
use crate::sandbox::client;

/// A stream of two hot shards, and a plan of two splits in a file.
fn planned() -> (World, String, String) {
    let world = World::new(2, even(1_960_000), 0);
    let manifest = world.files.manifest("orders.yaml", "maxShards: 8\nmode: Approve");
    let shown = world.run(&["plan", "-f", &manifest, "-o", "json"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let plan = world.files.write("plan.json", &shown.stdout);
    (world, manifest, plan)
}

/// Exit code 1, one error that says `words`, and no request that changes anything.
fn refused(world: &World, apply: impl FnOnce() -> Ran, words: &[&str]) {
    let before = world.writes();
    let ran = apply();
    assert_eq!((ran.code, ran.stderr.lines().count()), (Some(1), 1), "{} {}", ran.stdout, ran.stderr);
    for word in words {
        assert!(ran.stderr.contains(word), "{word} in {}", ran.stderr);
    }
    assert_eq!(world.writes(), before, "{}", ran.stderr);
}

#[test]
fn a_plan_for_shards_that_somebody_else_has_changed_is_refused() {
    let (world, manifest, plan) = planned();
    let kinesis = client::kinesis(&world.url());
    let elsewhere = kinesis.split_shard().stream_name(STREAM).shard_to_split("shardId-000000000001");
    let at = (3_u128 << 126) + 12_345;
    world.wait_for(elsewhere.new_starting_hash_key(at.to_string()).send()).unwrap();
    world.skip(1);
    let words =
        ["orders.yaml: stream orders: ", "the shards are not as the plan expects them", "was expected"];
    refused(&world, || world.apply(&manifest, &["--plan", &plan]), &words);
}

#[test]
fn a_plan_for_a_stream_that_was_made_anew_is_refused() {
    let (world, manifest, plan) = planned();
    world.recreate(2);
    let words = ["orders.yaml: stream orders: ", "the plan is for ", " made at "];
    refused(&world, || world.apply(&manifest, &["--plan", &plan]), &words);
}

#[test]
fn a_plan_beyond_the_bounds_of_now_is_refused() {
    let (world, _, plan) = planned();
    let manifest = world.files.manifest("orders.yaml", "maxShards: 3\nmode: Approve");
    refused(&world, || world.apply(&manifest, &["--plan", &plan]), &["error: orders: ", "3"]);
}

#[test]
fn a_plan_that_was_approved_too_long_ago_is_refused() {
    let (world, _, plan) = planned();
    let spec = "maxShards: 8\nmode: Approve\napproval: {expireAfter: 10m}";
    let manifest = world.files.manifest("orders.yaml", spec);
    let report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&plan).unwrap()).unwrap();
    let bare = world.files.write("bare.json", &report["plan"].to_string());
    let words = ["does not say when it was made", "approval.expireAfter is 10m", "reshard plan -o json"];
    refused(&world, || world.apply(&manifest, &["--plan", &bare]), &words);

    world.skip(11);
    let made = format!("was made at {}; ", report["observedAt"].as_str().unwrap());
    let words = ["error: orders: ", &made, "approval.expireAfter is 10m: plan anew"];
    refused(&world, || world.apply(&manifest, &["--plan", &plan]), &words);
}

#[test]
fn what_asks_for_approval_wants_a_plan_and_what_is_suspended_nothing_moves() {
    let (world, manifest, plan) = planned();
    let words = ["orders.yaml: spec.mode is Approve", "--plan plan.json"];
    refused(&world, || world.apply(&manifest, &[]), &words);

    let suspended = world.files.manifest("orders.yaml", "maxShards: 8\nmode: Approve\nsuspend: true");
    refused(&world, || world.apply(&suspended, &["--plan", &plan]), &["suspend is set"]);
    let suspended = world.files.manifest("orders.yaml", "maxShards: 8\nsuspend: true");
    let ran = world.apply(&suspended, &["--wait"]);
    assert_eq!(ran.code, Some(0), "nothing to wait for: {}", ran.stderr);
    assert!(
        ran.stdout.contains("no step was taken") && ran.stdout.contains("suspend is set"),
        "{}",
        ran.stdout
    );
    assert_eq!(world.calls(Operation::SplitShard), 0);
}
