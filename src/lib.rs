//! reshard keeps the shards of Amazon Kinesis data streams matched to their load.
//!
//! # Layout
//!
//! - model: [`hash_key`], [`stream`], [`quota`], [`load`]

// model
pub mod hash_key;
pub mod load;
pub mod quota;
pub mod stream;

// execution
#[cfg(feature = "sandbox")]
pub mod sandbox;
#[cfg(feature = "sandbox")]
pub mod simulator;
