//! Who of several replicas leads: client-go's algorithm on a `coordination.k8s.io` Lease. A lease is
//! taken and renewed by PUT with its resourceVersion, so of two who try at once one fails. It has
//! expired when it was not seen to change for as long as it says, by the own monotonic clock: the
//! times in it are for people. Who leads acts until the renew deadline, counted from when the request
//! of the last renewal was *sent*: no latency makes it longer.
//!
//! What follows: a rival waits for the lease's duration from when it saw the last renewal, which was
//! after that was sent; so it begins when the leader has stopped for `lease - renew_deadline` already.
//! A process that is stopped or starved comes back to a deadline that has passed. The monotonic clock
//! stands still while a whole machine is suspended: leadership that was valid then is valid after.

use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep, timeout};

use super::connect::explain;
use super::leadership::LeadershipHandle;

pub use self::holder::{HolderError, holder};

mod holder;

/// How long things take. The defaults are client-go's, but for the limit of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// For how long rivals respect a lease that is not renewed; whole seconds.
    pub lease: Duration,
    /// For how long after sending the last successful renewal this replica acts.
    pub renew_deadline: Duration,
    /// Between tries, up to a fifth more by chance.
    pub retry: Duration,
    /// A call to the API server, its reply included.
    pub call_timeout: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            lease: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
            call_timeout: Duration::from_secs(3),
        }
    }
}

/// What is wrong with a timing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// Rivals would come before this replica has stopped.
    #[error("the lease's duration ({lease:?}) must be longer than the renew deadline ({renew_deadline:?})")]
    LeaseTooShort {
        /// Of the lease.
        lease: Duration,
        /// After which acting stops.
        renew_deadline: Duration,
    },
    /// A single slow call would cost the lead.
    #[error(
        "the renew deadline ({renew_deadline:?}) must leave time for two tries: it must be longer than \
         2 × (retry + call timeout) = {tries:?}"
    )]
    NoSecondTry {
        /// After which acting stops.
        renew_deadline: Duration,
        /// What two tries take.
        tries: Duration,
    },
    /// Leases count in whole seconds.
    #[error("the lease's duration ({0:?}) must be whole seconds, one at least")]
    NotWholeSeconds(Duration),
}

impl Timing {
    /// Whether two can never act at the same time, and one slow call does not cost the lead.
    ///
    /// # Errors
    /// What would not hold.
    pub fn check(&self) -> Result<(), TimingError> {
        let Timing { lease, renew_deadline, retry, call_timeout } = *self;
        if lease.subsec_nanos() != 0 || lease.is_zero() {
            return Err(TimingError::NotWholeSeconds(lease));
        }
        if lease <= renew_deadline {
            return Err(TimingError::LeaseTooShort { lease, renew_deadline });
        }
        let tries = 2 * (retry + call_timeout);
        if renew_deadline < tries {
            return Err(TimingError::NoSecondTry { renew_deadline, tries });
        }
        Ok(())
    }
}

/// A name for this process that no other has, nor it itself after a restart.
pub fn identity(pod: &str) -> String {
    format!("{pod}-{:08x}", RandomState::new().build_hasher().finish() >> 32)
}

/// One replica's part in the election.
pub struct Elector {
    leases: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
    handle: LeadershipHandle,
    /// What the lease's times are written from. Nothing depends on it.
    clock: fn() -> Timestamp,
    /// The lease as this replica wrote it last, until that may no longer be how it stands.
    written: Option<Lease>,
    seen: Option<Seen>,
    leads_until: Option<Instant>,
    tries: u64,
    /// Why it could not be taken, as it was told last.
    failure: String,
}

/// A state of the lease, and when it was first seen.
#[derive(Debug)]
struct Seen {
    version: Option<String>,
    at: Instant,
}

impl std::fmt::Debug for Elector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Elector { name, identity, timing, leads_until, .. } = self;
        f.debug_struct("Elector")
            .field("name", name)
            .field("identity", identity)
            .field("timing", timing)
            .field("leads_until", leads_until)
            .finish_non_exhaustive()
    }
}

impl Elector {
    /// A part in the election on the lease `name`, which says by `handle` until when it leads.
    ///
    /// # Errors
    /// A timing with which two could act, or nobody could for long.
    pub fn new(
        client: Client,
        namespace: &str,
        name: &str,
        identity: String,
        timing: Timing,
        handle: LeadershipHandle,
    ) -> Result<Elector, TimingError> {
        timing.check()?;
        Ok(Elector {
            leases: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity,
            timing,
            handle,
            clock: Timestamp::now,
            written: None,
            seen: None,
            leads_until: None,
            tries: 0,
            failure: String::new(),
        })
    }

    /// Writes the lease's times from another clock.
    pub fn with_clock(self, clock: fn() -> Timestamp) -> Elector {
        Elector { clock, ..self }
    }

    /// Takes part until `shutdown`, and then gives the lease back, so that the next one need not wait.
    /// Whatever acts in the name of this lead must have come to rest before `shutdown` does.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        loop {
            // Not cut short: a request that was sent may have an effect, which is better known.
            self.take_part().await;
            let wait = self.wait();
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = sleep(wait) => {}
            }
        }
        let led = self.leads();
        self.leads_until = None;
        self.handle.lost();
        if led && let Err(error) = self.release().await {
            tracing::warn!(lease = self.name, %error, "the lease is not given back: it must expire");
        }
    }

    async fn take_part(&mut self) {
        self.tries += 1;
        let outcome = self.try_once().await;
        if self.leads_until.is_some() && !self.leads() {
            self.lose("it could not renew in time");
        }
        let Err(error) = outcome else { return self.failure.clear() };
        if self.leads() {
            tracing::warn!(lease = self.name, %error, "the lease is not renewed");
        } else if error.is_lost_race() || error.to_string() == self.failure {
            tracing::debug!(lease = self.name, %error, "the lease is not taken");
        } else {
            // Without it nothing is ever done: missing rights, a missing namespace.
            tracing::warn!(lease = self.name, %error, "the lease cannot be taken: tried again and again");
            self.failure = error.to_string();
        }
    }

    async fn try_once(&mut self) -> Result<(), CallError> {
        let lease = match self.written.take() {
            Some(written) => written,
            None => match self.call(self.leases.get_opt(&self.name)).await? {
                Some(lease) => lease,
                None => {
                    let start = Instant::now();
                    let lease = self.claim(&Lease::default());
                    let made = self.call(self.leases.create(&PostParams::default(), &lease)).await?;
                    self.win(start, made);
                    return Ok(());
                }
            },
        };
        self.see(&lease);
        if !self.may_take(&lease) {
            if self.leads() {
                self.lose("somebody else holds the lease");
            }
            return Ok(());
        }
        let start = Instant::now();
        let claim = self.claim(&lease);
        let written = self.call(self.leases.replace(&self.name, &PostParams::default(), &claim)).await?;
        self.win(start, written);
        Ok(())
    }

    /// Gives the lease back: nobody holds it.
    async fn release(&mut self) -> Result<(), CallError> {
        let lease = match self.written.take() {
            Some(written) => written,
            None => self.call(self.leases.get(&self.name)).await?,
        };
        if holder_of(&lease) != Some(&*self.identity) {
            return Ok(());
        }
        let mut lease = lease;
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(self.later_than(spec.renew_time.as_ref()));
        self.call(self.leases.replace(&self.name, &PostParams::default(), &lease)).await?;
        tracing::info!(lease = self.name, "gave the lease back");
        Ok(())
    }

    /// Whether the lease is this replica's, or nobody's, or was not renewed for as long as it says.
    fn may_take(&self, lease: &Lease) -> bool {
        let Some(holder) = holder_of(lease) else { return true };
        let own = || lease_duration(lease).unwrap_or(self.timing.lease);
        holder == self.identity || self.seen.as_ref().is_some_and(|seen| seen.at.elapsed() >= own())
    }

    /// The lease as it is to be: with its resourceVersion, in this replica's name.
    fn claim(&self, lease: &Lease) -> Lease {
        let old = lease.spec.clone().unwrap_or_default();
        let renewed = self.later_than(old.renew_time.as_ref());
        let stays = old.holder_identity.as_deref() == Some(&*self.identity);
        let first = lease.metadata.resource_version.is_none();
        let transitions = old.lease_transitions.unwrap_or(0) + i32::from(!stays && !first);
        Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..lease.metadata.clone() },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: Some(self.timing.lease.as_secs().try_into().unwrap_or(i32::MAX)),
                acquire_time: if stays { old.acquire_time } else { Some(renewed.clone()) },
                renew_time: Some(renewed),
                lease_transitions: Some(transitions),
                ..old
            }),
        }
    }

    /// Now, but later than what stands there: a renewal that changes nothing is none to rivals, for
    /// the API server does not write it.
    fn later_than(&self, old: Option<&MicroTime>) -> MicroTime {
        let now = (self.clock)();
        let next = old.and_then(|old| old.0.checked_add(SignedDuration::from_micros(1)).ok());
        MicroTime(next.map_or(now, |next| next.max(now)))
    }

    fn see(&mut self, lease: &Lease) {
        let version = lease.resource_version();
        if self.seen.as_ref().is_none_or(|seen| seen.version != version) {
            self.seen = Some(Seen { version, at: Instant::now() });
        }
    }

    fn win(&mut self, start: Instant, written: Lease) {
        self.see(&written);
        let until = start + self.timing.renew_deadline;
        if !self.leads() {
            let transitions = written.spec.as_ref().and_then(|spec| spec.lease_transitions);
            tracing::info!(lease = self.name, identity = self.identity, epoch = transitions, "leads");
        }
        self.leads_until = Some(until);
        self.handle.holds_until(until);
        self.written = Some(written);
    }

    fn lose(&mut self, why: &str) {
        if self.leads_until.take().is_some() {
            tracing::warn!(lease = self.name, identity = self.identity, "does not lead any more: {why}");
        }
        self.handle.lost();
    }

    fn leads(&self) -> bool {
        self.leads_until.is_some_and(|until| until > Instant::now())
    }

    /// Until the next try: `retry` and up to a fifth more, by who asks and how often it has.
    fn wait(&self) -> Duration {
        let digest = Sha256::digest(format!("{}/{}", self.identity, self.tries));
        let share = digest.iter().take(2).fold(0, |share, byte| share << 8 | u32::from(*byte));
        self.timing.retry.mul_f64(1.0 + f64::from(share) / f64::from(u16::MAX) / 5.0)
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, CallError> {
        match timeout(self.timing.call_timeout, call).await {
            Ok(outcome) => outcome.map_err(CallError::from),
            Err(_) => Err(CallError::TimedOut(self.timing.call_timeout)),
        }
    }
}

/// Why a call to the API server failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It took too long; whether it had an effect is unknown.
    #[error("the API server did not answer within {0:?}")]
    TimedOut(Duration),
    /// It was refused, or there is no way to the server.
    #[error("{}", explain(.0))]
    Failed(Box<kube::Error>),
}

impl CallError {
    /// Whether somebody else was faster, as happens among replicas.
    fn is_lost_race(&self) -> bool {
        matches!(self, CallError::Failed(error) if matches!(&**error, kube::Error::Api(status) if status.code == 409))
    }
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        CallError::Failed(Box::new(error))
    }
}

/// Who holds the lease by its own words; none where it was given back.
fn holder_of(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

fn lease_duration(lease: &Lease) -> Option<Duration> {
    let seconds = lease.spec.as_ref()?.lease_duration_seconds?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_timing_is_sound_and_others_may_not_be() {
        assert_eq!(Timing::default().check(), Ok(()));
        let with = |change: fn(&mut Timing)| {
            let mut timing = Timing::default();
            change(&mut timing);
            timing.check().expect_err("a timing that is not sound")
        };
        assert!(matches!(
            with(|timing| timing.renew_deadline = timing.lease),
            TimingError::LeaseTooShort { .. }
        ));
        assert!(matches!(with(|timing| timing.call_timeout *= 2), TimingError::NoSecondTry { .. }));
        let half = with(|timing| timing.lease = Duration::from_millis(15_500));
        assert!(matches!(half, TimingError::NotWholeSeconds(_)));
    }

    #[test]
    fn no_two_processes_have_the_same_identity() {
        let one = identity("reshard-0");
        assert!(one.starts_with("reshard-0-") && one.len() == "reshard-0-".len() + 8, "{one}");
        assert_ne!(one, identity("reshard-0"));
    }
}
