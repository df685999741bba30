//! The resource that was played, told with the result: what it sets beside the defaults.

use anyhow::Context;
use serde_json::{Value, json};

use crate::manifest;
use crate::resource::{KinesisStreamAutoscaler, KinesisStreamAutoscalerSpec};

/// The resource as YAML, without what it leaves to the defaults.
///
/// # Errors
/// None that is known: what was read can be written.
pub(super) fn beside_the_defaults(resource: &KinesisStreamAutoscaler) -> anyhow::Result<String> {
    let spec = serde_json::to_value(&resource.spec).context("the resource")?;
    let needed = json!({"streamRef": spec["streamRef"], "maxShards": spec["maxShards"]});
    let defaults: KinesisStreamAutoscalerSpec = serde_json::from_value(needed).context("the defaults")?;
    let mut set = differing(&spec, &serde_json::to_value(defaults).context("the defaults")?);
    set["maxShards"] = spec["maxShards"].clone();
    Ok(format!(
        "The resource, where it differs from the defaults:\n\n{}",
        manifest::to_yaml(&json!({"spec": set}))?
    ))
}

/// What of an object is not so in the other one.
fn differing(given: &Value, defaults: &Value) -> Value {
    match (given, defaults) {
        (Value::Object(given), Value::Object(defaults)) => {
            let others = given.iter().filter(|(key, value)| defaults.get(*key) != Some(value));
            let part = |(key, value): (&String, &Value)| {
                (key.clone(), defaults.get(key).map_or(value.clone(), |default| differing(value, default)))
            };
            Value::Object(others.map(part).collect())
        }
        _ => given.clone(),
    }
}
