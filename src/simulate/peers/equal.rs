//! Steps towards equal ranges, one after another, as tools take them that were refused an
//! UpdateShardCount.

use crate::hash_key::{HashKey, HashKeyRange};
use crate::simulate::fluid::{Action, ROUNDING, equal_starts};

/// The next step from `ranges`, in hash-key order, to `target` equal ones: first the splits, then the
/// merges. `None` once they are equal.
pub(super) fn step_towards(ranges: &[HashKeyRange], target: u32) -> Option<Action> {
    let near = |a: HashKey, b: HashKey| a.0.abs_diff(b.0) < ROUNDING;
    let wanted = equal_starts(target);
    let missing = wanted.iter().find(|start| !ranges.iter().any(|range| near(range.start(), **start)));
    if let Some(at) = missing {
        let range = *ranges.iter().find(|range| range.contains(*at))?;
        return Some(Action::Split { range, at: *at });
    }
    let unwanted = |pair: &&[HashKeyRange]| !wanted.iter().any(|start| near(*start, pair[1].start()));
    let pair = ranges.windows(2).find(unwanted)?;
    Some(Action::Merge { low: pair[0], high: pair[1] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ranges_are_reached_by_splits_and_then_merges() {
        let mut starts = equal_starts(2);
        let mut taken = Vec::new();
        loop {
            let range = |at: usize| {
                let end = starts.get(at + 1).map_or(HashKey::MAX, |next| HashKey(next.0 - 1));
                HashKeyRange::new(starts[at], end).expect("starts ascend")
            };
            let ranges: Vec<_> = (0..starts.len()).map(range).collect();
            match step_towards(&ranges, 3) {
                Some(Action::Split { at, .. }) => {
                    starts.push(at);
                    starts.sort();
                    taken.push('s');
                }
                Some(Action::Merge { high, .. }) => {
                    starts.retain(|start| *start != high.start());
                    taken.push('m');
                }
                _ => break,
            }
        }
        assert_eq!((taken, starts), (vec!['s', 's', 'm'], equal_starts(3)));
    }
}
