//! Replicas that take part in an election, and who looks on: at every moment at which one gains the
//! lead no other may believe that it has it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use reshard::executor::{StopHandle, StopSignal, stop_signal};
use reshard::operator::elector::{Elector, Timing};
use reshard::operator::leadership::{Leadership, leadership};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};

use crate::support::cluster::Cluster;

/// The name of the lease.
pub const LEASE: &str = "reshard";

/// What a replica does besides taking part in the election, until it is told to stop.
pub type Work = Arc<dyn Fn(Part) -> BoxFuture<'static, ()> + Send + Sync>;

/// What the work of a replica begins with.
pub struct Part {
    /// The name by which the wire knows it.
    pub client: String,
    pub identity: String,
    pub leads: Leadership,
    pub stop: StopSignal,
}

/// A process that takes part.
#[derive(Debug)]
struct Replica {
    leads: Leadership,
    frozen: Frozen,
    shut_down: Option<oneshot::Sender<()>>,
    elector: JoinHandle<()>,
    watcher: JoinHandle<()>,
    stop: StopHandle,
    work: JoinHandle<()>,
}

impl Replica {
    /// Ends at once.
    fn abort(&self) {
        self.elector.abort();
        self.watcher.abort();
        self.work.abort();
    }
}

/// Until when a process is stopped, if it is.
type Frozen = Arc<Mutex<Instant>>;

/// Who leads by their own belief, by identity.
type Believers = Arc<Mutex<BTreeMap<String, Leadership>>>;

/// All replicas of a cluster.
pub struct Replicas<'a> {
    cluster: &'a dyn Cluster,
    namespace: String,
    timing: Timing,
    work: Work,
    running: BTreeMap<String, Replica>,
    believers: Believers,
    violations: Arc<Mutex<Vec<String>>>,
    /// How often the lead was gained.
    leads: Arc<Mutex<usize>>,
    started: usize,
}

impl<'a> Replicas<'a> {
    pub fn new(cluster: &'a dyn Cluster, namespace: &str, timing: Timing) -> Replicas<'a> {
        Replicas {
            cluster,
            namespace: namespace.to_owned(),
            timing,
            work: Arc::new(|_| async {}.boxed()),
            running: BTreeMap::new(),
            believers: Arc::default(),
            violations: Arc::default(),
            leads: Arc::default(),
            started: 0,
        }
    }

    /// The same, each of which does this too.
    pub fn working(mut self, work: Work) -> Replicas<'a> {
        self.work = work;
        self
    }

    /// Starts a replica whose client has that name; its identity is another at each start.
    pub fn start(&mut self, client: &str) {
        self.start_with_clock(client, Timestamp::now);
    }

    pub fn start_with_clock(&mut self, client: &str, clock: fn() -> Timestamp) {
        self.started += 1;
        let identity = format!("{client}-{}", self.started);
        let (handle, leads) = leadership();
        let (name, namespace) = (identity.clone(), &self.namespace);
        let elector = Elector::new(self.cluster.client(client), namespace, LEASE, name, self.timing, handle);
        let elector = elector.expect("a sound timing").with_clock(clock);
        let (shut_down, told) = oneshot::channel();
        let frozen: Frozen = Arc::new(Mutex::new(Instant::now()));
        let run = elector.run(async { drop(told.await) });
        let process = Process { run: Box::pin(run), frozen: frozen.clone(), thaw: None };
        let elector = tokio::spawn(process);
        let watcher = tokio::spawn(self.watch(identity.clone(), leads.clone()));
        self.believers.lock().unwrap().insert(identity.clone(), leads.clone());
        let (stop, told) = stop_signal();
        let part =
            Part { client: client.to_owned(), identity: identity.clone(), leads: leads.clone(), stop: told };
        let work = tokio::spawn((self.work)(part));
        let replica = Replica { leads, frozen, shut_down: Some(shut_down), elector, watcher, stop, work };
        self.running.insert(identity, replica);
    }

    /// Looks who else leads whenever this one begins to.
    fn watch(&self, identity: String, leads: Leadership) -> impl Future<Output = ()> + Send + 'static {
        let (believers, violations) = (self.believers.clone(), self.violations.clone());
        let count = self.leads.clone();
        async move {
            let start = Instant::now();
            loop {
                leads.gained().await;
                *count.lock().unwrap() += 1;
                let leading: Vec<String> = believers
                    .lock()
                    .unwrap()
                    .iter()
                    .filter(|(_, leads)| !leads.remaining().is_zero())
                    .map(|(identity, leads)| format!("{identity} for {:?}", leads.remaining()))
                    .collect();
                if leading.len() > 1 {
                    let at = start.elapsed();
                    violations
                        .lock()
                        .unwrap()
                        .push(format!("{at:?} after {identity} began: {leading:?} lead"));
                }
                leads.ended().await;
            }
        }
    }

    /// Who leads.
    pub fn leader(&self) -> Option<String> {
        let leading = |(_, replica): &(&String, &Replica)| !replica.leads.remaining().is_zero();
        self.running.iter().find(leading).map(|(identity, _)| identity.clone())
    }

    pub fn identities(&self) -> Vec<String> {
        self.running.keys().cloned().collect()
    }

    /// Stops the process for a while, as SIGSTOP does; what it sent goes on.
    pub fn freeze(&self, identity: &str, time: Duration) {
        *self.running[identity].frozen.lock().unwrap() = Instant::now() + time;
    }

    /// Ends the process at once, and with it what it believes.
    pub fn kill(&mut self, identity: &str) {
        let replica = self.running.remove(identity).expect("it runs");
        replica.abort();
        self.believers.lock().unwrap().remove(identity);
    }

    /// Lets it go in good order.
    pub async fn shut_down(&mut self, identity: &str) {
        let mut replica = self.running.remove(identity).expect("it runs");
        // First all rests that acts in the name of the lead.
        replica.stop.stop();
        (&mut replica.work).await.expect("it ends");
        drop(replica.shut_down.take());
        replica.elector.await.expect("it ends");
        replica.watcher.abort();
        assert!(replica.leads.remaining().is_zero());
        self.believers.lock().unwrap().remove(identity);
    }

    pub async fn end(&mut self) {
        for identity in self.identities() {
            self.kill(&identity);
        }
        // What was sent is lost with the lease: the next ones begin anew.
        let leases: kube::Api<k8s_openapi::api::coordination::v1::Lease> =
            kube::Api::namespaced(self.cluster.client("test"), &self.namespace);
        leases.delete(LEASE, &Default::default()).await.unwrap();
    }

    pub fn violations(&self) -> Vec<String> {
        self.violations.lock().unwrap().clone()
    }

    pub fn leads(&self) -> usize {
        *self.leads.lock().unwrap()
    }
}

impl Drop for Replicas<'_> {
    fn drop(&mut self) {
        for replica in self.running.values() {
            replica.abort();
        }
    }
}

/// A process that can be stopped: nothing of it runs then, but the clock does.
struct Process {
    run: Pin<Box<dyn Future<Output = ()> + Send>>,
    frozen: Frozen,
    thaw: Option<Pin<Box<Sleep>>>,
}

impl Future for Process {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let until = *self.frozen.lock().unwrap();
        if until > Instant::now() {
            let mut thaw = Box::pin(tokio::time::sleep_until(until));
            if thaw.as_mut().poll(context).is_pending() {
                self.thaw = Some(thaw);
                return Poll::Pending;
            }
        }
        self.run.as_mut().poll(context)
    }
}
