//! The custom resource definition: what the API server checks, fills in and shows. Its schema comes
//! from the types that read the resource, so that the two cannot drift apart.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, CustomResourceSubresourceStatus,
    CustomResourceSubresources, CustomResourceValidation, JSONSchemaProps,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::JsonSchema;
use serde_json::json;

use super::object::{GROUP, PLURAL, VERSION};
use super::status::Status;
use crate::resource::{KIND, KinesisStreamAutoscalerSpec};

mod structural;

/// The name of its objects on the command line: `kubectl get ksa`.
pub const SHORT_NAME: &str = "ksa";
/// The category that it shares with other autoscalers: `kubectl get autoscaling`.
pub const CATEGORY: &str = "autoscaling";

/// What `kubectl get` shows, and what only `-o wide` does: name, type, path, priority.
const COLUMNS: [(&str, &str, &str, i32); 10] = [
    // Whichever of the two is given.
    ("Stream", "string", ".spec.streamRef['name','arn']", 0),
    ("Mode", "string", ".spec.mode", 0),
    ("Min", "integer", ".spec.minShards", 0),
    ("Max", "integer", ".spec.maxShards", 0),
    ("Shards", "integer", ".status.shards.current", 0),
    ("Desired", "integer", ".status.shards.desired", 0),
    ("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status", 0),
    ("Plan", "string", ".status.plan.hash", 1),
    ("Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason", 1),
    ("Age", "date", ".metadata.creationTimestamp", 0),
];

/// The definition, as `reshard crd` prints it.
///
/// # Errors
/// Where the types have a schema that Kubernetes does not take: a fault of this program.
pub fn definition() -> Result<CustomResourceDefinition, serde_json::Error> {
    Ok(CustomResourceDefinition {
        metadata: ObjectMeta { name: Some(format!("{PLURAL}.{GROUP}")), ..ObjectMeta::default() },
        spec: CustomResourceDefinitionSpec {
            group: GROUP.to_owned(),
            names: CustomResourceDefinitionNames {
                kind: KIND.to_owned(),
                list_kind: Some(format!("{KIND}List")),
                plural: PLURAL.to_owned(),
                singular: Some(KIND.to_ascii_lowercase()),
                short_names: Some(vec![SHORT_NAME.to_owned()]),
                categories: Some(vec![CATEGORY.to_owned()]),
            },
            scope: "Namespaced".to_owned(),
            versions: vec![version()?],
            ..CustomResourceDefinitionSpec::default()
        },
        status: None,
    })
}

fn version() -> Result<CustomResourceDefinitionVersion, serde_json::Error> {
    let columns = COLUMNS.map(|(name, r#type, path, priority)| CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: r#type.to_owned(),
        json_path: path.to_owned(),
        priority: (priority > 0).then_some(priority),
        ..CustomResourceColumnDefinition::default()
    });
    Ok(CustomResourceDefinitionVersion {
        name: VERSION.to_owned(),
        served: true,
        storage: true,
        schema: Some(CustomResourceValidation { open_api_v3_schema: Some(schema()?) }),
        subresources: Some(CustomResourceSubresources {
            status: Some(CustomResourceSubresourceStatus(json!({}))),
            scale: None,
        }),
        additional_printer_columns: Some(columns.into()),
        ..CustomResourceDefinitionVersion::default()
    })
}

fn schema() -> Result<JSONSchemaProps, serde_json::Error> {
    serde_json::from_value(json!({
        "type": "object",
        "description": "How the shards of one Kinesis data stream are matched to its load.",
        "required": ["spec"],
        "properties": {
            "spec": part::<KinesisStreamAutoscalerSpec>(),
            "status": part::<Status>(),
        },
    }))
}

/// The schema of one part, as Kubernetes wants it: in one piece, types without alternatives.
fn part<T: JsonSchema>() -> schemars::Schema {
    let settings = schemars::generate::SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
        settings.transforms = vec![Box::new(structural::Structural)];
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("title");
    schema
}
