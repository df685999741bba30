//! What is kept of one resource between passes. All of it may be lost at any time: it saves
//! requests, names causes, and keeps the same thing from being told twice.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::events::Event;
use super::foreign::{self, Foreign, Tiling};
use super::object::Autoscaler;
use super::outcome::Stepped;
use super::planes::Identity;
use super::status::{PlanState, PlanStatus, Status, Worth};
use crate::observe::Observer;
use crate::plan::Step;
use crate::policy::claim::Claim;
use crate::snapshot::Snapshot;
use crate::stream::OpenShards;

/// Events that wait for the API server at the most; older ones are dropped.
const MOST_EVENTS: usize = 20;
/// The same is not told again within this time.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(600);
/// How often a status is written of which only figures have changed.
const FIGURES_AFTER: Duration = Duration::from_secs(600);

/// Steps that are remembered as sent at the most, the latest: what they explain doubles with each.
const MOST_SENT: usize = 8;

/// What is kept of one resource.
#[derive(Debug, Default)]
pub struct Session {
    /// The UID of the resource: a namesake starts anew.
    pub uid: String,
    /// What is known of past minutes.
    pub observer: Observer,
    /// The stream, once AWS has said which it is.
    pub resolved: Option<Claim>,
    /// How many passes in a row have failed.
    pub failures: u32,
    /// How many steps in a row the API server has not confirmed.
    pub unconfirmed: u32,
    /// For what the above holds: another generation or another identity starts anew.
    owner: Option<(i64, Identity)>,
    status: Option<Known>,
    tiling: Option<Tiling>,
    /// The latest steps that were sent since the tiling was seen, each once.
    sent: Vec<Step>,
    events: VecDeque<(Timestamp, Event)>,
    told: VecDeque<(Instant, Event)>,
}

/// The status as this replica knows it.
#[derive(Debug)]
struct Known {
    status: Status,
    /// The resource's version that it was read or written with.
    version: String,
    /// Whether it stands in the cluster like this.
    written: bool,
    at: Instant,
}

impl Session {
    /// A session of the resource with this UID.
    pub fn new(uid: &str) -> Session {
        Session { uid: uid.to_owned(), observer: Observer::gated_apart(uid), ..Session::default() }
    }

    /// Forgets what held for another generation or another way to AWS.
    pub fn belongs_to(&mut self, generation: i64, identity: &Identity) {
        let owner = Some((generation, identity.clone()));
        if self.owner == owner {
            return;
        }
        let same_way = self.owner.as_ref().is_some_and(|(_, known)| known == identity);
        self.owner = owner;
        self.failures = 0;
        if same_way {
            // The past is the same for every spec; what to read of it may not be.
            self.observer.look_closely();
        } else {
            (self.observer, self.resolved) = (Observer::gated_apart(&self.uid), None);
            self.tiling = None;
            self.sent.clear();
        }
    }

    /// The status as it stands: what this replica has written last, unless `object` is newer.
    /// `None` where nothing was read from the API server itself yet.
    pub fn status(&mut self, object: &Autoscaler) -> Option<&Status> {
        let known = self.status.as_mut()?;
        if is_newer(object.metadata.resource_version.as_deref(), &known.version) && known.written {
            let status = object.status();
            known.written = true;
            known.version = object.metadata.resource_version.clone().unwrap_or_default();
            known.status = status;
        }
        Some(&known.status)
    }

    /// Takes in the resource as the API server has just given it.
    pub fn read(&mut self, object: &Autoscaler, now: Instant) {
        self.status = Some(Known {
            status: object.status(),
            version: object.metadata.resource_version.clone().unwrap_or_default(),
            written: true,
            at: now,
        });
    }

    /// Whether `status` is to be written now.
    pub fn is_worth_writing(&self, status: &Status, now: Instant) -> bool {
        let Some(known) = &self.status else { return true };
        let worth = known.status.worth_of(status);
        !known.written
            || worth == Worth::Now
            || worth == Worth::Sometimes && now.duration_since(known.at) >= FIGURES_AFTER
    }

    /// Takes in that `status` was written, and gave `object`; or that it could not be.
    pub fn wrote(&mut self, status: Status, object: Option<&Autoscaler>, now: Instant) {
        let version = object.and_then(|object| object.metadata.resource_version.clone());
        let before = self.status.take();
        let at = if object.is_some() { now } else { before.as_ref().map_or(now, |known| known.at) };
        self.status = Some(Known {
            status,
            written: object.is_some(),
            version: version.or(before.map(|known| known.version)).unwrap_or_default(),
            at,
        });
    }

    /// What somebody else did since the last look. `plan` is the one in the status: a step of it may
    /// be under way that another replica has sent.
    pub fn look(&mut self, snapshot: &Snapshot, plan: Option<&PlanStatus>) -> Option<Foreign> {
        let open = OpenShards::tile(&snapshot.shards).ok()?;
        let now = Tiling {
            at: snapshot.observed_at,
            created_at: snapshot.summary.created_at,
            ranges: open.ranges().collect(),
        };
        if self.tiling.is_none() {
            let running = plan.filter(|plan| plan.state == PlanState::Running);
            let fits = |step: &&Step| step.resolve(&open).is_ok();
            if let Some(step) = running.and_then(|plan| plan.steps.iter().find(fits)) {
                self.remember(step);
            }
        }
        let before = self.tiling.as_ref();
        let foreign = before.and_then(|before| foreign::between(before, &now, &self.sent));
        let moved = before.is_none_or(|before| before.ranges != now.ranges);
        // A request without a clear reply may take effect yet: while nothing moves, it is kept.
        if before.is_some() && moved {
            self.sent.clear();
        }
        self.tiling = Some(now);
        foreign
    }

    /// A step was sent, or may have been.
    pub fn stepped(&mut self, stepped: &Stepped) {
        if stepped.may_take_effect() {
            self.remember(&stepped.step);
        }
        if stepped.step.shard_delta() == 0 {
            // The open shards are the same; what is on is seen by a full pass only.
            self.observer.look_closely();
        }
    }

    /// Remembers that `step` was sent. A step that is lost is sent again and again while nothing moves.
    fn remember(&mut self, step: &Step) {
        self.sent.retain(|sent| sent != step);
        self.sent.push(step.clone());
        let forgotten = self.sent.len().saturating_sub(MOST_SENT);
        self.sent.drain(..forgotten);
    }

    /// Takes in what is to be told, but for what was told a while ago.
    pub fn tell(&mut self, events: Vec<Event>, at: Timestamp, now: Instant) {
        self.told.retain(|(told, _)| now.duration_since(*told) < TOLD_AGAIN_AFTER);
        for (place, event) in (0..).zip(events) {
            if self.told.iter().any(|(_, told)| *told == event) {
                continue;
            }
            self.told.push_back((now, event.clone()));
            // What happened first was told first.
            let at = at.checked_add(SignedDuration::from_micros(place)).unwrap_or(at);
            self.events.push_back((at, event));
            if self.events.len() > MOST_EVENTS {
                self.events.pop_front();
            }
        }
    }

    /// The event that is to be posted next.
    pub fn next_event(&self) -> Option<&(Timestamp, Event)> {
        self.events.front()
    }

    /// It was posted, or will never be.
    pub fn posted(&mut self) {
        self.events.pop_front();
    }
}

/// Whether version `a` of an object is newer than `b`. Since Kubernetes 1.35 versions of one
/// resource are integers that may be compared; what is no integer is not newer.
fn is_newer(a: Option<&str>, b: &str) -> bool {
    match (a.and_then(|a| a.parse::<u64>().ok()), b.parse::<u64>()) {
        (Some(a), Ok(b)) => a > b,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
