//! A series of values in few bytes, for what is kept between passes: a day of a stream's own metrics
//! and the shards' newest hours take a tenth of what they take to work with.

use crate::snapshot::{Minute, Series};

/// A complete series.
#[derive(Debug)]
pub(super) struct Packed {
    start: Minute,
    minutes: usize,
    /// Each value plus one, in base 128 with the lowest digit first; zero where there is none.
    digits: Box<[u8]>,
}

impl Packed {
    /// Packs the values of `series`.
    pub(super) fn of(series: &Series) -> Packed {
        let minutes = series.minutes();
        let mut digits = Vec::with_capacity(2 * minutes);
        for value in series.all_values() {
            let mut rest = value.map_or(0, |value| u128::from(value) + 1);
            while rest >= 0x80 {
                digits.push((rest & 0x7f) as u8 | 0x80);
                rest >>= 7;
            }
            digits.push(rest as u8);
        }
        Packed { start: series.start, minutes, digits: digits.into_boxed_slice() }
    }

    /// The minute of the first value.
    pub(super) fn start(&self) -> Minute {
        self.start
    }

    /// The minute after the last value.
    pub(super) fn end(&self) -> Minute {
        self.start.plus(i64::try_from(self.minutes).unwrap_or(i64::MAX))
    }

    /// The values, oldest first.
    pub(super) fn values(&self) -> impl Iterator<Item = Option<u64>> + '_ {
        let mut digits = self.digits.iter();
        std::iter::from_fn(move || {
            let (mut value, mut shift) = (0_u128, 0);
            loop {
                let digit = digits.next()?;
                value |= u128::from(digit & 0x7f) << shift;
                shift += 7;
                if digit & 0x80 == 0 {
                    return Some(value.checked_sub(1).and_then(|value| u64::try_from(value).ok()));
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_out_as_it_was(
            values in prop::collection::vec(prop::option::of(prop_oneof![
                Just(0), Just(u64::MAX), 0..300_u64, any::<u64>(),
            ]), 0..50),
            start in -5..5_i64,
        ) {
            let series = Series::new(Minute(start), values, true);
            let packed = Packed::of(&series);
            prop_assert_eq!((packed.start(), packed.end()), (series.start, series.end()));
            prop_assert_eq!(packed.values().collect::<Vec<_>>(), series.values);
        }
    }

    #[test]
    fn a_day_of_a_quiet_stream_takes_little() {
        let values = vec![Some(0); 1_440];
        let packed = Packed::of(&Series::new(Minute(0), values, true));
        assert_eq!(packed.digits.len(), 1_440);
    }
}
