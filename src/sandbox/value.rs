//! The data of a request or reply apart from its encoding: every protocol decodes to it and
//! encodes from it, so that each operation is written once.

use jiff::Timestamp;

/// A structure: named members in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Members(Vec<(String, Value)>);

/// A piece of a request or reply.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Absent, or given as null.
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
    Blob(Vec<u8>),
    Timestamp(Timestamp),
    List(Vec<Value>),
    Structure(Members),
}

impl Members {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds a member.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.push(name.to_owned(), value.into());
        self
    }

    /// Adds a member if there is a value for it: AWS leaves absent members out.
    pub(super) fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(super) fn push(&mut self, name: String, value: Value) {
        self.0.push((name, value));
    }

    /// A member's value, `None` if it is absent or null. Of a member that stands twice the last
    /// one counts, as in AWS's parsers.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let found = self.0.iter().rev().find(|(member, _)| member == name);
        found.map(|(_, value)| value).filter(|value| **value != Value::Null)
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Value::Integer(integer)) => Some(*integer),
            _ => None,
        }
    }

    pub(super) fn double(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Some(Value::Double(double)) => Some(*double),
            _ => None,
        }
    }

    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Some(Value::Boolean(boolean)) => Some(*boolean),
            _ => None,
        }
    }

    pub(super) fn timestamp(&self, name: &str) -> Option<Timestamp> {
        match self.get(name) {
            Some(Value::Timestamp(timestamp)) => Some(*timestamp),
            _ => None,
        }
    }

    #[cfg(test)]
    pub(super) fn blob(&self, name: &str) -> Option<&[u8]> {
        match self.get(name) {
            Some(Value::Blob(blob)) => Some(blob),
            _ => None,
        }
    }

    pub(super) fn structure(&self, name: &str) -> Option<&Members> {
        self.get(name).and_then(Value::as_structure)
    }

    /// The items of a list; none if it is absent.
    pub(super) fn list(&self, name: &str) -> &[Value] {
        match self.get(name) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    /// The structures of a list of structures.
    pub(super) fn structures(&self, name: &str) -> impl Iterator<Item = &Members> {
        self.list(name).iter().filter_map(Value::as_structure)
    }
}

impl FromIterator<(String, Value)> for Members {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(members: I) -> Self {
        Members(members.into_iter().collect())
    }
}

impl Value {
    pub(super) fn as_structure(&self) -> Option<&Members> {
        match self {
            Value::Structure(members) => Some(members),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($from:ty => |$value:ident| $into:expr),+ $(,)?) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $into
            }
        })+
    };
}

from! {
    bool => |value| Value::Boolean(value),
    i64 => |value| Value::Integer(value),
    u32 => |value| Value::Integer(i64::from(value)),
    u64 => |value| Value::Integer(i64::try_from(value).unwrap_or(i64::MAX)),
    usize => |value| Value::Integer(i64::try_from(value).unwrap_or(i64::MAX)),
    f64 => |value| Value::Double(value),
    &str => |value| Value::Text(value.to_owned()),
    String => |value| Value::Text(value),
    Timestamp => |value| Value::Timestamp(value),
    Vec<Value> => |value| Value::List(value),
    Members => |value| Value::Structure(value),
}
