//! One resource's work: passes until there is nothing to do for now.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep};
use tracing::{Instrument, Span};

use super::api::Kube;
use super::audience::Audience;
use super::leadership::Leadership;
use super::object::{Autoscaler, Key};
use super::outcome::{Act, Outcome};
use super::planes::Planes;
use super::registry::{Change, Registry, View};
use super::session::Session;
use super::status::Status;
use crate::cost::Prices;
use crate::executor::{ExecuteError, StepOutcome, StopSignal};
use crate::plan::Hold;
use crate::policy::ScalingPolicy;
use crate::resource::FieldError;
use crate::turns::{Turn, Turns, scope_of};

mod look;
mod step;
mod tell;

/// Between two looks at a stream that is being changed.
const SOON: Duration = Duration::from_secs(15);
/// Between two looks where somebody has to change something first.
const SELDOM: Duration = Duration::from_secs(600);
/// Until a resource is tried again whose namespace has not been seen, or whose status not read, or
/// first not written.
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
    /// In the next round of its interval.
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
    /// AWS refuses an UpdateShardCount, and says why: look again, and decide without. The turn goes
    /// with it: lost to a call that did nothing, it would have to be waited for anew, and by the time
    /// it came the refusal would be old.
    DecideWithoutCount { turn: Turn, why: String },
    /// Nothing more for now.
    Rest(Rest),
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
                Next::DecideWithoutCount { turn: kept, why } => {
                    session.observer.look_closely();
                    (turn, refused) = (Some(kept), Some(why));
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
                Some(turn) => {
                    self.act(key, session, &view, decided, work, stop).await;
                    next = refusal(&decided.act).map(|why| Next::DecideWithoutCount { turn, why });
                }
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
}

/// What AWS has said to an UpdateShardCount that it refused.
fn refusal(act: &Act) -> Option<String> {
    let Act::Stepped(stepped) = act else { return None };
    match &stepped.result {
        Err(ExecuteError::CountRefused(error)) => Some(error.to_string()),
        _ => None,
    }
}

/// What follows a pass that neither waits for a turn nor was refused a call.
fn next_of(outcome: &Outcome, policy: &Result<ScalingPolicy, Vec<FieldError>>, session: &Session) -> Next {
    let interval = policy.as_ref().map_or(SELDOM, |policy| policy.interval);
    let rest = match outcome {
        // What lifts it is seen by the watches.
        Outcome::Blocked(_) => Rest::After(SELDOM),
        Outcome::Failed(failure) if failure.needs_a_person() => Rest::After(interval.max(SELDOM)),
        Outcome::Failed(_) => {
            let doublings = session.failures.saturating_sub(1).min(4);
            Rest::After(doubled(interval, doublings).min(SELDOM.max(interval)))
        }
        Outcome::Idle { .. } => Rest::Interval(interval),
        Outcome::Decided(decided) => match &decided.act {
            // It was there before anything was sent: what was observed may be behind, for a while.
            Act::Stepped(stepped) if stepped.result == Ok(StepOutcome::AlreadyDone) => Rest::After(SHORTLY),
            Act::Stepped(stepped) if stepped.is_done() => return Next::LookAgain,
            // Most often the watch is behind, for a moment. What lasts, a right that is missing or a
            // definition that is old, would have the shards' metrics read and billed each time.
            Act::Unconfirmed(_) => {
                Rest::After(doubled(SHORTLY, session.unconfirmed.saturating_sub(1)).min(SELDOM))
            }
            _ if decided.stops.contains(&Hold::OnDemandStream) => Rest::After(interval.max(SELDOM)),
            _ if decided.stops.iter().any(|stop| matches!(stop, Hold::StreamNotActive { .. })) => {
                Rest::After(interval.min(SOON))
            }
            _ => Rest::Interval(interval),
        },
    };
    Next::Rest(rest)
}

/// So many times twice as long.
fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times))
}
