//! The cluster in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Account, Cluster, Unable, kubeconfig};
use crate::support::http;
use crate::support::kube::ApiServer;
use crate::support::wire::{Upstream, Wire};

/// What its clock shows at first: 2026-03-02T09:00:00Z.
const START: i64 = 1_772_442_000;

/// A cluster of an API server and nothing else.
#[derive(Debug)]
pub struct Memory {
    pub server: ApiServer,
    wire: Wire,
    names: AtomicUsize,
}

impl Memory {
    /// A cluster whose faults are drawn from the seed.
    pub fn start(seed: u64) -> Memory {
        let now = Timestamp::from_second(START).unwrap();
        Memory { server: ApiServer::start(now), wire: Wire::new(seed), names: AtomicUsize::new(0) }
    }
}

impl Cluster for Memory {
    fn wire(&self) -> &Wire {
        &self.wire
    }

    fn upstream(&self) -> Upstream {
        Upstream::Memory(self.server.clone())
    }

    fn fresh_name(&self) -> String {
        format!("test-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    fn admit<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Value> {
        let user = account.user();
        for (namespace, rules) in account.grants() {
            self.server.grant(&user, namespace.as_deref(), rules);
        }
        let cluster = json!({"server": http::serve(self.server.clone(), &user)});
        async move { kubeconfig(&cluster, &json!({}), &account.namespace) }.boxed()
    }

    fn stop(&self) -> BoxFuture<'_, Result<(), Unable>> {
        self.server.stop();
        async { Ok(()) }.boxed()
    }

    fn start_again(&self) -> BoxFuture<'_, Result<(), Unable>> {
        self.server.start_again();
        async { Ok(()) }.boxed()
    }

    fn drop_watches(&self) -> Result<(), Unable> {
        self.server.drop_watches();
        Ok(())
    }

    fn compact(&self) -> Result<(), Unable> {
        self.server.compact();
        Ok(())
    }
}
