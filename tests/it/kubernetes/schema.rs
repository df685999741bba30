//! What a definition's schema does to objects: defaults, unknown fields, checks, rules.

use kube::api::{Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::widget::{installed, version, widget, widgets};
use crate::support::cluster::{Cluster, on_every_cluster};

/// The fields that a refusal names.
fn fields(result: Result<DynamicObject, kube::Error>) -> Vec<String> {
    let Err(kube::Error::Api(status)) = result else { panic!("no refusal: {result:?}") };
    assert_eq!((status.code, &*status.reason), (422, "Invalid"), "{}", status.message);
    status.details.unwrap().causes.into_iter().map(|cause| cause.field).collect()
}

on_every_cluster! {
    async fn defaults_come_and_unknown_fields_and_nulls_go(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        let spec = json!({"max": 4, "min": null, "mode": null, "strange": 1, "free": {"any": {"thing": [1]}}});
        let made = api.create(&PostParams::default(), &widget("one", spec)).await.unwrap();
        let expected =
            json!({"max": 4, "mode": "Dry", "limits": {"hours": 4}, "free": {"any": {"thing": [1]}}});
        assert_eq!(made.data["spec"], expected);
    }

    async fn wrong_values_are_refused_with_their_field(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        let wrong: [(Value, &str); 6] = [
            (json!({"max": 201}), "spec.max"),
            (json!({"max": "four"}), "spec.max"),
            (json!({"max": 4, "mode": "Damp"}), "spec.mode"),
            (json!({"max": 4, "min": 5}), "spec"),
            (json!({"max": 4, "readers": [{"name": "x"}, {"name": "x"}]}), "spec.readers[1]"),
            (json!({"max": 4, "labels": {"a": 1}}), "spec.labels.a"),
        ];
        for (spec, field) in wrong {
            let refused = api.create(&PostParams::default(), &widget("one", spec.clone())).await;
            assert!(fields(refused).contains(&field.to_owned()), "{spec}");
        }
        let missing = api.create(&PostParams::default(), &widget("one", json!({}))).await;
        assert_eq!(fields(missing), ["spec.max", "<nil>"]);
    }

    async fn rules_compare_with_what_was_before(cluster: &dyn Cluster) {
        let api = widgets(cluster.client("a"), &installed(cluster).await);
        let spec = json!({"max": 4, "target": "x"});
        let made = api.create(&PostParams::default(), &widget("one", spec)).await.unwrap();
        let none = PatchParams::default();
        let other = Patch::Merge(json!({"spec": {"target": "y"}}));
        assert_eq!(fields(api.patch("one", &none, &other).await), ["spec.target"]);
        let wrong = Patch::Merge(json!({"spec": {"min": 9}}));
        assert_eq!(fields(api.patch("one", &none, &wrong).await), ["spec"]);
        assert_eq!(version(&api.get("one").await.unwrap()), version(&made));
        let status = Patch::Merge(json!({"status": {"seen": "much"}}));
        assert_eq!(fields(api.patch_status("one", &none, &status).await), ["status.seen", "<nil>"]);
    }
}
