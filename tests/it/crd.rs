//! The custom resource definition: what it holds, and that the API server and the policy say the same
//! of every resource, as far as a schema can.

use std::fs;
use std::path::Path;

use reshard::manifest;
use reshard::operator::crd::definition;
use serde_json::Value;

use crate::cli::{NOBODY, run};
use crate::support::kube::schema::Schema;

mod agreement;
mod server;
mod structure;

/// Where the definition is kept.
const SHIPPED: &str = "crds/reshard.dev_kinesisstreamautoscalers.yaml";

/// The schema of the one version.
pub fn schema() -> Value {
    let [version] = definition().unwrap().spec.versions.try_into().unwrap();
    serde_json::to_value(version.schema.unwrap().open_api_v3_schema.unwrap()).unwrap()
}

/// What an API server makes of resources by the definition, without one.
pub struct Judge(Schema);

impl Judge {
    pub fn new() -> Judge {
        Judge::of(&schema())
    }

    /// By another schema.
    fn of(schema: &Value) -> Judge {
        Judge(Schema::new(schema).unwrap())
    }

    /// The object as it is kept.
    pub fn kept(&self, object: &Value) -> Value {
        self.0.normal(object)
    }

    /// Everything that is wrong with `object`, which takes the place of `old`.
    pub fn faults(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let causes = self.0.check(&self.0.normal(object), old);
        causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }
}

/// A file of the package.
fn shipped(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

#[test]
fn the_definition_that_is_shipped_is_the_one_that_the_command_prints() {
    let printed = run(NOBODY, &["crd"]);
    assert_eq!((printed.code, &*printed.stderr), (Some(0), ""));
    assert!(printed.stdout == shipped(SHIPPED), "generate it anew: cargo run -- crd > {SHIPPED}");
    let documents = manifest::documents(&printed.stdout, SHIPPED).unwrap();
    assert_eq!(documents, [serde_json::to_value(definition().unwrap()).map(typed).unwrap()]);
}

/// With the type that only the text holds.
fn typed(mut definition: Value) -> Value {
    definition["apiVersion"] = "apiextensions.k8s.io/v1".into();
    definition["kind"] = "CustomResourceDefinition".into();
    definition
}
