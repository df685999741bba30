//! The per-shard scaler in Node (xaxis/amazon-kinesis-scaling): judges every shard by its records alone, each minute.
//! Splits the first shard that took more than 48,000 in both of the last two minutes, in its middle,
//! below 50 shards; else merges the first pair whose sum stayed below the same 48,000 in all of the last
//! five. One step, then a minute of rest. (Records of more than 1.25 KB fill a shard with fewer than
//! 48,000 a minute, which it never sees.)

use jiff::{SignedDuration, Timestamp};

use crate::simulate::fluid::Action;
use crate::simulate::scaler::{Monitoring, Scaler, View};

const RECORDS_A_MINUTE: u64 = 48_000;
const MOST_SHARDS: usize = 50;
const REST: SignedDuration = SignedDuration::from_mins(1);

/// Its loop.
#[derive(Debug, Default)]
pub struct NodeScaler {
    rests_until: Option<Timestamp>,
}

/// What a shard took in its last minutes, oldest first: five, two, or one where it is younger.
#[derive(Debug, Clone, Default)]
struct Seen(Vec<u64>);

impl Scaler for NodeScaler {
    fn sees_shards(&self) -> bool {
        true
    }

    /// `IncomingRecords`.
    fn monitoring(&self) -> Monitoring {
        Monitoring { shard_metrics: 1, metrics_read: 0 }
    }

    fn next(&mut self, view: &mut View) -> Option<Action> {
        if view.has_changed {
            self.rests_until = view.now.checked_add(REST).ok();
        }
        if !view.is_each(1) || self.rests_until.is_some_and(|until| view.now < until) {
            return None;
        }
        let seen: Vec<Seen> = view
            .stream
            .ids()
            .map(|id| {
                let minutes = [5, 2, 1].into_iter().find_map(|count| view.watch.shard_minutes(id, count));
                Seen(minutes.unwrap_or_default().iter().map(|[_, records, _]| *records).collect())
            })
            .collect();
        let ranges: Vec<_> = view.stream.ranges().collect();
        if let Some(hot) = to_split(&seen) {
            let range = ranges[hot];
            return Some(Action::Split { range, at: range.inner_boundaries(2).next()? });
        }
        let low = to_merge(&seen)?;
        Some(Action::Merge { low: ranges[low], high: ranges[low + 1] })
    }
}

/// The first shard, in hash-key order, that is to be split.
fn to_split(shards: &[Seen]) -> Option<usize> {
    let is_hot = |Seen(minutes): &Seen| {
        minutes.len() >= 2 && minutes.iter().rev().take(2).all(|records| *records > RECORDS_A_MINUTE)
    };
    if shards.len() < MOST_SHARDS { shards.iter().position(is_hot) } else { None }
}

/// The lower shard of the first pair that is to be merged: minutes of which nothing is known count as
/// empty, but both must have been seen.
fn to_merge(shards: &[Seen]) -> Option<usize> {
    let is_cold = |pair: &[Seen]| {
        let [Seen(low), Seen(high)] = pair else { return false };
        let back =
            |minutes: &[u64], back: usize| minutes.len().checked_sub(1 + back).map_or(0, |at| minutes[at]);
        let sum = |minute: usize| back(low, minute) + back(high, minute);
        !low.is_empty() && !high.is_empty() && (0..5).all(|minute| sum(minute) < RECORDS_A_MINUTE)
    };
    shards.windows(2).position(is_cold)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(minutes: &[&[u64]]) -> Vec<Seen> {
        minutes.iter().map(|minutes| Seen(minutes.to_vec())).collect()
    }

    #[test]
    fn a_shard_above_the_line_in_two_minutes_is_split_below_fifty_shards() {
        let hot: &[u64] = &[0, 48_001, 48_001];
        assert_eq!(to_split(&seen(&[&[48_001], &[48_001, 48_000], hot])), Some(2));
        assert_eq!(to_split(&seen(&[hot; 49])), Some(0));
        assert_eq!(to_split(&seen(&[hot; 50])), None);
    }

    #[test]
    fn the_first_pair_below_the_same_line_for_five_minutes_is_merged() {
        let of = |low: &[u64], high: &[u64]| to_merge(&seen(&[&[60_000; 5], low, high]));
        assert_eq!(of(&[20_000; 5], &[27_999; 5]), Some(1));
        assert_eq!(of(&[20_000; 5], &[28_000, 0, 0, 0, 0]), None);
        assert_eq!(of(&[20_000], &[27_999]), Some(1));
        assert_eq!(of(&[20_000; 5], &[]), None);
    }
}
