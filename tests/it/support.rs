//! What tests stand on: a Kubernetes API server in memory, the wire to a server with faults on it,
//! and clusters in memory or real behind one trait.

pub mod cluster;
pub mod dice;
pub mod http;
pub mod kube;
pub mod seeds;
pub mod wire;
