//! AWS's errors by name, as the classes that tell what to do next.

use std::error::Error;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::RequestId as _;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::exchange::Seen;
use crate::control_plane::{ErrorClass, RequestError, RequestId};

/// In whose name a request was made, for messages.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The role that was assumed; `None`: the credentials of the environment.
    pub(super) role_arn: Option<String>,
    /// The region.
    pub(super) region: String,
    /// The profile whose credentials are meant, where one is named.
    pub(super) profile: Option<String>,
}

impl Caller {
    fn principal(&self) -> String {
        match &self.role_arn {
            Some(role) => format!("the role {role}"),
            None => "these credentials".to_owned(),
        }
    }
}

/// What a failed request means. `action` is its IAM name, `kinesis:SplitShard`.
pub(super) fn classify<E>(
    operation: &'static str,
    action: &str,
    caller: &Caller,
    seen: &Seen,
    error: &SdkError<E, HttpResponse>,
) -> RequestError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let request_id = error.raw_response().and_then(|raw| raw.request_id()).map(|id| RequestId(id.to_owned()));
    let (class, message) = match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = service.err().code();
            let class = class_of_code(code.unwrap_or_default(), status);
            let text = match (code, service.err().message()) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(code), None) => code.to_owned(),
                (None, Some(message)) => format!("HTTP {status}: {message}"),
                (None, None) => format!("HTTP {status} without an error code"),
            };
            (class, explain(class, action, caller, text))
        }
        _ if seen.sent_to.is_none() => return before_sending(operation, caller, error),
        SdkError::DispatchFailure(failure) if never_connected(error) => {
            let endpoint = seen.sent_to.as_deref().unwrap_or("the endpoint");
            let message = if is_name_resolution(error) {
                format!("there is no such endpoint: {endpoint}; is the region {} right?", caller.region)
            } else if failure.is_timeout() {
                format!("no connection to {endpoint} in time")
            } else {
                format!("cannot connect to {endpoint}: {}", root_cause(error))
            };
            (ErrorClass::Unreachable, message)
        }
        SdkError::TimeoutError(_) => (ErrorClass::Ambiguous, format!("no reply in time from {}", to(seen))),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (ErrorClass::Ambiguous, format!("no reply in time from {}", to(seen)))
        }
        _ => (ErrorClass::Ambiguous, format!("no usable reply from {}: {}", to(seen), root_cause(error))),
    };
    RequestError { request_id, ..RequestError::new(operation, class, message) }
}

fn to(seen: &Seen) -> &str {
    seen.sent_to.as_deref().unwrap_or("AWS")
}

/// A request that never left: no credentials, no endpoint, or parameters that cannot be sent.
fn before_sending<E: Error + 'static>(operation: &'static str, caller: &Caller, error: &E) -> RequestError {
    let Some(refusal) = no_credentials(error) else {
        let why = format!("the request cannot be made: {}", chain_text(error));
        return RequestError::new(operation, ErrorClass::Invalid, why);
    };
    // The session of the role says itself what STS answered.
    if let Some(said) = find::<RequestError>(refusal) {
        return RequestError { operation, ..said.clone() };
    }
    // The chain of providers lists all that it tried, a line each.
    let chain = chain_text(refusal).split_whitespace().collect::<Vec<_>>().join(" ");
    if may_come(refusal) {
        let whose = match (&caller.role_arn, &caller.profile) {
            (Some(role), _) => format!(" for the role {role}"),
            (None, Some(profile)) => format!(" of the profile {profile}"),
            (None, None) => String::new(),
        };
        let why = format!("the AWS credentials{whose} do not come: {chain}");
        return RequestError::new(operation, ErrorClass::Unreachable, why);
    }
    let remedy = match (&caller.role_arn, &caller.profile) {
        (Some(role), _) => format!("no credentials for the role {role}"),
        (None, Some(profile)) => format!(
            "no AWS credentials: the profile {profile} gives none; is it in ~/.aws/config or ~/.aws/credentials?"
        ),
        (None, None) => "no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a role (IRSA, Pod Identity, instance profile)".to_owned(),
    };
    // That none of the places holds any is said by the remedy; what went wrong in one is not.
    let none = "the credential provider was not enabled";
    let is_said =
        caller.role_arn.is_none() && (chain == none || chain.contains("no credentials found in chain"));
    let message = if is_said { remedy } else { format!("{remedy}: {chain}") };
    RequestError::new(operation, ErrorClass::Credentials, message)
}

/// The part of `error` that is about credentials, if any is.
fn no_credentials<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    sources(error)
        .find(|source| source.is::<CredentialsError>())
        .or_else(|| (is_timeout(error) || chain_text(error).contains("identity")).then_some(error))
}

/// Whether the credentials may come by themselves: who gives them was not reached, or is in trouble.
/// Where none are set up, the settings are wrong or STS says no, somebody has to change something.
fn may_come(error: &(dyn Error + 'static)) -> bool {
    // A profile wraps what the source of its credentials said.
    match sources(error).filter_map(|source| source.downcast_ref()).last() {
        Some(CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)) => false,
        Some(_) => !is_refused_by_sts(error),
        None => is_timeout(error),
    }
}

/// Whether time ran out before a request was sent: what is waited for then is the credentials.
fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    chain_text(error).contains("timed out")
}

/// Whether STS does not give the role that the token of a pod or a profile stands for.
fn is_refused_by_sts(error: &(dyn Error + 'static)) -> bool {
    let of_token = find::<AssumeRoleWithWebIdentityError>(error).and_then(ProvideErrorMetadata::code);
    let of_profile = find::<AssumeRoleError>(error).and_then(ProvideErrorMetadata::code);
    let class = of_token.or(of_profile).map(|code| class_of_code(code, 0));
    matches!(class, Some(ErrorClass::AccessDenied | ErrorClass::Credentials))
}

fn explain(class: ErrorClass, action: &str, caller: &Caller, text: String) -> String {
    match class {
        ErrorClass::AccessDenied => format!("{action} is not allowed to {}: {text}", caller.principal()),
        ErrorClass::Credentials => format!("AWS does not accept {}: {text}", caller.principal()),
        // A shard that is gone is another matter.
        ErrorClass::NotFound if action == "kinesis:DescribeStreamSummary" => {
            format!("{text}; are the stream's name and the region {} right?", caller.region)
        }
        _ => text,
    }
}

/// The class of an error code. Codes of Kinesis and CloudWatch come from their API references,
/// that of a pod's token from that of STS, those of every service from "Common error types". An unknown
/// code is a refusal if the status says so (4xx), else it is open whether the request took effect.
fn class_of_code(code: &str, status: u16) -> ErrorClass {
    match code {
        "ResourceInUseException" => ErrorClass::ResourceInUse,
        "LimitExceededException" => ErrorClass::LimitExceeded,
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "KMSThrottlingException"
        | "ProvisionedThroughputExceededException" => ErrorClass::Throttled,
        "AccessDeniedException"
        | "AccessDenied"
        | "UnauthorizedOperation"
        | "NotAuthorized"
        | "OptInRequired"
        | "KMSAccessDeniedException" => ErrorClass::AccessDenied,
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "InvalidAccessKeyId"
        | "InvalidIdentityToken" => ErrorClass::Credentials,
        "ResourceNotFoundException" | "ResourceNotFound" => ErrorClass::NotFound,
        "InvalidArgumentException"
        | "ValidationException"
        | "ValidationError"
        | "SerializationException"
        | "InvalidParameterValue"
        | "InvalidParameterValueException"
        | "InvalidParameterCombination"
        | "MissingParameter"
        | "MissingRequiredParameterException"
        | "UnknownOperationException"
        | "InvalidAction"
        | "KMSDisabledException"
        | "KMSInvalidStateException"
        | "KMSNotFoundException"
        | "KMSOptInRequired" => ErrorClass::Invalid,
        "ExpiredNextTokenException" | "InvalidNextToken" => ErrorClass::ExpiredToken,
        "InternalFailure"
        | "InternalFailureException"
        | "InternalServiceError"
        | "InternalServiceFault"
        | "InternalServerError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => ErrorClass::Ambiguous,
        _ if status == 429 => ErrorClass::Throttled,
        _ if (400..500).contains(&status) => ErrorClass::Invalid,
        _ => ErrorClass::Ambiguous,
    }
}

/// Whether the failure came before a connection stood, so that nothing can have been sent. What is
/// not recognised counts as sent: then the caller reads back, which is always safe.
fn never_connected<E: Error + 'static>(error: &E) -> bool {
    let refused = find::<io::Error>(error).is_some_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
        )
    });
    // hyper-util's text for every failure of its connector: name, connection, TLS handshake.
    refused || sources(error).any(|source| source.to_string().starts_with("client error (Connect)"))
}

fn is_name_resolution<E: Error + 'static>(error: &E) -> bool {
    sources(error).any(|source| source.to_string().starts_with("dns error"))
}

fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    sources(error).find_map(|source| source.downcast_ref())
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    sources(error).last().map(ToString::to_string).unwrap_or_default()
}

fn chain_text(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = sources(error).map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_from_what_may_have_taken_effect() {
        for (code, status, class) in [
            ("SomethingNew", 400, ErrorClass::Invalid),
            ("SomethingNew", 500, ErrorClass::Ambiguous),
            ("", 503, ErrorClass::Ambiguous),
            ("", 429, ErrorClass::Throttled),
            ("InternalFailure", 500, ErrorClass::Ambiguous),
        ] {
            assert_eq!(class_of_code(code, status), class, "{code} {status}");
        }
    }
}
