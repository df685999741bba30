//! What the demo shows: a stream whose load rises and falls while its hot spot moves, and the
//! policy that reshard follows.

use jiff::{SignedDuration, Timestamp};

use crate::manifest;
use crate::policy::ScalingPolicy;
use crate::simulator::api::{ChangeEnhancedMonitoring, CreateStream, StreamRef};
use crate::simulator::workload::{Consumer, ConsumerKind, Curve, HotSpot, KeySkew, Workload};
use crate::simulator::{ApiError, Cloud, Config};
use crate::snapshot::ShardMetric;

/// The stream.
pub(super) const STREAM: &str = "orders";
/// The shards that it begins with, of equal width.
pub(super) const FIRST_SHARDS: u32 = 4;
/// How long the story is, in the sandbox's time.
pub(super) const STORY: SignedDuration = SignedDuration::from_hours(4);
/// Bytes a second in the valley.
const VALLEY: u64 = 1_600_000;
/// Bytes a second at the peak.
const PEAK: u64 = 9_000_000;
/// Calm, rise, peak, fall: their ends in minutes.
const ENDS: [u64; 4] = [25, 70, 130, 165];

/// The policy, as its owner would write it.
pub(super) const MANIFEST: &str = "\
apiVersion: reshard.dev/v1alpha1
kind: KinesisStreamAutoscaler
metadata: {name: orders, namespace: demo}
spec:
  streamRef: {name: orders, region: us-east-1}
  mode: Apply
  minShards: 2
  maxShards: 40
  targets:
    ingestBytes: {utilization: 70}
    ingestRecords: {utilization: 70}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 900
      policies:
      - {type: Percent, value: 50, periodSeconds: 600}
  consumers:
  - {name: archive, type: Firehose}
";

/// The policy of [`MANIFEST`].
pub(super) fn policy() -> anyhow::Result<ScalingPolicy> {
    let manifest = manifest::read_from(MANIFEST.as_bytes(), "the demo's manifest")?.pop();
    manifest.map(|manifest| manifest.policy).ok_or_else(|| anyhow::anyhow!("the demo has no manifest"))
}

/// The stream with its load, in a model of AWS whose clock begins at `start`. The load begins when
/// the stream is ready, with a few minutes of metrics behind it.
pub(super) fn cloud(seed: u64, start: Timestamp, shards: u32) -> Result<Cloud, ApiError> {
    let mut cloud = Cloud::new(Config { seed, start, ..Config::default() });
    cloud.create_stream(CreateStream {
        stream_name: STREAM.to_owned(),
        shard_count: i32::try_from(shards).ok(),
        ..CreateStream::default()
    })?;
    cloud.advance_seconds(30);
    cloud.enable_enhanced_monitoring(ChangeEnhancedMonitoring {
        stream: StreamRef::name(STREAM),
        shard_level_metrics: ShardMetric::INGEST.map(|metric| metric.name().to_owned()).into(),
    })?;
    cloud.advance_seconds(30);
    cloud.set_workload(STREAM, workload(cloud.now()))?;
    cloud.advance_seconds(600);
    Ok(cloud)
}

fn workload(start: Timestamp) -> Workload {
    let archive = Consumer::new("archive", ConsumerKind::Firehose);
    let mut workload = Workload::new(curve(start)).keys(KeySkew::zipf(20_000, 0.5)).consumer(archive);
    workload.record_bytes = 2_000;
    workload.noise = 0.05;
    workload.hot_spot = Some(HotSpot {
        share: 0.2,
        width: 0.06,
        position: None,
        moves_every: Some(SignedDuration::from_mins(80)),
    });
    workload
}

/// Straight lines between valley and peak, minute by minute.
fn curve(start: Timestamp) -> Curve {
    let [calm, risen, peak, fallen] = ENDS;
    let between = |from: u64, to: u64, part: u64, of: u64| (from * (of - part) + to * part) / of;
    let rate = |minute: u64| match minute {
        minute if minute < calm => VALLEY,
        minute if minute < risen => between(VALLEY, PEAK, minute - calm, risen - calm),
        minute if minute < peak => PEAK,
        minute if minute < fallen => between(PEAK, VALLEY, minute - peak, fallen - peak),
        _ => VALLEY,
    };
    let minutes = 24 * 60;
    Curve::Samples {
        start,
        samples: (0..minutes).map(|minute| (minute * 60, rate(minute))).collect(),
        period_seconds: minutes * 60,
    }
}
