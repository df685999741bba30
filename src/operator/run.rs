//! The operator's loop: it watches, decides who is due, and lets each resource's work run, never
//! two of one resource at a time, and only while this replica leads. A replica that does not lead
//! keeps its watches warm and does nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::stream::pending;
use futures::{FutureExt, Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::agenda::Agenda;
use super::api::Kube;
use super::audience::Audience;
use super::connect::explain;
use super::leadership::Leadership;
use super::object::{Autoscaler, Key};
use super::planes::Planes;
use super::reconcile::{Rest, Shared};
use super::registry::{Change, Registry};
use super::selector::LabelSelector;
use super::server::{Heartbeat, Readiness};
use super::session::Session;
use crate::cost::Prices;
use crate::executor::{StopHandle, StopSignal, stop_signal};
use crate::policy::defaults;
use crate::rounds::{MARGIN, Sighting};
use crate::turns::Turns;

/// How many resources observe and decide at once: what keeps two cores busy while replies are on
/// their way, and the memory of that many histories.
const PLACES: usize = 16;
/// The loop comes round at least this often: whoever watches it sees that it moves.
const PULSE: Duration = Duration::from_secs(5);
/// How long what is in flight may take once the end is asked for.
const GRACE: Duration = Duration::from_secs(7);
/// Until a resource whose work has panicked is tried again.
const AFTER_PANIC: Duration = Duration::from_secs(60);

/// What an operator is told.
pub struct Options {
    /// Which resources it acts on.
    pub selector: LabelSelector,
    /// Whether every namespace may touch everything.
    pub one_tenant: bool,
    /// The first part of every external ID.
    pub cluster_id: String,
    /// Which replica this is.
    pub instance: String,
    /// How long a write to AWS may take.
    pub write_timeout: Duration,
    /// What a shard costs.
    pub prices: Prices,
    /// How many times faster than ours the clock of AWS runs: 1, but for a sandbox.
    pub clock_speed: u32,
    /// The time of day, for transition times and events.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Who is told of every pass.
    pub audience: Arc<dyn Audience>,
    /// Beats whenever the loop comes round.
    pub heartbeat: Heartbeat,
    /// Set once everything has been listed.
    pub readiness: Readiness,
}

/// The operator.
pub struct Operator<P> {
    client: Client,
    shared: Arc<Shared<P>>,
    leadership: Leadership,
    changes: mpsc::UnboundedReceiver<Change>,
    one_tenant: bool,
    clock_speed: u32,
    heartbeat: Heartbeat,
    readiness: Readiness,
}

impl<P: Planes> Operator<P> {
    /// An operator that does nothing yet.
    pub fn new(client: Client, planes: P, leadership: Leadership, options: Options) -> Operator<P> {
        let Options {
            selector,
            one_tenant,
            cluster_id,
            instance,
            write_timeout,
            prices,
            clock_speed,
            clock,
            audience,
            heartbeat,
            readiness,
        } = options;
        let (sender, changes) = mpsc::unbounded_channel();
        let shared = Shared {
            planes,
            kube: Kube::new(client.clone(), leadership.clone(), instance),
            registry: RwLock::new(Registry::new(selector, one_tenant)),
            leadership: leadership.clone(),
            turns: Turns::default(),
            places: Semaphore::new(PLACES),
            audience,
            changes: sender,
            cluster_id,
            write_timeout,
            prices,
            clock,
        };
        Operator {
            client,
            shared: Arc::new(shared),
            leadership,
            changes,
            one_tenant,
            clock_speed: clock_speed.max(1),
            heartbeat,
            readiness,
        }
    }

    /// Works until `stop` is given: then what is in flight is ended, which takes a few seconds.
    pub async fn run(mut self, stop: StopSignal) {
        let (client, one_tenant) = (self.client.clone(), self.one_tenant);
        let mut resources = pin!(watch_of::<Autoscaler>(Api::all(client.clone())));
        let mut namespaces = pin!(match one_tenant {
            true => pending().left_stream(),
            false => watch_of::<Namespace>(Api::all(client)).right_stream(),
        });
        let mut floor = None;
        loop {
            let leads = !self.leadership.remaining().is_zero();
            if leads && floor.is_none() && self.registry(Registry::is_synced) {
                tracing::info!("this replica leads: the work begins");
                self.shared.audience.leads(true);
                floor = Some(self.open());
            }
            if let Some(floor) = &mut floor {
                self.begin_what_is_due(floor);
            }
            self.heartbeat.beat();
            self.readiness.set(self.registry(Registry::is_synced));
            let due = floor.as_ref().and_then(|floor| floor.agenda.soonest());
            let wake = due.unwrap_or_else(|| Instant::now() + PULSE).min(Instant::now() + PULSE);
            tokio::select! {
                biased;
                () = stop.given() => break,
                () = self.leadership.ended(), if floor.is_some() => {
                    tracing::warn!("this replica does not lead any more: all work ends");
                    floor = None;
                    self.shared.audience.leads(false);
                }
                () = self.leadership.gained(), if !leads => {}
                Some(event) = resources.next() => {
                    let changes = self.take_in("resources", event, Registry::resource);
                    self.heed(changes, floor.as_mut());
                }
                Some(event) = namespaces.next() => {
                    let changes = self.take_in("namespaces", event, Registry::namespace);
                    self.heed(changes, floor.as_mut());
                }
                Some(change) = self.changes.recv() => self.heed(vec![change], floor.as_mut()),
                ended = ended(&mut floor) => {
                    if let Some(floor) = &mut floor {
                        self.put_back(ended, floor);
                    }
                }
                () = sleep_until(wake) => {}
            }
        }
        if let Some(floor) = floor {
            floor.close().await;
        }
    }

    fn registry<T>(&self, read: impl FnOnce(&Registry) -> T) -> T {
        read(&self.shared.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_in<K>(
        &self,
        what: &str,
        event: watcher::Result<watcher::Event<K>>,
        take: impl FnOnce(&mut Registry, watcher::Event<K>) -> Vec<Change>,
    ) -> Vec<Change> {
        match event {
            Ok(event) => {
                take(&mut self.shared.registry.write().unwrap_or_else(PoisonError::into_inner), event)
            }
            Err(error) => {
                let error = told(&error);
                tracing::warn!(error, "the watch of {what} is broken, and is begun again");
                Vec::new()
            }
        }
    }

    /// Everything is due: this replica has just come to lead.
    fn open(&self) -> Floor {
        let now = Instant::now();
        let mut floor = Floor::default();
        self.registry(|registry| {
            let count = registry.own().count();
            for (key, object) in registry.own() {
                let uid = object.metadata.uid.as_deref().unwrap_or_default();
                floor.agenda.first(key, uid, count, self.scaled(defaults::INTERVAL), now);
            }
        });
        floor
    }

    /// Takes in changes while this replica works; else the registry has them, and that is enough.
    fn heed(&self, changes: Vec<Change>, floor: Option<&mut Floor>) {
        let Some(floor) = floor else { return };
        let now = Instant::now();
        for change in changes {
            match change {
                Change::Edited(key) => {
                    // What is under way was decided for what it was before.
                    floor.stop(&key);
                    floor.due_now(&key, now);
                }
                Change::Nudged(key) => floor.due_now(&key, now),
                Change::Gone(key) => {
                    floor.stop(&key);
                    floor.agenda.forget(&key);
                    floor.sessions.remove(&key);
                    self.shared.audience.gone(&key);
                }
            }
        }
    }

    fn begin_what_is_due(&self, floor: &mut Floor) {
        let now = Instant::now();
        while let Some(key) = floor.agenda.take(now) {
            if floor.running.contains_key(&key) {
                // It comes back when it ends.
                floor.again.insert(key);
                continue;
            }
            let uid = self
                .registry(|registry| registry.view(&key).and_then(|view| view.object.metadata.uid.clone()));
            let Some(uid) = uid else { continue };
            let kept = floor.sessions.remove(&key).filter(|session| session.uid == uid);
            let mut session = kept.unwrap_or_else(|| Box::new(Session::new(&uid)));
            let (handle, signal) = stop_signal();
            floor.running.insert(key.clone(), handle);
            let shared = Arc::clone(&self.shared);
            floor.tasks.spawn(async move {
                let work = AssertUnwindSafe(shared.work(&key, &mut session, &signal)).catch_unwind();
                let rest = match work.await {
                    Ok(rest) => rest,
                    Err(_) => {
                        tracing::error!(resource = %key, "a pass has panicked: a mistake of ours");
                        *session = Session::new(&uid);
                        Rest::After(AFTER_PANIC)
                    }
                };
                Ended { key, session, rest }
            });
        }
    }

    /// A resource's work has ended for now.
    fn put_back(&self, Ended { key, session, rest }: Ended, floor: &mut Floor) {
        let now = Instant::now();
        floor.running.remove(&key);
        let again = floor.again.remove(&key);
        if self.registry(|registry| registry.view(&key).is_none()) {
            // It went while it was at work, and has told of that last work.
            self.shared.audience.gone(&key);
            return;
        }
        match rest {
            _ if again => floor.agenda.now(&key, now),
            Rest::Interval(interval) => {
                let round = self.round(interval, session.observer.clock(), now);
                floor.agenda.next(&key, &session.uid, self.scaled(interval), round, now);
            }
            Rest::After(rest) => floor.agenda.after(&key, self.scaled(rest), now),
        }
        floor.sessions.insert(key, session);
    }

    /// When the looks of a round of this interval begin, by the clock of AWS as it was seen; without, now.
    fn round(&self, interval: Duration, clock: Option<Sighting>, now: Instant) -> Instant {
        let until = |clock: Sighting| clock.until_next(interval, MARGIN, self.clock_speed);
        now + clock.map_or(Duration::ZERO, |clock| self.scaled(until(clock)))
    }

    /// A time by the clock of AWS as one by ours.
    fn scaled(&self, time: Duration) -> Duration {
        time / self.clock_speed
    }
}

/// What there is while this replica leads. Dropped, all work ends where it waits.
#[derive(Default)]
struct Floor {
    agenda: Agenda,
    sessions: BTreeMap<Key, Box<Session>>,
    running: BTreeMap<Key, StopHandle>,
    /// Those that became due while they ran.
    again: BTreeSet<Key>,
    tasks: JoinSet<Ended>,
}

/// A resource's work that has ended for now.
struct Ended {
    key: Key,
    session: Box<Session>,
    rest: Rest,
}

impl Floor {
    fn due_now(&mut self, key: &Key, now: Instant) {
        if self.running.contains_key(key) {
            self.again.insert(key.clone());
        } else {
            self.agenda.now(key, now);
        }
    }

    /// Ends the work for `key` after the step in flight.
    fn stop(&self, key: &Key) {
        if let Some(handle) = self.running.get(key) {
            handle.stop();
        }
    }

    /// Ends all work: what is in flight may end what it has to write down.
    async fn close(mut self) {
        for handle in self.running.values() {
            handle.stop();
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(GRACE, all).await.is_err() {
            tracing::info!("a step is still under way: whoever leads next sees what became of it");
        }
    }
}

/// The next work that ends; forever where none runs.
async fn ended(floor: &mut Option<Floor>) -> Ended {
    if let Some(floor) = floor {
        // Work that was aborted has nothing to give back.
        while let Some(ended) = floor.tasks.join_next().await {
            if let Ok(ended) = ended {
                return ended;
            }
        }
    }
    std::future::pending().await
}

/// What a broken watch says to people.
fn told(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => explain(error),
        watcher::Error::WatchError(status) => status.message.clone(),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

/// A watch that is begun again, after a while that grows to half a minute, whenever it breaks.
fn watch_of<K>(api: Api<K>) -> impl Stream<Item = watcher::Result<watcher::Event<K>>>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let events = watcher(api, watcher::Config::default()).default_backoff();
    // Who owns which field is the API server's business, and most of what an object takes in memory.
    events.modify(|object| object.meta_mut().managed_fields = None)
}
