//! One resource's work: passes until there is nothing to do for now.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout};
use tracing::{Instrument, Span};

use super::access::{Access, Grants};
use super::api::{ApiError, Kube};
use super::approval::{self, Leave, Question};
use super::audience::{self, Audience};
use super::claim::Claim;
use super::events;
use super::fence::Fenced;
use super::leadership::Leadership;
use super::object::{APPROVE, Autoscaler, Key, RECONCILE_AT};
use super::outcome::{Act, Blocked, Decided, Failure, Outcome, Pass, Stepped};
use super::planes::{Identity, Planes, Role};
use super::registry::{Change, Registry, View};
use super::session::Session;
use super::status::{self, Status};
use crate::control_plane::ControlPlane;
use crate::cost::Prices;
use crate::executor::{ExecuteError, Executor, StepOutcome, StopSignal};
use crate::observe::{MetricLevel, Observation, ObserveError, stream_id};
use crate::plan::{Hold, Plan};
use crate::policy::ScalingPolicy;
use crate::report::{self, Report};
use crate::snapshot::Snapshot;
use crate::turns::{Turn, Turns, scope_of, urgency_of};
use crate::vetted;

/// How long one observation may take, all its requests together.
const OBSERVATION_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two looks at a stream that is being changed.
const SOON: Duration = Duration::from_secs(15);
/// Between two looks where somebody has to change something first.
const SELDOM: Duration = Duration::from_secs(600);
/// Until a resource is tried again whose namespace has not been seen, or whose status not read.
const SHORTLY: Duration = Duration::from_secs(5);

/// What all passes share.
pub struct Shared<P> {
    /// The way to AWS.
    pub planes: P,
    /// The way to the API server.
    pub kube: Kube,
    /// What the watches have told.
    pub registry: RwLock<Registry>,
    /// Until when this replica may act.
    pub leadership: Leadership,
    /// Turns at resharding.
    pub turns: Turns,
    /// How many observe and decide at once.
    pub places: Semaphore,
    /// Who is told of every pass.
    pub audience: Arc<dyn Audience>,
    /// Where changes go that a pass has found out about others.
    pub changes: mpsc::UnboundedSender<Change>,
    /// The first part of every external ID.
    pub cluster_id: String,
    /// How long a write to AWS may take.
    pub write_timeout: Duration,
    /// What a shard costs.
    pub prices: Prices,
    /// The time of day, for transition times and events; no decision reads it.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// When a resource is to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// At its interval.
    Interval(Duration),
    /// After some time.
    After(Duration),
}

/// What follows a pass.
enum Next {
    /// A step was taken: look again.
    LookAgain,
    /// A step is wanted, and as many as may are under way. What was decided is old once the turn
    /// comes: look again, closely.
    AwaitTurn { scope: String, urgency: u64, interval: Duration },
    /// AWS refuses an UpdateShardCount, and says this: look again, and decide without.
    DecideWithoutCount(String),
    /// Nothing more for now.
    Rest(Rest),
}

/// A step that may be taken, with the way to AWS on which it was decided.
struct Work<P> {
    plane: P,
    plan: Box<Plan>,
    index: usize,
    /// What the step does, for people.
    action: String,
    urgency: u64,
    observed_at: Timestamp,
    looked: Instant,
}

impl<P: Planes> Shared<P> {
    /// Passes over `key` until nothing is left to do for now.
    pub async fn work(&self, key: &Key, session: &mut Session, stop: &StopSignal) -> Rest {
        let (mut turn, mut arrival, mut refused) = (None, None, None);
        loop {
            let pass = self.pass(key, session, stop, turn.take(), refused.take());
            match pass.instrument(self.span(key)).await {
                _ if stop.is_set() => return Rest::After(Duration::ZERO),
                Next::LookAgain => arrival = None,
                Next::DecideWithoutCount(why) => {
                    session.observer.look_closely();
                    refused = Some(why);
                }
                Next::AwaitTurn { scope, urgency, interval } => {
                    let since = *arrival.get_or_insert_with(|| self.turns.arrive());
                    tokio::select! {
                        came = self.turns.acquire_since(&scope, urgency, since) => {
                            session.observer.look_closely();
                            turn = Some(came);
                        }
                        () = stop.given() => return Rest::After(Duration::ZERO),
                        // How urgent it is may have changed, and whether it is wanted at all.
                        () = sleep(interval) => {}
                    }
                }
                Next::Rest(rest) => return rest,
            }
        }
    }

    /// What all lines of a pass carry.
    fn span(&self, key: &Key) -> Span {
        let policy = self.view(key).map(|view| view.policy);
        let stream =
            policy.as_deref().and_then(|policy| policy.as_ref().ok()).map(|policy| &*policy.stream.name);
        tracing::error_span!("pass", namespace = &*key.namespace, resource = &*key.name, stream)
    }

    /// One pass. `refused` is what AWS has just said to an UpdateShardCount, if it has.
    async fn pass(
        &self,
        key: &Key,
        session: &mut Session,
        stop: &StopSignal,
        turn: Option<Turn>,
        refused: Option<String>,
    ) -> Next {
        let begun = Instant::now();
        let Some(view) = self.view(key) else { return Next::Rest(Rest::After(SELDOM)) };
        let Some(grants) = view.grants.clone() else { return Next::Rest(Rest::After(SHORTLY)) };
        let Some(before) = self.status(&view.object, session).await else {
            return Next::Rest(Rest::After(SHORTLY));
        };
        let (mut outcome, work) = {
            let Ok(_place) = self.places.acquire().await else { return Next::Rest(Rest::After(SHORTLY)) };
            self.look(key, session, &view, &grants, &before, refused).await
        };
        let mut next = None;
        if let (Outcome::Decided(decided), Some(work)) = (&mut outcome, work) {
            let scope = scope_of(&work.plan.identity.stream_arn).to_owned();
            match turn.or_else(|| self.turns.try_acquire(&scope)) {
                None => {
                    decided.act = Act::AwaitsTurn;
                    let interval = view.policy.as_ref().as_ref().map_or(SELDOM, |policy| policy.interval);
                    next = Some(Next::AwaitTurn { scope, urgency: work.urgency, interval });
                }
                Some(_turn) => self.act(key, session, &view, decided, work, stop).await,
            }
        }
        let next = next.unwrap_or_else(|| next_of(&outcome, &view.policy, session));
        self.conclude(key, session, &view, outcome, begun).await;
        next
    }

    fn view(&self, key: &Key) -> Option<View> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner).view(key)
    }

    /// The status that stands. The first time it is read past the watch, which may be behind what
    /// the leader before has written.
    async fn status(&self, object: &Autoscaler, session: &mut Session) -> Option<Status> {
        if session.status(object).is_none() {
            match self.kube.read(object).await {
                Ok(read) => session.read(&read, Instant::now()),
                Err(error) => {
                    tracing::warn!(%error, "the status cannot be read");
                    return None;
                }
            }
        }
        session.status(object).cloned()
    }

    /// Looks at the stream and decides, if that is allowed.
    async fn look(
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
        let identity = self.identity(key, policy, None);
        session.belongs_to(view.object.generation(), &identity);
        let role = policy.role_arn.as_deref();
        let claim = session.resolved.clone().unwrap_or_else(|| Claim::of(policy));
        let access = grants.check(&claim, role);
        if let Access::Denied(denial) = access {
            return (Outcome::Blocked(Blocked::AccessDenied(denial)), None);
        }
        if !view.rivals.is_empty() {
            return (Outcome::Blocked(Blocked::Conflict(view.rivals.clone())), None);
        }
        let plane = match self.plane(&identity).await {
            Ok(plane) => plane,
            Err(failure) => return (self.failed(failure, session), None),
        };
        if session.resolved.is_none() {
            match self.resolve(&plane, policy, claim).await {
                Ok(resolved) => session.resolved = Some(resolved),
                Err(failure) => return (self.failed(failure, session), None),
            }
        }
        if let Some(blocked) =
            session.resolved.as_ref().and_then(|claim| self.stake(key, claim, role, grants))
        {
            return (Outcome::Blocked(blocked), None);
        }
        self.look_closely_if_asked(session, &view.object, before);
        let observed = timeout(OBSERVATION_TIMEOUT, session.observer.observe(&plane, policy)).await;
        let Observation { mut snapshot, level, metrics_requested } = match observed {
            Ok(Ok(observation)) => observation,
            Ok(Err(error)) => return (self.failed(Failure::Unobserved(error), session), None),
            Err(_) => return (self.failed(Failure::TooSlow(OBSERVATION_TIMEOUT), session), None),
        };
        session.failures = 0;
        snapshot.update_shard_count_refused = refused;
        if level == MetricLevel::Stream {
            return (Outcome::Idle { metrics_requested }, None);
        }
        // The name may lead elsewhere than it did: other credentials, another account.
        match Claim::from_arn(&snapshot.summary.arn) {
            Some(now) if Some(&now) == session.resolved.as_ref() => {}
            _ => {
                session.resolved = None;
                session.observer.look_closely();
                let arn = snapshot.summary.arn.clone();
                let failure = Failure::NoWay(format!("the stream is now {arn}: it is looked at anew"));
                return (self.failed(failure, session), None);
            }
        }
        self.decide(session, view, policy, plane, before, snapshot, metrics_requested)
    }

    #[expect(clippy::too_many_arguments, reason = "all that a decision starts from")]
    fn decide(
        &self,
        session: &mut Session,
        view: &View,
        policy: &ScalingPolicy,
        plane: Fenced<P::Plane>,
        before: &Status,
        snapshot: Snapshot,
        metrics_requested: u64,
    ) -> (Outcome, Option<Work<Fenced<P::Plane>>>) {
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
                urgency: urgency_of(&snapshot, policy),
                observed_at: snapshot.observed_at,
                looked: Instant::now(),
            }),
        };
        let decided = Decided {
            mode: policy.mode,
            stops: decision.demand.stops.clone(),
            counts: status::counts(&decision.plan, policy),
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

    /// Takes the step, once the API server has taken in that it begins, and has confirmed that the
    /// resource still asks for it.
    async fn act(
        &self,
        key: &Key,
        session: &mut Session,
        view: &View,
        decided: &mut Decided,
        work: Work<Fenced<P::Plane>>,
        stop: &StopSignal,
    ) {
        let Ok(policy) = &*view.policy else { return };
        decided.act = Act::Begins;
        let begins = Outcome::Decided(Box::new(decided.clone()));
        let pass = pass_of(key, &view.object, begins);
        if let Err(why) = self.confirm(session, view, &pass).await {
            decided.act = Act::Unconfirmed(why);
            return;
        }
        let Work { plane, plan, index, action, urgency: _, observed_at, looked } = work;
        let plane = match self.plane(&self.identity(key, policy, Some(&plan))).await {
            Ok(named) => named,
            // It was there a moment ago, without the plan in its name.
            Err(_) => plane,
        };
        let Some(step) = plan.steps().get(index).cloned() else { return };
        let begun = Instant::now();
        let span = tracing::error_span!("step", plan = plan.hash.as_str());
        let executor = Executor::new(&plane, policy).with_stop(stop.clone());
        let result = async {
            tracing::info!("begins: {action}");
            executor.execute_step(&plan, index).await
        }
        .instrument(span)
        .await;
        let passed = SignedDuration::try_from(looked.elapsed()).unwrap_or_default();
        let stepped = Stepped {
            step,
            action,
            plan: plan.hash.clone(),
            index,
            of: plan.steps().len(),
            result,
            at: observed_at.checked_add(passed).unwrap_or(observed_at),
            took: begun.elapsed(),
        };
        session.stepped(&stepped);
        decided.act = Act::Stepped(Box::new(stepped));
    }

    /// Writes that a step begins, and looks at the resource that comes back: the freshest there is.
    async fn confirm(&self, session: &mut Session, view: &View, pass: &Pass) -> Result<(), String> {
        let before = session.status(&view.object).cloned().unwrap_or_default();
        let now = (self.clock)();
        let status = before.after(pass, now);
        session.tell(events::events(pass, &before, &status), now, Instant::now());
        self.post(session, &view.object).await;
        let written = self.kube.write_status(&view.object, &status).await;
        session.wrote(status, written.as_ref().ok(), Instant::now());
        let fresh = written.map_err(|error| error.to_string())?;
        if fresh.metadata.deletion_timestamp.is_some() {
            return Err("the resource is being deleted".to_owned());
        }
        if fresh.generation() != view.object.generation() {
            return Err("the resource has just been changed".to_owned());
        }
        if fresh.annotation(APPROVE) != view.object.annotation(APPROVE) {
            return Err("the approval has just been changed".to_owned());
        }
        Ok(())
    }

    /// Writes, tells and logs what a pass came to.
    async fn conclude(
        &self,
        key: &Key,
        session: &mut Session,
        view: &View,
        outcome: Outcome,
        begun: Instant,
    ) {
        let pass = pass_of(key, &view.object, outcome);
        let now = (self.clock)();
        let before = session.status(&view.object).cloned().unwrap_or_default();
        let status = before.after(&pass, now);
        session.tell(events::events(&pass, &before, &status), now, Instant::now());
        // What the status says is no news to whoever takes over: it is told first, and may thus be told
        // twice, but not left out.
        self.post(session, &view.object).await;
        let new = session.is_worth_writing(&status, Instant::now());
        if new {
            let written = self.kube.write_status(&view.object, &status).await;
            match &written {
                Err(error @ ApiError::Gone) => tracing::debug!(%error, "the status cannot be written"),
                Err(error) => tracing::warn!(%error, "the status cannot be written"),
                Ok(_) => {}
            }
            session.wrote(status, written.as_ref().ok(), Instant::now());
        }
        audience::log(&pass, begun.elapsed(), new);
        if let Some(status) = session.status(&view.object) {
            self.audience.passed(&pass, status, begun.elapsed());
        }
    }

    /// Posts the events that wait, until one cannot be posted now.
    async fn post(&self, session: &mut Session, object: &Autoscaler) {
        while let Some((at, event)) = session.next_event() {
            match self.kube.post(object, event, *at).await {
                Ok(()) => session.posted(),
                // It is meant, and would be refused again.
                Err(error @ (ApiError::Refused { code: 400..=428, .. } | ApiError::Gone)) => {
                    tracing::warn!(%error, event.reason, "an event is refused");
                    session.posted();
                }
                Err(error) => {
                    tracing::warn!(%error, event.reason, "an event waits");
                    return;
                }
            }
        }
    }

    fn identity(&self, key: &Key, policy: &ScalingPolicy, plan: Option<&Plan>) -> Identity {
        let role = policy.role_arn.as_ref().map(|arn| {
            Role::of(arn, &self.cluster_id, &key.namespace, &key.name, plan.map(|plan| &plan.hash))
        });
        Identity { region: policy.stream.region.clone(), role }
    }

    async fn plane(&self, identity: &Identity) -> Result<Fenced<P::Plane>, Failure> {
        match timeout(OBSERVATION_TIMEOUT, self.planes.plane(identity)).await {
            Ok(Ok(plane)) => Ok(Fenced::new(plane, self.leadership.clone(), self.write_timeout)),
            Ok(Err(why)) => Err(Failure::NoWay(why)),
            Err(_) => Err(Failure::TooSlow(OBSERVATION_TIMEOUT)),
        }
    }

    /// Asks AWS which stream it is, where that is not known.
    async fn resolve(
        &self,
        plane: &Fenced<P::Plane>,
        policy: &ScalingPolicy,
        claim: Claim,
    ) -> Result<Claim, Failure> {
        if claim.arn().is_some() {
            return Ok(claim);
        }
        let stream = stream_id(&policy.stream);
        let described = timeout(OBSERVATION_TIMEOUT, plane.describe_stream_summary(&stream)).await;
        let described = described.map_err(|_| Failure::TooSlow(OBSERVATION_TIMEOUT))?;
        let arn = described.map_err(|error| Failure::Unobserved(ObserveError::Request(error)))?.value.arn;
        Claim::from_arn(&arn)
            .ok_or_else(|| Failure::NoWay(format!("AWS calls the stream {arn}, which is no ARN of a stream")))
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
        let standing = before.plan.as_ref().filter(|plan| approval::stands(plan));
        let named = object.annotation(APPROVE);
        let decides =
            standing.is_some_and(|plan| approval::was_approved(plan) || named == Some(plan.hash.as_str()));
        if asked || decides {
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

fn pass_of(key: &Key, object: &Autoscaler, outcome: Outcome) -> Pass {
    let own = |annotation: &str| object.annotation(annotation).map(str::to_owned);
    Pass {
        key: key.clone(),
        generation: object.generation(),
        token: own(RECONCILE_AT),
        approval: own(APPROVE),
        outcome,
    }
}

/// The step that the replica before has taken and not told of.
fn caught_up(snapshot: &Snapshot, before: &Status) -> Option<Stepped> {
    let (identity, index) = approval::untold(snapshot, before)?;
    let step = identity.steps.get(index)?.clone();
    Some(Stepped {
        action: report::action_on(&step, &snapshot.shards),
        step,
        plan: identity.hash(),
        index,
        of: identity.steps.len(),
        result: Ok(StepOutcome::AlreadyDone),
        at: snapshot.observed_at,
        took: Duration::ZERO,
    })
}

/// What follows a pass that waits for no turn.
fn next_of(
    outcome: &Outcome,
    policy: &Result<ScalingPolicy, Vec<crate::resource::FieldError>>,
    session: &Session,
) -> Next {
    if let Outcome::Decided(decided) = outcome
        && let Act::Stepped(stepped) = &decided.act
        && let Err(ExecuteError::CountRefused(error)) = &stepped.result
    {
        return Next::DecideWithoutCount(error.to_string());
    }
    let interval = policy.as_ref().map_or(SELDOM, |policy| policy.interval);
    let rest = match outcome {
        // What lifts it is seen by the watches.
        Outcome::Blocked(_) => Rest::After(SELDOM),
        Outcome::Failed(failure) if failure.needs_a_person() => Rest::After(interval.max(SELDOM)),
        Outcome::Failed(_) => {
            let longer = 1 << session.failures.saturating_sub(1).min(4);
            Rest::After((interval * longer).min(SELDOM.max(interval)))
        }
        Outcome::Idle { .. } => Rest::Interval(interval),
        Outcome::Decided(decided) => match &decided.act {
            // It was there before anything was sent: what was observed may be behind, for a while.
            Act::Stepped(stepped) if stepped.result == Ok(StepOutcome::AlreadyDone) => Rest::After(SHORTLY),
            Act::Stepped(stepped) if stepped.is_done() => return Next::LookAgain,
            Act::Unconfirmed(_) => Rest::After(SHORTLY),
            _ if decided.stops.contains(&Hold::OnDemandStream) => Rest::After(interval.max(SELDOM)),
            _ if decided.stops.iter().any(|stop| matches!(stop, Hold::StreamNotActive { .. })) => {
                Rest::After(interval.min(SOON))
            }
            _ => Rest::Interval(interval),
        },
    };
    Next::Rest(rest)
}
