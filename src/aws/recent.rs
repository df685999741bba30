//! What was used lately: a map that forgets what was not, so that it stays small however many
//! plans, namespaces and regions come and go.

use std::collections::HashMap;
use std::hash::Hash;

/// A map of at most so many entries; those go that have not been asked for longest.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    most: usize,
    asked: u64,
    entries: HashMap<K, (u64, V)>,
}

impl<K: Hash + Eq + Clone, V: Clone> Recent<K, V> {
    /// An empty map of at most `most` entries, one at least.
    pub(super) fn new(most: usize) -> Self {
        Recent { most: most.max(1), asked: 0, entries: HashMap::new() }
    }

    /// The entry of `key`, made where there is none.
    pub(super) fn get_or_insert(&mut self, key: &K, make: impl FnOnce() -> V) -> V {
        self.asked += 1;
        if let Some((asked, value)) = self.entries.get_mut(key) {
            *asked = self.asked;
            return value.clone();
        }
        if self.entries.len() >= self.most {
            let oldest = self.entries.iter().min_by_key(|(_, (asked, _))| *asked);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.entries.remove(&oldest);
            }
        }
        let value = make();
        self.entries.insert(key.clone(), (self.asked, value.clone()));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_longest_goes_first() {
        let mut made = Vec::new();
        let mut recent = Recent::new(2);
        for key in ["a", "b", "a", "c", "a", "b"] {
            assert_eq!(
                recent.get_or_insert(&key, || {
                    made.push(key);
                    key.to_owned()
                }),
                key
            );
            assert!(recent.entries.len() <= 2);
        }
        assert_eq!(made, ["a", "b", "c", "b"], "b went for c, a was asked for meanwhile");
    }
}
