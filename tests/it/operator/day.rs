//! A whole day of reconciles in seconds.

use reshard::simulator::fault::Operation;
use reshard::simulator::workload::{Curve, KeySkew, Workload};
use serde_json::json;

use super::rig::{Rig, is};
use crate::support::cluster::Memory;

#[tokio::test(start_paused = true)]
async fn a_day_with_its_peak_is_followed_up_and_down() {
    let memory = Memory::start(0);
    let rig = Rig::start(&memory).await;
    let curve = Curve::Diurnal { trough: 300_000, peak: 3_000_000 };
    rig.stream("orders", 2, Workload::new(curve).keys(KeySkew::Even)).await;
    rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
    let operator = rig.operator();
    let passes_before = rig.calls(Operation::ListShards);
    let (mut least, mut most) = (usize::MAX, 0);
    for _ in 0..24 * 6 {
        rig.pass_minutes(10).await;
        let shards = rig.shards("orders");
        (least, most) = (least.min(shards), most.max(shards));
    }
    assert!(most >= 4 && least <= 2, "{least} to {most} shards");
    let passes = rig.calls(Operation::ListShards) - passes_before;
    assert!(passes >= 1_440, "{passes}: one a minute at least");
    let status = rig.status("orders").await;
    assert!(is(&status, "Ready", "InControl") || is(&status, "Ready", "Scaling"), "{status:#?}");
    operator.stop().await;
}
