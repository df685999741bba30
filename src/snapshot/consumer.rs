//! Which consumer a series is of.

use serde::{Deserialize, Serialize};

use crate::policy::{Consumer, ConsumerKind};

/// A declared consumer by its type and name, `Lambda/orders`: a function and a delivery stream may
/// well have the same name, and are two readers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConsumerId(String);

impl From<&Consumer> for ConsumerId {
    fn from(consumer: &Consumer) -> ConsumerId {
        let Consumer { name, kind } = consumer;
        // No type has a slash in it, so that whatever a name holds, two consumers stay two.
        let kind = match kind {
            ConsumerKind::Firehose { .. } => "Firehose",
            ConsumerKind::Lambda => "Lambda",
            ConsumerKind::Polling { .. } => "Polling",
            ConsumerKind::EnhancedFanOut => "EnhancedFanOut",
        };
        ConsumerId(format!("{kind}/{name}"))
    }
}
