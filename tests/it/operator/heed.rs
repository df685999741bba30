//! What people do when a step is about to begin: as long as it has not been sent it is kept back, and
//! before each step it is asked for where the watch is behind.

use std::time::Duration;

use reshard::operator::status::{PlanState, Status};
use serde_json::json;

use super::rig::{Rig, Running, condition, even};
use crate::support::cluster::{Cluster, Memory};

/// A stream in order that is looked after, and of whose resource nothing more is heard.
async fn unheard_of(cluster: &dyn Cluster) -> (Rig<'_>, Running) {
    let rig = Rig::start(cluster).await;
    rig.stream("orders", 2, even(1_200_000)).await;
    rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
    // Whoever deletes it has to wait for somebody.
    rig.merge("orders", json!({"metadata": {"finalizers": ["example.com/backup"]}})).await;
    let operator = rig.operator();
    rig.until_seen("orders").await;
    rig.blind("operator");
    (rig, operator)
}

/// It becomes hot, and nothing is done, for this reason.
async fn stays_untouched(rig: &Rig<'_>, why: &str) {
    rig.load("orders", even(2_400_000));
    let is_told = |status: &Status| {
        let able = condition(status, "AbleToScale");
        able.is_some_and(|able| able.reason == "Unconfirmed" && able.message.contains(why))
    };
    rig.until("orders", why, is_told).await;
    rig.pass_minutes(10).await;
    assert_eq!(rig.reshards_asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_has_not_been_heard_of_keeps_a_step_from_being_taken() {
    let memory = Memory::start(0);
    let (rig, operator) = unheard_of(&memory).await;
    rig.edit("orders", json!({"suspend": true})).await;
    stays_untouched(&rig, "has just been changed").await;
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_has_not_been_heard_of_keeps_a_step_from_being_taken() {
    let memory = Memory::start(0);
    let (rig, operator) = unheard_of(&memory).await;
    rig.delete("orders").await;
    stays_untouched(&rig, "is being deleted").await;
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_was_taken_back_unheard_ends_with_the_step_in_flight() {
    let memory = Memory::start(0);
    let rig = Rig::start(&memory).await;
    rig.stream("orders", 2, even(2_400_000)).await;
    rig.put("orders", rig.spec("orders", "Approve", json!({}))).await;
    let operator = rig.operator();
    let waits =
        |status: &Status| status.plan.as_ref().is_some_and(|plan| plan.state == PlanState::AwaitingApproval);
    let plan = rig.until("orders", "a proposal", waits).await.plan.unwrap();
    assert!(plan.steps.len() >= 2, "{plan:?}");
    rig.approve("orders", plan.hash.as_str()).await;
    rig.until_reshards_are_asked(1).await;
    rig.blind("operator");
    rig.annotate("orders", "reshard.dev/approve", None).await;
    rig.pass_minutes(10).await;
    assert_eq!((rig.reshards_asked(), rig.shards("orders")), (1, 3));
    operator.stop().await;
}

/// A hot stream of which a step is about to be sent: the API server has just taken in that it begins.
async fn about_to_be_sent(cluster: &dyn Cluster) -> (Rig<'_>, Running) {
    let rig = Rig::start(cluster).await;
    rig.stream("orders", 2, even(2_400_000)).await;
    rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
    let operator = rig.operator();
    let begins = |status: Status| status.plan.is_some_and(|plan| plan.state == PlanState::Running);
    while !begins(rig.status("orders").await) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(rig.reshards_asked(), 0, "AWS's replies take longer");
    (rig, operator)
}

#[tokio::test(start_paused = true)]
async fn an_edit_keeps_back_a_step_that_has_not_been_sent() {
    let memory = Memory::start(0);
    let (rig, operator) = about_to_be_sent(&memory).await;
    rig.edit("orders", json!({"suspend": true})).await;
    rig.pass_minutes(10).await;
    assert_eq!(rig.reshards_asked(), 0);
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_keeps_back_a_step_that_has_not_been_sent() {
    let memory = Memory::start(0);
    let (rig, operator) = about_to_be_sent(&memory).await;
    rig.delete("orders").await;
    rig.pass_minutes(10).await;
    assert_eq!(rig.reshards_asked(), 0);
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_keeps_back_a_step_that_has_not_been_sent() {
    let memory = Memory::start(0);
    let (rig, operator) = about_to_be_sent(&memory).await;
    operator.stop().await;
    assert_eq!(rig.reshards_asked(), 0);
}
