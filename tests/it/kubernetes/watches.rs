//! Watches: what they tell, where they begin, how they end, and kube's own machinery on top.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::DynamicObject;
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};
use serde_json::json;

use super::widget::{installed, resource, version, widget, widgets};
use crate::support::cluster::{Cluster, on_every_cluster};
use crate::support::kube::call::Verb;
use crate::support::wire::{Effect, Fault, When};

async fn set_max(api: &Api<DynamicObject>, name: &str, max: u32) -> DynamicObject {
    let patch = Patch::Merge(json!({"spec": {"max": max}}));
    api.patch(name, &PatchParams::default(), &patch).await.unwrap()
}

/// What a watch says until it has said so many things.
async fn told(api: &Api<DynamicObject>, params: &WatchParams, from: &str, many: usize) -> Vec<String> {
    let watch = pin!(api.watch(params, from).await.unwrap());
    let text = |event| match event {
        WatchEvent::Added(object) => format!("added {}", brief(&object)),
        WatchEvent::Modified(object) => format!("modified {}", brief(&object)),
        WatchEvent::Deleted(object) => format!("deleted {}", brief(&object)),
        WatchEvent::Bookmark(mark) => format!("bookmark {:?}", mark.metadata.annotations.keys()),
        WatchEvent::Error(status) => format!("error {} {}", status.code, status.reason),
    };
    watch.take(many).map_ok(text).try_collect().await.unwrap()
}

fn brief(object: &DynamicObject) -> String {
    format!("{} {}", object.metadata.name.as_deref().unwrap_or("?"), object.data["spec"]["max"])
}

/// Waits until it is so.
async fn eventually(what: &str, is: impl AsyncFn() -> bool) {
    for _ in 0..600 {
        if is().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never: {what}");
}

/// How often each widget was reconciled at which `max`.
async fn controller_sees_all(cluster: &dyn Cluster, config: watcher::Config) {
    let namespace = installed(cluster).await;
    let api = widgets(cluster.client("a"), &namespace);
    api.create(&PostParams::default(), &widget("one", json!({"max": 4}))).await.unwrap();
    let seen: Arc<std::sync::Mutex<BTreeMap<String, usize>>> = Arc::default();
    let reconcile = {
        let seen = seen.clone();
        async move |object: Arc<DynamicObject>, _: Arc<()>| {
            *seen.lock().unwrap().entry(brief(&object)).or_default() += 1;
            Ok::<_, std::io::Error>(Action::await_change())
        }
    };
    let controller =
        Controller::new_with(widgets(cluster.client("operator"), &namespace), config, resource())
            .run(
                move |object, context| {
                    let reconcile = reconcile.clone();
                    async move { reconcile(object, context).await }
                },
                |_, _, _| Action::requeue(Duration::from_secs(1)),
                Arc::new(()),
            )
            .for_each(|_| async {});
    let running = tokio::spawn(controller);
    let has = async |what: &str| seen.lock().unwrap().contains_key(what);
    eventually("one 4", async || has("one 4").await).await;
    set_max(&api, "one", 5).await;
    eventually("one 5", async || has("one 5").await).await;
    // A break in the connections loses nothing.
    if cluster.drop_watches().is_ok() && cluster.compact().is_ok() {
        set_max(&api, "one", 6).await;
        eventually("one 6", async || has("one 6").await).await;
    }
    running.abort();
}

on_every_cluster! {
    async fn a_watch_tells_each_change_from_where_it_begins(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        let one = api.create(&PostParams::default(), &widget("one", json!({"max": 4}))).await.unwrap();
        set_max(&api, "one", 5).await;
        api.create(&PostParams::default(), &widget("two", json!({"max": 4}))).await.unwrap();
        api.delete("one", &DeleteParams::default()).await.unwrap();
        let params = WatchParams::default().timeout(30);
        let from = version(&one).to_string();
        assert_eq!(told(&api, &params, &from, 3).await, ["modified one 5", "added two 4", "deleted one 5"]);
        assert_eq!(told(&api, &params, "0", 1).await, ["added two 4"]);
    }

    async fn a_watch_with_a_selector_tells_what_enters_and_leaves(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        let one = api.create(&PostParams::default(), &widget("one", json!({"max": 4}))).await.unwrap();
        for team in [json!("x"), json!(null)] {
            let patch = Patch::Merge(json!({"metadata": {"labels": {"team": team}}}));
            api.patch("one", &PatchParams::default(), &patch).await.unwrap();
        }
        let params = WatchParams::default().timeout(30).labels("team=x");
        let from = version(&one).to_string();
        assert_eq!(told(&api, &params, &from, 2).await, ["added one 4", "deleted one 4"]);
    }

    async fn a_list_can_come_through_the_watch(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        api.create(&PostParams::default(), &widget("one", json!({"max": 4}))).await.unwrap();
        let params = WatchParams { send_initial_events: true, ..WatchParams::default().timeout(30) };
        let expected = ["added one 4", "bookmark [\"k8s.io/initial-events-end\"]"];
        assert_eq!(told(&api, &params, "", 2).await, expected);
    }

    async fn a_watch_ends_when_its_time_is_up(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        let list = api.list(&ListParams::default()).await.unwrap();
        let from = list.metadata.resource_version.unwrap();
        let params = WatchParams::default().timeout(1);
        let watch = pin!(api.watch(&params, &from).await.unwrap());
        let said: Vec<_> = watch.collect().await;
        assert!(said.iter().all(|event| matches!(event, Ok(WatchEvent::Bookmark(_)))), "{said:?}");
    }

    async fn what_is_forgotten_cannot_be_watched(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        let one = api.create(&PostParams::default(), &widget("one", json!({"max": 4}))).await.unwrap();
        set_max(&api, "one", 5).await;
        if let Err(unable) = cluster.compact() {
            return println!("{unable}");
        }
        let from = version(&one).to_string();
        let said = told(&api, &WatchParams::default().timeout(30), &from, 1).await;
        assert_eq!(said, ["error 410 Expired"]);
    }

    async fn a_controller_sees_every_state_that_lasts(cluster: &dyn Cluster) {
        controller_sees_all(cluster, watcher::Config::default()).await;
    }

    async fn a_controller_sees_the_same_by_streaming_lists(cluster: &dyn Cluster) {
        controller_sees_all(cluster, watcher::Config::default().streaming_lists()).await;
    }

    async fn a_watcher_that_was_away_too_long_lists_again(cluster: &dyn Cluster) {
        let namespace = installed(cluster).await;
        let api = widgets(cluster.client("a"), &namespace);
        api.create(&PostParams::default(), &widget("one", json!({"max": 4}))).await.unwrap();
        let operator = widgets(cluster.client("operator"), &namespace);
        let mut events = pin!(watcher(operator, watcher::Config::default()));
        let lists = || cluster.wire().count(|sent| sent.client == "operator" && sent.call.verb == Verb::List);
        while !matches!(events.next().await, Some(Ok(watcher::Event::InitDone))) {}
        assert_eq!(lists(), 1);
        let away = Fault::new(When::Always, Effect::LoseRequest).of("operator");
        cluster.wire().fault(away);
        let Ok(()) = cluster.drop_watches() else { return println!("skipped: watches cannot be broken") };
        assert!(matches!(events.next().await, Some(Err(_))));
        set_max(&api, "one", 5).await;
        cluster.compact().unwrap();
        cluster.wire().heal();
        loop {
            if let Some(Ok(watcher::Event::InitApply(object))) = events.next().await {
                assert_eq!(brief(&object), "one 5");
                break;
            }
        }
        assert_eq!(lists(), 2);
    }
}
