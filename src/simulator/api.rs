//! Requests and replies of the modelled operations, with AWS's field names, defaults and types.
//!
//! The Kinesis half reads and writes AWS JSON 1.1 through serde: fields are in PascalCase, absent
//! fields are left out, timestamps are epoch seconds with milliseconds, blobs are base64.
#![expect(missing_docs, reason = "fields bear AWS's names; its API reference says what they mean")]

mod data;
mod metrics;
mod shards;
mod streams;
pub(crate) mod wire;

pub use data::*;
pub use metrics::*;
pub use shards::*;
pub use streams::*;
