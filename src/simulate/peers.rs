//! What people use today, each by its own rules, from its own source.

mod epsagon;
mod equal;
mod fixed;
mod node_scaler;
pub mod on_demand;
mod sample_lambda;
mod scaling_utils;
mod target_tracking;
mod usage;

pub use epsagon::Epsagon;
pub use fixed::{Fixed, fewest_at_peak};
pub use node_scaler::NodeScaler;
pub use sample_lambda::SampleLambda;
pub use scaling_utils::ScalingUtils;
pub use target_tracking::{TargetTracking, Tracked};
