//! A modelled account behind AWS's wire, and the command line pointed at it.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use reshard::sandbox::Sandbox;
use reshard::simulator::api::{ChangeEnhancedMonitoring, CreateStream, DeleteStream, StreamRef};
use reshard::simulator::fault::Operation;
use reshard::simulator::workload::{Curve, HotSpot, Workload};
use reshard::simulator::{Cloud, Config};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::cli::{self, Files, Ran};

pub const STREAM: &str = "orders";

/// Every operation that changes something, and those that only look.
const WRITES: [Operation; 9] = [
    Operation::CreateStream,
    Operation::DeleteStream,
    Operation::SplitShard,
    Operation::MergeShards,
    Operation::UpdateShardCount,
    Operation::UpdateStreamMode,
    Operation::EnableEnhancedMonitoring,
    Operation::DisableEnhancedMonitoring,
    Operation::PutMetricData,
];
const READS: [Operation; 6] = [
    Operation::DescribeStreamSummary,
    Operation::DescribeStream,
    Operation::ListShards,
    Operation::DescribeLimits,
    Operation::GetMetricData,
    Operation::ListMetrics,
];

/// How many requests of each operation came so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calls(BTreeMap<String, u64>);

/// A sandbox with the stream `orders`, and the files of a test.
pub struct World {
    // Dropped first: it stops when it is dropped, on the runtime.
    sandbox: Sandbox,
    runtime: Runtime,
    pub files: Files,
    speed: u32,
}

impl World {
    /// `shards` equal shards with shard metrics on, under `workload` for two hours. Its time then
    /// runs `speed` times as fast as ours; at 0 it stands still.
    pub fn new(shards: i32, workload: Workload, speed: u32) -> World {
        let mut cloud = Cloud::new(Config::default());
        create(&mut cloud, shards);
        cloud.set_workload(STREAM, workload).unwrap();
        cloud.advance(SignedDuration::from_hours(2));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let sandbox = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            Sandbox::start(cloud, speed, listener).unwrap()
        });
        World { sandbox, runtime, files: Files::new(), speed }
    }

    /// The binary with `arguments`, pointed at the sandbox.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        cli::run(&self.url(), arguments)
    }

    /// `reshard apply`, at the sandbox's pace.
    pub fn apply(&self, manifest: &str, flags: &[&str]) -> Ran {
        let speed = self.speed.max(1).to_string();
        self.run(&[&["apply", "-f", manifest, "--clock-speed", &speed], flags].concat())
    }

    /// What `plan` decides now.
    pub fn plan(&self, manifest: &str) -> Value {
        let ran = self.run(&["plan", "-f", manifest, "-o", "json"]);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"))
    }

    /// The exit code of `plan --detailed-exitcode`, and what it shows.
    pub fn planned(&self, manifest: &str) -> (Option<i32>, String) {
        let ran = self.run(&["plan", "-f", manifest, "--detailed-exitcode"]);
        assert_eq!(ran.stderr, "");
        (ran.code, ran.stdout)
    }

    pub fn url(&self) -> String {
        self.sandbox.endpoint_url()
    }

    pub fn cloud<T>(&self, action: impl FnOnce(&mut Cloud) -> T) -> T {
        self.sandbox.with_cloud(action)
    }

    pub fn load(&self, workload: Workload) {
        self.cloud(|cloud| cloud.set_workload(STREAM, workload)).unwrap();
    }

    /// Lets time pass at once.
    pub fn skip(&self, minutes: u32) {
        self.sandbox.clock().skip(minutes * 60);
    }

    /// Deletes the stream and makes one of the same name.
    pub fn recreate(&self, shards: i32) {
        self.begin_anew(shards);
        self.skip(1);
    }

    /// Deletes the stream and begins to make one of the same name.
    pub fn begin_anew(&self, shards: i32) {
        self.cloud(|cloud| cloud.delete_stream(DeleteStream { stream: orders(), ..DeleteStream::default() }))
            .unwrap();
        self.skip(1);
        self.cloud(|cloud| {
            cloud.create_stream(CreateStream {
                stream_name: STREAM.to_owned(),
                shard_count: Some(shards),
                ..CreateStream::default()
            })
        })
        .unwrap();
    }

    /// Does something with the SDK.
    pub fn wait_for<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Requests of `operation` so far.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.cloud(|cloud| cloud.calls(operation))
    }

    /// Requests so far that would change something.
    pub fn writes(&self) -> Calls {
        self.count(&WRITES)
    }

    /// Requests so far.
    pub fn requests(&self) -> Calls {
        self.count(&[&WRITES[..], &READS[..]].concat())
    }

    fn count(&self, operations: &[Operation]) -> Calls {
        let count = |operation: &Operation| (format!("{operation:?}"), self.calls(*operation));
        Calls(operations.iter().map(count).collect())
    }
}

fn create(cloud: &mut Cloud, shards: i32) {
    cloud
        .create_stream(CreateStream {
            stream_name: STREAM.to_owned(),
            shard_count: Some(shards),
            ..CreateStream::default()
        })
        .unwrap();
    cloud.advance_seconds(60);
    cloud.enable_enhanced_monitoring(all_shard_metrics()).unwrap();
    cloud.advance_seconds(60);
}

pub fn orders() -> StreamRef {
    StreamRef::name(STREAM)
}

pub fn all_shard_metrics() -> ChangeEnhancedMonitoring {
    ChangeEnhancedMonitoring { stream: orders(), shard_level_metrics: vec!["ALL".to_owned()] }
}

pub fn even(bytes_per_second: u64) -> Workload {
    Workload::new(Curve::constant(bytes_per_second))
}

/// Of four shards the two in the middle carry 0.975 MB/s each, the others 0.85 MB/s: no neighbour has room
/// for a part of a hot one, and its halves are too warm to be merged with anything.
pub fn two_hot_shards_of_four() -> Workload {
    let mut workload = even(3_650_000);
    workload.hot_spot = Some(HotSpot { share: 0.0685, width: 0.5, position: Some(0.25), moves_every: None });
    workload
}

/// How many steps a report plans.
pub fn steps(report: &Value) -> usize {
    report["plan"]["steps"].as_array().unwrap().len()
}

/// How many steps an `apply` says that it finished.
pub fn finished(ran: &Ran) -> usize {
    ran.stdout.lines().filter(|line| line.contains(": done in ")).count()
}
