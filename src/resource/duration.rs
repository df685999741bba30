//! Durations as Kubernetes users write them: `60s`, `3m`, `1h30m`.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

#[cfg(feature = "operator")]
use super::schema;

/// A duration as it was written: whole hours, minutes, seconds and milliseconds, each at most once
/// and in this order, in 32 characters at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "operator", schemars(transform = schema::text(schema::DURATION, LONGEST)))]
#[serde(transparent)]
pub struct DurationText(pub String);

/// The most characters of a duration.
const LONGEST: usize = 32;

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl DurationText {
    /// The duration; `None` where the text is none, or one of more than 584 million years.
    pub fn parse(&self) -> Option<Duration> {
        if self.0.len() > LONGEST {
            return None;
        }
        let mut rest = self.0.as_str();
        let mut units = UNITS.iter();
        let mut milliseconds = 0_u64;
        loop {
            let (amount, after) = split_while(rest, |c| c.is_ascii_digit());
            let (unit, after) = split_while(after, |c| c.is_ascii_alphabetic());
            // Found units are used up, and the larger ones with them.
            let (_, size) = units.find(|(name, _)| *name == unit)?;
            milliseconds = milliseconds.checked_add(amount.parse::<u64>().ok()?.checked_mul(*size)?)?;
            if after.is_empty() {
                return Some(Duration::from_millis(milliseconds));
            }
            rest = after;
        }
    }
}

/// The longest beginning whose characters all are `wanted`, and the rest.
fn split_while(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !wanted(c)).unwrap_or(text.len()))
}

impl From<Duration> for DurationText {
    /// The shortest way to write it; what lies under a millisecond is cut off.
    fn from(duration: Duration) -> DurationText {
        let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut text = String::new();
        for (unit, size) in UNITS {
            if rest >= size {
                text.push_str(&format!("{}{unit}", rest / size));
                rest %= size;
            }
        }
        DurationText(if text.is_empty() { "0s".to_owned() } else { text })
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DurationText, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = DurationText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, such as 60s, 3m or 1h30m")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<DurationText, E> {
                Ok(DurationText(text.to_owned()))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(text: &str) -> Option<u128> {
        DurationText(text.to_owned()).parse().map(|duration| duration.as_millis())
    }

    #[test]
    fn hours_minutes_seconds_and_milliseconds_add_up() {
        assert_eq!(millis("60s"), Some(60_000));
        assert_eq!(millis("3m"), Some(180_000));
        assert_eq!(millis("1h30m"), Some(5_400_000));
        assert_eq!(millis("1h2m3s4ms"), Some(3_723_004));
        assert_eq!(millis("90m"), Some(5_400_000));
        assert_eq!(millis("0s"), Some(0));
    }

    #[test]
    fn whatever_else_is_written_is_no_duration() {
        for text in [
            "",
            " ",
            "60",
            "s",
            "-5s",
            "+5s",
            "1.5h",
            "1h 30m",
            "30m1h",
            "1s1s",
            "2d",
            "1H",
            "5sec",
            "1h-5m",
            "five minutes",
            "٣m",
            "1m\n",
            "99999999999999999999s",
            "18446744073709551615h",
            "PT1H",
            "000000000000000000000000000000060s",
        ] {
            assert_eq!(millis(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_written_duration_reads_as_itself(milliseconds in 0_u64..1_u64 << 50) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(DurationText::from(duration).parse(), Some(duration));
        }
    }
}
