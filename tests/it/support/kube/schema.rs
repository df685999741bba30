//! What a custom resource definition's schema does to objects: unknown fields and stray nulls go,
//! defaults come, and values are checked, CEL rules among them. The rules of changed values alone
//! are asked, as the API server's ratcheting does.

use std::fmt;

use jsonschema::error::ValidationErrorKind as Kind;
use kube::core::cel::{CompiledSchema, Validator, compile_schema};
use serde_json::{Map, Value, json};

use super::fields::{self, Items};
use super::refusal::Cause;

/// What is said besides where rules were not asked.
const UNCHECKED: &str = "some validation rules were not checked because the object was invalid; correct the \
                         existing errors to complete validation";

/// A structural schema.
pub struct Schema {
    pub structure: Value,
    values: jsonschema::Validator,
    rules: CompiledSchema,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").field("structure", &self.structure).finish_non_exhaustive()
    }
}

impl Schema {
    pub fn new(structure: &Value) -> Result<Schema, String> {
        let values = jsonschema::draft4::options()
            .should_validate_formats(false)
            .build(&as_json_schema(structure))
            .map_err(|error| error.to_string())?;
        let rules = compile_schema(structure);
        if let Some(error) = rules.compilation_errors().first() {
            return Err(format!("a rule does not compile: {error}"));
        }
        Ok(Schema { structure: structure.clone(), values, rules })
    }

    /// The object as it is kept: without what the schema does not know, with its defaults.
    pub fn normal(&self, object: &Value) -> Value {
        let mut object = object.clone();
        let metadata = object.get("metadata").cloned();
        let own: Map<String, Value> = ["apiVersion", "kind", "metadata"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), object.get(*name)?.clone())))
            .collect();
        prune(&self.structure, &mut object);
        fill_in(&self.structure, &mut object);
        for (name, value) in own {
            object[&name] = value;
        }
        if let Some(metadata) = metadata {
            object["metadata"] = metadata;
        }
        object
    }

    /// What is wrong with the object. What was wrong before and is unchanged is borne.
    pub fn check(&self, object: &Value, old: Option<&Value>) -> Vec<Cause> {
        let unchanged = |pointer: &str| {
            let before = old.and_then(|old| old.pointer(pointer));
            before.is_some() && before == object.pointer(pointer)
        };
        let errors: Vec<_> = self
            .values
            .iter_errors(object)
            .filter(|error| !unchanged(error.instance_path().as_str()))
            .collect();
        let blocked = errors.iter().any(|error| {
            matches!(
                error.kind(),
                Kind::Type { .. }
                    | Kind::Required { .. }
                    | Kind::Enum { .. }
                    | Kind::MaxLength { .. }
                    | Kind::MaxItems { .. }
            )
        });
        let mut causes: Vec<Cause> = errors
            .iter()
            .map(|error| {
                let at = error.instance_path().as_str();
                let field = match error.kind() {
                    Kind::Required { property } => {
                        dotted(&format!("{at}/{}", property.as_str().unwrap_or_default()))
                    }
                    _ => dotted(at),
                };
                Cause { field, reason: "FieldValueInvalid", message: format!("Invalid value: {error}") }
            })
            .collect();
        causes.extend(duplicates(Some(&self.structure), object, &mut Vec::new()));
        if blocked {
            causes.push(Cause {
                field: "<nil>".to_owned(),
                reason: "FieldValueInvalid",
                message: format!("Invalid value: null: {UNCHECKED}"),
            });
        } else if let Err(errors) = Validator::new().validate_compiled(&self.rules, object, old) {
            let changed = errors.into_vec().into_iter().filter(|error| {
                let pointer = format!("/{}", error.field_path.replace(['.', '['], "/").replace(']', ""));
                let pointer = if error.field_path.is_empty() { "" } else { &pointer };
                error.rule.contains("oldSelf") || !unchanged(pointer)
            });
            causes.extend(changed.map(|error| Cause {
                field: error.field_path.clone(),
                reason: "FieldValueInvalid",
                message: format!("Invalid value: {}", error.message),
            }));
        }
        causes
    }
}

/// The same in the words of JSON Schema.
fn as_json_schema(schema: &Value) -> Value {
    let Some(fields) = schema.as_object() else { return schema.clone() };
    let mut out: Map<String, Value> = fields
        .iter()
        .filter(|(name, _)| !name.starts_with("x-kubernetes-") && *name != "nullable" && *name != "format")
        .map(|(name, value)| {
            let value = match (&**name, value) {
                ("properties", Value::Object(fields)) => {
                    fields.iter().map(|(name, schema)| (name.clone(), as_json_schema(schema))).collect()
                }
                ("items" | "additionalProperties" | "not", schema) => as_json_schema(schema),
                ("allOf" | "anyOf" | "oneOf", Value::Array(list)) => {
                    list.iter().map(as_json_schema).collect()
                }
                _ => value.clone(),
            };
            (name.clone(), value)
        })
        .collect();
    if schema["nullable"] == true {
        if let Some(kind) = out.get_mut("type") {
            *kind = json!([kind.take(), "null"]);
        }
        if let Some(allowed) = out.get_mut("enum").and_then(Value::as_array_mut) {
            allowed.push(Value::Null);
        }
    }
    if schema["x-kubernetes-int-or-string"] == true {
        out.insert("type".to_owned(), json!(["integer", "string"]));
    }
    Value::Object(out)
}

/// Takes out what the schema does not know, and nulls where there may be none.
fn prune(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let known = schema["properties"].as_object();
            let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
            let others = schema.get("additionalProperties").filter(|others| !others.is_boolean());
            fields.retain(|name, value| {
                let of = known.and_then(|known| known.get(name)).or(others);
                let null = value.is_null() && of.is_some_and(|of| of["nullable"] != true);
                !null && (of.is_some() || open || schema["additionalProperties"] == true)
            });
            for (name, value) in fields {
                if let Some(of) = known.and_then(|known| known.get(name)).or(others) {
                    prune(of, value);
                }
            }
        }
        Value::Array(list) => {
            list.iter_mut().for_each(|item| prune(&schema["items"], item));
        }
        _ => {}
    }
}

/// Sets defaults, and the defaults within them: kube's own `apply_defaults` leaves out the latter.
fn fill_in(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, of) in schema["properties"].as_object().into_iter().flatten() {
                if let (Some(default), None) = (of.get("default"), fields.get(name)) {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in fields {
                if let Some(of) = fields::child(Some(schema), name).0 {
                    fill_in(of, value);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|item| fill_in(&schema["items"], item)),
        _ => {}
    }
}

/// Items of keyed lists and sets that are there twice.
fn duplicates(schema: Option<&Value>, value: &Value, path: &mut Vec<String>) -> Vec<Cause> {
    let mut found = Vec::new();
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                path.push(name.clone());
                found.extend(duplicates(fields::child(schema, name).0, value, path));
                path.pop();
            }
        }
        Value::Array(list) => {
            let kind = fields::items(schema);
            let words: Vec<String> = list.iter().map(|item| fields::item_word(&kind, item)).collect();
            for (at, item) in list.iter().enumerate() {
                path.push(format!("[{at}]"));
                if kind != Items::Atomic && words[..at].contains(&words[at]) {
                    found.push(Cause {
                        field: path.join(".").replace(".[", "["),
                        reason: "FieldValueDuplicate",
                        message: format!("Duplicate value: {}", &words[at][2..]),
                    });
                }
                found.extend(duplicates(schema.and_then(|schema| schema.get("items")), item, path));
                path.pop();
            }
        }
        _ => {}
    }
    found
}

/// `/spec/consumers/0/name` as `spec.consumers[0].name`.
fn dotted(pointer: &str) -> String {
    let mut out = String::new();
    for part in pointer.split('/').skip(1) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty() {
            out.push_str(&format!("[{part}]"));
        } else {
            let dot = if out.is_empty() { "" } else { "." };
            out.push_str(&format!("{dot}{}", part.replace("~1", "/").replace("~0", "~")));
        }
    }
    if out.is_empty() { "<nil>".to_owned() } else { out }
}
