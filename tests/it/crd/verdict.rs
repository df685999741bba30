//! What an API server says of a resource, without one: defaults, then schema, keyed lists, and rules.

use kube::core::cel::{CompiledSchema, Validator, apply_defaults, compile_schema, estimate_rule_cost};
use serde_json::{Map, Value};

/// A schema, ready to judge.
pub struct Definition {
    schema: Value,
    values: jsonschema::Validator,
    rules: CompiledSchema,
    cel: Validator,
}

impl Definition {
    pub fn new(schema: &Value) -> Definition {
        // OpenAPI's formats are the API server's own.
        let values =
            jsonschema::draft4::options().should_validate_formats(false).build(&plain(schema)).unwrap();
        Definition { schema: schema.clone(), values, rules: compile_schema(schema), cel: Validator::new() }
    }

    /// The object as the API server keeps it.
    pub fn with_defaults(&self, object: &Value) -> Value {
        apply_defaults(&self.schema, object)
    }

    /// Everything that is wrong with `object`, which takes the place of `old`.
    pub fn faults(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let object = self.with_defaults(object);
        let mut faults: Vec<String> = self
            .values
            .iter_errors(&object)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        twins("", &self.schema, &object, &mut faults);
        // As there: the rules are asked about what has the right shape.
        if faults.is_empty() {
            let broken = self.cel.validate_compiled(&self.rules, &object, old).err();
            faults.extend(broken.into_iter().flatten().map(|error| error.to_string()));
        }
        faults
    }

    /// The rules that do not compile, or cost too much by a coarse estimate.
    pub fn rules_at_fault(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut nodes = vec![("".to_owned(), &self.schema)];
        let mut rules = 0;
        while let Some((path, node)) = nodes.pop() {
            let compiled = compile_schema(node);
            faults.extend(compiled.compilation_errors().iter().map(|error| format!("{path}: {error}")));
            for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
                rules += 1;
                let (rule, message) = (rule["rule"].as_str().unwrap(), rule["message"].as_str().unwrap());
                let warnings = estimate_rule_cost(rule, &compiled);
                faults.extend(warnings.iter().map(|warning| format!("{path}: {}", warning.message)));
                // The API server refuses a definition whose message has more than one line.
                assert!(!message.contains('\n') && message.len() <= 2_048, "{message}");
            }
            for (name, field) in node["properties"].as_object().into_iter().flatten() {
                nodes.push((format!("{path}.{name}"), field));
            }
            nodes.extend(node.get("items").map(|items| (format!("{path}[]"), items)));
        }
        assert!(rules > 15, "{rules} rules were looked at");
        faults
    }
}

/// The schema in the words of JSON Schema alone.
fn plain(schema: &Value) -> Value {
    let Some(keywords) = schema.as_object() else { return schema.clone() };
    let plain = |(name, value): (&String, &Value)| {
        let value = match (&**name, value) {
            ("properties", Value::Object(fields)) => {
                fields.iter().map(|(name, field)| (name.clone(), self::plain(field))).collect()
            }
            ("items", items) => self::plain(items),
            _ => value.clone(),
        };
        (!name.starts_with("x-kubernetes-")).then(|| (name.clone(), value))
    };
    Value::Object(keywords.iter().filter_map(plain).collect::<Map<String, Value>>())
}

/// Notes the items of keyed lists that agree in all keys.
fn twins(path: &str, schema: &Value, value: &Value, faults: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                twins(&format!("{path}/{name}"), &schema["properties"][name], value, faults);
            }
        }
        Value::Array(items) => {
            let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let same = |one: &Value, other: &Value| keys.iter().all(|key| one[key] == other[key]);
            for (at, item) in items.iter().enumerate() {
                if !keys.is_empty() && items[..at].iter().any(|other| same(other, item)) {
                    faults.push(format!("{path}/{at}: is there twice"));
                }
                twins(&format!("{path}/{at}"), &schema["items"], item, faults);
            }
        }
        _ => {}
    }
}
