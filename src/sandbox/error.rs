//! An error as AWS tells of it: a status, a code, and a text in AWS's own words.

use std::borrow::Cow;

/// An error reply before it is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ErrorReply {
    pub(super) status: u16,
    pub(super) code: Cow<'static, str>,
    /// The code that clients of the Query protocol know, where it is another one.
    pub(super) query_code: Option<&'static str>,
    pub(super) message: Option<String>,
    /// The caller is never told: the connection breaks instead.
    pub(super) never_arrives: bool,
}

impl ErrorReply {
    /// An error that the caller made, status 400.
    pub(super) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        ErrorReply {
            status: 400,
            code: code.into(),
            query_code: None,
            message: Some(message.into()),
            never_arrives: false,
        }
    }

    /// An error whose code says it all: AWS gives no text.
    pub(super) fn bare(code: &'static str) -> Self {
        ErrorReply { status: 400, code: code.into(), query_code: None, message: None, never_arrives: false }
    }

    pub(super) fn with_status(self, status: u16) -> Self {
        ErrorReply { status, ..self }
    }

    pub(super) fn with_query_code(self, query_code: &'static str) -> Self {
        ErrorReply { query_code: Some(query_code), ..self }
    }

    /// A value of the wrong type, or a body that is no document at all.
    pub(super) fn serialization(message: impl Into<String>) -> Self {
        ErrorReply::new("SerializationException", message)
    }
}
