//! Get and list: pages that all show one moment, and the versions that clients may ask for.

use serde_json::{Value, json};

use super::call::Call;
use super::kinds::{Form, Kind};
use super::refusal::Refusal;
use super::selector::Selector;
use super::store::{Key, Store};

/// One object.
pub fn get(store: &Store, kind: &Kind, call: &Call) -> Result<Value, Refusal> {
    if call.subresource.as_deref().is_some_and(|name| name != "status" || !kind.status) {
        return Err(Refusal::no_such_path());
    }
    version(store, call)?;
    let name = call.name.clone().unwrap_or_default();
    let key = (call.namespace.clone().unwrap_or_default(), name);
    let object = store.get(&kind.group_resource(), &key);
    let object = object.ok_or_else(|| Refusal::not_found(kind, &key.1))?;
    Ok(shown(call, object))
}

/// All objects, or a page of them.
pub fn list(store: &Store, kind: &Kind, call: &Call) -> Result<Value, Refusal> {
    let selector = Selector::of(call, kind)?;
    let resource = kind.group_resource();
    let limit = call.param("limit").and_then(|limit| limit.parse::<usize>().ok()).filter(|limit| *limit > 0);
    let wanted = version(store, call)?;
    let (at, after) = match call.param("continue") {
        Some(token) => continued(token)?,
        None => {
            let exact = match call.param("resourceVersionMatch") {
                Some("Exact") => true,
                Some(_) => false,
                None => limit.is_some(),
            };
            (if exact && wanted > 0 { wanted } else { store.version() }, None)
        }
    };
    let objects = store.all_at(&resource, at).map_err(|refusal| match after {
        None => refusal,
        Some(_) => Refusal::expired(
            "The provided continue parameter is too old to display a consistent list result.",
        ),
    })?;
    let mut found = objects.iter().filter(|(key, object)| {
        after.as_ref().is_none_or(|after| *key > after) && selector.fits(key, object)
    });
    let mut items = Vec::new();
    let mut last = None;
    for (key, object) in found.by_ref().take(limit.unwrap_or(usize::MAX)) {
        let mut item = shown(call, object);
        if let (Form::Typed { .. }, false) = (&kind.form, call.metadata_only) {
            // Items of built-in kinds do not say what they are: the list does.
            let item = item.as_object_mut().expect("an object");
            item.remove("apiVersion");
            item.remove("kind");
        }
        items.push(item);
        last = Some(key);
    }
    let mut metadata = json!({"resourceVersion": at.to_string()});
    let remaining = found.count();
    if let Some((namespace, name)) = last.filter(|_| remaining > 0) {
        metadata["continue"] = format!("{at}/{namespace}/{name}").into();
        metadata["remainingItemCount"] = remaining.into();
    }
    let (api_version, of) = if call.metadata_only {
        ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadata")
    } else {
        (kind.api_version(), &*kind.kind)
    };
    Ok(json!({"apiVersion": api_version, "kind": format!("{of}List"), "metadata": metadata, "items": items}))
}

/// The object, or its metadata alone where no more is asked for.
pub fn shown(call: &Call, object: &Value) -> Value {
    if !call.metadata_only {
        return object.clone();
    }
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object["metadata"],
    })
}

/// The version that is asked for; 0 for any. None is ahead of the server's.
pub fn version(store: &Store, call: &Call) -> Result<u64, Refusal> {
    let Some(text) = call.param("resourceVersion") else { return Ok(0) };
    let wanted = text.parse().map_err(|_| {
        Refusal::bad_request(format!("resourceVersion: Invalid value: \"{text}\": a number is wanted"))
    })?;
    if wanted > store.version() {
        return Err(Refusal::too_large_version(wanted, store.version()));
    }
    Ok(wanted)
}

fn continued(token: &str) -> Result<(u64, Option<Key>), Refusal> {
    let parts = || {
        let mut parts = token.splitn(3, '/');
        let version = parts.next()?.parse().ok()?;
        Some((version, Some((parts.next()?.to_owned(), parts.next()?.to_owned()))))
    };
    parts().ok_or_else(|| Refusal::bad_request("continue key is not valid"))
}
