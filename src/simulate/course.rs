//! The course of a simulation: one policy on one load, tick by tick, and what came of it.

use jiff::{SignedDuration, Timestamp};

use super::fluid::{Action, Fluid, StreamOptions};
use super::load::Load;
use super::scaler::{Monitoring, Scaler, View};
use super::watch::Watch;
use crate::snapshot::Minute;

/// What came of a policy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Course {
    /// Open shards, by tick.
    pub shards: Vec<u32>,
    /// Rejected shard-units, by tick.
    pub rejected: Vec<f32>,
    /// Whether any shard was offered more than it takes, by tick.
    pub is_over: Vec<bool>,
    /// Accepted shard-unit-seconds.
    pub accepted_unit_seconds: f64,
    /// Rejected shard-unit-seconds.
    pub rejected_unit_seconds: f64,
    /// The ticks at whose end a split or a merge began.
    pub steps: Vec<u32>,
    /// The ticks at whose end an UpdateShardCount began.
    pub updates: Vec<u32>,
    /// What CloudWatch bills for it.
    pub monitoring: Monitoring,
}

/// The most changes in one tick, where they take no time.
const MOST_CHANGES: u32 = 400;

/// Plays the whole load. `progress` is told of each tick that is over.
pub fn play(
    load: &Load,
    options: StreamOptions,
    metric_delay: SignedDuration,
    first_shards: u32,
    scaler: &mut dyn Scaler,
    progress: &mut dyn FnMut(usize),
) -> Course {
    let mut stream = Fluid::new(load, options, first_shards);
    let mut watch = if scaler.sees_shards() {
        Watch::of_shards(&stream, metric_delay)
    } else {
        Watch::of_stream(&stream, metric_delay)
    };
    watch.note_topology(&stream, load.start());
    let ticks = load.totals().len();
    let mut course = Course::default();
    let seconds = f64::from(load.tick_seconds());
    for tick in 0..ticks {
        let outcome = stream.tick(tick);
        course.shards.push(outcome.shards);
        course.rejected.push(outcome.rejected as f32);
        course.is_over.push(outcome.is_over);
        course.accepted_unit_seconds += outcome.accepted * seconds;
        course.rejected_unit_seconds += outcome.rejected * seconds;

        let now: Timestamp = load.after(tick + 1);
        if now.as_second() % 60 == 0 {
            watch.take(stream.report(Minute::of(now).plus(-1)));
        }
        let mut has_changed = stream.settle(now).is_some();
        if has_changed {
            watch.note_topology(&stream, now);
        }
        let mut changes = 0;
        while stream.is_active() && changes < MOST_CHANGES {
            watch.publish(now);
            let mut view =
                View { now, ticks: tick + 1, watch: &mut watch, stream: &stream, load, has_changed };
            if let Some(action) = scaler.next(&mut view)
                && stream.begin(action, now)
            {
                let at = u32::try_from(tick).unwrap_or(u32::MAX);
                match action {
                    Action::UpdateShardCount(_) => course.updates.push(at),
                    Action::Split { .. } | Action::Merge { .. } => course.steps.push(at),
                }
            } else {
                break;
            }
            // What takes no time is done, and leaves time for more.
            has_changed = stream.settle(now).is_some();
            changes += 1;
        }
        progress(tick + 1);
    }
    course.monitoring = scaler.monitoring();
    course
}
