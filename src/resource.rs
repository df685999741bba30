//! The resource `KinesisStreamAutoscaler` as people write it, and its way into a [`ScalingPolicy`].
//!
//! The types hold what was written, in range or not; [`KinesisStreamAutoscaler::to_policy`] says
//! everything that is wrong with it at once. What is left out has the default of [`defaults`].

use serde::{Deserialize, Serialize};

pub use self::check::FieldError;
pub use self::duration::DurationText;
#[cfg(feature = "operator")]
pub(crate) use self::read::{decode, in_plain_words, join};
pub use self::spec::*;
use crate::policy::ScalingPolicy;
#[cfg(doc)]
use crate::policy::defaults;

mod check;
mod convert;
mod duration;
mod names;
mod ranges;
#[cfg(feature = "operator")]
mod read;
#[cfg(feature = "operator")]
mod schema;
mod spec;

/// The group and version of the resource.
pub const API_VERSION: &str = "reshard.dev/v1alpha1";
/// The kind of the resource.
pub const KIND: &str = "KinesisStreamAutoscaler";

/// How the shards of one Kinesis data stream are matched to its load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KinesisStreamAutoscaler {
    /// Always [`API_VERSION`].
    pub api_version: String,
    /// Always [`KIND`].
    pub kind: String,
    /// Its name and namespace.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: KinesisStreamAutoscalerSpec,
}

/// The part of a Kubernetes object's metadata that matters here; the rest is accepted and left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The name: lower-case letters, digits, `-` and `.`, at most 253 characters (RFC 1123).
    pub name: String,
    /// The namespace: lower-case letters, digits and `-`, at most 63 characters (RFC 1123).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Counts the changes of the spec; set by the API server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}

impl KinesisStreamAutoscaler {
    /// A resource that says no more than it must.
    pub fn new(
        name: impl Into<String>,
        stream: impl Into<String>,
        max_shards: u32,
    ) -> KinesisStreamAutoscaler {
        KinesisStreamAutoscaler {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            metadata: Metadata { name: name.into(), ..Metadata::default() },
            spec: KinesisStreamAutoscalerSpec::new(stream, max_shards),
        }
    }

    /// The policy that this resource asks for.
    ///
    /// # Errors
    ///
    /// Every fault, each with its path from the resource's root, in the order of the fields.
    pub fn to_policy(&self) -> Result<ScalingPolicy, Vec<FieldError>> {
        convert::to_policy(self)
    }
}
