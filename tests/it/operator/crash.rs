//! The operator is killed at every request, to the API server and to AWS, before it and after its
//! effect, and a fresh one takes over: nothing is lost and nothing is repeated.

use std::time::Duration;

use reshard::operator::status::{PlanState, Status};
use serde_json::json;

use super::fuse::Death;
use super::rig::{Rig, even};
use crate::support::cluster::Memory;

/// How the story ends.
const SHARDS: usize = 4;

fn is_scaled(status: &Status) -> bool {
    status.shards.is_some_and(|shards| shards.current as usize == SHARDS && shards.hot == 0)
        && status.plan.as_ref().is_none_or(|plan| plan.state == PlanState::Done)
}

/// Two hot shards become four, in mode Apply or by an approved plan; killed at one request. The
/// requests of the whole story.
async fn story(approve: bool, killed: Option<(usize, Death)>) -> Vec<String> {
    let memory = Memory::start(0);
    let rig = Rig::start(&memory).await;
    rig.stream("orders", 2, even(2_100_000)).await;
    let mode = if approve { "Approve" } else { "Apply" };
    rig.put("orders", rig.spec("orders", mode, json!({"maxShards": SHARDS, "interval": "10s"}))).await;
    let mut operator = rig.operator();
    if approve {
        let proposal = |status: &Status| status.plan.clone().filter(|plan| plan.expires_at.is_some());
        let status = rig.until("orders", "a proposal", |status| proposal(status).is_some()).await;
        assert_eq!(rig.reshards_asked(), 0);
        if let Some((number, death)) = killed {
            rig.fuse.set(number, death);
        }
        rig.approve("orders", proposal(&status).unwrap().hash.as_str()).await;
    } else if let Some((number, death)) = killed {
        operator.kill();
        rig.fuse.set(number, death);
        operator = rig.operator();
    }
    let before = if killed.is_none() { rig.fuse.names().len() } else { 0 };
    tokio::select! {
        () = rig.fuse.blown() => {
            operator.kill();
            // As long as it takes somebody to take over.
            tokio::time::sleep(Duration::from_secs(15)).await;
            operator = rig.operator();
            rig.until("orders", &format!("scaled, though killed: {killed:?}"), is_scaled).await;
        }
        _ = rig.until("orders", "scaled", is_scaled) => {}
    }
    let names = rig.fuse.names()[before..].to_vec();
    assert_eq!(rig.shards("orders"), SHARDS, "{killed:?}");
    assert_eq!(rig.shards_ever("orders"), 2 + 2 * (SHARDS - 2), "{killed:?}: two splits, no more");
    assert_eq!(rig.reshards_asked(), 2, "{killed:?}: each was asked for once");
    if approve {
        let status = rig.status("orders").await;
        assert_eq!(status.plan.map(|plan| plan.state), Some(PlanState::Done), "{killed:?}");
        assert_eq!(rig.told("orders", "PlanRefused").await, 0, "{killed:?}");
        assert_eq!(rig.told("orders", "PlanProposed").await, 1, "{killed:?}");
    }
    assert_eq!(rig.told("orders", "ForeignReshard").await, 0, "{killed:?}");
    assert!(rig.told("orders", "Split").await >= 2, "{killed:?}: {:#?}", rig.events("orders").await);
    assert_eq!(rig.status("orders").await.recent_steps.len(), 2, "{killed:?}: each is told of");
    operator.kill();
    names
}

#[tokio::test(start_paused = true)]
async fn a_scale_up_survives_death_at_every_request() {
    let requests = story(false, None).await.len();
    assert!(requests > 30, "{requests}");
    for number in 0..requests {
        for death in [Death::Before, Death::After] {
            story(false, Some((number, death))).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_approved_plan_survives_death_at_every_request() {
    let requests = story(true, None).await.len();
    assert!(requests > 30, "{requests}");
    for number in 0..requests {
        for death in [Death::Before, Death::After] {
            story(true, Some((number, death))).await;
        }
    }
}
