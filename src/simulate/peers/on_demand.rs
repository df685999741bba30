//! On-demand mode: no shards to scale, a price by the gigabyte. It takes twice the peak of the last 30
//! days, 4 MB/s at the least, and rejects what rises above that faster than 15 minutes (AWS's developer
//! guide, "How do I size a stream"). How AWS spreads keys is not modelled: what its peak allows, it takes.

use std::collections::VecDeque;

use crate::cost::{Money, Prices};
use crate::simulate::load::Load;

const LEAST_UNITS: f64 = 4.0;
const PEAK_SECONDS: u64 = 30 * 86_400;
const SETTLING_SECONDS: u64 = 15 * 60;
const GIGABYTE: f64 = (1_u64 << 30) as f64;

/// What on-demand makes of a load.
#[derive(Debug, Clone, PartialEq)]
pub struct OnDemand {
    /// Rejected shard-units, by tick.
    pub rejected: Vec<f32>,
    /// The bill of the standard price plan, for what is written.
    pub standard: Money,
    /// The bill of On-demand Advantage, for what is written: cheaper by the gigabyte, with a least
    /// throughput in and out that is billed in any case.
    pub advantage: Money,
    /// What a provisioned stream's PUT payload units would cost for the same records, of which either bill has none.
    pub put_payload_units: Money,
}

/// Plays a load on an on-demand stream that has carried it before at its first rate.
pub fn play(load: &Load, prices: &Prices) -> OnDemand {
    let seconds = u64::from(load.tick_seconds());
    let (memory, settling) = ((PEAK_SECONDS / seconds) as usize, (SETTLING_SECONDS / seconds) as usize);
    let totals = load.totals();
    let first = totals.first().copied().unwrap_or(0.0);
    // The highest rates of the memory, each lower than the one before it.
    let mut peaks: VecDeque<(usize, f64)> = VecDeque::new();
    let mut accepted_unit_seconds = 0.0;
    let mut rejected = Vec::with_capacity(totals.len());
    for (tick, units) in totals.iter().enumerate() {
        if let Some(settled) = tick.checked_sub(settling) {
            while peaks.back().is_some_and(|(_, peak)| *peak <= totals[settled]) {
                peaks.pop_back();
            }
            peaks.push_back((settled, totals[settled]));
        }
        while peaks.front().is_some_and(|(at, _)| at + memory < tick) {
            peaks.pop_front();
        }
        let peak = peaks.front().map_or(first, |(_, peak)| peak.max(first));
        let taken = units.min((2.0 * peak).max(LEAST_UNITS));
        accepted_unit_seconds += taken * seconds as f64;
        rejected.push((units - taken) as f32);
    }
    let unit = load.unit();
    let record_bytes = f64::from(unit.record_bytes);
    let bytes = |rounded_to: u64| {
        let rounded_to = rounded_to.max(1) as f64;
        let billed = (record_bytes / rounded_to).ceil() * rounded_to / record_bytes;
        accepted_unit_seconds * unit.bytes_per_second * billed
    };
    let elapsed = totals.len() as u64 * seconds;
    let least = (prices.on_demand_advantage_minimum_bytes_per_second * elapsed) as f64;
    let gigabytes = |price: Money, bytes: f64| price.times((bytes / GIGABYTE * 1e6) as u128, 1_000_000);
    OnDemand {
        rejected,
        standard: gigabytes(prices.on_demand_gigabyte_in, bytes(prices.on_demand_record_bytes))
            + prices.on_demand_stream_hour.times(u128::from(elapsed), 3_600),
        advantage: gigabytes(
            prices.on_demand_advantage_gigabyte_in,
            bytes(prices.on_demand_advantage_record_bytes).max(least),
        ) + gigabytes(prices.on_demand_advantage_gigabyte_out, least),
        put_payload_units: unit.put_payload_units(accepted_unit_seconds, prices),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::load::test_load;

    #[test]
    fn a_rise_above_twice_the_peak_is_rejected_for_a_quarter_of_an_hour() {
        // 10 units for half an hour, then 50 for half an hour, in minutes.
        let load = test_load("0,10\n1800,10\n1801,50\n3600,50\n", 50.0, 60);
        let played = play(&load, &Prices::default());
        let rejected: Vec<f32> = played.rejected.iter().map(|units| units.round()).collect();
        assert_eq!(rejected[..30], [0.0; 30]);
        assert_eq!(rejected[30..45], [30.0; 15]);
        assert_eq!(rejected[45..], [0.0; 15]);
    }

    #[test]
    fn a_small_stream_is_taken_up_to_four_units_and_billed_by_the_hour_and_the_gigabyte() {
        let load = test_load("0,1\n1800,1\n1801,4\n3600,4\n", 4.0, 60);
        let played = play(&load, &Prices::default());
        assert_eq!(played.rejected, vec![0.0; 60]);
        // 30 min of 1 MB/s and 30 of 4, in records of 2,000 bytes that are billed as 2,048.
        let gigabytes = 1_800.0 * 5.0 * 1e6 * 1.024 / (1 << 30) as f64;
        let dollars = |money: Money| money.nano_dollars() as f64 / 1e9;
        assert!((dollars(played.standard) - (0.04 + 0.08 * gigabytes)).abs() < 1e-3);
        // 9,000 unit-seconds of 500 records, each of which would be a PUT payload unit at $0.014 a million.
        assert!((dollars(played.put_payload_units) - 0.063).abs() < 1e-3);
        // The least that Advantage bills is 25 MB/s in, and as much out.
        let least = 3_600.0 * 25e6 / (1 << 30) as f64;
        assert!((dollars(played.advantage) - (0.032 + 0.016) * least).abs() < 1e-3);
        // Where records were billed as they are.
        let prices = Prices { on_demand_record_bytes: 1, ..Prices::default() };
        let dollars_unrounded = dollars(play(&load, &prices).standard);
        assert!((dollars_unrounded - (0.04 + 0.08 * gigabytes / 1.024)).abs() < 1e-3);
    }
}
