//! Amounts of US dollars as integer billionths: the cheapest price that AWS lists (a PUT payload
//! unit) is fourteen of them.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

const PER_DOLLAR: u64 = 1_000_000_000;

/// An amount in billionths of a US dollar, up to 18 billion dollars; sums saturate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(u64);

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);

    /// From billionths of a dollar.
    pub const fn from_nano_dollars(nano_dollars: u64) -> Money {
        Money(nano_dollars)
    }

    /// From millionths of a dollar.
    pub const fn from_micro_dollars(micro_dollars: u64) -> Money {
        Money(micro_dollars * 1_000)
    }

    /// In billionths of a dollar.
    pub const fn nano_dollars(self) -> u64 {
        self.0
    }

    /// The price of `quantity` units where `self` is the price of `per` units, rounded to the
    /// nearest billionth.
    pub fn times(self, quantity: u128, per: u128) -> Money {
        let per = per.max(1);
        let cost = u128::from(self.0).saturating_mul(quantity).saturating_add(per / 2) / per;
        Money(u64::try_from(cost).unwrap_or(u64::MAX))
    }

    /// How much dearer `after` is than `self`, with its sign: `+$10.95`, `-$3.60`, `±$0.00`.
    pub fn change_to(self, after: Money) -> String {
        let change = Money(self.0.abs_diff(after.0));
        let sign = match (change.cents(), after > self) {
            (0, _) => '±',
            (_, true) => '+',
            (_, false) => '-',
        };
        format!("{sign}{change}")
    }

    /// How much more this is than `other`; nothing where it is less.
    pub const fn minus(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }

    fn cents(self) -> u64 {
        let per_cent = PER_DOLLAR / 100;
        self.0 / per_cent + u64::from(self.0 % per_cent >= per_cent / 2)
    }
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(iter: I) -> Money {
        iter.fold(Money::ZERO, Add::add)
    }
}

/// Dollars and cents, rounded, with thousands set apart: `$2,190.00`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = self.cents();
        f.pad(&format!("${}.{:02}", grouped(cents / 100), cents % 100))
    }
}

/// A number with its thousands set apart: `29,200`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of dollars.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / PER_DOLLAR as f64)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DollarsVisitor)
    }
}

struct DollarsVisitor;

impl Visitor<'_> for DollarsVisitor {
    type Value = Money;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a price in dollars from 0 to 1000000, such as 0.015")
    }

    fn visit_f64<E: Error>(self, dollars: f64) -> Result<Money, E> {
        if (0.0..=1e6).contains(&dollars) {
            // In range, so the cast neither wraps nor cuts; a price has at most nine decimals.
            Ok(Money((dollars * PER_DOLLAR as f64).round() as u64))
        } else {
            Err(E::invalid_value(serde::de::Unexpected::Float(dollars), &self))
        }
    }

    fn visit_u64<E: Error>(self, dollars: u64) -> Result<Money, E> {
        self.visit_f64(dollars as f64)
    }

    fn visit_i64<E: Error>(self, dollars: i64) -> Result<Money, E> {
        self.visit_f64(dollars as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_grouped_and_rounded_to_cents() {
        for (micro, text) in [
            (0, "$0.00"),
            (4_999, "$0.00"),
            (5_000, "$0.01"),
            (999_995_000, "$1,000.00"),
            (2_190_000_000, "$2,190.00"),
            (1_234_567_890_000, "$1,234,567.89"),
        ] {
            assert_eq!(Money::from_micro_dollars(micro).to_string(), text);
        }
    }

    #[test]
    fn a_change_below_half_a_cent_has_no_direction() {
        let price = Money::from_micro_dollars;
        assert_eq!(price(1_000_000).change_to(price(1_004_000)), "±$0.00");
        assert_eq!(price(1_000_000).change_to(price(1_005_000)), "+$0.01");
        assert_eq!(price(2_000_000).change_to(price(500_000)), "-$1.50");
    }

    #[test]
    fn a_price_that_cannot_be_is_refused_and_a_possible_one_kept_exactly() {
        for text in ["-0.01", "-3", "1e300", "\"0.015\"", "true", "null"] {
            let error = serde_json::from_str::<Money>(text).expect_err(text).to_string();
            assert!(error.contains("a price in dollars from 0 to 1000000"), "{error}");
        }
        for (text, nano) in [("0.000000014", 14), ("0.015", 15_000_000), ("2", 2_000_000_000)] {
            assert_eq!(serde_json::from_str::<Money>(text).expect(text).nano_dollars(), nano);
        }
    }
}
