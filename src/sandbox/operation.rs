//! What every operation is to the server: a name, the shape of its request, a call on the model.

use super::error::ErrorReply;
use super::validation::Field;
use super::value::Members;
use crate::simulator::{ApiError, ApiErrorCode, Cloud};

/// An operation's members, nothing for one that has no result, or an error.
pub(super) type Outcome = Result<Option<Members>, ErrorReply>;

/// One operation of a service.
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) fields: &'static [Field],
    pub(super) call: fn(&mut Cloud, &Members) -> Outcome,
}

impl From<ApiError> for ErrorReply {
    fn from(error: ApiError) -> Self {
        let reply = ErrorReply::new(error.code.name(), error.message);
        let reply = match error.code.http_status() {
            Some(status) => reply.with_status(status),
            None => ErrorReply { never_arrives: true, ..reply },
        };
        match error.code {
            ApiErrorCode::MissingParameter => reply.with_query_code("MissingParameter"),
            ApiErrorCode::InvalidParameterValue => reply.with_query_code("InvalidParameterValue"),
            ApiErrorCode::InvalidParameterCombination => reply.with_query_code("InvalidParameterCombination"),
            ApiErrorCode::Throttling => reply.with_query_code("Throttling"),
            _ => reply,
        }
    }
}
