//! How long a consumer takes to catch up after an outage.

use std::fmt;

use serde::Serialize;

use super::readers::transform_bytes_per_second;
use super::{Advice, Figure};
use crate::cost::grouped;
use crate::demand::DemandSummary;
use crate::load::Load;
use crate::plan::{Evidence, Plan, RangeLoad};
use crate::policy::{ConsumerKind, ScalingPolicy};
use crate::quota::{Dimension, SHARD_READ_BYTES_PER_SECOND};
use crate::snapshot::Snapshot;

const OUTAGE_SECONDS: u64 = 3_600;

/// What an outage of an hour of one polling consumer would take to make good: the backlog of the
/// fullest shard, while it goes on being written and the other pollers read at the tip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// The outage in seconds.
    pub outage_seconds: u64,
    /// Written to the fullest shard, in bytes a second.
    pub written_bytes_per_second: u64,
    /// What the consumer can read of it meanwhile, in bytes a second.
    pub readable_bytes_per_second: u64,
    /// How long the backlog takes at the shards there are; `None`: for ever.
    pub drain_seconds: Option<u64>,
    /// The same after the plan.
    pub drain_seconds_planned: Option<u64>,
}

impl Recovery {
    pub(super) fn figures(&self) -> Vec<Figure> {
        let figure = |name, value: String, source| Figure { name, value, source };
        vec![
            figure(
                "written to the fullest shard",
                format!("{} B/s", grouped(self.written_bytes_per_second)),
                "CloudWatch, by shard, over the window",
            ),
            figure(
                "readable of it",
                format!("{} B/s", grouped(self.readable_bytes_per_second)),
                "quota of 2 MB/s a shard, less what the other pollers read; at most what a transform takes",
            ),
            figure("to drain an hour", time(self.drain_seconds), "backlog ÷ (readable − written)"),
            figure("after the plan", time(self.drain_seconds_planned), "the same with the planned shards"),
        ]
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.drain_seconds {
            Some(_) => write!(
                f,
                "after an outage of an hour a consumer needs {} to catch up at this count",
                time(self.drain_seconds)
            )?,
            None => write!(f, "after an outage of an hour a consumer never catches up at this count")?,
        }
        match self.drain_seconds_planned {
            planned if planned == self.drain_seconds => Ok(()),
            Some(_) => write!(f, "; with the planned shards in {}", time(self.drain_seconds_planned)),
            None => write!(f, "; with the planned shards never"),
        }
    }
}

fn time(seconds: Option<u64>) -> String {
    match seconds {
        None => "for ever".to_owned(),
        Some(seconds) => match seconds.div_ceil(60) {
            minutes @ 0..120 => format!("{minutes} min"),
            minutes => format!("{} h {} min", minutes / 60, minutes % 60),
        },
    }
}

/// Earned where catching up takes longer than the outage did.
pub(super) fn advice(recovery: Recovery) -> Option<Advice> {
    let slow = recovery.drain_seconds.is_none_or(|seconds| seconds > recovery.outage_seconds);
    slow.then_some(Advice::SlowRecovery { recovery })
}

pub(super) fn after_an_hour(
    snapshot: &Snapshot,
    policy: &ScalingPolicy,
    summary: &DemandSummary,
    plan: &Plan,
) -> Option<Recovery> {
    let others = summary.pollers_thousandths.filter(|pollers| *pollers >= 1_000)? - 1_000;
    if snapshot.summary.open_shard_count != plan.before.len() {
        return None;
    }
    let transform = policy.consumers.iter().filter_map(|consumer| match consumer.kind {
        ConsumerKind::Firehose { transform } => transform.map(transform_bytes_per_second),
        ConsumerKind::Lambda | ConsumerKind::Polling { .. } | ConsumerKind::EnhancedFanOut => None,
    });
    let slowest = transform.min().unwrap_or(u64::MAX);
    let now = Shard::fullest(&plan.before, others, slowest)?;
    let then = Shard::fullest(&plan.after, others, slowest)?;
    Some(Recovery {
        outage_seconds: OUTAGE_SECONDS,
        written_bytes_per_second: now.written,
        readable_bytes_per_second: now.readable,
        drain_seconds: now.drain(),
        drain_seconds_planned: then.drain(),
    })
}

/// The fullest shard of a stream.
struct Shard {
    written: u64,
    readable: u64,
}

impl Shard {
    /// `None` where any load is not known, or nothing is written.
    fn fullest(shards: &[RangeLoad], others_thousandths: u64, slowest: u64) -> Option<Shard> {
        if shards.iter().any(|shard| shard.evidence == Evidence::Unknown) {
            return None;
        }
        // A shard takes in no more than its ceiling, whatever is offered.
        let load = shards.iter().map(|shard| shard.loads.ingest_bytes).max()?.min(Load::CEILING);
        let written = load.0 * Dimension::IngestBytes.ceiling_per_second() / Load::CEILING.0;
        let others = written.saturating_mul(others_thousandths) / 1_000;
        let readable = SHARD_READ_BYTES_PER_SECOND.saturating_sub(others).min(slowest);
        (written > 0).then_some(Shard { written, readable })
    }

    fn drain(&self) -> Option<u64> {
        let spare = self.readable.checked_sub(self.written).filter(|spare| *spare > 0)?;
        Some(self.written.saturating_mul(OUTAGE_SECONDS).div_ceil(spare))
    }
}
