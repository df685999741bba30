//! The Query protocol of STS and of older CloudWatch clients: requests are forms
//! (`MetricData.member.1.Value=2`), replies XML.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::error::ErrorReply;
use super::validation::{Field, Shape};
use super::value::{Members, Value};

/// What CloudWatch's replies name as theirs.
pub(super) const NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";
/// Requests nest a few levels deep.
const DEPTH: usize = 32;

/// Decodes a form. Every leaf is text: [`coerce`] gives it its type.
pub(super) fn decode(body: &[u8]) -> Option<Value> {
    let mut root = Node::default();
    for pair in std::str::from_utf8(body).ok()?.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (unescape(name)?, unescape(value)?);
        let mut node = &mut root;
        for (depth, part) in name.split('.').enumerate() {
            if depth == DEPTH {
                return None;
            }
            node = node.children.entry(part.to_owned()).or_default();
        }
        node.text = Some(value);
    }
    Some(root.into_value())
}

#[derive(Default)]
struct Node {
    text: Option<String>,
    children: BTreeMap<String, Node>,
}

impl Node {
    fn into_value(mut self) -> Value {
        if self.children.is_empty() {
            return self.text.map_or_else(|| Value::Structure(Members::new()), Value::Text);
        }
        match self.children.remove("member") {
            Some(list) => {
                let mut items: Vec<(u64, Node)> = Vec::new();
                for (number, item) in list.children {
                    items.push((number.parse().unwrap_or(u64::MAX), item));
                }
                items.sort_by_key(|(number, _)| *number);
                Value::List(items.into_iter().map(|(_, item)| item.into_value()).collect())
            }
            None => {
                let members = self.children.into_iter();
                Value::Structure(members.map(|(name, node)| (name, node.into_value())).collect())
            }
        }
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(plain).ok()
}

/// Reads the leaves of a form as what the shape wants. What cannot be read stays text, which the
/// shape's check then refuses.
pub(super) fn coerce(request: &Value, fields: &'static [Field]) -> Value {
    match request {
        Value::Structure(members) => {
            let member = |(name, value): (&str, &Value)| {
                let field = fields.iter().find(|field| field.name == name);
                (name.to_owned(), field.map_or_else(|| value.clone(), |field| leaf(value, &field.shape)))
            };
            Value::Structure(members.iter().map(member).collect())
        }
        other => other.clone(),
    }
}

fn leaf(value: &Value, shape: &Shape) -> Value {
    let read = match (shape, value) {
        (Shape::Integer { .. }, Value::Text(text)) => text.parse().ok().map(Value::Integer),
        (Shape::Double, Value::Text(text)) => text.parse().ok().map(Value::Double),
        (Shape::Boolean, Value::Text(text)) => text.parse().ok().map(Value::Boolean),
        (Shape::Timestamp, Value::Text(text)) => text.parse::<Timestamp>().ok().map(Value::Timestamp),
        (Shape::List { of, .. }, Value::List(items)) => {
            Some(Value::List(items.iter().map(|item| leaf(item, of)).collect()))
        }
        (Shape::Structure(fields), structure) => Some(coerce(structure, fields)),
        _ => None,
    };
    read.unwrap_or_else(|| value.clone())
}

/// Writes the result of `operation`; `None` for one that has no result.
pub(super) fn encode(namespace: &str, operation: &str, request_id: &str, result: Option<&Members>) -> String {
    let mut xml = format!("<{operation}Response xmlns=\"{namespace}\">");
    if let Some(result) = result {
        element(&mut xml, &format!("{operation}Result"), &Value::Structure(result.clone()));
    }
    xml.push_str("<ResponseMetadata>");
    element(&mut xml, "RequestId", &request_id.into());
    xml + &format!("</ResponseMetadata></{operation}Response>")
}

/// Writes an error.
pub(super) fn encode_error(request_id: &str, error: &ErrorReply) -> String {
    let details = Members::new()
        .with("Type", if error.status < 500 { "Sender" } else { "Receiver" })
        .with("Code", error.query_code.unwrap_or(&error.code))
        .with_some("Message", error.message.as_deref());
    let mut xml = format!("<ErrorResponse xmlns=\"{NAMESPACE}\">");
    element(&mut xml, "Error", &Value::Structure(details));
    element(&mut xml, "RequestId", &request_id.into());
    xml + "</ErrorResponse>"
}

fn element(xml: &mut String, name: &str, value: &Value) {
    let _infallible = write!(xml, "<{name}>");
    match value {
        Value::Null => {}
        Value::Boolean(boolean) => xml.push_str(if *boolean { "true" } else { "false" }),
        Value::Integer(integer) => xml.push_str(&integer.to_string()),
        Value::Double(double) => xml.push_str(&double.to_string()),
        Value::Timestamp(at) => xml.push_str(&at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        Value::Text(text) => escape(xml, text),
        Value::Blob(blob) => escape(xml, &String::from_utf8_lossy(blob)),
        Value::List(items) => items.iter().for_each(|item| element(xml, "member", item)),
        Value::Structure(members) => members.iter().for_each(|(name, value)| element(xml, name, value)),
    }
    let _infallible = write!(xml, "</{name}>");
}

fn escape(xml: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            // XML 1.0 has no way to write the other control characters.
            control if control.is_control() && !matches!(control, '\t' | '\n' | '\r') => xml.push('\u{fffd}'),
            plain => xml.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::validation::{optional, required};
    use super::*;

    const ITEM: Shape =
        Shape::Structure(&[required("Name", Shape::Choice(&["x"])), optional("N", Shape::Double)]);
    const FIELDS: &[Field] = &[
        optional("Items", Shape::List { of: &ITEM, min: 0, max: 20 }),
        optional("At", Shape::Timestamp),
        optional("On", Shape::Boolean),
    ];

    #[test]
    fn a_form_becomes_the_structure_that_it_spells() {
        let form = b"Action=X&Items.member.10.Name=b+c&Items.member.2.Name=a%26&Items.member.2.N=1.5\
                     &At=2026-01-01T00%3A00%3A00Z&On=true";
        let request = coerce(&decode(form).expect("it is a form"), FIELDS);
        let members = request.as_structure().expect("it is a structure");
        let items: Vec<_> =
            members.structures("Items").map(|item| (item.text("Name"), item.double("N"))).collect();
        assert_eq!(items, [(Some("a&"), Some(1.5)), (Some("b c"), None)]);
        assert_eq!(members.timestamp("At").map(|at| at.as_second()), Some(1_767_225_600));
        assert_eq!(members.boolean("On"), Some(true));
    }

    #[test]
    fn broken_forms_are_refused() {
        for form in ["a=%zz", "a=%f", "a=%ff", &"a.".repeat(100)] {
            assert_eq!(decode(form.as_bytes()), None, "{form}");
        }
    }

    #[test]
    fn replies_are_well_formed_whatever_the_text() {
        let result = Members::new().with("Label", "<a> & \u{1}").with("Values", vec![Value::Double(1.0)]);
        let xml = encode(NAMESPACE, "GetIt", "r-1", Some(&result));
        assert!(xml.contains(
            "<GetItResult><Label>&lt;a&gt; &amp; \u{fffd}</Label><Values><member>1</member></Values>"
        ));
        let error =
            ErrorReply::new("InvalidParameterValueException", "no").with_query_code("InvalidParameterValue");
        assert!(
            encode_error("r-1", &error).contains("<Type>Sender</Type><Code>InvalidParameterValue</Code>")
        );
    }
}
