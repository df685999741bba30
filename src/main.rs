//! The `reshard` binary.
fn main() {}
