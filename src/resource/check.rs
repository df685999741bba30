//! Faults of fields: each with its path, what is wrong and what would be right; all of them at once.

use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

use super::duration::DurationText;
use super::ranges::{DurationRange, MillionthsRange};

/// One thing that is wrong in a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where: `spec.schedules[1].timeZone`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl std::error::Error for FieldError {}

/// A place in the resource, and where its faults go.
pub(super) struct Field<'a> {
    path: String,
    faults: &'a RefCell<Vec<FieldError>>,
}

impl<'a> Field<'a> {
    /// The field `name` of the resource itself.
    pub(super) fn top(name: &str, faults: &'a RefCell<Vec<FieldError>>) -> Field<'a> {
        Field { path: name.to_owned(), faults }
    }

    /// The field `name` inside this one.
    pub(super) fn at(&self, name: &str) -> Field<'a> {
        Field { path: format!("{}.{name}", self.path), faults: self.faults }
    }

    /// The item at `index` of this list.
    pub(super) fn item(&self, index: usize) -> Field<'a> {
        Field { path: format!("{}[{index}]", self.path), faults: self.faults }
    }

    /// Notes a fault here.
    pub(super) fn fault(&self, message: impl Into<String>) {
        self.faults.borrow_mut().push(FieldError { path: self.path.clone(), message: message.into() });
    }

    /// Notes a fault here unless `holds`.
    pub(super) fn require(&self, holds: bool, message: impl FnOnce() -> String) {
        if !holds {
            self.fault(message());
        }
    }

    /// `value` where it lies in `range`.
    pub(super) fn integer(&self, value: i64, range: RangeInclusive<u32>) -> Option<u32> {
        let valid = u32::try_from(value).ok().filter(|value| range.contains(value));
        self.require(valid.is_some(), || {
            format!("{value} is out of range: give a whole number from {} to {}", range.start(), range.end())
        });
        valid
    }

    /// `value` where it lies in `range`, in millionths, rounded.
    pub(super) fn millionths(&self, value: f64, range: MillionthsRange) -> Option<u64> {
        let (least, most) = (f64::from(*range.start()), f64::from(*range.end()));
        let valid = (least..=most).contains(&(value * 1e6));
        self.require(valid, || {
            format!("{value} is out of range: give a number from {} to {}", least / 1e6, most / 1e6)
        });
        valid.then_some((value * 1e6).round() as u64)
    }

    /// The duration where it is one and lies in `range`.
    pub(super) fn duration(&self, text: &DurationText, range: &DurationRange) -> Option<Duration> {
        let DurationRange { least, most, step } = range;
        match text.parse() {
            None => self.fault(format!(
                "{} is not a duration: give {range}, in whole hours, minutes and seconds such as {}",
                quoted(&text.0),
                DurationText::from(range.example())
            )),
            Some(duration) if !(*least..=*most).contains(&duration) => {
                self.fault(format!("{} is out of range: give {range}", quoted(&text.0)));
            }
            Some(duration) if !range.contains(duration) => {
                let step = DurationText::from(*step);
                self.fault(format!("{} is not a multiple of {step}: give {range}", quoted(&text.0)));
            }
            Some(duration) => return Some(duration),
        }
        None
    }

    /// Notes a fault where a list has more than `most` items.
    pub(super) fn at_most<T>(&self, list: &[T], most: usize) {
        self.require(list.len() <= most, || {
            format!("{} items are too many: give at most {most}", list.len())
        });
    }

    /// Notes a fault where `name` is not one to `most` printable characters.
    pub(super) fn printable(&self, name: &str, most: usize) {
        let valid = (1..=most).contains(&name.chars().count())
            && !name.chars().any(char::is_control)
            && name.trim() == name;
        self.require(valid, || {
            format!("{} is not a name: give 1 to {most} characters, no blank at either end", quoted(name))
        });
    }
}

/// What was written, cut to a line and without what could steer a terminal.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", harmless(text, 80))
}

/// At most `most` characters of a text that comes from outside, control characters escaped.
pub(crate) fn harmless(text: &str, most: usize) -> String {
    let shown = text.chars().take(most).flat_map(|c| {
        let escaped = c.is_control().then(|| c.escape_default());
        let plain = escaped.is_none().then_some(c);
        escaped.into_iter().flatten().chain(plain)
    });
    shown.chain(text.chars().nth(most).map(|_| '…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_cannot_steer_the_terminal_or_flood_it() {
        assert_eq!(quoted("a\u{1b}[2Jb\n"), r"`a\u{1b}[2Jb\n`");
        assert_eq!(quoted(&"x".repeat(1_000)).chars().count(), 83);
    }

    #[test]
    fn the_example_that_a_wrong_duration_is_told_lies_in_the_range() {
        for (range, example) in [
            (DurationRange::seconds(10, 86_400), "1h30m"),
            (DurationRange::seconds(10, 3_600), "1m30s"),
            (DurationRange::seconds(10, 60), "10s"),
            (DurationRange { step: Duration::from_secs(60), ..DurationRange::seconds(60, 3_600) }, "1m"),
        ] {
            let faults = RefCell::default();
            let field = Field::top("interval", &faults);
            assert_eq!(field.duration(&DurationText("soon".to_owned()), &range), None);
            let told = faults.borrow()[0].to_string();
            assert!(told.ends_with(&format!("such as {example}")), "{told}");
            assert!(field.duration(&DurationText(example.to_owned()), &range).is_some(), "{example}");
        }
    }

    #[test]
    fn numbers_that_are_none_are_out_of_range() {
        let faults = RefCell::default();
        let field = Field::top("tolerance", &faults);
        for value in [f64::NAN, f64::INFINITY, -0.1, 0.91, 1e300] {
            assert_eq!(field.millionths(value, 0..=900_000), None, "{value}");
        }
        assert_eq!(field.millionths(0.9, 0..=900_000), Some(900_000));
        assert_eq!(faults.borrow().len(), 5);
    }
}
