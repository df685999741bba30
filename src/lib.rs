//! reshard keeps the shards of Amazon Kinesis data streams matched to their load.
//!
//! # Layout
//!
//! - model: [`hash_key`], [`stream`], [`quota`], [`load`], [`policy`], [`snapshot`], [`plan`]
//! - decision: [`demand`], [`planner`]; pure: no clock, no I/O, no async, no randomness, no logging
//! - execution: `control_plane`
//! - shells: [`resource`], `manifest`

// model
pub mod hash_key;
pub mod load;
pub mod plan;
pub mod policy;
pub mod quota;
pub mod snapshot;
pub mod stream;

// decision
pub mod demand;
pub mod planner;

// execution
#[cfg(feature = "execution")]
pub mod control_plane;

// shells
#[cfg(feature = "cli")]
pub mod manifest;
pub mod resource;
