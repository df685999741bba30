//! What calls of UpdateShardCount have left in the lineage. AWS tells of none of them; but each leaves
//! equal ranges, and the shards that it made are listed.

use jiff::Timestamp;

use crate::hash_key::HashKeyRange;
use crate::snapshot::Snapshot;

use super::limits;
use super::lineage::{Lineage, Member};

/// The most shards that UpdateShardCount leads to (API).
const MOST_SHARDS: u128 = 10_000;

/// The calls of the last day, as far as the look-back goes.
///
/// Of each count whose equal ranges are all listed, there were as many calls as there are instants in which
/// shards of half of these ranges or more may have opened: every call makes a shard of each range that was
/// not open already, all of them at once, where splits make them one by one. That errs on the other side for
/// a call that finds most of its ranges open; then AWS refuses one that is too many, and splits have to do.
pub(super) struct CountUpdates {
    /// By when each had been made.
    pub(super) calls: Vec<Timestamp>,
    made: Vec<bool>,
}

impl CountUpdates {
    pub(super) fn read(snapshot: &Snapshot, lineage: &Lineage) -> CountUpdates {
        let (day, members) = (limits::day(snapshot), lineage.members());
        let mut updates = CountUpdates { calls: Vec::new(), made: vec![false; members.len()] };
        let part = |(at, member): (usize, &Member)| {
            let (count, place) = equal_part(member.shard.range)?;
            Some(Part { count, place, at })
        };
        let mut parts: Vec<Part> = members.iter().enumerate().filter_map(part).collect();
        parts.sort_unstable();
        let is_young = |part: &&Part| {
            let member = &members[part.at];
            member.shard.parent.is_some() && member.opened_by().is_none_or(|by| by > day)
        };
        for parts in parts.chunk_by(|part, next| part.count == next.count) {
            let count = parts[0].count;
            if parts.chunk_by(|part, next| part.place == next.place).count() == count as usize {
                for (by, made) in opened_together(parts.iter().filter(is_young), lineage, count.div_ceil(2)) {
                    updates.calls.push(by.min(snapshot.observed_at));
                    made.iter().for_each(|at| updates.made[*at] = true);
                }
            }
        }
        // Shards in between live for no time: nothing shows them open before what came of them.
        for at in lineage.order().iter().rev().filter(|at| members[**at].shard.adjacent_parent.is_some()) {
            let by_update = updates.made[*at];
            for parent in members[*at].parents.iter().filter(|_| by_update) {
                let lived = members[*parent].opened_by().zip(members[*at].opened_by());
                updates.made[*parent] |= lived.is_none_or(|(parent, child)| parent >= child);
            }
        }
        updates
    }

    /// Whether the member was made by one of the calls.
    pub(super) fn made(&self, at: usize) -> bool {
        self.made[at]
    }
}

/// A member whose range is one of `count` equal ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    count: u32,
    place: u32,
    at: usize,
}

/// Which shards may have opened in the same instant, none of them in the place of another: those of each
/// instant together, where they are `least` or more, with the latest that it can have been.
fn opened_together<'a>(
    young: impl Iterator<Item = &'a Part>,
    lineage: &Lineage,
    least: u32,
) -> Vec<(Timestamp, Vec<usize>)> {
    let bounds = |at: usize| {
        let member = &lineage.members()[at];
        (member.opened_by().unwrap_or(Timestamp::MAX), member.not_open_at().unwrap_or(Timestamp::MIN))
    };
    let mut rest: Vec<_> = young.map(|part| (bounds(part.at), part.place, part.at)).collect();
    rest.sort_unstable();
    let mut groups = Vec::new();
    // By place, of which group one of its shards is.
    let mut taken = vec![0; rest.iter().map(|(_, place, _)| *place as usize + 1).max().unwrap_or(0)];
    let mut number = 0;
    while rest.len() >= least.max(1) as usize {
        let ((instant, _), _, first) = rest[0];
        let mut group = Vec::new();
        number += 1;
        rest.retain(|((_, after), place, at)| {
            let is_free = taken[*place as usize] != number;
            let is_taken = is_free && (*at == first || *after < instant);
            if is_taken {
                taken[*place as usize] = number;
                group.push(*at);
            }
            !is_taken
        });
        if group.len() >= least as usize {
            groups.push((instant, group));
        }
    }
    groups
}

/// The count and the place of the equal ranges that `range` is one of, if it is: two at the least.
fn equal_part(range: HashKeyRange) -> Option<(u32, u32)> {
    let width = range.span().max(1);
    // Rounded, for the width is.
    let count = (u128::MAX / width).saturating_add(u128::from(u128::MAX % width > width / 2));
    let count = u32::try_from(count).ok().filter(|count| (2..=MOST_SHARDS).contains(&u128::from(*count)))?;
    let part = u128::MAX / u128::from(count);
    let (start, leeway) = (range.start().0, HashKeyRange::leeway(count));
    let place = start / part + u128::from(start % part > part / 2);
    let is_near = start.abs_diff(place * part) <= leeway && span_is_near(range.span(), part, leeway);
    (is_near && place < u128::from(count)).then_some((count, u32::try_from(place).ok()?))
}

fn span_is_near(span: u128, part: u128, leeway: u128) -> bool {
    span.abs_diff(part) <= leeway
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Story, by_width, percent, policy};
    use super::*;
    use crate::demand::assess;
    use crate::hash_key::HashKey;

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

    fn counted(story: &Story) -> (u32, u32) {
        let demand = assess(&story.snapshot(), &policy());
        (demand.count_updates_made(), demand.merges_in_the_last_day)
    }

    #[test]
    fn each_call_is_counted_once_and_its_merges_are_none_of_the_budget() {
        let mut story = Story::of(4);
        story.pass(10, traffic);
        assert_eq!(counted(&story), (0, 0), "a stream is made of equal ranges");
        for (calls, count) in [(1, 8), (2, 5), (3, 8), (4, 6), (5, 3)] {
            update(&mut story, count);
            story.pass(10, traffic);
            assert_eq!(counted(&story), (calls, 0), "to {count}");
        }
        // A merge of two shards is one.
        let open = story.open_shards();
        story.merge(open[0], open[1], false);
        story.pass(10, traffic);
        assert_eq!(counted(&story), (5, 1));
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
