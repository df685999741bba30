//! Many streams, and more than one deployment: who may reshard at once and who goes first, and which
//! resources are whose.

use std::time::Duration;

use reshard::operator::leadership::Leadership;
use reshard::simulator::fault::Operation;
use serde_json::json;

use super::rig::{Rig, even, is};
use crate::support::cluster::{Cluster, Memory, on_every_cluster};

/// Of these streams, those that reshard now.
fn resharding<'n>(rig: &Rig<'_>, names: &[&'n str]) -> Vec<&'n str> {
    names.iter().filter(|name| rig.is_resharding(name)).copied().collect()
}

#[tokio::test(start_paused = true)]
async fn five_streams_of_a_region_reshard_at_once_and_of_those_that_wait_the_one_that_rejects_most_is_next() {
    let memory = Memory::start(0);
    let rig = Rig::start(&memory).await;
    let warm = ["warm-0", "warm-1", "warm-2", "warm-3", "warm-4"];
    for name in warm {
        // Above the target, and nothing is rejected.
        rig.stream(name, 2, even(2_030_000)).await;
    }
    rig.stream("mild", 2, even(2_150_000)).await;
    rig.stream("fierce", 2, even(4_000_000)).await;
    let operator = rig.operator();
    for name in warm {
        // One after the other, so that one place after the other becomes free.
        rig.put(name, rig.spec(name, "Apply", json!({}))).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    rig.until_so("all five reshard", async || resharding(&rig, &warm).len() == warm.len()).await;
    // The mild one comes first.
    rig.put("mild", rig.spec("mild", "Apply", json!({}))).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    rig.put("fierce", rig.spec("fierce", "Apply", json!({}))).await;
    let all = [&warm[..], &["mild", "fierce"]].concat();
    let (mut most, mut order) = (0, Vec::new());
    for _ in 0..1_800 {
        let now = resharding(&rig, &all);
        most = most.max(now.len());
        order.extend(now.into_iter().filter(|name| !warm.contains(name)));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(most, 5);
    order.dedup();
    assert_eq!(order.first(), Some(&"fierce"), "{order:?}");
    assert!(order.contains(&"mild") && all.iter().all(|name| rig.shards(name) > 2), "nobody waits for good");
    operator.stop().await;
}

on_every_cluster! {
    async fn a_selector_divides_the_work_and_not_what_is_seen(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        for name in ["orders", "clicks", "shared"] {
            rig.stream(name, 2, even(2_400_000)).await;
        }
        for (name, stream, half) in [
            ("orders", "orders", "a"),
            ("clicks", "clicks", "b"),
            ("one", "shared", "a"),
            ("other", "shared", "b"),
        ] {
            rig.put(name, rig.spec(stream, "Apply", json!({}))).await;
            rig.label(name, "half", half).await;
        }
        let first = rig.operator_with("first", Leadership::always(), "half=a");
        rig.until_shards("orders", 4).await;
        rig.until("one", "a rival of the other half", |status| is(status, "Stalled", "Conflict")).await;
        assert_eq!(rig.shards("clicks"), 2);
        for name in ["clicks", "other"] {
            assert!(rig.status(name).await.conditions.is_empty(), "{name} is another's");
        }
        let second = rig.operator_with("second", Leadership::always(), "half=b");
        rig.until_shards("clicks", 4).await;
        rig.until("other", "told as well", |status| is(status, "Stalled", "Conflict")).await;
        assert_eq!(rig.shards("shared"), 2);
        first.stop().await;
        second.stop().await;
    }

    async fn a_start_describes_each_stream_once_by_name_as_by_arn(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        let (by_name, by_arn) = (json!({}), json!({"streamRef": {"arn": rig.arn("clicks")}}));
        for (name, more) in [("orders", by_name), ("clicks", by_arn)] {
            rig.stream(name, 4, even(1_200_000)).await;
            rig.put(name, rig.spec(name, "DryRun", more)).await;
        }
        let described = || rig.calls(Operation::DescribeStreamSummary);
        let before = described();
        let operator = rig.operator();
        for name in ["orders", "clicks"] {
            rig.until_seen(name).await;
        }
        assert_eq!(described() - before, 2);
        operator.stop().await;
    }
}
