//! The clairvoyant optimum: what the best policy could reach that knows all of the load beforehand.
//!
//! A lower bound for every policy on shards: boundaries move for free and keys spread evenly (so that
//! `s` shards take min(load, s)), UpdateShardCount is not rationed, and only the count costs time: a
//! split or a merge as long as a step, an UpdateShardCount to between half and double as long as an
//! update. What is left is a shortest path over time and counts.
//!
//! The 200 shards that reshard keeps to are no bound here: they are this product's own, and peers that follow
//! a load above them would be cheaper than the least. No course needs more shards than the highest load, though:
//! capped there it takes as much, costs no more, and its changes stay within their reach or fall away.

use std::collections::VecDeque;

/// What the optimum is measured by, and what binds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Seconds of a tick.
    pub tick_seconds: u32,
    /// Seconds of a split or merge.
    pub step_seconds: u32,
    /// Seconds of an UpdateShardCount.
    pub update_seconds: u32,
    /// What rejecting a shard-unit for an hour costs, in shard-hours.
    pub penalty: f64,
}

/// The least shard-hours + penalty × rejected unit-hours that any policy can have on these shard-units a
/// tick, whatever the count it begins with.
pub fn least_cost(units: &[f64], rules: &Rules) -> f64 {
    let ticks_of = |seconds: u32| seconds.div_ceil(rules.tick_seconds).max(1) as usize;
    let (step, update) = (ticks_of(rules.step_seconds), ticks_of(rules.update_seconds));
    let counts = units.iter().copied().fold(1.0, f64::max).ceil() as usize;
    let hours = f64::from(rules.tick_seconds) / 3_600.0;
    // By count − 1: what it costs to have kept that count from the beginning until now.
    let mut kept = vec![0.0_f64; counts];
    // The least cost of being at that count now, less what it would have cost to have kept it: a change
    // that begins at the older moment pays, until its end, for the count that it leaves.
    let mut least = vec![0.0_f64; counts];
    let mut past: VecDeque<Vec<f64>> = VecDeque::with_capacity(step.max(update) + 1);
    for demand in units {
        past.push_front(least.clone());
        past.truncate(step.max(update));
        for (at, kept) in kept.iter_mut().enumerate() {
            let shards = (at + 1) as f64;
            *kept += (shards + rules.penalty * (demand - shards).max(0.0)) * hours;
        }
        if let Some(left) = past.get(step - 1) {
            for to in 0..counts {
                for from in
                    [to.checked_sub(1), Some(to + 1).filter(|from| *from < counts)].into_iter().flatten()
                {
                    least[to] = least[to].min(left[from] + kept[from] - kept[to]);
                }
            }
        }
        if let Some(left) = past.get(update - 1) {
            let total: Vec<f64> = left.iter().zip(&kept).map(|(left, kept)| left + kept).collect();
            for (to, cheapest) in cheapest_within_double(&total).into_iter().enumerate() {
                least[to] = least[to].min(cheapest - kept[to]);
            }
        }
    }
    least.iter().zip(&kept).map(|(least, kept)| least + kept).fold(f64::INFINITY, f64::min)
}

/// For each count the least cost among the counts from which UpdateShardCount leads to it: from half of
/// it to its double. Both ends of that window only move up.
fn cheapest_within_double(cost: &[f64]) -> Vec<f64> {
    let mut window: VecDeque<usize> = VecDeque::new();
    let mut next = 1;
    let mut cheapest = Vec::with_capacity(cost.len());
    for to in 1..=cost.len() {
        while next <= (2 * to).min(cost.len()) {
            while window.back().is_some_and(|last| cost[*last - 1] >= cost[next - 1]) {
                window.pop_back();
            }
            window.push_back(next);
            next += 1;
        }
        while window.front().is_some_and(|first| 2 * *first < to) {
            window.pop_front();
        }
        cheapest.push(window.front().map_or(f64::INFINITY, |from| cost[*from - 1]));
    }
    cheapest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// More shards than the highest load of the tests needs.
    const MAX_SHARDS: u32 = 6;

    /// Every course there is: at each tick keep the count, or begin a change that ends later.
    fn exhaustive(units: &[f64], rules: &Rules) -> f64 {
        fn from(tick: usize, shards: u32, units: &[f64], rules: &Rules) -> f64 {
            if tick >= units.len() {
                return 0.0;
            }
            let hours = f64::from(rules.tick_seconds) / 3_600.0;
            let cost = |ticks: u32| -> f64 {
                let end = (tick + ticks as usize).min(units.len());
                let shards = f64::from(shards);
                let of = |demand: &f64| (shards + rules.penalty * (demand - shards).max(0.0)) * hours;
                units[tick..end].iter().map(of).sum()
            };
            let ticks_of = |seconds: u32| seconds.div_ceil(rules.tick_seconds).max(1);
            let (step, update) = (ticks_of(rules.step_seconds), ticks_of(rules.update_seconds));
            let mut best = cost(1) + from(tick + 1, shards, units, rules);
            for to in 1..=MAX_SHARDS {
                let ticks = match to.abs_diff(shards) {
                    0 => continue,
                    1 => step.min(update),
                    _ if to <= 2 * shards && shards <= 2 * to => update,
                    _ => continue,
                };
                best = best.min(cost(ticks) + from(tick + ticks as usize, to, units, rules));
            }
            best
        }
        (1..=MAX_SHARDS).map(|shards| from(0, shards, units, rules)).fold(f64::INFINITY, f64::min)
    }

    proptest! {
        #[test]
        fn no_course_is_cheaper_than_the_optimum_and_one_is_as_cheap(
            units in proptest::collection::vec(0.0..5.0_f64, 1..7),
            step in 1u32..4,
            update in 1u32..5,
            penalty in prop_oneof![Just(20.0), Just(200.0), 0.1..3.0_f64],
        ) {
            let rules = Rules {
                tick_seconds: 30, step_seconds: 30 * step, update_seconds: 30 * update, penalty,
            };
            let (found, least) = (least_cost(&units, &rules), exhaustive(&units, &rules));
            prop_assert!((found - least).abs() < 1e-9, "{found} and {least}");
        }
    }

    #[test]
    fn a_constant_load_costs_its_shards() {
        let rules = Rules { tick_seconds: 30, step_seconds: 30, update_seconds: 180, penalty: 20.0 };
        assert!((least_cost(&[7.0; 120], &rules) - 7.0).abs() < 1e-9);
        // Half a unit more is worth a shard at 20 shard-hours a unit-hour.
        assert!((least_cost(&[7.5; 120], &rules) - 8.0).abs() < 1e-9);
    }
}
