//! A custom resource that has one of everything that schemas can say.

use kube::Client;
use kube::api::{Api, ApiResource};
use kube::core::{DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

use crate::support::cluster::Cluster;

/// Installs the definition and gives a namespace for the test.
pub async fn installed(cluster: &dyn Cluster) -> String {
    cluster.install(definition()).await;
    cluster.namespace().await
}

pub fn widgets(client: Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client, namespace, &resource())
}

pub fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("test.reshard.dev", "v1", "Widget");
    ApiResource::from_gvk_with_plural(&kind, "widgets")
}

/// A widget of that spec.
pub fn widget(name: &str, spec: Value) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "test.reshard.dev/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec,
    }))
    .unwrap()
}

pub fn version(object: &DynamicObject) -> u64 {
    object.metadata.resource_version.as_ref().unwrap().parse().unwrap()
}

/// The code of a refusal.
pub fn code<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> u16 {
    match result {
        Err(kube::Error::Api(status)) => status.code,
        other => panic!("no refusal: {other:?}"),
    }
}

fn definition() -> Value {
    let spec = json!({
        "type": "object",
        "required": ["max"],
        "properties": {
            "mode": {"type": "string", "enum": ["Dry", "Wet"], "default": "Dry"},
            "min": {"type": "integer", "minimum": 1},
            "max": {"type": "integer", "minimum": 1, "maximum": 200},
            "target": {"type": "string", "x-kubernetes-validations": [
                {"rule": "self == oldSelf", "message": "target is immutable"},
            ]},
            "note": {"type": "string"},
            "limits": {
                "type": "object", "default": {},
                "properties": {"hours": {"type": "integer", "default": 4}},
            },
            "readers": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object", "required": ["name"],
                    "properties": {"name": {"type": "string"}, "rate": {"type": "integer"}},
                },
            },
            "order": {"type": "array", "items": {"type": "string"}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        },
        "x-kubernetes-validations": [
            {"rule": "!has(self.min) || self.min <= self.max", "message": "min must not be above max"},
        ],
    });
    let status = json!({
        "type": "object",
        "properties": {
            "seen": {"type": "integer"},
            "conditions": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
                "items": {
                    "type": "object", "required": ["type", "status"],
                    "properties": {
                        "type": {"type": "string"}, "status": {"type": "string"}, "reason": {"type": "string"},
                    },
                },
            },
        },
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.test.reshard.dev"},
        "spec": {
            "group": "test.reshard.dev", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object", "properties": {"spec": spec, "status": status},
                }},
            }],
        },
    })
}
