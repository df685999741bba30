//! How the demo ends: what reshard took, beside doing nothing and beside shards fixed at the peak.

use super::board::Told;
use super::clock;
use super::rivals::Fixed;
use super::scenario::{FIRST_SHARDS, MANIFEST, STORY};
use crate::cost::{self, Money, Prices};
use crate::policy::ScalingPolicy;
use crate::report::hang;

const SECONDS_PER_HOUR: u64 = 3_600;

/// A row of the table.
struct Row {
    name: &'static str,
    shards: String,
    shard_seconds: u64,
    monitoring: Money,
    rejected_millionths: u64,
}

/// The summary; no line is wider than `width`, of which it takes 60 at the least and 100 at the most.
pub(super) fn text(
    told: &Told,
    policy: &ScalingPolicy,
    nothing: Fixed,
    at_peak: Fixed,
    width: usize,
) -> String {
    let prices = Prices::default();
    let (offered, rejected) = told.traffic();
    let most = told.samples.iter().map(|sample| sample.shards).max().unwrap_or(FIRST_SHARDS);
    let last = told.last().map_or(FIRST_SHARDS, |sample| sample.shards);
    let elapsed_seconds = told.elapsed().as_secs().unsigned_abs();
    let fixed = |name, fixed: Fixed| Row {
        name,
        shards: fixed.shards.to_string(),
        shard_seconds: u64::from(fixed.shards) * STORY.as_secs().unsigned_abs(),
        monitoring: Money::ZERO,
        rejected_millionths: fixed.rejected_millionths,
    };
    let rows = [
        Row {
            name: "reshard",
            shards: format!("{FIRST_SHARDS} → {most} → {last}"),
            shard_seconds: told.shard_seconds(),
            monitoring: cost::of_monitoring(policy, told.shard_seconds(), elapsed_seconds, &prices),
            rejected_millionths: rejected.saturating_mul(1_000_000) / offered.max(1),
        },
        fixed("nothing done", nothing),
        fixed("fixed at peak", at_peak),
    ];
    let mut text = format!(
        "{} h of load, {:.1} GB in all\n\n  {:<14}{:>12}{:>12}{:>9}{:>10}\n",
        clock(told.elapsed()),
        told.samples.windows(2).map(gigabytes).sum::<f64>(),
        "",
        "shards",
        "shard-hours",
        "cost",
        "rejected"
    );
    for row in &rows {
        let price = cost::of_shard_seconds(row.shard_seconds, &prices) + row.monitoring;
        text.push_str(&format!(
            "  {:<14}{:>12}{:>12.1}{:>9}{:>8.2} %\n",
            row.name,
            row.shards,
            row.shard_seconds as f64 / SECONDS_PER_HOUR as f64,
            price.to_string(),
            row.rejected_millionths as f64 / 10_000.0,
        ));
    }
    let explained = format!(
        "reshard made {} splits and {} merges, each where the load was. Its cost includes shard-level \
         metrics and reading them. The rest is what the same load does to {} shards that nobody touches, and \
         to the fewest equal shards ({}) that reject next to nothing. PUT units cost the same in all three.",
        told.splits, told.merges, nothing.shards, at_peak.shards
    );
    text.push_str(&format!("\n{}\n", hang("", &explained, width.clamp(60, 100)).join("\n")));
    text.push_str("\nThe policy it followed:\n\n");
    for line in MANIFEST.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str("\nOn a stream of yours, reading only:  reshard plan -f FILE\n");
    text
}

fn gigabytes(pair: &[super::board::Sample]) -> f64 {
    pair[0].bytes_per_second as f64 * pair[1].at.duration_since(pair[0].at).as_secs_f64() / 1e9
}
