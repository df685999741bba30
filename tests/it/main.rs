//! The integration tests: one binary, one module for each subject.
#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod acceptance;
mod bad_input;
mod brute_force;
mod cli;
mod crd;
mod docs;
mod election;
mod failover;
mod kubernetes;
mod manifests;
mod operator;
mod process;
mod report;
mod sandbox;
mod scenarios;
mod simulation;
mod support;
mod tidy;
