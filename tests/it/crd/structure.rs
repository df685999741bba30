//! What every field of the schema must have, and what the definition says beside the schema.

use kube::core::cel::{compile_schema, estimate_rule_cost};
use reshard::operator::crd::definition;
use serde_json::{Value, json};

use super::{Judge, schema};

/// Every field with its path, lists' items as `[]`.
fn fields() -> Vec<(String, Value)> {
    fn walk(path: &str, schema: &Value, found: &mut Vec<(String, Value)>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            walk(&path, field, found);
            found.push((path, field.clone()));
        }
        if schema["type"] == "array" {
            walk(&format!("{path}[]"), &schema["items"], found);
        }
    }
    let mut found = Vec::new();
    walk("", &schema(), &mut found);
    found
}

/// The fields of `spec` and what is in them.
fn spec_fields() -> impl Iterator<Item = (String, Value)> {
    fields().into_iter().filter(|(path, _)| path.starts_with(".spec."))
}

#[test]
fn every_field_has_one_type_and_a_description_for_people() {
    let fields = fields();
    assert!(fields.len() > 100, "{} fields", fields.len());
    for (path, field) in fields {
        let is_number_or_word = field["x-kubernetes-int-or-string"] == true;
        if is_number_or_word {
            assert_eq!(field["anyOf"], json!([{"type": "integer"}, {"type": "string"}]), "{path}");
        }
        assert!(field["type"].is_string() != is_number_or_word, "{path}: {field}");
        let description = field["description"].as_str().unwrap_or_default();
        assert!(description.ends_with(['.', ']']), "{path}: {description:?}");
        for mark in ["[`", "`]", "\n"] {
            assert!(!description.contains(mark), "{path}: {description:?}");
        }
        for alternative in ["anyOf", "oneOf", "allOf", "$ref", "nullable", "additionalProperties"] {
            let allowed = is_number_or_word && alternative == "anyOf";
            assert!(allowed || field.get(alternative).is_none(), "{path} has {alternative}");
        }
    }
}

#[test]
fn what_may_be_left_out_has_a_default_but_for_what_means_something_by_its_absence() {
    let mut without = Vec::new();
    for (path, field) in spec_fields() {
        let parent = path.rsplit_once('.').unwrap();
        let required = match parent.0 {
            ".spec" => schema()["properties"]["spec"]["required"].clone(),
            outer => fields().into_iter().find(|(path, _)| *path == outer.trim_end_matches("[]")).map_or(
                Value::Null,
                |(_, field)| match outer.ends_with("[]") {
                    true => field["items"]["required"].clone(),
                    false => field["required"].clone(),
                },
            ),
        };
        let is_required = required.as_array().is_some_and(|names| names.contains(&json!(parent.1)));
        match field.get("default") {
            Some(_) => assert!(!is_required, "{path} is required and has a default"),
            None if !is_required => without.push(path),
            None => {}
        }
    }
    let expected = [
        ".spec.aws",
        ".spec.aws.roleArn",
        ".spec.consumers",
        ".spec.consumers[].pollInterval",
        ".spec.consumers[].transform",
        ".spec.schedules",
        ".spec.schedules[].allow",
        ".spec.schedules[].minShards",
        ".spec.streamRef.arn",
        ".spec.streamRef.name",
        ".spec.streamRef.region",
    ];
    without.sort();
    assert_eq!(without, expected);
}

#[test]
fn every_text_list_and_number_of_the_spec_is_bounded() {
    for (path, field) in spec_fields() {
        let text_is_bounded =
            field["enum"].is_array() || field["pattern"].is_string() && field["maxLength"].is_u64();
        let number_is_bounded = field["minimum"].is_number() && field["maximum"].is_number();
        match field["type"].as_str() {
            Some("string") => assert!(text_is_bounded, "{path}"),
            Some("array") => assert!(field["maxItems"].is_u64(), "{path}"),
            Some("integer" | "number") => assert!(number_is_bounded, "{path}"),
            Some(_) => {}
            None => assert!(text_is_bounded && number_is_bounded, "{path}"),
        }
    }
    for (path, field) in fields().into_iter().filter(|(_, field)| field["type"] == "array") {
        assert!(field["x-kubernetes-list-type"].is_string(), "{path}");
    }
}

#[test]
fn the_status_has_no_defaults_and_conditions_are_kept_by_their_types() {
    for (path, field) in fields().into_iter().filter(|(path, _)| path.starts_with(".status")) {
        assert!(field.get("default").is_none(), "{path}");
    }
    let conditions = fields().into_iter().find(|(path, _)| path == ".status.conditions").unwrap().1;
    assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]));
}

#[test]
fn every_rule_compiles_and_stays_within_its_price_by_a_coarse_estimate() {
    let schema = schema();
    let mut nodes = vec![(String::new(), &schema)];
    let mut rules = 0;
    while let Some((path, node)) = nodes.pop() {
        let compiled = compile_schema(node);
        assert!(!compiled.has_errors(), "{path}: {:?}", compiled.compilation_errors());
        for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
            rules += 1;
            let (rule, message) = (rule["rule"].as_str().unwrap(), rule["message"].as_str().unwrap());
            assert_eq!(estimate_rule_cost(rule, &compiled), [], "{path}");
            // The API server refuses a definition whose message has more than one line.
            assert!(!message.contains('\n'), "{path}: {message}");
        }
        for (name, field) in node["properties"].as_object().into_iter().flatten() {
            nodes.push((format!("{path}.{name}"), field));
        }
        nodes.extend(node.get("items").map(|items| (format!("{path}[]"), items)));
    }
    assert!(rules > 15, "{rules} rules");
}

#[test]
fn defaults_are_themselves_good() {
    let judge = Judge::new();
    let smallest = json!({"spec": {"streamRef": {"name": "orders"}, "maxShards": 1}});
    assert_eq!(judge.faults(&smallest, None), Vec::<String>::new());
    // What is left out is what the policy assumes.
    let filled = judge.kept(&smallest);
    let written = reshard::resource::KinesisStreamAutoscaler::new("orders", "orders", 1);
    let mut written = serde_json::to_value(&written).unwrap()["spec"].take();
    written.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    assert_eq!(filled["spec"], written);
}

#[test]
fn names_columns_and_subresources_are_as_documented() {
    let definition = definition().unwrap();
    assert_eq!(definition.metadata.name.as_deref(), Some("kinesisstreamautoscalers.reshard.dev"));
    let names = &definition.spec.names;
    assert_eq!(
        (&names.short_names, &names.categories),
        (&Some(vec!["ksa".to_owned()]), &Some(vec!["autoscaling".to_owned()]))
    );
    assert_eq!(definition.spec.scope, "Namespaced");
    let [version] = &definition.spec.versions[..] else { panic!("one version") };
    assert!(version.subresources.as_ref().is_some_and(|sub| sub.status.is_some()));
    let columns = version.additional_printer_columns.iter().flatten();
    let columns: Vec<(&str, bool)> =
        columns.map(|column| (&*column.name, column.priority.unwrap_or(0) > 0)).collect();
    let expected = [
        ("Stream", false),
        ("Mode", false),
        ("Min", false),
        ("Max", false),
        ("Shards", false),
        ("Desired", false),
        ("Ready", false),
        ("Plan", true),
        ("Reason", true),
        ("Age", false),
    ];
    assert_eq!(columns, expected);
}
