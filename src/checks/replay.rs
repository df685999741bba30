//! Takes the steps of a plan one by one, the plain way: the consumed ranges out, the made ones in.

use super::violation::{CoverFlaw, StepFlaw};
use crate::hash_key::{HashKey, HashKeyRange};
use crate::plan::Step;

/// What a step does to the open ranges.
#[derive(Debug, PartialEq)]
pub(super) struct Effect {
    /// The ranges that it closes.
    pub consumed: Vec<HashKeyRange>,
    /// The ranges that it opens.
    pub made: Vec<HashKeyRange>,
    /// How many ranges are open after it.
    pub count: usize,
}

/// Takes one step. A step that cannot be taken leaves `open` as it is.
pub(super) fn take(step: &Step, open: &mut Vec<HashKeyRange>) -> Result<Effect, StepFlaw> {
    let (consumed, made) = match step {
        Step::Split { range, at } => {
            let (start, end, at) = (range.start().0, range.end().0, at.0);
            let halves = if at.checked_sub(start).is_some_and(|below| below >= 2) && at < end {
                between(start, at - 1).zip(between(at, end))
            } else {
                None
            };
            let consumed = all_open(open, [*range].to_vec())?;
            let (low, high) = halves.ok_or(StepFlaw::IllegalSplitPoint)?;
            (consumed, vec![low, high])
        }
        Step::Merge { low, high } => {
            let consumed = all_open(open, [*low, *high].to_vec())?;
            if high.start().0.checked_sub(1) != Some(low.end().0) {
                return Err(StepFlaw::NotAdjacent);
            }
            (consumed, between(low.start().0, high.end().0).into_iter().collect())
        }
        Step::UpdateShardCount { from, to } => {
            let (before, after) = (u128::from(*from), u128::from(*to));
            if open.len() as u128 != before {
                return Err(StepFlaw::OtherCount { expected: *from, open: open.len() });
            }
            if after == before || after > 2 * before || 2 * after < before {
                return Err(StepFlaw::CountOutOfReach { from: *from, to: *to });
            }
            (open.clone(), equal(after))
        }
        Step::EnableShardMetrics { .. } => (Vec::new(), Vec::new()),
    };
    open.retain(|range| !consumed.contains(range));
    open.extend(&made);
    open.sort();
    Ok(Effect { consumed, made, count: open.len() })
}

fn all_open(open: &[HashKeyRange], wanted: Vec<HashKeyRange>) -> Result<Vec<HashKeyRange>, StepFlaw> {
    match wanted.iter().find(|range| !open.contains(range)) {
        Some(missing) => Err(StepFlaw::NoSuchShard(*missing)),
        None => Ok(wanted),
    }
}

/// Whether every key of `space` lies in exactly one of `ranges`, which are in ascending order.
pub(super) fn cover(space: HashKeyRange, ranges: &[HashKeyRange]) -> Result<(), CoverFlaw> {
    // The first key that has no owner yet; `None` once the last key has one.
    let mut next = Some(space.start().0);
    for range in ranges {
        let (start, end) = (range.start().0, range.end().0);
        match next {
            Some(next) if start == next && end <= space.end().0 => {}
            Some(next) if start > next => {
                return Err(flaw(CoverFlaw::Gap, next, (start - 1).min(space.end().0)));
            }
            _ => return Err(CoverFlaw::Overlap(*range)),
        }
        next = if end == space.end().0 { None } else { Some(end + 1) };
    }
    next.map_or(Ok(()), |next| Err(flaw(CoverFlaw::Gap, next, space.end().0)))
}

fn flaw(kind: fn(HashKeyRange) -> CoverFlaw, start: u128, end: u128) -> CoverFlaw {
    kind(between(start, end).expect("the first key without an owner lies before the next owner's"))
}

/// So many equal ranges, two or more or one: of 2^128 keys each has the whole part, the last what is left.
fn equal(count: u128) -> Vec<HashKeyRange> {
    // 2^128 does not fit: it is one more than the largest key.
    let keys = if u128::MAX % count == count - 1 { u128::MAX / count + 1 } else { u128::MAX / count };
    let start = |place: u128| if count == 1 { 0 } else { place * keys };
    let end = |place: u128| if place + 1 == count { u128::MAX } else { start(place + 1) - 1 };
    (0..count).filter_map(|place| between(start(place), end(place))).collect()
}

fn between(start: u128, end: u128) -> Option<HashKeyRange> {
    HashKeyRange::new(HashKey(start), HashKey(end)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u128, end: u128) -> HashKeyRange {
        between(start, end).expect("ascending")
    }

    #[test]
    fn a_cover_has_neither_gap_nor_overlap() {
        let space = range(10, 19);
        let flaw = |ranges: &[(u128, u128)]| {
            let ranges: Vec<_> = ranges.iter().map(|(start, end)| range(*start, *end)).collect();
            cover(space, &ranges).err()
        };
        assert_eq!(flaw(&[(10, 19)]), None);
        assert_eq!(flaw(&[(10, 12), (13, 13), (14, 19)]), None);
        assert_eq!(flaw(&[]), Some(CoverFlaw::Gap(space)));
        assert_eq!(flaw(&[(11, 19)]), Some(CoverFlaw::Gap(range(10, 10))));
        assert_eq!(flaw(&[(10, 18)]), Some(CoverFlaw::Gap(range(19, 19))));
        assert_eq!(flaw(&[(10, 12), (14, 19)]), Some(CoverFlaw::Gap(range(13, 13))));
        assert_eq!(flaw(&[(10, 13), (13, 19)]), Some(CoverFlaw::Overlap(range(13, 19))));
        assert_eq!(flaw(&[(10, 19), (10, 19)]), Some(CoverFlaw::Overlap(range(10, 19))));
        assert_eq!(flaw(&[(10, 20)]), Some(CoverFlaw::Overlap(range(10, 20))));
        assert_eq!(flaw(&[(10, 12), (25, 26)]), Some(CoverFlaw::Gap(range(13, 19))));
        assert_eq!(cover(HashKeyRange::WHOLE, &[HashKeyRange::WHOLE]), Ok(()));
    }

    #[test]
    fn split_points_are_start_plus_two_to_end_less_one() {
        for (at, taken) in [(0, false), (10, false), (11, false), (12, true), (18, true), (19, false)] {
            let step = Step::Split { range: range(10, 19), at: HashKey(at) };
            let mut open = vec![range(10, 19)];
            assert_eq!(take(&step, &mut open).is_ok(), taken, "at {at}");
            assert_eq!(open.len(), 1 + usize::from(taken), "at {at}");
        }
    }

    #[test]
    fn a_merge_takes_neighbours_from_low_to_high_only() {
        let start = vec![range(0, 9), range(10, 19), range(20, 29)];
        let merge = |low: usize, high: usize| {
            let step = Step::Merge { low: start[low], high: start[high] };
            take(&step, &mut start.clone()).map(|effect| effect.made)
        };
        assert_eq!(merge(0, 1), Ok(vec![range(0, 19)]));
        for (low, high) in [(1, 0), (0, 2), (1, 1)] {
            assert_eq!(merge(low, high), Err(StepFlaw::NotAdjacent), "{low} and {high}");
        }
    }
}
