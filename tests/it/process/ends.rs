//! How the lead ends: with the leader's death, while it is stopped, when it is asked to end, and while
//! the API server is away. Every step is taken once, whoever takes it.

use std::time::Duration;

use super::replica::Replica;
use super::with_processes;
use super::world::World;
use crate::support::cluster::Cluster;

/// How long a standby may take: the lease's duration, a try, and the start of its work.
const TAKEOVER: Duration = Duration::from_secs(30);

async fn until_it_splits(world: &World<'_>, replica: &Replica, count: usize) {
    world.until("it splits", async || replica.reshards() >= count).await;
}

/// Whether all that had to be done was done, once.
async fn all_is_done_once(world: &World<'_>, replicas: &[&Replica]) {
    world.until_shards(16).await;
    assert_eq!(world.splits(), 8, "each of eight shards is split, by one request");
    assert_eq!(world.shards_ever(), 8 + 2 * 8);
    assert_eq!(replicas.iter().map(|replica| replica.reshards()).sum::<usize>(), 8);
    assert_eq!(world.told("ForeignReshard").await, 0);
    world.until("every split is told of", async || world.told("Split").await >= 8).await;
    for replica in replicas {
        assert!(!replica.has_said("panicked"), "{:?}", replica.log());
    }
}

with_processes! {
    async fn whatever_ends_the_leader_the_next_one_goes_on(cluster: &dyn Cluster, shared) {
        let world = World::start(cluster).await;
        world.put("Apply").await;
        let mut one = world.replica("one").await;
        world.until_leads(&one).await;
        let two = world.replica("two").await;
        world.until("the standby is ready", async || two.is_ready().await).await;

        // Killed in the middle of a step.
        until_it_splits(&world, &one, 1).await;
        assert_eq!(two.writes(), [""; 0], "a standby does nothing");
        one.signal("KILL");
        one.ended(TAKEOVER).await;
        until_it_splits(&world, &two, 1).await;

        // Stopped in the middle of a step: it does not know that it leads no more.
        let mut three = world.replica("three").await;
        world.until("the standby is ready", async || three.is_ready().await).await;
        two.signal("STOP");
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = two.writes();
        until_it_splits(&world, &three, 1).await;
        two.signal("CONT");
        world.until("it knows", async || two.has_said("does not lead any more")).await;
        let split = three.reshards();
        until_it_splits(&world, &three, split + 1).await;
        assert_eq!(two.writes(), before, "it does not act any more");

        // Asked to end: it does so soon, and gives the lease back.
        world.until("the standby is ready", async || two.is_ready().await).await;
        three.signal("TERM");
        let (status, took) = three.ended(TAKEOVER).await;
        assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
        assert!(three.has_said("gave the lease back"));
        world.until("the next one takes it", async || Some(world.holder().await) == two.identity()).await;

        all_is_done_once(&world, &[&one, &two, &three]).await;
    }

    async fn a_replica_says_once_why_it_cannot_have_the_lease(cluster: &dyn Cluster, shared) {
        let mut world = World::start(cluster).await;
        world.home = format!("{}-missing", world.home);
        let one = world.replica("one").await;
        world.until("it says so", async || one.has_said("the lease cannot be taken")).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let warned = one.said_at("WARN");
        assert_eq!(warned.len(), 1, "{warned:#?}");
        assert!(warned[0].contains(&world.home), "{warned:#?}");
        assert_eq!(one.writes(), [""; 0]);
    }

    async fn while_the_api_server_is_away_nothing_is_done_and_after_it_all_goes_on(cluster: &dyn Cluster, alone) {
        let world = World::start(cluster).await;
        world.put("Apply").await;
        let one = world.replica("one").await;
        until_it_splits(&world, &one, 2).await;
        if let Err(unable) = cluster.stop().await {
            return println!("{unable}");
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = one.reshards();
        // Longer than the renew deadline, and than several steps.
        tokio::time::sleep(Duration::from_secs(16)).await;
        assert_eq!(one.reshards(), before, "without the API server nothing is done");
        assert!(one.has_said("does not lead any more"));
        assert!(one.get("/healthz").await.is_some_and(|reply| reply.starts_with("HTTP/1.1 200")), "it is well");
        cluster.start_again().await.unwrap();
        all_is_done_once(&world, &[&one]).await;
    }
}
