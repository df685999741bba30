//! What has a target: it is run until one run meets it, or it fails.

use std::time::{Duration, Instant};

/// How long the least of all runs may take to come under its target: other work on the machine lengthens a run and
/// shortens none, so that a busy machine needs more runs, and nothing slow can pass.
const PATIENCE: Duration = Duration::from_secs(20);

/// Fails where no run takes as little as `most`, by what each says that it took. Without optimisation there is nothing
/// to measure.
pub(crate) fn keeps(name: &str, most: Duration, mut run: impl FnMut() -> Duration) {
    if cfg!(debug_assertions) {
        return;
    }
    let (began, mut least) = (Instant::now(), Duration::MAX);
    while least > most && began.elapsed() < PATIENCE {
        least = least.min(run());
    }
    eprintln!("{name}: {least:.1?}, {most:?} at the most");
    assert!(least <= most, "{name} takes {least:?} at the least, and may take {most:?}");
}
