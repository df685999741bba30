//! Chance without state: a number drawn from the seed and from what it is drawn for, so that a draw
//! never depends on which other draws were made before it.

use super::api::Metric;

/// Mixes `parts` into 64 evenly spread bits (SplitMix64's finaliser over a running sum).
pub(crate) fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9e37_79b9_7f4a_7c15, |state: u64, &part| {
        let mut bits = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    })
}

/// A number from 0 up to, not including, 1.
pub(crate) fn share(parts: &[u64]) -> f64 {
    (mix(parts) >> 11) as f64 / (1u64 << 53) as f64
}

/// A normally distributed number of mean 0 and deviation 1 (Box and Muller).
pub(crate) fn normal(parts: &[u64]) -> f64 {
    let bits = mix(parts);
    let radius = (-2.0 * (1.0 - share(&[bits, 1])).ln()).sqrt();
    radius * (std::f64::consts::TAU * share(&[bits, 2])).cos()
}

/// Bits that stand for a text.
pub(crate) fn text(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Bits that stand for a metric.
pub(super) fn name(metric: &Metric) -> u64 {
    let dimensions = metric.dimensions.iter().map(|dimension| text(&dimension.value));
    dimensions
        .fold(mix(&[text(&metric.namespace), text(&metric.metric_name)]), |bits, value| mix(&[bits, value]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_spread_as_they_should_be() {
        let many = 20_000;
        let mean = (0..many).map(|i| share(&[7, i])).sum::<f64>() / many as f64;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        let normals: Vec<f64> = (0..many).map(|i| normal(&[7, i])).collect();
        let mean = normals.iter().sum::<f64>() / many as f64;
        let variance = normals.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / many as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }

    #[test]
    fn a_draw_depends_on_each_of_its_parts() {
        assert_eq!(mix(&[1, 2, 3]), mix(&[1, 2, 3]));
        assert_ne!(mix(&[1, 2, 3]), mix(&[1, 3, 2]));
        assert_ne!(mix(&[1, 2, 3]), mix(&[2, 2, 3]));
    }
}
