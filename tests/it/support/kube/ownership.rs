//! Who owns which fields: `managedFields`, kept for every write, and server-side apply by it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::fields::{self, Items, Path};
use super::kinds::Kind;
use super::refusal::Refusal;

/// In whose name fields are written.
#[derive(Debug, Clone, PartialEq)]
pub struct Manager {
    pub name: String,
    pub applies: bool,
    pub subresource: Option<String>,
}

/// What one manager owns.
#[derive(Debug, Clone)]
struct Owner {
    manager: Manager,
    api_version: String,
    time: Value,
    fields: BTreeSet<Path>,
}

/// What an apply made of an object: the object, with its owners.
pub struct Applied {
    pub object: Value,
    owners: Vec<Owner>,
    changed: bool,
}

impl Applied {
    /// The object with its owners told, `now` being when, where something changed.
    pub fn told(self, now: &str) -> Value {
        let Applied { mut object, mut owners, changed } = self;
        if changed {
            owners.last_mut().expect("who applies owns").time = now.into();
        }
        tell(&mut object, owners);
        object
    }
}

/// Merges what `manager` wants into the object. What it wanted before and does not want any more
/// goes, unless somebody else owns it.
pub fn apply(
    kind: &Kind,
    live: &Value,
    wanted: &Value,
    manager: &Manager,
    force: bool,
) -> Result<Applied, Refusal> {
    let schema = &kind.fields;
    let mut owners = owners(live);
    let own = owners.iter().position(|owner| owner.manager == *manager).map(|at| owners.remove(at));
    let (time, before) = own.map_or((Value::Null, BTreeSet::new()), |own| (own.time, own.fields));
    let mut wanted = wanted.clone();
    reset(kind, manager, &mut wanted);
    let set: BTreeSet<Path> = fields::leaves(Some(schema), &wanted).into_keys().collect();
    let mut object = merge(Some(schema), Some(live), &wanted);
    let held: BTreeSet<&Path> = owners.iter().flat_map(|owner| &owner.fields).chain(&set).collect();
    for path in before.iter().filter(|path| !held.contains(path)) {
        // An item of which somebody owns a field stays.
        if !held.iter().any(|held| held.starts_with(path)) {
            fields::remove(&mut object, path);
        }
    }
    let change = Change::between(schema, live, &object);
    let conflicts: Vec<(&Owner, Vec<&Path>)> = owners
        .iter()
        .map(|owner| (owner, owner.fields.intersection(&change.written).collect()))
        .filter(|(_, paths): &(_, Vec<_>)| !paths.is_empty())
        .collect();
    if !force && !conflicts.is_empty() {
        return Err(conflict(&conflicts));
    }
    change.take_from(&mut owners, None);
    owners.push(Owner {
        manager: manager.clone(),
        api_version: kind.api_version(),
        time,
        fields: set.into_iter().filter(is_owned).collect(),
    });
    let changed = !change.written.is_empty() || !change.removed.is_empty();
    Ok(Applied { object, owners, changed })
}

/// Keeps account of a write that was no apply.
pub fn written(kind: &Kind, live: &Value, new: &mut Value, manager: &Manager, now: &str) {
    let schema = &kind.fields;
    let mut owners = owners(live);
    let change = Change::between(schema, live, new);
    change.take_from(&mut owners, Some(manager));
    let taken: BTreeSet<Path> = change.written.into_iter().filter(is_owned).collect();
    if !taken.is_empty() {
        match owners.iter_mut().find(|owner| owner.manager == *manager) {
            Some(own) => {
                own.fields.extend(taken);
                own.time = now.into();
            }
            None => owners.push(Owner {
                manager: manager.clone(),
                api_version: kind.api_version(),
                time: now.into(),
                fields: taken,
            }),
        }
    }
    tell(new, owners);
}

/// What differs between two states of an object.
struct Change {
    /// Changed or added.
    written: BTreeSet<Path>,
    removed: BTreeSet<Path>,
}

impl Change {
    fn between(schema: &Value, old: &Value, new: &Value) -> Change {
        let fields = |object: &Value| {
            let mut fields = fields::leaves(Some(schema), object);
            fields.remove(&["f:metadata".to_owned(), "f:managedFields".to_owned()][..]);
            fields
        };
        let (old, new): (BTreeMap<_, _>, BTreeMap<_, _>) = (fields(old), fields(new));
        let written = new.iter().filter(|(path, value)| old.get(*path) != Some(value));
        let removed = old.keys().filter(|path| !new.contains_key(*path));
        Change {
            written: written.map(|(path, _)| path.clone()).collect(),
            removed: removed.cloned().collect(),
        }
    }

    /// Nobody else owns any more what changed.
    fn take_from(&self, owners: &mut Vec<Owner>, writer: Option<&Manager>) {
        for owner in owners.iter_mut() {
            let keeps = writer == Some(&owner.manager);
            owner
                .fields
                .retain(|path| !self.removed.contains(path) && (keeps || !self.written.contains(path)));
        }
        owners.retain(|owner| !owner.fields.is_empty());
    }
}

fn conflict(conflicts: &[(&Owner, Vec<&Path>)]) -> Refusal {
    let mut causes = Vec::new();
    for (owner, paths) in conflicts {
        let Owner { manager: Manager { name, applies, subresource }, api_version, .. } = owner;
        let through = subresource.as_ref().map(|name| format!(" with subresource \"{name}\""));
        let by = if *applies { String::new() } else { format!(" using {api_version}") };
        let message = format!("conflict with \"{name}\"{}{by}", through.unwrap_or_default());
        for path in paths {
            causes.push(
                json!({"reason": "FieldManagerConflict", "message": message, "field": fields::display(path)}),
            );
        }
    }
    let told: Vec<String> = causes
        .iter()
        .map(|cause| format!("{}: {}", cause["message"].as_str().unwrap(), cause["field"].as_str().unwrap()))
        .collect();
    let (many, told) =
        if told.len() == 1 { ("conflict", told[0].clone()) } else { ("conflicts", told.join("\n")) };
    let message = format!("Apply failed with {} {many}: {told}", causes.len());
    let mut refusal = Refusal::new(409, "Conflict", message);
    refusal.details = json!({"causes": causes});
    refusal
}

/// What this way of writing never changes.
fn reset(kind: &Kind, manager: &Manager, wanted: &mut Value) {
    let Some(fields) = wanted.as_object_mut() else { return };
    if manager.subresource.as_deref() == Some("status") {
        fields.retain(|name, _| matches!(&**name, "apiVersion" | "kind" | "status"));
    } else if kind.status {
        fields.remove("status");
    }
}

/// Whether somebody can own it: what names an object, or is the server's own, nobody can.
fn is_owned(path: &Path) -> bool {
    const NOBODYS: [&str; 10] = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ];
    match &path.iter().map(|word| &word[2..]).collect::<Vec<_>>()[..] {
        ["apiVersion" | "kind" | "metadata"] => false,
        ["metadata", name, ..] => !NOBODYS.contains(name),
        _ => true,
    }
}

fn owners(object: &Value) -> Vec<Owner> {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    entries
        .into_iter()
        .flatten()
        .map(|entry| Owner {
            manager: Manager {
                name: text(&entry["manager"]),
                applies: entry["operation"] == "Apply",
                subresource: entry["subresource"].as_str().map(str::to_owned),
            },
            api_version: text(&entry["apiVersion"]),
            time: entry["time"].clone(),
            fields: fields::decode(&entry["fieldsV1"]),
        })
        .collect()
}

fn tell(object: &mut Value, owners: Vec<Owner>) {
    let entry = |owner: Owner| {
        let Owner { manager: Manager { name, applies, subresource }, api_version, time, fields } = owner;
        let mut entry = json!({
            "manager": name, "operation": if applies { "Apply" } else { "Update" }, "apiVersion": api_version,
            "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields::encode(&fields),
        });
        if let Some(subresource) = subresource {
            entry["subresource"] = subresource.into();
        }
        entry
    };
    let entries: Vec<Value> =
        owners.into_iter().filter(|owner| !owner.fields.is_empty()).map(entry).collect();
    object["metadata"]["managedFields"] = entries.into();
}

fn merge(schema: Option<&Value>, live: Option<&Value>, wanted: &Value) -> Value {
    match (live, wanted) {
        (live, Value::Object(wanted)) if !fields::is_atomic(schema) => {
            let mut merged: Map<String, Value> = live.and_then(Value::as_object).cloned().unwrap_or_default();
            for (name, value) in wanted {
                let of = fields::child(schema, name).0;
                let value = merge(of, merged.get(name), value);
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Some(Value::Array(live)), Value::Array(wanted)) if fields::items(schema) != Items::Atomic => {
            merge_items(schema, live, wanted).into()
        }
        _ => wanted.clone(),
    }
}

/// The order is that of the wanted items; the others keep their places among the live ones.
fn merge_items(schema: Option<&Value>, live: &[Value], wanted: &[Value]) -> Vec<Value> {
    let kind = fields::items(schema);
    let of = schema.and_then(|schema| schema.get("items"));
    let word = |item: &Value| fields::item_word(&kind, item);
    let wanted_words: BTreeSet<String> = wanted.iter().map(word).collect();
    let mut rest = wanted.iter();
    let merged_with_live = |item: &Value| {
        let live = live.iter().find(|live| word(live) == word(item));
        merge(of, live, item)
    };
    let mut merged = Vec::new();
    for item in live {
        if wanted_words.contains(&word(item)) {
            // One of ours stands here: it is the next of ours in our order.
            merged.extend(rest.next().map(merged_with_live));
        } else {
            merged.push(item.clone());
        }
    }
    merged.extend(rest.map(merged_with_live));
    merged
}
