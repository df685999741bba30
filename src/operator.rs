//! The reconcile loop on custom resources in a Kubernetes cluster. It adds no decisions about
//! streams: each pass is the same observation, decision and execution as the one-shot run.
//!
//! ```text
//! watch ─► object ─► access, conflict ─► session: observe ─► decide ─► approval ─► one step
//!                                                               │
//!                               conditions, events, metrics ◄───┴─ outcome ─► status
//! ```

pub mod cluster;
pub mod connect;
pub mod crd;
pub mod elector;
pub mod leadership;
pub mod metrics;
pub mod object;
pub mod planes;
pub mod server;
pub mod status;
