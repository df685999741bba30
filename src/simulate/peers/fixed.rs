//! A number of equal shards that nobody touches, clairvoyantly chosen: the fewest that never reject.

use crate::hash_key::{HashKey, HashKeyRange};
use crate::quota::MAX_SHARDS;
use crate::simulate::fluid::{Action, equal_starts};
use crate::simulate::load::Load;
use crate::simulate::scaler::{Scaler, View};

/// Does nothing.
#[derive(Debug)]
pub struct Fixed;

impl Scaler for Fixed {
    fn next(&mut self, _: &mut View) -> Option<Action> {
        None
    }
}

/// The fewest equal shards none of which is ever above its ceiling. Where even of 200 one is: 200, or as many as the
/// highest total needs.
pub fn fewest_at_peak(load: &Load) -> u32 {
    let most = load.totals().iter().copied().fold(0.0, f64::max);
    let fewest = (most.ceil() as u32).max(1);
    let last_tried = fewest.max(MAX_SHARDS);
    (fewest..last_tried).find(|count| never_rejects(load, *count)).unwrap_or(last_tried)
}

fn never_rejects(load: &Load, count: u32) -> bool {
    let starts = equal_starts(count);
    starts.iter().enumerate().all(|(at, start)| {
        let end = starts.get(at + 1).map_or(HashKey::MAX, |next| HashKey(next.0 - 1));
        let Ok(range) = HashKeyRange::new(*start, end) else { return true };
        let shares: Vec<f64> = load.shares(range).collect();
        let units = |tick: usize| -> f64 {
            shares.iter().enumerate().map(|(part, share)| load.rate(part, tick) * share).sum()
        };
        (0..load.totals().len()).all(|tick| units(tick) <= 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::load::test_load;

    #[test]
    fn one_shard_fewer_would_reject_at_the_peak() {
        let load = test_load("0,1\n600,6\n1200,6\n1800,1\n", 6.0, 60);
        let fewest = fewest_at_peak(&load);
        assert!(fewest >= 6 && never_rejects(&load, fewest) && !never_rejects(&load, fewest - 1), "{fewest}");
    }
}
