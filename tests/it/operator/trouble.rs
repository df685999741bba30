//! The API server fails, the lease is lost, and other people's hands.

use std::sync::Arc;
use std::time::Duration;

use reshard::operator::leadership::{Leadership, LeadershipHandle, leadership};
use reshard::operator::metrics::Metrics;
use reshard::operator::status::Status;
use reshard::simulator::api::{DeleteStream, StreamModeDetails, UpdateStreamMode};
use reshard::simulator::fault::Operation;
use reshard::stream::StreamMode;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::rig::{Rig, condition, even, is};
use crate::support::cluster::{Cluster, Memory, on_every_cluster};
use crate::support::kube::call::Verb;
use crate::support::wire::{Effect, Fault, Refused, When};

const RESOURCES: &str = "kinesisstreamautoscalers";
const STATUSES: &str = "kinesisstreamautoscalers/status";

/// Renews a lead all the while: it never lasts longer than this, nor much shorter.
fn renewed(handle: LeadershipHandle, lasts: Duration) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            handle.holds_until(Instant::now() + lasts);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
}

/// A lead that is renewed so, and who renews it.
fn led_by(lasts: Duration) -> (Leadership, JoinHandle<()>) {
    let (handle, leads) = leadership();
    (leads, renewed(handle, lasts))
}

/// How often a replica has asked the API server for something, watches apart.
fn acts(cluster: &dyn Cluster, name: &str) -> usize {
    let is_watch = |verb: Verb| matches!(verb, Verb::Watch | Verb::List);
    cluster.wire().count(|sent| sent.client == name && !is_watch(sent.call.verb))
}

#[tokio::test(start_paused = true)]
async fn without_the_api_server_nothing_is_done_and_afterwards_everything() {
    let memory = Memory::start(0);
    let rig = Rig::start(&memory).await;
    rig.stream("orders", 2, even(1_200_000)).await;
    rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
    let operator = rig.operator();
    rig.until_seen("orders").await;
    rig.cluster.stop().await.unwrap();
    rig.load("orders", even(2_400_000));
    rig.pass_minutes(60).await;
    assert_eq!(rig.reshards_asked(), 0, "a step begins with a write to the API server");
    rig.cluster.start_again().await.unwrap();
    rig.until_shards("orders", 4).await;
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn watches_that_break_and_histories_that_are_gone_are_survived() {
    let memory = Memory::start(0);
    let rig = Rig::start(&memory).await;
    rig.stream("orders", 2, even(1_200_000)).await;
    rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
    let operator = rig.operator();
    rig.until_seen("orders").await;
    for _ in 0..5 {
        rig.cluster.drop_watches().unwrap();
        rig.cluster.compact().unwrap();
        rig.pass_minutes(1).await;
    }
    rig.stream("clicks", 2, even(2_400_000)).await;
    rig.put("clicks", rig.spec("clicks", "Apply", json!({}))).await;
    rig.until_seen("clicks").await;
    rig.cluster.drop_watches().unwrap();
    rig.delete("orders").await;
    rig.cluster.compact().unwrap();
    rig.pass_minutes(5).await;
    let calls = rig.calls(Operation::ListShards);
    rig.load("clicks", even(1_600_000));
    rig.pass_minutes(30).await;
    // One resource is left, at one pass a minute.
    let calls = rig.calls(Operation::ListShards) - calls;
    assert!(calls < 30 * 8, "{calls}");
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_over_reads_what_the_leader_before_has_written_though_its_watch_is_behind() {
    let memory = Memory::start(0);
    let rig = Rig::start(&memory).await;
    rig.stream("orders", 2, even(2_400_000)).await;
    rig.put("orders", rig.spec("orders", "Approve", json!({}))).await;
    let (handle, leads) = leadership();
    let next = rig.operator_with("next", leads, "");
    rig.pass_minutes(1).await;
    rig.blind("next");
    let first = rig.operator();
    let proposed = rig.until("orders", "a proposal", |status| status.plan.is_some()).await.plan;
    rig.pass_minutes(5).await;
    first.kill();
    let renewing = renewed(handle, Duration::from_secs(10));
    rig.pass_a_while().await;
    assert_eq!(rig.status("orders").await.plan, proposed, "it stands");
    assert_eq!(rig.told("orders", "PlanProposed").await, 1);
    renewing.abort();
    next.stop().await;
}

/// The seconds between the passes whose writes were refused, since the log was cleared.
fn rests(cluster: &dyn Cluster) -> Vec<u64> {
    let log = cluster.wire().log();
    let refused: Vec<_> = log.iter().filter(|sent| sent.code == Some(403)).map(|sent| sent.at).collect();
    // A pass whose step is not confirmed writes twice.
    let between = refused.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs());
    between.filter(|seconds| *seconds > 1).collect()
}

#[tokio::test(start_paused = true)]
async fn a_step_that_the_api_server_does_not_confirm_is_tried_ever_more_seldom_until_it_does() {
    let memory = Memory::start(0);
    let rig = Rig::start(&memory).await;
    rig.stream("orders", 2, even(1_200_000)).await;
    rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
    let operator = rig.operator();
    rig.until_seen("orders").await;
    for (load, shards) in [(2_400_000, 4), (4_800_000, 8)] {
        let forbidden = Fault::new(When::Always, Effect::Refuse(Refused::Forbidden));
        memory.wire().fault(forbidden.of("operator").on(&[Verb::Patch]).to(STATUSES));
        memory.wire().clear_log();
        let asked = rig.reshards_asked();
        rig.load("orders", even(load));
        rig.pass_minutes(60).await;
        let rests = rests(&memory);
        assert!(rests.starts_with(&[5, 10, 20, 40, 80, 160, 320, 600]), "{rests:?}");
        assert_eq!((rests.iter().max(), rig.reshards_asked()), (Some(&600), asked));
        memory.wire().heal();
        rig.until_shards("orders", shards).await;
    }
    operator.stop().await;
}

on_every_cluster! {
    async fn refusals_of_all_kinds_only_delay(cluster: &dyn Cluster) {
        for refused in
            [Refused::Conflict, Refused::TooManyRequests(1), Refused::InternalError, Refused::Unavailable]
        {
            let rig = Rig::start(cluster).await;
            rig.stream("orders", 2, even(2_400_000)).await;
            rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
            let wire = cluster.wire();
            for verb in [Verb::Patch, Verb::Get, Verb::Create] {
                wire.fault(Fault::new(When::First(3), Effect::Refuse(refused)).of("operator").on(&[verb]));
            }
            wire.fault(Fault::new(When::Nth(5), Effect::LoseReply).of("operator").to(STATUSES));
            wire.fault(Fault::new(When::Nth(7), Effect::Silence).of("operator").to(STATUSES));
            wire.fault(
                Fault::new(When::Nth(1), Effect::Refuse(refused)).of("operator").on(&[Verb::List]).to(RESOURCES),
            );
            let operator = rig.operator();
            let status = rig
                .until("orders", "scaled", |status| {
                    status.shards.is_some_and(|shards| shards.current >= 4 && shards.hot == 0)
                })
                .await;
            let done = status.recent_steps.iter().filter(|step| step.result == "Done").count();
            assert_eq!(done, rig.shards_ever("orders") / 2 - 1, "{refused:?}: every step is in the status");
            assert_eq!(rig.told("orders", "Split").await, done, "{refused:?}");
            operator.stop().await;
            wire.heal();
        }
    }

    async fn a_replica_that_does_not_lead_is_ready_and_does_nothing(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
        let (handle, follows) = leadership();
        let standby = rig.operator_with("standby", follows, "");
        rig.pass_minutes(10).await;
        assert!(standby.readiness.is_ready() && standby.heartbeat.silence() < Duration::from_secs(10));
        let acted = || acts(cluster, "standby");
        assert_eq!((acted(), rig.reshards_asked()), (0, 0));
        // It takes over, and is renewed for as long as it works.
        let renewing = renewed(handle, Duration::from_secs(10));
        rig.until_shards("orders", 3).await;
        // The lease is lost in the middle of a step: from then on nothing is written anywhere.
        rig.load("orders", even(9_000_000));
        rig.until_so("a step is under way", async || rig.is_resharding("orders")).await;
        renewing.abort();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let asked = rig.reshards_asked();
        cluster.wire().clear_log();
        let read = rig.calls(Operation::ListShards);
        rig.pass_a_while().await;
        assert_eq!((acted(), rig.reshards_asked()), (0, asked));
        assert_eq!(rig.calls(Operation::ListShards), read, "nor is anything looked at");
        standby.stop().await;
    }

    async fn a_lead_that_may_end_before_the_api_server_has_replied_asks_it_for_nothing(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
        // A call may take four seconds.
        let (leads, renewing) = led_by(Duration::from_millis(3_900));
        let operator = rig.operator_with("operator", leads, "");
        rig.pass_a_while().await;
        assert_eq!((acts(cluster, "operator"), rig.reshards_asked()), (0, 0));
        operator.stop().await;
        renewing.abort();
    }

    async fn a_lead_that_may_end_before_aws_has_replied_writes_nothing_there_and_says_so(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
        // Enough for the API server, and a write to AWS may take five.
        let (leads, renewing) = led_by(Duration::from_millis(4_900));
        let operator = rig.operator_with("operator", leads, "");
        let is_told = |status: &Status| {
            status.conditions.iter().any(|one| one.message.contains("not sent: this replica leads for"))
        };
        rig.until("orders", "told", is_told).await;
        rig.pass_a_while().await;
        assert_eq!(rig.reshards_asked(), 0);
        operator.stop().await;
        renewing.abort();
    }

    async fn asked_to_end_it_does_within_seconds_though_a_step_is_under_way(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
        let operator = rig.operator();
        rig.until_reshards_are_asked(1).await;
        let asked = Instant::now();
        operator.stop().await;
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
        rig.pass_minutes(5).await;
        let operator = rig.operator();
        rig.until_shards("orders", 4).await;
        assert_eq!(rig.told("orders", "ForeignReshard").await, 0);
        operator.stop().await;
    }

    async fn of_a_resource_that_is_deleted_while_a_step_is_under_way_nothing_is_left(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(4_800_000)).await;
        rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
        let metrics = Metrics::new("reshard", true);
        let audience = Arc::new(metrics.clone());
        let operator = rig.operator_that_tells("operator", Leadership::always(), "", audience);
        rig.until_reshards_are_asked(2).await;
        assert!(metrics.render().contains("name=\"orders\""));
        rig.delete("orders").await;
        rig.pass_a_while().await;
        assert_eq!(
            (rig.reshards_asked(), rig.shards("orders")),
            (2, 4),
            "the step in flight ends, no other begins"
        );
        assert!(!metrics.render().contains("name=\"orders\""), "{}", metrics.render());
        operator.stop().await;
    }

    async fn a_stream_that_is_gone_or_on_demand_is_told_and_comes_back(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(1_200_000)).await;
        rig.put("orders", rig.spec("orders", "Apply", json!({"mode": "DryRun"}))).await;
        let operator = rig.operator();
        let seen = rig.until_seen("orders").await;
        let arn = seen.stream.unwrap().arn;
        let on_demand = |mode| UpdateStreamMode {
            stream_arn: arn.clone(),
            stream_mode_details: StreamModeDetails { stream_mode: mode },
        };
        rig.account.cloud().update_stream_mode(on_demand(StreamMode::OnDemand)).unwrap();
        rig.until("orders", "on demand", |status| is(status, "Stalled", "OnDemandStream")).await;
        rig.account.cloud().update_stream_mode(on_demand(StreamMode::Provisioned)).unwrap();
        rig.until("orders", "provisioned again", |status| condition(status, "Stalled").is_none()).await;
        let request = DeleteStream { stream: rig.reference("orders"), enforce_consumer_deletion: None };
        rig.account.cloud().delete_stream(request).unwrap();
        rig.until("orders", "gone", |status| is(status, "Stalled", "StreamNotFound")).await;
        rig.stream("orders", 3, even(1_200_000)).await;
        rig.until("orders", "made anew", |status| {
            condition(status, "Stalled").is_none() && status.shards.is_some_and(|shards| shards.current == 3)
        })
        .await;
        assert_eq!(rig.told("orders", "StreamReplaced").await, 1);
        operator.stop().await;
    }
}
