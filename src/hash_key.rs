//! Hash keys and inclusive hash-key ranges.
//!
//! Kinesis maps a partition key to a hash key: its MD5 digest as an unsigned big-endian 128-bit
//! integer. A shard owns an inclusive range of them. The whole space has 2^128 keys, so its size
//! overflows `u128`; nothing here ever computes a size, only the distance between the two ends.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point of the hash-key space, 0 to 2^128 − 1. Written in decimal, as AWS writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(pub u128);

impl HashKey {
    /// The first key of the space.
    pub const MIN: HashKey = HashKey(0);
    /// The last key of the space, 2^128 − 1.
    pub const MAX: HashKey = HashKey(u128::MAX);
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for HashKey {
    type Err = HashKeyError;

    fn from_str(text: &str) -> Result<Self, HashKeyError> {
        // `u128::from_str` accepts a leading plus sign, AWS's pattern (0|([1-9]\d{0,38})) does not.
        let canonical = text == "0" || (text.starts_with(|c: char| ('1'..='9').contains(&c)));
        match text.parse() {
            Ok(value) if canonical => Ok(HashKey(value)),
            _ => Err(HashKeyError::NotAHashKey(text.to_owned())),
        }
    }
}

impl Serialize for HashKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HashKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What is wrong with a hash key, a range or a split point.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashKeyError {
    /// The text is not a decimal integer within 128 bits.
    #[error("\"{0}\" is not a hash key: a decimal integer from 0 to 2^128 - 1 is")]
    NotAHashKey(String),
    /// The range would end before it starts.
    #[error("a hash-key range cannot start at {start} and end at {end}")]
    Reversed {
        /// The first key asked for.
        start: HashKey,
        /// The last key asked for.
        end: HashKey,
    },
    /// AWS refuses the split point.
    #[error("{range} cannot be split at {at}: {}", match range.split_points() {
        Some((low, high)) => format!("the new starting hash key must be from {low} to {high}"),
        None => "it is too narrow to be split".to_owned(),
    })]
    SplitPoint {
        /// The range that was to be split.
        range: HashKeyRange,
        /// The key at which the upper child was to start.
        at: HashKey,
    },
}

/// A range of hash keys, inclusive at both ends and never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawRange", into = "RawRange")]
pub struct HashKeyRange {
    start: HashKey,
    end: HashKey,
}

#[derive(Serialize, Deserialize)]
struct RawRange {
    start: HashKey,
    end: HashKey,
}

impl TryFrom<RawRange> for HashKeyRange {
    type Error = HashKeyError;

    fn try_from(raw: RawRange) -> Result<Self, HashKeyError> {
        HashKeyRange::new(raw.start, raw.end)
    }
}

impl From<HashKeyRange> for RawRange {
    fn from(range: HashKeyRange) -> Self {
        RawRange { start: range.start, end: range.end }
    }
}

impl HashKeyRange {
    /// The whole space.
    pub const WHOLE: HashKeyRange = HashKeyRange { start: HashKey::MIN, end: HashKey::MAX };

    /// The range from `start` to `end`, both included.
    ///
    /// # Errors
    /// [`HashKeyError::Reversed`] if `end` lies before `start`.
    pub fn new(start: HashKey, end: HashKey) -> Result<Self, HashKeyError> {
        if start <= end {
            Ok(HashKeyRange { start, end })
        } else {
            Err(HashKeyError::Reversed { start, end })
        }
    }

    /// The first key.
    pub fn start(self) -> HashKey {
        self.start
    }

    /// The last key.
    pub fn end(self) -> HashKey {
        self.end
    }

    /// The number of keys less one: the whole space has 2^128 keys, one more than `u128` holds.
    pub fn span(self) -> u128 {
        self.end.0 - self.start.0
    }

    /// Whether `key` lies within.
    pub fn contains(self, key: HashKey) -> bool {
        self.start <= key && key <= self.end
    }

    /// Whether `other` lies within as a whole.
    pub fn contains_range(self, other: HashKeyRange) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The keys that both ranges hold.
    pub fn intersection(self, other: HashKeyRange) -> Option<HashKeyRange> {
        HashKeyRange::new(self.start.max(other.start), self.end.min(other.end)).ok()
    }

    /// Whether `higher` starts at the very next key after this range's end.
    pub fn is_followed_by(self, higher: HashKeyRange) -> bool {
        self.end.0.checked_add(1) == Some(higher.start.0)
    }

    /// The union with the range that follows; `None` unless it does.
    pub fn merge(self, higher: HashKeyRange) -> Option<HashKeyRange> {
        self.is_followed_by(higher).then_some(HashKeyRange { start: self.start, end: higher.end })
    }

    /// The lowest and the highest new starting hash key that `SplitShard` takes: start + 2 to
    /// end − 1 (AWS's message is "NewStartingHashKey … must be greater than start + 1 and less
    /// than end"). `None` if the range is too narrow to be split at all.
    pub fn split_points(self) -> Option<(HashKey, HashKey)> {
        (self.span() >= 3).then(|| (HashKey(self.start.0 + 2), HashKey(self.end.0 - 1)))
    }

    /// The two children of a split whose upper child starts at `at`.
    ///
    /// # Errors
    /// [`HashKeyError::SplitPoint`] if AWS would refuse `at`.
    pub fn split(self, at: HashKey) -> Result<(HashKeyRange, HashKeyRange), HashKeyError> {
        match self.split_points() {
            Some((low, high)) if low <= at && at <= high => Ok((
                HashKeyRange { start: self.start, end: HashKey(at.0 - 1) },
                HashKeyRange { start: at, end: self.end },
            )),
            _ => Err(HashKeyError::SplitPoint { range: self, at }),
        }
    }

    /// The starts of `parts` equal parts (the last takes the remainder), without the first: the
    /// `parts − 1` inner boundaries, ascending. Fewer if the range has fewer keys than parts.
    pub fn inner_boundaries(self, parts: u32) -> impl Iterator<Item = HashKey> {
        let parts = u128::from(parts.max(1));
        // For the whole space span() + 1 overflows, so the width of a part is computed from the
        // span: floor((span + 1) / parts). One part of the whole space has no width in 128 bits, and
        // no inner boundary that would need it.
        let width = (self.span() / parts).saturating_add(u128::from(self.span() % parts == parts - 1));
        (1..parts).filter(move |_| width > 0).map(move |i| HashKey(self.start.0 + i * width))
    }

    /// `parts` equal parts in order (the last takes the remainder); fewer if the range has fewer keys.
    pub fn equal_parts(self, parts: u32) -> Vec<HashKeyRange> {
        let mut start = self.start;
        let mut equal = Vec::new();
        for next in self.inner_boundaries(parts) {
            equal.push(HashKeyRange { start, end: HashKey(next.0 - 1) });
            start = next;
        }
        equal.push(HashKeyRange { start, end: self.end });
        equal
    }

    /// How far a boundary may lie from that of `parts` equal parts of the whole space and still be the
    /// same: AWS does not say how it rounds. A 4,096th of a part, far below what any load is known to.
    pub fn leeway(parts: u32) -> u128 {
        u128::MAX / u128::from(parts.max(1)) / 4_096
    }

    /// Whether ranges that tile the space in order are as `UpdateShardCount` leaves so many.
    pub fn are_equal(ranges: impl ExactSizeIterator<Item = HashKeyRange>) -> bool {
        let Ok(count) = u32::try_from(ranges.len()) else { return false };
        let leeway = HashKeyRange::leeway(count);
        let equal = HashKeyRange::WHOLE.inner_boundaries(count);
        ranges.skip(1).zip(equal).all(|(range, start)| range.start.0.abs_diff(start.0) <= leeway)
    }

    /// What of an `amount` that is spread evenly over the range lies below `key`, rounded down.
    pub fn portion_below(self, amount: u64, key: HashKey) -> u64 {
        let Some(offset) = key.0.checked_sub(self.start.0) else { return 0 };
        let span = self.span();
        if offset > span {
            return amount;
        }
        // Down to 64 bits: amount × offset must fit 128.
        let shift = 64_u32.saturating_sub(span.leading_zeros());
        let part = u128::from(amount) * (offset >> shift) / ((span >> shift) + 1);
        u64::try_from(part).unwrap_or(u64::MAX)
    }

    /// What `part` of keys has, rounded up, where this range has `amount` and all keys are alike.
    pub fn as_dense(self, amount: u64, part: HashKeyRange) -> u64 {
        let (span, width) = (self.span().max(1), part.span());
        let shift = 64_u32.saturating_sub(span.max(width).leading_zeros());
        let dense = (u128::from(amount) * (width >> shift)).div_ceil((span >> shift).max(1));
        u64::try_from(dense).unwrap_or(u64::MAX)
    }

    /// The share of the whole space, above 0 and up to 1. For display: decisions use integers.
    pub fn fraction_of_space(self) -> f64 {
        (self.span() as f64 + 1.0) / (u128::MAX as f64)
    }

    /// For people: where it lies, in percent of the space: `12.5–25.0 %`.
    pub fn place(self) -> String {
        let decimals = self.decimals();
        format!("{:.decimals$}–{:.decimals$} %", percent(self.start), percent(self.end))
    }

    /// For people: where in the space a key of this range lies: `18.75 %`.
    pub fn place_of(self, key: HashKey) -> String {
        format!("{:.*} %", self.decimals() + 1, percent(key))
    }

    /// So many decimals of a percent tell the width of the range to two digits.
    fn decimals(self) -> usize {
        let width = self.fraction_of_space() * 100.0;
        (1..12).find(|decimals| width * 10_f64.powi(*decimals) >= 9.95).unwrap_or(12) as usize
    }
}

/// Where in the space a key lies, in percent: for display alone.
fn percent(key: HashKey) -> f64 {
    key.0 as f64 / u128::MAX as f64 * 100.0
}

impl fmt::Display for HashKeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(start: u128, end: u128) -> HashKeyRange {
        HashKeyRange::new(HashKey(start), HashKey(end)).expect("start is not after end")
    }

    #[test]
    fn people_read_where_a_range_lies_as_finely_as_it_is_narrow() {
        let eighths = HashKeyRange::WHOLE.equal_parts(8);
        assert_eq!(
            (HashKeyRange::WHOLE.place(), eighths[1].place()),
            ("0.0–100.0 %".into(), "12.5–25.0 %".into())
        );
        assert_eq!(eighths[1].place_of(HashKey(3 << 124)), "18.75 %");
        let narrow = HashKeyRange::WHOLE.equal_parts(4_096)[1];
        assert_eq!(narrow.place(), "0.024–0.049 %");
        let narrowest = HashKeyRange::new(HashKey(7), HashKey(7)).expect("one key");
        assert_eq!(narrowest.place(), "0.000000000000–0.000000000000 %");
    }

    #[test]
    fn the_whole_space_splits_in_two_halves_and_merges_back() {
        let at = HashKeyRange::WHOLE.inner_boundaries(2).next().expect("two parts have a boundary");
        assert_eq!(at, HashKey(1 << 127));
        let (low, high) = HashKeyRange::WHOLE.split(at).expect("the middle is a split point");
        assert_eq!(low.span(), high.span());
        assert_eq!(low.merge(high), Some(HashKeyRange::WHOLE));
        assert_eq!(high.merge(low), None);
        assert_eq!(HashKeyRange::WHOLE.inner_boundaries(1).count(), 0);
    }

    #[test]
    fn split_points_are_those_that_aws_takes() {
        assert_eq!(range(10, 12).split_points(), None);
        assert_eq!(range(10, 13).split_points(), Some((HashKey(12), HashKey(12))));
        for (at, taken) in [(11, false), (12, true), (19, true), (20, false)] {
            assert_eq!(range(10, 20).split(HashKey(at)).is_ok(), taken, "split at {at}");
        }
    }

    #[test]
    fn equal_parts_tile_the_space_and_are_known_as_such_however_they_are_rounded() {
        for parts in [1, 2, 3, 7, 60, 200] {
            let mut equal = HashKeyRange::WHOLE.equal_parts(parts);
            assert_eq!((equal.len(), equal[0].start()), (parts as usize, HashKey::MIN));
            assert_eq!(equal[equal.len() - 1].end(), HashKey::MAX);
            assert!(equal.windows(2).all(|pair| pair[0].is_followed_by(pair[1])), "{parts}");
            assert!(HashKeyRange::are_equal(equal.iter().copied()), "{parts}");
            if parts > 2 {
                let (low, high) = (equal[0], equal[1]);
                for (shift, is_equal) in [(1_000, true), (u128::MAX / 100 / u128::from(parts), false)] {
                    equal[0].end = HashKey(low.end.0 + shift);
                    equal[1].start = HashKey(high.start.0 + shift);
                    assert_eq!(
                        HashKeyRange::are_equal(equal.iter().copied()),
                        is_equal,
                        "{parts} by {shift}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_lies_below_a_key_of_a_range_grows_from_nothing_to_all() {
        let range = range(100, 199);
        let below = |key| range.portion_below(1_000, HashKey(key));
        assert_eq!([0, 100, 101, 150, 199, 200, 500].map(below), [0, 0, 10, 500, 990, 1_000, 1_000]);
        assert_eq!(HashKeyRange::WHOLE.portion_below(u64::MAX, HashKey(1 << 127)), u64::MAX / 2);
    }

    #[test]
    fn only_aws_own_spelling_of_a_hash_key_is_read() {
        for text in ["", "+1", "-1", "01", "1.0", "340282366920938463463374607431768211456"] {
            assert!(text.parse::<HashKey>().is_err(), "{text}");
        }
        assert_eq!("340282366920938463463374607431768211455".parse(), Ok(HashKey::MAX));
        assert_eq!("0".parse(), Ok(HashKey::MIN));
    }

    proptest! {
        #[test]
        fn a_split_loses_no_key_and_merges_back(start: u128, end: u128, at: u128) {
            let whole = range(start.min(end), start.max(end));
            if let Ok((low, high)) = whole.split(HashKey(at)) {
                prop_assert_eq!(high.start(), HashKey(at));
                prop_assert!(low.is_followed_by(high));
                prop_assert_eq!(low.merge(high), Some(whole));
                prop_assert!(low.span() >= 1 && high.span() >= 1);
            } else {
                prop_assert!(whole.span() < 3 || at < whole.start().0 + 2 || at > whole.end().0 - 1);
            }
        }

        #[test]
        fn parts_are_equal_but_for_the_last(start: u128, end: u128, parts in 1u32..64) {
            let whole = range(start.min(end), start.max(end));
            let mut at = whole.start().0;
            let mut width = None;
            for boundary in whole.inner_boundaries(parts) {
                prop_assert!(boundary.0 > at && whole.contains(boundary));
                prop_assert_eq!(*width.get_or_insert(boundary.0 - at), boundary.0 - at);
                at = boundary.0;
            }
            if let Some(width) = width {
                prop_assert!(whole.end().0 - at + 1 >= width);
            }
        }
    }
}
