//! The AWS account: a sandbox on loopback with all the streams.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use reshard::sandbox::Sandbox;
use reshard::simulator::api::{ChangeEnhancedMonitoring, CreateStream, StreamRef};
use reshard::simulator::fault::Operation;
use reshard::simulator::workload::{Curve, HotSpot, KeySkew, Workload};
use reshard::simulator::{Cloud, Config};
use reshard::snapshot::ShardMetric;
use reshard::stream::StreamStatus;

use super::Scale;

/// The operations that the operator asks for.
pub const OPERATIONS: [Operation; 6] = [
    Operation::ListShards,
    Operation::DescribeStreamSummary,
    Operation::GetMetricData,
    Operation::SplitShard,
    Operation::MergeShards,
    Operation::DescribeLimits,
];
/// Of a shard's ceiling in bytes, what each carries at rest: below the target, and above what would
/// let shards be merged.
const CALM_BYTES_PER_SHARD: u64 = 450_000;

/// The account.
pub struct Account {
    sandbox: Sandbox,
    scale: Scale,
    /// How many streams are hot.
    hot: AtomicBool,
    /// The streams that were seen to reshard.
    resharded: Mutex<std::collections::BTreeSet<String>>,
}

/// The name of a stream and of its resource.
pub fn name(number: usize) -> String {
    format!("stream-{number:04}")
}

impl Account {
    /// Makes the streams, lets their load run for the history, and serves them.
    pub async fn start(scale: Scale) -> Arc<Account> {
        let now = Timestamp::now();
        let history = SignedDuration::from_mins(i64::try_from(scale.history).expect("minutes"));
        let making = SignedDuration::from_secs(120 + i64::try_from(scale.streams).expect("a number"));
        let mut config = Config { start: now - history - making, ..Config::default() };
        config.limits.shards = u32::MAX;
        config.limits.creating_streams = usize::MAX;
        let mut cloud = Cloud::new(config.clone());
        for number in 0..scale.streams {
            let create = CreateStream {
                stream_name: name(number),
                shard_count: i32::try_from(scale.shards).ok(),
                ..CreateStream::default()
            };
            cloud.create_stream(create).expect("room for all");
            cloud.advance_seconds(1);
        }
        cloud.advance(config.timings.create);
        for number in 0..scale.streams {
            let metrics = ShardMetric::INGEST.iter().map(|metric| metric.name().to_owned()).collect();
            let stream = StreamRef::name(name(number));
            let enable = ChangeEnhancedMonitoring { stream, shard_level_metrics: metrics };
            cloud.enable_enhanced_monitoring(enable).expect("it is ACTIVE");
        }
        cloud.advance(config.timings.other_update);
        for number in 0..scale.streams {
            cloud.set_workload(&name(number), calm(scale)).expect("it is there");
        }
        cloud.advance_to(now);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let sandbox = Sandbox::start(cloud, 1, listener).expect("an address");
        Arc::new(Account { sandbox, scale, hot: AtomicBool::new(false), resharded: Mutex::default() })
    }

    /// Where it is.
    pub fn endpoint_url(&self) -> String {
        self.sandbox.endpoint_url()
    }

    /// Some streams get one shard each that rejects writes, the first of them the most.
    pub fn heat_up(&self) {
        self.hot.store(true, Ordering::Relaxed);
        for number in 0..self.scale.hot {
            // So many times what a shard carries at rest, over the width of the first shard.
            let times = 2.0 + (self.scale.hot - number) as f64 / self.scale.hot as f64;
            let hot_spot = HotSpot {
                share: (times / f64::from(self.scale.shards)).min(1.0),
                width: 1.0 / f64::from(self.scale.shards),
                position: Some(0.0),
                moves_every: None,
            };
            let workload = Workload { hot_spot: Some(hot_spot), ..calm(self.scale) };
            self.sandbox
                .with_cloud(|cloud| cloud.set_workload(&name(number), workload))
                .expect("it is there");
        }
    }

    fn hot_streams(&self) -> impl Iterator<Item = String> {
        (0..self.scale.hot).map(name)
    }

    /// Whether the stream of this name has become hot.
    pub fn is_hot(&self, stream: &str) -> bool {
        self.hot.load(Ordering::Relaxed) && self.hot_streams().any(|hot| hot == stream)
    }

    /// How often each operation was asked for so far.
    pub fn calls(&self) -> [u64; OPERATIONS.len()] {
        self.sandbox.with_cloud(|cloud| OPERATIONS.map(|operation| cloud.calls(operation)))
    }

    /// How many streams reshard now.
    pub fn resharding(&self) -> usize {
        if !self.hot.load(Ordering::Relaxed) {
            return 0;
        }
        let names = self.hot_streams();
        let now: Vec<String> = self.sandbox.with_cloud(|cloud| {
            let is_updating = |name: &String| {
                cloud.truth(name).is_some_and(|stream| stream.status == StreamStatus::Updating)
            };
            names.filter(is_updating).collect()
        });
        let count = now.len();
        self.resharded.lock().expect("no panic").extend(now);
        count
    }

    /// How many streams have been seen to reshard.
    pub fn resharded(&self) -> usize {
        self.resharded.lock().expect("no panic").len()
    }
}

fn calm(scale: Scale) -> Workload {
    Workload::new(Curve::constant(CALM_BYTES_PER_SHARD * u64::from(scale.shards))).keys(KeySkew::Even)
}
