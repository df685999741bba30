//! Loads: rates per dimension, as integer millionths of one shard's ceiling.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

use crate::quota::Dimension;

/// Millionths of one shard's ceiling in one dimension: 1,000,000 is exactly the ceiling. May lie
/// above it (rejected traffic counts) and, for a whole stream, far above it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Load(pub u64);

impl Load {
    /// No load at all.
    pub const ZERO: Load = Load(0);
    /// Exactly what one shard can carry.
    pub const CEILING: Load = Load(1_000_000);

    /// The load of `amount` (bytes, records or calls) over `seconds`, rounded up: rounding down
    /// could hide the last bit of a full shard.
    pub fn from_sum(dimension: Dimension, amount: u64, seconds: u64) -> Load {
        let (capacity, seconds) = (dimension.ceiling_per_second(), seconds.max(1));
        // 128 bits take a function call to divide, and are needed for impossible loads alone.
        if let (Some(millionths), Some(capacity)) =
            (amount.checked_mul(1_000_000), capacity.checked_mul(seconds))
        {
            return Load(millionths.div_ceil(capacity));
        }
        let load = (u128::from(amount) * 1_000_000).div_ceil(u128::from(capacity) * u128::from(seconds));
        Load(u64::try_from(load).unwrap_or(u64::MAX))
    }

    /// `percent` of the ceiling.
    pub const fn from_percent(percent: u32) -> Load {
        Load(percent as u64 * 10_000)
    }

    /// This load times `numerator / denominator`, rounded up.
    pub fn scaled(self, numerator: u64, denominator: u64) -> Load {
        let scaled = (u128::from(self.0) * u128::from(numerator)).div_ceil(u128::from(denominator.max(1)));
        Load(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    /// For display: percent of the ceiling.
    pub fn percent(self) -> f64 {
        self.0 as f64 / 10_000.0
    }
}

impl Add for Load {
    type Output = Load;
    fn add(self, other: Load) -> Load {
        Load(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Load) {
        *self = *self + other;
    }
}

impl Sum for Load {
    fn sum<I: Iterator<Item = Load>>(iter: I) -> Load {
        iter.fold(Load::ZERO, Add::add)
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} %", self.percent())
    }
}

/// One load for each dimension that a split relieves ([`Dimension::SPLITTABLE`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Loads {
    /// Bytes written.
    pub ingest_bytes: Load,
    /// Records written.
    pub ingest_records: Load,
    /// Bytes read by polling consumers.
    pub read_bytes: Load,
}

impl Loads {
    /// The load in each dimension, in the order of [`Dimension::SPLITTABLE`].
    pub fn as_array(self) -> [Load; 3] {
        let Loads { ingest_bytes, ingest_records, read_bytes } = self;
        [ingest_bytes, ingest_records, read_bytes]
    }

    /// The load in one dimension; none in [`Dimension::ReadCalls`], which no split relieves.
    pub fn of(self, dimension: Dimension) -> Load {
        match dimension {
            Dimension::IngestBytes => self.ingest_bytes,
            Dimension::IngestRecords => self.ingest_records,
            Dimension::ReadBytes => self.read_bytes,
            Dimension::ReadCalls => Load::ZERO,
        }
    }

    /// From an array in the order of [`Dimension::SPLITTABLE`].
    pub fn from_array([ingest_bytes, ingest_records, read_bytes]: [Load; 3]) -> Loads {
        Loads { ingest_bytes, ingest_records, read_bytes }
    }

    /// Applies `f` to both loads of each dimension.
    pub fn zip(self, other: Loads, f: impl Fn(Load, Load) -> Load) -> Loads {
        let (a, b) = (self.as_array(), other.as_array());
        Loads::from_array(std::array::from_fn(|i| f(a[i], b[i])))
    }

    /// The larger load of each dimension.
    pub fn max(self, other: Loads) -> Loads {
        self.zip(other, Ord::max)
    }

    /// Whether every dimension lies at or under its limit.
    pub fn within(self, limits: Loads) -> bool {
        self.as_array().iter().zip(limits.as_array()).all(|(load, limit)| *load <= limit)
    }

    /// Every dimension times `numerator / denominator`, rounded up.
    pub fn scaled(self, numerator: u64, denominator: u64) -> Loads {
        Loads::from_array(self.as_array().map(|load| load.scaled(numerator, denominator)))
    }

    /// The dimension in which most of `limits` is used, with the load in it. Ties go to the
    /// first of [`Dimension::SPLITTABLE`].
    pub fn binding(self, limits: Loads) -> (Dimension, Load) {
        let (loads, limits) = (self.as_array(), limits.as_array());
        let used = |i: usize| u128::from(loads[i].0) * 1_000_000 / u128::from(limits[i].0.max(1));
        let most = (1..3).fold(0, |best, i| if used(i) > used(best) { i } else { best });
        (Dimension::SPLITTABLE[most], loads[most])
    }
}

impl Add for Loads {
    type Output = Loads;
    fn add(self, other: Loads) -> Loads {
        self.zip(other, Add::add)
    }
}

impl AddAssign for Loads {
    fn add_assign(&mut self, other: Loads) {
        *self = *self + other;
    }
}

impl Sum for Loads {
    fn sum<I: Iterator<Item = Loads>>(iter: I) -> Loads {
        iter.fold(Loads::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_shard_at_its_ceiling_has_a_load_of_one_million() {
        for dimension in Dimension::ALL {
            let amount = dimension.ceiling_per_second() * 60;
            assert_eq!(Load::from_sum(dimension, amount, 60), Load::CEILING);
            assert!(Load::from_sum(dimension, amount + 1, 60) > Load::CEILING);
            assert!(Load::from_sum(dimension, amount - 1, 60) <= Load::CEILING);
        }
    }

    #[test]
    fn impossible_amounts_saturate_instead_of_wrapping() {
        assert_eq!(Load(u64::MAX) + Load(1), Load(u64::MAX));
        assert_eq!(Load::from_sum(Dimension::ReadCalls, u64::MAX, 1), Load(u64::MAX));
    }

    proptest! {
        #[test]
        fn a_sum_is_divided_the_same_in_64_bits_and_in_128(
            amount in prop_oneof![0..u64::MAX / 1_000_000 + 2, any::<u64>()],
            seconds in prop_oneof![0..100_000_u64, any::<u64>()],
        ) {
            let capacity = u128::from(Dimension::IngestBytes.ceiling_per_second()) * u128::from(seconds.max(1));
            let load = u64::try_from((u128::from(amount) * 1_000_000).div_ceil(capacity)).unwrap_or(u64::MAX);
            prop_assert_eq!(Load::from_sum(Dimension::IngestBytes, amount, seconds), Load(load));
        }

        #[test]
        fn the_binding_dimension_has_the_largest_share_of_its_limit(
            loads: [u32; 3], limits in prop::array::uniform3(1u64..2_000_000)
        ) {
            let loads = Loads::from_array(loads.map(|load| Load(u64::from(load))));
            let limits = Loads::from_array(limits.map(Load));
            let (dimension, load) = loads.binding(limits);
            let at = Dimension::SPLITTABLE.iter().position(|d| *d == dimension).expect("one of three");
            prop_assert_eq!(loads.as_array()[at], load);
            let share = |i: usize| u128::from(loads.as_array()[i].0) * 1_000_000
                / u128::from(limits.as_array()[i].0);
            prop_assert!((0..3).all(|i| share(i) <= share(at)));
        }
    }
}
