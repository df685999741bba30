//! Pages of modelled streams, with and without metrics, at 4, 40 and 200 shards. `.ci/report-browser`
//! opens them in a browser: with `RESHARD_REPORT_PAGES` set they are written to that folder.

use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use reshard::checks;
use reshard::cost::Prices;
use reshard::decision;
use reshard::observe;
use reshard::policy::{Consumer, ConsumerKind, ScalingPolicy, Transform};
use reshard::report::{Report, html, markdown};
use reshard::simulator::api::{ChangeEnhancedMonitoring, CreateStream, StreamRef};
use reshard::simulator::control_plane::SimulatedControlPlane;
use reshard::simulator::workload::{self, Curve, HotSpot, Workload};
use reshard::simulator::{Cloud, Config};

const STREAM: &str = "orders";
/// A page opens from a disk or a mail without a thought about its size.
const MOST_BYTES: usize = 400_000;

/// The stream of so many shards is read from the beginning by somebody who is not declared.
const REPLAYED: i32 = 4;

/// A log pipeline's stream under `load` bytes a second for each shard, or one that no metric is known
/// of: a tenth of the keys carries more than its share, small records, read by
/// Firehose through a transform and by a function.
async fn report(shards: i32, load: Option<u64>) -> Report {
    let mut cloud = Cloud::new(Config::default());
    cloud
        .create_stream(CreateStream {
            stream_name: STREAM.to_owned(),
            shard_count: Some(shards),
            ..CreateStream::default()
        })
        .unwrap();
    cloud.advance_seconds(60);
    let mut policy = ScalingPolicy::for_stream(STREAM, 200);
    if let Some(bytes_per_shard) = load {
        let shard_level_metrics = vec!["ALL".to_owned()];
        let stream = StreamRef::name(STREAM);
        cloud.enable_enhanced_monitoring(ChangeEnhancedMonitoring { stream, shard_level_metrics }).unwrap();
        let rate = u64::try_from(shards).unwrap() * bytes_per_shard;
        let mut load = Workload::new(Curve::constant(rate));
        load.record_bytes = 700;
        load.noise = 0.1;
        let (share, width, position) = (0.22, 0.1, Some(0.33));
        load.hot_spot = Some(HotSpot { share, width, position, moves_every: None });
        load.consumers = vec![
            workload::Consumer::new("archive", workload::ConsumerKind::Firehose),
            workload::Consumer::new("fraud", workload::ConsumerKind::Lambda),
        ];
        if shards == REPLAYED {
            let kind = workload::ConsumerKind::Polling { interval: SignedDuration::from_secs(1) };
            let mut replay = workload::Consumer::new("replay", kind);
            replay.starts_at = cloud.now().checked_add(SignedDuration::from_mins(97)).ok();
            replay.from_trim_horizon = true;
            load.consumers.push(replay);
        }
        cloud.set_workload(STREAM, load).unwrap();
        cloud.advance(SignedDuration::from_mins(100));
        let transform = Some(Transform { duration: Duration::from_secs(9), batch_bytes: 1 << 20 });
        policy.consumers = vec![
            Consumer { name: "archive".to_owned(), kind: ConsumerKind::Firehose { transform } },
            Consumer { name: "fraud".to_owned(), kind: ConsumerKind::Lambda },
        ];
    }
    let plane = SimulatedControlPlane::new(cloud);
    let snapshot = observe::observe(&plane, &policy).await.unwrap().snapshot;
    let decision = decision::decide(&snapshot, &policy);
    checks::check(&decision.plan, &snapshot, &policy, &decision.demand).unwrap();
    Report::new(&snapshot, &policy, &decision.demand.summary, &decision.plan, &Prices::default())
}

#[tokio::test]
async fn pages_hold_their_story_and_stay_small() {
    let folder = std::env::var_os("RESHARD_REPORT_PAGES");
    let keep = |name: String, text: &str| {
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(Path::new(folder).join(name), text).unwrap();
        }
    };
    let mut reports = Vec::new();
    // At 200 shards, which are the most, heat is split only where cold neighbours are merged first.
    for (shards, bytes_per_shard) in [(4, 350_000), (40, 350_000), (200, 220_000)] {
        for with_metrics in [true, false] {
            let report = report(shards, with_metrics.then_some(bytes_per_shard)).await;
            let page = html(std::slice::from_ref(&report));
            let kind = if with_metrics { "metrics" } else { "bare" };
            println!("{shards} shards, {kind}: {} bytes", page.len());
            assert!(page.len() < MOST_BYTES, "{shards} shards: {} bytes", page.len());
            assert_eq!(page.contains("No metrics over time are known"), !with_metrics);
            assert_eq!(!report.steps.is_empty(), with_metrics, "{}", report.summary);
            assert_eq!(report.recovery.is_some(), with_metrics);
            assert_eq!(page.contains("Readers by shard"), with_metrics && shards == REPLAYED);
            if with_metrics {
                for told in ["TransformTooSlow", "Hottest shards", "On-demand Advantage", "After the plan"] {
                    assert!(page.contains(told), "{told}");
                }
                let text = markdown(&report);
                assert!(text.contains("### Advice") && text.contains("| Hottest shards |"), "{text}");
            }
            keep(format!("{shards}-{kind}.html"), &page);
            reports.push(report);
        }
    }
    let advice: Vec<_> = reports[4].advice.iter().map(|of| of.reason).collect();
    assert!(advice.contains(&"LambdaConcurrency"), "{advice:?}");
    keep("several.html".to_owned(), &html(&reports[..3]));
}
