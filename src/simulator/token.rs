//! Opaque tokens: pagination and shard iterators.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::api::{Dimension, Metric};

/// The token that stands for `content`.
pub(super) fn encode(content: &impl Serialize) -> String {
    let text = serde_json::to_vec(content).expect("tokens are plain structs of numbers and texts");
    STANDARD.encode(text)
}

/// What `token` stands for; `None` if it is not one of ours.
pub(super) fn decode<T: DeserializeOwned>(token: &str) -> Option<T> {
    serde_json::from_slice(&STANDARD.decode(token).ok()?).ok()
}

/// The token that stands for a metric.
pub(super) fn encode_metric(metric: &Metric) -> String {
    let dimensions: Vec<_> = metric.dimensions.iter().map(|d| (&d.name, &d.value)).collect();
    encode(&(&metric.namespace, &metric.metric_name, dimensions))
}

/// The metric that `token` stands for; `None` if it is not one of ours.
pub(super) fn decode_metric(token: &str) -> Option<Metric> {
    let (namespace, metric_name, dimensions): (String, String, Vec<(String, String)>) = decode(token)?;
    let dimensions = dimensions.into_iter().map(|(name, value)| Dimension { name, value }).collect();
    Some(Metric { namespace, metric_name, dimensions })
}
