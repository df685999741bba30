//! A hot stream is scaled, and what is seen of it on the way; suspend, DryRun, edits and deletion.

use std::time::Duration;

use reshard::operator::status::{PlanState, Status};
use serde_json::json;
use tokio::time::Instant;

use super::rig::{Rig, condition, even, is};
use crate::support::cluster::{Cluster, on_every_cluster};
use crate::support::kube::call::Verb;

on_every_cluster! {
    async fn a_hot_stream_is_scaled_and_the_status_tells_the_story(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
        let operator = rig.operator();
        let status = rig
            .until("orders", "four shards", |status| {
                status.shards.is_some_and(|shards| shards.current >= 4 && shards.hot == 0)
            })
            .await;
        assert!(rig.shards("orders") >= 4);
        let stream = status.stream.as_ref().unwrap();
        assert_eq!(stream.arn, rig.arn("orders"));
        assert!(!status.top_shards.is_empty() && status.recent_steps.len() >= 2);
        assert!(status.recent_steps.iter().all(|step| step.result == "Done" && step.kind == "Split"));
        assert!(is(&status, "Ready", "InControl") || is(&status, "Ready", "Scaling"), "{status:#?}");
        assert_eq!(status.observed_generation, Some(1));
        let splits = rig.told("orders", "Split").await;
        assert_eq!(splits, rig.shards_ever("orders") / 2 - 1, "an event for each step");
        operator.stop().await;
    }

    async fn in_dry_run_plans_are_shown_and_nothing_is_done(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        rig.put("orders", rig.spec("orders", "DryRun", json!({}))).await;
        let operator = rig.operator();
        let planned = |status: &Status| {
            status.plan.as_ref().is_some_and(|plan| plan.state == PlanState::Planned)
        };
        let status = rig.until("orders", "a plan", planned).await;
        assert!(is(&status, "Ready", "DryRun"), "{status:#?}");
        let hash = status.plan.unwrap().hash.to_string();
        rig.approve("orders", &hash).await;
        rig.pass_a_while().await;
        assert_eq!(rig.reshards_asked(), 0);
        operator.stop().await;
    }

    async fn a_suspended_resource_is_looked_at_and_left_alone(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        rig.put("orders", rig.spec("orders", "Apply", json!({"suspend": true}))).await;
        let operator = rig.operator();
        rig.until("orders", "suspended", |status| is(status, "Ready", "Suspended")).await;
        rig.pass_a_while().await;
        assert_eq!(rig.reshards_asked(), 0);
        rig.edit("orders", json!({"suspend": false})).await;
        rig.until_shards("orders", 3).await;
        operator.stop().await;
    }

    async fn a_resource_that_is_deleted_in_mid_plan_ends_after_the_step_in_flight(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
        let operator = rig.operator();
        rig.until_reshards_are_asked(1).await;
        rig.delete("orders").await;
        rig.pass_a_while().await;
        assert_eq!((rig.reshards_asked(), rig.shards("orders")), (1, 3));
        // It comes back as a new one, and is looked after.
        rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
        rig.until_shards("orders", 4).await;
        operator.stop().await;
    }

    async fn an_invalid_spec_is_told_with_its_path_and_stops_nobody_else(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        // The schema lets this pass: the API server cannot read cron expressions.
        let schedule = json!({"name": "peak", "schedule": "61 * * * *", "duration": "1h", "minShards": 2});
        rig.put("broken", rig.spec("clicks", "Apply", json!({"schedules": [schedule]}))).await;
        rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
        let operator = rig.operator();
        let status = rig.until("broken", "told", |status| is(status, "Stalled", "InvalidSpec")).await;
        let message = &condition(&status, "Stalled").unwrap().message;
        assert!(message.contains("spec.schedules[0].schedule"), "{message}");
        rig.until_shards("orders", 4).await;
        operator.stop().await;
    }

    async fn reconcile_at_asks_for_a_pass_now_and_is_answered(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 4, even(1_000_000)).await;
        rig.put("orders", rig.spec("orders", "Apply", json!({"interval": "1h"}))).await;
        let operator = rig.operator();
        rig.until_seen("orders").await;
        rig.pass_minutes(1).await;
        let asked = Instant::now();
        rig.annotate("orders", "reshard.dev/reconcile-at", Some("one")).await;
        rig.until("orders", "answered", |status| status.last_handled_reconcile_at.as_deref() == Some("one"))
            .await;
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
        operator.stop().await;
    }

    async fn a_stream_at_rest_costs_the_api_server_nothing(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 4, even(1_200_000)).await;
        rig.put("orders", rig.spec("orders", "Apply", json!({"minShards": 4}))).await;
        let operator = rig.operator();
        rig.until_seen("orders").await;
        rig.pass_a_while().await;
        let before = rig.version("orders").await;
        let wire = cluster.wire();
        wire.clear_log();
        for _ in 0..3 {
            rig.pass_a_while().await;
        }
        let sent =
            wire.log().into_iter().filter(|sent| sent.client == "operator" && sent.call.verb != Verb::Watch);
        let sent: Vec<_> = sent.map(|sent| sent.call.to_string()).collect();
        assert_eq!(sent, [""; 0], "a long while of passes");
        assert_eq!(rig.version("orders").await, before);
        operator.stop().await;
    }
}
