//! The fields of an object as paths, in the words of `fieldsV1`: `f:name`, `k:{"type":"Ready"}`,
//! `v:"x"`. What is one field is said by the schema: atomic lists are, items of keyed lists are not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// A way from an object's root; the words are those of `fieldsV1`.
pub type Path = Vec<String>;

/// How a list is divided among its writers.
#[derive(Debug, Clone, PartialEq)]
pub enum Items {
    Atomic,
    Set,
    Keyed(Vec<String>),
}

/// A kind's schema with that of `metadata`, which definitions leave open.
pub fn with_metadata(schema: &Value) -> Value {
    let mut schema = if schema.is_object() { schema.clone() } else { json!({}) };
    if !schema["properties"].is_object() {
        schema["properties"] = json!({"spec": {}, "status": {}, "data": {"additionalProperties": {}}});
    }
    for name in ["apiVersion", "kind"] {
        schema["properties"][name] = json!({});
    }
    schema["properties"]["metadata"] = json!({"properties": {
        "managedFields": {},
        "labels": {"additionalProperties": {}},
        "annotations": {"additionalProperties": {}},
        "finalizers": {"x-kubernetes-list-type": "set", "items": {}},
        "ownerReferences": {
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
            "items": {"x-kubernetes-map-type": "atomic"},
        },
    }});
    schema
}

pub fn items(schema: Option<&Value>) -> Items {
    let of = |name| schema.and_then(|schema| schema.get(name));
    match of("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => Items::Set,
        Some("map") => {
            let keys = of("x-kubernetes-list-map-keys").and_then(Value::as_array);
            let mut keys: Vec<String> =
                keys.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
            keys.sort();
            Items::Keyed(keys)
        }
        _ => Items::Atomic,
    }
}

/// Whether a map is written whole.
pub fn is_atomic(schema: Option<&Value>) -> bool {
    schema.and_then(|schema| schema.get("x-kubernetes-map-type")).is_some_and(|kind| kind == "atomic")
}

/// The schema of a field, and whether it is one that the schema names.
pub fn child<'a>(schema: Option<&'a Value>, name: &str) -> (Option<&'a Value>, bool) {
    match schema.and_then(|schema| schema.get("properties")?.get(name)) {
        Some(named) => (Some(named), true),
        None => {
            (schema.and_then(|schema| schema.get("additionalProperties")).filter(|s| s.is_object()), false)
        }
    }
}

/// The word for an item of a list.
pub fn item_word(kind: &Items, item: &Value) -> String {
    match kind {
        Items::Keyed(keys) => {
            let of: Map<String, Value> = keys.iter().map(|key| (key.clone(), item[key].clone())).collect();
            format!("k:{}", Value::Object(of))
        }
        _ => format!("v:{item}"),
    }
}

/// The fields of a value with what they hold. Items of keyed lists, and keys that no schema names,
/// are members besides their own fields.
pub fn leaves(schema: Option<&Value>, value: &Value) -> BTreeMap<Path, Value> {
    let mut found = BTreeMap::new();
    walk(schema, value, &mut Vec::new(), &mut found);
    found
}

fn walk(schema: Option<&Value>, value: &Value, path: &mut Path, found: &mut BTreeMap<Path, Value>) {
    match value {
        Value::Object(fields) if !is_atomic(schema) => {
            for (name, value) in fields {
                path.push(format!("f:{name}"));
                let (of, named) = child(schema, name);
                walk(of, value, path, found);
                if value.is_null() || value.as_object().is_some_and(Map::is_empty) || !named {
                    found.entry(path.clone()).or_insert(Value::Null);
                }
                path.pop();
            }
        }
        Value::Array(list) if items(schema) != Items::Atomic => {
            let kind = items(schema);
            for item in list {
                path.push(item_word(&kind, item));
                walk(schema.and_then(|schema| schema.get("items")), item, path, found);
                found.entry(path.clone()).or_insert(Value::Null);
                path.pop();
            }
        }
        leaf => {
            found.insert(path.clone(), leaf.clone());
        }
    }
}

/// Takes out what lies at `path`; maps that are empty then go with it.
pub fn remove(value: &mut Value, path: &[String]) {
    let [word, rest @ ..] = path else { return };
    if let (Value::Object(fields), Some(name)) = (&mut *value, word.strip_prefix("f:")) {
        let Some(inner) = fields.get_mut(name) else { return };
        remove(inner, rest);
        let empty = match &*inner {
            Value::Object(fields) => fields.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        };
        if rest.is_empty() || empty {
            fields.remove(name);
        }
    } else if let Value::Array(list) = value {
        let keys: Option<Map<String, Value>> =
            word.strip_prefix("k:").and_then(|keys| serde_json::from_str(keys).ok());
        let is_it = |item: &Value| match &keys {
            Some(keys) => keys.iter().all(|(key, value)| &item[key] == value),
            None => word.strip_prefix("v:") == Some(&*item.to_string()),
        };
        if rest.is_empty() {
            list.retain(|item| !is_it(item));
        } else if let Some(item) = list.iter_mut().find(|item| is_it(item)) {
            remove(item, rest);
        }
    }
}

/// `fieldsV1` of a set of fields.
pub fn encode(set: &BTreeSet<Path>) -> Value {
    let mut root = Map::new();
    for path in set {
        let mut at = &mut root;
        for word in path {
            let inner = at.entry(word.clone()).or_insert_with(|| json!({}));
            at = inner.as_object_mut().expect("each word holds a map");
        }
        at.insert(".".to_owned(), json!({}));
    }
    // A member that holds nothing else is written as an empty map.
    fn tidy(map: &mut Map<String, Value>) {
        if map.len() == 1 {
            map.remove(".");
        }
        map.values_mut().filter_map(Value::as_object_mut).for_each(tidy);
    }
    tidy(&mut root);
    Value::Object(root)
}

/// The set of fields of a `fieldsV1`.
pub fn decode(fields: &Value) -> BTreeSet<Path> {
    fn walk(fields: &Value, path: &mut Path, found: &mut BTreeSet<Path>) {
        for (word, inner) in fields.as_object().into_iter().flatten() {
            if word == "." {
                found.insert(path.clone());
                continue;
            }
            path.push(word.clone());
            if inner.as_object().is_none_or(Map::is_empty) {
                found.insert(path.clone());
            }
            walk(inner, path, found);
            path.pop();
        }
    }
    let mut found = BTreeSet::new();
    walk(fields, &mut Vec::new(), &mut found);
    found
}

/// For people: `.status.conditions[type="Ready"].reason`.
pub fn display(path: &[String]) -> String {
    let word = |word: &String| match word.split_once(':') {
        Some(("f", name)) => format!(".{name}"),
        Some(("k", keys)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let told: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", told.join(","))
        }
        _ => format!("[={}]", &word[2..]),
    };
    path.iter().map(word).collect()
}
