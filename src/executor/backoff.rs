//! Waits: between looks, and before a step is tried again. No randomness: what must differ between
//! controllers comes from what they carry out.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::ExecutorOptions;
use crate::plan::{PlanHash, Step};

/// How long a wait between tries may get.
const LONGEST: Duration = Duration::from_secs(30);

/// The wait after the `tries`-th try of a step: 2 s, 4 s, 8 s, … 30 s, less up to a half that
/// depends on plan, step and try, so that plans refused at the same time do not come back together.
pub(super) fn backoff(plan: &PlanHash, index: usize, tries: u32) -> Duration {
    let full = Duration::from_secs(1 << tries.min(5)).min(LONGEST);
    let digest = Sha256::digest(format!("{plan}/{index}/{tries}"));
    let share = digest.iter().take(2).fold(0, |share, byte| share << 8 | u32::from(*byte));
    full - full.mul_f64(f64::from(share) / f64::from(u16::MAX) / 2.0)
}

/// The waits between looks, and how many are left. Counted in waits, not on a clock: clocks jump.
#[derive(Debug)]
pub(super) struct Patience {
    next: Duration,
    slowest: Duration,
    waited: Duration,
    give_up_after: Duration,
}

impl Patience {
    pub(super) fn new(options: &ExecutorOptions) -> Self {
        Patience {
            next: options.fastest_poll.max(Duration::from_millis(1)),
            slowest: options.slowest_poll.max(Duration::from_millis(1)),
            waited: Duration::ZERO,
            give_up_after: options.give_up_after,
        }
    }

    /// As long as `step` may take.
    pub(super) fn with(options: &ExecutorOptions, step: &Step) -> Self {
        let give_up_after = match step {
            Step::UpdateShardCount { .. } => options.give_up_on_count_after,
            Step::Split { .. } | Step::Merge { .. } | Step::EnableShardMetrics { .. } => {
                options.give_up_after
            }
        };
        Patience { give_up_after, ..Patience::new(options) }
    }

    /// How long was waited so far.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// The next wait; `None` once the bound is reached.
    pub(super) fn wait(&mut self) -> Option<Duration> {
        if self.waited >= self.give_up_after {
            return None;
        }
        let wait = self.next.min(self.slowest);
        self.next = self.next.saturating_mul(2);
        self.waited += wait;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_slowest_and_end_at_the_bound() {
        let mut patience = Patience::new(&ExecutorOptions::default());
        let waits: Vec<_> = std::iter::from_fn(|| patience.wait()).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits[..5], [1, 2, 4, 5, 5]);
        assert!((600..605).contains(&waits.iter().sum::<u64>()));
    }

    #[test]
    fn tries_back_off_differently_for_each_plan_step_and_try() {
        let plan = |text: &str| serde_json::from_str::<PlanHash>(&format!("\"{text}\"")).expect("a hash");
        let (a, b) = (plan("aaaaaaaaaaaaaaaa"), plan("bbbbbbbbbbbbbbbb"));
        assert_eq!(backoff(&a, 0, 1), backoff(&a, 0, 1));
        assert_ne!(backoff(&a, 0, 1), backoff(&b, 0, 1));
        assert_ne!(backoff(&a, 0, 1), backoff(&a, 1, 1));
        for tries in 1..40 {
            let full = Duration::from_secs(1 << tries.min(5)).min(LONGEST);
            let wait = backoff(&a, 3, tries);
            assert!(full / 2 <= wait && wait <= full, "{tries}: {wait:?}");
        }
    }
}
