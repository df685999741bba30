//! UpdateShardCount by the operator: heat that splits are too slow for, and a refusal that splits make up
//! for in the same pass.

use reshard::operator::status::Status;
use reshard::simulator::fault::{Effect, Fault, Operation, When};
use reshard::simulator::{ApiError, ApiErrorCode};
use serde_json::json;

use super::rig::{Rig, even};
use crate::support::cluster::{Cluster, on_every_cluster};

/// Sixteen shards upon which comes a tenth more than they carry: a call that doubles them carries it, also while it
/// is taken for a rise.
async fn hit<'a>(cluster: &'a dyn Cluster, leave: &str) -> Rig<'a> {
    let rig = Rig::start(cluster).await;
    rig.stream("orders", 16, even(8_000_000)).await;
    rig.load("orders", even(17_600_000));
    rig.put("orders", rig.spec("orders", "Apply", json!({"updateShardCount": leave, "maxShards": 64}))).await;
    rig
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
        let refused = ApiError::new(ApiErrorCode::LimitExceeded, "has had 10 UpdateShardCount operations");
        let (operation, when) = (Operation::UpdateShardCount, When::Always);
        rig.account.cloud().inject(Fault { operation, when, effect: Effect::Refuse(refused) });
        let operator = rig.operator();
        rig.until_shards("orders", 18).await;
        let (calls, splits) = (rig.calls(Operation::UpdateShardCount), rig.calls(Operation::SplitShard));
        assert!(splits >= 2 && calls <= splits + 1, "{calls} calls, {splits} splits");
        assert_eq!(rig.told("orders", "UpdateShardCountRefused").await, 1, "once, not before each split");
        operator.stop().await;
    }
}
