//! Server-side apply: who owns what, and what goes when nobody wants it any more.

use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::widget::{code, installed, version, widget, widgets};
use crate::support::cluster::{Cluster, on_every_cluster};

async fn apply(api: &Api<DynamicObject>, by: &str, spec: Value) -> Result<DynamicObject, kube::Error> {
    api.patch("one", &PatchParams::apply(by), &Patch::Apply(&widget("one", spec))).await
}

async fn apply_status(
    api: &Api<DynamicObject>,
    by: &str,
    status: Value,
) -> Result<DynamicObject, kube::Error> {
    let object = json!({
        "apiVersion": "test.reshard.dev/v1", "kind": "Widget", "metadata": {"name": "one"}, "status": status,
    });
    api.patch_status("one", &PatchParams::apply(by).force(), &Patch::Apply(object)).await
}

on_every_cluster! {
    async fn what_is_applied_again_unchanged_is_not_written(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        let first = apply(&api, "a", json!({"max": 4, "order": ["x"]})).await.unwrap();
        let again = apply(&api, "a", json!({"max": 4, "order": ["x"]})).await.unwrap();
        assert_eq!(version(&first), version(&again));
        assert_eq!(again.metadata.generation, Some(1));
        let status = json!({"seen": 1, "conditions": [{"type": "Ready", "status": "True"}]});
        let first = apply_status(&api, "a", status.clone()).await.unwrap();
        assert_eq!(version(&first), version(&apply_status(&api, "a", status).await.unwrap()));
    }

    async fn what_is_not_wanted_any_more_goes_unless_somebody_else_wants_it(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        apply(&api, "a", json!({"max": 4, "min": 2, "note": "x"})).await.unwrap();
        apply(&api, "b", json!({"max": 4, "min": 2})).await.unwrap();
        let after = apply(&api, "a", json!({"max": 4})).await.unwrap();
        assert!(after.data["spec"]["note"].is_null());
        assert_eq!(after.data["spec"]["min"], 2);
        let after = apply(&api, "b", json!({"max": 4})).await.unwrap();
        assert!(after.data["spec"]["min"].is_null());
    }

    async fn another_value_for_what_somebody_owns_is_a_conflict_until_forced(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        apply(&api, "a", json!({"max": 4})).await.unwrap();
        let refused = apply(&api, "b", json!({"max": 5})).await;
        match &refused {
            Err(kube::Error::Api(status)) => assert!(status.message.contains(".spec.max"), "{status:?}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(code(refused), 409);
        let forced = Patch::Apply(widget("one", json!({"max": 5})));
        let forced = api.patch("one", &PatchParams::apply("b").force(), &forced).await.unwrap();
        assert_eq!(forced.data["spec"]["max"], 5);
        assert_eq!(code(apply(&api, "a", json!({"max": 4})).await), 409);
        let same = apply(&api, "a", json!({"max": 5})).await.unwrap();
        assert_eq!(same.data["spec"]["max"], 5);
    }

    async fn what_was_written_without_apply_is_owned_too(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        let params = PostParams { field_manager: Some("kubectl".into()), ..PostParams::default() };
        api.create(&params, &widget("one", json!({"max": 4}))).await.unwrap();
        assert_eq!(code(apply(&api, "a", json!({"max": 5})).await), 409);
        let edit = PatchParams { field_manager: Some("kubectl".into()), ..PatchParams::default() };
        apply(&api, "a", json!({"max": 4, "note": "x"})).await.unwrap();
        api.patch("one", &edit, &Patch::Merge(json!({"spec": {"note": "y"}}))).await.unwrap();
        assert_eq!(code(apply(&api, "a", json!({"max": 4, "note": "x"})).await), 409);
        let given_up = apply(&api, "a", json!({"max": 4})).await.unwrap();
        assert_eq!(given_up.data["spec"]["note"], "y");
    }

    async fn items_of_keyed_lists_have_owners_of_their_own(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        apply(&api, "a", json!({"max": 4, "readers": [{"name": "x", "rate": 1}]})).await.unwrap();
        apply(&api, "b", json!({"max": 4, "readers": [{"name": "y", "rate": 2}]})).await.unwrap();
        let both = api.get("one").await.unwrap();
        assert_eq!(both.data["spec"]["readers"], json!([{"name": "x", "rate": 1}, {"name": "y", "rate": 2}]));
        let after = apply(&api, "a", json!({"max": 4})).await.unwrap();
        assert_eq!(after.data["spec"]["readers"], json!([{"name": "y", "rate": 2}]));
        assert_eq!(code(apply(&api, "a", json!({"max": 4, "readers": [{"name": "y", "rate": 3}]})).await), 409);
    }

    async fn conditions_come_and_go_by_their_type(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        apply(&api, "a", json!({"max": 4})).await.unwrap();
        let of = |list: &[(&str, &str)]| -> Value {
            list.iter().map(|(kind, status)| json!({"type": kind, "status": status})).collect()
        };
        apply_status(&api, "op", json!({"seen": 1, "conditions": of(&[("Ready", "True"), ("Stalled", "True")])}))
            .await
            .unwrap();
        apply_status(&api, "other", json!({"conditions": of(&[("Theirs", "True")])})).await.unwrap();
        let now = apply_status(&api, "op", json!({"conditions": of(&[("Ready", "False")])})).await.unwrap();
        assert_eq!(now.data["status"], json!({"conditions": of(&[("Ready", "False"), ("Theirs", "True")])}));
        assert_eq!(now.metadata.generation, Some(1));
        assert_eq!(now.data["spec"]["max"], 4);
        let manager = |entry: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry| {
            (entry.manager.clone().unwrap_or_default(), entry.subresource.clone().unwrap_or_default())
        };
        let mut managers: Vec<_> = now.metadata.managed_fields.iter().flatten().map(manager).collect();
        managers.sort();
        let expected = [("a", ""), ("op", "status"), ("other", "status")];
        assert_eq!(managers, expected.map(|(name, of)| (name.to_owned(), of.to_owned())));
    }

    async fn a_status_is_applied_to_what_is_there_and_no_more(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        assert_eq!(code(apply_status(&api, "op", json!({"seen": 1})).await), 404);
        let mut object = widget("one", json!({"max": 4}));
        object.data["status"] = json!({"seen": 7});
        let made = api.patch("one", &PatchParams::apply("a"), &Patch::Apply(&object)).await.unwrap();
        assert!(made.data["status"].is_null());
        let stale = json!({
            "apiVersion": "test.reshard.dev/v1", "kind": "Widget", "status": {"seen": 1},
            "metadata": {"name": "one", "resourceVersion": "1"},
        });
        let refused = api.patch_status("one", &PatchParams::apply("op").force(), &Patch::Apply(stale)).await;
        assert_eq!(code(refused), 409);
    }
}
