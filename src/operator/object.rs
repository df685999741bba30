//! The custom resource as the API server holds it. Spec and status stay raw until somebody asks:
//! one resource that cannot be read must not end the watch of all the others.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::status::Status;
use crate::policy::ScalingPolicy;
use crate::resource::{API_VERSION, FieldError, KIND, KinesisStreamAutoscaler};

/// The group of the resource.
pub const GROUP: &str = "reshard.dev";
/// The version of the resource.
pub const VERSION: &str = "v1alpha1";
/// The plural in URLs.
pub const PLURAL: &str = "kinesisstreamautoscalers";

/// The annotation that names the hash of the plan that is approved.
pub const APPROVE: &str = "reshard.dev/approve";
/// The annotation whose every new value asks for a pass now.
pub const RECONCILE_AT: &str = "reshard.dev/reconcile-at";

/// Which resource: its namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl Key {
    /// The key of these.
    pub fn new(namespace: &str, name: &str) -> Key {
        Key { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

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
    /// Which resource it is.
    pub fn key(&self) -> Key {
        let of = |part: &Option<String>| part.as_deref().unwrap_or_default().into();
        Key { namespace: of(&self.metadata.namespace), name: of(&self.metadata.name) }
    }

    /// How many times its spec has changed.
    pub fn generation(&self) -> i64 {
        self.metadata.generation.unwrap_or_default()
    }

    /// The value of an annotation, blanks around it left out.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata.annotations.as_ref()?.get(name).map(|value| value.trim())
    }

    /// The policy that its spec asks for.
    ///
    /// # Errors
    /// All that is wrong with the spec, each with its path.
    pub fn policy(&self) -> Result<ScalingPolicy, Vec<FieldError>> {
        let tree = json!({
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": self.metadata.name,
                "namespace": self.metadata.namespace,
                "generation": self.metadata.generation,
            },
            "spec": self.spec,
        });
        KinesisStreamAutoscaler::from_tree(tree).map_err(|error| vec![error])?.to_policy()
    }

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
        assert_eq!(read.key(), Key::new("payments", "orders"));
        assert_eq!(read.status(), Status::default());
        let faults = read.policy().expect_err("a stream is not a number");
        assert_eq!(faults.iter().map(|fault| fault.path.as_str()).collect::<Vec<_>>(), ["spec.streamRef"]);
    }

    #[test]
    fn the_policy_carries_the_generation_of_the_object() {
        let object = serde_json::json!({
            "metadata": {"name": "orders", "namespace": "payments", "generation": 7},
            "spec": {"streamRef": {"name": "orders"}, "maxShards": 8},
        });
        let read: Autoscaler = serde_json::from_value(object).expect("an object");
        assert_eq!(read.policy().expect("a policy").generation, 7);
    }
}
