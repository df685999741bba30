//! Against the simulator: an observer that remembers sees exactly what one that does not sees.

use proptest::prelude::*;

use super::*;
use crate::simulator::api::{ChangeEnhancedMonitoring, CreateStream, StreamRef};
use crate::simulator::control_plane::SimulatedControlPlane;
use crate::simulator::workload::{Curve, KeySkew, Workload};
use crate::simulator::{Cloud, Config};
use crate::stream::OpenShards;

/// A stream of two shards under a skewed load, with all shard metrics on.
fn simulated(bytes_per_second: u32) -> SimulatedControlPlane {
    let mut cloud = Cloud::new(Config::default());
    let request =
        CreateStream { stream_name: "orders".into(), shard_count: Some(2), ..CreateStream::default() };
    cloud.create_stream(request).expect("the name is free");
    cloud.advance_seconds(60);
    let request = ChangeEnhancedMonitoring {
        stream: StreamRef::name("orders"),
        shard_level_metrics: vec!["ALL".to_owned()],
    };
    cloud.enable_enhanced_monitoring(request).expect("the stream is there");
    let load = Workload::new(Curve::constant(u64::from(bytes_per_second))).keys(KeySkew::zipf(100, 1.1));
    cloud.set_workload("orders", load).expect("the stream is there");
    cloud.advance_seconds(60);
    SimulatedControlPlane::new(cloud)
}

/// Something that happens between two passes.
#[derive(Debug, Clone)]
enum Happening {
    Wait(u32),
    Split(prop::sample::Index),
    Merge(prop::sample::Index),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (1u32..1_500).prop_map(Happening::Wait),
        1 => any::<prop::sample::Index>().prop_map(Happening::Split),
        1 => any::<prop::sample::Index>().prop_map(Happening::Merge),
    ]
}

async fn happen(plane: &SimulatedControlPlane, happening: &Happening) {
    let stream = StreamId::Name("orders".to_owned());
    let listing = list_shards(plane, &stream, ShardFilter::AtLatest).await.expect("a listing");
    let open = OpenShards::tile(&listing.value).expect("it tiles");
    // Refused while the stream is UPDATING: then nothing happens.
    match happening {
        Happening::Wait(seconds) => plane.cloud().advance_seconds(i64::from(*seconds)),
        Happening::Split(which) => {
            let shard = which.get(open.as_slice());
            if let Some(at) = shard.range.inner_boundaries(3).next() {
                drop(plane.split_shard(&stream, &shard.id, at).await);
            }
        }
        Happening::Merge(which) => {
            if let [_, _, ..] = open.as_slice() {
                let at = which.index(open.len() - 1);
                let (low, high) = (&open.as_slice()[at], &open.as_slice()[at + 1]);
                drop(plane.merge_shards(&stream, &low.id, &high.id).await);
            }
        }
    }
    plane.cloud().advance_seconds(1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_observation_from_the_cache_is_the_one_made_anew(
        load in 1_000u32..3_000_000, happenings in prop::collection::vec(happening(), 1..12),
        foresees in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let plane = simulated(load);
            let mut policy = policy(1, 10);
            if foresees {
                policy.update_shard_count = UpdateShardCount::Auto;
            }
            let mut observer = Observer::one_shot();
            for happening in &happenings {
                happen(&plane, happening).await;
                let cached = observer.observe(&plane, &policy).await.expect("an observation");
                let anew = observe(&plane, &policy).await.expect("an observation");
                prop_assert_eq!(&cached.snapshot, &anew.snapshot);
                let stream = stream_id(&policy.stream);
                for topology in cached.snapshot.past_topologies {
                    let listed = past_topology(&plane, &stream, topology.at).await.expect("a listing");
                    prop_assert_eq!(Some(topology), listed, "what follows is what would be listed");
                }
            }
            Ok(())
        })?;
    }
}
