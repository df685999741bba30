//! The Lambda of AWS's sample "Auto scaling Amazon Kinesis Data Streams", with the defaults of its
//! Terraform (aws-samples/kinesis-auto-scaling): periods of 5 minutes, missing data counts as none. Doubles once 5 of 5
//! are at 75 % or more, halves once 57 of 60 are below 25 % (and no reader is behind). There is no
//! cooldown: after acting, the same history is judged by the new count.

use super::usage::newest_periods;
use crate::simulate::fluid::Action;
use crate::simulate::scaler::{Scaler, View};

const PERIOD_MINUTES: usize = 5;

/// Doubles and halves.
#[derive(Debug, Default)]
pub struct SampleLambda {
    judged: usize,
}

impl Scaler for SampleLambda {
    fn next(&mut self, view: &mut View) -> Option<Action> {
        let minutes = view.watch.minutes();
        let periods = minutes.len() / PERIOD_MINUTES;
        if periods == std::mem::replace(&mut self.judged, periods) {
            return None;
        }
        let shards = view.stream.open_count();
        let target = target(&newest_periods(minutes, PERIOD_MINUTES, 60, shards), shards)?;
        view.stream.takes_count(target, view.now).then_some(Action::UpdateShardCount(target))
    }
}

/// The count that 60 periods, newest first, ask for.
fn target(periods: &[f64], shards: u32) -> Option<u32> {
    let full = periods.iter().take(5).filter(|used| **used >= 0.75).count();
    let idle = periods.iter().take(60).filter(|used| **used < 0.25).count();
    match () {
        () if full == 5 => Some(2 * shards),
        () if idle >= 57 => Some((shards / 2).max(1)),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_full_periods_double_and_57_idle_ones_of_60_halve() {
        let periods = |newest: &[f64], rest: f64| {
            let mut periods = vec![rest; 60];
            periods[..newest.len()].copy_from_slice(newest);
            target(&periods, 7)
        };
        assert_eq!(periods(&[0.75; 5], 0.0), Some(14));
        assert_eq!(periods(&[0.75, 0.75, 0.74, 0.75, 0.75], 0.5), None);
        assert_eq!(periods(&[0.25; 3], 0.24), Some(3));
        assert_eq!(periods(&[0.25; 4], 0.24), None);
        assert_eq!(target(&[0.0; 60], 1), Some(1));
    }
}
