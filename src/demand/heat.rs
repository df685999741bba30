//! Heat that no split can spread: what the last splits of a shard's lineage did to its load.

use crate::load::{Load, Loads};
use crate::plan::Verdict;
use crate::quota::Dimension;
use crate::snapshot::{MetricHistory, Minute, Series, StreamMetric};

use super::density::is_narrow;
use super::history::{Amounts, Reports, newest};
use super::ingest::{Ingest, Windows};
use super::lineage::Lineage;

/// A split is lopsided if one child took so many tenths of the load: nine, because a split that
/// moves less than a tenth of the heat away cannot have been worth a shard.
const LOPSIDED_TENTHS: u128 = 9;

/// Heat is taken for one key once lopsided splits alone, two at the least, have narrowed its range
/// to one in so many: heat of many keys that fills a sixteenth of a shard or more cannot stay on
/// one side of every cut so long, since each cut that misses it makes its part of the rest larger.
pub(super) const NARROWED: u128 = 16;

/// A shard that rejects under half of its ceiling is not full; it is hit by bursts.
const BURSTY_BELOW: Load = Load(Load::CEILING.0 / 2);

/// Minutes before a split that tell whether it was made because writes were rejected: the decision
/// looks at three, which are two or three minutes old, and the step takes its time.
const BEFORE_SPLIT_MINUTES: i64 = 10;

/// The least minutes after a split that tell what it did.
const LEAST_MINUTES: i64 = 2;

/// What the verdicts look at.
pub(super) struct Heat<'a> {
    pub(super) lineage: &'a Lineage<'a>,
    pub(super) source: Source<'a>,
    pub(super) windows: Windows,
    /// The first minute that is not settled.
    pub(super) end: Minute,
    /// The load above which a shard is hot.
    pub(super) trigger: Loads,
}

/// What tells how a shard fared.
pub(super) enum Source<'a> {
    /// Its own metrics.
    Shards(&'a Reports<'a>),
    /// Those of the stream: by the owner's word every split spreads the load.
    Stream(&'a MetricHistory),
}

/// What a split did to the load.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// One side kept it.
    Lopsided,
    /// Both sides took a part of it.
    Spread,
}

impl Heat<'_> {
    /// Why splitting this open shard again would not help, if it is hot.
    pub(super) fn verdict(&self, member: usize, ingest: &Ingest, loads: Loads) -> Option<Verdict> {
        if !ingest.rejecting && loads.within(self.trigger) {
            return None;
        }
        let range = self.lineage.members()[member].shard.range;
        let shard = self.lineage.members()[member].shard.id.clone();
        let (dimension, load) = loads.binding(self.trigger);
        if self.is_one_key(member, dimension) {
            return Some(Verdict::HotKey { range, shard, dimension, load });
        }
        if ingest.rejecting && self.last_two_splits_are_known(member, dimension) {
            let mean = ingest.mean.loads(0, self.windows.mean);
            let load = mean.ingest_bytes.max(mean.ingest_records);
            if load < BURSTY_BELOW && self.last_two_splits_were_for_rejects(member) {
                return Some(Verdict::Bursty { shard, load });
            }
        }
        is_narrow(range).then_some(Verdict::Unsplittable { range, shard, dimension, load })
    }

    /// Whether lopsided splits running have narrowed the range of the heat to one in [`NARROWED`].
    fn is_one_key(&self, member: usize, dimension: Dimension) -> bool {
        let members = self.lineage.members();
        let (mut top, mut splits) = (member, 0);
        while let Some(parent) = members[top].split_from()
            && self.outcome(parent, top, dimension) == Some(Outcome::Lopsided)
        {
            (top, splits) = (parent, splits + 1);
        }
        splits >= 2 && members[top].shard.range.span() / NARROWED >= members[member].shard.range.span()
    }

    fn last_two_splits_are_known(&self, member: usize, dimension: Dimension) -> bool {
        let parent = self.lineage.members()[member].split_from();
        let grandparent = parent.and_then(|parent| self.lineage.members()[parent].split_from());
        parent.is_some_and(|parent| self.outcome(parent, member, dimension).is_some())
            && grandparent
                .zip(parent)
                .is_some_and(|(grandparent, parent)| self.outcome(grandparent, parent, dimension).is_some())
    }

    fn last_two_splits_were_for_rejects(&self, member: usize) -> bool {
        let parent = self.lineage.members()[member].split_from();
        let grandparent = parent.and_then(|parent| self.lineage.members()[parent].split_from());
        [parent, grandparent].into_iter().all(|split| split.is_some_and(|split| self.was_rejecting(split)))
    }

    /// How the load stood in the first minutes after `parent` was split, on the side of `child`
    /// and in all: what came of each side is counted, whatever it was split into since.
    fn outcome(&self, parent: usize, child: usize, dimension: Dimension) -> Option<Outcome> {
        let Source::Shards(reports) = self.source else { return Some(Outcome::Spread) };
        let split = self.lineage.members()[child].opened_by()?;
        let from = match Minute::of(split) {
            minute if minute.start() == split => minute,
            minute => minute.plus(1),
        };
        let to = from.plus((self.windows.mean as i64).max(LEAST_MINUTES)).min(self.end);
        if to.since(from) < LEAST_MINUTES {
            return None;
        }
        let carried =
            |top: usize| self.carried_since(reports, top, from, to).map(|sum| amount(sum, dimension));
        let side = carried(child)?;
        let mut all = 0_u128;
        for child in self.lineage.children(parent) {
            all += u128::from(carried(*child)?);
        }
        (all > 0).then(|| match u128::from(side) * 10 >= all * LOPSIDED_TENTHS {
            true => Outcome::Lopsided,
            false => Outcome::Spread,
        })
    }

    /// What a shard and those that came of it carried within its range.
    fn carried_since(&self, reports: &Reports, top: usize, from: Minute, to: Minute) -> Option<Amounts> {
        let members = self.lineage.members();
        let mut sum = Amounts::default();
        let mut seen = vec![false; members.len()];
        let mut next = vec![top];
        while let Some(at) = next.pop() {
            // What was split and merged again has two ways to it.
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            let member = &members[at];
            let may_be_open = member.may_have_been_open();
            let open = may_be_open.start.max(from) < may_be_open.end.min(to);
            if open && !members[top].shard.range.contains_range(member.shard.range) {
                // Merged with keys from elsewhere: what these keys carried cannot be told.
                return None;
            }
            if open {
                sum = sum.plus(reports.sum(at, from, to)?);
            }
            if open || member.closed_by().is_some_and(|closed| closed <= from.start()) {
                next.extend(self.lineage.children(at));
            }
        }
        Some(sum)
    }

    /// Whether a closed shard rejected in at least two of its last minutes.
    fn was_rejecting(&self, member: usize) -> bool {
        let (records, rejected, end) = match self.source {
            Source::Shards(reports) => {
                let [_, records, rejected] = reports.series(member);
                let end = [records, rejected]
                    .into_iter()
                    .flatten()
                    .filter_map(|series| newest(series, series.end()))
                    .max();
                (records, rejected, end.map(|last| last.plus(1)))
            }
            Source::Stream(MetricHistory { stream, .. }) => (
                stream.get(&StreamMetric::IncomingRecords),
                stream.get(&StreamMetric::WriteProvisionedThroughputExceeded),
                self.lineage.members()[member].closed_by().map(Minute::of),
            ),
        };
        let (Some(records), Some(rejected), Some(end)) = (records, rejected, end) else { return false };
        let rejects = |back: &i64| {
            let at = |series: &Series| series.at(end.plus(-back)).unwrap_or(0);
            Amounts { bytes: 0, records: at(records), rejected: at(rejected) }.is_rejecting()
        };
        (1..=BEFORE_SPLIT_MINUTES).filter(rejects).count() >= 2
    }
}

fn amount(amounts: Amounts, dimension: Dimension) -> u64 {
    match dimension {
        Dimension::IngestRecords => amounts.offered_records(),
        _ => amounts.offered_bytes(),
    }
}
