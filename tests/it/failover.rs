//! The operator with two replicas, over a whole day in virtual time, while leaders die, electors
//! starve, the API server goes away, and requests are late, refused and lost. Whatever happens: of all
//! writes to AWS none is sent by one who does not lead, no two replicas' writes are on their way at
//! the same time, and bounds hold; and when it is over, all is in control again.

use std::time::Duration;

use reshard::operator::elector::Timing;

use self::world::World;
use crate::election::replica::Replicas;
use crate::election::story::{Counts, Story};
use crate::support::cluster::{Cluster, Memory};
use crate::support::seeds::Seeds;
use crate::support::wire::{Effect, Fault, Refused, When};

mod judged;
mod world;

/// Days of a run without any setting.
const SEEDS: u64 = 1;
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn in_a_day_of_faults_never_two_act_and_in_the_end_all_is_in_control() {
    let Seeds { all, alone } = Seeds::told(SEEDS);
    let mut failed = Vec::new();
    for seed in all {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let (violations, log, told) = runtime.unwrap().block_on(a_day(seed));
        if alone {
            println!("{}", log.join("\n"));
        }
        println!("seed {seed}: {told}");
        if let Some(worst) = violations.first() {
            println!(
                "{worst} ({} in all)\n  RESHARD_SEED={seed} cargo test --test it failover::in_a_day -- --nocapture",
                violations.len()
            );
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "the days of seeds {failed:?} break an invariant");
}

async fn a_day(seed: u64) -> (Vec<String>, Vec<String>, String) {
    let memory = Memory::start(seed);
    let cluster: &dyn Cluster = &memory;
    // A fifth of the usual pace: a day of leases would else be most of the work.
    let timing = Timing {
        lease: Duration::from_secs(75),
        renew_deadline: Duration::from_secs(50),
        retry: Duration::from_secs(10),
        call_timeout: Duration::from_secs(5),
    };
    let world = World::new(cluster, memory.server.now(), timing).await;
    let mut replicas = Replicas::new(cluster, "default", timing).working(world.work());
    let story = Story::of(seed).with(timing, 2, DAY).of_everything(2 * MINUTE);
    let story = story.tell_of(&mut replicas, cluster).await;
    tokio::time::sleep(30 * MINUTE).await;
    let mut violations = story.violations;
    violations.extend(world.violations().await);
    let Counts { leads, freezes, kills, shutdowns, stops, requests, refused } = story.counts;
    let steps = world.writes().iter().filter(|write| write.done == Some(true)).count();
    if [leads, freezes, kills, shutdowns, stops, refused, steps].contains(&0) {
        violations.push("the day shows nothing".to_owned());
    }
    let told = format!(
        "{steps} steps of {} writes, the lead moved {leads} times; {kills} killed, {shutdowns} shut down, \
         {freezes} starved, the server away {stops} times; {refused} of {requests} requests refused",
        world.writes().len()
    );
    (violations, story.log, told)
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_dies_in_the_middle_of_a_scale_up_is_followed_by_one_that_ends_it() {
    let memory = Memory::start(1);
    let cluster: &dyn Cluster = &memory;
    let world = World::new(cluster, memory.server.now(), Timing::default()).await;
    let mut replicas = Replicas::new(cluster, "default", Timing::default()).working(world.work());
    replicas.start("a");
    replicas.start("b");
    let mut killed = 0;
    let start = tokio::time::Instant::now();
    let mut seen = 0;
    while start.elapsed() < 240 * MINUTE {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let writes = world.writes().len();
        // Each time that a write is on its way the one who sent it dies.
        if writes > seen {
            seen = writes;
            if let Some(leader) = replicas.leader() {
                replicas.kill(&leader);
                replicas.start(leader.split('-').next().expect("a client's name"));
                killed += 1;
            }
        }
    }
    assert!(killed > 2, "nothing was to do");
    assert_eq!(world.violations().await, [""; 0]);
    assert_eq!(replicas.violations(), [""; 0]);
}

/// AWS refuses each step for now, so that it is tried again and again; and while it is, the lease cannot be
/// renewed: tries fall into the last seconds of a lead, and behind its end.
#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_sends_nothing_that_may_outlast_its_lead() {
    let memory = Memory::start(1);
    let cluster: &dyn Cluster = &memory;
    let world = World::new(cluster, memory.server.now(), Timing::default()).await;
    world.refuse_splits();
    // A renewal counts from when it was sent, however late the reply comes.
    let late = Duration::from_millis(2_500);
    let slow = || Fault::new(When::Always, Effect::Delay(Duration::ZERO..=Duration::ZERO, late..=late));
    let away = || Fault::new(When::Always, Effect::Refuse(Refused::Unavailable));
    cluster.wire().fault(slow().to("leases"));
    let mut replicas = Replicas::new(cluster, "default", Timing::default()).working(world.work());
    replicas.start("a");
    let (mut rounds, mut tried) = (0, 0);
    let start = tokio::time::Instant::now();
    while rounds < 40 && start.elapsed() < DAY {
        let seen = world.writes().len();
        while world.writes().len() == seen && start.elapsed() < DAY {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        cluster.wire().fault(away().to("leases"));
        let before = world.writes().len();
        tokio::time::sleep(Duration::from_secs(20)).await;
        tried += world.writes().len() - before;
        cluster.wire().heal();
        cluster.wire().fault(slow().to("leases"));
        tokio::time::sleep(Duration::from_secs(20)).await;
        rounds += 1;
    }
    assert!(rounds == 40 && tried >= 20, "{rounds} rounds, {tried} writes while the lease is not renewed");
    assert_eq!(world.judged(), [""; 0]);
}
