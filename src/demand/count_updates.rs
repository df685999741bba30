//! What calls of UpdateShardCount have left in the lineage. AWS tells of none of them; but each leaves
//! equal ranges, and the shards that it made are listed.
//!
//! Two budgets ask, and each has its own safe side. Of calls AWS allows ten a day: what may have been one counts as
//! one. Merges are left out of theirs only where a call has made them for sure: where there were more steps than can
//! have come one after another in that time.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::hash_key::HashKeyRange;
use crate::policy::{ScalingPolicy, UpdateShardCount};
use crate::snapshot::Snapshot;

use super::limits;
use super::lineage::{Lineage, Member};

/// The most shards that UpdateShardCount leads to (API).
const MOST_SHARDS: u32 = 10_000;

/// Seconds that a split or a merge takes at the least, unless the owner says that it takes less: half of the 30 s
/// that are told of ([`crate::policy::Pace`]), for AWS says nothing. A stream makes one at a time (API).
const LEAST_STEP_SECONDS: u64 = 15;

/// The calls of the last day, as far as the look-back goes.
///
/// Of each count whose equal ranges are all listed, there were as many calls as there are instants in which
/// shards of half of these ranges or more may have opened: every call makes a shard of each range that was
/// not open already, all of them at once, where splits make them one by one. That errs on the other side for
/// a call that finds most of its ranges open; then AWS refuses one that is too many, and splits have to do.
pub(super) struct CountUpdates {
    /// By when each had been made.
    pub(super) calls: Vec<Timestamp>,
    surely_made: Vec<bool>,
}

impl CountUpdates {
    pub(super) fn read(snapshot: &Snapshot, policy: &ScalingPolicy, lineage: &Lineage) -> CountUpdates {
        let (day, members) = (limits::day(snapshot), lineage.members());
        let mut updates = CountUpdates { calls: Vec::new(), surely_made: vec![false; members.len()] };
        let part = |(at, member): (usize, &Member)| {
            let (count, place) = equal_part(member.shard.range)?;
            Some(Part { count, place, at })
        };
        let mut parts = Vec::with_capacity(members.len());
        parts.extend(members.iter().enumerate().filter_map(part));
        // A call leaves its parts in order.
        parts.sort_by_key(|part| u64::from(part.count) << 32 | u64::from(part.place));
        let is_young = |part: &&Part| {
            let member = &members[part.at];
            member.shard.parent.is_some() && member.opened_by().is_none_or(|by| by > day)
        };
        let steps = Steps::of(policy, lineage);
        for parts in parts.chunk_by(|part, next| part.count == next.count) {
            let count = parts[0].count;
            if parts.chunk_by(|part, next| part.place == next.place).count() == count as usize {
                for made in opened_together(parts.iter().filter(is_young), lineage, count) {
                    let by = made.iter().map(|part| part.opened_by).min();
                    updates.calls.push(by.map_or(snapshot.observed_at, |by| by.min(snapshot.observed_at)));
                    let surely = steps.as_ref().and_then(|steps| steps.too_many_for_their_time(&made));
                    surely.into_iter().flatten().for_each(|at| updates.surely_made[at] = true);
                }
            }
        }
        updates
    }

    /// Whether the member was made by one of the calls for sure.
    pub(super) fn surely_made(&self, at: usize) -> bool {
        self.surely_made[at]
    }
}

/// The splits and merges that shards came of.
struct Steps<'a> {
    lineage: &'a Lineage<'a>,
    /// By member, the latest instant at which it is proved not to have been open yet: nor was what came of it.
    not_open_at: Vec<Timestamp>,
    least: SignedDuration,
}

impl<'a> Steps<'a> {
    /// None where nothing of ours calls: then no budget but that of merges holds what the calls of others merge.
    fn of(policy: &ScalingPolicy, lineage: &'a Lineage) -> Option<Steps<'a>> {
        if policy.update_shard_count == UpdateShardCount::Never {
            return None;
        }
        let members = lineage.members();
        let mut not_open_at: Vec<_> =
            members.iter().map(|member| member.not_open_at().unwrap_or(Timestamp::MIN)).collect();
        for at in lineage.order() {
            let of_parents = members[*at].parents.iter().map(|parent| not_open_at[*parent]);
            not_open_at[*at] = of_parents.fold(not_open_at[*at], Ord::max);
        }
        let seconds = policy.pace.step_seconds.min(LEAST_STEP_SECONDS);
        let least = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        Some(Steps { lineage, not_open_at, least })
    }

    /// These shards with those in between that lived for no time, if they came of more steps than fit, one after
    /// another, between the last instant at which none of them was open and the first at which all were.
    fn too_many_for_their_time(&self, made: &[Young]) -> Option<BTreeSet<usize>> {
        let members = self.lineage.members();
        let since = made.iter().map(|shard| self.not_open_at[shard.at]).min()?;
        let by = made.iter().map(|shard| shard.opened_by).max()?;
        let (mut all, mut steps) = (BTreeSet::new(), BTreeSet::new());
        let mut next: Vec<usize> = made.iter().map(|shard| shard.at).collect();
        while let Some(at) = next.pop() {
            if !all.insert(at) {
                continue;
            }
            // Both children of a split are one step.
            steps.insert(members[at].shard.parent.as_ref());
            // Nothing shows them open before what came of them.
            let lived_for_no_time = |parent: &&usize| {
                let lived = members[**parent].opened_by().zip(members[at].opened_by());
                lived.is_none_or(|(parent, child)| parent >= child) && self.not_open_at[**parent] >= since
            };
            next.extend(members[at].parents.iter().filter(lived_for_no_time));
        }
        let between = i32::try_from(steps.len()).unwrap_or(i32::MAX) - 1;
        // Contradicting witnesses (two clocks) leave no time, and prove nothing.
        let time = by.duration_since(since);
        (time.is_positive() && self.least.saturating_mul(between) >= time).then_some(all)
    }
}

/// A member whose range is one of `count` equal ones.
#[derive(Debug, Clone, Copy)]
struct Part {
    count: u32,
    place: u32,
    at: usize,
}

/// A part that may have been made by a call, the first that is proved to be open first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Young {
    opened_by: Timestamp,
    not_open_at: Timestamp,
    place: u32,
    at: usize,
}

/// Which shards, in the order of their places, may have opened in the same instant, none of them in the place of
/// another: those of each instant together, where they are half of `count` or more.
fn opened_together<'a>(
    young: impl Iterator<Item = &'a Part>,
    lineage: &Lineage,
    count: u32,
) -> Vec<Vec<Young>> {
    let young = young.map(|Part { place, at, count: _ }| {
        let member = &lineage.members()[*at];
        let opened_by = member.opened_by().unwrap_or(Timestamp::MAX);
        Young {
            opened_by,
            not_open_at: member.not_open_at().unwrap_or(Timestamp::MIN),
            place: *place,
            at: *at,
        }
    });
    let (least, mut rest) = (count.div_ceil(2) as usize, Vec::with_capacity(2 * count as usize));
    rest.extend(young);
    let mut groups = Vec::new();
    while rest.len() >= least
        && let Some(first) = rest.iter().min().copied()
    {
        let mut group: Vec<Young> = Vec::with_capacity(rest.len());
        for shard in &rest {
            let with_the_first = shard.at == first.at || shard.not_open_at < first.opened_by;
            match group.last_mut() {
                _ if !with_the_first => {}
                Some(last) if last.place == shard.place => *last = *shard.min(last),
                _ => group.push(*shard),
            }
        }
        let mut taken = group.iter().peekable();
        rest.retain(|shard| taken.next_if(|taken| taken.at == shard.at).is_none());
        if group.len() >= least {
            groups.push(group);
        }
    }
    groups
}

/// The count and the place of the equal ranges that `range` is one of, if it is: two at the least.
fn equal_part(range: HashKeyRange) -> Option<(u32, u32)> {
    // Rounded, for the width is. Of 10,000 parts the upper half of the bits tells 2^50 widths apart.
    let width = upper(range.span()).max(1);
    let count =
        u32::try_from(nearest(u64::MAX, width)).ok().filter(|count| (2..=MOST_SHARDS).contains(count))?;
    let (part, leeway) = (u128::MAX / u128::from(count), HashKeyRange::leeway(count));
    if range.span().abs_diff(part) > leeway {
        return None;
    }
    let start = range.start().0;
    let place = u32::try_from(nearest(upper(start), upper(part))).ok().filter(|place| *place < count)?;
    (start.abs_diff(u128::from(place) * part) <= leeway).then_some((count, place))
}

fn upper(keys: u128) -> u64 {
    u64::try_from(keys >> 64).unwrap_or(u64::MAX)
}

/// How many times `part` goes into `whole`, rounded.
fn nearest(whole: u64, part: u64) -> u64 {
    whole / part + u64::from(whole % part > part / 2)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Story, by_width, percent, policy};
    use super::*;
    use crate::demand::assess;
    use crate::hash_key::HashKey;
    use crate::snapshot::ShardMetric;

    /// Splits and merges at once to `count` equal ranges, as the simulator makes them.
    fn update(story: &mut Story, count: u32) {
        let starts: Vec<HashKey> =
            HashKeyRange::WHOLE.equal_parts(count).into_iter().map(HashKeyRange::start).collect();
        let open = |story: &Story| {
            let mut open = story.open_shards();
            open.sort_by_key(|at| story.shards[*at].range);
            open
        };
        for start in &starts {
            let near = |at: &usize| story.shards[*at].range.start().0.abs_diff(start.0) < 1 << 64;
            let owner = open(story).into_iter().find(|at| story.shards[*at].range.contains(*start));
            let owner = owner.expect("they tile");
            if !open(story).iter().any(near) {
                story.split_at(owner, *start, false);
            }
        }
        while let Some(at) = open(story).windows(2).find(|two| {
            let start = story.shards[two[1]].range.start();
            !starts.iter().any(|wanted| wanted.0.abs_diff(start.0) < 1 << 64)
        }) {
            story.merge(at[0], at[1], false);
        }
    }

    fn traffic(range: HashKeyRange) -> super::super::history::Amounts {
        by_width(range, percent(200))
    }

    /// How many calls, and merges of the budget, where we may call ourselves.
    fn counted(story: &Story) -> (u32, u32) {
        counted_where(story, UpdateShardCount::Auto)
    }

    fn counted_where(story: &Story, update_shard_count: UpdateShardCount) -> (u32, u32) {
        let demand = assess(&story.snapshot(), &ScalingPolicy { update_shard_count, ..policy() });
        (demand.count_updates_made(), demand.merges_in_the_last_day)
    }

    #[test]
    fn each_call_is_counted_once_and_its_merges_are_none_of_the_budget() {
        let mut story = Story::of(4);
        story.pass(10, traffic);
        assert_eq!(counted(&story), (0, 0), "a stream is made of equal ranges");
        // Three merges within two minutes may have been as many steps.
        for (calls, count, merges) in [(1, 8, 0), (2, 5, 0), (3, 8, 0), (4, 6, 0), (5, 3, 3)] {
            update(&mut story, count);
            story.pass(10, traffic);
            assert_eq!(counted(&story), (calls, merges), "to {count}");
        }
        // The newest was made thirteen minutes ago, and its shards reported by the end of the first of them.
        let mut ages = assess(&story.snapshot(), &policy()).count_updates_minutes_ago;
        ages.sort_unstable();
        assert_eq!(ages, [12, 22, 32, 42, 52]);
        // A merge of two shards is one.
        let open = story.open_shards();
        story.merge(open[0], open[1], false);
        story.pass(10, traffic);
        assert_eq!(counted(&story), (5, 4));
    }

    #[test]
    fn merges_that_may_have_been_single_steps_are_of_the_budget_though_a_call_may_have_made_them() {
        let mut story = Story::of(4);
        story.pass(10, traffic);
        story.merge(0, 1, false);
        story.merge(2, 3, false);
        story.pass(10, traffic);
        assert_eq!(counted(&story), (1, 2));
        // One at a time: of two shards, one is half of the space.
        let mut story = Story::of(2);
        for merges in 1..=3 {
            story.pass(10, traffic);
            let [low, high] = story.split(*story.open_shards().last().expect("two are open"));
            story.pass(10, traffic);
            story.merge(low, high, false);
            story.pass(10, traffic);
            assert_eq!(counted(&story).1, merges);
        }
    }

    #[test]
    fn witnesses_that_contradict_each_other_prove_no_call() {
        let mut story = Story::of(3);
        story.pass(10, traffic);
        story.merge(0, 1, false);
        story.pass(10, traffic);
        let [_, high] = story.split_at(3, HashKey(1 << 127), false);
        story.pass(10, traffic);
        story.merge(high, 2, false);
        story.pass(10, traffic);
        let mut snapshot = story.snapshot();
        // A topology without the upper half, which has had data for minutes.
        let late = snapshot.past_topologies.last_mut().expect("there are some");
        late.open = story.shards[..3].iter().map(|shard| shard.id.clone()).collect();
        let policy = ScalingPolicy { update_shard_count: UpdateShardCount::Auto, ..policy() };
        assert_eq!(assess(&snapshot, &policy).merges_in_the_last_day, 2);
    }

    #[test]
    fn where_nothing_of_ours_calls_the_merges_of_others_calls_are_of_the_budget() {
        let mut story = Story::of(8);
        story.pass(10, traffic);
        update(&mut story, 5);
        story.pass(10, traffic);
        assert_eq!(counted_where(&story, UpdateShardCount::Never), (1, 7));
        for may_call in [UpdateShardCount::Emergency, UpdateShardCount::Auto] {
            assert_eq!(counted_where(&story, may_call), (1, 0));
        }
        // Where a step takes a second, eleven of them fit.
        let mut policy = ScalingPolicy { update_shard_count: UpdateShardCount::Auto, ..policy() };
        policy.pace.step_seconds = 1;
        assert_eq!(assess(&story.snapshot(), &policy).merges_in_the_last_day, 7);
    }

    #[test]
    fn a_merge_from_before_a_call_is_of_the_budget_though_nobody_wrote_to_its_shard_before() {
        let mut story = Story::of(8);
        let idle_below = |range: HashKeyRange| match range.start().0 >> 126 {
            0 => Default::default(),
            _ => traffic(range),
        };
        story.pass(10, idle_below);
        let merged = story.merge(0, 1, false);
        story.pass(10, idle_below);
        update(&mut story, 5);
        story.pass(10, traffic);
        let mut snapshot = story.snapshot();
        snapshot.past_topologies.clear();
        // It was first written to in the minute of the call.
        let metrics = snapshot.metrics.shards.get_mut(&story.shards[merged].id).expect("all are told");
        metrics.get_mut(&ShardMetric::IncomingRecords).expect("all are told").values[20] = Some(1);
        let policy = ScalingPolicy { update_shard_count: UpdateShardCount::Auto, ..policy() };
        assert_eq!(assess(&snapshot, &policy).merges_in_the_last_day, 1);
    }

    #[test]
    fn shards_that_lived_for_no_time_are_no_evidence_of_keys_without_load() {
        let mut story = Story::of(8);
        story.pass(30, traffic);
        update(&mut story, 6);
        story.pass(10, traffic);
        let demand = assess(&story.snapshot(), &policy());
        for shard in &demand.shards {
            for segment in &shard.segments {
                let even = shard.range.as_dense(shard.loads().ingest_records.0, segment.range);
                let load = segment.loads.ingest_records.0;
                assert!(
                    load.abs_diff(even) <= even / 4,
                    "{} has {load} and {even} by its keys",
                    segment.range
                );
            }
        }
    }

    #[test]
    fn splits_and_merges_that_leave_other_ranges_are_no_call() {
        let mut story = Story::of(4);
        story.pass(10, traffic);
        let [low, _] = story.split(0);
        story.pass(10, traffic);
        story.split(low);
        story.pass(10, traffic);
        story.split(1);
        story.pass(10, traffic);
        assert_eq!(counted(&story), (0, 0));
        // All of them halved: that might have been a call.
        story.split(2);
        story.split(3);
        story.pass(10, traffic);
        assert_eq!(counted(&story), (1, 0));
    }

    #[test]
    fn shards_that_were_halved_one_by_one_are_no_call_though_all_of_them_are_equal() {
        let mut story = Story::of(4);
        story.pass(10, traffic);
        for shard in 0..4 {
            story.split(shard);
            story.pass(10, traffic);
        }
        assert_eq!(counted(&story), (0, 0));
    }

    #[test]
    fn a_range_is_told_for_the_part_that_it_is_and_no_other() {
        for count in [2, 3, 59, 60, 200, 10_000] {
            for (place, range) in HashKeyRange::WHOLE.equal_parts(count).into_iter().enumerate() {
                assert_eq!(equal_part(range), Some((count, place as u32)));
            }
        }
        assert_eq!(equal_part(HashKeyRange::WHOLE), None);
        let shifted = HashKeyRange::new(HashKey(1 << 120), HashKey((1 << 120) + (1 << 126)));
        assert_eq!(equal_part(shifted.expect("ascending")), None);
    }
}
