//! Schedules: times at which other bounds hold, by cron expression in a time zone.

use std::time::Duration;

use croner::Cron;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Allow;

/// A window that opens at each match of a cron expression.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// When it opens, in `time_zone`.
    pub cron: Cron,
    /// The zone of the cron expression.
    pub time_zone: TimeZone,
    /// How long it stays open.
    pub duration: Duration,
    /// How much earlier `min_shards` already holds.
    pub lead_time: Duration,
    /// The fewest shards while it is open.
    pub min_shards: Option<u32>,
    /// The directions that are open while it is open.
    pub allow: Allow,
}

impl Schedule {
    /// Whether the window is open at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.opens_within(now, Duration::ZERO)
    }

    /// Whether the window is open at `now` or opens within its lead time.
    pub fn is_active_or_leads(&self, now: Timestamp) -> bool {
        self.opens_within(now, self.lead_time)
    }

    /// Whether an opening lies at or before `now + lead` and its window has not ended at `now`.
    /// The latest opening decides: windows of one schedule all have the same length.
    fn opens_within(&self, now: Timestamp, lead: Duration) -> bool {
        let Ok(until) = now.checked_add(lead) else { return false };
        // A cron expression that never matched (29 February in a leap-less past) has no opening.
        let Ok(opening) = self.cron.find_previous_occurrence(&until.to_zoned(self.time_zone.clone()), true)
        else {
            return false;
        };
        opening.timestamp().checked_add(self.duration).is_ok_and(|end| now < end)
    }
}
