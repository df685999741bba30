//! The guides in `docs/` and the README beside the code: options, reasons, commands and policies that
//! they name are those that there are, all of them.

use std::fs;
use std::path::Path;

mod options;
mod readme;
mod reasons;

/// A file of the package.
fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}
