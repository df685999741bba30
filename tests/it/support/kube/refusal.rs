//! Why a request was refused: Kubernetes' `Status` with its code and reason.

use serde_json::{Value, json};

use super::kinds::Kind;

/// A refusal.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
    pub details: Value,
    /// When to ask again, in seconds.
    pub retry_after: Option<u32>,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq)]
pub struct Cause {
    pub field: String,
    pub reason: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { code, reason, message: message.into(), details: json!({}), retry_after: None }
    }

    pub fn not_found(kind: &Kind, name: &str) -> Refusal {
        Refusal::new(404, "NotFound", format!("{} \"{name}\" not found", kind.group_resource()))
            .about(kind, name)
    }

    pub fn no_such_path() -> Refusal {
        Refusal::new(404, "NotFound", "the server could not find the requested resource")
    }

    pub fn already_exists(kind: &Kind, name: &str) -> Refusal {
        let message = format!("{} \"{name}\" already exists", kind.group_resource());
        Refusal::new(409, "AlreadyExists", message).about(kind, name)
    }

    pub fn conflict(kind: &Kind, name: &str, why: &str) -> Refusal {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.group_resource());
        Refusal::new(409, "Conflict", message).about(kind, name)
    }

    /// Somebody wrote the object since it was read.
    pub fn outdated(kind: &Kind, name: &str) -> Refusal {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Refusal::conflict(kind, name, why)
    }

    pub fn invalid(kind: &Kind, name: &str, causes: &[Cause]) -> Refusal {
        let told: Vec<String> =
            causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let told = if let [one] = &told[..] { one.clone() } else { format!("[{}]", told.join(", ")) };
        let who =
            if kind.group.is_empty() { kind.kind.clone() } else { format!("{}.{}", kind.kind, kind.group) };
        let mut refusal = Refusal::new(422, "Invalid", format!("{who} \"{name}\" is invalid: {told}"));
        let causes: Vec<Value> = causes
            .iter()
            .map(|cause| json!({"field": cause.field, "reason": cause.reason, "message": cause.message}))
            .collect();
        refusal.details = json!({"name": name, "group": kind.group, "kind": kind.kind, "causes": causes});
        refusal
    }

    pub fn bad_request(message: impl Into<String>) -> Refusal {
        Refusal::new(400, "BadRequest", message)
    }

    /// The resource version is no longer kept.
    pub fn expired(message: impl Into<String>) -> Refusal {
        Refusal::new(410, "Expired", message)
    }

    pub fn too_large_version(wanted: u64, current: u64) -> Refusal {
        let message = format!("Too large resource version: {wanted}, current: {current}");
        let mut refusal = Refusal::new(504, "Timeout", message);
        let cause = json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
        refusal.details = json!({"causes": [cause], "retryAfterSeconds": 1});
        refusal.retry_after = Some(1);
        refusal
    }

    pub fn about(mut self, kind: &Kind, name: &str) -> Refusal {
        self.details = json!({"name": name, "group": kind.group, "kind": kind.plural});
        self
    }

    /// The body of the reply.
    pub fn status(&self) -> Value {
        let Refusal { code, reason, message, details, retry_after } = self;
        let mut details = details.clone();
        if let Some(seconds) = retry_after {
            details["retryAfterSeconds"] = (*seconds).into();
        }
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "code": code, "reason": reason, "message": message, "details": details,
        })
    }
}
