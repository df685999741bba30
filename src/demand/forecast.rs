//! Forecast: what the stream as a whole will be offered over the next day, by the course of yesterday, of last
//! week, or of both.
//!
//! # The model
//!
//! Time is cut into *slots* of a quarter of an hour that end now, at the last settled minute; s(i) is what the
//! stream was offered in slot i in the mean, and slot z begins now. With v what it is offered now, and b the mean of
//! s(z − p) and s(z − p − 1), what it was offered at this hour so many slots p ago, the k-th slot from now is expected
//! to bring
//!
//! > s(z + k − p) · (1 + (v/b − 1) · w(k)),
//!
//! where w falls from 1 to 1/2 over eight hours: by how much today is above the day before now, it will be for a
//! while, and half of it in the end. A [`Course`] is one p (a day, a week), or the mean of both.
//!
//! Which course, the stream's own past tells: each is tried at every hour of the last [`TRIED_DAYS`] days, and what
//! it would have said of two and four hours later is held against what came, as the ratio of the larger to the
//! smaller less one. The course with the least of that in the mean is taken. Beside them stands "as now": where the
//! load of now was the best guess at the load of later, nothing is foreseen.
//!
//! A course has to have been tried at half as many hours as "as now", and hangs on no slot that is not known. Ratios are
//! bounded, what is offered counts for no less than [`SILENCE`], and by an hour of silence no level is told, so that it
//! makes a forecast of nothing.

use crate::plan::Course;
use crate::snapshot::{Minute, QUARTER_MINUTES, Quarters, Snapshot};

use super::history::{Amounts, Span, Totals};
use super::rise::Rise;

/// Minutes of a slot.
pub const SLOT_MINUTES: u32 = QUARTER_MINUTES as u32;
const QUARTER: u64 = QUARTER_MINUTES as u64;
/// Slots of a day.
const DAY: usize = 96;
/// Slots of a forecast: all that is known of yesterday after this hour.
pub const SLOTS: usize = DAY - 1;
/// Slots in which w falls to a half.
const FADING_SLOTS: u64 = 32;
/// The newest minutes whose mean is taken for now.
const NOW_MINUTES: usize = 2;
/// The days on which courses are tried, up to now.
const TRIED_DAYS: usize = 4;
/// They are tried at every so many slots, and of so many slots later.
const TRIED_EVERY: usize = 4;
const TRIED_AHEAD: [usize; 2] = [8, 16];
/// The most that a single miss counts for, in thousandths.
const MOST_MISSED: u64 = 3_000;
/// Today is taken for at most so many times as much as the day before, and at least for that part of it.
const MOST_RATIO: u64 = 4;
/// A hundredth of a shard, in millionths.
const SILENCE: u64 = 10_000;

/// What is expected, in thousandths of what is offered now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// By slot, the first of which begins now. [`SLOTS`] of them.
    pub per_mille: Vec<u64>,
    /// The days that it goes by.
    pub course: Course,
}

impl Forecast {
    /// What the slot that begins now is expected to bring.
    pub fn next_per_mille(&self) -> u64 {
        self.per_mille.first().copied().unwrap_or(0)
    }
}

/// The forecast, where the past was a better guide than the load of now; in thousandths of that with its rise, which is
/// what demand is reckoned from.
pub(super) fn read(snapshot: &Snapshot, rise: Rise) -> Option<Forecast> {
    let end = snapshot.metrics.settled_until?;
    let span = Span { start: end.plus(-QUARTER_MINUTES), ..Span::day_before(end, snapshot) };
    let totals = Totals::read(&snapshot.metrics, span);
    let newest = |minutes: usize| {
        mean_of((span.len().saturating_sub(minutes)..span.len()).filter_map(|place| totals.fullness(place)))
    };
    let now = newest(NOW_MINUTES)?.max(SILENCE);
    let quarters =
        snapshot.metrics.quarters.as_ref().filter(|known| known.end() == Quarters::on_the_clock(end))?;
    let past = Past::of(quarters, end, newest(span.len()));
    let (course, ahead) = past.best_course(now)?;
    let risen = rise.raised(now);
    let per_mille = |expected: u64| (expected * 1_000 / risen).clamp(1, 1_000 * MOST_RATIO * MOST_RATIO);
    Some(Forecast { per_mille: ahead.into_iter().map(per_mille).collect(), course })
}

fn mean_of(values: impl Iterator<Item = u64>) -> Option<u64> {
    let (count, sum) =
        values.fold((0_u64, 0_u64), |(count, sum), value| (count + 1, sum.saturating_add(value)));
    sum.checked_div(count)
}

/// What was offered in the slots up to now, in millionths of a shard's ceiling, oldest first.
struct Past {
    slots: Vec<Option<u64>>,
}

impl Past {
    /// Of quarters of the clock, the last of which is the last that is over: a slot that lies across two of them has its
    /// part of each. The newest lies in a quarter that is not over.
    fn of(quarters: &Quarters, end: Minute, newest: Option<u64>) -> Past {
        let fullness = |writes: &Option<[u64; 3]>| {
            let [bytes, records, rejected] = (*writes)?;
            Some(Amounts { bytes, records, rejected }.fullness() / QUARTER)
        };
        let of_quarters: Vec<Option<u64>> = quarters.values.iter().map(fullness).collect();
        let late = end.since(Quarters::on_the_clock(end)).unsigned_abs();
        let slot = |pair: &[Option<u64>]| {
            let part =
                |of: Option<u64>, minutes: u64| if minutes == 0 { Some(0) } else { of?.checked_mul(minutes) };
            let of = part(pair[0], QUARTER - late)?.checked_add(part(pair[1], late)?)?;
            Some((of / QUARTER).max(SILENCE))
        };
        let older = of_quarters.windows(2).map(slot);
        Past { slots: older.chain([newest.map(|newest| newest.max(SILENCE))]).collect() }
    }

    fn at(&self, slot: usize) -> Option<u64> {
        self.slots.get(slot).copied().flatten()
    }

    /// What a course says in slot `now`, of which nothing is known yet, of so many slots later, where `level` is
    /// offered.
    fn expected(&self, course: Course, now: usize, ahead: usize, level: u64) -> Option<u64> {
        let after = |back: usize| {
            let then = now.checked_sub(back)?;
            let then_and_before = [self.at(then)?, self.at(then.checked_sub(1)?)?];
            let before = u64::midpoint(then_and_before[0], then_and_before[1]);
            // Millionths.
            let ratio = if then_and_before.contains(&SILENCE) {
                1_000_000
            } else {
                (level.saturating_mul(1_000_000) / before)
                    .clamp(1_000_000 / MOST_RATIO, 1_000_000 * MOST_RATIO)
            };
            let weight = 2 * FADING_SLOTS - (ahead as u64).min(FADING_SLOTS);
            let ratio = (ratio * weight + 1_000_000 * (2 * FADING_SLOTS - weight)) / (2 * FADING_SLOTS);
            Some(self.at(then + ahead)?.saturating_mul(ratio) / 1_000_000)
        };
        match course {
            Course::Yesterday => after(DAY),
            Course::LastWeek => after(7 * DAY),
            Course::Both => Some(u64::midpoint(after(DAY)?, after(7 * DAY)?)),
        }
    }

    /// The course that missed least, and what it says of the slots to come, where `level` is offered now; none where
    /// the load of then would have missed less.
    fn best_course(&self, level: u64) -> Option<(Course, Vec<u64>)> {
        let as_now = self.missed(None)?;
        let courses = [Course::Yesterday, Course::LastWeek, Course::Both].into_iter().filter_map(|course| {
            let missed = self.missed(Some(course)).filter(|missed| 2 * missed.tried >= as_now.tried)?;
            let ahead = (0..SLOTS).map(|slot| self.expected(course, self.slots.len(), slot, level));
            Some((missed.per_mille, (course, ahead.collect::<Option<_>>()?)))
        });
        let (missed, best) = courses.min_by_key(|(missed, _)| *missed)?;
        (missed < as_now.per_mille).then_some(best)
    }

    /// By how much a course was wrong; without one, the load of then.
    fn missed(&self, course: Option<Course>) -> Option<Missed> {
        let end = self.slots.len();
        let hours = (0..TRIED_DAYS * DAY).step_by(TRIED_EVERY).filter_map(|back| end.checked_sub(back));
        let misses =
            hours.flat_map(|now| TRIED_AHEAD.map(|ahead| (now, ahead))).filter_map(|(now, ahead)| {
                let (level, came) = (self.at(now.checked_sub(1)?)?, self.at(now + ahead)?);
                let said = course
                    .map_or(Some(level), |course| self.expected(course, now, ahead, level))?
                    .max(SILENCE);
                Some((said.max(came).saturating_mul(1_000) / said.min(came) - 1_000).min(MOST_MISSED))
            });
        let (tried, sum) = misses.fold((0, 0), |(tried, sum), missed| (tried + 1, sum + missed));
        (tried > 0).then(|| Missed { tried, per_mille: sum / tried })
    }
}

/// How good a course was.
struct Missed {
    /// How often it could be tried.
    tried: u64,
    /// By how many thousandths it was wrong in the mean.
    per_mille: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{FIRST, Story, percent, policy};
    use super::super::{Demand, assess};
    use super::*;
    use crate::policy::{ShardBounds, UpdateShardCount};

    /// A stream that in each minute, counted from now on backwards, was offered so many percent of a shard, for so
    /// many days; now is so many minutes after a quarter of the clock.
    fn stream(days: i64, late: i64, level: impl Fn(i64) -> u64) -> Snapshot {
        stream_of_hours(24 * days, late, level)
    }

    fn stream_of_hours(hours: i64, late: i64, level: impl Fn(i64) -> u64) -> Snapshot {
        let minutes = 45 - (FIRST.0 + 45 - late).rem_euclid(QUARTER_MINUTES);
        let mut story = Story::of(1);
        for minute in -minutes..0 {
            story.pass(1, |_| percent(level(minute)));
        }
        let mut snapshot = story.snapshot();
        let end = FIRST.plus(minutes);
        let mut quarters = Quarters::from(end.plus(-hours * 60));
        while quarters.end().plus(QUARTER_MINUTES) <= end {
            let first = quarters.end().since(end);
            let writes = (first..first + QUARTER_MINUTES).map(|minute| percent(level(minute)));
            let Amounts { bytes, records, rejected } =
                writes.fold(Amounts::default(), |sum, writes| sum.plus(writes));
            quarters.values.push(Some([bytes, records, rejected]));
        }
        snapshot.metrics.quarters = Some(quarters);
        snapshot
    }

    fn foreseen(snapshot: &Snapshot) -> Option<Forecast> {
        read(snapshot, Rise::default())
    }

    /// Between 20 and 100 % over a day, least at this hour.
    fn daily(minute: i64) -> u64 {
        let slot = minute.rem_euclid(24 * 60);
        20 + (slot.min(24 * 60 - slot) / 9).unsigned_abs()
    }

    /// The same, and on the two days that end now, and each week before, half of it.
    fn weekly(minute: i64) -> u64 {
        let of_week = minute.rem_euclid(7 * 24 * 60);
        if of_week < 5 * 24 * 60 { daily(minute) } else { daily(minute) / 2 }
    }

    /// The mean that comes in a slot from now on, in thousandths of what is offered now.
    fn comes(slot: usize, level: impl Fn(i64) -> u64) -> u64 {
        let first = slot as i64 * QUARTER_MINUTES;
        (first..first + QUARTER_MINUTES).map(&level).sum::<u64>() * 1_000 / 15 / level(-1)
    }

    #[test]
    fn what_comes_each_day_is_expected_at_its_hour() {
        for days in [3, 12] {
            let Forecast { per_mille, course } = foreseen(&stream(days, 4, daily)).expect("days are known");
            assert_eq!((per_mille.len(), course), (SLOTS, Course::Yesterday), "and a week is no better");
            for (slot, expected) in per_mille.iter().enumerate() {
                assert!(expected.abs_diff(comes(slot, daily)) < 100, "{days} days, slot {slot}: {expected}");
            }
        }
    }

    #[test]
    fn who_has_other_loads_on_other_days_of_the_week_is_known_by_the_week() {
        // Six hours into the first day of the week; yesterday half as much was offered.
        let level = |minute: i64| weekly(minute + 6 * 60);
        let Forecast { per_mille, course } = foreseen(&stream(12, 9, level)).expect("weeks are known");
        assert_eq!(course, Course::LastWeek);
        for (slot, expected) in per_mille.iter().enumerate() {
            assert!(expected.abs_diff(comes(slot, level)) < 60, "slot {slot}: {expected}");
        }
    }

    #[test]
    fn where_the_load_of_now_says_as_much_there_is_no_forecast() {
        assert_eq!(foreseen(&stream(12, 0, |_| 80)), None, "nothing ever changes");
        // What comes for two hours once in five has nothing to do with the hour of the day.
        assert_eq!(
            foreseen(&stream(12, 0, |minute| if minute.rem_euclid(300) < 120 { 80 } else { 40 })),
            None
        );
    }

    #[test]
    fn today_stays_above_yesterday_as_it_is_now_for_a_while_and_by_half_of_that_in_the_end() {
        let today = |minute: i64| daily(minute) * if minute >= -60 { 3 } else { 2 } / 2;
        let expected = foreseen(&stream(6, 0, today)).expect("days are known").per_mille;
        // In thousandths of today's: at first as much above yesterday's, from eight hours on half as much.
        let ratio = |slot: usize| expected[slot] * 1_000 / comes(slot, daily);
        assert!(
            (950..=1_050).contains(&ratio(1)) && (800..=880).contains(&ratio(40)),
            "{} {}",
            ratio(1),
            ratio(40)
        );
    }

    #[test]
    fn of_days_that_are_not_known_nothing_is_foreseen() {
        let whole = stream(12, 3, daily);
        let without = |change: fn(&mut Quarters)| {
            let mut snapshot = whole.clone();
            change(snapshot.metrics.quarters.as_mut().expect("they were read"));
            foreseen(&snapshot)
        };
        assert!(without(|_| ()).is_some());
        assert_eq!(without(|quarters| *quarters = Quarters::from(quarters.end())), None);
        assert_eq!(without(|quarters| quarters.values.truncate(500)), None, "they end long ago");
        let hole = without(|quarters| {
            let yesterday = quarters.values.len() - 50;
            quarters.values[yesterday] = None;
        });
        assert_eq!(hole.map(|forecast| forecast.course), Some(Course::LastWeek), "nor an hour of yesterday");
        assert_eq!(foreseen(&stream(1, 3, daily)), None, "never tried");
        let young = [40, 52].map(|hours| foreseen(&stream_of_hours(hours, 3, daily)).is_some());
        assert_eq!(young, [false, true], "half as many hours as it has known the load");
        let mut silent = whole;
        silent.metrics.stream.clear();
        assert_eq!(foreseen(&silent), None, "what is offered now is not known");
    }

    #[test]
    fn an_hour_of_silence_yesterday_makes_a_forecast_of_nothing() {
        // At this hour yesterday the writers were down.
        let outage = |minute: i64| if (-1_500..-1_425).contains(&minute) { 0 } else { daily(minute) };
        for late in [0, 7] {
            let expected = foreseen(&stream(5, late, outage)).expect("days are known").per_mille;
            for (slot, expected) in expected.into_iter().enumerate().skip(2) {
                assert!(expected.abs_diff(comes(slot, daily)) < 100, "slot {slot}: {expected}");
            }
        }
        // And of a stream that is silent now, nothing is expected but what is there each day.
        let silent = |minute: i64| if minute >= -60 { 0 } else { daily(minute) };
        let bounds = 1..=1_000 * MOST_RATIO * MOST_RATIO;
        let expected = foreseen(&stream(5, 0, silent)).map(|forecast| forecast.per_mille).unwrap_or_default();
        assert!(expected.iter().all(|slot| bounds.contains(slot)), "{expected:?}");
    }

    #[test]
    fn what_rises_now_is_reckoned_once() {
        let snapshot = stream(5, 0, daily);
        let [at_rest, rising] =
            [0, 250].map(|per_mille| read(&snapshot, Rise { per_mille }).expect("known").per_mille);
        for (at_rest, rising) in at_rest.into_iter().zip(rising) {
            assert!((rising * 5 / 4).abs_diff(at_rest) <= 2, "{rising} of {at_rest}");
        }
    }

    proptest! {
        #[test]
        fn wherever_now_lies_in_its_quarter_a_load_that_comes_each_day_is_foreseen(
            late in 0..15_i64,
            turned in 0..1_440_i64,
        ) {
            let level = |minute: i64| daily(minute + turned);
            let expected = foreseen(&stream(5, late, level)).expect("days are known").per_mille;
            for (slot, expected) in expected.into_iter().enumerate() {
                let comes = comes(slot, level);
                let near = comes * 85 / 100..=comes * 115 / 100;
                prop_assert!(near.contains(&expected), "slot {}: {} of {}", slot, expected, comes);
            }
        }
    }

    /// As it is demanded with each setting of `updateShardCount`.
    fn demanded(snapshot: &Snapshot) -> [Demand; 3] {
        let mut policy = policy();
        [UpdateShardCount::Never, UpdateShardCount::Emergency, UpdateShardCount::Auto].map(|setting| {
            policy.update_shard_count = setting;
            assess(snapshot, &policy)
        })
    }

    #[test]
    fn only_calls_that_may_follow_the_load_ask_for_a_forecast() {
        let is_there = demanded(&stream(12, 0, daily)).map(|demand| demand.forecast.is_some());
        assert_eq!(is_there, [false, false, true]);
    }

    #[test]
    fn merges_see_what_the_next_quarter_of_an_hour_is_expected_to_bring_and_splits_do_not() {
        let rising = demanded(&stream(12, 0, |minute| daily(minute + 180)));
        let next = rising[2].forecast.as_ref().map_or(0, Forecast::next_per_mille);
        assert!(next > 1_020, "{next}");
        let loads = rising.each_ref().map(|demand| demand.shards[0].loads());
        let peaks = rising.each_ref().map(|demand| demand.shards[0].peak_loads());
        assert_eq!(loads, [loads[0]; 3]);
        assert_eq!(peaks, [loads[0], loads[0], loads[0].scaled(next, 1_000)]);
        // Of the load of now, and not of the least in a while, which is what who waits to add shards goes by.
        let mut patient = policy();
        patient.update_shard_count = UpdateShardCount::Auto;
        patient.scale_up.stabilization_window = std::time::Duration::from_secs(1_800);
        let patient = assess(&stream(12, 0, |minute| daily(minute + 180)), &patient);
        assert!(patient.shards[0].loads().ingest_bytes < loads[0].ingest_bytes);
        assert_eq!(patient.shards[0].peak_loads(), peaks[2]);
        // At the most shards that there may be, merges make room for heat, and do not wait.
        let mut full = policy();
        (full.update_shard_count, full.bounds) =
            (UpdateShardCount::Auto, ShardBounds::new(1, 1).expect("one"));
        let full = assess(&stream(12, 0, |minute| daily(minute + 180)), &full);
        assert_eq!((full.shards[0].peak_loads(), full.foreseen_per_mille), (loads[0], 0));
        // What falls is no reason to merge sooner: what was higher fades as it does without.
        let falling = demanded(&stream(12, 0, |minute| daily(minute - 180)));
        let peaks = falling.map(|demand| demand.shards[0].peak_loads());
        assert_eq!(peaks, [peaks[0]; 3]);
    }
}
