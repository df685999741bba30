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

/// Keep streams matched to their load: observe, decide, one step, again and again
#[derive(Debug, Args)]
#[command(after_help = "\
Each stream has its own spec.interval and spec.mode: DryRun only shows, Approve shows (apply --plan \
carries out), Apply acts; where approval.required is ScaleDown, Approve acts but for merges.

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
    steps: usize,
}

/// What follows a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// Passes until the stop signal. The first pass of a single stream must succeed: what is wrong
    /// with names, credentials and endpoints shows at once, and is told once. Of several, none is
    /// given up silently: a failing one is told of and tried again in each round of its interval.
    async fn passes(&mut self) -> anyhow::Result<()> {
        let mut observer = Observer::gated();
        let (mut succeeded, mut turn) = (false, None);
        while !self.stop.is_set() {
            let next = match self.pass(&mut observer, turn.take()).await {
                Ok(next) => next,
                Err(error) if succeeded || !self.alone => {
                    outcome::failed(&error, &self.output);
                    self.lines.interrupted();
                    Next::Rest
                }
                Err(error) => return Err(error),
            };
            succeeded = true;
            match next {
                Next::LookAgain => {}
                Next::AwaitTurn { scope, urgency } => turn = self.turn(&mut observer, &scope, urgency).await,
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

    /// Observes, decides, and takes one step where it may: with the `turn` that was waited for, or
    /// with one that is free at once.
    async fn pass(&mut self, observer: &mut Observer, turn: Option<Turn>) -> anyhow::Result<Next> {
        let (policy, name) = (&self.policy, &self.policy.stream.name);
        let seen = observer.observe(&self.plane, policy).await;
        let Observation { snapshot, level, metrics_requested } =
            seen.with_context(|| format!("stream {name} in {}", self.region))?;
        in_its_region(&self.region, &snapshot.summary.arn).with_context(|| format!("stream {name}"))?;
        tracing::debug!(stream = name, metrics_requested, ?level, "observed");
        if level == MetricLevel::Stream {
            if let Some(line) = self.lines.idle(&snapshot) {
                self.output.sentences(&line)?;
            }
            return Ok(Next::Rest);
        }
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
        let Some(_turn) = turn.or_else(|| self.turns.try_acquire(scope)) else {
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
            // The next pass looks at what is there now.
            Err(ExecuteError::ShardsMoved(difference)) => {
                tracing::info!(stream = name, %difference, "the shards have changed meanwhile");
                Ok(Next::Rest)
            }
            Err(error) => Err(error).context(name.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::ColorChoice;
    use crate::control_plane::ErrorClass;
    use crate::executor::stop_signal;
    use crate::observe::test_plane::{ARN, Fault, TestPlane, policy};
    use crate::rounds::LEAST_GAP;

    const MINUTE: Duration = Duration::from_secs(60);

    /// A loop that wants to merge, of whom `turns` may act at once.
    fn cold_stream(turns: usize, stop: StopSignal) -> StreamLoop<TestPlane> {
        StreamLoop {
            policy: policy(1, 8),
            region: "eu-west-1".to_owned(),
            plane: TestPlane::new(4),
            turns: Turns::with_places(turns),
            stop,
            output: Arc::new(Output::new(ColorChoice::Never)),
            lines: PassLines::default(),
            alone: true,
            offset: Duration::ZERO,
            clock_speed: 1,
            steps: 0,
        }
    }

    fn scope() -> &'static str {
        scope_of(ARN)
    }

    #[tokio::test]
    async fn with_a_turn_that_is_free_the_pass_acts_at_once() {
        let mut stream = cold_stream(1, StopSignal::never());
        let next = stream.pass(&mut Observer::gated(), None).await.expect("a pass");
        assert_eq!((next, stream.steps, stream.plane.state().reshards), (Next::LookAgain, 1, 1));
        assert!(stream.turns.try_acquire(scope()).is_some(), "the turn is given back");
    }

    #[tokio::test]
    async fn what_was_decided_before_a_turn_was_waited_for_is_not_acted_on() {
        let (mut stream, mut observer) = (cold_stream(1, StopSignal::never()), Observer::gated());
        let others = stream.turns.try_acquire(scope()).expect("free");
        let next = stream.pass(&mut observer, None).await.expect("a pass");
        let awaits = Next::AwaitTurn { scope: scope().to_owned(), urgency: 0 };
        assert_eq!((next, stream.plane.state().reshards), (awaits, 0));

        // Meanwhile somebody turns the metrics off that a merge rests on.
        stream.plane.state().summary.enhanced_metrics.clear();
        drop(others);
        let turn = stream.turn(&mut observer, scope(), 0).await;
        assert!(turn.is_some());
        let next = stream.pass(&mut observer, turn).await.expect("a pass");
        assert_eq!((next, stream.plane.state().reshards), (Next::Rest, 0), "it looked anew");
    }

    #[tokio::test]
    async fn with_a_turn_that_was_waited_for_the_pass_acts_though_the_stream_is_calm() {
        let (mut stream, mut observer) = (cold_stream(1, StopSignal::never()), Observer::gated());
        let others = stream.turns.try_acquire(scope()).expect("free");
        stream.pass(&mut observer, None).await.expect("a pass");
        drop(others);
        let turn = stream.turn(&mut observer, scope(), 0).await;
        let next = stream.pass(&mut observer, turn).await.expect("a pass");
        assert_eq!((next, stream.plane.state().reshards), (Next::LookAgain, 1));
    }

    #[tokio::test]
    async fn a_step_that_failed_is_tried_at_the_next_pass_and_one_that_is_not_allowed_when_the_clock_says_so()
    {
        for (class, tries) in [(ErrorClass::Throttled, 3), (ErrorClass::AccessDenied, 1)] {
            let (mut stream, mut observer) = (cold_stream(1, StopSignal::never()), Observer::gated());
            stream.plane.state().refusals = vec![class; 100];
            let mut refused = 0;
            for _ in 0..3 {
                refused += usize::from(stream.pass(&mut observer, None).await.is_err());
            }
            assert_eq!(refused, tries, "{class:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_comes_as_soon_as_a_minute_is_over_and_a_step_does_not_move_the_next() {
        for (mode, steps) in [(Mode::DryRun, 0), (Mode::Apply, 2)] {
            let mut stream = StreamLoop { offset: MARGIN, ..cold_stream(1, StopSignal::never()) };
            stream.policy.mode = mode;
            // What a pass takes is told by the clock of the process.
            let took = Duration::from_secs(7);
            stream.plane.advance(Duration::from_secs(37));
            for pass in 0..6 {
                let mut observer = Observer::gated();
                while stream.pass(&mut observer, None).await.expect("a pass") == Next::LookAgain {}
                let seen = stream.plane.state().now;
                tokio::time::advance(took).await;
                let wait = stream.until_next_round(observer.clock());
                stream.plane.advance(took + wait);
                let now = stream.plane.state().now;
                assert_eq!(now.as_second() % 60, 5, "{mode:?}, pass {pass}: from {seen}");
                assert!(
                    now.duration_since(seen).unsigned_abs() <= MINUTE + LEAST_GAP,
                    "{mode:?}, pass {pass}"
                );
            }
            assert!(stream.steps >= steps, "{mode:?}: {}", stream.steps);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_loop_waits_for_the_next_round() {
        let (handle, stop) = stop_signal();
        let mut stream = StreamLoop { offset: MARGIN, ..cold_stream(1, stop) };
        stream.policy.mode = Mode::DryRun;
        stream.plane.advance(Duration::from_secs(37));
        let stopped_later = async {
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            handle.stop();
        };
        tokio::join!(async { stream.passes().await.expect("they succeed") }, stopped_later);
        let state = stream.plane.state();
        assert!(state.slept > 3 * MINUTE, "{:?}", state.slept);
        assert_eq!(state.now.as_second() % 60, 5);
    }

    #[tokio::test]
    async fn who_waits_for_a_turn_can_be_stopped() {
        let (handle, stop) = stop_signal();
        let stream = cold_stream(0, stop);
        handle.stop();
        assert!(stream.turn(&mut Observer::gated(), scope(), 0).await.is_none());
    }

    #[tokio::test]
    async fn of_several_streams_a_first_pass_that_fails_is_told_of_and_tried_again() {
        for alone in [true, false] {
            let (handle, stop) = stop_signal();
            let mut stream = StreamLoop { alone, ..cold_stream(1, stop) };
            stream.plane.state().faults = vec![(0, Fault::Refuse(ErrorClass::Unreachable))];
            let stopped_later = async {
                for _ in 0..1_000 {
                    tokio::task::yield_now().await;
                }
                handle.stop();
            };
            let (ended, ()) = tokio::join!(stream.passes(), stopped_later);
            let requests = stream.plane.state().requests.len();
            if alone {
                let told = ended.expect_err("it shows at once").to_string();
                assert!(told.contains("stream orders in eu-west-1") && requests == 1, "{told}, {requests}");
            } else {
                ended.expect("it is stopped");
                assert!(stream.steps > 0, "{requests} requests and no step");
            }
        }
    }
}
