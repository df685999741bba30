//! One look at a resource's stream: which stream it is, whether it may be touched, what is seen of it,
//! and what is decided.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Shared;
use super::step::Work;
use crate::control_plane::{ControlPlane, Reply};
use crate::executor::StepOutcome;
use crate::observe::{MetricLevel, Observation, ObserveError, stream_id};
use crate::operator::access::{Access, Grants};
use crate::operator::approval::{self, Leave, Question};
use crate::operator::fence::Fenced;
use crate::operator::object::{APPROVE, Autoscaler, Key, RECONCILE_AT};
use crate::operator::outcome::{Act, Blocked, Decided, Failure, Outcome, Stepped};
use crate::operator::planes::{Identity, Planes, Role};
use crate::operator::registry::View;
use crate::operator::session::Session;
use crate::operator::status::{self, Status};
use crate::plan::Plan;
use crate::policy::claim::Claim;
use crate::policy::{Mode, ScalingPolicy};
use crate::report::{self, Report};
use crate::snapshot::Snapshot;
use crate::stream::{StreamSummary, in_its_region};
use crate::turns::urgency_of;
use crate::vetted;

/// How long one observation may take, all its requests together.
const OBSERVATION_TIMEOUT: Duration = Duration::from_secs(120);

/// What is to be decided from, with the way to AWS on which it was seen.
struct Sight<P> {
    plane: P,
    snapshot: Snapshot,
    metrics_requested: u64,
}

impl<P: Planes> Shared<P> {
    /// Looks at the stream and decides, if that is allowed. `refused` is what AWS has just said to an
    /// UpdateShardCount, if it has.
    pub(super) async fn look(
        &self,
        key: &Key,
        session: &mut Session,
        view: &View,
        grants: &Grants,
        before: &Status,
        refused: Option<String>,
    ) -> (Outcome, Option<Work<Fenced<P::Plane>>>) {
        let policy = match &*view.policy {
            Ok(policy) => policy,
            Err(faults) => return (Outcome::Blocked(Blocked::InvalidSpec(faults.clone())), None),
        };
        match self.see(key, session, view, grants, before, policy).await {
            Ok(mut sight) => {
                sight.snapshot.update_shard_count_refused = refused;
                self.decide(session, view, policy, before, sight)
            }
            Err(outcome) => (outcome, None),
        }
    }

    /// Looks at the stream. What ends the pass without a decision is the error.
    async fn see(
        &self,
        key: &Key,
        session: &mut Session,
        view: &View,
        grants: &Grants,
        before: &Status,
        policy: &ScalingPolicy,
    ) -> Result<Sight<Fenced<P::Plane>>, Outcome> {
        let identity = self.identity(key, policy, None);
        session.belongs_to(view.object.generation(), &identity);
        let role = policy.role_arn.as_deref();
        let claim = session.resolved.clone().unwrap_or_else(|| Claim::of(policy));
        if let Access::Denied(denial) = grants.check(&claim, role) {
            return Err(Outcome::Blocked(Blocked::AccessDenied(denial)));
        }
        if !view.rivals.is_empty() {
            return Err(Outcome::Blocked(Blocked::Conflict(view.rivals.clone())));
        }
        let plane = self.plane(&identity).await.map_err(|failure| self.failed(failure, session))?;
        let mut described = None;
        if session.resolved.is_none() {
            let resolved = self.resolve(&plane, &identity, policy, claim).await;
            let (claim, description) = resolved.map_err(|failure| self.failed(failure, session))?;
            (session.resolved, described) = (Some(claim), description);
        }
        if let Some(blocked) =
            session.resolved.as_ref().and_then(|claim| self.stake(key, claim, role, grants))
        {
            return Err(Outcome::Blocked(blocked));
        }
        self.look_closely_if_asked(session, &view.object, before);
        let observer = &mut session.observer;
        let observed = timeout(OBSERVATION_TIMEOUT, async {
            match described {
                Some(described) => observer.observe_described(&plane, policy, described).await,
                None => observer.observe(&plane, policy).await,
            }
        })
        .await;
        let Observation { snapshot, level, metrics_requested } = match observed {
            Ok(Ok(observation)) => observation,
            Ok(Err(error)) => return Err(self.failed(Failure::Unobserved(error), session)),
            Err(_) => return Err(self.failed(Failure::TooSlow(OBSERVATION_TIMEOUT), session)),
        };
        session.failures = 0;
        if level == MetricLevel::Stream {
            return Err(Outcome::Idle { metrics_requested });
        }
        if let Err(failure) = self.in_its_region(&identity, &snapshot.summary.arn) {
            session.resolved = None;
            return Err(self.failed(failure, session));
        }
        // The name may lead elsewhere than it did: other credentials, another account.
        match Claim::from_arn(&snapshot.summary.arn) {
            Some(now) if Some(&now) == session.resolved.as_ref() => {
                Ok(Sight { plane, snapshot, metrics_requested })
            }
            _ => {
                session.resolved = None;
                let arn = &snapshot.summary.arn;
                let failure = Failure::NoWay(format!("the stream is now {arn}: it is looked at anew"));
                Err(self.failed(failure, session))
            }
        }
    }

    fn decide(
        &self,
        session: &mut Session,
        view: &View,
        policy: &ScalingPolicy,
        before: &Status,
        sight: Sight<Fenced<P::Plane>>,
    ) -> (Outcome, Option<Work<Fenced<P::Plane>>>) {
        let Sight { plane, snapshot, metrics_requested } = sight;
        let decision = match vetted::decide(&snapshot, policy) {
            Ok(decision) => decision,
            Err(violations) => return (self.failed(Failure::Vetoed(violations.to_string()), session), None),
        };
        let foreign = session.look(&snapshot, before.plan.as_ref());
        let report = Report::new(&snapshot, policy, &decision.demand.summary, &decision.plan, &self.prices);
        let answer = approval::consider(&Question {
            policy,
            snapshot: &snapshot,
            decision: &decision,
            summary: &report.summary,
            status: before,
            approval: view.object.annotation(APPROVE),
        });
        let is_due = matches!(answer.leave, Leave::Step { .. });
        match policy.mode {
            Mode::DryRun => session.observer.shown(&decision.plan),
            Mode::Approve | Mode::Apply => session.observer.decided(&decision.plan, is_due),
        }
        let work = match &answer.leave {
            Leave::Nothing => None,
            Leave::Step { plan, index } => Some(Work {
                plane,
                plan: plan.clone(),
                index: *index,
                action: plan
                    .steps()
                    .get(*index)
                    .map_or_else(String::new, |step| report::action_on(step, &snapshot.shards)),
                why: why(&report, plan, *index),
                urgency: urgency_of(&snapshot, policy),
                observed_at: snapshot.observed_at,
                looked: Instant::now(),
            }),
        };
        let decided = Decided {
            mode: policy.mode,
            stops: decision.demand.stops.clone(),
            counts: status::counts(&decision.plan),
            top: status::top_shards(&report, &decision.demand),
            report,
            answer,
            act: Act::Nothing,
            foreign,
            caught_up: caught_up(&snapshot, before),
            metrics_requested,
        };
        (Outcome::Decided(Box::new(decided)), work)
    }

    /// In whose name AWS is asked for `key`: to look at its stream, or to carry out `plan`.
    pub(super) fn identity(&self, key: &Key, policy: &ScalingPolicy, plan: Option<&Plan>) -> Identity {
        let role = policy.role_arn.as_ref().map(|arn| {
            Role::of(arn, &self.cluster_id, &key.namespace, &key.name, plan.map(|plan| &plan.hash))
        });
        Identity { region: policy.stream.region.clone(), role }
    }

    /// The way to AWS in that name, with the fence before it.
    pub(super) async fn plane(&self, identity: &Identity) -> Result<Fenced<P::Plane>, Failure> {
        match timeout(OBSERVATION_TIMEOUT, self.planes.plane(identity)).await {
            Ok(Ok(plane)) => Ok(Fenced::new(plane, self.leadership.clone(), self.write_timeout)),
            Ok(Err(why)) => Err(Failure::NoWay(why)),
            Err(_) => Err(Failure::TooSlow(OBSERVATION_TIMEOUT)),
        }
    }

    /// Asks AWS which stream it is, where that is not known; its description comes with the answer.
    async fn resolve(
        &self,
        plane: &Fenced<P::Plane>,
        identity: &Identity,
        policy: &ScalingPolicy,
        claim: Claim,
    ) -> Result<(Claim, Option<Reply<StreamSummary>>), Failure> {
        if claim.arn().is_some() {
            return Ok((claim, None));
        }
        let stream = stream_id(&policy.stream);
        let described = timeout(OBSERVATION_TIMEOUT, plane.describe_stream_summary(&stream)).await;
        let described = described.map_err(|_| Failure::TooSlow(OBSERVATION_TIMEOUT))?;
        let described = described.map_err(|error| Failure::Unobserved(ObserveError::Request(error)))?;
        let arn = &described.value.arn;
        self.in_its_region(identity, arn)?;
        match Claim::from_arn(arn) {
            Some(claim) => Ok((claim, Some(described))),
            None => Err(Failure::NoWay(format!("AWS calls the stream {arn}, which is no ARN of a stream"))),
        }
    }

    /// Whether the stream with this ARN lies in the region that was asked: an endpoint answers for whatever region it
    /// stands for.
    fn in_its_region(&self, identity: &Identity, arn: &str) -> Result<(), Failure> {
        let Some(asked) = self.planes.region(identity) else { return Ok(()) };
        in_its_region(asked, arn).map_err(Failure::OtherRegion)
    }

    /// Lays claim to the stream that is known by now: whether that is allowed, and nobody else does.
    fn stake(&self, key: &Key, claim: &Claim, role: Option<&str>, grants: &Grants) -> Option<Blocked> {
        if let Access::Denied(denial) = grants.check(claim, role) {
            return Some(Blocked::AccessDenied(denial));
        }
        let (changes, view) = {
            let mut registry = self.registry.write().unwrap_or_else(PoisonError::into_inner);
            (registry.resolve(key, claim.clone()), registry.view(key))
        };
        for change in changes {
            let _closing = self.changes.send(change);
        }
        let rivals = view.map(|view| view.rivals).unwrap_or_default();
        (!rivals.is_empty()).then_some(Blocked::Conflict(rivals))
    }

    /// Has the pass read the shards' metrics where somebody waits for a decision: he asked for it,
    /// or has approved a plan.
    fn look_closely_if_asked(&self, session: &mut Session, object: &Autoscaler, before: &Status) {
        let token = object.annotation(RECONCILE_AT);
        let asked = token.is_some() && token != before.last_handled_reconcile_at.as_deref();
        if asked || approval::is_awaited(before, object.annotation(APPROVE)) {
            session.observer.look_closely();
        }
    }

    fn failed(&self, failure: Failure, session: &mut Session) -> Outcome {
        session.failures = session.failures.saturating_add(1);
        // What the conditions say now has to be decided anew.
        session.observer.look_closely();
        Outcome::Failed(failure)
    }
}

/// Why the step at `index` of `plan` is taken, where that is the plan of the report.
fn why(report: &Report, plan: &Plan, index: usize) -> Option<String> {
    let step = report.steps.get(index).filter(|_| plan.hash == report.plan.hash)?;
    (!step.reason.is_empty()).then(|| step.reason.clone())
}

/// The step that the replica before has taken and not told of.
fn caught_up(snapshot: &Snapshot, before: &Status) -> Option<Stepped> {
    let (identity, index) = approval::untold(snapshot, before)?;
    let step = identity.steps.get(index)?.clone();
    Some(Stepped {
        action: report::action_on(&step, &snapshot.shards),
        step,
        why: None,
        plan: identity.hash(),
        index,
        of: identity.steps.len(),
        result: Ok(StepOutcome::AlreadyDone),
        at: snapshot.observed_at,
        took: Duration::ZERO,
    })
}
