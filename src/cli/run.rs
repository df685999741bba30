//! `reshard run`: the reconcile loop without Kubernetes. One line a pass.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::aws::AwsFlags;
use super::decide;
use super::narrator::Narrator;
use super::outcome::{self, Outcome};
use super::output::Output;
use super::selection::Selection;
use super::signals::stop_on_signal;
use crate::aws::AwsControlPlane;
use crate::control_plane::ControlPlane;
use crate::cost::Prices;
use crate::executor::{Event, ExecuteError, Executor, StepOutcome, StopSignal};
use crate::observe::{MetricLevel, Observation, Observer};
use crate::policy::{Mode, ScalingPolicy};
use crate::quota::CONCURRENT_RESHARDS_PER_REGION;
use crate::report::{count, line};

/// Keep streams matched to their load: observe, decide, one step, again and again
#[derive(Debug, Args)]
#[command(after_help = "\
Each stream has its own spec.interval and spec.mode: DryRun only shows, Approve shows (apply --plan \
carries out), Apply acts. Ctrl-C and SIGTERM end after the step in flight.")]
pub(super) struct RunArgs {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    aws: AwsFlags,
}

pub(super) async fn run(arguments: &RunArgs, output: &Arc<Output>) -> anyhow::Result<Outcome> {
    let selected = arguments.selection.read()?;
    let stop = stop_on_signal(output, "stopping after the step in flight; Ctrl-C again leaves at once");
    let mut regions: BTreeMap<String, Arc<Semaphore>> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    for stream in selected {
        let plane = arguments.aws.connect(&stream.policy).await?;
        let at_once = regions
            .entry(plane.region().to_owned())
            .or_insert_with(|| Arc::new(Semaphore::new(CONCURRENT_RESHARDS_PER_REGION as usize)));
        let stream_loop = StreamLoop {
            policy: stream.policy,
            plane,
            at_once: Arc::clone(at_once),
            stop: stop.clone(),
            output: Arc::clone(output),
            steps: 0,
        };
        tasks.spawn(stream_loop.run());
    }
    let mut worst = Outcome::Done;
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.map_err(anyhow::Error::from).and_then(|ended| ended);
        worst = worst.max(ended.map_or_else(|error| outcome::failed(&error, output), |()| Outcome::Done));
    }
    Ok(worst)
}

/// The loop of one stream.
struct StreamLoop {
    policy: ScalingPolicy,
    plane: AwsControlPlane,
    at_once: Arc<Semaphore>,
    stop: StopSignal,
    output: Arc<Output>,
    steps: usize,
}

/// What follows a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A step was taken: look again at once.
    LookAgain,
    /// Nothing more may be done now.
    Rest,
}

impl StreamLoop {
    /// Passes until the stop signal. The first pass must succeed: what is wrong with names,
    /// credentials and endpoints shows at once, and is told once.
    async fn run(mut self) -> anyhow::Result<()> {
        let name = self.policy.stream.name.clone();
        let mut observer = Observer::gated();
        let mut succeeded = false;
        while !self.stop.is_set() {
            let next = match self.pass(&mut observer).await {
                Ok(next) => next,
                Err(error) if succeeded => {
                    outcome::failed(&error, &self.output);
                    Next::Rest
                }
                Err(error) => return Err(error),
            };
            succeeded = true;
            if next == Next::Rest {
                tokio::select! {
                    () = self.plane.sleep(self.policy.interval.max(Duration::from_secs(1))) => {}
                    () = self.stop.given() => {}
                }
            }
        }
        self.output.result(&format!("{name}: stopped, {} done\n", count(self.steps, "step")))?;
        Ok(())
    }

    async fn pass(&mut self, observer: &mut Observer) -> anyhow::Result<Next> {
        let (policy, name) = (&self.policy, &self.policy.stream.name);
        let seen = observer.observe(&self.plane, policy).await;
        let Observation { snapshot, level, metrics_requested } =
            seen.with_context(|| format!("stream {name} in {}", self.plane.region()))?;
        tracing::debug!(stream = name, metrics_requested, ?level, "observed");
        let at = snapshot.observed_at;
        if level == MetricLevel::Stream {
            let shards = snapshot.summary.open_shard_count;
            self.output.result(&format!("{at} {name}: {shards} shards, calm: nothing near its target\n"))?;
            return Ok(Next::Rest);
        }
        let decision = decide::decide(&snapshot, policy).context(name.clone())?;
        let report = decide::report(&snapshot, policy, &decision, &Prices::default());
        let plan = &decision.plan;
        let acts = policy.mode != Mode::DryRun && !decide::needs_approval(policy, plan);
        let note = match (plan.steps().is_empty(), policy.mode, acts) {
            (true, ..) | (_, _, true) => "",
            (false, Mode::DryRun, _) => " (mode DryRun: not carried out)",
            (false, _, false) => " (waits for approval: reshard apply --plan)",
        };
        self.output.result(&format!("{at} {}{note}\n", line(&report)))?;
        if plan.steps().is_empty() || !acts {
            return Ok(Next::Rest);
        }
        let Ok(_turn) = self.at_once.acquire().await else { return Ok(Next::Rest) };
        let narrator = Narrator::new(name, &self.output);
        narrator.plan(&report);
        let tell = |event: &Event<'_>| narrator.tell(event);
        let executor = Executor::new(&self.plane, policy).with_stop(self.stop.clone()).with_progress(&tell);
        match executor.execute_step(plan, 0).await {
            Ok(outcome @ (StepOutcome::Done { .. } | StepOutcome::AlreadyDone)) => {
                narrator.finished(0, outcome);
                self.steps += 1;
                Ok(Next::LookAgain)
            }
            Ok(outcome) => {
                narrator.finished(0, outcome);
                Ok(Next::Rest)
            }
            Err(ExecuteError::Stopped) => Ok(Next::Rest),
            // The next pass looks at what is there now.
            Err(ExecuteError::ShardsMoved(difference)) => {
                tracing::info!(stream = name, %difference, "the shards have changed meanwhile");
                Ok(Next::Rest)
            }
            Err(error) => Err(error).context(name.clone()),
        }
    }
}
