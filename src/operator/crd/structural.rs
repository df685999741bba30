//! From JSON Schema as types give it to what Kubernetes calls structural: one type for each value,
//! no alternatives, nothing that the API server does not know.

use schemars::Schema;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Value, json};

/// Makes a schema structural, whatever is inside it first.
///
/// - What may be left out may not be null: the API server takes a null for a field left out.
/// - A choice among words is an `enum`.
/// - Unknown fields are the API server's affair, which drops or refuses them as the client asks.
/// - A list that says nothing else is written as a whole.
/// - Unsigned formats are none in OpenAPI; their least value stays.
#[derive(Debug, Clone, Copy)]
pub(super) struct Structural;

impl Transform for Structural {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        without_null(schema);
        words_as_enum(schema);
        if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
            schema.remove("additionalProperties");
        }
        if schema.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
            schema.remove("format");
        }
        if schema.get("type").and_then(Value::as_str) == Some("array") {
            let list_type = schema.ensure_object().entry("x-kubernetes-list-type");
            list_type.or_insert_with(|| json!("atomic"));
        }
        if let Some(Value::String(description)) = schema.get_mut("description") {
            // Lines end where the source's do.
            *description = description.split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
        }
    }
}

/// The schema without the word that it may be null.
fn without_null(schema: &mut Schema) {
    let null = json!("null");
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| *one != null);
        if let [one] = &types[..] {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
    }
    let Some(Value::Array(choices)) = schema.get("anyOf") else { return };
    let mut choices: Vec<Value> =
        choices.iter().filter(|choice| choice.get("type") != Some(&null)).cloned().collect();
    let sole = choices.pop().filter(|_| choices.is_empty());
    if let Some(Value::Object(sole)) = sole {
        schema.remove("anyOf");
        for (key, value) in sole {
            schema.ensure_object().entry(key).or_insert(value);
        }
    }
}

/// A choice among words, each of which had its own description.
fn words_as_enum(schema: &mut Schema) {
    let Some(Value::Array(choices)) = schema.get("oneOf") else { return };
    let words: Option<Vec<Value>> = choices.iter().map(|choice| choice.get("const").cloned()).collect();
    if let Some(words) = words {
        schema.remove("oneOf");
        schema.insert("type".to_owned(), json!("string"));
        schema.insert("enum".to_owned(), json!(words));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structural(schema: Value) -> Value {
        let mut schema = Schema::try_from(schema).expect("a schema");
        Structural.transform(&mut schema);
        schema.to_value()
    }

    #[test]
    fn what_may_be_null_may_be_left_out() {
        let text = json!({"type": "string", "description": "Its name,\nif any."});
        let word = json!({"type": "string", "enum": ["All", "None"]});
        let schema = json!({"type": "object", "properties": {
            "name": {"type": ["string", "null"], "description": "Its name,\nif any."},
            "allow": {"description": "What.", "anyOf": [word, {"type": "null"}]},
        }});
        let expected = json!({"type": "object", "properties": {
            "name": {"type": text["type"], "description": "Its name, if any."},
            "allow": {"description": "What.", "type": "string", "enum": ["All", "None"]},
        }});
        assert_eq!(structural(schema), expected);
    }

    #[test]
    fn words_with_descriptions_are_an_enum() {
        let one = |word: &str| json!({"const": word, "description": "One.", "type": "string"});
        let schema = json!({"oneOf": [one("DryRun"), one("Apply")], "description": "A mode."});
        let expected = json!({"type": "string", "enum": ["DryRun", "Apply"], "description": "A mode."});
        assert_eq!(structural(schema), expected);
    }

    #[test]
    fn lists_are_atomic_unless_they_say_otherwise_and_formats_are_those_of_openapi() {
        let schema = json!({"type": "array", "items": {
            "type": "object", "additionalProperties": false,
            "properties": {"n": {"type": "integer", "format": "uint32", "minimum": 0}},
        }});
        let expected = json!({"type": "array", "x-kubernetes-list-type": "atomic", "items": {
            "type": "object", "properties": {"n": {"type": "integer", "minimum": 0}},
        }});
        assert_eq!(structural(schema), expected);
        let keyed = json!({"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "string"}});
        assert_eq!(structural(keyed.clone()), keyed);
    }
}
