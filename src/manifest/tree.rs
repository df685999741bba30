//! A YAML document as a tree of JSON values, which is all that Kubernetes' objects are.
//!
//! Aliases are expanded within a budget: a few lines of YAML can otherwise stand for gigabytes.

use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What one value costs beside its text, about its size in memory.
const VALUE_BYTES: usize = 16;

/// What the trees of one file may still take. A file of 1 MiB without aliases takes half at most.
pub(super) struct Budget(Cell<usize>);

impl Default for Budget {
    fn default() -> Budget {
        Budget(Cell::new(20 << 20))
    }
}

impl Budget {
    /// Reads one document. A key without a value is a key left out, as in Kubernetes; `<<` merges.
    pub(super) fn read<'de, D: Deserializer<'de>>(&self, document: D) -> Result<Value, D::Error> {
        Tree(self).deserialize(document)
    }

    fn spend<E: de::Error>(&self, text_bytes: usize) -> Result<(), E> {
        let rest = self.0.get().checked_sub(VALUE_BYTES + text_bytes);
        self.0.set(rest.ok_or_else(|| E::custom("its aliases make it too large"))?);
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Tree<'a>(&'a Budget);

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a YAML tag")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(Value::from(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(Value::from(value))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Value, E> {
        Err(E::custom(format_args!("no field takes so large a number as {value}")))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Value, E> {
        Err(E::custom(format_args!("no field takes so large a number as {value}")))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        self.0.spend(0)?;
        let number = serde_json::Number::from_f64(value);
        number.map(Value::Number).ok_or_else(|| E::custom("neither .inf nor .nan is a number here"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.0.spend(text.len())?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.0.spend(0)?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.0.spend(0)?;
        let mut map = Map::new();
        let mut merged = Vec::new();
        while let Some(key) = entries.next_key_seed(self)? {
            let key = match key {
                Value::String(key) => key,
                Value::Bool(_) | Value::Number(_) => key.to_string(),
                _ => return Err(de::Error::custom("a key must be text")),
            };
            let value = entries.next_value_seed(self)?;
            match (key.as_str(), value) {
                ("<<", Value::Object(base)) => merged.push(base),
                ("<<", Value::Array(bases)) => {
                    for base in bases {
                        let Value::Object(base) = base else { return Err(bad_merge()) };
                        merged.push(base);
                    }
                }
                ("<<", _) => return Err(bad_merge()),
                (_, value) => {
                    if map.contains_key(&key) {
                        return Err(de::Error::custom(format_args!("the key `{key}` is given twice")));
                    }
                    map.insert(key, value);
                }
            }
        }
        for (key, value) in merged.into_iter().flatten() {
            map.entry(key).or_insert(value);
        }
        map.retain(|_, value| !value.is_null());
        Ok(Value::Object(map))
    }
}

fn bad_merge<E: de::Error>() -> E {
    E::custom("`<<` takes a mapping or a list of mappings")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Value, serde_yaml::Error> {
        Budget::default().read(serde_yaml::Deserializer::from_str(yaml))
    }

    #[test]
    fn merges_chain_and_what_is_written_wins() {
        let yaml = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2, z: 2}\nc: {<<: *b, z: 3}\nd: {<<: [*a, *b]}";
        let tree = read(yaml).expect("good");
        assert_eq!(tree["c"], serde_json::json!({"x": 1, "y": 2, "z": 3}));
        assert_eq!(tree["d"], serde_json::json!({"x": 1, "y": 1, "z": 2}));
    }

    #[test]
    fn a_key_without_a_value_is_left_out() {
        assert_eq!(read("a:\nb: ~\nc: null\nd: 0").expect("good"), serde_json::json!({"d": 0}));
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        assert!(read("a: 1\na: 2").expect_err("twice").to_string().contains("`a` is given twice"));
    }

    #[test]
    fn aliases_cannot_make_a_small_file_large() {
        // Each stands for about 50 MB; the same lengths within 1 MiB could stand for thousands times more.
        let long_text = format!("a: &a {}\nb: [{}]", "x".repeat(500_000), "*a,".repeat(100));
        let wide_list = format!("a: &a [{}]\nb: [{}]", "0,".repeat(30_000), "*a,".repeat(100));
        let mut nested = "l0: &l0 [x]\n".to_owned();
        for level in 1..40 {
            let below = level - 1;
            nested.push_str(&format!("l{level}: &l{level} [{}]\n", format!("*l{below},").repeat(9)));
        }
        for bomb in [long_text, wide_list] {
            let error = read(&bomb).expect_err("too large").to_string();
            assert!(error.contains("aliases make it too large"), "{error}");
        }
        // serde_yaml's own limit on jumps ends this one.
        assert!(read(&nested).is_err());
        assert!(read("a: &a [*a]").is_err());
    }
}
