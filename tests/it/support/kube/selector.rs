//! Which objects a list or a watch is about: namespace, name, labels, fields.

use serde_json::Value;

use super::call::Call;
use super::kinds::Kind;
use super::refusal::Refusal;
use super::store::Key;

/// What an object must be like.
#[derive(Debug, Clone)]
pub struct Selector {
    namespace: Option<String>,
    labels: Vec<Label>,
    fields: Vec<Field>,
}

#[derive(Debug, Clone)]
struct Field {
    path: Vec<String>,
    equal: bool,
    value: String,
}

#[derive(Debug, Clone)]
enum Label {
    Is { key: String, among: Vec<String> },
    IsNot { key: String, among: Vec<String> },
    Exists(String),
    Absent(String),
}

impl Selector {
    pub fn of(call: &Call, kind: &Kind) -> Result<Selector, Refusal> {
        let mut selector =
            Selector { namespace: call.namespace.clone(), labels: Vec::new(), fields: Vec::new() };
        for requirement in requirements(call.param("labelSelector").unwrap_or_default()) {
            let label = label(&requirement)
                .ok_or_else(|| Refusal::bad_request(format!("unable to parse requirement: {requirement}")))?;
            selector.labels.push(label);
        }
        for requirement in requirements(call.param("fieldSelector").unwrap_or_default()) {
            selector.fields.push(field(&requirement, kind)?);
        }
        Ok(selector)
    }

    pub fn fits(&self, key: &Key, object: &Value) -> bool {
        let Selector { namespace, labels, fields } = self;
        namespace.as_ref().is_none_or(|namespace| *namespace == key.0)
            && labels.iter().all(|label| label.fits(&object["metadata"]["labels"]))
            && fields.iter().all(|field| field.fits(object))
    }
}

impl Label {
    fn fits(&self, labels: &Value) -> bool {
        match self {
            Label::Is { key, among } => {
                labels[key].as_str().is_some_and(|value| among.iter().any(|one| one == value))
            }
            Label::IsNot { key, among } => {
                labels[key].as_str().is_none_or(|value| among.iter().all(|one| one != value))
            }
            Label::Exists(key) => labels[key].is_string(),
            Label::Absent(key) => !labels[key].is_string(),
        }
    }
}

impl Field {
    fn fits(&self, object: &Value) -> bool {
        let found = self.path.iter().fold(object, |at, name| &at[name]);
        (found.as_str().unwrap_or_default() == self.value) == self.equal
    }
}

/// Splits at commas outside of brackets.
fn requirements(text: &str) -> Vec<String> {
    let (mut found, mut depth) = (vec![String::new()], 0);
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                found.push(String::new());
                continue;
            }
            _ => {}
        }
        found.last_mut().expect("never empty").push(letter);
    }
    found.into_iter().map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

fn label(text: &str) -> Option<Label> {
    let among = |list: &str| {
        let list = list.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(list.split(',').map(|value| value.trim().to_owned()).collect())
    };
    let trimmed = |key: &str| key.trim().to_owned();
    if let Some((key, list)) = text.split_once(" notin ") {
        return Some(Label::IsNot { key: trimmed(key), among: among(list)? });
    }
    if let Some((key, list)) = text.split_once(" in ") {
        return Some(Label::Is { key: trimmed(key), among: among(list)? });
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Some(Label::IsNot { key: trimmed(key), among: vec![trimmed(value)] });
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Some(Label::Is { key: trimmed(key), among: vec![trimmed(value)] });
    }
    if text.contains(char::is_whitespace) {
        return None;
    }
    Some(match text.strip_prefix('!') {
        Some(key) => Label::Absent(trimmed(key)),
        None => Label::Exists(trimmed(text)),
    })
}

/// `metadata.name` and `metadata.namespace`, and of events a few more.
fn field(text: &str, kind: &Kind) -> Result<Field, Refusal> {
    const OF_EVENTS: [&str; 8] = [
        "regarding.kind",
        "regarding.namespace",
        "regarding.name",
        "regarding.uid",
        "reason",
        "reportingController",
        "type",
        "regarding.apiVersion",
    ];
    let parts = match text.split_once("!=") {
        Some((path, value)) => Some((path, value, false)),
        None => {
            text.split_once("==").or_else(|| text.split_once('=')).map(|(path, value)| (path, value, true))
        }
    };
    let (path, value, equal) =
        parts.ok_or_else(|| Refusal::bad_request(format!("invalid selector: '{text}'")))?;
    let known = matches!(path, "metadata.name" | "metadata.namespace")
        || (kind.plural == "events" && OF_EVENTS.contains(&path));
    if !known {
        return Err(Refusal::bad_request(format!("field label not supported: {path}")));
    }
    Ok(Field { path: path.split('.').map(str::to_owned).collect(), equal, value: value.to_owned() })
}
