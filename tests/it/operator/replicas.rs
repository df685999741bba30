//! Two replicas with the product's own elector: one works, the other takes over.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use reshard::operator::elector::{Elector, Timing};
use reshard::operator::leadership::leadership;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::rig::{Rig, Running, even};
use crate::support::cluster::{Cluster, Memory};
use crate::support::kube::call::Verb;

/// A replica: an elector and an operator.
struct Replica {
    operator: Running,
    electing: JoinHandle<()>,
    at_rest: oneshot::Sender<()>,
}

impl Replica {
    fn start(rig: &Rig<'_>, name: &str) -> Replica {
        let (handle, leads) = leadership();
        let client = rig.fused(name);
        let timing = Timing::default();
        let elector = Elector::new(client, "default", "reshard", name.to_owned(), timing, handle).unwrap();
        let (at_rest, rested) = oneshot::channel::<()>();
        let electing = tokio::spawn(elector.run(async move { drop(rested.await) }));
        Replica { operator: rig.operator_with(name, leads, ""), electing, at_rest }
    }

    /// As with SIGKILL.
    fn kill(self) {
        self.operator.kill();
        self.electing.abort();
    }

    /// As with SIGTERM.
    async fn stop(self) {
        self.operator.stop().await;
        drop(self.at_rest);
        self.electing.await.unwrap();
    }
}

/// What a replica has written, leases apart.
fn writes(rig: &Rig<'_>, name: &str) -> usize {
    rig.cluster.wire().count(|sent| {
        sent.client == name
            && sent.call.resource != "leases"
            && matches!(sent.call.verb, Verb::Patch | Verb::Create | Verb::Update)
    })
}

#[tokio::test(start_paused = true)]
async fn of_two_replicas_one_works_and_the_other_takes_over_where_it_dies() {
    let memory = Memory::start(0);
    let rig = Rig::start(&memory).await;
    rig.stream("orders", 2, even(2_400_000)).await;
    rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
    let one = Replica::start(&rig, "one");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let two = Replica::start(&rig, "two");
    rig.until_reshards_are_asked(1).await;
    assert!(writes(&rig, "one") > 0);
    assert_eq!(writes(&rig, "two"), 0);
    one.kill();
    let killed = Instant::now();
    while writes(&rig, "two") == 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(killed.elapsed() < Duration::from_secs(40), "a lease's duration, and a little");
    }
    rig.until_shards("orders", 4).await;
    assert_eq!(rig.shards_ever("orders"), 2 + 2 * rig.reshards_asked() as usize, "each step once");
    assert_eq!(rig.told("orders", "ForeignReshard").await, 0);
    two.stop().await;
}

/// A stream in order, a replica that looks after it, and one that waits for the lease.
async fn one_that_leads_and_one_that_stands_by(cluster: &dyn Cluster) -> (Rig<'_>, Replica, Replica) {
    let rig = Rig::start(cluster).await;
    rig.stream("orders", 2, even(1_200_000)).await;
    rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
    let one = Replica::start(&rig, "one");
    rig.until_seen("orders").await;
    let two = Replica::start(&rig, "two");
    rig.pass_minutes(1).await;
    (rig, one, two)
}

#[tokio::test(start_paused = true)]
async fn whoever_is_asked_to_end_gives_the_lease_back_and_the_other_begins_at_once() {
    let memory = Memory::start(0);
    let (rig, one, two) = one_that_leads_and_one_that_stands_by(&memory).await;
    let asked = Instant::now();
    one.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(10));
    let leases: Api<Lease> = Api::namespaced(rig.client(), "default");
    let holder = async || leases.get("reshard").await.unwrap().spec.and_then(|spec| spec.holder_identity);
    rig.until_so("the other leads", async || holder().await.as_deref() == Some("two")).await;
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}: it need not expire", asked.elapsed());
    rig.load("orders", even(2_400_000));
    let before = writes(&rig, "one");
    while writes(&rig, "two") == 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    rig.until_shards("orders", 4).await;
    assert_eq!(writes(&rig, "one"), before);
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn cut_off_from_the_api_server_the_leader_stops_before_the_other_begins() {
    let memory = Memory::start(0);
    let (rig, one, two) = one_that_leads_and_one_that_stands_by(&memory).await;
    // From now on nothing of the first arrives: it cannot know, but by its own clock.
    use crate::support::wire::{Effect, Fault, When};
    rig.cluster.wire().fault(Fault::new(When::Always, Effect::Silence).of("one"));
    rig.cluster.wire().clear_log();
    rig.load("orders", even(2_400_000));
    while writes(&rig, "two") == 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let last = |name: &str| {
        let log = rig.cluster.wire().log();
        let own = log.iter().filter(|sent| sent.client == name && sent.call.resource != "leases");
        let writes = own.filter(|sent| sent.call.verb == Verb::Patch).map(|sent| sent.at);
        (writes.clone().min(), writes.max())
    };
    if let ((_, Some(one)), (Some(two), _)) = (last("one"), last("two")) {
        assert!(one < two, "the first writes no more once the second does");
    }
    rig.until_shards("orders", 4).await;
    assert_eq!(rig.shards_ever("orders"), 2 + 2 * rig.reshards_asked() as usize);
    one.kill();
    two.stop().await;
}
