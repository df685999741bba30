//! Leader election under everything that a network, a scheduler and an API server do to it: replicas
//! that start together, requests and replies that are late, lost or refused, processes that are
//! stopped, killed and started, a server that goes away. Never do two believe that they lead at the
//! same moment; and when it is over, one does. `RESHARD_SEED=7` tells one story, `RESHARD_SEEDS=5000`
//! tells more.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, Patch, PatchParams, PostParams};
use reshard::operator::elector::{Elector, Timing, holder};
use reshard::operator::leadership::leadership;
use serde_json::json;
use tokio::time::Instant;

use self::replica::{LEASE, Replicas};
use self::story::{Counts, Story};
use crate::support::cluster::{Cluster, Memory, on_a_real_server};
use crate::support::kube::call::Verb;
use crate::support::seeds::Seeds;
use crate::support::wire::{Effect, Fault, When};

pub mod replica;
pub mod story;

/// Stories of a run without any setting.
const SEEDS: u64 = 100;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn in_no_story_two_lead_and_in_the_end_one_does() {
    let Seeds { all, alone } = Seeds::told(SEEDS);
    let seeds = all.end - all.start;
    let (mut counts, mut failed) = (Counts::default(), Vec::new());
    for seed in all {
        let told = tell(seed);
        if alone {
            println!("{}", told.log.join("\n"));
        }
        if let Some(worst) = told.violations.first() {
            println!(
                "{worst} ({} in all)\n  RESHARD_SEED={seed} cargo test --test it election::in_no_story -- --nocapture",
                told.violations.len()
            );
            failed.push(seed);
        }
        counts.add(&told.counts);
    }
    println!("{seeds} stories: {counts:?}");
    assert!(failed.is_empty(), "in the stories of seeds {failed:?} two led, or nobody did");
    let Counts { leads, freezes, kills, shutdowns, stops, requests, refused } = counts;
    let all = [leads, freezes, kills, shutdowns, stops, requests, refused];
    assert!(alone || all.iter().all(|count| *count > 0), "the stories show nothing: {counts:?}");
}

fn tell(seed: u64) -> story::Told {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let cluster = Memory::start(seed);
        Story::of(seed).tell(&cluster, "default").await
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_real_server_no_two_lead_either() {
    on_a_real_server(async |cluster| {
        let told = Story::short(1).tell(cluster, &cluster.namespace().await).await;
        println!("{}\n{:?}", told.log.join("\n"), told.counts);
        assert_eq!(told.violations, [""; 0]);
        assert!(told.counts.leads > 0);
    })
    .await;
}

/// The race that broke other electors: late writes of one of two who start together.
async fn late_writes_of_one(cluster: &dyn Cluster, namespace: &str, unit: Duration, timing: Timing) {
    let late = Effect::Delay(unit..=unit * 3, Duration::ZERO..=unit);
    cluster.wire().fault(Fault::new(When::Always, late).of("a").on(&[
        Verb::Update,
        Verb::Create,
        Verb::Patch,
    ]));
    for _ in 0..3 {
        let mut replicas = Replicas::new(cluster, namespace, timing);
        replicas.start("a");
        replicas.start("b");
        tokio::time::sleep(timing.lease).await;
        let leader = replicas.leader().expect("one leads");
        replicas.kill(&leader);
        tokio::time::sleep(timing.lease * 3).await;
        replicas.end().await;
        assert_eq!(replicas.violations(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn late_writes_of_one_never_make_two() {
    late_writes_of_one(&Memory::start(0), "default", SECOND, Timing::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_writes_of_one_never_make_two_on_a_real_server() {
    on_a_real_server(async |cluster| {
        let (namespace, unit) = (cluster.namespace().await, Duration::from_millis(250));
        late_writes_of_one(cluster, &namespace, unit, story::short_timing()).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_given_back_is_taken_at_once() {
    let memory = Memory::start(0);
    let cluster: &dyn Cluster = &memory;
    let mut replicas = Replicas::new(cluster, "default", Timing::default());
    replicas.start("a");
    tokio::time::sleep(SECOND).await;
    replicas.start("b");
    tokio::time::sleep(20 * SECOND).await;
    let identity = replicas.leader().expect("a leads");
    let before = lease(cluster).await;
    assert_eq!(before.spec.as_ref().unwrap().lease_transitions, Some(0));
    let start = Instant::now();
    replicas.shut_down(&identity).await;
    let given_back = lease(cluster).await;
    assert_eq!(given_back.spec.unwrap().holder_identity.as_deref(), Some(""));
    while replicas.leader().is_none() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(start.elapsed() < 3 * SECOND, "{:?}", start.elapsed());
    assert_eq!(lease(cluster).await.spec.unwrap().lease_transitions, Some(1));
    replicas.end().await;
    assert_eq!(replicas.violations(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_wall_clock_stands_still_renews_all_the_same() {
    let memory = Memory::start(0);
    let cluster: &dyn Cluster = &memory;
    let mut replicas = Replicas::new(cluster, "default", Timing::default());
    replicas.start_with_clock("a", || Timestamp::UNIX_EPOCH);
    tokio::time::sleep(SECOND).await;
    replicas.start("b");
    tokio::time::sleep(60 * SECOND).await;
    assert!(replicas.leader().is_some_and(|leader| leader.starts_with("a")));
    replicas.end().await;
    assert_eq!(replicas.violations(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn acting_ends_at_the_renew_deadline_however_late_the_last_reply_was() {
    let memory = Memory::start(0);
    let cluster: &dyn Cluster = &memory;
    let (handle, leads) = leadership();
    let timing = Timing::default();
    let elector =
        Elector::new(cluster.client("a"), "default", LEASE, "a-1".to_owned(), timing, handle).unwrap();
    let late = Effect::Delay(Duration::ZERO..=Duration::ZERO, 2 * SECOND..=2 * SECOND);
    cluster.wire().fault(Fault::new(When::Always, late));
    let task = tokio::spawn(elector.run(std::future::pending()));
    leads.gained().await;
    // Of the ten seconds two are gone: they are counted from when the request was sent.
    assert_eq!(leads.remaining(), timing.renew_deadline - 2 * SECOND);
    for _ in 0..3 {
        let mut before = leads.remaining();
        tokio::time::sleep(Duration::from_millis(1)).await;
        while leads.remaining() < before {
            before = leads.remaining();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let fresh = timing.renew_deadline - 2 * SECOND;
        assert!(leads.remaining() <= fresh && leads.remaining() >= fresh - Duration::from_millis(2));
    }
    cluster.stop().await.unwrap();
    let (start, left) = (Instant::now(), leads.remaining());
    leads.ended().await;
    assert_eq!(start.elapsed(), left);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_given_back_though_a_renewal_is_on_its_way() {
    let memory = Memory::start(0);
    let cluster: &dyn Cluster = &memory;
    let mut replicas = Replicas::new(cluster, "default", Timing::default());
    replicas.start("a");
    tokio::time::sleep(SECOND).await;
    let identity = replicas.leader().expect("a leads");
    let late = Effect::Delay(SECOND..=SECOND, Duration::ZERO..=Duration::ZERO);
    cluster.wire().fault(Fault::new(When::Always, late).on(&[Verb::Update]));
    let sent = || cluster.wire().count(|sent| sent.call.verb == Verb::Update);
    while sent() == 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    replicas.shut_down(&identity).await;
    assert_eq!(lease(cluster).await.spec.unwrap().holder_identity.as_deref(), Some(""));
}

#[tokio::test(start_paused = true)]
async fn a_leader_asks_once_each_two_seconds_and_a_rival_no_more_often() {
    let memory = Memory::start(0);
    let cluster: &dyn Cluster = &memory;
    let mut replicas = Replicas::new(cluster, "default", Timing::default());
    replicas.start("a");
    tokio::time::sleep(SECOND).await;
    replicas.start("b");
    tokio::time::sleep(SECOND).await;
    cluster.wire().clear_log();
    tokio::time::sleep(240 * SECOND).await;
    let sent = |client, verb| cluster.wire().count(|sent| sent.client == client && sent.call.verb == verb);
    assert!((100..=120).contains(&sent("a", Verb::Update)), "{}", sent("a", Verb::Update));
    assert!((100..=120).contains(&sent("b", Verb::Get)), "{}", sent("b", Verb::Get));
    assert_eq!((sent("a", Verb::Get), sent("b", Verb::Update)), (0, 0));
    replicas.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_holds_a_lease_is_told_by_the_servers_clock_or_by_watching_it() {
    let memory = Memory::start(0);
    let cluster: &dyn Cluster = &memory;
    let client = cluster.client("cli");
    let timing = Timing::default();
    let holds = async || {
        let start = Instant::now();
        let holder = holder(&client, "default", LEASE, timing).await.unwrap();
        (holder, start.elapsed())
    };
    assert_eq!(holds().await, (None, Duration::ZERO));

    let leases: Api<Lease> = Api::namespaced(cluster.client("op"), "default");
    let renewed = |ago: i64| {
        let at = memory.server.now() - SignedDuration::from_secs(ago);
        json!({"spec": {
            "holderIdentity": "op-1", "leaseDurationSeconds": 15, "renewTime": format!("{at:.6}"),
        }})
    };
    let new: Lease = serde_json::from_value(json!({"metadata": {"name": LEASE}})).unwrap();
    leases.create(&PostParams::default(), &new).await.unwrap();
    let write = async |patch| {
        leases.patch(LEASE, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    };
    assert_eq!(holds().await, (None, Duration::ZERO));
    write(renewed(5)).await;
    assert_eq!(holds().await, (Some("op-1".to_owned()), Duration::ZERO));
    // Long ago: it is watched for as long as it says, and nobody renews it.
    write(renewed(3_600)).await;
    assert_eq!(holds().await, (None, 15 * SECOND));
    // But not for days, whatever it says.
    write(json!({"spec": {"leaseDurationSeconds": 2_000_000}})).await;
    write(json!({"spec": {"renewTime": format!("{:.6}", memory.server.now() - SignedDuration::from_hours(600))}})).await;
    assert_eq!(holds().await, (None, 60 * SECOND));
    // A holder whose clock is an hour slow, or fast, renews it before that.
    for wrong in [3_600, -3_600] {
        write(renewed(wrong)).await;
        let renew = async {
            tokio::time::sleep(3 * SECOND).await;
            write(renewed(wrong)).await;
        };
        let (told, ()) = tokio::join!(holds(), renew);
        assert_eq!(told, (Some("op-1".to_owned()), 4 * SECOND));
    }
    write(json!({"spec": {"holderIdentity": ""}})).await;
    assert_eq!(holds().await, (None, Duration::ZERO));
    cluster.stop().await.unwrap();
    let error = holder(&client, "default", LEASE, timing).await.unwrap_err().to_string();
    assert!(error.contains(&format!("default/{LEASE}")), "{error}");
}

async fn lease(cluster: &dyn Cluster) -> Lease {
    let leases: Api<Lease> = Api::namespaced(cluster.client("test"), "default");
    leases.get(LEASE).await.unwrap()
}
