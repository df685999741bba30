//! Objects with their resource versions, and the history of what changed: watches and pages read it,
//! until it is compacted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::kinds::{self, Kind};
use super::refusal::Refusal;

/// So many changes are kept at most; the oldest are compacted away.
const MOST_HISTORY: usize = 20_000;

/// Where an object lies. Cluster-scoped ones have an empty namespace.
pub type Key = (String, String);

/// A change of an object.
#[derive(Debug, Clone)]
pub struct Change {
    pub version: u64,
    pub resource: String,
    pub key: Key,
    pub before: Option<Arc<Value>>,
    /// After it; for a deletion none.
    pub after: Option<Arc<Value>>,
}

/// All objects.
#[derive(Debug)]
pub struct Store {
    kinds: Vec<Arc<Kind>>,
    objects: BTreeMap<String, BTreeMap<Key, Arc<Value>>>,
    version: u64,
    /// Changes up to this one are forgotten.
    compacted: u64,
    history: VecDeque<Change>,
    uids: u64,
}

impl Store {
    pub fn new() -> Store {
        Store {
            kinds: kinds::built_in().into_iter().map(Arc::new).collect(),
            objects: BTreeMap::new(),
            version: 100,
            compacted: 100,
            history: VecDeque::new(),
            uids: 0,
        }
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn kind(&self, group: &str, version: &str, plural: &str) -> Result<Arc<Kind>, Refusal> {
        let found = self
            .kinds
            .iter()
            .find(|kind| kind.group == group && kind.version == version && kind.plural == plural);
        found.cloned().ok_or_else(Refusal::no_such_path)
    }

    /// Adds a kind, or what has become of it.
    pub fn define(&mut self, kind: Kind) {
        self.kinds.retain(|known| known.group_resource() != kind.group_resource());
        self.kinds.push(Arc::new(kind));
    }

    pub fn undefine(&mut self, group_resource: &str) {
        self.kinds.retain(|known| known.group_resource() != group_resource);
        let keys: Vec<Key> = self.all(group_resource).keys().cloned().collect();
        for key in keys {
            self.commit(group_resource, &key, None);
        }
    }

    pub fn get(&self, resource: &str, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(resource)?.get(key)
    }

    pub fn all(&self, resource: &str) -> BTreeMap<Key, Arc<Value>> {
        self.objects.get(resource).cloned().unwrap_or_default()
    }

    /// What there was at a version that is still known.
    pub fn all_at(&self, resource: &str, version: u64) -> Result<BTreeMap<Key, Arc<Value>>, Refusal> {
        let mut objects = self.all(resource);
        for change in self.since(version)?.rev().filter(|change| change.resource == resource) {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), before.clone()),
                None => objects.remove(&change.key),
            };
        }
        Ok(objects)
    }

    /// The changes after a version, the oldest first.
    pub fn since(&self, version: u64) -> Result<impl DoubleEndedIterator<Item = &Change> + use<'_>, Refusal> {
        if version < self.compacted {
            let told = format!("too old resource version: {version} ({})", self.compacted);
            return Err(Refusal::expired(told));
        }
        let at = self.history.partition_point(|change| change.version <= version);
        Ok(self.history.range(at..))
    }

    /// Forgets all changes up to now.
    pub fn compact(&mut self) {
        self.compacted = self.version;
        self.history.clear();
    }

    /// Writes an object, or takes it away, under the next resource version.
    pub fn commit(&mut self, resource: &str, key: &Key, object: Option<Value>) -> Arc<Value> {
        self.version += 1;
        let version = self.version;
        let objects = self.objects.entry(resource.to_owned()).or_default();
        let numbered = |mut object: Value| {
            object["metadata"]["resourceVersion"] = version.to_string().into();
            Arc::new(object)
        };
        let before = objects.remove(key);
        let after = object.map(numbered);
        if let Some(after) = &after {
            objects.insert(key.clone(), after.clone());
        }
        let last = after.clone().or_else(|| before.as_deref().cloned().map(numbered));
        let change = Change { version, resource: resource.to_owned(), key: key.clone(), before, after };
        self.history.push_back(change);
        if self.history.len() > MOST_HISTORY {
            self.compacted = self.history.pop_front().map_or(self.compacted, |change| change.version);
        }
        last.expect("what is taken away was there")
    }

    /// A UID that no other object has.
    pub fn uid(&mut self) -> String {
        self.uids += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.uids)
    }
}

/// The object of a change as a watch tells it: a deleted one as it was last, under the version of
/// its deletion.
pub fn deleted(before: &Value, version: u64) -> Value {
    let mut object = before.clone();
    object["metadata"]["resourceVersion"] = version.to_string().into();
    object
}
