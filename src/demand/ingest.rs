//! Ingest demand of one range: the mean over the window that decides splits, the highest mean in
//! the stabilisation window, fading with its age, that decides merges, and whether writes are being rejected.

use std::ops::Range;

use crate::load::{Load, Loads};
use crate::plan::Evidence;
use crate::policy::ScalingPolicy;
use crate::quota::Dimension;

use super::history::{Amounts, Cell};
use super::rise::Rise;

/// Minutes of which [`REJECTING_IN`] must have rejected for a range to count as rejecting: one
/// minute alone may be a deployment or a retry storm, two of three are a state.
const REJECTING_OF: usize = 3;
const REJECTING_IN: u32 = 2;

/// The newest minutes of the stabilisation window that must be measured on the range itself. Older ones may be a
/// share of what a former shard carried: they fade, and by then it is known what the range carries by itself.
const MEASURED_MINUTES: usize = 3;

/// How many of the newest settled minutes each question looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    /// The window over which demand is averaged, in minutes.
    pub(super) mean: usize,
    /// The windows that decide merges end within so many of the newest minutes and begin within
    /// them too: the stabilisation window, at least one window.
    pub(super) down: usize,
    /// Of them, how many of the newest must be measured on the range itself for a merge.
    pub(super) measured: usize,
    /// How many windows before the newest one must agree before shards are added.
    pub(super) up: usize,
}

impl Windows {
    pub(super) fn of(policy: &ScalingPolicy) -> Windows {
        let minutes = |window: std::time::Duration| {
            usize::try_from(window.as_secs().div_ceil(60)).unwrap_or(usize::MAX).min(MOST_MINUTES)
        };
        let mean =
            usize::try_from(policy.metrics.window_minutes).unwrap_or(usize::MAX).clamp(1, MOST_MINUTES);
        Windows {
            mean,
            down: minutes(policy.scale_down.stabilization_window).max(mean),
            measured: MEASURED_MINUTES.min(minutes(policy.scale_down.stabilization_window)).max(mean),
            up: minutes(policy.scale_up.stabilization_window),
        }
    }

    /// The minutes that are needed for all of it.
    pub(super) fn minutes(self) -> usize {
        // One more than a window: the rise is told by the one before.
        self.down.max(self.mean + self.up.max(1)).max(REJECTING_OF)
    }
}

/// No window reaches further back than the look-back, a day.
const MOST_MINUTES: usize = 24 * 60;

/// What a range needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ingest {
    /// The offered bytes and records of the window that decides splits.
    pub(super) now: Offered,
    /// Of each, the highest of a window within the stabilisation window, where older ones count for less.
    pub(super) peak: Offered,
    /// How the cells of the window, and of the last three minutes, are known.
    pub(super) window: Evidence,
    /// How the stabilisation window is known, for a merge.
    pub(super) span: Evidence,
    /// Whether writes are being rejected now, measured on this very range.
    pub(super) rejecting: bool,
    /// The mean over the newest window, before a rejecting shard is lifted to its ceiling.
    pub(super) mean: Offered,
}

/// The most that earlier windows still count for: less with each minute that they ended before the newest, and
/// nothing once the stabilisation window has passed.
struct Faded {
    /// The minutes of the stabilisation window.
    whole: u64,
    /// Of bytes, of records and of what will be read, the amount that counts for most, and for how much: times the
    /// minutes that are left of the stabilisation window.
    most: [(u64, u128); 3],
}

impl Faded {
    fn nothing(windows: Windows) -> Faded {
        Faded { whole: windows.down.max(1) as u64, most: [(0, 0); 3] }
    }

    /// Adds a window that ended so many minutes before the newest, and before those that were added.
    fn add(&mut self, Offered { bytes, records, to_be_read }: Offered, age: usize) {
        let left = self.whole.saturating_sub(age as u64);
        for (most, amount) in self.most.iter_mut().zip([bytes, records, to_be_read]) {
            // No earlier window counts for more but for a larger amount.
            if amount > most.0 {
                let counts_for = u128::from(amount) * u128::from(left);
                if counts_for > most.1 {
                    *most = (amount, counts_for);
                }
            }
        }
    }

    fn most(self) -> Offered {
        let [bytes, records, to_be_read] = self.most.map(|(amount, counts_for)| {
            // No more than the amount, for no more is left than the whole.
            u64::try_from(counts_for.div_ceil(u128::from(self.whole))).unwrap_or(amount)
        });
        Offered { bytes, records, to_be_read }
    }
}

/// Bytes and records that were offered over a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offered {
    pub(super) bytes: u64,
    pub(super) records: u64,
    /// The bytes that readers will find: lifting demand to the ceiling writes none.
    pub(super) to_be_read: u64,
}

impl Offered {
    pub(super) fn map(self, f: impl Fn(u64) -> u64) -> Offered {
        Offered { bytes: f(self.bytes), records: f(self.records), to_be_read: f(self.to_be_read) }
    }

    fn zip(self, other: Offered, f: impl Fn(u64, u64) -> u64) -> Offered {
        Offered {
            bytes: f(self.bytes, other.bytes),
            records: f(self.records, other.records),
            to_be_read: f(self.to_be_read, other.to_be_read),
        }
    }

    /// At least what one shard can carry over the window, in the dimension that is fuller.
    fn at_least_the_ceiling(self, minutes: usize) -> Offered {
        let full = |dimension: Dimension| {
            dimension.ceiling_per_second().saturating_mul(60).saturating_mul(minutes as u64)
        };
        let (bytes, records) = (full(Dimension::IngestBytes), full(Dimension::IngestRecords));
        let used = |amount: u64, full: u64| u128::from(amount) * 1_000_000 / u128::from(full);
        if used(self.bytes, bytes) >= used(self.records, records) {
            Offered { bytes: self.bytes.max(bytes), ..self }
        } else {
            Offered { records: self.records.max(records), ..self }
        }
    }

    /// As loads of one shard over `minutes`; the pollers read what was written, each of them all.
    pub(super) fn loads(self, read: u64, minutes: usize) -> Loads {
        let load = |dimension, amount| Load::from_sum(dimension, amount, 60 * minutes as u64);
        Loads {
            ingest_bytes: load(Dimension::IngestBytes, self.bytes),
            ingest_records: load(Dimension::IngestRecords, self.records),
            read_bytes: load(Dimension::ReadBytes, read),
        }
    }
}

impl Ingest {
    /// Reads the cells of a range, of which the last is the newest settled minute.
    pub(super) fn of(cells: &[Cell], windows: Windows, rise: Rise) -> Ingest {
        let sums = Sums::of(cells);
        let newest = window_before(cells.len(), windows.mean);
        let rejecting = sums.is_rejecting(cells.len());
        let mean = sums.offered(newest.clone());
        let lifted = |end: usize, mean: Offered| {
            if sums.is_rejecting(end) { mean.at_least_the_ceiling(windows.mean) } else { mean }
        };
        // What is rejected may be the same records again and again: no rise makes more of demand than twice what
        // was accepted.
        let risen = rise.carry(mean).zip(sums.twice_accepted(newest.clone()), u64::min);
        let mut now = lifted(cells.len(), risen);
        if !rejecting {
            // As HPA does: the smallest recommendation of the stabilisation window. Windows that are
            // not known recommend nothing: heat does not wait for the past.
            for end in (cells.len().saturating_sub(windows.up)..cells.len()).rev() {
                let window = window_before(end, windows.mean);
                if window.len() == windows.mean
                    && let Some(offered) = sums.offered_in_all(window)
                {
                    now = now.zip(lifted(end, offered), u64::min);
                }
            }
        }
        let first = cells.len().saturating_sub(windows.down);
        let mut faded = Faded::nothing(windows);
        for end in ((first + windows.mean)..cells.len()).rev() {
            if let Some(offered) = sums.offered_in_all(window_before(end, windows.mean)) {
                faded.add(lifted(end, offered), cells.len() - end);
            }
        }
        let peak = now.zip(lifted(cells.len(), mean), u64::max).zip(faded.most(), u64::max);
        let evidence =
            |cells: &[Cell]| cells.iter().map(|cell| cell.evidence).max().unwrap_or(Evidence::Unknown);
        Ingest {
            now,
            peak,
            window: evidence(&cells[newest]),
            // What a former shard carried may be shared out among the older minutes; none may be unknown.
            span: match evidence(&cells[first..]) {
                Evidence::Unknown => Evidence::Unknown,
                _ => evidence(&cells[cells.len().saturating_sub(windows.measured)..]),
            },
            rejecting,
            mean,
        }
    }
}

/// Running sums over the cells of a range, so that no window is added up by itself.
struct Sums(Vec<Sum>);

/// What the cells before a place come to.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    /// Of those that are known.
    amounts: Amounts,
    /// How many are known.
    known: u32,
    /// How many were measured on this very range, and rejected.
    rejecting: u32,
}

/// The most that a minute counts for, far more than any shard takes: so that no sum over two days overflows.
const MOST_IN_A_MINUTE: u64 = 1 << 52;

impl Sums {
    fn of(cells: &[Cell]) -> Sums {
        let mut sums = Vec::with_capacity(cells.len() + 1);
        let mut sum = Sum::default();
        sums.push(sum);
        sums.extend(cells.iter().map(|Cell { amounts, evidence, witness: _ }| {
            if *evidence != Evidence::Unknown {
                sum.amounts.bytes += amounts.bytes.min(MOST_IN_A_MINUTE);
                sum.amounts.records += amounts.records.min(MOST_IN_A_MINUTE);
                sum.amounts.rejected += amounts.rejected.min(MOST_IN_A_MINUTE);
                sum.known += 1;
                // A share of what a parent rejected would have its children split again before they have rejected
                // anything.
                sum.rejecting += u32::from(*evidence == Evidence::Measured && amounts.is_rejecting());
            }
            sum
        }));
        Sums(sums)
    }

    /// What of the window is known, and how many minutes that is.
    fn known(&self, Range { start, end }: Range<usize>) -> (Amounts, usize) {
        let (before, after) = (&self.0[start], &self.0[end]);
        let amounts = Amounts {
            bytes: after.amounts.bytes - before.amounts.bytes,
            records: after.amounts.records - before.amounts.records,
            rejected: after.amounts.rejected - before.amounts.rejected,
        };
        (amounts, (after.known - before.known) as usize)
    }

    /// What was offered over the window, where all of it is known.
    fn offered_in_all(&self, window: Range<usize>) -> Option<Offered> {
        let minutes = window.len();
        let (sum, known) = self.known(window);
        let bytes = sum.offered_bytes();
        (known == minutes).then(|| Offered { bytes, records: sum.offered_records(), to_be_read: bytes })
    }

    /// What was offered over the window.
    fn offered(&self, window: Range<usize>) -> Offered {
        self.over(window, Amounts::offered_bytes, Amounts::offered_records)
    }

    /// Twice what was accepted over the window.
    fn twice_accepted(&self, window: Range<usize>) -> Offered {
        self.over(window, |sum| sum.bytes.saturating_mul(2), |sum| sum.records.saturating_mul(2))
    }

    /// Bytes and records of the window's sum; minutes that are not known count as the mean of the others.
    fn over(
        &self,
        window: Range<usize>,
        bytes: impl Fn(Amounts) -> u64,
        records: impl Fn(Amounts) -> u64,
    ) -> Offered {
        let minutes = window.len();
        let (sum, known) = self.known(window);
        let whole = |amount: u64| {
            if known == minutes {
                return amount;
            }
            let scaled = (u128::from(amount) * minutes as u128).div_ceil(known.max(1) as u128);
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        let bytes = whole(bytes(sum));
        Offered { bytes, records: whole(records(sum)), to_be_read: bytes }
    }

    /// Whether more than 0.1 % of the offered records were rejected in two of the last three minutes
    /// before `end`. Only what was measured on this range counts.
    fn is_rejecting(&self, end: usize) -> bool {
        let (until, window) = (self.0[end].rejecting, window_before(end, REJECTING_OF));
        until >= REJECTING_IN && until - self.0[window.start].rejecting >= REJECTING_IN
    }
}

fn window_before(end: usize, minutes: usize) -> Range<usize> {
    end.saturating_sub(minutes)..end
}
