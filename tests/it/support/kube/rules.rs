//! What the kinds' rules make of an object that is to be written, and whether it may be.

use serde_json::{Value, json};

use super::call::Call;
use super::kinds::{Form, Kind};
use super::refusal::{Cause, Refusal};

/// The new state as the kind's rules leave it: each way of writing has its part, and a generation
/// counts what is neither metadata nor status.
pub fn settled(kind: &Kind, call: &Call, live: &Value, object: &Value) -> Result<Value, Refusal> {
    const SERVERS_OWN: [&str; 6] = [
        "uid",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "resourceVersion",
    ];
    let mut object = object.clone();
    match call.subresource.as_deref() {
        Some("status") if kind.status => {
            let (status, owners) = (object["status"].take(), object["metadata"]["managedFields"].take());
            object = live.clone();
            object["metadata"]["managedFields"] = owners;
            object["status"] = status;
            if object["status"].is_null() {
                object.as_object_mut().expect("an object").remove("status");
            }
        }
        Some(_) => return Err(Refusal::no_such_path()),
        None if kind.status => match live.get("status") {
            Some(status) => object["status"] = status.clone(),
            None => drop(object.as_object_mut().expect("an object").remove("status")),
        },
        None => {}
    }
    for name in SERVERS_OWN {
        let metadata = object["metadata"].as_object_mut().expect("it has a name");
        match live["metadata"].get(name) {
            Some(value) => metadata.insert(name.to_owned(), value.clone()),
            None => metadata.remove(name),
        };
    }
    let mut object = normal(kind, &object)?;
    let rest = |object: &Value| {
        let mut object = object.clone();
        for own in ["metadata", "status"] {
            object.as_object_mut().expect("an object").remove(own);
        }
        object
    };
    if let (true, Some(generation)) = (rest(&object) != rest(live), live["metadata"]["generation"].as_i64()) {
        object["metadata"]["generation"] = (generation + 1).into();
    }
    Ok(object)
}

pub fn normal(kind: &Kind, object: &Value) -> Result<Value, Refusal> {
    match &kind.form {
        Form::Custom(schema) => Ok(schema.normal(object)),
        Form::Typed { normal, check: _ } => normal(object.clone()).map_err(|error| {
            let (kind, version) = (&kind.kind, &kind.version);
            Refusal::bad_request(format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: {error}"
            ))
        }),
    }
}

pub fn check(kind: &Kind, object: &Value, old: Option<&Value>) -> Result<(), Refusal> {
    let causes = match &kind.form {
        Form::Custom(schema) => schema.check(object, old),
        Form::Typed { normal: _, check } => check(object, old),
    };
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if causes.is_empty() { Ok(()) } else { Err(Refusal::invalid(kind, name, &causes)) }
}

pub fn check_type(kind: &Kind, object: &Value) -> Result<(), Refusal> {
    if !object.is_object() {
        return Err(Refusal::bad_request("the object provided is no object"));
    }
    let is = |name: &str, wanted: &str| object[name].as_str() == Some(wanted);
    if is("kind", &kind.kind) && is("apiVersion", &kind.api_version()) {
        return Ok(());
    }
    Err(Refusal::bad_request(format!(
        "the API version in the data ({}, {}) does not match the expected one ({}, {})",
        object["apiVersion"],
        object["kind"],
        kind.api_version(),
        kind.kind,
    )))
}

pub fn check_name(kind: &Kind, name: &str) -> Result<(), Refusal> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let sound = !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|part| {
            part.starts_with(letters)
                && part.ends_with(letters)
                && part.chars().all(|c| letters(c) || c == '-')
        });
    if sound {
        return Ok(());
    }
    let cause = Cause {
        field: "metadata.name".to_owned(),
        reason: "FieldValueInvalid",
        message: format!(
            "Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
        ),
    };
    Err(Refusal::invalid(kind, name, &[cause]))
}

pub fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty())
}

/// The object without when its owners wrote.
pub fn without_times(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(owners) = object["metadata"]["managedFields"].as_array_mut() {
        owners.iter_mut().for_each(|owner| owner["time"] = Value::Null);
    }
    object
}

/// RFC 7396.
pub fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let fields = target.as_object_mut().expect("it was made one");
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            merge_patch(fields.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
