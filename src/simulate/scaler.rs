//! What every policy is to the simulation: somebody who looks at the stream and now and then asks for
//! one change of its shards.

use std::time::Duration;

use jiff::Timestamp;

use super::fluid::{Action, Fluid};
use super::load::Load;
use super::watch::Watch;
use crate::rounds::until_next;

/// A policy at work.
pub trait Scaler {
    /// What it sees beside the stream's own metrics.
    fn sees_shards(&self) -> bool {
        false
    }

    /// What it has published and has read so far.
    fn monitoring(&self) -> Monitoring {
        Monitoring::default()
    }

    /// Called at the end of each tick in which nothing is under way: what is to be done now, if
    /// anything.
    fn next(&mut self, view: &mut View) -> Option<Action>;
}

/// What CloudWatch bills for a scaler; what it publishes of a stream as a whole is free.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Monitoring {
    /// Metrics that are published of each shard, for it decides by them.
    pub shard_metrics: u64,
    /// Metrics that were asked of `GetMetricData`, each by itself.
    pub metrics_read: u64,
}

/// What a scaler may look at.
#[derive(Debug)]
pub struct View<'v, 'a> {
    /// The end of the tick.
    pub now: Timestamp,
    /// How many ticks are over.
    pub ticks: usize,
    /// What CloudWatch and `ListShards` show.
    pub watch: &'v mut Watch,
    /// The stream itself. Its shards anyone may see; its loads only a policy that is said to be ideal.
    pub stream: &'v Fluid<'a>,
    /// All that is offered: for the ideal ones.
    pub load: &'a Load,
    /// Whether a change has just been completed.
    pub has_changed: bool,
}

impl View<'_, '_> {
    /// Whether a whole minute ends now that is a multiple of `minutes` since the load began.
    pub fn is_each(&self, minutes: i64) -> bool {
        let elapsed = self.now.duration_since(self.load.start()).as_secs();
        elapsed % (60 * minutes) == 0
    }
}

/// The rounds of a loop: a look at each whole multiple of the interval, and one at once after a change.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rounds {
    next: Option<Timestamp>,
}

impl Rounds {
    /// Whether it is time to look.
    pub(super) fn are_due(&mut self, view: &View, interval: Duration) -> bool {
        let due = view.has_changed || self.next.is_none_or(|next| view.now >= next);
        if due {
            self.next = view.now.checked_add(until_next(view.now, interval, Duration::ZERO)).ok();
        }
        due
    }
}
