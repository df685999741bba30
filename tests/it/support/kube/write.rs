//! Create, update, patch, apply and delete, with the rules that clients rely on: resource versions,
//! generations, the split between spec and status, and that a write of nothing new writes nothing.

use std::sync::Arc;

use serde_json::{Value, json};

use super::call::{Call, Verb};
use super::kinds::{self, Form, Kind};
use super::ownership::{self, Manager};
use super::refusal::{Cause, Refusal};
use super::rules::{
    check, check_name, check_type, has_finalizers, merge_patch, normal, settled, without_times,
};
use super::store::{Key, Store};

/// The state with which a write works.
pub struct Writer<'a> {
    pub store: &'a mut Store,
    /// Of the server: RFC 3339, whole seconds.
    pub now: String,
}

/// A reply: its code and its body.
pub type Written = Result<(u16, Arc<Value>), Refusal>;

impl Writer<'_> {
    pub fn write(&mut self, kind: &Arc<Kind>, call: &Call, body: &[u8]) -> Written {
        let json = |body: &[u8]| -> Result<Value, Refusal> {
            serde_json::from_slice(body).map_err(|error| {
                Refusal::bad_request(format!("the object provided is unrecognized: {error}"))
            })
        };
        match call.verb {
            Verb::Create => self.create(kind, call, json(body)?, Manager::of(call, false)),
            Verb::Update => self.update(kind, call, json(body)?),
            Verb::Patch => match &*call.content_type {
                "application/merge-patch+json" => self.merge(kind, call, &json(body)?),
                "application/apply-patch+yaml" => self.apply(kind, call, json(body)?),
                other => {
                    let message = format!("the body of the request was in an unknown format: {other}");
                    Err(Refusal::new(415, "UnsupportedMediaType", message))
                }
            },
            Verb::Delete if body.is_empty() => self.delete(kind, call, &json!({})),
            Verb::Delete => self.delete(kind, call, &json(body)?),
            verb => Err(Refusal::new(405, "MethodNotAllowed", format!("{verb} is not allowed here"))),
        }
    }

    fn create(&mut self, kind: &Arc<Kind>, call: &Call, mut object: Value, manager: Manager) -> Written {
        check_type(kind, &object)?;
        if call.subresource.is_some() {
            return Err(Refusal::no_such_path());
        }
        if !object["metadata"]["resourceVersion"].as_str().unwrap_or_default().is_empty() {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Refusal::new(500, "InternalError", message));
        }
        let uid = self.store.uid();
        if object["metadata"]["name"].as_str().unwrap_or_default().is_empty()
            && let Some(prefix) = object["metadata"]["generateName"].as_str()
        {
            object["metadata"]["name"] = format!("{prefix}{}", &uid[uid.len() - 5..]).into();
        }
        let key = self.key(kind, call, &mut object)?;
        check_name(kind, &key.1)?;
        self.check_namespace(kind, &key)?;
        if self.store.get(&kind.group_resource(), &key).is_some() {
            return Err(Refusal::already_exists(kind, &key.1));
        }
        let metadata = object["metadata"].as_object_mut().expect("it has a name");
        for server_own in ["managedFields", "deletionTimestamp", "generation", "selfLink"] {
            metadata.remove(server_own);
        }
        metadata.insert("uid".to_owned(), uid.into());
        metadata.insert("creationTimestamp".to_owned(), self.now.clone().into());
        if kind.status {
            object.as_object_mut().expect("an object").remove("status");
        }
        if manager.applies {
            // Who applies owns what it names, not what defaults add.
            object = ownership::apply(kind, &json!({}), &object, &manager, true)?.told(&self.now);
        }
        let mut object = normal(kind, &object)?;
        self.first_status(kind, &mut object)?;
        if !manager.applies {
            ownership::written(kind, &json!({}), &mut object, &manager, &self.now);
        }
        check(kind, &object, None)?;
        if matches!(kind.form, Form::Custom(_)) || kind.plural == "customresourcedefinitions" {
            object["metadata"]["generation"] = 1.into();
        }
        if call.param("dryRun").is_some() {
            return Ok((201, Arc::new(object)));
        }
        Ok((201, self.store.commit(&kind.group_resource(), &key, Some(object))))
    }

    fn update(&mut self, kind: &Arc<Kind>, call: &Call, mut object: Value) -> Written {
        check_type(kind, &object)?;
        let key = self.key(kind, call, &mut object)?;
        let Some(live) = self.store.get(&kind.group_resource(), &key).cloned() else {
            let fresh = object["metadata"]["resourceVersion"].as_str().unwrap_or_default().is_empty();
            if kind.made_by_update && fresh && call.subresource.is_none() {
                return self.create(kind, call, object, Manager::of(call, false));
            }
            return Err(Refusal::not_found(kind, &key.1));
        };
        self.replace(kind, call, &key, &live, object)
    }

    fn merge(&mut self, kind: &Arc<Kind>, call: &Call, patch: &Value) -> Written {
        let (key, live) = self.existing(kind, call)?;
        let mut object = (*live).clone();
        merge_patch(&mut object, patch);
        self.replace(kind, call, &key, &live, object)
    }

    /// The way of PUT and of a patch's result.
    fn replace(
        &mut self,
        kind: &Arc<Kind>,
        call: &Call,
        key: &Key,
        live: &Arc<Value>,
        object: Value,
    ) -> Written {
        self.check_preconditions(kind, &key.1, live, &object["metadata"], !kind.unconditional_update)?;
        let mut object = settled(kind, call, live, &object)?;
        ownership::written(kind, live, &mut object, &Manager::of(call, false), &self.now);
        self.finish(kind, call, key, live, object)
    }

    fn apply(&mut self, kind: &Arc<Kind>, call: &Call, mut wanted: Value) -> Written {
        check_type(kind, &wanted)?;
        let Some(name) = call.param("fieldManager") else {
            let message = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
            return Err(Refusal::new(422, "Invalid", message));
        };
        let manager = Manager { name: name.to_owned(), ..Manager::of(call, true) };
        let key = self.key(kind, call, &mut wanted)?;
        if !wanted["metadata"]["managedFields"].is_null() {
            return Err(Refusal::bad_request("metadata.managedFields must be nil"));
        }
        let Some(live) = self.store.get(&kind.group_resource(), &key).cloned() else {
            if call.subresource.is_some() {
                return Err(Refusal::not_found(kind, &key.1));
            }
            return self.create(kind, call, wanted, manager);
        };
        self.check_preconditions(kind, &key.1, &live, &wanted["metadata"], false)?;
        for own in ["resourceVersion", "uid"] {
            wanted["metadata"].as_object_mut().expect("it has a name").remove(own);
        }
        let applied = ownership::apply(kind, &live, &wanted, &manager, call.is("force"))?;
        let object = applied.told(&self.now);
        let object = settled(kind, call, &live, &object)?;
        self.finish(kind, call, &key, &live, object)
    }

    /// Checks and keeps what became of `live`; what is the same as before is not written.
    fn finish(
        &mut self,
        kind: &Arc<Kind>,
        call: &Call,
        key: &Key,
        live: &Value,
        mut object: Value,
    ) -> Written {
        check(kind, &object, Some(live))?;
        if kind.plural == "customresourcedefinitions" {
            self.first_status(kind, &mut object)?;
        }
        if without_times(&object) == without_times(live) {
            return Ok((200, Arc::new(live.clone())));
        }
        if call.param("dryRun").is_some() {
            return Ok((200, Arc::new(object)));
        }
        let resource = kind.group_resource();
        let gone = object["metadata"]["deletionTimestamp"].is_string() && !has_finalizers(&object);
        let object = self.store.commit(&resource, key, Some(object));
        if gone {
            self.store.commit(&resource, key, None);
        }
        Ok((200, object))
    }

    fn delete(&mut self, kind: &Arc<Kind>, call: &Call, options: &Value) -> Written {
        let (key, live) = self.existing(kind, call)?;
        self.check_preconditions(kind, &key.1, &live, &options["preconditions"], false)?;
        let resource = kind.group_resource();
        if has_finalizers(&live) || kind.plural == "namespaces" {
            if live["metadata"]["deletionTimestamp"].is_string() {
                return Ok((200, live));
            }
            let mut object = (*live).clone();
            object["metadata"]["deletionTimestamp"] = self.now.clone().into();
            object["metadata"]["deletionGracePeriodSeconds"] = 0.into();
            if kind.plural == "namespaces" {
                object["status"]["phase"] = "Terminating".into();
            }
            return Ok((200, self.store.commit(&resource, &key, Some(object))));
        }
        self.store.commit(&resource, &key, None);
        if kind.plural == "customresourcedefinitions" {
            self.store.undefine(&key.1);
        }
        let details = json!({
            "name": key.1, "group": kind.group, "kind": kind.plural, "uid": live["metadata"]["uid"],
        });
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
        });
        Ok((200, Arc::new(status)))
    }

    fn existing(&self, kind: &Kind, call: &Call) -> Result<(Key, Arc<Value>), Refusal> {
        let name = call.name.clone().unwrap_or_default();
        let key = (call.namespace.clone().unwrap_or_default(), name);
        let live = self.store.get(&kind.group_resource(), &key);
        let live = live.cloned().ok_or_else(|| Refusal::not_found(kind, &key.1))?;
        Ok((key, live))
    }

    /// Where the object of a body belongs; body and URL must not differ.
    fn key(&self, kind: &Kind, call: &Call, object: &mut Value) -> Result<Key, Refusal> {
        let told = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        let (name, namespace) = (told("name"), told("namespace"));
        let url_name = call.name.clone().unwrap_or_else(|| name.clone());
        if name != url_name && !(name.is_empty() && call.content_type.contains("apply")) {
            return Err(Refusal::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({url_name})"
            )));
        }
        let url_namespace = call.namespace.clone().unwrap_or_default();
        if !namespace.is_empty() && namespace != url_namespace {
            return Err(Refusal::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        object["metadata"]["name"] = url_name.clone().into();
        if kind.namespaced {
            object["metadata"]["namespace"] = url_namespace.clone().into();
        }
        Ok((url_namespace, url_name))
    }

    fn check_namespace(&self, kind: &Kind, (namespace, name): &Key) -> Result<(), Refusal> {
        if !kind.namespaced {
            return Ok(());
        }
        let home = self.store.get("namespaces", &(String::new(), namespace.clone()));
        let Some(home) = home else {
            let of = self.store.kind("", "v1", "namespaces")?;
            return Err(Refusal::not_found(&of, namespace));
        };
        if home["metadata"]["deletionTimestamp"].is_string() {
            let message = format!(
                "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
                kind.group_resource()
            );
            return Err(Refusal::new(403, "Forbidden", message));
        }
        Ok(())
    }

    fn check_preconditions(
        &self,
        kind: &Kind,
        name: &str,
        live: &Value,
        wanted: &Value,
        version_needed: bool,
    ) -> Result<(), Refusal> {
        let told = |name: &str| wanted[name].as_str().filter(|text| !text.is_empty());
        if let Some(uid) = told("uid").filter(|uid| live["metadata"]["uid"] != **uid) {
            let why = format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                live["metadata"]["uid"].as_str().unwrap_or_default()
            );
            return Err(Refusal::conflict(kind, name, &why));
        }
        match told("resourceVersion") {
            Some(version) if live["metadata"]["resourceVersion"] != *version => {
                Err(Refusal::outdated(kind, name))
            }
            None if version_needed => {
                let cause = Cause {
                    field: "metadata.resourceVersion".to_owned(),
                    reason: "FieldValueInvalid",
                    message: "Invalid value: 0: must be specified for an update".to_owned(),
                };
                Err(Refusal::invalid(kind, name, &[cause]))
            }
            _ => Ok(()),
        }
    }

    /// What the server and its controllers say of a new object.
    fn first_status(&mut self, kind: &Kind, object: &mut Value) -> Result<(), Refusal> {
        match &*kind.plural {
            "namespaces" => {
                let name = object["metadata"]["name"].clone();
                object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
                object["spec"]["finalizers"] = json!(["kubernetes"]);
                object["status"] = json!({"phase": "Active"});
            }
            "customresourcedefinitions" => {
                let defined = kinds::defined(object).map_err(Refusal::bad_request)?;
                let names = object["spec"]["names"].clone();
                let condition = |name: &str| json!({"type": name, "status": "True", "reason": "Accepted", "message": "", "lastTransitionTime": self.now});
                object["status"] = json!({
                    "acceptedNames": names, "storedVersions": [defined.version],
                    "conditions": [condition("NamesAccepted"), condition("Established")],
                });
                self.store.define(defined);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Manager {
    /// Who writes: as it says, or as it calls itself.
    fn of(call: &Call, applies: bool) -> Manager {
        let agent = call.agent.split('/').next().filter(|agent| !agent.is_empty()).unwrap_or("unknown");
        let name = call.param("fieldManager").unwrap_or(agent).to_owned();
        Manager { name, applies, subresource: call.subresource.clone() }
    }
}
