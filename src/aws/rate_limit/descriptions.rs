//! Turns at `DescribeStreamSummary`: a fifth of the account's rate for streams that are looked at all
//! the while, and as much again as makes half of it for those that nobody has looked at yet.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Pace;
use crate::control_plane::StreamId;
use crate::quota;

/// Turns at `DescribeStreamSummary`.
///
/// Nothing is known of a stream before its first description, and whoever has just begun to lead waits
/// for those of all streams. They have a pace of their own, so that neither they nor the steps that are
/// under way wait for each other, and both together keep half of the rate free for others. It does not
/// last: each stream has one first look in [`Descriptions::KNOWN_FOR`], however often it is asked for,
/// or fails, or whoever asks loses the lead and gains it again.
#[derive(Debug)]
pub(in crate::aws) struct Descriptions {
    known: Pace,
    first: Pace,
    known_for: Duration,
    /// When each stream was asked for last; those whose time is over are dropped.
    asked: Mutex<HashMap<StreamId, Instant>>,
}

impl Descriptions {
    /// How long ago a description may be for the next one to be none of a stranger. A stream at rest is
    /// described every ten minutes, and looked at as often where somebody has to change something.
    const KNOWN_FOR: Duration = Duration::from_secs(20 * 60);
    /// Calls a second for streams that are known.
    const KNOWN_PER_SECOND: u32 = quota::DESCRIBE_STREAM_SUMMARY_CALLS_PER_SECOND / quota::SHARE_OF_ACCOUNT;
    /// Calls a second for first looks.
    const FIRST_PER_SECOND: u32 = quota::DESCRIBE_STREAM_SUMMARY_CALLS_PER_SECOND
        / quota::SHARE_OF_ACCOUNT_AT_FIRST
        - Descriptions::KNOWN_PER_SECOND;

    /// In real seconds, of which AWS's clock makes `clock_speed` each.
    pub(super) fn new(clock_speed: u32) -> Self {
        let second = Duration::from_secs(1) / clock_speed;
        Descriptions {
            known: Pace::new(Descriptions::KNOWN_PER_SECOND, second),
            first: Pace::new(Descriptions::FIRST_PER_SECOND, second),
            known_for: Descriptions::KNOWN_FOR / clock_speed,
            asked: Mutex::default(),
        }
    }

    /// Waits for a turn to describe `stream`.
    pub(in crate::aws) async fn take(&self, stream: &StreamId) {
        let pace = if self.is_known(stream) { &self.known } else { &self.first };
        pace.take().await;
    }

    /// Whether the stream was asked for a while ago; from now on it was.
    fn is_known(&self, stream: &StreamId) -> bool {
        let now = Instant::now();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, at| now.duration_since(*at) < self.known_for);
        asked.insert(stream.clone(), now).is_some()
    }

    /// The latest turn that was given, if one ever was.
    #[cfg(test)]
    pub(in crate::aws) fn latest_turn(&self) -> Option<Instant> {
        self.known.latest_turn().max(self.first.latest_turn())
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn streams(count: usize) -> Vec<StreamId> {
        (0..count).map(|number| StreamId::Name(format!("stream-{number}"))).collect()
    }

    /// When each of the streams is described, where all are asked for at once, in this order.
    async fn described(turns: &Descriptions, streams: &[StreamId]) -> Vec<Duration> {
        let start = Instant::now();
        let asked = streams.iter().map(async |stream| {
            turns.take(stream).await;
            start.elapsed()
        });
        join_all(asked).await
    }

    /// The most calls in any second.
    fn most_in_a_second(times: &[Duration]) -> usize {
        let within = |from: &Duration| times.iter().filter(|at| *at >= from && **at < *from + SECOND).count();
        times.iter().map(within).max().unwrap_or(0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_streams_are_seen_first_within_three_minutes_and_then_at_a_fifth_of_the_rate() {
        let (turns, streams) = (Descriptions::new(1), streams(1_000));
        let first = described(&turns, &streams).await;
        assert_eq!(most_in_a_second(&first), 6);
        assert!(first.iter().max().expect("some") < &(170 * SECOND), "{:?}", first.iter().max());
        let again = described(&turns, &streams).await;
        assert_eq!(most_in_a_second(&again), 4);
        assert!(again.iter().max().expect("some") > &(245 * SECOND), "{:?}", again.iter().max());
    }

    #[tokio::test(start_paused = true)]
    async fn first_looks_and_known_streams_keep_half_of_the_rate_free_and_do_not_wait_for_each_other() {
        let (turns, streams) = (Descriptions::new(1), streams(104));
        let (known, strangers) = streams.split_at(4);
        described(&turns, known).await;
        tokio::time::sleep(5 * SECOND).await;
        let asked: Vec<_> = strangers.iter().chain(known.iter().cycle().take(40)).cloned().collect();
        let times = described(&turns, &asked).await;
        assert_eq!(most_in_a_second(&times), 10);
        assert_eq!(times[100..104], [Duration::ZERO; 4], "a step does not wait for a hundred strangers");
        assert_eq!(times[..6], [Duration::ZERO; 6]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_begins_again_and_again_has_one_first_look_at_a_stream_in_twenty_minutes() {
        let (turns, streams) = (Descriptions::new(1), streams(6));
        let mut at_once = Vec::new();
        // Each beginning asks for all of them at once: four of those that are known have their turn.
        for _ in 0..4 {
            let times = described(&turns, &streams).await;
            at_once.push(times.iter().filter(|at| at.is_zero()).count());
            tokio::time::sleep(10 * 60 * SECOND).await;
        }
        assert_eq!(at_once, [6, 4, 4, 4], "asked for every ten minutes they stay known");
        tokio::time::sleep(20 * 60 * SECOND).await;
        let times = described(&turns, &streams).await;
        assert!(times.iter().all(Duration::is_zero), "{times:?}");
        assert_eq!(turns.asked.lock().expect("no panic").len(), 6);
    }
}
