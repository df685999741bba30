//! What the watches have told: the resources of the cluster, and what each namespace allows. Every
//! resource is here, those too that this operator does not act on: they lay claim to streams.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::runtime::watcher::Event;

use super::access::{Access, Grants};
use super::object::{APPROVE, Autoscaler, Key, RECONCILE_AT};
use super::selector::LabelSelector;
use crate::policy::ScalingPolicy;
use crate::policy::claim::Claim;
use crate::resource::FieldError;

/// What the watches have told.
#[derive(Debug, Default)]
pub struct Registry {
    selector: LabelSelector,
    /// In a cluster with one tenant namespaces are not watched: everything is allowed.
    one_tenant: bool,
    resources: Listing<Key, Entry>,
    namespaces: Listing<String, Arc<Grants>>,
    /// The resources that name a stream of this name.
    by_stream: BTreeMap<String, BTreeSet<Key>>,
}

/// What a pass over a resource starts from.
#[derive(Debug, Clone)]
pub struct View {
    /// The resource.
    pub object: Arc<Autoscaler>,
    /// The policy that its spec asks for.
    pub policy: Arc<Result<ScalingPolicy, Vec<FieldError>>>,
    /// What its namespace allows; `None` while the namespace has not been seen.
    pub grants: Option<Arc<Grants>>,
    /// The other resources that lay claim to its stream.
    pub rivals: Vec<Key>,
}

/// A change that calls for a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The resource is new or has another spec: what is under way for it is out of date.
    Edited(Key),
    /// Something else about it has changed, or about what surrounds it.
    Nudged(Key),
    /// It is gone, or no longer this operator's.
    Gone(Key),
}

#[derive(Debug)]
struct Entry {
    object: Arc<Autoscaler>,
    policy: Arc<Result<ScalingPolicy, Vec<FieldError>>>,
    /// The stream as the spec names it.
    named: Option<Claim>,
    /// The stream as far as it is known.
    claim: Option<Claim>,
}

/// What a watch has listed, and what it is about to list anew.
#[derive(Debug)]
struct Listing<K, V> {
    known: BTreeMap<K, V>,
    /// Those that have not been seen again yet, while the watch lists.
    unseen: Option<BTreeSet<K>>,
    synced: bool,
}

impl<K, V> Default for Listing<K, V> {
    fn default() -> Self {
        Listing { known: BTreeMap::new(), unseen: None, synced: false }
    }
}

impl<K: Ord + Clone, V> Listing<K, V> {
    fn begin(&mut self) {
        self.unseen = Some(self.known.keys().cloned().collect());
    }

    fn see(&mut self, key: &K) {
        if let Some(unseen) = &mut self.unseen {
            unseen.remove(key);
        }
    }

    /// Those that are there no more.
    fn end(&mut self) -> BTreeSet<K> {
        self.synced = true;
        self.unseen.take().unwrap_or_default()
    }
}

impl Registry {
    /// An empty registry of an operator that acts on what `selector` selects.
    pub fn new(selector: LabelSelector, one_tenant: bool) -> Registry {
        Registry { selector, one_tenant, ..Registry::default() }
    }

    /// Whether everything has been listed once.
    pub fn is_synced(&self) -> bool {
        self.resources.synced && (self.one_tenant || self.namespaces.synced)
    }

    /// The resources that this operator acts on.
    pub fn own(&self) -> impl Iterator<Item = (&Key, &Autoscaler)> {
        let all = self.resources.known.iter().map(|(key, entry)| (key, &*entry.object));
        all.filter(|(_, object)| self.is_own(object))
    }

    /// What a pass over `key` starts from; `None` where it is not there or not this operator's.
    pub fn view(&self, key: &Key) -> Option<View> {
        let entry = self.resources.known.get(key).filter(|entry| self.is_own(&entry.object))?;
        let rivals = entry.claim.as_ref().map(|claim| self.rivals(key, claim)).unwrap_or_default();
        Some(View {
            object: Arc::clone(&entry.object),
            policy: Arc::clone(&entry.policy),
            grants: self.grants(&key.namespace),
            rivals,
        })
    }

    /// Takes in what AWS has said of the stream of `key`. Whoever lays claim to the same one then
    /// is to look again.
    pub fn resolve(&mut self, key: &Key, claim: Claim) -> Vec<Change> {
        let Some(entry) = self.resources.known.get_mut(key) else { return Vec::new() };
        if entry.claim.as_ref() == Some(&claim) {
            return Vec::new();
        }
        entry.claim = Some(claim);
        self.neighbours(key)
    }

    /// Takes in an event of the watch of resources.
    pub fn resource(&mut self, event: Event<Autoscaler>) -> Vec<Change> {
        match event {
            Event::Init => self.resources.begin(),
            Event::InitApply(object) | Event::Apply(object) => return self.put(object),
            Event::Delete(object) => return self.remove(&object.key()),
            Event::InitDone => {
                let gone = self.resources.end();
                return gone.iter().flat_map(|key| self.remove(key)).collect();
            }
        }
        Vec::new()
    }

    /// Takes in an event of the watch of namespaces.
    pub fn namespace(&mut self, event: Event<Namespace>) -> Vec<Change> {
        match event {
            Event::Init => self.namespaces.begin(),
            Event::InitApply(namespace) | Event::Apply(namespace) => {
                let name = namespace.metadata.name.unwrap_or_default();
                let grants = Grants::read(namespace.metadata.annotations.as_ref());
                self.namespaces.see(&name);
                if self.namespaces.known.get(&name).is_none_or(|known| **known != grants) {
                    self.namespaces.known.insert(name.clone(), Arc::new(grants));
                    return self.in_namespace(&name);
                }
            }
            Event::Delete(namespace) => {
                self.namespaces.known.remove(&namespace.metadata.name.unwrap_or_default());
            }
            Event::InitDone => {
                for name in self.namespaces.end() {
                    self.namespaces.known.remove(&name);
                }
            }
        }
        Vec::new()
    }

    fn is_own(&self, object: &Autoscaler) -> bool {
        object.metadata.deletion_timestamp.is_none() && self.selector.selects(object.metadata.labels.as_ref())
    }

    fn grants(&self, namespace: &str) -> Option<Arc<Grants>> {
        if self.one_tenant {
            return Some(Arc::new(Grants::everything()));
        }
        self.namespaces.known.get(namespace).cloned()
    }

    fn put(&mut self, mut object: Autoscaler) -> Vec<Change> {
        // Nobody here reads them, and they are half of an object.
        object.metadata.managed_fields = None;
        let key = object.key();
        self.resources.see(&key);
        let old = self.resources.known.remove(&key);
        let same_spec = old.as_ref().is_some_and(|old| is_same_spec(&old.object, &object));
        let (was_own, is_own) =
            (old.as_ref().is_some_and(|old| self.is_own(&old.object)), self.is_own(&object));
        let nudged = old.as_ref().is_none_or(|old| asks(&old.object) != asks(&object));
        let same_told = old.as_ref().is_some_and(|old| told_arn(&old.object) == told_arn(&object));
        let (policy, named, claim) = match old {
            Some(Entry { policy, named, claim, .. }) if same_spec => (policy, named, claim),
            old => {
                let policy = object.policy();
                let named = policy.as_ref().ok().map(Claim::of);
                // What AWS has said of a stream holds while it is named alike.
                let known = old.filter(|old| old.named == named).and_then(|old| old.claim);
                let claim = known.or_else(|| named.clone());
                (Arc::new(policy), named, claim)
            }
        };
        let mut changes = Vec::new();
        if !same_spec {
            // Those beside the stream that it named, and those beside the one that it names now.
            changes.extend(self.forget_claim(&key));
            if let Some(claim) = &claim {
                self.by_stream.entry(claim.name.clone()).or_default().insert(key.clone());
            }
        }
        self.resources.known.insert(key.clone(), Entry { object: Arc::new(object), policy, named, claim });
        if !same_spec || (!is_own && !same_told) {
            changes.extend(self.neighbours(&key));
        }
        match (was_own, is_own) {
            (true, false) => changes.push(Change::Gone(key)),
            (false, true) => changes.push(Change::Edited(key)),
            (true, true) if !same_spec => changes.push(Change::Edited(key)),
            (true, true) if nudged => changes.push(Change::Nudged(key)),
            _ => {}
        }
        changes
    }

    fn remove(&mut self, key: &Key) -> Vec<Change> {
        let mut changes = self.forget_claim(key);
        if self.resources.known.remove(key).is_some() {
            changes.push(Change::Gone(key.clone()));
        }
        changes
    }

    /// Takes the resource out of those that name its stream; the others of them are to look again.
    fn forget_claim(&mut self, key: &Key) -> Vec<Change> {
        let mut changes = Vec::new();
        self.by_stream.retain(|_, keys| {
            if keys.remove(key) {
                changes.extend(keys.iter().cloned().map(Change::Nudged));
            }
            !keys.is_empty()
        });
        changes
    }

    /// Those that name a stream of the same name.
    fn neighbours(&self, key: &Key) -> Vec<Change> {
        let claim = self.resources.known.get(key).and_then(|entry| entry.claim.as_ref());
        let keys = claim.and_then(|claim| self.by_stream.get(&claim.name)).into_iter().flatten();
        keys.filter(|other| *other != key).cloned().map(Change::Nudged).collect()
    }

    fn in_namespace(&self, name: &str) -> Vec<Change> {
        let within = self.resources.known.keys().filter(|key| &*key.namespace == name);
        // What somebody beside may touch decides whether it is a rival.
        within.flat_map(|key| [vec![Change::Nudged(key.clone())], self.neighbours(key)].concat()).collect()
    }

    /// The others that lay claim to the stream, and may.
    fn rivals(&self, key: &Key, claim: &Claim) -> Vec<Key> {
        let named = self.by_stream.get(&claim.name).into_iter().flatten().filter(|other| *other != key);
        named.filter(|other| self.may_claim(other, claim)).cloned().collect()
    }

    /// Whether the resource `key` lays claim to the stream of `claim`, and may. Who may not touch a
    /// stream cannot stop those who may.
    ///
    /// Those that this operator acts on find out themselves which stream they are about, and take no
    /// step before. Of the others it is not known what AWS has told their operator: where their
    /// status does not say it either, a stream that may be the same counts as the same.
    fn may_claim(&self, key: &Key, claim: &Claim) -> bool {
        let Some(entry) = self.resources.known.get(key) else { return false };
        let Entry { object, policy, claim: Some(own), .. } = entry else { return false };
        let Ok(policy) = &**policy else { return false };
        let is_same = match (self.is_own(object), entry.told()) {
            (true, _) => own.is_same(claim),
            (false, Some(told)) => told.is_same(claim),
            (false, None) => own.may_be(claim),
        };
        let grants = self.grants(&key.namespace);
        is_same
            && object.metadata.deletion_timestamp.is_none()
            && grants.is_some_and(|grants| grants.check(claim, policy.role_arn.as_deref()) == Access::Granted)
    }
}

impl Entry {
    /// The stream as the status says it was, where that can be what the spec names.
    fn told(&self) -> Option<Claim> {
        let told = Claim::from_arn(told_arn(&self.object)?)?;
        self.named.as_ref().is_some_and(|named| named.may_be(&told)).then_some(told)
    }
}

/// The ARN of the stream as the status says it was.
fn told_arn(object: &Autoscaler) -> Option<&str> {
    object.status.get("stream")?.get("arn")?.as_str()
}

fn is_same_spec(old: &Autoscaler, new: &Autoscaler) -> bool {
    old.metadata.uid == new.metadata.uid && old.generation() == new.generation() && old.spec == new.spec
}

/// What people ask of the operator beside the spec.
fn asks(object: &Autoscaler) -> [Option<&str>; 2] {
    [object.annotation(APPROVE), object.annotation(RECONCILE_AT)]
}

#[cfg(test)]
mod tests;
