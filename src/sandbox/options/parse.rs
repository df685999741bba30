//! How the values of the sandbox's options are written.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;

use crate::simulator::workload::{Consumer, ConsumerKind, HotSpot};

/// What is wrong with a value, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not a rate of bytes.
    #[error("'{0}' is not a rate: a number with B, KB, MB, GB, KiB, MiB or GiB is, such as 800KB or 2.5MB")]
    Rate(String),
    /// Not a time span.
    #[error("'{0}' is not a time span in whole seconds up to 365 days: 90s, 10m, 1h30m or 2d are")]
    Seconds(String),
    /// Not a hot spot.
    #[error(
        "'{0}' is not a hot spot: SHARE[:WIDTH[:MOVES]] is, with SHARE and WIDTH from 0 to 1, such as 0.5:0.01:10m"
    )]
    HotSpot(String),
    /// Not a consumer.
    #[error(
        "'{0}' is not a consumer: NAME=polling[:INTERVAL], NAME=firehose, NAME=lambda or NAME=efo is, such as \
         billing=polling:1s"
    )]
    Consumer(String),
}

/// Bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteRate(pub u64);

/// The units of a rate, the longest first, so that none is taken for the end of another.
const UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

impl FromStr for ByteRate {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let plain = text.strip_suffix("/s").unwrap_or(text);
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, unit)| Some((plain.strip_suffix(name)?, *unit)))
            .unwrap_or((plain, 1));
        let rate = number.trim_end().parse::<f64>().ok().map(|number| number * unit as f64);
        // Above this a stream of AWS's largest size would be too small by far.
        const HIGHEST: f64 = 1e12;
        match rate {
            Some(rate) if (0.0..=HIGHEST).contains(&rate) && !number.starts_with(['+', '-']) => {
                Ok(ByteRate(rate.round() as u64))
            }
            _ => Err(ParseError::Rate(text.to_owned())),
        }
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let divides = |(_, unit): &&(&str, u64)| self.0 > 0 && self.0.is_multiple_of(*unit);
        let largest = UNITS[3..].iter().filter(divides).max_by_key(|(_, unit)| *unit);
        match largest {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// A time span of whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(pub u32);

impl Seconds {
    /// The same as the model counts it.
    pub fn duration(self) -> SignedDuration {
        SignedDuration::from_secs(self.0.into())
    }
}

impl FromStr for Seconds {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        const LONGEST: i64 = 365 * 86_400;
        let error = || ParseError::Seconds(text.to_owned());
        // jiff's spans have no days of 24 hours.
        let seconds = match text.strip_suffix('d').map(str::parse::<u16>) {
            Some(Ok(days)) => i64::from(days) * 86_400,
            _ => {
                let span: SignedDuration = text.parse().map_err(|_| error())?;
                if span.subsec_nanos() != 0 {
                    return Err(error());
                }
                span.as_secs()
            }
        };
        match u32::try_from(seconds) {
            Ok(short) if seconds <= LONGEST => Ok(Seconds(short)),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0s"),
            days if days % 86_400 == 0 => write!(f, "{}d", days / 86_400),
            hours if hours % 3_600 == 0 => write!(f, "{}h", hours / 3_600),
            minutes if minutes % 60 == 0 => write!(f, "{}m", minutes / 60),
            seconds => write!(f, "{seconds}s"),
        }
    }
}

/// A part of the load that goes to one place: `SHARE[:WIDTH[:MOVES]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct HotSpotOption(pub HotSpot);

impl FromStr for HotSpotOption {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::HotSpot(text.to_owned());
        let part = |text: &str| text.parse().ok().filter(|part| (0.0..=1.0).contains(part)).ok_or_else(error);
        let mut parts = text.split(':');
        let share = part(parts.next().unwrap_or_default())?;
        let width = parts.next().map(part).transpose()?.unwrap_or(0.0);
        let moves = parts.next().map(str::parse::<Seconds>).transpose().map_err(|_| error())?;
        if parts.next().is_some() || moves == Some(Seconds(0)) {
            return Err(error());
        }
        let moves_every = moves.map(Seconds::duration);
        Ok(HotSpotOption(HotSpot { share, width, position: None, moves_every }))
    }
}

/// A reader of the stream: `NAME=KIND`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerOption(pub Consumer);

impl FromStr for ConsumerOption {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::Consumer(text.to_owned());
        let (name, kind) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(error)?;
        let (kind, interval) = match kind.split_once(':') {
            Some((kind, interval)) => (kind, Some(interval)),
            None => (kind, None),
        };
        let kind = match (kind, interval) {
            ("polling", interval) => {
                // A KCL application polls once a second unless it is told otherwise.
                let interval = interval.unwrap_or("1s").parse::<SignedDuration>().map_err(|_| error())?;
                if !interval.is_positive() {
                    return Err(error());
                }
                ConsumerKind::Polling { interval }
            }
            ("firehose", None) => ConsumerKind::Firehose,
            ("lambda", None) => ConsumerKind::Lambda,
            ("efo", None) => ConsumerKind::EnhancedFanOut,
            _ => return Err(error()),
        };
        Ok(ConsumerOption(Consumer::new(name, kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_with_their_unit() {
        for (text, rate) in [
            ("0", 0),
            ("17", 17),
            ("800KB", 800_000),
            ("2.5MB/s", 2_500_000),
            ("1MiB", 1_048_576),
            ("3 GB", 3_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(ByteRate(rate)), "{text}");
        }
        for text in ["", "MB", "-1", "+1", "1XB", "nan", "inf", "1e13", "1 2"] {
            assert_eq!(text.parse::<ByteRate>(), Err(ParseError::Rate(text.to_owned())));
        }
    }

    #[test]
    fn what_is_displayed_is_read_back() {
        for rate in [0, 1, 999, 1_000, 1_500, 2_000_000, 3_000_000_000] {
            assert_eq!(ByteRate(rate).to_string().parse(), Ok(ByteRate(rate)));
        }
        assert_eq!(ByteRate(2_000_000).to_string(), "2MB");
        for seconds in [0, 1, 60, 90, 3_600, 86_400, 90_061] {
            assert_eq!(Seconds(seconds).to_string().parse(), Ok(Seconds(seconds)));
        }
    }

    #[test]
    fn time_spans_are_whole_seconds() {
        for (text, seconds) in [("90s", 90), ("1h30m", 5_400), ("2d", 172_800), ("10 minutes", 600)] {
            assert_eq!(text.parse(), Ok(Seconds(seconds)), "{text}");
        }
        for text in ["", "10", "-5s", "100ms", "400d", "1y"] {
            assert_eq!(text.parse::<Seconds>(), Err(ParseError::Seconds(text.to_owned())));
        }
    }

    #[test]
    fn hot_spots_are_a_share_a_width_and_a_stay() {
        let HotSpotOption(spot) = "0.5:0.01:10m".parse().expect("it is a hot spot");
        assert_eq!(
            (spot.share, spot.width, spot.moves_every),
            (0.5, 0.01, Some(SignedDuration::from_mins(10)))
        );
        let HotSpotOption(key) = "1".parse().expect("it is a hot spot");
        assert_eq!((key.share, key.width, key.moves_every), (1.0, 0.0, None));
        for text in ["", "1.1", "0.5:2", "0.5:0.1:0s", "0.5:0.1:10m:x", "nan"] {
            assert!(text.parse::<HotSpotOption>().is_err(), "{text}");
        }
    }

    #[test]
    fn consumers_have_a_name_and_a_kind() {
        let ConsumerOption(billing) = "billing=polling:250ms".parse().expect("it is a consumer");
        assert_eq!(billing.kind, ConsumerKind::Polling { interval: SignedDuration::from_millis(250) });
        for (text, kind) in [
            ("a=firehose", ConsumerKind::Firehose),
            ("a=lambda", ConsumerKind::Lambda),
            ("a=efo", ConsumerKind::EnhancedFanOut),
        ] {
            assert_eq!(text.parse(), Ok(ConsumerOption(Consumer::new("a", kind))));
        }
        for text in ["", "a", "=lambda", "a=kcl", "a=lambda:1s", "a=polling:0s", "a=polling:x"] {
            assert_eq!(text.parse::<ConsumerOption>(), Err(ParseError::Consumer(text.to_owned())));
        }
    }
}
