//! `reshard run`: the reconcile loop without Kubernetes. A line for each pass that has news.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::task::JoinSet;

use super::aws::AwsFlags;
use super::decide;
use super::narrator::Narrator;
use super::outcome::{self, Outcome};
use super::output::Output;
use super::pass_lines::PassLines;
use super::selection::Files;
use super::signals::stop_on_signal;
use crate::control_plane::ControlPlane;
use crate::cost::Prices;
use crate::executor::{Event, ExecuteError, Executor, StepOutcome, StopSignal};
use crate::observe::{MetricLevel, Observation, Observer};
use crate::policy::{Mode, ScalingPolicy};
use crate::report::count;
use crate::rounds::{GAP, MARGIN, Sighting};
use crate::stream::in_its_region;
use crate::turns::{Turn, Turns, scope_of, urgency_of};
use crate::vetted;

#[cfg(test)]
mod tests;

/// Keep streams matched to their load: observe, decide, one step, again and again
#[derive(Debug, Args)]
#[command(after_help = "\
Each stream has its own spec.interval and spec.mode: DryRun only shows, Approve shows (apply --plan \
carries out), Apply acts; where approval.required is ScaleDown, Approve acts but for merges.

With one stream the first look has to succeed: what is wrong with names, credentials and endpoints ends it. \
Of several streams, and later, a failure is told, and the next pass tries again.

A pass is told in one line where something is new, and every tenth in any case. Ctrl-C and SIGTERM \
end after the step in flight.")]
pub(super) struct RunArgs {
    #[command(flatten)]
    selection: Files,
    #[command(flatten)]
    aws: AwsFlags,
}

pub(super) async fn run(arguments: &RunArgs, output: &Arc<Output>) -> anyhow::Result<Outcome> {
    let selected = arguments.selection.read()?;
    let alone = selected.len() == 1;
    let stop = stop_on_signal(output, "stopping after the step in flight; Ctrl-C again leaves at once");
    let turns = Turns::default();
    let mut tasks = JoinSet::new();
    for (place, stream) in (0..).zip(selected) {
        let plane = arguments.aws.connect(&stream).await?;
        let stream_loop = StreamLoop {
            policy: stream.policy,
            region: plane.region().to_owned(),
            plane,
            turns: turns.clone(),
            stop: stop.clone(),
            output: Arc::clone(output),
            lines: PassLines::default(),
            alone,
            offset: MARGIN + GAP * place,
            clock_speed: arguments.aws.clock_speed(),
            seen: false,
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
struct StreamLoop<P> {
    policy: ScalingPolicy,
    region: String,
    plane: P,
    turns: Turns,
    stop: StopSignal,
    output: Arc<Output>,
    lines: PassLines,
    /// Whether no other stream is looked after.
    alone: bool,
    /// How much later than its rounds begin this stream is looked at.
    offset: Duration,
    /// How many times faster than ours the clock of AWS runs: 1, but for a sandbox.
    clock_speed: u32,
    /// Whether the stream has been observed: names, credentials and endpoints are right.
    seen: bool,
    steps: usize,
}

/// What follows a pass.
#[derive(Debug)]
enum Next {
    /// A step was taken: look again at once.
    LookAgain,
    /// A step is wanted, and as many as AWS allows are under way. What was decided is old once
    /// the turn comes: look again, closely.
    AwaitTurn {
        /// The account and region.
        scope: String,
        /// How urgent the step is.
        urgency: u64,
    },
    /// AWS refuses an UpdateShardCount: look again at once, and decide without.
    DecideWithoutCount {
        /// That of the call, which has not used it: by the next one the refusal would be old.
        turn: Turn,
        /// What AWS says.
        why: String,
    },
    /// Nothing more may be done now.
    Rest,
}

impl<P: ControlPlane> StreamLoop<P> {
    /// Passes until the stop signal, and says what was done.
    async fn run(mut self) -> anyhow::Result<()> {
        self.passes().await?;
        let (name, steps) = (&self.policy.stream.name, count(self.steps, "step"));
        Ok(self.output.sentences(&format!("{name}: stopped, {steps} done"))?)
    }

    /// Passes until the stop signal. The first look at a single stream must succeed: what is wrong
    /// with names, credentials and endpoints shows at once, and is told once. Whatever fails later, a
    /// step of the first pass too, is told of and tried again in each round of the interval; and so is
    /// everything where there are several streams, of which none is given up silently.
    async fn passes(&mut self) -> anyhow::Result<()> {
        let mut observer = Observer::gated();
        let (mut turn, mut refused) = (None, None);
        while !self.stop.is_set() {
            let next = match self.pass(&mut observer, turn.take(), refused.take()).await {
                Ok(next) => next,
                Err(error) if self.seen || !self.alone => {
                    outcome::failed(&error, &self.output);
                    self.lines.interrupted();
                    Next::Rest
                }
                Err(error) => return Err(error),
            };
            match next {
                Next::LookAgain => {}
                Next::AwaitTurn { scope, urgency } => turn = self.turn(&mut observer, &scope, urgency).await,
                Next::DecideWithoutCount { turn: kept, why } => (turn, refused) = (Some(kept), Some(why)),
                Next::Rest => tokio::select! {
                    () = self.plane.sleep(self.until_next_round(observer.clock())) => {}
                    () = self.stop.given() => {}
                },
            }
        }
        Ok(())
    }

    /// How long by AWS's clock until the next round; an interval where that clock was not seen yet.
    fn until_next_round(&self, clock: Option<Sighting>) -> Duration {
        let interval = self.policy.interval;
        clock.map_or(interval, |clock| clock.until_next(interval, self.offset, self.clock_speed))
    }

    /// Waits for a turn, and has the next pass look closely: what was seen is old by now.
    async fn turn(&self, observer: &mut Observer, scope: &str, urgency: u64) -> Option<Turn> {
        observer.look_closely();
        tokio::select! {
            turn = self.turns.acquire(scope, urgency) => Some(turn),
            () = self.stop.given() => None,
        }
    }

    /// Observes, decides, and takes one step where it may: with the `turn` that was waited for or
    /// kept, or with one that is free at once. `refused` is what AWS has just said to an
    /// UpdateShardCount, if it has.
    async fn pass(
        &mut self,
        observer: &mut Observer,
        turn: Option<Turn>,
        refused: Option<String>,
    ) -> anyhow::Result<Next> {
        let (policy, name) = (&self.policy, &self.policy.stream.name);
        let seen = observer.observe(&self.plane, policy).await;
        let Observation { mut snapshot, level, metrics_requested } =
            seen.with_context(|| format!("stream {name} in {}", self.region))?;
        in_its_region(&self.region, &snapshot.summary.arn).with_context(|| format!("stream {name}"))?;
        self.seen = true;
        tracing::debug!(stream = name, metrics_requested, ?level, "observed");
        if level == MetricLevel::Stream {
            if let Some(line) = self.lines.idle(&snapshot) {
                self.output.sentences(&line)?;
            }
            return Ok(Next::Rest);
        }
        snapshot.update_shard_count_refused = refused;
        let decision = decide::decide(&snapshot, policy).context(name.clone())?;
        let report = decide::report(&snapshot, policy, &decision, &Prices::default());
        let plan = &decision.plan;
        let acts = policy.mode != Mode::DryRun && !vetted::needs_approval(policy, plan);
        let note = match (plan.steps().is_empty(), policy.mode, acts) {
            (true, ..) | (_, _, true) => "",
            (false, Mode::DryRun, _) => " (mode DryRun: not carried out)",
            (false, _, false) => " (waits for approval: reshard apply --plan)",
        };
        if let Some(line) = self.lines.full(&report, note) {
            self.output.sentences(&line)?;
        }
        let is_due = acts && !plan.steps().is_empty();
        match policy.mode {
            Mode::DryRun => observer.shown(plan),
            Mode::Approve | Mode::Apply => observer.decided(plan, is_due),
        }
        if !is_due {
            return Ok(Next::Rest);
        }
        let scope = scope_of(&snapshot.summary.arn);
        let Some(turn) = turn.or_else(|| self.turns.try_acquire(scope)) else {
            return Ok(Next::AwaitTurn { scope: scope.to_owned(), urgency: urgency_of(&snapshot, policy) });
        };
        let narrator = Narrator::new(name, &self.output);
        narrator.plan(&report);
        let tell = |event: &Event<'_>| narrator.tell(event);
        let executor = Executor::new(&self.plane, policy).with_stop(self.stop.clone()).with_progress(&tell);
        let result = executor.execute_step(plan, 0).await;
        match &result {
            // It is tried again when the clock says so.
            Err(error) if error.needs_a_person() => observer.decided(plan, false),
            _ => observer.look_closely(),
        }
        match result {
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
            Err(ExecuteError::CountRefused(error)) => {
                Ok(Next::DecideWithoutCount { turn, why: error.to_string() })
            }
            // The next pass looks at what is there now.
            Err(ExecuteError::ShardsMoved(difference)) => {
                tracing::info!(stream = name, %difference, "the shards have changed meanwhile");
                Ok(Next::Rest)
            }
            Err(error) => Err(error).context(name.clone()),
        }
    }
}
