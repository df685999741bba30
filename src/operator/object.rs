//! The custom resource as the API server holds it. Spec and status stay raw until somebody asks:
//! one resource that cannot be read must not end the watch of all the others.

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::status::Status;
use crate::resource::KIND;

/// The group of the resource.
pub const GROUP: &str = "reshard.dev";
/// The version of the resource.
pub const VERSION: &str = "v1alpha1";
/// The plural in URLs.
pub const PLURAL: &str = "kinesisstreamautoscalers";

/// A `KinesisStreamAutoscaler` of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Autoscaler {
    /// Name, namespace, generation, annotations.
    pub metadata: ObjectMeta,
    /// What is wanted, as it was written; see [`crate::resource`].
    #[serde(default)]
    pub spec: Value,
    /// What the operator said last, as it stands there.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub status: Value,
}

impl Autoscaler {
    /// What the operator said last; nothing where that cannot be read.
    pub fn status(&self) -> Status {
        Status::deserialize(&self.status).unwrap_or_default()
    }
}

impl kube::Resource for Autoscaler {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(_: &()) -> Cow<'_, str> {
        KIND.into()
    }

    fn group(_: &()) -> Cow<'_, str> {
        GROUP.into()
    }

    fn version(_: &()) -> Cow<'_, str> {
        VERSION.into()
    }

    fn plural(_: &()) -> Cow<'_, str> {
        PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::API_VERSION;

    #[test]
    fn the_group_and_version_are_those_of_manifests() {
        assert_eq!(API_VERSION, format!("{GROUP}/{VERSION}"));
    }

    #[test]
    fn a_resource_that_nobody_understands_is_still_an_object() {
        let object = serde_json::json!({
            "apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "orders", "namespace": "payments"},
            "spec": {"streamRef": 7}, "status": {"shards": "many"},
        });
        let read: Autoscaler = serde_json::from_value(object).expect("an object");
        assert_eq!(read.metadata.name.as_deref(), Some("orders"));
        assert_eq!(read.status(), Status::default());
    }
}
