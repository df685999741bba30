//! Schedules: times at which other bounds hold, by cron expression in a time zone.

use std::time::Duration;

use croner::Cron;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Allow;

/// A window that opens at each match of a cron expression. On the wall clock, an opening that a
/// change of clocks skips comes right after it, and one that it repeats comes once.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// When it opens, in `time_zone`.
    pub cron: Cron,
    /// The zone of the cron expression.
    pub time_zone: TimeZone,
    /// How long it stays open, as time that passes: a change of clocks does not stretch it.
    pub duration: Duration,
    /// How much earlier `min_shards` already holds.
    pub lead_time: Duration,
    /// The fewest shards while it is open.
    pub min_shards: Option<u32>,
    /// The directions that are open while it is open.
    pub allow: Allow,
}

/// Where a schedule stands at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It is closed, and no opening is near.
    Closed,
    /// It opens within its lead time.
    Leading,
    /// It is open.
    Open,
}

impl Schedule {
    /// Where it stands at `now`. The opening belongs to the window, its end does not.
    pub fn phase(&self, now: Timestamp) -> Phase {
        if self.opens_within(now, Duration::ZERO) {
            Phase::Open
        } else if self.opens_within(now, self.lead_time) {
            Phase::Leading
        } else {
            Phase::Closed
        }
    }

    /// Whether an opening lies at or before `now + lead` and its window has not ended at `now`.
    /// The latest opening decides: windows of one schedule all have the same length.
    fn opens_within(&self, now: Timestamp, lead: Duration) -> bool {
        let Ok(until) = now.checked_add(lead) else { return false };
        // A cron expression that never matched has no opening.
        let Ok(opening) = self.cron.find_previous_occurrence(&until.to_zoned(self.time_zone.clone()), true)
        else {
            return false;
        };
        opening.timestamp().checked_add(self.duration).is_ok_and(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ScalingPolicy;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn paris(cron: &str, duration: Duration, lead_time: Duration) -> Schedule {
        Schedule {
            name: cron.to_owned(),
            cron: cron.parse().expect("a cron expression"),
            time_zone: TimeZone::get("Europe/Paris").expect("a bundled zone"),
            duration,
            lead_time,
            min_shards: None,
            allow: Allow::All,
        }
    }

    /// The phases at several moments, given in RFC 3339.
    fn phases(schedule: &Schedule, moments: &[&str]) -> Vec<Phase> {
        moments.iter().map(|moment| schedule.phase(at(moment))).collect()
    }

    fn at(moment: &str) -> Timestamp {
        moment.parse().expect("a moment in RFC 3339")
    }

    #[test]
    fn the_opening_belongs_to_the_window_and_its_end_does_not() {
        let schedule = paris("0 6 * * 1-5", 14 * HOUR, Duration::ZERO);
        let moments = [
            "2026-11-20T05:59:59.999999999+01:00",
            "2026-11-20T06:00:00+01:00",
            "2026-11-20T19:59:59.999999999+01:00",
            "2026-11-20T20:00:00+01:00",
            "2026-11-21T12:00:00+01:00", // Saturday
        ];
        use Phase::{Closed, Open};
        assert_eq!(phases(&schedule, &moments), [Closed, Open, Open, Closed, Closed]);
    }

    #[test]
    fn lead_time_begins_before_the_opening_and_ends_with_it() {
        let schedule = paris("0 6 * * *", HOUR, HOUR / 2);
        let moments = [
            "2026-11-20T05:29:59.999+01:00",
            "2026-11-20T05:30:00+01:00",
            "2026-11-20T05:59:59.999+01:00",
            "2026-11-20T06:00:00+01:00",
            "2026-11-20T07:00:00+01:00",
        ];
        use Phase::{Closed, Leading, Open};
        assert_eq!(phases(&schedule, &moments), [Closed, Leading, Leading, Open, Closed]);
    }

    #[test]
    fn a_window_longer_than_its_period_never_closes() {
        let schedule = paris("0 6 * * *", 25 * HOUR, HOUR);
        for hour in 0..72 {
            let now = at("2026-11-20T00:00:00Z") + hour * HOUR;
            assert_eq!(schedule.phase(now), Phase::Open, "{now}");
        }
    }

    #[test]
    fn an_opening_that_the_clocks_skip_comes_right_after() {
        // 29 March 2026: 02:00 to 03:00 does not exist in Paris. 03:00+02:00 is 01:00Z.
        let schedule = paris("30 2 * * *", HOUR, HOUR / 4);
        let moments = [
            "2026-03-29T00:44:59Z",
            "2026-03-29T00:45:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:59:59Z",
            "2026-03-29T02:00:00Z",
            "2026-03-30T00:29:59Z", // 02:29:59+02:00
            "2026-03-30T00:30:00Z",
        ];
        use Phase::{Closed, Leading, Open};
        assert_eq!(phases(&schedule, &moments), [Closed, Leading, Open, Open, Closed, Leading, Open]);
    }

    #[test]
    fn an_opening_that_the_clocks_repeat_comes_once() {
        // 25 October 2026: 02:00 to 03:00 comes twice in Paris, at 00:00Z and at 01:00Z.
        let schedule = paris("30 2 * * *", HOUR / 2, Duration::ZERO);
        let moments = [
            "2026-10-25T00:29:59Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T00:59:59Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z", // 02:30 again
            "2026-10-25T01:45:00Z",
        ];
        use Phase::{Closed, Open};
        assert_eq!(phases(&schedule, &moments), [Closed, Open, Open, Closed, Closed, Closed]);
    }

    #[test]
    fn a_change_of_clocks_does_not_stretch_a_window() {
        // 14 hours from 22:00 on the eve: to 13:00 in spring, to 11:00 in autumn.
        let schedule = paris("0 22 * * *", 14 * HOUR, Duration::ZERO);
        use Phase::{Closed, Open};
        let spring = ["2026-03-29T12:59:59+02:00", "2026-03-29T13:00:00+02:00"];
        assert_eq!(phases(&schedule, &spring), [Open, Closed]);
        let autumn = ["2026-10-25T10:59:59+01:00", "2026-10-25T11:00:00+01:00"];
        assert_eq!(phases(&schedule, &autumn), [Open, Closed]);
    }

    #[test]
    fn an_opening_may_be_years_ago() {
        let schedule = paris("0 0 29 2 *", 24 * HOUR, Duration::ZERO);
        assert_eq!(schedule.phase(at("2028-02-29T12:00:00+01:00")), Phase::Open);
        assert_eq!(schedule.phase(at("2028-03-01T00:00:00+01:00")), Phase::Closed);
        // 2100 is no leap year.
        assert_eq!(schedule.phase(at("2100-03-01T12:00:00+01:00")), Phase::Closed);
        assert_eq!(schedule.phase(at("2103-12-31T12:00:00+01:00")), Phase::Closed);
    }

    #[test]
    fn at_the_ends_of_the_calendar_schedules_are_closed() {
        let schedule = paris("0 0 * * *", 366 * 24 * HOUR, 24 * HOUR);
        assert_eq!(schedule.phase(Timestamp::MIN), Phase::Closed);
        assert_eq!(schedule.phase(Timestamp::MAX), Phase::Closed);
    }

    #[test]
    fn the_highest_min_shards_and_the_narrowest_allow_win() {
        let noon = |hours: u32, min_shards, allow| Schedule {
            min_shards,
            allow,
            name: format!("{hours} hours"),
            ..paris("0 12 * * *", hours * HOUR, HOUR)
        };
        let mut policy = ScalingPolicy::for_stream("orders", 64);
        policy.schedules = vec![
            noon(3, Some(16), Allow::All),
            noon(2, Some(8), Allow::ScaleUpOnly),
            noon(1, Some(500), Allow::ScaleDownOnly),
        ];
        let in_force = |moment: &str| {
            let in_force = policy.in_force(at(moment));
            (in_force.bounds.min(), in_force.bounds.max(), in_force.allow, in_force.schedules.len())
        };
        assert_eq!(in_force("2026-11-20T10:59:59+01:00"), (1, 64, Allow::All, 0));
        // Leading: the shards are brought forward, the freeze is not.
        assert_eq!(in_force("2026-11-20T11:00:00+01:00"), (64, 64, Allow::All, 3));
        assert_eq!(in_force("2026-11-20T12:00:00+01:00"), (64, 64, Allow::None, 3));
        assert_eq!(in_force("2026-11-20T13:00:00+01:00"), (16, 64, Allow::ScaleUpOnly, 2));
        assert_eq!(in_force("2026-11-20T14:00:00+01:00"), (16, 64, Allow::All, 1));
        assert_eq!(in_force("2026-11-20T15:00:00+01:00"), (1, 64, Allow::All, 0));
    }
}
