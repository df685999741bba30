//! How the demo ends: what reshard took, beside doing nothing and beside shards fixed at the peak.

use super::board::Told;
use super::clock;
use super::curve::curve;
use super::rivals::Fixed;
use super::scenario::{FIRST_SHARDS, MANIFEST, STORY};
use crate::cost::{self, Money, Prices};
use crate::policy::ScalingPolicy;
use crate::report::{count, hang};
use crate::units::rate;

const SECONDS_PER_HOUR: u64 = 3_600;
const NARROWEST: usize = 60;
const WIDEST: usize = 100;

/// A row of the table.
struct Row {
    name: &'static str,
    shards: String,
    shard_seconds: u64,
    monitoring: Money,
    rejected_millionths: u64,
}

/// The summary; no line is wider than `width`, of which it takes [`NARROWEST`] at the least and [`WIDEST`] at
/// the most.
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
    // First what is longest and least: the end of it stays on a small screen.
    let mut text = String::from("The policy it followed:\n\n");
    for line in MANIFEST.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str(&format!(
        "\n{} h of load, {:.1} GB in all\n\n  {:<14}{:>12}{:>12}{:>9}{:>10}\n",
        clock(told.elapsed()),
        told.samples.windows(2).map(gigabytes).sum::<f64>(),
        "",
        "shards",
        "shard-hours",
        "cost",
        "rejected"
    ));
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
    text.push_str(&over_time(told, width.clamp(NARROWEST, WIDEST)));
    let explained = format!(
        "reshard made {} and {}, each where the load was. Its cost includes shard-level \
         metrics and reading them. The rest is what the same load does to {} shards that nobody touches, and \
         to the fewest equal shards ({}) that reject next to nothing. PUT units cost the same in all three.",
        count(told.splits as usize, "split"),
        count(told.merges as usize, "merge"),
        nothing.shards,
        at_peak.shards
    );
    text.push_str(&format!("\n{}\n", hang("", &explained, width.clamp(NARROWEST, WIDEST)).join("\n")));
    text.push_str("\nOn a stream of yours, reading only:  reshard plan -f FILE\n");
    text
}

/// Load and shards from the beginning to the end, one above the other, with where each was highest.
fn over_time(told: &Told, width: usize) -> String {
    const LABEL: usize = 9;
    const PEAK: usize = 16;
    let chart = width - 2 - LABEL - PEAK;
    let (loads, shards) = (told.loads(), told.shards());
    let most = |values: &[u64]| values.iter().copied().max().unwrap_or(0);
    let row = |label: &str, values: &[u64], peak: String| {
        let line = curve(values, 1.0, chart);
        format!("  {label:<LABEL$}{line:<chart$}{:>PEAK$}\n", format!("up to {peak}"))
    };
    let peak = rate(most(&loads), "B");
    let mut text = String::from("\n");
    text.push_str(&row("load", &loads, peak));
    text.push_str(&row("shards", &shards, most(&shards).to_string()));
    text.push_str(&format!("  {:<LABEL$}00:00{:>rest$}\n", "", clock(told.elapsed()), rest = chart - 5));
    text
}

fn gigabytes(pair: &[super::board::Sample]) -> f64 {
    pair[0].bytes_per_second as f64 * pair[1].at.duration_since(pair[0].at).as_secs_f64() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::board::{Board, Sample};
    use jiff::Timestamp;

    #[test]
    fn shards_and_load_are_drawn_over_time_within_the_width() {
        let board = Board::new(Timestamp::UNIX_EPOCH);
        for minute in 0..=240_u64 {
            board.sample(Sample {
                at: Timestamp::from_second(60 * minute as i64).expect("in range"),
                bytes_per_second: 10_000 * minute,
                shards: if minute < 120 { 4 } else { 22 },
                offered_records: minute,
                rejected_records: 0,
            });
        }
        let (told, fixed) = (board.told(), Fixed { shards: 4, rejected_millionths: 0 });
        let policy = super::super::scenario::policy().expect("valid");
        for width in [20, 60, 80, 100, 200] {
            let text = text(&told, &policy, fixed, fixed, width);
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width.clamp(NARROWEST, WIDEST)), "{width}: {text}");
            let line = |label: &str| {
                let found =
                    text.lines().find(|line| line.trim_start().starts_with(label) && line.contains("up to"));
                found.expect("drawn").to_owned()
            };
            let [load, shards] = ["load", "shards"].map(line);
            assert!(
                load.contains("▁▁") && load.contains("▇█") && load.ends_with("up to 2.40 MB/s"),
                "{load}"
            );
            assert!(shards.contains("▂█") && shards.ends_with("up to 22"), "{shards}");
            assert!(text.contains("  00:00  ") && text.contains("  04:00\n"), "{text}");
        }
    }
}
