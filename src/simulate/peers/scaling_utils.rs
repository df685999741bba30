//! awslabs/amazon-kinesis-scaling-utils with the profile of its README: looks every 5
//! minutes at the writes of the last 15. Up by half once 5 of those minutes are above 75 %, at most
//! every 15 minutes; down by a quarter once all of them are below 25 %, at most every 60. By
//! UpdateShardCount; where that is refused, by a sweep of single steps. Nothing else is looked at
//! meanwhile.

use jiff::{SignedDuration, Timestamp};

use super::equal;
use super::usage::of_minutes;
use crate::hash_key::HashKeyRange;
use crate::simulate::fluid::Action;
use crate::simulate::scaler::{Scaler, View};
use crate::simulate::watch::StreamMinute;

const CHECK_MINUTES: i64 = 5;
const WINDOW_MINUTES: usize = 15;
const UP_AFTER_MINUTES: usize = 5;
const UP_COOLDOWN: SignedDuration = SignedDuration::from_mins(15);
const DOWN_COOLDOWN: SignedDuration = SignedDuration::from_mins(60);

/// Its monitor.
#[derive(Debug, Default)]
pub struct ScalingUtils {
    last_up: Option<Timestamp>,
    last_down: Option<Timestamp>,
    /// What a sweep of single steps is on its way to.
    sweep: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vote {
    Up,
    Down,
    None,
}

impl Scaler for ScalingUtils {
    fn next(&mut self, view: &mut View) -> Option<Action> {
        if let Some(target) = self.sweep {
            let ranges: Vec<HashKeyRange> = view.stream.ranges().collect();
            let step = equal::step_towards(&ranges, target);
            if step.is_none() {
                self.sweep = None;
            }
            return step;
        }
        if !view.is_each(CHECK_MINUTES) {
            return None;
        }
        let (minutes, shards) = (view.watch.minutes(), view.stream.open_count());
        let is_cool = |last: Option<Timestamp>, cooldown| {
            last.is_none_or(|last| view.now.duration_since(last) >= cooldown)
        };
        let target = match vote(&minutes[minutes.len().saturating_sub(WINDOW_MINUTES)..], shards) {
            Vote::Up if is_cool(self.last_up, UP_COOLDOWN) => {
                self.last_up = Some(view.now);
                (shards * 3).div_ceil(2)
            }
            Vote::Down if is_cool(self.last_down, DOWN_COOLDOWN) => {
                self.last_down = Some(view.now);
                shards - shards / 4
            }
            _ => return None,
        };
        if target == shards {
            return None;
        }
        if view.stream.takes_count(target, view.now) {
            return Some(Action::UpdateShardCount(target));
        }
        self.sweep = Some(target);
        let ranges: Vec<HashKeyRange> = view.stream.ranges().collect();
        equal::step_towards(&ranges, target)
    }
}

/// The vote on the newest minutes, oldest first: by the metric whose running average (each minute counts
/// as much as all before it) is higher. Missing minutes count as idle.
fn vote(minutes: &[StreamMinute], shards: u32) -> Vote {
    let used: Vec<[f64; 2]> =
        minutes.iter().map(|minute| of_minutes(std::slice::from_ref(minute), shards)).collect();
    let average = |of: usize| used.iter().fold(0.0, |average, used| (average + used[of]) / 2.0);
    let of = usize::from(average(1) > average(0));
    let high = used.iter().filter(|used| used[of] > 0.75).count();
    let low = used.iter().filter(|used| used[of] < 0.25).count() + WINDOW_MINUTES - used.len();
    match () {
        () if high >= UP_AFTER_MINUTES => Vote::Up,
        () if low >= WINDOW_MINUTES => Vote::Down,
        () => Vote::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(percent: &[u64]) -> Vec<StreamMinute> {
        let minute = |percent: &u64| StreamMinute { bytes: percent * 629_146, records: 1, rejected: 0 };
        percent.iter().map(minute).collect()
    }

    #[test]
    fn five_of_fifteen_full_minutes_vote_up_and_fifteen_idle_ones_down() {
        let of = |full: usize, rest: u64| {
            let mut percent = vec![rest; 15];
            percent[..full].fill(80);
            vote(&minutes(&percent), 1)
        };
        assert_eq!(
            [of(5, 10), of(4, 10), of(0, 10), of(1, 10)],
            [Vote::Up, Vote::None, Vote::Down, Vote::None]
        );
        assert_eq!(of(0, 26), Vote::None);
    }

    #[test]
    fn minutes_without_data_count_as_idle() {
        assert_eq!(vote(&minutes(&[10; 3]), 1), Vote::Down);
        assert_eq!(vote(&minutes(&[80; 5]), 1), Vote::Up);
    }

    #[test]
    fn the_busier_metric_votes() {
        let records = StreamMinute { bytes: 1_000, records: 50_000, rejected: 0 };
        assert_eq!(vote(&[records; 15], 1), Vote::Up);
    }
}
