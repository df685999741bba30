//! HTTP: reads a request, lets the model answer it at the sandbox's time, writes the reply.

use std::io::{self, Read as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use jiff::Timestamp;

use super::clock::{Clock, http_date};
use super::connection::Breaker;
use super::error::ErrorReply;
use super::operation::{Operation, Outcome};
use super::protocol::{self, Address, Encoded, Protocol, Service};
use super::value::Value;
use super::{cloudwatch, kinesis, query, sts, validation};
use crate::simulator::Cloud;

/// The largest request, packed or unpacked. PutRecords takes 10 MiB of data, 13.4 MiB as base64.
const LARGEST_BODY: usize = 16 << 20;
/// How long a client may take to send a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// What all connections share: one model and its clock.
#[derive(Debug)]
pub(super) struct Shared {
    cloud: Mutex<Cloud>,
    clock: Clock,
    requests: AtomicU64,
}

impl Shared {
    pub(super) fn new(cloud: Cloud, clock: Clock) -> Self {
        Shared { cloud: Mutex::new(cloud), clock, requests: AtomicU64::new(0) }
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The model, at the time that the clock shows.
    pub(super) fn cloud_now(&self) -> MutexGuard<'_, Cloud> {
        // A panic in the model would have been a defect; what it holds is still a stream.
        let mut cloud = self.cloud.lock().unwrap_or_else(PoisonError::into_inner);
        cloud.advance_to(self.clock.now());
        cloud
    }

    /// Unlike any other of this sandbox, and shaped like AWS's.
    fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("{:08x}-0000-4000-8000-{number:012x}", self.clock.now().as_second() & 0xffff_ffff)
    }
}

/// Answers one request.
pub(super) async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(breaker): ConnectInfo<Breaker>,
    request: Request,
) -> Response {
    let request_id = shared.request_id();
    let (parts, body) = request.into_parts();
    // An unknown protocol is answered in the one that most tools can show.
    let address = protocol::address(&parts.method, parts.uri.path(), &parts.headers);
    let (speaks, query_mode) =
        address.as_ref().map_or((Protocol::Json11, false), |address| (address.protocol, address.query_mode));
    let outcome = match address {
        Ok(address) => match read(&parts.headers, body).await {
            Ok(body) => answer(&shared, &parts, &address, &body, &request_id),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    let (status, encoded) = match outcome {
        Ok(encoded) => (200, encoded),
        Err(error) => {
            if error.never_arrives {
                breaker.break_off();
            }
            tracing::debug!(request_id, code = %error.code, message = error.message, "refused");
            (error.status, speaks.encode_error(&request_id, query_mode, &error))
        }
    };
    reply(status, encoded, &request_id, shared.clock.now())
}

fn reply(status: u16, encoded: Encoded, request_id: &str, now: Timestamp) -> Response {
    let mut response = Response::new(Body::from(encoded.body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.extend(encoded.headers);
    let own = [(HeaderName::from_static("x-amzn-requestid"), request_id), (header::DATE, &http_date(now))];
    for (name, text) in own {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    }
    response
}

/// The body, unpacked.
async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, ErrorReply> {
    let read = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, LARGEST_BODY)).await;
    let body: Bytes = match read {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return Err(too_large()),
        Err(_) => {
            let late = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
            return Err(ErrorReply::new("RequestTimeout", late).with_status(408));
        }
    };
    match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity" | b"") => Ok(body.to_vec()),
        Some(b"gzip") => unpack(body.as_ref()),
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            let message = format!("the content encoding '{other}' is not supported: gzip is");
            Err(ErrorReply::new("UnsupportedMediaType", message).with_status(415))
        }
    }
}

fn too_large() -> ErrorReply {
    let message = format!("the request is larger than {LARGEST_BODY} bytes, or was cut off");
    ErrorReply::new("RequestEntityTooLargeException", message).with_status(413)
}

/// Unpacks gzip up to the limit, whatever size the packed data promises.
fn unpack(packed: impl io::Read) -> Result<Vec<u8>, ErrorReply> {
    let mut body = Vec::new();
    let limit = LARGEST_BODY as u64 + 1;
    match flate2::read::MultiGzDecoder::new(packed).take(limit).read_to_end(&mut body) {
        Ok(_) if body.len() > LARGEST_BODY => Err(too_large()),
        Ok(_) => Ok(body),
        Err(error) => Err(ErrorReply::serialization(format!("the gzip data is broken: {error}"))),
    }
}

fn answer(
    shared: &Shared,
    parts: &Parts,
    address: &Address,
    body: &[u8],
    request_id: &str,
) -> Result<Encoded, ErrorReply> {
    let protocol = address.protocol;
    let request = protocol.decode(body).ok_or_else(|| ErrorReply::bare("SerializationException"))?;
    let operation = find(address, &request)?;
    authenticate(parts)?;
    let result = call(shared, address.service, protocol, operation, &request)?;
    Ok(protocol.encode(address.service, operation.name, request_id, result.as_ref()))
}

fn find(address: &Address, request: &Value) -> Result<&'static Operation, ErrorReply> {
    let operations = match address.service {
        Service::Kinesis => kinesis::OPERATIONS,
        Service::CloudWatch => cloudwatch::OPERATIONS,
        Service::Sts => sts::OPERATIONS,
    };
    let in_body = || request.as_structure().and_then(|members| members.text("Action"));
    let name = address.operation.as_deref().or_else(in_body).unwrap_or_default();
    match operations.binary_search_by(|operation| operation.name.cmp(name)) {
        Ok(at) => Ok(&operations[at]),
        Err(_) => {
            let names: Vec<_> = operations.iter().map(|operation| operation.name).collect();
            Err(protocol::unknown_operation(name, &names.join(", ")))
        }
    }
}

/// Any signature will do, but there must be one: a client that sends none would fail on AWS.
fn authenticate(parts: &Parts) -> Result<(), ErrorReply> {
    let presigned = || parts.uri.query().is_some_and(|query| query.contains("X-Amz-Signature="));
    match parts.headers.contains_key(header::AUTHORIZATION) || presigned() {
        true => Ok(()),
        false => Err(ErrorReply::new("MissingAuthenticationTokenException", "Missing Authentication Token")),
    }
}

fn call(
    shared: &Shared,
    service: Service,
    protocol: Protocol,
    operation: &Operation,
    request: &Value,
) -> Outcome {
    let constraint_code = match service {
        Service::Kinesis => kinesis::CONSTRAINT_CODE,
        Service::CloudWatch => cloudwatch::CONSTRAINT_CODE,
        Service::Sts => sts::CONSTRAINT_CODE,
    };
    let request = match protocol {
        Protocol::Query => {
            validation::check(&query::coerce(request, operation.fields), operation.fields, constraint_code)?
        }
        _ => validation::check(request, operation.fields, constraint_code)?,
    };
    (operation.call)(&mut shared.cloud_now(), &request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn no_more_is_unpacked_than_a_request_may_have() {
        let packed = |bytes: usize| {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            packer.write_all(&vec![0; bytes]).expect("memory takes it");
            packer.finish().expect("memory takes it")
        };
        assert_eq!(unpack(packed(LARGEST_BODY).as_slice()).map(|body| body.len()), Ok(LARGEST_BODY));
        let mut bomb = io::Cursor::new(packed(8 * LARGEST_BODY));
        let whole = bomb.get_ref().len() as u64;
        assert_eq!(unpack(&mut bomb), Err(too_large()));
        assert!(bomb.position() < whole / 2, "{} of {whole} bytes were read", bomb.position());
    }
}
