//! UpdateShardCount by the operator: heat that splits are too slow for, and a refusal that splits make up
//! for in the same pass.

use reshard::operator::status::Status;
use reshard::simulator::fault::{Effect, Fault, Operation, When};
use reshard::simulator::{ApiError, ApiErrorCode};
use serde_json::json;

use super::rig::{Rig, even};
use crate::support::cluster::{Cluster, Memory, on_every_cluster};

/// Sixteen shards upon which comes a tenth more than they carry: a call that doubles them carries it, also while it
/// is taken for a rise.
async fn hit<'a>(cluster: &'a dyn Cluster, leave: &str) -> Rig<'a> {
    let rig = Rig::start(cluster).await;
    rig.stream("orders", 16, even(8_000_000)).await;
    hit_one(&rig, "orders", leave).await;
    rig
}

async fn hit_one(rig: &Rig<'_>, name: &str, leave: &str) {
    rig.load(name, even(17_600_000));
    rig.put(name, rig.spec(name, "Apply", json!({"updateShardCount": leave, "maxShards": 64}))).await;
}

/// From now on no call is left of the day.
fn refuse_calls(rig: &Rig<'_>) {
    let refused = ApiError::new(ApiErrorCode::LimitExceeded, "has had 10 UpdateShardCount operations");
    let (operation, when) = (Operation::UpdateShardCount, When::Always);
    rig.account.cloud().inject(Fault { operation, when, effect: Effect::Refuse(refused) });
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_does_not_cost_the_turn_of_the_split_that_makes_up_for_it() {
    let memory = Memory::start(0);
    let rig = Rig::start(&memory).await;
    // More than may reshard at once.
    let names: Vec<_> = (0..8).map(|number| format!("orders-{number}")).collect();
    for name in &names {
        rig.stream(name, 16, even(8_000_000)).await;
    }
    refuse_calls(&rig);
    for name in &names {
        hit_one(&rig, name, "Emergency").await;
    }
    let operator = rig.operator();
    rig.until_so("each is split", async || names.iter().all(|name| rig.shards(name) > 16)).await;
    let (calls, splits) = (rig.calls(Operation::UpdateShardCount), rig.calls(Operation::SplitShard));
    assert!(calls <= splits + names.len() as u64, "{calls} calls, {splits} splits");
    operator.stop().await;
}

on_every_cluster! {
    async fn heat_is_relieved_by_a_call_and_the_call_is_told(cluster: &dyn Cluster) {
        let rig = hit(cluster, "Emergency").await;
        let operator = rig.operator();
        let cool = |status: &Status| {
            status.shards.is_some_and(|shards| shards.current >= 32 && shards.hot == 0)
        };
        let status = rig.until("orders", "no hot shard", cool).await;
        let step = status.recent_steps.iter().find(|step| step.kind == "UpdateShardCount").expect("a call");
        assert_eq!(step.result, "Done");
        assert!(rig.told("orders", "UpdateShardCount").await >= 1);
        // What the operator has done itself is nobody else's.
        assert_eq!(rig.told("orders", "ForeignReshard").await, 0);
        operator.stop().await;
    }

    async fn a_refused_call_is_told_and_splits_are_made_at_once(cluster: &dyn Cluster) {
        let rig = hit(cluster, "Emergency").await;
        refuse_calls(&rig);
        let operator = rig.operator();
        rig.until_shards("orders", 18).await;
        let (calls, splits) = (rig.calls(Operation::UpdateShardCount), rig.calls(Operation::SplitShard));
        assert!(splits >= 2 && calls <= splits + 1, "{calls} calls, {splits} splits");
        assert_eq!(rig.told("orders", "UpdateShardCountRefused").await, 1, "once, not before each split");
        operator.stop().await;
    }
}
