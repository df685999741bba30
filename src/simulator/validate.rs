//! The API's own constraints on parameters, with AWS's texts.

use std::fmt::Display;

use super::api::StreamRef;
use super::{ApiError, ApiErrorCode, Config};
use crate::hash_key::HashKey;

/// Gathers what a request breaks: AWS names all of it in one error.
#[derive(Debug, Default)]
pub(super) struct Constraints(Vec<String>);

/// AWS's pattern of names of streams, shards and consumers.
const NAME: &str = "[a-zA-Z0-9_.-]+";

impl Constraints {
    fn broken(&mut self, field: &str, value: &dyn Display, constraint: &str) {
        self.0.push(format!("Value '{value}' at '{field}' failed to satisfy constraint: {constraint}"));
    }

    /// The stream's name, if the request has one.
    pub fn stream(&mut self, stream: &StreamRef) -> &mut Self {
        if let Some(name) = &stream.stream_name {
            self.name("streamName", name);
        }
        self
    }

    /// 1 to 128 of the characters that names have.
    pub fn name(&mut self, field: &str, name: &str) -> &mut Self {
        self.length(field, name, 1, 128);
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if name.is_empty() || !name.chars().all(allowed) {
            self.broken(field, &name, &format!("Member must satisfy regular expression pattern: {NAME}"));
        }
        self
    }

    /// A shard's ID.
    pub fn shard_id(&mut self, field: &str, id: &str) -> &mut Self {
        self.name(field, id)
    }

    /// A decimal hash key. `None` also where AWS's pattern allows a number beyond 2^128 − 1: the
    /// operation refuses that in its own words.
    pub fn hash_key(&mut self, field: &str, text: &str) -> Option<HashKey> {
        let digits = (1..=39).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let leading_zero = text.len() > 1 && text.starts_with('0');
        if !digits || leading_zero {
            let constraint = r"Member must satisfy regular expression pattern: 0|([1-9]\d{0,38})";
            self.broken(field, &text, constraint);
        }
        text.parse().ok()
    }

    /// So many bytes at least and at the most.
    pub fn length(&mut self, field: &str, text: &str, least: usize, most: usize) -> &mut Self {
        if text.len() < least {
            let constraint = format!("Member must have length greater than or equal to {least}");
            self.broken(field, &text, &constraint);
        } else if text.len() > most {
            let constraint = format!("Member must have length less than or equal to {most}");
            self.broken(field, &text, &constraint);
        }
        self
    }

    /// A number, if there is one.
    pub fn at_least(&mut self, field: &str, value: Option<i32>, least: i32) -> &mut Self {
        if let Some(value) = value.filter(|&value| value < least) {
            let constraint = format!("Member must have value greater than or equal to {least}");
            self.broken(field, &value, &constraint);
        }
        self
    }

    /// A number, if there is one.
    pub fn at_most(&mut self, field: &str, value: Option<i32>, most: i32) -> &mut Self {
        if let Some(value) = value.filter(|&value| value > most) {
            let constraint = format!("Member must have value less than or equal to {most}");
            self.broken(field, &value, &constraint);
        }
        self
    }

    /// One of a few words.
    pub fn one_of(&mut self, field: &str, value: &str, words: &[&str]) -> &mut Self {
        if !words.contains(&value) {
            let constraint = format!("Member must satisfy enum value set: [{}]", words.join(", "));
            self.broken(field, &value, &constraint);
        }
        self
    }

    /// Bytes that are too many; AWS names the buffer instead of its content.
    pub fn too_long(&mut self, field: &str, most: usize) -> &mut Self {
        let constraint = format!("Member must have length less than or equal to {most}");
        self.broken(field, &"java.nio.HeapByteBuffer", &constraint);
        self
    }

    /// Refuses if anything is broken.
    pub fn check(&self) -> Result<(), ApiError> {
        let count = self.0.len();
        if count == 0 {
            return Ok(());
        }
        let errors = if count == 1 { "error" } else { "errors" };
        let message = format!("{count} validation {errors} detected: {}", self.0.join("; "));
        Err(ApiError::new(ApiErrorCode::Validation, message))
    }
}

/// The name of the stream that a request means; whether it exists is another question.
pub(super) fn stream_name(stream: &StreamRef, config: &Config) -> Result<String, ApiError> {
    let Some(arn) = &stream.stream_arn else {
        return stream.stream_name.clone().ok_or_else(|| {
            ApiError::new(ApiErrorCode::InvalidArgument, "Either StreamName or StreamARN must be provided.")
        });
    };
    let prefix = arn_prefix(config);
    let well_formed = arn.starts_with("arn:") && arn.contains(":kinesis:") && arn.contains(":stream/");
    if !well_formed {
        let mut constraints = Constraints::default();
        let pattern = r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+";
        constraints.broken(
            "streamARN",
            arn,
            &format!("Member must satisfy regular expression pattern: {pattern}"),
        );
        constraints.check()?;
    }
    let name = arn
        .strip_prefix(&prefix)
        .ok_or_else(|| ApiError::new(ApiErrorCode::ResourceNotFound, format!("Stream {arn} not found.")))?;
    match &stream.stream_name {
        Some(other) if other != name => Err(ApiError::new(
            ApiErrorCode::InvalidArgument,
            format!("StreamName {other} and StreamARN {arn} do not name the same stream."),
        )),
        _ => Ok(name.to_owned()),
    }
}

/// What the ARNs of the account's streams begin with.
pub(super) fn arn_prefix(config: &Config) -> String {
    format!("arn:aws:kinesis:{}:{}:stream/", config.region, config.account_id)
}
