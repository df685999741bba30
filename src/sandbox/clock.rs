//! The sandbox's own time: it starts at a chosen moment and runs a whole number of times as fast as
//! the machine's. Every reply's `Date` header tells it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// Virtual time: a function of the time since the start, and of what was skipped. Clones are the
/// same clock.
#[derive(Debug, Clone)]
pub struct Clock {
    origin: Timestamp,
    started: Instant,
    speed: u32,
    skipped_seconds: Arc<AtomicU64>,
}

impl Clock {
    /// Starts at `origin`, and runs `speed` times as fast as the machine's clock; not at all at 0.
    pub fn start(origin: Timestamp, speed: u32) -> Self {
        Clock { origin, started: Instant::now(), speed, skipped_seconds: Arc::default() }
    }

    /// What time it is in the sandbox.
    pub fn now(&self) -> Timestamp {
        self.after(self.started.elapsed())
    }

    /// How many virtual seconds pass in a real one.
    pub fn speed(&self) -> u32 {
        self.speed
    }

    /// Lets so many seconds pass at once.
    pub fn skip(&self, seconds: u32) {
        self.skipped_seconds.fetch_add(seconds.into(), Ordering::Relaxed);
    }

    fn after(&self, elapsed: Duration) -> Timestamp {
        let skipped = Duration::from_secs(self.skipped_seconds.load(Ordering::Relaxed));
        let passed = elapsed
            .checked_mul(self.speed)
            .and_then(|passed| passed.checked_add(skipped))
            .and_then(|passed| SignedDuration::try_from(passed).ok())
            .unwrap_or(SignedDuration::MAX);
        self.origin.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }
}

/// A time as HTTP's `Date` header has it (RFC 9110, 5.6.7).
pub(super) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("it is in range")
    }

    #[test]
    fn a_second_is_as_long_as_the_speed_says() {
        let clock = Clock::start(at(1_000), 60);
        assert_eq!(clock.after(Duration::from_millis(500)), at(1_030));
        clock.clone().skip(7);
        assert_eq!(clock.after(Duration::ZERO), at(1_007));
        assert!(clock.now() >= at(1_007));
    }

    #[test]
    fn a_clock_without_speed_moves_by_skips_alone() {
        let clock = Clock::start(at(1_000), 0);
        assert_eq!(clock.after(Duration::from_secs(60)), at(1_000));
        clock.skip(1);
        assert_eq!(clock.now(), at(1_001));
    }

    #[test]
    fn a_clock_that_runs_past_the_calendar_stops_there() {
        let clock = Clock::start(at(1_000), u32::MAX);
        assert_eq!(clock.after(Duration::MAX), Timestamp::MAX);
    }

    #[test]
    fn the_date_header_is_an_http_date() {
        assert_eq!(http_date(at(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
