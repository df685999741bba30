//! Pulse: the load of the stream as a whole, by the rules by which the demand of a shard is read, and from the
//! stream's own metrics alone: those that every pass of a loop reads.

use crate::load::Loads;
use crate::plan::Evidence;
use crate::policy::ScalingPolicy;
use crate::snapshot::MetricHistory;

use super::history::{Cell, Span, Totals};
use super::ingest::{Ingest, Offered, Windows};
use super::rise::Rise;

/// What one shard would have to carry if it were the whole stream, and each record were read once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// As splits see it: the newest window, with the stream's rise carried on.
    pub now: Loads,
    /// As merges see it: the highest window within the stabilisation window, fading with its age.
    pub peak: Loads,
    /// Whether it rises, which merges wait for.
    pub rises: bool,
}

impl Pulse {
    /// The pulse at the end of the settled minutes; `None` where the newest window is not known.
    pub fn read(metrics: &MetricHistory, policy: &ScalingPolicy) -> Option<Pulse> {
        let windows = Windows::of(policy);
        let end = metrics.settled_until?;
        let start = end.plus(-(windows.minutes() as i64));
        let totals = Totals::read(metrics, Span { start, end, known_from: start });
        let minutes = windows.minutes();
        let cells: Vec<Cell> = (0..minutes).map(|place| Cell::of_totals(totals.at(place))).collect();
        let rise = Rise::read(&totals, minutes, windows).unwrap_or_default();
        let ingest = Ingest::of(&cells, windows, rise);
        let loads = |offered: Offered| offered.loads(offered.to_be_read, windows.mean);
        let is_known = ingest.window != Evidence::Unknown;
        let pulse = || Pulse { now: loads(ingest.now), peak: loads(ingest.peak), rises: rise.per_mille > 0 };
        is_known.then(pulse)
    }
}

#[cfg(test)]
mod tests {
    use super::super::assess;
    use super::super::fixture::{Story, by_width, percent, policy};
    use super::*;
    use crate::hash_key::HashKeyRange;
    use crate::snapshot::StreamMetric;

    #[test]
    fn the_pulse_is_what_the_shards_need_in_all_while_the_load_rises_and_falls() {
        let mut story = Story::of(4);
        for minutes in [[40, 40, 60], [50, 20, 20], [10, 30, 80]] {
            for load in minutes {
                story.pass(7, |range| by_width(range, percent(4 * load)));
                let snapshot = story.snapshot();
                let shards = assess(&snapshot, &policy()).shards;
                let pulse = Pulse::read(&snapshot.metrics, &policy()).expect("all is measured");
                let ingest = |loads: Loads| [loads.ingest_bytes, loads.ingest_records];
                let now = shards.iter().map(|shard| shard.loads()).sum::<Loads>();
                let peak = shards.iter().map(|shard| shard.peak_loads()).sum::<Loads>();
                // Each shard's loads are rounded up.
                for (whole, parts) in [(pulse.now, now), (pulse.peak, peak)] {
                    for (whole, parts) in ingest(whole).into_iter().zip(ingest(parts)) {
                        assert!(parts.0.abs_diff(whole.0) <= 8, "{whole:?} {parts:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_minute_that_is_not_known_tells_no_pulse() {
        let mut story = Story::of(1);
        story.pass(30, |_: HashKeyRange| percent(50));
        let mut metrics = story.snapshot().metrics;
        assert!(Pulse::read(&metrics, &policy()).is_some());
        let records = metrics.stream.get_mut(&StreamMetric::IncomingRecords).expect("told");
        *records.values.last_mut().expect("thirty minutes") = None;
        assert_eq!(Pulse::read(&metrics, &policy()), None);
    }
}
