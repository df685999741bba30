//! Where the sandbox and the emulators differ, and why. The sandbox follows AWS's documentation, or
//! AWS's own messages where it is silent.

/// A step that two sides answer differently.
pub struct Difference {
    pub step: &'static str,
    pub ours: &'static str,
    pub theirs: &'static str,
    pub reason: &'static str,
}

/// ferrokinesis 0.7.0.
pub const FERROKINESIS: &[Difference] = &[];

/// kinesis-local 0.6.2.
pub const KINESIS_LOCAL: &[Difference] = &[];
