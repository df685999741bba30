//! Approval: a proposal that stands, is approved, carried out whole, expires, or is refused.

use reshard::operator::status::{PlanState, Status};
use reshard::simulator::api::UpdateShardCount;
use reshard::simulator::fault::Operation;
use serde_json::{Value, json};

use super::rig::{Rig, Running, condition, even, is};
use crate::support::cluster::{Cluster, on_every_cluster};

fn waits(status: &Status) -> bool {
    status.plan.as_ref().is_some_and(|plan| plan.state == PlanState::AwaitingApproval)
}

fn hash(status: &Status) -> String {
    status.plan.as_ref().unwrap().hash.to_string()
}

/// A hot stream in mode Approve, and its proposal.
async fn proposed(cluster: &dyn Cluster, more: Value) -> (Rig<'_>, Running, Status) {
    let rig = Rig::start(cluster).await;
    rig.stream("orders", 2, even(2_400_000)).await;
    rig.put("orders", rig.spec("orders", "Approve", more)).await;
    let operator = rig.operator();
    let status = rig.until("orders", "a proposal", waits).await;
    (rig, operator, status)
}

on_every_cluster! {
    async fn a_proposal_stands_until_it_is_approved_and_runs_whole(cluster: &dyn Cluster) {
        let (rig, operator, first) = proposed(cluster, json!({})).await;
        assert!(is(&first, "PlanPending", "AwaitingApproval"), "{first:#?}");
        let message = &condition(&first, "PlanPending").unwrap().message;
        assert!(message.contains(&format!("reshard.dev/approve={}", hash(&first))), "{message}");
        rig.pass_a_while().await;
        let still = rig.status("orders").await;
        assert_eq!((hash(&still), rig.reshards_asked()), (hash(&first), 0), "it does not flutter");
        assert_eq!(rig.told("orders", "PlanProposed").await, 1);
        let steps = first.plan.as_ref().unwrap().steps.len();
        assert!(steps >= 2, "{steps}");
        rig.approve("orders", &hash(&first)).await;
        rig.until("orders", "done", |status| {
            status.plan.as_ref().is_some_and(|plan| plan.state == PlanState::Done && hash(status) == hash(&first))
                || status.recent_steps.iter().filter(|step| step.plan == hash(&first)).count() == steps
        })
        .await;
        assert_eq!(rig.shards("orders"), 2 + steps);
        rig.pass_minutes(10).await;
        let reasons: Vec<_> = rig.events("orders").await.into_iter().map(|(reason, _)| reason).collect();
        for told in ["PlanProposed", "PlanBegins", "Split", "PlanDone"] {
            assert!(reasons.iter().any(|reason| reason == told), "{told}: {reasons:?}");
        }
        operator.stop().await;
    }

    async fn the_wrong_hash_approves_nothing_and_is_told_once(cluster: &dyn Cluster) {
        let (rig, operator, first) = proposed(cluster, json!({})).await;
        rig.approve("orders", "0123456789abcdef").await;
        let status =
            rig.until("orders", "told", |status| is(status, "PlanPending", "ApprovalOfAnotherPlan")).await;
        let message = &condition(&status, "PlanPending").unwrap().message;
        assert!(message.contains("0123456789abcdef") && message.contains(&hash(&first)), "{message}");
        rig.pass_a_while().await;
        assert_eq!(rig.told("orders", "ApprovalOfAnotherPlan").await, 1);
        assert_eq!(rig.reshards_asked(), 0);
        operator.stop().await;
    }

    async fn a_proposal_expires_and_a_late_approval_does_not_begin_it(cluster: &dyn Cluster) {
        let (rig, operator, first) = proposed(cluster, json!({"approval": {"expireAfter": "30m"}})).await;
        rig.pass_minutes(29).await;
        assert_eq!(hash(&rig.status("orders").await), hash(&first));
        operator.kill();
        rig.pass_minutes(5).await;
        rig.approve("orders", &hash(&first)).await;
        let operator = rig.operator();
        let expires = first.plan.as_ref().unwrap().expires_at;
        let next = rig
            .until("orders", "a new one", |status| {
                waits(status) && status.plan.as_ref().unwrap().expires_at > expires
            })
            .await;
        assert_eq!(rig.told("orders", "PlanExpired").await, 1);
        rig.pass_minutes(10).await;
        assert_eq!(rig.reshards_asked(), 0);
        assert_eq!(next.last_handled_approval, Some(hash(&first)));
        operator.stop().await;
    }

    async fn an_edit_in_mid_plan_ends_plan_and_approval(cluster: &dyn Cluster) {
        let (rig, operator, first) = proposed(cluster, json!({})).await;
        let steps = first.plan.as_ref().unwrap().steps.len();
        rig.approve("orders", &hash(&first)).await;
        rig.until_reshards_are_asked(1).await;
        rig.edit("orders", json!({"maxShards": 15})).await;
        rig.pass_a_while().await;
        assert_eq!(rig.reshards_asked(), 1, "of {steps}: the step in flight ends, no other begins");
        assert_eq!(rig.told("orders", "PlanRefused").await, 1);
        let status = rig.status("orders").await;
        assert_ne!(hash(&status), hash(&first));
        assert_eq!(status.observed_generation, Some(2));
        operator.stop().await;
    }

    async fn an_approval_that_is_taken_back_in_mid_plan_ends_it(cluster: &dyn Cluster) {
        let (rig, operator, first) = proposed(cluster, json!({})).await;
        rig.approve("orders", &hash(&first)).await;
        rig.until_reshards_are_asked(1).await;
        rig.annotate("orders", "reshard.dev/approve", None).await;
        rig.pass_a_while().await;
        assert_eq!(rig.reshards_asked(), 1);
        assert_eq!(rig.told("orders", "PlanRefused").await, 1);
        operator.stop().await;
    }

    async fn where_only_merges_need_approval_heat_does_not_wait(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        rig.put("orders", rig.spec("orders", "Approve", json!({"approval": {"required": "ScaleDown"}}))).await;
        let operator = rig.operator();
        rig.until_shards("orders", 4).await;
        rig.load("orders", even(200_000));
        let status = rig.until("orders", "a proposal to merge", waits).await;
        rig.pass_a_while().await;
        assert_eq!(rig.calls(Operation::MergeShards), 0);
        assert!(status.plan.unwrap().steps.iter().any(|step| step.shard_delta() < 0));
        operator.stop().await;
    }

    async fn shards_that_somebody_else_changes_end_an_approved_plan(cluster: &dyn Cluster) {
        let (rig, operator, first) = proposed(cluster, json!({})).await;
        // Somebody is faster than the one who approves.
        let request = UpdateShardCount {
            stream: rig.reference("orders"),
            target_shard_count: 3,
            scaling_type: "UNIFORM_SCALING".to_owned(),
        };
        rig.account.cloud().update_shard_count(request).unwrap();
        rig.pass_minutes(10).await;
        rig.approve("orders", &hash(&first)).await;
        rig.pass_a_while().await;
        assert_eq!(rig.reshards_asked(), 0);
        let foreign = rig.events("orders").await.into_iter().find(|(reason, _)| reason == "ForeignReshard");
        let (_, note) = foreign.unwrap_or_else(|| panic!("it is noticed"));
        assert!(note.contains("2 before, 3 now") && note.contains("UpdateShardCount"), "{note}");
        assert_eq!(rig.told("orders", "PlanWithdrawn").await, 1);
        operator.stop().await;
    }
}
