//! The kinds that the server in memory knows: a few built-in ones, decoded by their published types,
//! and what custom resource definitions add.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fields;
use super::refusal::Cause;
use super::schema::Schema;

/// A kind of objects and its rules.
#[derive(Debug)]
pub struct Kind {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub kind: String,
    pub namespaced: bool,
    /// Whether `status` is written by a way of its own.
    pub status: bool,
    /// Whether PUT makes what is not there.
    pub made_by_update: bool,
    /// Whether PUT needs no resourceVersion.
    pub unconditional_update: bool,
    pub form: Form,
    /// What is known about its fields, `metadata` included.
    pub fields: Value,
}

/// What objects of a kind look like.
#[derive(Debug)]
pub enum Form {
    /// Read into the published type and written again: unknown fields go.
    Typed { normal: fn(Value) -> Result<Value, String>, check: fn(&Value, Option<&Value>) -> Vec<Cause> },
    /// By the schema of its definition; it has a generation.
    Custom(Box<Schema>),
}

impl Kind {
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `leases.coordination.k8s.io`, as messages name it.
    pub fn group_resource(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }
}

/// The kinds that are there before any definition.
pub fn built_in() -> Vec<Kind> {
    let unchecked = |_: &Value, _: Option<&Value>| Vec::new();
    vec![
        Kind { namespaced: false, status: true, ..typed::<Namespace>("", "namespaces", unchecked) },
        typed::<ConfigMap>("", "configmaps", unchecked),
        typed::<ServiceAccount>("", "serviceaccounts", unchecked),
        Kind {
            made_by_update: true,
            unconditional_update: false,
            ..typed::<Lease>("coordination.k8s.io", "leases", lease)
        },
        Kind { made_by_update: true, ..typed::<Event>("events.k8s.io", "events", event) },
        Kind {
            namespaced: false,
            status: true,
            unconditional_update: false,
            ..typed::<CustomResourceDefinition>(
                "apiextensions.k8s.io",
                "customresourcedefinitions",
                unchecked,
            )
        },
    ]
}

/// The kind that a definition defines, by the first version that is served.
pub fn defined(definition: &Value) -> Result<Kind, String> {
    let text = |path: &str| {
        let found = definition.pointer(path).and_then(Value::as_str);
        found.map(str::to_owned).ok_or_else(|| format!("no {path}"))
    };
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array).ok_or("no versions")?;
    let version = versions.iter().find(|version| version["served"] == true).ok_or("none is served")?;
    let structure = &version["schema"]["openAPIV3Schema"];
    Ok(Kind {
        group: text("/spec/group")?,
        version: version["name"].as_str().ok_or("a version without a name")?.to_owned(),
        plural: text("/spec/names/plural")?,
        kind: text("/spec/names/kind")?,
        namespaced: text("/spec/scope")? == "Namespaced",
        status: version.pointer("/subresources/status").is_some(),
        made_by_update: false,
        unconditional_update: false,
        form: Form::Custom(Box::new(Schema::new(structure)?)),
        fields: fields::with_metadata(structure),
    })
}

fn typed<T: k8s_openapi::Resource + Serialize + DeserializeOwned>(
    group: &str,
    plural: &str,
    check: fn(&Value, Option<&Value>) -> Vec<Cause>,
) -> Kind {
    let normal = |value: Value| {
        let read: T = serde_json::from_value(value).map_err(|error| error.to_string())?;
        serde_json::to_value(read).map_err(|error| error.to_string())
    };
    Kind {
        group: group.to_owned(),
        version: T::VERSION.to_owned(),
        plural: plural.to_owned(),
        kind: T::KIND.to_owned(),
        namespaced: true,
        status: false,
        made_by_update: false,
        unconditional_update: true,
        form: Form::Typed { normal, check },
        fields: fields::with_metadata(&Value::Null),
    }
}

fn lease(lease: &Value, _: Option<&Value>) -> Vec<Cause> {
    let at_least = |field: &str, least: i64, message: &str| {
        let value = lease["spec"][field].as_i64().filter(|value| *value < least)?;
        Some(invalid(&format!("spec.{field}"), &format!("Invalid value: {value}: {message}")))
    };
    [
        at_least("leaseDurationSeconds", 1, "must be greater than 0"),
        at_least("leaseTransitions", 0, "must be greater than or equal to 0"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn event(event: &Value, old: Option<&Value>) -> Vec<Cause> {
    /// What never changes, with the names that the internal type gives it.
    const FIXED: [(&str, &str); 8] = [
        ("action", "action"),
        ("eventTime", "eventTime"),
        ("note", "message"),
        ("reason", "reason"),
        ("regarding", "involvedObject"),
        ("reportingController", "reportingController"),
        ("reportingInstance", "reportingInstance"),
        ("type", "type"),
    ];
    let mut causes = Vec::new();
    if event["series"]["count"].as_i64().is_some_and(|count| count < 2) {
        causes.push(invalid("series.count", "Invalid value: \"\": should be at least 2"));
    }
    if let Some(old) = old {
        let changed = FIXED.iter().filter(|(field, _)| event[field] != old[field]);
        causes.extend(changed.map(|(_, name)| invalid(name, "Invalid value: field is immutable")));
        return causes;
    }
    const LENGTHS: [(&str, usize); 4] =
        [("reason", 128), ("action", 128), ("reportingController", 316), ("reportingInstance", 128)];
    for (field, most) in LENGTHS {
        let length = event[field].as_str().map_or(0, str::len);
        if length == 0 || length > most {
            let message = format!("Invalid value: \"\": must have 1 to {most} characters");
            causes.push(invalid(field, &message));
        }
    }
    if event["note"].as_str().is_some_and(|note| note.len() > 1024) {
        causes.push(invalid("message", "Invalid value: \"\": can have at most 1024 characters"));
    }
    if !matches!(event["type"].as_str(), Some("Normal" | "Warning")) {
        causes.push(invalid("type", "Invalid value: \"\": has invalid value"));
    }
    if event["eventTime"].is_null() {
        let message = "Required value".to_owned();
        causes.push(Cause { field: "eventTime".to_owned(), reason: "FieldValueRequired", message });
    }
    let own = event["metadata"]["namespace"].as_str();
    if event["regarding"]["namespace"].is_null() && !matches!(own, Some("default" | "kube-system")) {
        causes.push(invalid("involvedObject.namespace", "Invalid value: does not match event.namespace"));
    }
    causes
}

fn invalid(field: &str, message: &str) -> Cause {
    Cause { field: field.to_owned(), reason: "FieldValueInvalid", message: message.to_owned() }
}
