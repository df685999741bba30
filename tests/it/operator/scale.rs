//! A hot stream is scaled, and what is seen of it on the way; suspend, DryRun, edits and deletion.

use reshard::operator::status::PlanState;
use serde_json::json;

use super::rig::{Rig, condition, even, is, spec};
use crate::support::kube::call::Verb;

#[tokio::test(start_paused = true)]
async fn a_hot_stream_is_scaled_and_the_status_tells_the_story() {
    let rig = Rig::start().await;
    rig.stream("orders", 2, even(2_400_000)).await;
    rig.put("orders", spec("orders", "Apply", json!({}))).await;
    let operator = rig.operator();
    let status = rig
        .until("orders", "four shards", |status| {
            status.shards.is_some_and(|shards| shards.current >= 4 && shards.hot == 0)
        })
        .await;
    assert!(rig.shards("orders") >= 4);
    let stream = status.stream.as_ref().unwrap();
    assert_eq!(stream.arn, "arn:aws:kinesis:us-east-1:123456789012:stream/orders");
    assert!(!status.top_shards.is_empty() && status.recent_steps.len() >= 2);
    assert!(status.recent_steps.iter().all(|step| step.result == "Done" && step.kind == "Split"));
    assert!(is(&status, "Ready", "InControl") || is(&status, "Ready", "Scaling"), "{status:#?}");
    assert_eq!(status.observed_generation, Some(1));
    let splits = rig.told("orders", "Split").await;
    assert_eq!(splits, rig.shards_ever("orders") / 2 - 1, "an event for each step");
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn in_dry_run_plans_are_shown_and_nothing_is_done() {
    let rig = Rig::start().await;
    rig.stream("orders", 2, even(2_400_000)).await;
    rig.put("orders", spec("orders", "DryRun", json!({}))).await;
    let operator = rig.operator();
    let planned = |status: &reshard::operator::status::Status| {
        status.plan.as_ref().is_some_and(|plan| plan.state == PlanState::Planned)
    };
    let status = rig.until("orders", "a plan", planned).await;
    assert!(is(&status, "Ready", "DryRun"), "{status:#?}");
    let hash = status.plan.unwrap().hash.to_string();
    rig.approve("orders", &hash).await;
    rig.pass_minutes(60).await;
    assert_eq!(rig.reshards_asked(), 0);
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_suspended_resource_is_looked_at_and_left_alone() {
    let rig = Rig::start().await;
    rig.stream("orders", 2, even(2_400_000)).await;
    rig.put("orders", spec("orders", "Apply", json!({"suspend": true}))).await;
    let operator = rig.operator();
    rig.until("orders", "suspended", |status| is(status, "Ready", "Suspended")).await;
    rig.pass_minutes(30).await;
    assert_eq!(rig.reshards_asked(), 0);
    rig.edit("orders", json!({"suspend": false})).await;
    rig.until("orders", "at work again", |status| status.shards.is_some_and(|shards| shards.current > 2))
        .await;
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_is_deleted_in_mid_plan_ends_after_the_step_in_flight() {
    let rig = Rig::start().await;
    rig.stream("orders", 2, even(2_400_000)).await;
    rig.put("orders", spec("orders", "Apply", json!({}))).await;
    let operator = rig.operator();
    while rig.reshards_asked() == 0 {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    rig.delete("orders").await;
    rig.pass_minutes(60).await;
    assert_eq!((rig.reshards_asked(), rig.shards("orders")), (1, 3));
    // It comes back as a new one, and is looked after.
    rig.put("orders", spec("orders", "Apply", json!({}))).await;
    rig.until("orders", "at work again", |status| status.shards.is_some_and(|shards| shards.current >= 4))
        .await;
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_invalid_spec_is_told_with_its_path_and_stops_nobody_else() {
    let rig = Rig::start().await;
    rig.stream("orders", 2, even(2_400_000)).await;
    // The schema lets this pass: the API server cannot read cron expressions.
    let schedule = json!({"name": "peak", "schedule": "61 * * * *", "duration": "1h", "minShards": 2});
    rig.put("broken", spec("clicks", "Apply", json!({"schedules": [schedule]}))).await;
    rig.put("orders", spec("orders", "Apply", json!({}))).await;
    let operator = rig.operator();
    let status = rig.until("broken", "told", |status| is(status, "Stalled", "InvalidSpec")).await;
    let message = &condition(&status, "Stalled").unwrap().message;
    assert!(message.contains("spec.schedules[0].schedule"), "{message}");
    rig.until("orders", "scaled", |status| status.shards.is_some_and(|shards| shards.current >= 4)).await;
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn reconcile_at_asks_for_a_pass_now_and_is_answered() {
    let rig = Rig::start().await;
    rig.stream("orders", 4, even(1_000_000)).await;
    rig.put("orders", spec("orders", "Apply", json!({"interval": "1h"}))).await;
    let operator = rig.operator();
    rig.until("orders", "seen", |status| status.shards.is_some()).await;
    rig.pass_minutes(1).await;
    let asked = rig.aws.now();
    rig.annotate("orders", "reshard.dev/reconcile-at", Some("one")).await;
    rig.until("orders", "answered", |status| status.last_handled_reconcile_at.as_deref() == Some("one"))
        .await;
    assert!(rig.aws.now().duration_since(asked).as_secs() < 10);
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_at_rest_costs_the_api_server_nothing() {
    let rig = Rig::start().await;
    rig.stream("orders", 4, even(1_200_000)).await;
    rig.put("orders", spec("orders", "Apply", json!({"minShards": 4}))).await;
    let operator = rig.operator();
    rig.until("orders", "seen", |status| status.shards.is_some()).await;
    rig.pass_minutes(30).await;
    let before = rig.version("orders").await;
    let wire = crate::support::cluster::Cluster::wire(&rig.cluster);
    wire.clear_log();
    rig.pass_minutes(180).await;
    let sent =
        wire.log().into_iter().filter(|sent| sent.client == "operator" && sent.call.verb != Verb::Watch);
    let sent: Vec<_> = sent.map(|sent| sent.call.to_string()).collect();
    assert_eq!(sent, Vec::<String>::new(), "three hours of passes");
    assert_eq!(rig.version("orders").await, before);
    operator.stop().await;
}
