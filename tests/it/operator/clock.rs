//! The clock of the simulated account: it follows tokio's, as fast or faster.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// A clock. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Clock {
    start: Timestamp,
    begun: Instant,
    speed: u32,
    skipped: Arc<Mutex<Duration>>,
}

impl Clock {
    /// It shows `start` now, and runs `speed` times as fast as tokio's.
    pub fn new(start: Timestamp, speed: u32) -> Clock {
        Clock { start, begun: Instant::now(), speed, skipped: Arc::default() }
    }

    /// How many times faster than tokio's it runs.
    pub fn speed(&self) -> u32 {
        self.speed
    }

    pub fn now(&self) -> Timestamp {
        self.start + self.begun.elapsed() * self.speed + *self.skipped.lock().unwrap()
    }

    /// Sleeps for so long by this clock.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / self.speed).await;
    }

    /// Lets so much time be over while nothing is watched: where time is virtual by sleeping, as the
    /// API server's clock has to follow; where it is real at once.
    pub async fn skip(&self, duration: Duration) {
        match self.speed {
            1 => tokio::time::sleep(duration).await,
            _ => *self.skipped.lock().unwrap() += duration,
        }
    }
}
