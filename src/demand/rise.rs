//! Rise: what a load that is growing will be by the time a step that is decided now can help.
//!
//! # The model
//!
//! The newest settled minute ended two minutes ago, and a step takes half a minute. With v what the stream was
//! offered in the mean over the newest window and u over the window that ended a minute before, g = v/u − 1 is its
//! growth in a minute. What is no more than [`NOISE_PER_MILLE`] is taken for noise; the rest is expected to go on
//! for [`MINUTES`]:
//!
//! > v · (1 + [`MINUTES`] · (g − noise)), at most by half as much again.
//!
//! Of the stream as a whole: the minutes of a single shard are noisier than its share of them. What falls is not
//! carried on, for merges wait for what is measured; and while the stream rises they wait, for a merge is to last, and
//! where a rise ends nobody knows. And who asks for windows to agree before shards are added
//! (`behavior.scaleUp.stabilizationWindowSeconds`) wants no rise to be believed at once.

use super::history::Totals;
use super::ingest::{Offered, Windows};

/// For so many minutes a growth is carried on: the age of the newest settled minute. By a model of the suite 1, 2
/// and 3 minutes give R 2.062, 2.049 and 2.059 (`docs/decisions/0008-rise-and-fade.md`).
const MINUTES: u64 = 2;
/// Growth in a minute, in thousandths, that is no rise yet.
const NOISE_PER_MILLE: u64 = 30;
/// The most that is added, in thousandths.
const MOST_PER_MILLE: u64 = 500;

/// What is added to the load of each range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rise {
    /// In thousandths of what was offered.
    pub(super) per_mille: u64,
}

impl Rise {
    /// The rise at the end of the totals; `None` where one of the minutes is not known, or none is to be believed.
    pub(super) fn read(totals: &Totals, minutes: usize, windows: Windows) -> Option<Rise> {
        let mean = |end: usize| {
            let mut minutes = (end.checked_sub(windows.mean)?..end).map(|place| totals.fullness(place));
            minutes.try_fold(0, |sum: u64, of_minute| Some(sum.saturating_add(of_minute?)))
        };
        let (newest, before) = (mean(minutes)?, mean(minutes.checked_sub(1)?)?);
        (windows.up == 0).then(|| Rise::between(before, newest))
    }

    /// What follows from two windows, one minute apart.
    pub(super) fn between(before: u64, newest: u64) -> Rise {
        let growth = (newest.saturating_sub(before)).saturating_mul(1_000) / before.max(1);
        Rise { per_mille: growth.saturating_sub(NOISE_PER_MILLE).saturating_mul(MINUTES).min(MOST_PER_MILLE) }
    }

    /// What is offered by then.
    pub(super) fn carry(self, offered: Offered) -> Offered {
        offered.map(|amount| self.raised(amount))
    }

    /// An amount by then. Rounded up, so that parts ask for no less than the whole.
    pub(super) fn raised(self, amount: u64) -> u64 {
        // 128 bits take a function call to divide, and are needed for impossible amounts alone.
        if let Some(thousandths) = amount.checked_mul(1_000 + self.per_mille) {
            return thousandths.div_ceil(1_000);
        }
        let more = (u128::from(amount) * u128::from(1_000 + self.per_mille)).div_ceil(1_000);
        u64::try_from(more).unwrap_or(u64::MAX)
    }
}
