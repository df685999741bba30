//! The operator at work: the product's own loop against the API server in memory and the simulator
//! as AWS, all in one virtual time.

mod access;
mod approve;
mod attention;
pub mod clock;
mod count;
mod crash;
mod day;
mod fleet;
mod foresight;
pub mod fuse;
mod heed;
pub mod plane;
mod refusals;
mod replicas;
mod rig;
mod scale;
mod trouble;
