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
        let ingest = Ingest::of(&cells, windows, Rise::read(&totals, minutes, windows));
        let loads = |offered: Offered| offered.loads(offered.to_be_read, windows.mean);
        let is_known = ingest.window != Evidence::Unknown;
        is_known.then(|| Pulse { now: loads(ingest.now), peak: loads(ingest.peak) })
    }
}
