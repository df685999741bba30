//! The demand of each open shard: its history put together with its density, its lineage and its
//! readers.

use crate::load::Loads;
use crate::plan::{Evidence, Hold, Verdict};
use crate::policy::{MetricsSource, ScalingPolicy};
use crate::snapshot::Snapshot;

use super::ShardDemand;
use super::density::{self, Density};
use super::heat::{Heat, Source};
use super::history::{self, Cell, Reports, Span, Totals, Witness};
use super::ingest::{Ingest, Offered, Windows};
use super::lineage::Lineage;
use super::readers::Readers;
use super::rise::Rise;

/// All that the demand of a shard is read from.
pub(super) struct View<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) policy: &'a ScalingPolicy,
    /// The targets that hold now.
    pub(super) trigger: Loads,
    pub(super) windows: Windows,
    pub(super) rise: Rise,
    /// As [`super::Demand::foreseen_per_mille`].
    pub(super) foreseen_per_mille: u64,
    pub(super) span: Span,
    pub(super) lineage: &'a Lineage<'a>,
    pub(super) reports: &'a Reports<'a>,
    pub(super) readers: &'a Readers,
    /// Whether the stream shows nothing at all: of a shard that shows nothing either, nothing is missing then.
    pub(super) is_silent: bool,
}

impl View<'_> {
    /// The open shards in hash-key order, and what no step can cure in them.
    pub(super) fn shards(&self, totals: &Totals) -> (Vec<ShardDemand>, Vec<Verdict>) {
        let members = self.lineage.members();
        let mut order: Vec<usize> = (0..members.len()).filter(|at| !members[*at].shard.closed).collect();
        order.sort_by_key(|at| members[*at].shard.range);
        let by_shard = self.policy.metrics.source == MetricsSource::Shard;
        let (densities, carried) = if by_shard {
            let needed = history::needed(self.lineage, self.span);
            let densities = Density::of_lineage(self.lineage, &needed, |parents, minutes| {
                self.reports.before_merge(self.lineage, parents, minutes)
            });
            let carried =
                history::carried(self.lineage, self.reports, &densities, &needed, self.windows.mean);
            (densities, carried)
        } else {
            let densities: Vec<_> = members.iter().map(|member| Density::even(member.shard.range)).collect();
            let carried = history::spread_evenly(self.lineage, totals, self.span);
            (densities, carried)
        };
        let mut verdicts = Vec::new();
        let shards = order.into_iter().map(|at| {
            let (demand, verdict) = self.shard(at, &carried[at], &densities[at]);
            verdicts.extend(verdict);
            demand
        });
        let shards = shards.collect();
        (shards, verdicts)
    }

    fn shard(&self, at: usize, cells: &[Cell], density: &Density) -> (ShardDemand, Option<Verdict>) {
        let shard = self.lineage.members()[at].shard;
        let ingest = Ingest::of(cells, self.windows, self.rise);
        let loads =
            |offered: Offered| offered.loads(self.readers.read_bytes(offered.to_be_read), self.windows.mean);
        let now = loads(ingest.now);
        let foreseen = loads(self.rise.carry(ingest.mean)).scaled(self.foreseen_per_mille, 1_000);
        let peak = loads(ingest.peak).max(foreseen);
        let heat = Heat {
            lineage: self.lineage,
            source: match self.policy.metrics.source {
                MetricsSource::Shard => Source::Shards(self.reports),
                MetricsSource::Stream => Source::Stream(&self.snapshot.metrics),
            },
            windows: self.windows,
            end: self.span.end,
            trigger: self.trigger,
        };
        let verdict = heat.verdict(at, &ingest, now);
        let whole = verdict.is_some() || density::is_narrow(shard.range);
        let segments = if whole { vec![shard.range] } else { density.segments() };
        let vouched_for = self.policy.metrics.source == MetricsSource::Stream;
        let spread_is_known = vouched_for || density.is_measured(&segments);
        let draining = self.draining(at);
        let mut window = cells[cells.len().saturating_sub(self.windows.mean)..].iter();
        let is_silent = self.is_silent && window.all(|cell| cell.evidence == Evidence::Unknown);
        let silent = is_silent.then_some(Hold::SilentStream);
        let unknown = self.unknown(at, cells, self.windows.mean, ingest.window).filter(|_| !is_silent);
        let evidence = match (ingest.window, ingest.span) {
            (Evidence::Unknown, _) if !ingest.rejecting => Evidence::Unknown,
            (Evidence::Measured, Evidence::Measured) => Evidence::Measured,
            _ => Evidence::Estimated,
        };
        let estimated = || {
            (evidence != Evidence::Measured).then(|| Hold::LoadEstimated { shards: vec![shard.id.clone()] })
        };
        let settling = || {
            (ingest.window != Evidence::Measured)
                .then(|| Hold::MetricsSettling { shards: vec![shard.id.clone()] })
        };
        let mixed = || settling().filter(|_| !is_silent && !self.may_decide_splits(cells));
        let demand = ShardDemand {
            id: shard.id.clone(),
            range: shard.range,
            evidence,
            rejecting: ingest.rejecting,
            density: if spread_is_known { Evidence::Measured } else { Evidence::Estimated },
            segments: density.spread(&segments, now, peak),
            unsettled: silent.clone().or(unknown.clone()).or_else(settling),
            // Rejects that were measured are proof enough of heat, and heat does not wait.
            split_guard: if ingest.rejecting {
                None
            } else {
                unknown.clone().or(draining.clone()).or_else(mixed)
            },
            merge_guard: silent
                .or(unknown)
                .or(draining)
                .or_else(|| match self.unknown(at, cells, self.windows.down, ingest.span)? {
                    // Too young for the stabilisation window: that holds merges alone.
                    Hold::MetricsSettling { shards } => Some(Hold::LoadEstimated { shards }),
                    hold => Some(hold),
                })
                .or_else(estimated),
        };
        (demand, verdict)
    }

    /// Whether a split may be decided on this window: all of it measured by the shard itself, or all
    /// of it inherited from one that had a measured window before it was split. A window that mixes
    /// the two, or that shows what a shard carried which was split in passing, tells neither how hot
    /// this shard is nor what the splits did: children would be split again and again for heat that
    /// was seen in their parents too late, before they can show that it sits in one place.
    fn may_decide_splits(&self, cells: &[Cell]) -> bool {
        let window = &cells[cells.len().saturating_sub(self.windows.mean)..];
        let all = |witness| window.iter().all(|cell| cell.witness == witness);
        all(Witness::Own) || all(Witness::Ancestor)
    }

    /// Why the last `minutes` are not known as a whole, if they are not.
    fn unknown(&self, at: usize, cells: &[Cell], minutes: usize, evidence: Evidence) -> Option<Hold> {
        if evidence != Evidence::Unknown {
            return None;
        }
        let member = &self.lineage.members()[at];
        let first = cells.len().saturating_sub(minutes);
        let unknown = cells[first..].iter().rposition(|cell| cell.evidence == Evidence::Unknown)?;
        let minute = self.span.start.plus((first + unknown) as i64);
        let had_opened = member.had_opened_before(minute) && minute >= self.span.known_from;
        Some(if had_opened {
            Hold::MetricsMissing { shards: vec![member.shard.id.clone()], minute: minute.start() }
        } else {
            Hold::MetricsSettling { shards: vec![member.shard.id.clone()] }
        })
    }

    /// Readers finish the parents of a shard before they begin with it.
    fn draining(&self, at: usize) -> Option<Hold> {
        let member = &self.lineage.members()[at];
        let has_parents = member.shard.parents().next().is_some();
        let draining =
            has_parents && self.readers.may_be_draining(member.opened_by(), self.snapshot.observed_at);
        draining.then(|| Hold::ParentsDraining {
            shards: vec![member.shard.id.clone()],
            until_age_seconds: self.readers.drained_at_seconds,
        })
    }
}
