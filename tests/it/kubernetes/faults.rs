//! What goes wrong on the wire does so as it was asked to.

use std::time::Duration;

use futures::StreamExt;
use kube::api::{Api, PostParams, WatchEvent, WatchParams};
use kube::core::DynamicObject;
use serde_json::json;
use tokio::time::Instant;

use super::widget::{code, installed, version, widget, widgets};
use crate::support::cluster::{Cluster, Memory, Real};
use crate::support::kube::call::Verb;
use crate::support::wire::{Effect, Fault, Refused, When};

async fn create(api: &Api<DynamicObject>, name: &str) -> Result<DynamicObject, kube::Error> {
    api.create(&PostParams::default(), &widget(name, json!({"max": 4}))).await
}

#[tokio::test(start_paused = true)]
async fn a_request_arrives_though_nobody_waits_for_it_any_more() {
    let memory = Memory::start(0);
    let cluster: &dyn Cluster = &memory;
    let api = widgets(cluster.client("a"), &installed(cluster).await);
    let second = Duration::from_secs(1);
    let slow = Effect::Delay(3 * second..=3 * second, 2 * second..=2 * second);
    cluster.wire().fault(Fault::new(When::Nth(1), slow).of("a").on(&[Verb::Create]));
    let start = Instant::now();
    assert!(tokio::time::timeout(second, create(&api, "one")).await.is_err());
    assert_eq!(code(api.get("one").await), 404);
    tokio::time::sleep(3 * second).await;
    assert!(api.get("one").await.is_ok());
    assert_eq!(start.elapsed(), 4 * second);
    assert!(create(&api, "two").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_of_a_write_that_was_done_and_a_lost_request_is_not() {
    let memory = Memory::start(0);
    let cluster: &dyn Cluster = &memory;
    let api = widgets(cluster.client("a"), &installed(cluster).await);
    cluster.wire().fault(Fault::new(When::First(1), Effect::LoseReply).of("a").to("widgets"));
    assert!(matches!(create(&api, "one").await, Err(kube::Error::Service(_))));
    assert!(api.get("one").await.is_ok());
    cluster.wire().heal();
    let soon = Instant::now() + Duration::from_secs(1);
    cluster.wire().fault(Fault::new(When::Until(soon), Effect::LoseRequest).of("a"));
    assert!(matches!(create(&api, "two").await, Err(kube::Error::Service(_))));
    tokio::time::sleep_until(soon).await;
    assert_eq!(code(api.get("two").await), 404);
}

#[tokio::test(start_paused = true)]
async fn refusals_are_what_a_server_would_say_and_change_nothing() {
    let memory = Memory::start(0);
    let cluster: &dyn Cluster = &memory;
    let api = widgets(cluster.client("a"), &installed(cluster).await);
    let refusals = [
        (Refused::Conflict, 409),
        (Refused::Gone, 410),
        (Refused::TooManyRequests(7), 429),
        (Refused::InternalError, 500),
        (Refused::Unavailable, 503),
    ];
    for (refused, expected) in refusals {
        cluster.wire().heal();
        cluster.wire().fault(Fault::new(When::Always, Effect::Refuse(refused)).on(&[Verb::Create]));
        assert_eq!(code(create(&api, "one").await), expected);
    }
    cluster.wire().heal();
    assert_eq!(code(api.get("one").await), 404);
    assert_eq!(cluster.wire().count(|sent| sent.code == Some(429)), 1);
}

#[tokio::test(start_paused = true)]
async fn chance_is_of_the_seed_and_silence_is_for_ever() {
    let outcomes = async |seed| {
        let memory = Memory::start(seed);
        let cluster: &dyn Cluster = &memory;
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        cluster.wire().fault(Fault::new(When::Chance(0.5), Effect::LoseReply).of("a"));
        let mut outcomes = Vec::new();
        for name in 0..32 {
            outcomes.push(create(&api, &format!("w{name}")).await.is_ok());
        }
        outcomes
    };
    assert_eq!(outcomes(7).await, outcomes(7).await);
    assert_ne!(outcomes(7).await, outcomes(8).await);
    let memory = Memory::start(0);
    let cluster: &dyn Cluster = &memory;
    let api = widgets(cluster.client("a"), &installed(cluster).await);
    cluster.wire().fault(Fault::new(When::Always, Effect::Silence).of("a"));
    let day = Duration::from_secs(86_400);
    assert!(tokio::time::timeout(day, create(&api, "one")).await.is_err());
}

async fn a_stop_is_survived(cluster: &dyn Cluster) {
    let api = widgets(cluster.client("a"), &installed(cluster).await);
    let one = create(&api, "one").await.unwrap();
    let mut watch = std::pin::pin!(api.watch(&WatchParams::default(), "0").await.unwrap());
    assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Added(_)))));
    cluster.stop().await.unwrap();
    assert!(matches!(api.get("one").await, Err(kube::Error::Service(_))));
    while let Some(Ok(WatchEvent::Bookmark(_))) = watch.next().await {}
    cluster.start_again().await.unwrap();
    assert_eq!(version(&api.get("one").await.unwrap()), version(&one));
    cluster.wire().clear_log();
    assert_eq!(cluster.wire().log().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_stopped_has_forgotten_nothing() {
    a_stop_is_survived(&Memory::start(0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_that_was_stopped_has_forgotten_nothing() {
    match Real::alone().await {
        Ok(cluster) => a_stop_is_survived(&cluster).await,
        Err(unable) => println!("{unable}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_breaks_off_or_falls_silent_when_it_is_told_to() {
    let memory = Memory::start(0);
    let cluster: &dyn Cluster = &memory;
    let api = widgets(cluster.client("a"), &installed(cluster).await);
    let (soon, minute) = (Duration::from_secs(3), Duration::from_secs(60));
    let params = WatchParams::default().disable_bookmarks();
    for (effect, ends) in [(Effect::BreakOff(soon..=soon), true), (Effect::FallSilent(soon..=soon), false)] {
        cluster.wire().heal();
        cluster.wire().fault(Fault::new(When::Always, effect).on(&[Verb::Watch]));
        let mut watch = std::pin::pin!(api.watch(&params, "0").await.unwrap());
        let start = Instant::now();
        let said = tokio::time::timeout(minute, watch.next()).await;
        assert_eq!(matches!(said, Ok(Some(Err(_)))), ends, "{said:?}");
        assert_eq!(start.elapsed() == soon, ends);
        assert_eq!(cluster.wire().log().last().unwrap().at, start);
    }
}
