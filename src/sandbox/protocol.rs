//! Which of AWS's protocols a request speaks, and how that protocol says results and errors.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::cbor::{self, Epoch};
use super::error::ErrorReply;
use super::value::{Members, Value};
use super::{json, kinesis, query, sts};

/// The services behind the one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Kinesis,
    CloudWatch,
    Sts,
}

/// A way of writing requests and replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// AWS JSON 1.1: Kinesis, all SDKs.
    Json11,
    /// AWS CBOR 1.1: Kinesis, the Java SDK and what stands on it (KCL, Flink).
    Cbor11,
    /// AWS JSON 1.0: CloudWatch, boto3 and the AWS CLI.
    Json10,
    /// Smithy RPC v2 CBOR: CloudWatch, the newer SDKs.
    RpcV2Cbor,
    /// Form-encoded requests and XML replies: STS, and CloudWatch with older clients.
    Query,
}

/// A request's address: everything but its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) protocol: Protocol,
    pub(super) service: Service,
    /// `None` where only the body names it (Query).
    pub(super) operation: Option<String>,
    /// The client also wants the Query protocol's name of an error.
    pub(super) query_mode: bool,
}

const KINESIS_TARGET: &str = "Kinesis_20131202";
const CLOUDWATCH_TARGET: &str = "GraniteServiceVersion20100801";
const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");
const RPC_V2_CBOR: &str = "rpc-v2-cbor";
const FORM: &str = "application/x-www-form-urlencoded";
const UNKNOWN_OPERATION: &str = "UnknownOperationException";

/// Finds out what is called, and how.
///
/// # Errors
/// What AWS's front door answers when it cannot tell.
pub(super) fn address(method: &Method, path: &str, headers: &HeaderMap) -> Result<Address, ErrorReply> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = text("content-type").split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let query_mode = text("x-amzn-query-mode").eq_ignore_ascii_case("true");
    if method != Method::POST {
        let hint = "Kinesis, CloudWatch and STS take POST requests only. Point an AWS client here: \
                    AWS_ENDPOINT_URL is this address";
        return Err(ErrorReply::new(UNKNOWN_OPERATION, hint).with_status(405));
    }
    if let Some((_, operation)) = path.split_once(&format!("/service/{CLOUDWATCH_TARGET}/operation/")) {
        if text(SMITHY_PROTOCOL.as_str()) != RPC_V2_CBOR {
            let wanted = format!("this path wants the header smithy-protocol: {RPC_V2_CBOR}");
            return Err(ErrorReply::new(UNKNOWN_OPERATION, wanted).with_status(404));
        }
        let operation = Some(operation.to_owned());
        let (protocol, service) = (Protocol::RpcV2Cbor, Service::CloudWatch);
        return Ok(Address { protocol, service, operation, query_mode });
    }
    let (protocol, service, operation) = match text("x-amz-target").split_once('.') {
        Some((KINESIS_TARGET, operation)) => {
            let protocol = match media_type.as_str() {
                "application/x-amz-json-1.1" => Protocol::Json11,
                "application/x-amz-cbor-1.1" => Protocol::Cbor11,
                _ => return Err(unknown_content_type(&media_type)),
            };
            (protocol, Service::Kinesis, Some(operation.to_owned()))
        }
        Some((CLOUDWATCH_TARGET, operation)) => match media_type.as_str() {
            "application/x-amz-json-1.0" => {
                (Protocol::Json10, Service::CloudWatch, Some(operation.to_owned()))
            }
            _ => return Err(unknown_content_type(&media_type)),
        },
        // Forms do not say whose they are; what signs them does.
        None if media_type == FORM && text("authorization").contains("/sts/aws4_request") => {
            (Protocol::Query, Service::Sts, None)
        }
        None if media_type == FORM => (Protocol::Query, Service::CloudWatch, None),
        _ => return Err(ErrorReply::bare(UNKNOWN_OPERATION).with_status(404)),
    };
    Ok(Address { protocol, service, operation, query_mode })
}

fn unknown_content_type(media_type: &str) -> ErrorReply {
    let message = format!("the content type '{media_type}' is not one of this service's protocols");
    ErrorReply::new(UNKNOWN_OPERATION, message).with_status(404)
}

/// The error for an operation that the service or its model does not have. AWS gives no text.
pub(super) fn unknown_operation(name: &str, known: &str) -> ErrorReply {
    let name: String = name.chars().take(128).collect();
    ErrorReply::new(UNKNOWN_OPERATION, format!("the sandbox has no operation '{name}'; it has {known}"))
}

/// A reply's body with the headers that go with it.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) body: Vec<u8>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Protocol {
    const fn content_type(self) -> &'static str {
        match self {
            Protocol::Json11 => "application/x-amz-json-1.1",
            Protocol::Cbor11 => "application/x-amz-cbor-1.1",
            Protocol::Json10 => "application/x-amz-json-1.0",
            Protocol::RpcV2Cbor => "application/cbor",
            Protocol::Query => "text/xml",
        }
    }

    /// Reads a body; `None` if it is not a document of this protocol.
    pub(super) fn decode(self, body: &[u8]) -> Option<Value> {
        match self {
            Protocol::Json11 | Protocol::Json10 => json::decode(body),
            Protocol::Cbor11 => cbor::decode(body, Epoch::Milliseconds),
            Protocol::RpcV2Cbor => cbor::decode(body, Epoch::Seconds),
            Protocol::Query => query::decode(body),
        }
    }

    /// Writes the result of an `operation` of `service`; `None` for one that has no result.
    pub(super) fn encode(
        self,
        service: Service,
        operation: &str,
        request_id: &str,
        result: Option<&Members>,
    ) -> Encoded {
        let body = match (self, result) {
            (Protocol::Query, result) => {
                let namespace = if service == Service::Sts { sts::NAMESPACE } else { query::NAMESPACE };
                query::encode(namespace, operation, request_id, result).into_bytes()
            }
            (_, None) => Vec::new(),
            (Protocol::Json11 | Protocol::Json10, Some(result)) => json::encode(result),
            (Protocol::Cbor11, Some(result)) => {
                cbor::encode(&kinesis::with_types(result), Epoch::Milliseconds)
            }
            (Protocol::RpcV2Cbor, Some(result)) => cbor::encode(result, Epoch::Seconds),
        };
        self.with_headers(body)
    }

    /// Writes an error.
    pub(super) fn encode_error(self, request_id: &str, query_mode: bool, error: &ErrorReply) -> Encoded {
        let code = error.code.as_ref();
        // The Kinesis front end writes this one member with a capital letter.
        let message = if code == "SerializationException" { "Message" } else { "message" };
        let body =
            |kind: String| Members::new().with("__type", kind).with_some(message, error.message.as_deref());
        let bytes = match self {
            Protocol::Json11 | Protocol::Json10 => json::encode(&body(code.to_owned())),
            Protocol::Cbor11 => cbor::encode(&body(code.to_owned()), Epoch::Milliseconds),
            Protocol::RpcV2Cbor => {
                cbor::encode(&body(format!("com.amazonaws.cloudwatch#{code}")), Epoch::Seconds)
            }
            Protocol::Query => query::encode_error(request_id, error).into_bytes(),
        };
        let mut encoded = self.with_headers(bytes);
        let mut header = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                encoded.headers.push((HeaderName::from_static(name), value));
            }
        };
        header("x-amzn-errortype", code);
        if query_mode && matches!(self, Protocol::Json10 | Protocol::RpcV2Cbor) {
            let fault = if error.status < 500 { "Sender" } else { "Receiver" };
            header("x-amzn-query-error", &format!("{};{fault}", error.query_code.unwrap_or(code)));
        }
        encoded
    }

    fn with_headers(self, body: Vec<u8>) -> Encoded {
        let mut headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type()))];
        if self == Protocol::RpcV2Cbor {
            headers.push((SMITHY_PROTOCOL, HeaderValue::from_static(RPC_V2_CBOR)));
        }
        Encoded { body, headers }
    }
}
