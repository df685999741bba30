//! Carries out plans, one step at a time, and chooses nothing: before each step the stream is
//! looked at anew, each request is sent once, and whatever is not a clear reply is read back.

use std::time::Duration;

use self::backoff::{Patience, backoff};
pub use self::drive::{DoneStep, End, MAX_STEPS, RunReport};
pub use self::error::{ExecuteError, TilingDifference};
pub use self::event::{Event, Progress};
use self::look::Look;
pub use self::stop::{StopHandle, StopSignal, stop_signal};
use crate::control_plane::{ControlPlane, ErrorClass, RequestError, ShardLimits, StreamId};
use crate::observe::stream_id;
use crate::plan::{Plan, ResolvedStep, Step};
use crate::policy::ScalingPolicy;
use crate::stream::OpenShards;
use crate::turns::{Turn, Turns, scope_of};

mod backoff;
mod drive;
mod error;
mod event;
mod look;
mod settle;
mod stop;
#[cfg(test)]
mod tests;

/// How long the executor waits, and how often it tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutorOptions {
    /// The first wait between two looks; it doubles up to `slowest_poll`.
    pub fastest_poll: Duration,
    /// The longest wait between two looks.
    pub slowest_poll: Duration,
    /// For how long a step, or somebody else's reshard, is waited for (AWS's own sample gives up
    /// after 10 minutes).
    pub give_up_after: Duration,
    /// The same of an UpdateShardCount, which takes the longer the more shards there are.
    pub give_up_on_count_after: Duration,
    /// For how long a stream must look untouched, ACTIVE with the step's shards open, until a
    /// request without a clear reply counts as lost.
    pub lost_after: Duration,
    /// How often a step that AWS refuses for now is tried, each time after a fresh look.
    pub tries: u32,
}

impl Default for ExecutorOptions {
    fn default() -> Self {
        ExecutorOptions {
            fastest_poll: Duration::from_secs(1),
            slowest_poll: Duration::from_secs(5),
            give_up_after: Duration::from_secs(600),
            give_up_on_count_after: Duration::from_secs(3_600),
            lost_after: Duration::from_secs(30),
            tries: 5,
        }
    }
}

/// How a step ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    /// It was sent and is complete: the stream is ACTIVE, and what the step makes is open.
    Done {
        /// The time from the request to the confirmation, in whole waits.
        took: Duration,
    },
    /// It was complete before anything was sent.
    AlreadyDone,
    /// It was sent without a clear reply, and the stream stayed untouched: it was lost. Nothing is
    /// sent again; the next plan decides anew.
    Lost,
    /// It was sent, and before it was seen to be complete somebody else changed the shards.
    Overtaken(TilingDifference),
}

impl std::fmt::Display for StepOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StepOutcome::Done { took } => write!(f, "done in {} s", took.as_secs()),
            StepOutcome::AlreadyDone => f.write_str("was done already"),
            StepOutcome::Lost => f.write_str("was lost on the way: the stream is untouched"),
            StepOutcome::Overtaken(difference) => {
                write!(f, "was sent, and somebody else changed the shards meanwhile: {difference}")
            }
        }
    }
}

/// Carries out steps on the stream of one policy.
pub struct Executor<'a, P> {
    plane: &'a P,
    policy: &'a ScalingPolicy,
    stream: StreamId,
    options: ExecutorOptions,
    stop: StopSignal,
    turns: Turns,
    progress: Progress<'a>,
}

impl<'a, P: ControlPlane> Executor<'a, P> {
    /// An executor that nobody stops, that reports to nobody and waits for nobody's turn.
    pub fn new(plane: &'a P, policy: &'a ScalingPolicy) -> Self {
        Executor {
            plane,
            policy,
            stream: stream_id(&policy.stream),
            options: ExecutorOptions::default(),
            stop: StopSignal::never(),
            turns: Turns::default(),
            progress: &|_| {},
        }
    }

    /// With other waits.
    #[must_use]
    pub fn with_options(mut self, options: ExecutorOptions) -> Self {
        self.options = options;
        self
    }

    /// Ends after the step in flight once `stop` is given.
    #[must_use]
    pub fn with_stop(mut self, stop: StopSignal) -> Self {
        self.stop = stop;
        self
    }

    /// Takes turns with others that have `turns` too: one for each step of a run.
    #[must_use]
    pub fn with_turns(mut self, turns: Turns) -> Self {
        self.turns = turns;
        self
    }

    /// Tells `progress` what happens as it happens.
    #[must_use]
    pub fn with_progress(mut self, progress: Progress<'a>) -> Self {
        self.progress = progress;
        self
    }

    /// Carries out the step at `index`, if the stream is exactly as the plan projects it there, and
    /// waits until it is complete. Sends at most one request that takes effect. Whose turn it is,
    /// is the caller's business here.
    ///
    /// # Errors
    /// [`ExecuteError`] says what stood against it, and whether a request is still open.
    pub async fn execute_step(&self, plan: &Plan, index: usize) -> Result<StepOutcome, ExecuteError> {
        let step = plan.steps().get(index).ok_or(ExecuteError::NoSuchStep { index })?;
        let before = plan.projected_ranges(index)?;
        let mut patience = Patience::new(&self.options);
        let mut tries = 0;
        loop {
            let look = self.look_when_active(plan, &mut patience).await?;
            let open = look.open()?;
            let is_complete = step.is_complete(open, &look.summary.enhanced_metrics);
            if is_complete && shows(plan, index + 1, open)? {
                return Ok(StepOutcome::AlreadyDone);
            }
            if let Some(difference) = TilingDifference::between(&before, open) {
                return Err(ExecuteError::ShardsMoved(difference));
            }
            let resolved = step.resolve(open)?;
            self.admit(step, &look)?;
            // As late as can be: a look takes a while, and what is sent cannot be called back.
            if self.stop.is_set() {
                return Err(ExecuteError::Stopped);
            }

            (self.progress)(&Event::Sending { index, of: plan.steps().len(), step });
            tries += 1;
            let error = match self.send(&resolved).await {
                Ok(()) => return self.settle(plan, index, None).await,
                Err(error) => error,
            };
            (self.progress)(&Event::NotAccepted { error: &error });
            match error.class {
                // What the calls of the day and the right to make them are, no observation tells: only
                // AWS does. Splits and merges have to do.
                ErrorClass::LimitExceeded | ErrorClass::Invalid | ErrorClass::AccessDenied
                    if matches!(step, Step::UpdateShardCount { .. }) =>
                {
                    return Err(ExecuteError::CountRefused(error));
                }
                ErrorClass::Ambiguous => return self.settle(plan, index, Some(error)).await,
                ErrorClass::AccessDenied => return Err(ExecuteError::AccessDenied(error)),
                ErrorClass::Credentials => return Err(ExecuteError::Refused(error)),
                // Somebody else's reshard came first: the next look waits for it to end.
                ErrorClass::ResourceInUse => {}
                // Nothing happened. What AWS says when a quota is met is not documented: it may be
                // either of LimitExceeded and InvalidArgument. A closed shard, too, is Invalid or
                // NotFound: then the fresh look tells what became of it.
                ErrorClass::LimitExceeded
                | ErrorClass::Throttled
                | ErrorClass::Unreachable
                | ErrorClass::Invalid
                | ErrorClass::NotFound
                | ErrorClass::ExpiredToken => {}
            }
            let last_try = match error.class {
                // To ask a second time, after a fresh look, is enough to know that it is meant.
                ErrorClass::Invalid | ErrorClass::NotFound | ErrorClass::ExpiredToken => tries >= 2,
                _ => tries >= self.options.tries,
            };
            if last_try {
                return Err(match self.used_up_quota(step, &error).await {
                    Some(quota) => quota,
                    None => ExecuteError::NotNow { tries, error },
                });
            }
            self.pause(backoff(&plan.hash, index, tries)).await;
        }
    }

    /// AWS says LimitExceeded for rates and for the shard quota alike; `DescribeLimits` tells them
    /// apart, where it is allowed. A step that adds no shard is refused for its rate alone.
    async fn used_up_quota(&self, step: &Step, error: &RequestError) -> Option<ExecuteError> {
        if error.class != ErrorClass::LimitExceeded || step.shard_delta() <= 0 {
            return None;
        }
        let ShardLimits { shard_limit: limit, open_shard_count: open } =
            self.plane.describe_limits().await.ok()?.value;
        (open >= limit).then_some(ExecuteError::ShardQuota { limit, open })
    }

    /// Whether the policy still lets the step happen, on the stream as it is now.
    fn admit(&self, step: &Step, look: &Look) -> Result<(), ExecuteError> {
        if self.policy.suspend {
            return Err(ExecuteError::Suspended);
        }
        let in_force = self.policy.in_force(look.now);
        let open = u32::try_from(look.summary.open_shard_count).unwrap_or(u32::MAX);
        let bounds = in_force.bounds;
        let (allowed, bound) = match step {
            Step::Split { .. } => (in_force.allow.scale_up(), open < in_force.bounds.max()),
            Step::Merge { .. } => (in_force.allow.scale_down(), open > in_force.bounds.min()),
            Step::UpdateShardCount { from, to } => {
                let is_open = if to > from { in_force.allow.scale_up() } else { in_force.allow.scale_down() };
                (is_open, (bounds.min()..=bounds.max()).contains(to))
            }
            Step::EnableShardMetrics { .. } => (true, true),
        };
        if !bound {
            return Err(ExecuteError::OutOfBounds {
                open,
                kind: step.kind(),
                min: bounds.min(),
                max: bounds.max(),
            });
        }
        if !allowed {
            return Err(ExecuteError::Frozen { kind: step.kind(), schedules: in_force.schedules });
        }
        Ok(())
    }

    /// Sends the one request of a step.
    async fn send(&self, step: &ResolvedStep) -> Result<(), RequestError> {
        match step {
            ResolvedStep::Split { shard, at } => {
                self.plane.split_shard(&self.stream, shard, *at).await.map(drop)
            }
            ResolvedStep::Merge { shard, adjacent } => {
                self.plane.merge_shards(&self.stream, shard, adjacent).await.map(drop)
            }
            ResolvedStep::UpdateShardCount { target } => {
                self.plane.update_shard_count(&self.stream, *target).await.map(drop)
            }
            ResolvedStep::EnableShardMetrics { metrics } => {
                self.plane.enable_enhanced_monitoring(&self.stream, metrics).await.map(drop)
            }
        }
    }

    /// A turn for a step of `plan`, if one is free.
    fn free_turn(&self, plan: &Plan) -> Option<Turn> {
        self.turns.try_acquire(scope_of(&plan.identity.stream_arn))
    }

    /// Waits for a turn for a step of `plan`; `None` where the stop signal comes first.
    async fn await_turn(&self, plan: &Plan, urgency: u64) -> Option<Turn> {
        (self.progress)(&Event::AwaitingTurn);
        tokio::select! {
            turn = self.turns.acquire(scope_of(&plan.identity.stream_arn), urgency) => Some(turn),
            () = self.stop.given() => None,
        }
    }

    /// Sleeps on the plane's clock; a stop signal ends it.
    async fn pause(&self, duration: Duration) {
        tokio::select! {
            () = self.plane.sleep(duration) => {}
            () = self.stop.given() => {}
        }
    }
}

/// Whether the open shards are those that the plan projects after `count` steps. Where the last of
/// them is an UpdateShardCount, it is its completion that tells: AWS does not say how it rounds.
fn shows(plan: &Plan, count: usize, open: &OpenShards) -> Result<bool, ExecuteError> {
    match count.checked_sub(1).and_then(|last| plan.steps().get(last)) {
        Some(step @ Step::UpdateShardCount { .. }) => Ok(step.is_complete(open, &[])),
        _ => Ok(TilingDifference::between(&plan.projected_ranges(count)?, open).is_none()),
    }
}
