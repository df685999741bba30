//! History: what each range carried in each settled minute, and how that is known. What a range
//! carried before a reshard is known from the shards that held it then.

use std::ops::Range;

use crate::hash_key::HashKeyRange;
use crate::load::Load;
use crate::plan::Evidence;
use crate::quota::Dimension;
use crate::snapshot::{MetricHistory, Minute, Series, ShardMetric, Snapshot, StreamMetric};
use crate::stream::Shard;

use super::density::{Density, RangeShare};
use super::lineage::{Lineage, Member};

/// The settled minutes that a decision looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The first.
    pub(super) start: Minute,
    /// The first after.
    pub(super) end: Minute,
    /// The first of which anything can be known: after the start of the look-back and the
    /// creation of the stream (before it, the name and the shard IDs were another stream's).
    pub(super) known_from: Minute,
}

impl Span {
    /// The 24 hours before `end`, of which nothing is known from before the look-back and the stream.
    pub(super) fn day_before(end: Minute, snapshot: &Snapshot) -> Span {
        let known_since = snapshot.look_back_start.max(snapshot.summary.created_at);
        Span { start: end.plus(-24 * 60), end, known_from: Minute::from_start(known_since) }
    }

    pub(super) fn len(self) -> usize {
        usize::try_from(self.end.since(self.start)).unwrap_or(0)
    }

    /// The place of a minute: that of the first one for all before it, that after the last for all later ones.
    fn place(self, minute: Minute) -> usize {
        usize::try_from(minute.since(self.start)).unwrap_or(0).min(self.len())
    }
}

/// Amounts that were written, or that producers tried to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts {
    /// Accepted bytes.
    pub(super) bytes: u64,
    /// Accepted records.
    pub(super) records: u64,
    /// Rejected records.
    pub(super) rejected: u64,
}

impl Amounts {
    /// Rejected records that count as demand. Producers send a rejected record again (the SDKs
    /// three times, the KPL until it expires), so the count says how often records were turned
    /// away, not how many there are. It counts at most as much as what was accepted: demand at
    /// most doubles, and doubles again after the next step if that was too little.
    fn counted_rejects(self) -> u64 {
        self.rejected.min(self.records)
    }

    /// Accepted and rejected records, bounded.
    pub(super) fn offered_records(self) -> u64 {
        self.records.saturating_add(self.counted_rejects())
    }

    /// Accepted and rejected bytes, bounded; a rejected record counts as one of mean size.
    pub(super) fn offered_bytes(self) -> u64 {
        if self.rejected == 0 {
            return self.bytes;
        }
        let rejected = u128::from(self.bytes) * u128::from(self.counted_rejects());
        let rejected = rejected.div_ceil(u128::from(self.records.max(1)));
        self.bytes.saturating_add(u64::try_from(rejected).unwrap_or(u64::MAX))
    }

    /// How many millionths of a shard's ceiling are offered in a minute, in the dimension in which it is more.
    pub(super) fn fullness(self) -> u64 {
        let load = |dimension, amount| Load::from_sum(dimension, amount, 60).0;
        let bytes = load(Dimension::IngestBytes, self.offered_bytes());
        bytes.max(load(Dimension::IngestRecords, self.offered_records()))
    }

    /// Whether more than 0.1 % of the offered records were rejected.
    pub(super) fn is_rejecting(self) -> bool {
        if self.rejected == 0 {
            return false;
        }
        let offered = u128::from(self.records) + u128::from(self.rejected);
        u128::from(self.rejected) * 1_000 > offered
    }

    pub(super) fn plus(self, other: Amounts) -> Amounts {
        Amounts {
            bytes: self.bytes.saturating_add(other.bytes),
            records: self.records.saturating_add(other.records),
            rejected: self.rejected.saturating_add(other.rejected),
        }
    }

    fn share(self, share: RangeShare) -> Amounts {
        Amounts {
            bytes: share.of_bytes(self.bytes),
            records: share.of_records(self.records),
            rejected: share.of_records(self.rejected),
        }
    }

    fn is_nothing(self) -> bool {
        self == Amounts::default()
    }
}

/// What a range carried in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) amounts: Amounts,
    pub(super) evidence: Evidence,
    pub(super) witness: Witness,
}

/// Who measured what a range carried; of several, the least reliable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Witness {
    /// The range's own shard, or those that were merged into it.
    Own,
    /// A wider shard that had a measured window before it was split.
    Ancestor,
    /// A wider shard that was split for what its own parent carried, before it could show anything.
    Passing,
}

/// Minutes after which a minute's metrics are settled: a shard has a measured window, and may be
/// split for it, once it has been open for the window and so much longer.
const SETTLING_MINUTES: usize = 2;

impl Cell {
    const NOTHING: Cell = Cell::measured(Amounts { bytes: 0, records: 0, rejected: 0 });
    const UNKNOWN: Cell = Cell { evidence: Evidence::Unknown, ..Cell::NOTHING };

    fn plus(self, other: Cell) -> Cell {
        Cell {
            amounts: self.amounts.plus(other.amounts),
            evidence: self.evidence.max(other.evidence),
            witness: self.witness.max(other.witness),
        }
    }

    /// A split child's share of what its parent carried. A share of nothing is known to be
    /// nothing; every other is an estimate. `parent` says what the parent is worth as a witness.
    fn share(self, share: RangeShare, parent: Witness) -> Cell {
        let evidence =
            if self.amounts.is_nothing() { self.evidence } else { self.evidence.max(Evidence::Estimated) };
        let witness = if self.witness == Witness::Own { parent } else { self.witness };
        Cell { amounts: self.amounts.share(share), evidence, witness }
    }

    /// What the stream's totals tell of all keys.
    pub(super) fn of_totals(totals: [Option<u64>; 3]) -> Cell {
        match totals {
            [Some(bytes), Some(records), Some(rejected)] => {
                Cell::measured(Amounts { bytes, records, rejected })
            }
            _ => Cell::UNKNOWN,
        }
    }

    const fn measured(amounts: Amounts) -> Cell {
        Cell { amounts, evidence: Evidence::Measured, witness: Witness::Own }
    }
}

/// What a series tells of the minutes of a span, by their places in it.
#[derive(Clone, Copy)]
struct Told<'a> {
    /// The place of the first value.
    first: usize,
    values: &'a [Option<u64>],
    /// From where to where a missing value may be zero: the reply is complete, and was asked for these minutes.
    covered: (usize, usize),
}

impl<'a> Told<'a> {
    /// Of a series; nothing where there is none.
    fn of(series: Option<&'a Series>, span: Span) -> Told<'a> {
        let Some(series) = series else { return Told { first: 0, values: &[], covered: (0, 0) } };
        let (first, values) = series.within(span.start, span.end);
        let covered =
            if series.complete { (span.place(series.start), span.place(series.end())) } else { (0, 0) };
        Told { first, values, covered }
    }

    fn at(&self, place: usize) -> Option<u64> {
        self.values.get(place.wrapping_sub(self.first)).copied().flatten()
    }

    fn may_be_zero(&self, place: usize) -> bool {
        self.covered.0 <= place && place < self.covered.1
    }
}

/// The stream's own totals over the span, in the order of [`ShardMetric::INGEST`]: a minute is read when it is asked
/// for.
pub(super) struct Totals<'a> {
    told: [Told<'a>; 3],
    known: Range<usize>,
}

impl<'a> Totals<'a> {
    pub(super) fn read(metrics: &'a MetricHistory, span: Span) -> Totals<'a> {
        let told = StreamMetric::INGEST.map(|metric| Told::of(metrics.stream.get(&metric), span));
        Totals { told, known: span.place(span.known_from)..span.len() }
    }

    /// What was offered in a minute, in millionths of a shard's ceiling; unknown where any part of it is.
    pub(super) fn fullness(&self, place: usize) -> Option<u64> {
        let [bytes, records, rejected] = self.at(place);
        Some(Amounts { bytes: bytes?, records: records?, rejected: rejected? }.fullness())
    }

    /// The totals of the minute at this place of the span.
    ///
    /// A minute without a data point is unknown: that readers poll says nothing of what was
    /// written. But bytes and records are of the same writes: where one of the two is zero, so is
    /// the other. And where both are known, CloudWatch was told of the minute's writes: rejects
    /// that it was not told of are none.
    pub(super) fn at(&self, place: usize) -> [Option<u64>; 3] {
        if !self.known.contains(&place) {
            return [None; 3];
        }
        let [bytes, records, rejected] = [0, 1, 2].map(|of: usize| self.told[of].at(place));
        let may_be_zero = |of: usize| self.told[of].may_be_zero(place);
        let twin_is_zero = |of, twin| (twin == Some(0) && may_be_zero(of)).then_some(0);
        let accepted =
            [bytes.or_else(|| twin_is_zero(0, records)), records.or_else(|| twin_is_zero(1, bytes))];
        let is_told = accepted.iter().all(Option::is_some);
        let rejected = rejected.or_else(|| (is_told && may_be_zero(2)).then_some(0));
        [accepted[0], accepted[1], rejected]
    }
}

/// What the members of a lineage reported, and whether that accounts for the stream's totals.
pub(super) struct Reports<'a> {
    span: Span,
    series: Vec<[Option<&'a Series>; 3]>,
    /// What all shards reported, in each minute of the span.
    sums: Vec<[u64; 3]>,
    /// Whether that is the stream's total but for 1 %.
    accounted: Vec<[bool; 3]>,
}

impl<'a> Reports<'a> {
    pub(super) fn read(lineage: &Lineage<'a>, span: Span, totals: &Totals) -> Reports<'a> {
        let of_member = |member: &Member<'a>| ShardMetric::INGEST.map(|metric| member.metrics?.get(&metric));
        let series: Vec<_> = lineage.members().iter().map(of_member).collect();
        let mut sums = vec![[0_u64; 3]; span.len()];
        for shard in &series {
            for (of, series) in shard.iter().enumerate() {
                let Some(series) = series else { continue };
                let (first, values) = series.within(span.start, span.end);
                for (sums, value) in sums[first..].iter_mut().zip(values) {
                    sums[of] = sums[of].saturating_add(value.unwrap_or(0));
                }
            }
        }
        let accounted = sums.iter().enumerate().map(|(place, sums)| {
            let totals = totals.at(place);
            let dimensions = [Dimension::IngestBytes, Dimension::IngestRecords, Dimension::IngestRecords];
            let of =
                |of: usize| totals[of].is_some_and(|total| accounts_for(dimensions[of], sums[of], total));
            [0, 1, 2].map(of)
        });
        let accounted = accounted.collect();
        Reports { span, series, sums, accounted }
    }

    /// The series of a member, in the order of [`ShardMetric::INGEST`].
    pub(super) fn series(&self, member: usize) -> [Option<&'a Series>; 3] {
        self.series[member]
    }

    /// What all shards reported in the minute at this place of the span.
    pub(super) fn sums(&self, place: usize) -> [u64; 3] {
        self.sums[place]
    }

    /// What the shards reported from `minutes` before `end`, summed, where every series is
    /// complete and covers those minutes; missing data points count as nothing.
    pub(super) fn sum(&self, member: usize, from: Minute, to: Minute) -> Option<Amounts> {
        let mut sums = [0_u64; 3];
        for (sum, series) in sums.iter_mut().zip(self.series[member]) {
            let series =
                series.filter(|series| series.complete && series.covers(from) && to <= series.end())?;
            let (_, values) = series.within(from, to);
            *sum = values.iter().flatten().fold(0, |sum, value| sum.saturating_add(*value));
        }
        let [bytes, records, rejected] = sums;
        Some(Amounts { bytes, records, rejected })
    }

    /// What two shards carried over the same minutes, the last before both were closed and in which both
    /// were open: those in between that an UpdateShardCount makes live for none.
    pub(super) fn before_merge(
        &self,
        lineage: &Lineage,
        parents: [usize; 2],
        minutes: i64,
    ) -> Option<[Amounts; 2]> {
        let closed = parents.iter().filter_map(|at| lineage.members()[*at].closed_by()).min()?;
        let all = || parents.iter().flat_map(|at| self.series[*at]);
        let to = all().map(|series| series.map(Series::end)).min()??.min(Minute::of(closed).plus(1));
        let [low, high] = parents.map(|at| lineage.members()[at].opened_from());
        let opened = low?.max(high?);
        let from = all().map(|series| series.map(|series| series.start)).max()??.max(to.plus(-minutes));
        let from = from.max(opened);
        if to <= from {
            return None;
        }
        let [low, high] = parents.map(|at| self.sum(at, from, to));
        Some([low?, high?])
    }

    /// What is told of a member.
    fn told(&self, member: usize) -> Own<'_> {
        let told = self.series[member].map(|series| Told::of(series, self.span));
        Own { told, accounted: &self.accounted }
    }
}

/// What a member reported of itself, by places of the span.
struct Own<'a> {
    told: [Told<'a>; 3],
    accounted: &'a [[bool; 3]],
}

impl Own<'_> {
    /// What the member itself carried in the minute at this place of the span, wherever it may
    /// have been open: a missing data point is zero if the reply is complete and what all shards
    /// reported is the stream's total.
    fn cell(&self, place: usize) -> Cell {
        let mut amounts = [0_u64; 3];
        for (of, told) in self.told.iter().enumerate() {
            match told.at(place) {
                Some(amount) => amounts[of] = amount,
                None if self.accounted[place][of] && told.may_be_zero(place) => {}
                None => return Cell::UNKNOWN,
            }
        }
        let [bytes, records, rejected] = amounts;
        Cell::measured(Amounts { bytes, records, rejected })
    }

    fn has_any(&self, place: usize) -> bool {
        self.told.iter().any(|told| told.at(place).is_some())
    }
}

/// The newest minute of a series before `end` that has data.
pub(super) fn newest(series: &Series, end: Minute) -> Option<Minute> {
    series.first_and_last(end, |value| value.is_some()).map(|(_, last)| last)
}

/// Whether what the shards reported is the stream's total: within 1 % of it, and what is missing
/// at most a tenth of what one shard can carry. The second bound keeps the first one honest on wide
/// streams: of 200 shards one carries half a percent, and its missing data point must not pass for
/// an idle minute. A tenth of a ceiling is less than the tolerance that merges leave.
pub fn accounts_for(dimension: Dimension, shards: u64, total: u64) -> bool {
    total.abs_diff(shards).saturating_mul(100) <= total
        && total.saturating_sub(shards) <= dimension.ceiling_per_second() * 60 / 10
}

/// What the range of every member carried in each minute of the span, as far as its cells bear on an
/// open one: its own report while it was open, what it inherited from its parents before, and both in
/// the minute of the reshard. Of each as many minutes as are [`needed`].
/// `window` is the number of minutes over which demand is averaged.
pub(super) fn carried(
    lineage: &Lineage,
    reports: &Reports,
    densities: &[Density],
    needed: &[usize],
    window: usize,
) -> Vec<Vec<Cell>> {
    let span = reports.span;
    let members = lineage.members();
    let mut carried: Vec<Vec<Cell>> = vec![Vec::new(); members.len()];
    for at in lineage.order().iter().filter(|at| needed[**at] > 0) {
        let member = &members[*at];
        let (opened, closed) = (member.opened_from(), member.closed_from());
        let own = reports.told(*at);
        let maybe_open = member.may_have_been_open();
        let maybe_open = span.place(maybe_open.start)..span.place(maybe_open.end);
        let inherits = opened.is_none_or(|opened| opened > span.start);
        let share = member.split_from().filter(|_| inherits).map(|parent| {
            let had_a_window = whole_minutes(&members[parent], span) >= window + SETTLING_MINUTES;
            let witness = if had_a_window { Witness::Ancestor } else { Witness::Passing };
            (densities[parent].share(member.shard.range), witness)
        });
        // This is most of what a decision on a long window takes.
        let inherited = |carried: &[Vec<Cell>], place: usize| {
            member.parents.iter().fold(Cell::NOTHING, |sum, parent| {
                let cell = carried[*parent][place];
                sum.plus(share.map_or(cell, |(share, witness)| cell.share(share, witness)))
            })
        };
        let places = 0..needed[*at].min(span.len());
        let was_closed = closed.map_or(span.len(), |closed| span.place(closed));
        let had_opened = opened.map_or(span.len(), |opened| span.place(opened));
        let (known_from, its_own) = (span.place(span.known_from), had_opened..was_closed);
        let cells = places.map(|place| {
            if place < known_from {
                Cell::UNKNOWN
            } else if its_own.contains(&place) {
                own.cell(place)
            } else if place >= was_closed && !own.has_any(place) {
                Cell::NOTHING
            } else if place >= had_opened {
                own.cell(place)
            } else if member.parents.is_empty() {
                if own.has_any(place) { own.cell(place) } else { Cell::UNKNOWN }
            } else if maybe_open.contains(&place) || own.has_any(place) {
                own.cell(place).plus(inherited(&carried, place))
            } else {
                inherited(&carried, place)
            }
        });
        let cells = cells.collect();
        carried[*at] = cells;
    }
    carried
}

/// Of how many minutes, from the start of the span, what a member carried is asked for: all of an open
/// one; of a parent those before its last child is proved to have opened, as far as the child's are.
pub(super) fn needed(lineage: &Lineage, span: Span) -> Vec<usize> {
    let members = lineage.members();
    let mut needed: Vec<usize> =
        members.iter().map(|member| if member.shard.closed { 0 } else { span.len() }).collect();
    for at in lineage.order().iter().rev() {
        if needed[*at] == 0 || members[*at].parents.is_empty() {
            continue;
        }
        let inherited = members[*at]
            .opened_from()
            .map_or(span.len(), |opened| usize::try_from(opened.since(span.start)).unwrap_or(0))
            .min(needed[*at]);
        for parent in members[*at].parents.iter() {
            needed[*parent] = needed[*parent].max(inherited);
        }
    }
    needed
}

/// The minutes of the span throughout which a member is proved to have been open.
fn whole_minutes(member: &Member, span: Span) -> usize {
    let Some(opened) = member.opened_from() else { return 0 };
    let end = member.closed_from().map_or(span.end, |closed| closed.plus(-1).min(span.end));
    usize::try_from(end.since(opened.max(span.start))).unwrap_or(0)
}

/// What the range of every open member carried by the owner's word that keys are even: its share
/// of the stream's totals by width.
pub(super) fn spread_evenly(lineage: &Lineage, totals: &Totals, span: Span) -> Vec<Vec<Cell>> {
    let whole = Density::even(HashKeyRange::WHOLE);
    let spread = |shard: &Shard| {
        let share = whole.share(shard.range);
        let cell = |place| {
            let whole = Cell::of_totals(totals.at(place));
            Cell { amounts: whole.amounts.share(share), ..whole }
        };
        (0..span.len()).map(cell).collect()
    };
    let members = lineage.members().iter();
    members.map(|member| if member.shard.closed { Vec::new() } else { spread(member.shard) }).collect()
}
