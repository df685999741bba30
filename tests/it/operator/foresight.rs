//! UpdateShardCount ahead of a load that came on the days before at the same hour: called before any shard is hot, and
//! told with its reason.

use jiff::{SignedDuration, Timestamp};
use reshard::operator::status::Status;
use reshard::simulator::workload::{Curve, KeySkew, Workload};
use serde_json::json;

use super::rig::Rig;
use crate::support::cluster::Memory;

/// Each day 2 MB/s, but from `rise` on within two hours 5 MB/s, for five hours in all.
fn daily(rise: Timestamp) -> Workload {
    let quarter = |number: u64| (900 * number, 2_000_000 + 375_000 * number);
    let mut samples: Vec<_> = (0..=8).map(quarter).collect();
    samples.push((5 * 3_600, 2_000_000));
    Workload::new(Curve::Samples { start: rise, samples, period_seconds: 86_400 }).keys(KeySkew::Even)
}

#[tokio::test(start_paused = true)]
async fn what_rose_each_day_at_this_hour_is_met_by_a_call_before_a_shard_is_hot_and_the_call_says_why() {
    let memory = Memory::start(0);
    let rig = Rig::start(&memory).await;
    let rise = rig.account.clock.now() + SignedDuration::from_hours(3);
    rig.stream("orders", 4, daily(rise)).await;
    rig.pass_minutes(72 * 60 + 120).await;
    let spec = json!({"updateShardCount": "Auto", "minShards": 2, "maxShards": 32});
    rig.put("orders", rig.spec("orders", "Apply", spec)).await;
    let operator = rig.operator();
    let called = |status: &Status| !status.recent_steps.is_empty();
    let status = rig.until("orders", "a step", called).await;
    let step = &status.recent_steps[0];
    assert_eq!((step.kind.as_str(), step.result.as_str()), ("UpdateShardCount", "Done"), "{step:?}");
    // From then on each of four shards has more than 95 %.
    let hot = rise + SignedDuration::from_mins(72 * 60 + 5 * 15);
    assert!(step.at < hot, "{} is not before {hot}", step.at);
    let why = step.why.as_deref().unwrap_or_default();
    assert!(why.starts_with("ahead: within ") && why.contains("by yesterday's course"), "{why}");
    let told = rig.events("orders").await;
    let (_, note) = told.iter().find(|(reason, _)| reason == "UpdateShardCount").expect("an event");
    assert!(note.contains(why), "{note}");

    // And it was worth it: when the load is there no shard is hot.
    let peak = (rise + SignedDuration::from_hours(75)).duration_since(rig.account.clock.now());
    rig.pass_minutes(u64::try_from(peak.as_mins()).expect("ahead")).await;
    let status = rig.status("orders").await;
    assert!(status.shards.is_some_and(|shards| shards.current >= 6 && shards.hot == 0), "{status:#?}");
    operator.stop().await;
}
