//! The errors that the model answers with: AWS's code and AWS's text.

use std::fmt;

/// AWS's error types that the model uses, by their own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApiErrorCode {
    /// No such stream, shard, consumer.
    ResourceNotFound,
    /// The stream exists already, or is not in the state that the call needs.
    ResourceInUse,
    /// A rate or a quota of the control plane is used up.
    LimitExceeded,
    /// A parameter that is well-formed but means nothing here.
    InvalidArgument,
    /// A parameter that breaks a constraint of the API, or a call that the stream's mode forbids.
    Validation,
    /// A shard's write or read rate is used up.
    ProvisionedThroughputExceeded,
    /// A shard iterator older than 300 s.
    ExpiredIterator,
    /// A pagination token older than 300 s.
    ExpiredNextToken,
    /// The caller's policy does not allow the action.
    AccessDenied,
    /// The account calls too often (no limit of Kinesis's own named it).
    Throttling,
    /// AWS's own fault, HTTP 500.
    InternalFailure,
    /// AWS's own fault, HTTP 503.
    ServiceUnavailable,
    /// CloudWatch: a required parameter is missing.
    MissingParameter,
    /// CloudWatch: a parameter has a value that is not allowed.
    InvalidParameterValue,
    /// CloudWatch: two parameters exclude each other.
    InvalidParameterCombination,
    /// CloudWatch: the pagination token is not one of ours.
    InvalidNextToken,
    /// Not an error of AWS: the call took effect (or not) and its reply never arrived. Whoever
    /// serves the model over a wire closes the connection instead of answering.
    ReplyLost,
}

impl ApiErrorCode {
    /// The name on the wire (`__type`), such as `ResourceNotFoundException`.
    pub const fn name(self) -> &'static str {
        match self {
            ApiErrorCode::ResourceNotFound => "ResourceNotFoundException",
            ApiErrorCode::ResourceInUse => "ResourceInUseException",
            ApiErrorCode::LimitExceeded => "LimitExceededException",
            ApiErrorCode::InvalidArgument => "InvalidArgumentException",
            ApiErrorCode::Validation => "ValidationException",
            ApiErrorCode::ProvisionedThroughputExceeded => "ProvisionedThroughputExceededException",
            ApiErrorCode::ExpiredIterator => "ExpiredIteratorException",
            ApiErrorCode::ExpiredNextToken => "ExpiredNextTokenException",
            ApiErrorCode::AccessDenied => "AccessDeniedException",
            ApiErrorCode::Throttling => "ThrottlingException",
            ApiErrorCode::InternalFailure => "InternalFailure",
            ApiErrorCode::ServiceUnavailable => "ServiceUnavailable",
            ApiErrorCode::MissingParameter => "MissingRequiredParameterException",
            ApiErrorCode::InvalidParameterValue => "InvalidParameterValueException",
            ApiErrorCode::InvalidParameterCombination => "InvalidParameterCombinationException",
            ApiErrorCode::InvalidNextToken => "InvalidNextToken",
            ApiErrorCode::ReplyLost => "ReplyLost",
        }
    }

    /// The HTTP status that AWS sends it with. A lost reply has none.
    pub const fn http_status(self) -> Option<u16> {
        match self {
            ApiErrorCode::InternalFailure => Some(500),
            ApiErrorCode::ServiceUnavailable => Some(503),
            ApiErrorCode::ReplyLost => None,
            _ => Some(400),
        }
    }
}

impl fmt::Display for ApiErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What AWS would answer instead of a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// AWS's type of error.
    pub code: ApiErrorCode,
    /// AWS's text.
    pub message: String,
}

impl ApiError {
    /// An error of `code` with the text `message`.
    pub fn new(code: ApiErrorCode, message: impl Into<String>) -> Self {
        ApiError { code, message: message.into() }
    }
}
