//! reshard keeps the shards of Amazon Kinesis data streams matched to their load.
//!
//! # Layout
//!
//! - model: [`units`], [`hash_key`], [`stream`], [`quota`], [`load`], [`policy`], [`snapshot`], [`plan`],
//!   [`cost`]
//! - decision: [`demand`], [`planner`], [`decision`], [`checks`], [`vetted`], [`advice`], [`report`]; pure: no
//!   clock, no I/O, no async, no randomness, no logging
//! - execution: `control_plane`, `gather`, `turns`, `rounds`, `observe`, `executor`, `aws`, `simulator`, `sandbox`
//! - shells: [`resource`], `manifest`, `simulate`, `operator`, `telemetry`, `cli`
//!
//! A module imports only from its own layer or from one named above it; `tests/it/tidy.rs` holds that.

// model
pub mod cost;
pub mod hash_key;
pub mod load;
pub mod plan;
pub mod policy;
pub mod quota;
pub mod snapshot;
pub mod stream;
pub mod units;

// decision
pub mod advice;
pub mod checks;
pub mod decision;
pub mod demand;
pub mod planner;
pub mod report;
pub mod vetted;

// execution
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "execution")]
pub mod control_plane;
#[cfg(feature = "execution")]
pub mod executor;
#[cfg(feature = "execution")]
pub mod gather;
#[cfg(feature = "execution")]
pub mod observe;
#[cfg(feature = "execution")]
pub mod rounds;
#[cfg(feature = "sandbox")]
pub mod sandbox;
#[cfg(feature = "sandbox")]
pub mod simulator;
#[cfg(feature = "execution")]
pub mod turns;

// shells
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod manifest;
#[cfg(feature = "operator")]
pub mod operator;
pub mod resource;
#[cfg(feature = "sandbox")]
pub mod simulate;
#[cfg(feature = "cli")]
pub mod telemetry;
