//! Runs: observe, decide, one step, observe again, until no step may run; or exactly the steps of an
//! approved plan.

use std::fmt::{self, Display};
use std::time::Duration;

use super::{Event, ExecuteError, Executor, StepOutcome, TilingDifference};
use crate::control_plane::ControlPlane;
use crate::observe::{MetricLevel, Observation, ObserveError, Observer};
use crate::plan::{Hold, Plan, Step};
use crate::policy::ScalingPolicy;
use crate::rounds::{MARGIN, until_next};
use crate::snapshot::Snapshot;
use crate::turns::urgency_of;

/// Steps that one run takes at the most: from 1 to 200 shards and back, and a move of each.
pub const MAX_STEPS: usize = 800;
/// Times in a row that a request may be lost, or somebody else be faster, before a run ends.
const MAX_SETBACKS: usize = 3;

/// What a run did, and why it ended. Whatever the end, `done` is what was done.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// The steps that were sent, and found complete or lost.
    pub done: Vec<DoneStep>,
    /// Why it ended.
    pub end: End,
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct DoneStep {
    /// The step.
    pub step: Step,
    /// How it ended.
    pub outcome: StepOutcome,
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// No step may run now: the plan's holds say what it is waiting for; none means in order.
    Quiet {
        /// The last plan, without steps.
        plan: Box<Plan>,
    },
    /// The observer found nothing to look at more closely: the stream is calm, and what was decided
    /// when it was last looked at closely, before this run, stands.
    Calm,
    /// The time to wait for holds is over.
    WaitedEnough {
        /// The last plan, without steps.
        plan: Box<Plan>,
        /// How long was waited for its holds.
        waited: Duration,
    },
    /// An approved plan is carried out.
    PlanDone,
    /// The stop signal came.
    Stopped,
    /// The stream could not be observed.
    CannotObserve(ObserveError),
    /// Whoever decides gave no plan, and says why: the stream is not the one that was meant, or the checks
    /// vetoed a plan, a mistake of ours.
    Vetoed(String),
    /// A step failed.
    Failed {
        /// The step; none where it was not come to one.
        step: Option<Step>,
        /// Why.
        error: ExecuteError,
    },
    /// Requests were lost, or somebody else changed the shards, again and again.
    NoProgress {
        /// How often in a row.
        times: usize,
    },
    /// More steps than a run may take: something else keeps changing the shards.
    TooManySteps,
}

impl End {
    /// Whether the run ended as it should.
    pub fn is_success(&self) -> bool {
        matches!(
            self,
            End::Quiet { .. } | End::Calm | End::WaitedEnough { .. } | End::PlanDone | End::Stopped
        )
    }
}

impl Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Quiet { plan } if plan.holds.is_empty() => f.write_str("nothing is left to do"),
            End::Quiet { plan } => write!(f, "no step may run now: {}", reasons(plan)),
            End::Calm => f.write_str("the stream is calm: nothing new is to be decided"),
            End::WaitedEnough { plan, waited } => {
                write!(f, "waited {} s, and no step may run yet: {}", waited.as_secs(), reasons(plan))
            }
            End::PlanDone => f.write_str("the plan is carried out"),
            End::Stopped => f.write_str("stopped"),
            End::CannotObserve(error) => write!(f, "the stream cannot be observed: {error}"),
            End::Vetoed(why) => f.write_str(why),
            End::Failed { step: Some(step), error } => write!(f, "{step}: {error}"),
            End::Failed { step: None, error } => write!(f, "{error}"),
            End::NoProgress { times } => write!(
                f,
                "no progress ({times} in a row): a request was lost or something else changed the shards; is the network in order, and does nothing else reshard the stream?"
            ),
            End::TooManySteps => {
                write!(f, "{MAX_STEPS} steps and no end: does something else reshard the stream?")
            }
        }
    }
}

fn reasons(plan: &Plan) -> String {
    plan.holds.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl<P: ControlPlane> Executor<'_, P> {
    /// Observes, decides, takes the first step, and begins anew, until no step may run. With
    /// `wait`, holds that time can lift are sat out for so long in all. `decide` gives the plan, or a
    /// veto.
    pub async fn run_to_quiet<D, V>(
        &self,
        observer: &mut Observer,
        decide: D,
        wait: Option<Duration>,
    ) -> RunReport
    where
        D: Fn(&Snapshot, &ScalingPolicy) -> Result<Plan, V>,
        V: Display,
    {
        let mut done = Vec::new();
        let end = self.drive(observer, decide, wait.unwrap_or_default(), &mut done).await;
        RunReport { done, end }
    }

    async fn drive<D, V>(
        &self,
        observer: &mut Observer,
        decide: D,
        wait: Duration,
        done: &mut Vec<DoneStep>,
    ) -> End
    where
        D: Fn(&Snapshot, &ScalingPolicy) -> Result<Plan, V>,
        V: Display,
    {
        let (mut waited, mut setbacks) = (Duration::ZERO, 0);
        let (mut came, mut refused, mut standing) = (None, None, None);
        while done.len() < MAX_STEPS {
            if self.stop.is_set() {
                return End::Stopped;
            }
            let turn = came.take();
            let Observation { mut snapshot, level, .. } =
                match observer.observe(self.plane, self.policy).await {
                    Ok(observation) => observation,
                    Err(error) => return End::CannotObserve(error),
                };
            let plan = match (level, standing.take()) {
                (MetricLevel::Stream, Some(plan)) => plan,
                (MetricLevel::Stream, None) => return End::Calm,
                (MetricLevel::Shards, _) => {
                    snapshot.update_shard_count_refused = refused.take();
                    match decide(&snapshot, self.policy) {
                        Ok(plan) => plan,
                        Err(veto) => return End::Vetoed(veto.to_string()),
                    }
                }
            };
            if level == MetricLevel::Shards {
                (self.progress)(&Event::Planned { plan: &plan });
                observer.decided(&plan, !plan.steps().is_empty());
            }
            let Some(step) = plan.steps().first() else {
                let vain = plan.holds.iter().any(Hold::awaits_a_person)
                    || !plan.holds.iter().any(Hold::passes_with_time);
                if wait.is_zero() || vain {
                    return End::Quiet { plan: Box::new(plan) };
                }
                let next = until_next(snapshot.observed_at, self.policy.interval, MARGIN);
                let pause = next.min(wait.saturating_sub(waited));
                if pause.is_zero() {
                    return End::WaitedEnough { plan: Box::new(plan), waited };
                }
                drop(turn);
                (self.progress)(&Event::Holding { plan: &plan, next_look_in: pause });
                self.pause(pause).await;
                waited += pause;
                standing = Some(plan);
                continue;
            };
            let Some(turn) = turn.or_else(|| self.free_turn(&plan)) else {
                // What was decided is old once the turn comes: look again.
                came = self.await_turn(&plan, urgency_of(&snapshot, self.policy)).await;
                continue;
            };
            // Whatever becomes of it, all is seen anew.
            observer.look_closely();
            let outcome = match self.execute_step(&plan, 0).await {
                Ok(outcome) => Some(outcome),
                Err(ExecuteError::Stopped) => return End::Stopped,
                // Somebody else was faster: a new plan takes it from there.
                Err(ExecuteError::ShardsMoved(_)) => None,
                // Without it, splits and merges are planned, or nothing: there is no second refusal in a row.
                // They take the turn, which the call has not used: the refusal would be old by the next one.
                Err(ExecuteError::CountRefused(error)) => {
                    (came, refused) = (Some(turn), Some(error.to_string()));
                    continue;
                }
                Err(error) => return End::Failed { step: Some(step.clone()), error },
            };
            if let Some(outcome) = outcome {
                self.note(step, outcome, done);
            }
            let progress = matches!(outcome, Some(StepOutcome::Done { .. } | StepOutcome::AlreadyDone));
            setbacks = if progress { 0 } else { setbacks + 1 };
            if setbacks >= MAX_SETBACKS {
                return End::NoProgress { times: setbacks };
            }
        }
        End::TooManySteps
    }

    /// Carries out what is left of an approved plan, whole: it begins after the steps that the
    /// stream already shows, and goes on as long as the observed shards are exactly those that the
    /// plan projects. Where it has to wait for a turn, `urgency` (see [`urgency_of`]) counts.
    pub async fn execute_approved(&self, plan: &Plan, urgency: u64) -> RunReport {
        let mut done = Vec::new();
        let end = match self.first_open_step(plan).await {
            Ok(first) => self.follow(plan, first, urgency, &mut done).await,
            Err(error) => End::Failed { step: None, error },
        };
        RunReport { done, end }
    }

    async fn follow(&self, plan: &Plan, first: usize, urgency: u64, done: &mut Vec<DoneStep>) -> End {
        (self.progress)(&Event::Planned { plan });
        for (index, step) in plan.steps().iter().enumerate().skip(first) {
            let turn = match self.free_turn(plan) {
                None => self.await_turn(plan, urgency).await,
                free => free,
            };
            let Some(_turn) = turn else { return End::Stopped };
            match self.execute_step(plan, index).await {
                Ok(outcome) => {
                    self.note(step, outcome, done);
                    match outcome {
                        StepOutcome::Done { .. } | StepOutcome::AlreadyDone => {}
                        StepOutcome::Lost => return End::NoProgress { times: 1 },
                        StepOutcome::Overtaken(difference) => {
                            let error = ExecuteError::ShardsMoved(difference);
                            return End::Failed { step: Some(step.clone()), error };
                        }
                    }
                }
                Err(ExecuteError::Stopped) => return End::Stopped,
                Err(error) => return End::Failed { step: Some(step.clone()), error },
            }
        }
        End::PlanDone
    }

    /// The first step that the stream does not show yet.
    async fn first_open_step(&self, plan: &Plan) -> Result<usize, ExecuteError> {
        let actual = plan.identity.hash();
        if actual != plan.hash {
            return Err(ExecuteError::PlanEdited { stated: plan.hash.clone(), actual });
        }
        let (planned, current) = (plan.identity.generation, self.policy.generation);
        if planned != current {
            return Err(ExecuteError::OtherGeneration { planned, current });
        }
        let mut patience = super::Patience::new(&self.options);
        let look = self.look_when_active(plan, &mut patience).await?;
        let open = look.open()?;
        for index in 0..=plan.steps().len() {
            if super::shows(plan, index, open)? {
                return Ok(index);
            }
        }
        match TilingDifference::between(&plan.identity.start, open) {
            Some(difference) => Err(ExecuteError::ShardsMoved(difference)),
            None => Ok(0),
        }
    }

    fn note(&self, step: &Step, outcome: StepOutcome, done: &mut Vec<DoneStep>) {
        (self.progress)(&Event::Finished { step, outcome });
        done.push(DoneStep { step: step.clone(), outcome });
    }
}
