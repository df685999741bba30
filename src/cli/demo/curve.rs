//! A line of block characters over time.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The past as far as it goes, `share` of a story that is `width` wide: the highest value of each column,
/// a full block where that is the highest of all.
pub(super) fn curve(values: &[u64], share: f64, width: usize) -> String {
    let columns = ((share * width as f64).ceil() as usize).clamp(1, width.max(1));
    let highest = values.iter().copied().max().unwrap_or(0).max(1);
    let column = |index: usize| {
        let (from, to) = (index * values.len() / columns, (index + 1) * values.len() / columns);
        let value = values[from..to.max(from + 1).min(values.len())].iter().copied().max().unwrap_or(0);
        BLOCKS[usize::try_from(value * 7 / highest).unwrap_or(7)]
    };
    if values.is_empty() { String::new() } else { (0..columns.min(values.len())).map(column).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_grows_to_the_right_and_its_highest_value_is_a_full_block() {
        assert_eq!(curve(&[0, 1, 2, 4, 8, 8], 0.5, 12), "▁▁▂▄██");
        assert_eq!(curve(&[5; 100], 1.0, 10), "██████████");
        assert_eq!(curve(&[], 0.0, 10), "");
    }
}
