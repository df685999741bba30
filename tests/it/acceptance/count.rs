//! UpdateShardCount over the wire: for heat that splits are too slow for, where the policy leaves it to
//! reshard; and what becomes of it where AWS refuses.

use reshard::simulator::fault::{Effect, Fault, Operation, When};
use reshard::simulator::{ApiError, ApiErrorCode};

use super::world::{World, even, finished};

const EMERGENCY: &str = "\
maxShards: 64
updateShardCount: Emergency
interval: 10s
metrics: {maxAge: 30m}";

/// Sixteen shards at half of what they take, upon which comes three times as much.
fn hit() -> World {
    let world = World::new(16, even(8_000_000), 240);
    world.load(even(24_000_000));
    world.skip(6);
    world
}

#[test]
fn heat_that_splits_are_too_slow_for_is_relieved_by_one_call() {
    let world = hit();
    let manifest = world.files.manifest("orders.yaml", EMERGENCY);
    let (code, shown) = world.planned(&manifest);
    assert_eq!(code, Some(2), "{shown}");
    assert!(shown.contains("update the shard count from 16 to 32, all of equal ranges"), "{shown}");
    assert!(
        shown.contains("one after another would take") && shown.contains("one call takes 3 min"),
        "{shown}"
    );
    let applied = world.apply(&manifest, &["--wait"]);
    assert_eq!((applied.code, applied.stderr.as_str()), (Some(0), ""), "{}", applied.stdout);
    let (calls, splits) = (world.calls(Operation::UpdateShardCount), world.calls(Operation::SplitShard));
    assert!((1..=2).contains(&calls) && splits < 16, "{calls} calls, {splits} splits\n{}", applied.stdout);
    assert_eq!(finished(&applied) as u64, calls + splits, "{}", applied.stdout);
    world.skip(10);
    let report = world.plan(&manifest);
    let bytes = &report["utilization"][0];
    assert!(bytes["hottest"]["load"].as_u64() <= bytes["target"].as_u64(), "{bytes:#}");
}

#[test]
fn without_leave_it_is_never_called() {
    let world = hit();
    let manifest = world.files.manifest("orders.yaml", &EMERGENCY.replace("Emergency", "Never"));
    let (code, shown) = world.planned(&manifest);
    assert_eq!(code, Some(2), "{shown}");
    let applied = world.apply(&manifest, &["--wait"]);
    assert_eq!((applied.code, applied.stderr.as_str()), (Some(0), ""), "{}", applied.stdout);
    assert_eq!(world.calls(Operation::UpdateShardCount), 0);
    assert!(world.calls(Operation::SplitShard) >= 16, "{}", applied.stdout);
}

#[test]
fn a_right_that_is_missing_is_named_and_splits_do_instead() {
    let world = hit();
    let denied = ApiError::new(
        ApiErrorCode::AccessDenied,
        "User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized to perform: \
         kinesis:UpdateShardCount on resource: * because no identity-based policy allows it",
    );
    world.cloud(|cloud| {
        let effect = Effect::Refuse(denied);
        cloud.inject(Fault { operation: Operation::UpdateShardCount, when: When::Always, effect });
    });
    let manifest = world.files.manifest("orders.yaml", EMERGENCY);
    let applied = world.apply(&manifest, &["--wait"]);
    assert_eq!(applied.code, Some(0), "{} {}", applied.stdout, applied.stderr);
    let said = format!("{}{}", applied.stdout, applied.stderr);
    assert!(said.contains("kinesis:UpdateShardCount"), "{said}");
    assert!(world.calls(Operation::SplitShard) >= 16, "{said}");
    let shards = world.plan(&manifest)["stream"]["shards"].as_u64();
    assert_eq!(shards, Some(16 + world.calls(Operation::SplitShard)), "{said}");
}
