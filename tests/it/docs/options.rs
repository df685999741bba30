//! `docs/options.md`: every field of `spec` with its default and unit, drawn from the schema of the
//! custom resource definition.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use super::read;

const FILE: &str = "docs/options.md";
const HEAD: &str = "\
# Options

Every field of `spec`, from the schema of the custom resource definition; a test keeps this page equal to it
(`RESHARD_WRITE_DOCS=1 cargo test --test it docs::options` writes it anew). A duration is text such as `90s`,
`10m` or `1h30m`. What a field of a list is for, its list says.

| field | default | unit or values | what it is |
|---|---|---|---|
";

/// The units of numbers, by the last part of their paths.
const UNITS: [(&str, &str); 10] = [
    ("batchBytes", "bytes"),
    ("maxMergesPerDay", "merges"),
    ("maxShards", "shards"),
    ("maxStepsPerPlan", "steps"),
    ("minShards", "shards"),
    ("periodSeconds", "seconds"),
    ("stabilizationWindowSeconds", "seconds"),
    ("stepCost", "shard-hours"),
    ("tolerance", "part of the target"),
    ("utilization", "% of a shard's ceiling"),
];
/// Numbers whose unit another field decides.
const UNITS_ELSEWHERE: [(&str, &str); 1] = [("value", "% or shards, as `type` says")];

/// The rows of a field and of all below it.
fn rows(path: &str, field: &Value, required: bool, inherited: Option<&Value>, out: &mut String) {
    let default = field.get("default").or(inherited);
    let needed: BTreeSet<&str> =
        field["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let below = field["properties"].as_object().into_iter().flatten();
    if field["properties"].is_null() {
        let default = match default {
            Some(value @ (Value::Array(_) | Value::Object(_))) if value != &Value::Array(vec![]) => {
                "as described".to_owned()
            }
            Some(Value::String(text)) => format!("`{text}`"),
            Some(value) => format!("`{value}`"),
            None if required => "required".to_owned(),
            None => "–".to_owned(),
        };
        let about = description(field).replace('|', "\\|");
        writeln!(out, "| `{path}` | {default} | {} | {about} |", unit(path, field)).unwrap();
    }
    for (name, child) in below {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        rows(&path, child, needed.contains(name.as_str()), default.and_then(|of| of.get(name)), out);
    }
    if let Some(items) = field.get("items") {
        rows(&format!("{path}[]"), items, false, None, out);
    }
}

/// What a field says of itself, without the default that has a column of its own.
fn description(field: &Value) -> String {
    let text = field["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>();
    let text = text.join(" ");
    match text.split_once(" Default: ") {
        Some((before, value)) if field["default"].is_string() || field["default"].is_number() => {
            // Up to the end of the sentence; what follows stays.
            let rest = value.split_once(". ").map_or("", |(_, rest)| rest);
            format!("{before} {rest}").trim().to_owned()
        }
        _ => text,
    }
}

fn unit(path: &str, field: &Value) -> String {
    let name = path.rsplit('.').next().unwrap_or(path);
    let known = UNITS.iter().chain(&UNITS_ELSEWHERE).find(|(of, _)| *of == name);
    let range = match (field["minimum"].as_f64(), field["maximum"].as_f64()) {
        (Some(low), Some(high)) => format!(", {low} to {high}"),
        _ => String::new(),
    };
    // A number or a word: the pattern is the word's.
    let word = field["pattern"].as_str().filter(|_| field["x-kubernetes-int-or-string"] == true);
    let or = word.map(|word| format!(", or `{}`", word.trim_matches(['^', '$']))).unwrap_or_default();
    if let Some((_, unit)) = known {
        return format!("{unit}{range}{or}");
    }
    if let Some(values) = field["enum"].as_array() {
        let values = values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`"));
        return values.collect::<Vec<_>>().join(", ");
    }
    match (field["type"].as_str(), field["pattern"].as_str()) {
        (Some("boolean"), _) => "`true`, `false`".to_owned(),
        (Some("array"), _) => format!("list, {} at most", field["maxItems"]),
        (Some("string"), Some(pattern)) if pattern.contains("([0-9]+h)?") => "duration".to_owned(),
        (Some("string"), _) => "text".to_owned(),
        (other, _) => panic!("{path} is a {other:?}: give it a unit in {}", file!()),
    }
}

#[test]
fn the_page_of_options_is_what_the_schema_says() {
    let schema = crate::crd::schema();
    let mut page = HEAD.to_owned();
    rows("", &schema["properties"]["spec"], true, None, &mut page);
    if std::env::var_os("RESHARD_WRITE_DOCS").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE), &page).unwrap();
    }
    let hint = "write it anew: RESHARD_WRITE_DOCS=1 cargo test --test it docs::options";
    assert!(read(FILE) == page, "{FILE} has to say:\n{page}\n{hint}");
}
