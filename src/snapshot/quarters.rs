//! What was written to a stream in each quarter of an hour of the clock: weeks of it, for a forecast that knows
//! the days of the week.

use serde::{Deserialize, Serialize};

use super::Minute;

/// Minutes of a quarter of an hour.
pub const QUARTER_MINUTES: i64 = 15;

/// The writes of the stream as a whole, quarter by quarter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quarters {
    /// The minute in which the first begins: on a quarter of the clock ([`Quarters::on_the_clock`]).
    pub start: Minute,
    /// Accepted bytes, accepted records and rejected records; `None` where they are not known.
    pub values: Vec<Option<[u64; 3]>>,
}

impl Quarters {
    /// Without any, from the quarter on in which this minute lies.
    pub fn from(start: Minute) -> Quarters {
        Quarters { start: Quarters::on_the_clock(start), values: Vec::new() }
    }

    /// The minute in which the quarter that holds `minute` begins.
    pub fn on_the_clock(Minute(minute): Minute) -> Minute {
        Minute(minute - minute.rem_euclid(QUARTER_MINUTES))
    }

    /// The minute in which the first quarter begins that lies after the last.
    pub fn end(&self) -> Minute {
        self.start
            .plus(QUARTER_MINUTES * i64::try_from(self.values.len()).unwrap_or(i64::MAX / QUARTER_MINUTES))
    }

    /// The minute in which the first begins that is as asked, by that minute and by what was written.
    pub fn first(&self, is: impl Fn(Minute, Option<[u64; 3]>) -> bool) -> Option<Minute> {
        let begin = |place: usize| {
            self.start.plus(QUARTER_MINUTES * i64::try_from(place).unwrap_or(i64::MAX / QUARTER_MINUTES))
        };
        (0..self.values.len()).find(|place| is(begin(*place), self.values[*place])).map(begin)
    }

    /// Lets them end where the quarter begins that holds `minute`, later ones gone.
    pub fn end_at(&mut self, minute: Minute) {
        let left = minute.since(self.start).div_euclid(QUARTER_MINUTES);
        self.values.truncate(usize::try_from(left).unwrap_or(0));
    }

    /// Lets them begin with the quarter that holds `minute`, earlier ones gone.
    pub fn begin_at(&mut self, minute: Minute) {
        let from = Quarters::on_the_clock(minute);
        let gone =
            usize::try_from(from.since(self.start) / QUARTER_MINUTES).unwrap_or(0).min(self.values.len());
        if from > self.start {
            self.values.drain(..gone);
            self.start = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_begin_and_end_on_the_clock_and_are_cut_there() {
        let mut quarters = Quarters::from(Minute(44));
        quarters.values = vec![Some([1, 2, 3]), None, Some([7, 8, 9])];
        assert_eq!((quarters.start, quarters.end()), (Minute(30), Minute(75)));
        assert_eq!(quarters.first(|_, writes| writes.is_none()), Some(Minute(45)));
        quarters.end_at(Minute(75));
        assert_eq!(quarters.values.len(), 3, "it never ended later");
        for (minute, left) in [(74, 2), (60, 2), (59, 1), (29, 0)] {
            let mut cut = quarters.clone();
            cut.end_at(Minute(minute));
            assert_eq!((cut.start, cut.values.as_slice()), (Minute(30), &quarters.values[..left]));
        }
        quarters.begin_at(Minute(20));
        assert_eq!(quarters.start, Minute(30), "it never began earlier");
        quarters.begin_at(Minute(61));
        assert_eq!((quarters.start, quarters.values.as_slice()), (Minute(60), &[Some([7, 8, 9])][..]));
        assert_eq!(quarters.first(|_, writes| writes.is_none()), None);
        quarters.begin_at(Minute(1_000));
        assert_eq!((quarters.start, quarters.values.len()), (Minute(990), 0));
        assert_eq!(Quarters::on_the_clock(Minute(-1)), Minute(-15));
    }
}
