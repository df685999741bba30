//! A resource of the cluster while its stream is worked on: what somebody does to it meanwhile ends the work after
//! the step in flight, and so does an operator that begins to act.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinSet;

use super::standing::Standing;
use crate::executor::{StopHandle, StopSignal, stop_signal};
use crate::operator::cluster::{Cluster, LeaseName};
use crate::operator::object::Key;

/// How often the resource is read: thrice during a step, which takes AWS half a minute.
const EVERY: Duration = Duration::from_secs(10);
/// How often in a row it may not be read: for a minute.
const MOST_UNREAD: u32 = 6;

/// The resource that is heeded.
#[derive(Debug, Clone)]
pub(super) struct Heeded {
    pub cluster: Cluster,
    /// The Lease of the operator that would act on it.
    pub lease: LeaseName,
    pub key: Key,
    /// What it said when the work began.
    pub standing: Standing,
}

/// That it is heeded, for as long as this lives.
#[derive(Debug)]
pub(super) struct Heed {
    stop: StopSignal,
    why: Arc<OnceLock<String>>,
    _task: JoinSet<()>,
}

impl Heed {
    /// Heeds the resource from now on, where there is one; `stop` ends the work in any case.
    pub fn begin(heeded: Option<Heeded>, stop: StopSignal) -> Heed {
        let (why, mut task) = (Arc::new(OnceLock::new()), JoinSet::new());
        let Some(heeded) = heeded else { return Heed { stop, why, _task: task } };
        let (handle, signal) = stop_signal();
        task.spawn(heed(heeded, stop, handle, Arc::clone(&why)));
        Heed { stop: signal, why, _task: task }
    }

    /// The signal that ends the work.
    pub fn stop(&self) -> StopSignal {
        self.stop.clone()
    }

    /// What ended it, where that was the resource.
    pub fn why(&self) -> Option<&str> {
        self.why.get().map(String::as_str)
    }
}

async fn heed(heeded: Heeded, stop: StopSignal, handle: StopHandle, why: Arc<OnceLock<String>>) {
    // A look may take as long as a Lease that was left behind: whoever asks for the end does not wait for it.
    tokio::select! {
        () = stop.given() => {}
        told = heeded.until_it_ends_the_work() => {
            let _first = why.set(told);
        }
    }
    handle.stop();
}

impl Heeded {
    /// Looks at it until something has happened to it that ends the work, and says what.
    async fn until_it_ends_the_work(&self) -> String {
        let mut unread = 0;
        loop {
            tokio::time::sleep(EVERY).await;
            match self.look().await {
                Ok(None) => unread = 0,
                Ok(Some(told)) => return told,
                Err(_) if unread + 1 < MOST_UNREAD => unread += 1,
                Err(error) => return format!("the resource cannot be read any more: {error}"),
            }
        }
    }

    /// What has happened to it that ends the work.
    async fn look(&self) -> anyhow::Result<Option<String>> {
        let now = self.cluster.find(&self.key).await?;
        if let Some(changed) = self.standing.changed(now.as_ref()) {
            return Ok(Some(changed.to_owned()));
        }
        let holder = self.cluster.operator(&self.lease).await?;
        Ok(holder.map(|holder| format!("the operator {holder} has taken the Lease and goes on")))
    }
}
