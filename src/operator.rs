//! The reconcile loop on custom resources in a Kubernetes cluster. It adds no decisions about
//! streams: each pass is the same observation, decision and execution as the one-shot run.
//!
//! ```text
//! watches ─► registry ─► agenda: who is due ─► reconcile: one pass ─► outcome ─► status, conditions
//!              │                                   │                      └────► events, metrics, logs
//!              └─ who may touch what, rivals ──────┤
//!                     session: what may be lost ───┤
//!               leadership, turns: what may act ───┘
//! ```
//!
//! # A pass
//!
//! In: the resource as the watch has it (spec, generation, labels, annotations), the status as this
//! replica wrote it last, or else as it read it past the watch; what the annotations of the namespace
//! allow; the other resources on the same stream; AWS. Out: one [`outcome::Outcome`], and everything
//! that anybody sees of a pass is derived from that by pure functions. A pass:
//! 1. reads the spec ([`object`]); what is wrong with it is told with its path;
//! 2. asks whether the namespace may ([`access`]) and whether somebody else claims the stream
//!    ([`claim`](crate::policy::claim), [`registry`]); a name alone is first resolved to the ARN that AWS has for it;
//! 3. observes, and ends there where nothing calls for a decision;
//! 4. decides, and has the checks pass it;
//! 5. asks what may be done of that now: mode, approval, the plan that stands ([`approval`]);
//! 6. where a step may be taken and a turn is free: writes the status that says so, looks at the
//!    resource that comes back, and takes the one step. Then it looks again.
//!
//! # Invariants
//!
//! - The stream is the only state. Before a write to AWS nothing has to be remembered that a restart
//!   needs, but the steps of an approved plan, which are in the status since it was proposed; how far
//!   they have come the shards tell, and the plan's hash proves it. So a replica may die between any
//!   two requests.
//! - Never two passes over one resource at a time; never a pass while another replica leads.
//! - No write to AWS without a lease that outlasts it ([`fence`]), and none without a write to the
//!   API server right before it, whose reply says that the resource is still there, unchanged and
//!   approved: where the API server is away, nothing is done.
//! - Each call to the API server and each observation has a timeout.
//! - A session may be lost at any time. It saves requests, names causes, and keeps events from being
//!   told twice; it decides nothing.
//! - What has not changed is not written: a pass over a stream at rest sends nothing to the API
//!   server.
//! - One unreadable, forbidden or panicking resource stops no other.

pub mod access;
pub mod agenda;
pub mod api;
pub mod approval;
pub mod audience;
pub mod cluster;
pub mod conditions;
pub mod connect;
pub mod crd;
pub mod elector;
pub mod events;
pub mod fence;
pub mod foreign;
pub mod leadership;
pub mod metrics;
pub mod object;
pub mod outcome;
pub mod planes;
pub mod reconcile;
pub mod registry;
pub mod run;
pub mod selector;
pub mod server;
pub mod session;
pub mod status;
