//! What has happened so far: samples of the model, steps, and the last plan.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use jiff::{SignedDuration, Timestamp};

use super::clock;
use crate::executor::{Event, StepOutcome};
use crate::hash_key::HashKeyRange;
use crate::plan::{Plan, Step, StepReason};

/// How many happenings the screen shows.
const LINES: usize = 7;

/// The model at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) at: Timestamp,
    pub(super) bytes_per_second: u64,
    pub(super) shards: u32,
    pub(super) offered_records: u64,
    pub(super) rejected_records: u64,
}

/// All that is known, for screen and summary.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) start: Timestamp,
    pub(super) samples: Vec<Sample>,
    pub(super) splits: u32,
    pub(super) merges: u32,
    /// The newest happenings, oldest first.
    pub(super) lines: VecDeque<String>,
    /// All happenings so far.
    pub(super) happenings: usize,
    pub(super) plan: Option<Plan>,
    /// What is being done or waited for.
    pub(super) doing: String,
    finished: bool,
}

/// The board that the loop writes on and the screen reads.
#[derive(Debug)]
pub(super) struct Board(Mutex<Told>);

impl Board {
    pub(super) fn new(start: Timestamp) -> Board {
        Board(Mutex::new(Told {
            start,
            samples: Vec::new(),
            splits: 0,
            merges: 0,
            lines: VecDeque::new(),
            happenings: 0,
            plan: None,
            doing: "looking".to_owned(),
            finished: false,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A copy of everything.
    pub(super) fn told(&self) -> Told {
        self.lock().clone()
    }

    /// The sandbox's time, as last sampled.
    pub(super) fn now(&self) -> Timestamp {
        let told = self.lock();
        told.samples.last().map_or(told.start, |sample| sample.at)
    }

    pub(super) fn sample(&self, sample: Sample) {
        self.lock().samples.push(sample);
    }

    pub(super) fn finish(&self) {
        self.lock().finished = true;
    }

    pub(super) fn is_finished(&self) -> bool {
        self.lock().finished
    }

    /// Writes down what the executor tells.
    pub(super) fn note(&self, event: &Event<'_>) {
        let mut told = self.lock();
        match event {
            Event::Planned { plan } => {
                told.doing = match plan.holds.first() {
                    _ if !plan.steps().is_empty() => "acting".to_owned(),
                    Some(hold) => hold.gist().to_owned(),
                    None => "in order".to_owned(),
                };
                told.plan = Some((*plan).clone());
            }
            Event::Sending { step, .. } => told.doing = sentence(step),
            Event::Finished { step, outcome: StepOutcome::Done { .. } } => {
                match step {
                    Step::Split { .. } => told.splits += 1,
                    Step::Merge { .. } => told.merges += 1,
                    Step::UpdateShardCount { .. } | Step::EnableShardMetrics { .. } => {}
                }
                let now = told.samples.last().map_or(told.start, |sample| sample.at);
                let reason = told.plan.as_ref().and_then(|plan| reason_of(plan, step));
                let line = format!(
                    "{}  {}{}",
                    clock(now.duration_since(told.start)),
                    sentence(step),
                    reason.map_or_else(String::new, |reason| format!(": {reason}"))
                );
                told.lines.push_back(line);
                told.happenings += 1;
                if told.lines.len() > LINES {
                    told.lines.pop_front();
                }
            }
            Event::NotAccepted { error } => told.doing = error.to_string(),
            Event::AwaitingTurn | Event::Finished { .. } | Event::Waiting { .. } | Event::Holding { .. } => {}
        }
    }
}

impl Told {
    /// The newest sample.
    pub(super) fn last(&self) -> Option<Sample> {
        self.samples.last().copied()
    }

    /// Bytes a second, sample by sample.
    pub(super) fn loads(&self) -> Vec<u64> {
        self.samples.iter().map(|sample| sample.bytes_per_second).collect()
    }

    /// Open shards, sample by sample.
    pub(super) fn shards(&self) -> Vec<u64> {
        self.samples.iter().map(|sample| u64::from(sample.shards)).collect()
    }

    /// Records offered and rejected since the beginning.
    pub(super) fn traffic(&self) -> (u64, u64) {
        match (self.samples.first(), self.samples.last()) {
            (Some(first), Some(last)) => {
                (last.offered_records - first.offered_records, last.rejected_records - first.rejected_records)
            }
            _ => (0, 0),
        }
    }

    /// Shards over time, in shard-seconds.
    pub(super) fn shard_seconds(&self) -> u64 {
        let between = |pair: &[Sample]| {
            let seconds = pair[1].at.duration_since(pair[0].at).as_millis().max(0) as u64;
            seconds * u64::from(pair[0].shards)
        };
        self.samples.windows(2).map(between).sum::<u64>() / 1_000
    }

    /// How long the story has gone on.
    pub(super) fn elapsed(&self) -> SignedDuration {
        self.last().map_or(SignedDuration::ZERO, |sample| sample.at.duration_since(self.start))
    }
}

fn reason_of(plan: &Plan, step: &Step) -> Option<String> {
    let index = plan.steps().iter().position(|planned| planned == step)?;
    Some(match &plan.explanations.get(index)?.reason {
        StepReason::Rejecting { dimension, load } => {
            format!("rejects writes, {} {load}", dimension.label())
        }
        StepReason::AboveTarget { dimension, load, target, hand_over: _ } => {
            format!("{} {load}, target {target}", dimension.label())
        }
        StepReason::Cold { dimension, load, .. } => {
            format!("cold, together {} {load} at the most", dimension.label())
        }
        StepReason::MovesBoundary => "moves a boundary".to_owned(),
        StepReason::BelowMinShards { min_shards } => format!("minShards is {min_shards}"),
        StepReason::AboveMaxShards { max_shards } => format!("maxShards is {max_shards}"),
        StepReason::SplitsTooSlow { splits, .. } => format!("{splits} splits would take too long"),
        StepReason::Foreseen { expected_per_mille, .. } => {
            format!("{} % of the load of now is to come", expected_per_mille / 10)
        }
        StepReason::ShardMetricsOff => "they are off".to_owned(),
    })
}

fn sentence(step: &Step) -> String {
    match step {
        Step::Split { range, .. } => format!("split {} of the keys", range.place()),
        Step::Merge { low, high } => {
            format!("merge {} of the keys", low.merge(*high).map_or_else(String::new, HashKeyRange::place))
        }
        Step::UpdateShardCount { to, .. } => format!("cut all keys anew, into {to} equal ranges"),
        Step::EnableShardMetrics { .. } => "turn on shard metrics".to_owned(),
    }
}
