//! Figures with the units that suit them, for people.

/// A rate with the unit that suits it: `1.43 MB/s`, `920 B/s`.
pub fn rate(per_second: u64, unit: &str) -> String {
    let scaled = |divisor: f64, prefix: &str| format!("{:.2} {prefix}{unit}/s", per_second as f64 / divisor);
    match per_second {
        0..1_000 => format!("{per_second} {unit}/s"),
        1_000..1_000_000 => scaled(1e3, "k"),
        1_000_000..1_000_000_000 => scaled(1e6, "M"),
        _ => scaled(1e9, "G"),
    }
}

/// A span of time in the two largest units that say something: `2 min 5 s`, `3 h`.
pub fn duration(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, rest) {
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, 0, _) => format!("{h} h"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_take_the_units_that_suit_them() {
        assert_eq!(
            [0, 59, 60, 125, 3_600, 5_400].map(duration),
            ["0 s", "59 s", "1 min", "2 min 5 s", "1 h", "1 h 30 min"]
        );
    }

    #[test]
    fn rates_take_the_unit_that_suits_them() {
        let told = [0, 999, 1_430_000, 2_500_000_000].map(|bytes| rate(bytes, "B"));
        assert_eq!(told, ["0 B/s", "999 B/s", "1.43 MB/s", "2.50 GB/s"]);
    }
}
