//! What a calm stream hides: heat in one of many shards, of which the stream's own metrics tell nothing.
//! While something is to be done about it the operator looks at the shards at each of its passes. And when it
//! looks: as soon as a minute is over.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reshard::operator::status::Status;
use reshard::simulator::fault::Operation;
use reshard::simulator::workload::{Curve, HotSpot, Workload};
use reshard::simulator::{Cloud, Config, Timings};
use serde_json::json;

use super::plane::Account;
use super::rig::{Rig, even};
use crate::support::cluster::Memory;

/// The names of so many streams, whose slots of the clock begin at different minutes.
fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("orders-{number}")).collect()
}

/// A load of which the most lies in a part of the first of sixteen shards: that is hot, the stream is calm.
fn hidden(bytes_per_second: u64) -> Workload {
    let mut workload = Workload::new(Curve::constant(bytes_per_second));
    workload.hot_spot = Some(HotSpot { share: 0.7, width: 0.06, position: Some(0.0), moves_every: None });
    workload
}

fn targets(percent: u32) -> serde_json::Value {
    json!({"ingestBytes": {"utilization": percent}})
}

/// When the steps of a resource were done, the oldest first.
fn done(status: &Status) -> Vec<Timestamp> {
    status.recent_steps.iter().rev().map(|step| step.at).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_looked_at_as_soon_as_a_minute_of_aws_is_over() {
    let memory = Memory::start(0);
    let rig = Rig::start(&memory).await;
    rig.stream("orders", 4, even(2_000_000)).await;
    rig.account.clock.sleep(Duration::from_secs(23)).await;
    rig.put("orders", rig.spec("orders", "DryRun", json!({}))).await;
    let operator = rig.operator();
    rig.until_seen("orders").await;
    let until = async |millis: i64| {
        let left = (millis - rig.account.clock.now().as_millisecond()).rem_euclid(60_000);
        rig.account.clock.sleep(Duration::from_millis(left as u64)).await;
        rig.calls(Operation::ListShards)
    };
    until(6_000).await;
    for minute in 0..5 {
        // Nothing all the minute, and a look five seconds after its end.
        let before = until(6_000).await;
        let (settles, after) = (until(5_000).await, until(6_000).await);
        assert!(before == settles && settles < after, "minute {minute}: {before}, {settles}, {after}");
    }
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_split_that_waits_for_a_rate_is_made_at_the_next_pass_after_it_may_be() {
    let memory = Memory::start(0);
    let rig = Rig::start(&memory).await;
    let rates = json!({
        "scaleUp": {"policies": [{"type": "Shards", "value": 1, "periodSeconds": 600}]},
        "scaleDown": {"selectPolicy": "Disabled"},
    });
    for name in names(5) {
        rig.stream(&name, 16, hidden(1_250_000)).await;
        let spec = json!({"maxShards": 32, "targets": targets(40), "behavior": rates});
        rig.put(&name, rig.spec(&name, "Apply", spec)).await;
    }
    let operator = rig.operator();
    for name in names(5) {
        let status = rig.until(&name, "two splits", |status| status.recent_steps.len() >= 2).await;
        let [first, second, ..] = done(&status)[..] else { panic!("{status:#?}") };
        let waited = second.duration_since(first);
        // The rate counts whole minutes; then come a pass and the step itself.
        assert!(waited > SignedDuration::from_secs(570), "{name}: the rate holds: {waited}");
        assert!(waited < SignedDuration::from_secs(600 + 60 + 60 + 45), "{name}: {waited}");
    }
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_turn_longer_than_an_interval_gets_it_when_it_is_free() {
    let memory = Memory::start(0);
    let slow = |start| {
        let timings = Timings { split: SignedDuration::from_secs(170), ..Timings::default() };
        Cloud::new(Config { start, timings, ..Config::default() })
    };
    let rig = Rig::with_account(&memory, |clock| Account::new(slow(clock.now()), clock)).await;
    let all = names(10);
    for name in &all {
        rig.stream(name, 16, hidden(1_100_000)).await;
        let never = json!({"scaleDown": {"selectPolicy": "Disabled"}});
        let spec = json!({"maxShards": 17, "targets": targets(60), "behavior": never});
        rig.put(name, rig.spec(name, "Apply", spec)).await;
    }
    let operator = rig.operator();
    let mut done_at = Vec::new();
    for name in &all {
        let status = rig.until(name, "a split", |status| !status.recent_steps.is_empty()).await;
        done_at.extend(done(&status));
    }
    done_at.sort();
    // Five at a time: the second five begin when the first have ended.
    let between = done_at[9].duration_since(done_at[4]);
    assert!(between < SignedDuration::from_secs(170 + 30), "{between}: {done_at:?}");
    assert!(Duration::try_from(done_at[9].duration_since(done_at[0])).unwrap() > Duration::from_secs(100));
    operator.stop().await;
}
