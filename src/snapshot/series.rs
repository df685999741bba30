//! A metric over minutes. Minutes without a data point at either end are counted, not written out: of a
//! shard that lived for half an hour of a day, half an hour is kept.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Minute;

/// One metric, a value a minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Series {
    /// The minute of the first value.
    pub start: Minute,
    /// So many minutes without a data point before `values`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub silent_before: usize,
    /// The values; `None` where CloudWatch has no data point.
    pub values: Vec<Option<u64>>,
    /// So many minutes without a data point after `values`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub silent_after: usize,
    /// Whether CloudWatch said that the reply is complete, and every data point was possible (not
    /// negative, not NaN, within the window asked for).
    pub complete: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(minutes: &usize) -> bool {
    *minutes == 0
}

impl Series {
    /// With all values written out.
    pub fn new(start: Minute, values: Vec<Option<u64>>, complete: bool) -> Series {
        Series { start, silent_before: 0, values, silent_after: 0, complete }
    }

    /// The minutes from `start` up to, not including, `end`, in which only `values` may have data, the
    /// first of them in the minute `from`.
    pub fn of_span(start: Minute, end: Minute, from: Minute, mut values: Vec<Option<u64>>) -> Series {
        let minutes = |of: i64| usize::try_from(of).unwrap_or(0);
        let all = minutes(end.since(start));
        let silent_before = minutes(from.since(start)).min(all);
        let early = minutes(start.since(from)).min(values.len());
        values.drain(..early);
        values.truncate(all - silent_before);
        let silent_after = all - silent_before - values.len();
        Series { start, silent_before, values, silent_after, complete: true }
    }

    /// The values of all its minutes.
    pub fn all_values(&self) -> impl Iterator<Item = Option<u64>> + '_ {
        let silence = |minutes| std::iter::repeat_n(None, minutes);
        silence(self.silent_before).chain(self.values.iter().copied()).chain(silence(self.silent_after))
    }

    /// How many minutes it has.
    pub fn minutes(&self) -> usize {
        self.silent_before + self.values.len() + self.silent_after
    }

    /// Adds the next minute.
    pub fn push(&mut self, value: Option<u64>) {
        if value.is_none() {
            self.silent_after += 1;
        } else {
            self.values.extend(std::iter::repeat_n(None, std::mem::take(&mut self.silent_after)));
            self.values.push(value);
        }
    }

    /// Lets it begin at `from`, earlier minutes gone.
    pub fn begin_at(&mut self, from: Minute) {
        let dropped = usize::try_from(from.since(self.start)).unwrap_or(0).min(self.minutes());
        self.start = self.start.plus(i64::try_from(dropped).unwrap_or(i64::MAX));
        let silent = dropped.min(self.silent_before);
        self.silent_before -= silent;
        let told = (dropped - silent).min(self.values.len());
        self.values.drain(..told);
        self.silent_after -= dropped - silent - told;
    }

    /// Lets it end at `end`, later minutes gone, or with no data after its last minute.
    pub fn end_at(&mut self, end: Minute) {
        self.silent_after += usize::try_from(end.since(self.end())).unwrap_or(0);
        let dropped = usize::try_from(self.end().since(end)).unwrap_or(0).min(self.minutes());
        let silent = dropped.min(self.silent_after);
        self.silent_after -= silent;
        let told = (dropped - silent).min(self.values.len());
        self.values.truncate(self.values.len() - told);
        self.silent_before -= dropped - silent - told;
    }

    /// Lets it begin at `from`, with no data before its first minute.
    pub fn reach_back_to(&mut self, from: Minute) {
        self.silent_before += usize::try_from(self.start.since(from)).unwrap_or(0);
        self.start = self.start.min(from);
    }

    /// The value of a minute: `None` outside the series or where there is no data point.
    pub fn at(&self, minute: Minute) -> Option<u64> {
        let index = usize::try_from(minute.since(self.told_from())).ok()?;
        self.values.get(index).copied().flatten()
    }

    /// Whether there is a data point of this minute.
    pub fn has(&self, minute: Minute) -> bool {
        self.at(minute).is_some()
    }

    /// The values from `from` up to, not including, `to`, as far as the series has some, and how many
    /// minutes after `from` they begin: no more than there are.
    pub fn within(&self, from: Minute, to: Minute) -> (usize, &[Option<u64>]) {
        let start = self.told_from();
        let offset = |minute: Minute| usize::try_from(minute.since(start)).unwrap_or(0);
        let end = offset(to).min(self.values.len());
        let first = offset(from).min(end);
        let late = usize::try_from(start.min(to).since(from)).unwrap_or(0);
        (late, self.values.get(first..end).unwrap_or_default())
    }

    /// The first and the last minute before `end` whose value is as asked.
    pub fn first_and_last(&self, end: Minute, is: impl Fn(Option<u64>) -> bool) -> Option<(Minute, Minute)> {
        let start = self.told_from();
        let minute = |at: usize| start.plus(i64::try_from(at).unwrap_or(i64::MAX));
        let until = usize::try_from(end.since(start)).unwrap_or(0).min(self.values.len());
        let values = &self.values[..until];
        let first = values.iter().position(|value| is(*value))?;
        let last = values.iter().rposition(|value| is(*value))?;
        Some((minute(first), minute(last)))
    }

    /// The minutes whose values are written out; none of the others has data.
    pub fn told(&self) -> Range<Minute> {
        let from = self.told_from();
        from..from.plus(i64::try_from(self.values.len()).unwrap_or(i64::MAX))
    }

    /// The minute after the last one.
    pub fn end(&self) -> Minute {
        self.start.plus(i64::try_from(self.minutes()).unwrap_or(i64::MAX))
    }

    /// Whether the series was asked for this minute.
    pub fn covers(&self, minute: Minute) -> bool {
        self.start <= minute && minute < self.end()
    }

    /// The minute of the first value that is written out.
    fn told_from(&self) -> Minute {
        self.start.plus(i64::try_from(self.silent_before).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_minute_outside_the_series_and_a_minute_without_data_are_both_unknown() {
        let series = Series::new(Minute(100), vec![Some(7), None], true);
        assert_eq!([99, 100, 101, 102].map(|m| series.at(Minute(m))), [None, Some(7), None, None]);
        assert!(series.covers(Minute(101)) && !series.covers(Minute(102)));
    }

    #[test]
    fn the_values_of_a_span_begin_where_both_do() {
        let series = Series::new(Minute(100), vec![Some(1), None, Some(3)], true);
        let within = |from, to| series.within(Minute(from), Minute(to));
        assert_eq!(within(98, 102), (2, &[Some(1), None][..]));
        assert_eq!(within(101, 200), (0, &[None, Some(3)][..]));
        assert_eq!(within(90, 95), (5, &[][..]));
        assert_eq!(within(103, 110), (0, &[][..]));
        assert_eq!(within(90, 80), (0, &[][..]));
    }

    proptest! {
        #[test]
        fn minutes_that_are_counted_are_as_if_they_were_written_out(
            told in prop::collection::vec(prop::option::of(0..9_u64), 0..12),
            [start, length, from, cut, more] in [-3..3_i64, 0..15_i64, -6..20_i64, -3..20_i64, 0..4_i64],
        ) {
            let (start, from) = (Minute(start), Minute(from));
            let end = start.plus(length);
            let mut series = Series::of_span(start, end, from, told.clone());
            let at = |minute: i64| {
                usize::try_from(minute - from.0).ok().and_then(|at| told.get(at).copied().flatten())
            };
            let mut expected: Vec<_> = (start.0..end.0).map(at).collect();
            for value in (0..more).map(|at| (at % 2 == 1).then_some(at as u64)) {
                series.push(value);
                expected.push(value);
            }
            let end = start.plus(expected.len() as i64 - cut.rem_euclid(5) + 2 * more);
            let kept = usize::try_from(end.since(start)).unwrap_or(0);
            series.end_at(end);
            expected.resize(kept, None);
            let dropped = usize::try_from(cut - start.0).unwrap_or(0).min(expected.len());
            series.begin_at(Minute(cut));
            expected.drain(..dropped);
            let mut begins = start.plus(dropped as i64);
            for back in 0..more {
                begins = begins.plus(-back);
                series.reach_back_to(begins);
                expected.splice(0..0, (0..back).map(|_| None));
            }
            prop_assert_eq!((series.start, series.all_values().collect::<Vec<_>>()), (begins, expected.clone()));
            let read = (0..expected.len() as i64).map(|at| series.at(begins.plus(at)));
            prop_assert_eq!(read.collect::<Vec<_>>(), expected.clone());
            prop_assert_eq!(series.end(), begins.plus(expected.len() as i64));
            let all = Series::new(begins, expected, true);
            for to in -4..20 {
                let span = |series: &Series| {
                    let (late, values) = series.within(Minute(-4), Minute(to));
                    let known = values.iter().enumerate().filter_map(|(at, value)| Some((late + at, (*value)?)));
                    known.collect::<Vec<_>>()
                };
                prop_assert_eq!(span(&series), span(&all));
                let has_data = |value: Option<u64>| value.is_some();
                let both = [&series, &all].map(|series| series.first_and_last(Minute(to), has_data));
                prop_assert_eq!(both[0], both[1]);
            }
        }
    }
}
