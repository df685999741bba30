//! Writing and reading objects: versions, generations, conflicts, the split of spec and status.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::DynamicObject;
use serde_json::json;

use super::widget::{code, installed, version, widget, widgets};
use crate::support::cluster::{Cluster, on_every_cluster};

on_every_cluster! {
    async fn an_object_that_is_made_can_be_read_and_not_made_twice(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        let made = api.create(&PostParams::default(), &widget("one", json!({"max": 4}))).await.unwrap();
        assert_eq!(made.metadata.generation, Some(1));
        assert!(made.metadata.uid.is_some() && made.metadata.creation_timestamp.is_some());
        assert_eq!(api.get("one").await.unwrap().metadata.uid, made.metadata.uid);
        assert_eq!(code(api.create(&PostParams::default(), &widget("one", json!({"max": 4}))).await), 409);
        assert_eq!(code(api.create(&PostParams::default(), &made).await), 500);
        assert_eq!(code(api.create(&PostParams::default(), &widget("Bad_name", json!({"max": 4}))).await), 422);
        assert_eq!(code(api.get("two").await), 404);
    }

    async fn a_write_of_nothing_new_is_no_write(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        let made = api.create(&PostParams::default(), &widget("one", json!({"max": 4}))).await.unwrap();
        let same = api.replace("one", &PostParams::default(), &made).await.unwrap();
        assert_eq!(version(&same), version(&made));
        let merge = Patch::Merge(json!({"spec": {"max": 4}}));
        let same = api.patch("one", &PatchParams::default(), &merge).await.unwrap();
        assert_eq!(version(&same), version(&made));
    }

    async fn the_generation_counts_changes_of_the_spec_alone(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        api.create(&PostParams::default(), &widget("one", json!({"max": 4}))).await.unwrap();
        let patch = |patch| Patch::Merge(patch);
        let none = PatchParams::default();
        let labelled = patch(json!({"metadata": {"annotations": {"a": "b"}}}));
        assert_eq!(api.patch("one", &none, &labelled).await.unwrap().metadata.generation, Some(1));
        let status = patch(json!({"status": {"seen": 3}}));
        assert_eq!(api.patch_status("one", &none, &status).await.unwrap().metadata.generation, Some(1));
        let spec = patch(json!({"spec": {"max": 5}}));
        assert_eq!(api.patch("one", &none, &spec).await.unwrap().metadata.generation, Some(2));
        let gone = patch(json!({"metadata": {"annotations": {"a": null}}}));
        let seen = api.patch("one", &none, &gone).await.unwrap();
        assert_eq!(seen.metadata.annotations.unwrap_or_default().len(), 0);
        assert_eq!(seen.data["status"]["seen"], 3);
    }

    async fn spec_and_status_are_written_by_their_own_ways(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        let mut object = widget("one", json!({"max": 4}));
        object.data["status"] = json!({"seen": 1});
        let mut made = api.create(&PostParams::default(), &object).await.unwrap();
        assert!(made.data["status"].is_null());
        made.data["spec"]["max"] = 9.into();
        made.data["status"] = json!({"seen": 2});
        let mut made = api.replace_status("one", &PostParams::default(), &made).await.unwrap();
        assert_eq!((&made.data["spec"]["max"], &made.data["status"]["seen"]), (&4.into(), &2.into()));
        made.data["spec"]["max"] = 9.into();
        made.data["status"] = json!({"seen": 3});
        let made = api.replace("one", &PostParams::default(), &made).await.unwrap();
        assert_eq!((&made.data["spec"]["max"], &made.data["status"]["seen"]), (&9.into(), &2.into()));
    }

    async fn who_writes_what_somebody_wrote_meanwhile_is_refused(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        let mut old = api.create(&PostParams::default(), &widget("one", json!({"max": 4}))).await.unwrap();
        let patch = Patch::Merge(json!({"spec": {"max": 5}}));
        api.patch("one", &PatchParams::default(), &patch).await.unwrap();
        old.data["spec"]["max"] = 6.into();
        assert_eq!(code(api.replace("one", &PostParams::default(), &old).await), 409);
        let version = old.metadata.resource_version.clone();
        let patch = Patch::Merge(json!({"metadata": {"resourceVersion": version}, "spec": {"max": 6}}));
        assert_eq!(code(api.patch("one", &PatchParams::default(), &patch).await), 409);
        old.metadata.resource_version = None;
        assert_eq!(code(api.replace("one", &PostParams::default(), &old).await), 422);
        assert_eq!(api.get("one").await.unwrap().data["spec"]["max"], 5);
    }

    async fn deletion_obeys_preconditions_and_waits_for_finalizers(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        let made = api.create(&PostParams::default(), &widget("one", json!({"max": 4}))).await.unwrap();
        let params = DeleteParams {
            preconditions: Some(Preconditions { uid: Some("another".into()), resource_version: None }),
            ..DeleteParams::default()
        };
        assert_eq!(code(api.delete("one", &params).await), 409);
        let held = Patch::Merge(json!({"metadata": {"finalizers": ["test.reshard.dev/hold"]}}));
        api.patch("one", &PatchParams::default(), &held).await.unwrap();
        api.delete("one", &DeleteParams::default()).await.unwrap();
        let dying = api.get("one").await.unwrap();
        assert!(dying.metadata.deletion_timestamp.is_some());
        assert_eq!(dying.metadata.uid, made.metadata.uid);
        let freed = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        api.patch("one", &PatchParams::default(), &freed).await.unwrap();
        assert_eq!(code(api.get("one").await), 404);
        assert_eq!(code(api.delete("one", &DeleteParams::default()).await), 404);
    }

    async fn nothing_is_made_where_there_is_no_namespace(cluster: &dyn Cluster) {
        let namespace = installed(cluster).await;
        let api = widgets(cluster.client("a"), "nowhere-at-all");
        assert_eq!(code(api.create(&PostParams::default(), &widget("one", json!({"max": 4}))).await), 404);
        let namespaces: Api<Namespace> = Api::all(cluster.client("a"));
        namespaces.delete(&namespace, &DeleteParams::default()).await.unwrap();
        let api = widgets(cluster.client("a"), &namespace);
        // A real server may take a moment to notice.
        let refused = loop {
            match api.create(&PostParams::default(), &widget("one", json!({"max": 4}))).await {
                Ok(_) => api.delete("one", &DeleteParams::default()).await.map(drop).unwrap(),
                refused => break refused,
            }
        };
        assert_eq!(code(refused), 403);
    }

    async fn a_list_in_pages_shows_one_moment(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        for name in ["a", "b", "c", "d", "e"] {
            api.create(&PostParams::default(), &widget(name, json!({"max": 4}))).await.unwrap();
        }
        let first = api.list(&ListParams::default().limit(2)).await.unwrap();
        api.delete("d", &DeleteParams::default()).await.unwrap();
        api.create(&PostParams::default(), &widget("bb", json!({"max": 4}))).await.unwrap();
        let mut names: Vec<String> = Vec::new();
        let mut page = first;
        loop {
            names.extend(page.items.iter().filter_map(|item| item.metadata.name.clone()));
            let Some(token) = page.metadata.continue_.filter(|token| !token.is_empty()) else { break };
            page = api.list(&ListParams::default().limit(2).continue_token(&token)).await.unwrap();
        }
        assert_eq!(names, ["a", "b", "c", "d", "e"]);
        let now = api.list(&ListParams::default()).await.unwrap();
        assert_eq!(now.items.len(), 5);
        assert!(now.items.iter().any(|item| item.metadata.name.as_deref() == Some("bb")));
    }

    async fn lists_are_narrowed_by_labels_and_names(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        for (name, team) in [("a", "x"), ("b", "y"), ("c", "x")] {
            let mut object = widget(name, json!({"max": 4}));
            object.metadata.labels = Some([("team".to_owned(), team.to_owned())].into());
            api.create(&PostParams::default(), &object).await.unwrap();
        }
        let names = async |params: ListParams| -> Vec<String> {
            let found = api.list(&params).await.unwrap();
            found.items.into_iter().filter_map(|item: DynamicObject| item.metadata.name).collect()
        };
        assert_eq!(names(ListParams::default().labels("team=x")).await, ["a", "c"]);
        assert_eq!(names(ListParams::default().labels("team!=x")).await, ["b"]);
        assert_eq!(names(ListParams::default().labels("team in (x,y),team notin (y)")).await, ["a", "c"]);
        assert_eq!(names(ListParams::default().labels("!team")).await, [""; 0]);
        assert_eq!(names(ListParams::default().fields("metadata.name=b")).await, ["b"]);
        assert_eq!(code(api.list(&ListParams::default().fields("spec.max=4")).await), 400);
    }

    async fn of_two_who_take_a_lease_at_once_one_gets_it(cluster: &dyn Cluster) {
        let api: Api<Lease> = Api::namespaced(cluster.client("a"), &cluster.namespace().await);
        let lease = |holder: &str, version: Option<String>| -> Lease {
            serde_json::from_value(json!({
                "metadata": {"name": "leader", "resourceVersion": version},
                "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 0},
            }))
            .unwrap()
        };
        let params = PostParams::default();
        let (a, b) = (lease("a", None), lease("b", None));
        let (one, other) = tokio::join!(api.create(&params, &a), api.create(&params, &b));
        assert!(one.is_ok() != other.is_ok());
        let seen = one.or(other).unwrap();
        let version = seen.metadata.resource_version.clone();
        let (a, b) = (lease("c", version.clone()), lease("d", version));
        let (one, other) =
            tokio::join!(api.replace("leader", &params, &a), api.replace("leader", &params, &b));
        assert!(one.is_ok() != other.is_ok());
        assert_eq!(code(if one.is_ok() { other } else { one }), 409);
        let released = api.get("leader").await.unwrap();
        let released = lease("", released.metadata.resource_version);
        assert!(api.replace("leader", &params, &released).await.is_ok());
        assert_eq!(code(api.replace("leader", &params, &lease("e", None)).await), 422);
        let mut nonsense = api.get("leader").await.unwrap();
        nonsense.spec.as_mut().unwrap().lease_duration_seconds = Some(0);
        assert_eq!(code(api.replace("leader", &params, &nonsense).await), 422);
    }

    async fn events_must_say_who_did_what(cluster: &dyn Cluster) {
        let namespace = cluster.namespace().await;
        let api: Api<Event> = Api::namespaced(cluster.client("a"), &namespace);
        let event = |name: &str, note: String| -> Event {
            serde_json::from_value(json!({
                "metadata": {"name": name}, "eventTime": "2026-03-02T09:00:00.000000Z", "type": "Normal",
                "reason": "Split", "action": "Split", "note": note,
                "reportingController": "reshard.dev/operator", "reportingInstance": "pod-1",
                "regarding": {"kind": "Widget", "name": "one", "namespace": namespace},
            }))
            .unwrap()
        };
        let params = PostParams::default();
        let made = api.create(&params, &event("one", "done".to_owned())).await.unwrap();
        assert_eq!(code(api.create(&params, &event("two", "x".repeat(1_025))).await), 422);
        let silent = Event { action: None, ..event("three", String::new()) };
        assert_eq!(code(api.create(&params, &silent).await), 422);
        let series = json!({"series": {"count": 2, "lastObservedTime": "2026-03-02T09:01:00.000000Z"}});
        let again = api.patch("one", &PatchParams::default(), &Patch::Merge(series)).await.unwrap();
        assert_eq!(again.series.unwrap().count, 2);
        let other = Patch::Merge(json!({"reason": "Merge"}));
        assert_eq!(code(api.patch("one", &PatchParams::default(), &other).await), 422);
        let listed = api.list(&ListParams::default().fields("regarding.name=one")).await.unwrap();
        assert_eq!(listed.items[0].metadata.uid, made.metadata.uid);
    }
}
