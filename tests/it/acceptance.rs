//! What the product promises, over AWS's wire: the built binary against a sandbox in this process,
//! so that a test sees what was asked of AWS and moves the time.

mod consent;
mod count;
mod holds;
mod interrupt;
mod replay;
mod scale;
mod trouble;
mod untouched;
pub mod world;
