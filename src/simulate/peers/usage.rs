//! How full a stream of so many shards is, as tools compute it that know its totals alone.

use crate::simulate::watch::StreamMinute;

/// The bytes that these tools take a shard to carry in a second: 1 MiB.
const BYTES_PER_SECOND: f64 = 1_048_576.0;
/// The records.
const RECORDS_PER_SECOND: f64 = 1_000.0;

/// Of each of some minutes, the share of `shards` that bytes take, and records.
pub(super) fn of_minutes(minutes: &[StreamMinute], shards: u32) -> [f64; 2] {
    let seconds = 60.0 * minutes.len().max(1) as f64 * f64::from(shards.max(1));
    let sum = |of: fn(&StreamMinute) -> u64| minutes.iter().map(of).sum::<u64>() as f64;
    [
        sum(|minute| minute.bytes) / (seconds * BYTES_PER_SECOND),
        sum(|minute| minute.records) / (seconds * RECORDS_PER_SECOND),
    ]
}

/// The fuller of the two in each of the newest `count` periods of `length` minutes, newest first;
/// periods are counted from the first minute, and those that are not over are left out. Periods before
/// the first minute are empty.
pub(super) fn newest_periods(minutes: &[StreamMinute], length: usize, count: usize, shards: u32) -> Vec<f64> {
    let whole = minutes.len() / length;
    let period = |back: usize| {
        let Some(at) = whole.checked_sub(1 + back) else { return 0.0 };
        let [bytes, records] = of_minutes(&minutes[at * length..(at + 1) * length], shards);
        bytes.max(records)
    };
    (0..count).map(period).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuller_of_bytes_and_records_counts() {
        let bytes = StreamMinute { bytes: 60 * 524_288, records: 600, rejected: 0 };
        let records = StreamMinute { bytes: 0, records: 45_000, rejected: 0 };
        assert_eq!(of_minutes(&[bytes], 1), [0.5, 0.01]);
        assert_eq!(newest_periods(&[bytes, bytes, records, records, bytes], 2, 3, 1), [0.75, 0.5, 0.0]);
    }
}
