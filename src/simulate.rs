//! What a policy is worth: the product's own decisions, those of its peers and the best that is possible,
//! on the same load in virtual time.
//!
//! - [`trace`]: a CSV of rates, scaled; [`load`]: what it offers to which hash keys.
//! - [`fluid`]: the stream as a fluid; [`watch`]: what can be seen of it, as a snapshot.
//! - [`scaler`]: what a policy is; [`production`]: ours; [`peers`]: the others; [`relieved`]: ours
//!   without one of its limits.
//! - [`course`]: one policy on one load; [`optimum`]: a lower bound for all of them.
//! - [`contest`]: all of them on one load; [`score`]: what came of it.

pub mod contest;
pub mod course;
pub mod fluid;
pub mod load;
pub mod optimum;
pub mod peers;
pub mod plot;
pub mod production;
mod read_ledger;
pub mod relieved;
pub mod scaler;
pub mod score;
pub mod table;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod watch;
