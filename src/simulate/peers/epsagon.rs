//! Epsagon's scaler (epsagon/kinesis-autoscaler): periods of 5 minutes. One at 75 % or more scales up by a factor
//! that shrinks with the count; a whole day at 25 % or less scales down to twice the day's peak, at
//! most by half.

use super::usage::newest_periods;
use crate::simulate::fluid::Action;
use crate::simulate::scaler::{Scaler, View};

const PERIOD_MINUTES: usize = 5;
const PERIODS_OF_A_DAY: usize = 288;

/// Fast up, slow down.
#[derive(Debug, Default)]
pub struct Epsagon {
    judged: usize,
}

impl Scaler for Epsagon {
    fn next(&mut self, view: &mut View) -> Option<Action> {
        let minutes = view.watch.minutes();
        let periods = minutes.len() / PERIOD_MINUTES;
        if periods == std::mem::replace(&mut self.judged, periods) {
            return None;
        }
        let shards = view.stream.open_count();
        let day = newest_periods(minutes, PERIOD_MINUTES, PERIODS_OF_A_DAY, shards);
        // A day that is not over tells nothing of what it will bring.
        let target = target(&day, periods >= PERIODS_OF_A_DAY, shards)?;
        view.stream.takes_count(target, view.now).then_some(Action::UpdateShardCount(target))
    }
}

/// The count that the periods of a day, newest first, ask for.
fn target(day: &[f64], is_whole: bool, shards: u32) -> Option<u32> {
    let newest = *day.first()?;
    let peak = day.iter().copied().fold(0.0, f64::max);
    if newest >= 0.75 {
        let factor = match shards {
            ..=3 => 2.0,
            4..=50 => 1.5,
            _ => 1.25,
        };
        return Some((f64::from(shards) * factor).ceil() as u32);
    }
    let twice_the_peak = (2.0 * f64::from(shards) * peak).ceil() as u32;
    (is_whole && peak <= 0.25)
        .then(|| shards.div_ceil(2).max(twice_the_peak))
        .filter(|target| *target < shards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_full_period_scales_up_and_a_whole_idle_day_down() {
        let up = |shards| target(&[0.75, 0.0], true, shards);
        assert_eq!([up(3), up(4), up(50), up(51)], [Some(6), Some(6), Some(75), Some(64)]);
        assert_eq!(target(&[0.1, 0.25], true, 9), Some(5));
        assert_eq!(target(&[0.1, 0.25], false, 9), None);
        assert_eq!(target(&[0.1, 0.26], true, 9), None);
        // Twice the day's peak is more than half.
        assert_eq!(target(&[0.1, 0.25], true, 100), Some(50));
        assert_eq!(target(&[0.0, 0.0], true, 1), None);
    }
}
