//! What the same load would have cost otherwise: the same model, seed and story, with shards that
//! nobody touches.

use jiff::Timestamp;

use super::scenario::{self, FIRST_SHARDS, STORY, STREAM};
use crate::quota::MAX_SHARDS;
use crate::simulator::ApiError;

/// A number of equal shards, kept for the whole story.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fixed {
    pub(super) shards: u32,
    /// Rejected records in millionths of those offered.
    pub(super) rejected_millionths: u64,
}

/// Doing nothing, and the fewest equal shards that reject no more than `tolerated` millionths (all
/// 200, if even they reject more).
pub(super) fn fixed(seed: u64, start: Timestamp, tolerated: u64) -> Result<(Fixed, Fixed), ApiError> {
    let nothing = keep(seed, start, FIRST_SHARDS)?;
    let (mut low, mut high) = (FIRST_SHARDS, MAX_SHARDS);
    let mut fewest = keep(seed, start, high)?;
    while low < high {
        let middle = low + (high - low) / 2;
        let kept = keep(seed, start, middle)?;
        if kept.rejected_millionths <= tolerated {
            (high, fewest) = (middle, kept);
        } else {
            low = middle + 1;
        }
    }
    Ok((nothing, fewest))
}

fn keep(seed: u64, start: Timestamp, shards: u32) -> Result<Fixed, ApiError> {
    let mut cloud = scenario::cloud(seed, start, shards)?;
    let before = cloud.workload_totals(STREAM).unwrap_or_default();
    cloud.advance(STORY);
    let after = cloud.workload_totals(STREAM).unwrap_or_default();
    let offered = after.offered_records - before.offered_records;
    let rejected = after.rejected_records - before.rejected_records;
    Ok(Fixed { shards, rejected_millionths: rejected.saturating_mul(1_000_000) / offered.max(1) })
}
