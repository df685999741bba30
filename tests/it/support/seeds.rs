//! Which seeded stories are told: `RESHARD_SEED=7` tells one, `RESHARD_SEEDS=500` so many.

use std::ops::Range;

/// The stories of a run.
pub struct Seeds {
    pub all: Range<u64>,
    /// Whether one story alone was asked for, which is then told in full.
    pub alone: bool,
}

impl Seeds {
    /// As the environment says; `usually` so many.
    pub fn told(usually: u64) -> Seeds {
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let (first, many) = (number("RESHARD_SEED"), number("RESHARD_SEEDS"));
        let alone = first.is_some() && many.is_none();
        let first = first.unwrap_or(1);
        Seeds { all: first..first + if alone { 1 } else { many.unwrap_or(usually) }, alone }
    }
}
