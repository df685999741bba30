//! Our own definition on both servers: its defaults and rules work in memory as they do for real, and
//! a status is written as the operator writes it.

use kube::api::{Api, ApiResource, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use reshard::operator::object::Autoscaler;
use serde_json::{Value, json};

use super::widget::{code, version};
use crate::support::cluster::{Cluster, on_every_cluster};

async fn autoscalers(cluster: &dyn Cluster) -> Api<DynamicObject> {
    cluster.install_autoscaler().await;
    let namespace = cluster.namespace().await;
    let kind = ApiResource::erase::<Autoscaler>(&());
    Api::namespaced_with(cluster.client("a"), &namespace, &kind)
}

fn orders(spec: Value) -> DynamicObject {
    let mut object = json!({
        "apiVersion": "reshard.dev/v1alpha1", "kind": "KinesisStreamAutoscaler",
        "metadata": {"name": "orders"}, "spec": {"streamRef": {"name": "orders"}, "maxShards": 8},
    });
    let fields = object["spec"].as_object_mut().unwrap();
    fields.extend(spec.as_object().unwrap().clone());
    serde_json::from_value(object).unwrap()
}

on_every_cluster! {
    async fn a_resource_gets_its_defaults_and_a_wrong_one_is_refused(cluster: &dyn Cluster) {
        let api = autoscalers(cluster).await;
        let create = async |spec| api.create(&PostParams::default(), &orders(spec)).await;
        for wrong in [
            json!({"minShards": 9}),
            json!({"maxShards": 201}),
            json!({"mode": "Sometimes"}),
            json!({"streamRef": {}}),
            json!({"consumers": [{"name": "a", "type": "Lambda"}, {"name": "a", "type": "Lambda"}]}),
        ] {
            assert_eq!(code(create(wrong).await), 422);
        }
        let made = create(json!({})).await.unwrap();
        assert_eq!((&made.data["spec"]["mode"], &made.data["spec"]["suspend"]), (&json!("DryRun"), &json!(false)));
        let moved = Patch::Merge(json!({"spec": {"streamRef": {"name": "others"}}}));
        assert_eq!(code(api.patch("orders", &PatchParams::default(), &moved).await), 422);
    }

    async fn conditions_are_applied_by_type_and_an_idle_pass_writes_nothing(cluster: &dyn Cluster) {
        let api = autoscalers(cluster).await;
        api.create(&PostParams::default(), &orders(json!({}))).await.unwrap();
        let condition = |kind: &str, status: &str| {
            json!({
                "type": kind, "status": status, "reason": "Because", "message": "so",
                "lastTransitionTime": "2026-03-02T09:00:00Z",
            })
        };
        let apply = async |by: &str, conditions: Vec<Value>| {
            let object = json!({
                "apiVersion": "reshard.dev/v1alpha1", "kind": "KinesisStreamAutoscaler",
                "metadata": {"name": "orders"}, "status": {"conditions": conditions},
            });
            api.patch_status("orders", &PatchParams::apply(by).force(), &Patch::Apply(object)).await.unwrap()
        };
        let first = apply("reshard", vec![condition("Ready", "True"), condition("Stalled", "True")]).await;
        let again = apply("reshard", vec![condition("Ready", "True"), condition("Stalled", "True")]).await;
        assert_eq!(version(&first), version(&again));
        apply("other", vec![condition("Theirs", "True")]).await;
        let now = apply("reshard", vec![condition("Ready", "False")]).await;
        let expected = vec![condition("Ready", "False"), condition("Theirs", "True")];
        assert_eq!(now.data["status"]["conditions"], json!(expected));
    }
}
