//! The report in one line: for a loop that writes one a pass.

use super::layout::{count, percent};
use super::{Report, Utilization};
use crate::load::Load;

/// The shards, the dimension nearest its target, and what is planned.
pub fn line(report: &Report) -> String {
    let shards = count(report.stream.shards, "shard");
    let fullest = report.utilization.iter().filter_map(used).max_by_key(|(share, _)| *share);
    let fullest = fullest.map_or_else(|| "load not known".to_owned(), |(_, text)| text);
    format!("{}: {shards}, {fullest}; {}", report.stream.name, report.summary)
}

/// How much of its target a dimension uses in its hottest shard, in millionths, and in words.
fn used(of: &Utilization) -> Option<(u128, String)> {
    let hottest = of.hottest.as_ref();
    let load = hottest.map(|hot| hot.load).max(of.mean)?;
    let share = u128::from(load.0) * u128::from(Load::CEILING.0) / u128::from(of.target.0.max(1));
    let mean = of.mean.map_or_else(String::new, |mean| format!(", mean {}", percent(mean)));
    let text = match hottest {
        Some(hot) => {
            format!("{} {} in shard {}{mean}", of.dimension.label(), percent(load), hot.shard.short())
        }
        None => format!("{} {}", of.dimension.label(), percent(load)),
    };
    Some((share, text))
}
