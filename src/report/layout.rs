//! Text within a width: wrapping, columns with right-aligned figures, colour, and the wording of
//! figures that several renderers share.

use crate::cost::grouped;
use crate::load::Load;

/// What a piece of text says, told by colour as well where colour is on. The words alone say it
/// too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Heading,
    Good,
    Bad,
    Warning,
    Faint,
}

/// Paints text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Painter {
    pub color: bool,
}

impl Painter {
    /// The colours are of the fixed part of the palette of 256: each has a contrast of 3.8 at the least both
    /// on white and on black. A terminal's own yellow and green have 1.7 and 2.2 on white.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Heading => "1",
            Tone::Good => "38;5;28",
            Tone::Bad => "1;38;5;160",
            Tone::Warning => "38;5;166",
            Tone::Faint => "2",
        };
        if self.color && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// How wide text is on a terminal: what we print has one column a character.
pub(super) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// Breaks `text` into lines of at most `width` columns, between words where it can, inside a word
/// where it must. A figure and its percent sign are one word.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    const KEPT: &str = "\u{a0}%";
    let lines = wrap_words(&text.replace(" %", KEPT), width.max(1));
    lines.into_iter().map(|line| line.replace(KEPT, " %")).collect()
}

fn wrap_words(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let gap = usize::from(!line.is_empty());
        if columns(&line) + gap + columns(word) <= width {
            if gap == 1 {
                line.push(' ');
            }
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for letter in word.chars() {
            if columns(&line) == width {
                lines.push(std::mem::take(&mut line));
            }
            line.push(letter);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Wraps `text` behind `head`, the lines that follow indented to where the text began.
pub(crate) fn hang(head: &str, text: &str, width: usize) -> Vec<String> {
    let indent = columns(head).min(width / 2);
    let mut lines = wrap(text, width - indent);
    for (index, line) in lines.iter_mut().enumerate() {
        *line = if index == 0 { format!("{head}{line}") } else { format!("{:indent$}{line}", "") };
    }
    lines
}

/// Sets facts one after another with dots between them; none is torn apart unless it is wider than
/// a line.
pub(super) fn facts(indent: &str, facts: &[String], width: usize) -> Vec<String> {
    const DOT: &str = " · ";
    let mut lines: Vec<String> = Vec::new();
    for fact in facts {
        match lines.last_mut() {
            Some(line) if columns(line) + columns(DOT) + columns(fact) <= width => {
                line.push_str(DOT);
                line.push_str(fact);
            }
            _ => lines.extend(hang(indent, fact, width)),
        }
    }
    lines
}

/// One cell of a table.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
    right: bool,
}

impl Cell {
    /// Text, from the left.
    pub fn text(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), tone: Tone::Plain, right: false }
    }

    /// A figure, to the right.
    pub fn figure(text: impl Into<String>) -> Cell {
        Cell { right: true, ..Cell::text(text) }
    }

    pub fn tone(self, tone: Tone) -> Cell {
        Cell { tone, ..self }
    }
}

const GAP: usize = 2;

/// How wide the columns of `rows` are, gaps between them included.
pub(super) fn natural_width(rows: &[Vec<Cell>]) -> usize {
    let widths = column_widths(rows);
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

/// The first of these tables, the fullest first, that fits into `width`; the last where none does.
pub(crate) fn fitting(tables: impl IntoIterator<Item = Vec<Vec<Cell>>>, width: usize) -> Vec<Vec<Cell>> {
    let mut last = Vec::new();
    for table in tables {
        last = table;
        if natural_width(&last) <= width {
            break;
        }
    }
    last
}

fn column_widths(rows: &[Vec<Cell>]) -> Vec<usize> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    (0..count)
        .map(|at| {
            rows.iter().filter_map(|row| row.get(at)).map(|cell| columns(&cell.text)).max().unwrap_or(0)
        })
        .collect()
}

/// Sets `rows` in columns. Where they do not fit into `width`, each row is wrapped as text.
pub(crate) fn set_columns(rows: &[Vec<Cell>], width: usize, painter: Painter) -> Vec<String> {
    if natural_width(rows) > width {
        let flat = |row: &Vec<Cell>| row.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join("  ");
        return rows.iter().flat_map(|row| hang("", &flat(row), width)).collect();
    }
    let widths = column_widths(rows);
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let pad = " ".repeat(width - columns(&cell.text));
                let gap = " ".repeat(if at == 0 { 0 } else { GAP });
                let painted = painter.paint(cell.tone, &cell.text);
                let (before, after) = if cell.right { (pad, String::new()) } else { (String::new(), pad) };
                line.extend([gap, before, painted, after]);
            }
            line.truncate(line.trim_end().len());
            line
        })
        .collect()
}

/// A load as a percentage of the ceiling, never wider than nine columns.
pub(super) fn percent(load: Load) -> String {
    if load.percent() >= 100_000.0 { ">99999 %".to_owned() } else { load.to_string() }
}

/// "1 shard", "2 shards".
pub fn count(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// How many hours more `after` is than `before`, with its sign.
pub(super) fn signed_hours(before: u64, after: u64) -> String {
    let sign = match after.cmp(&before) {
        std::cmp::Ordering::Less => '-',
        std::cmp::Ordering::Equal => '±',
        std::cmp::Ordering::Greater => '+',
    };
    format!("{sign}{} h", grouped(after.abs_diff(before)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn figures_stand_under_each_other_to_the_right() {
        let row = |name: &str, figure: &str| vec![Cell::text(name), Cell::figure(figure)];
        let lines = set_columns(&[row("a", "1.0 %"), row("bcd", "100.0 %")], 40, Painter { color: false });
        assert_eq!(lines, ["a      1.0 %", "bcd  100.0 %"]);
    }

    #[test]
    fn color_changes_no_text_and_is_absent_where_it_is_off() {
        let rows = [vec![Cell::text("hot").tone(Tone::Bad), Cell::figure("9")]];
        let plain = set_columns(&rows, 40, Painter { color: false });
        let painted = set_columns(&rows, 40, Painter { color: true });
        assert_eq!(plain, ["hot  9"]);
        assert_eq!(painted, ["\u{1b}[1;38;5;160mhot\u{1b}[0m  9"]);
    }

    #[test]
    fn a_percent_sign_begins_no_line() {
        assert_eq!(wrap("the hottest at 70.6 % of it", 19), ["the hottest at", "70.6 % of it"]);
        assert_eq!(wrap("70.6 %", 3), ["70.", "6 %"]);
    }

    #[test]
    fn facts_stay_whole_and_no_dot_ends_a_line() {
        let said = ["a b", "c d", "e f"].map(str::to_owned);
        assert_eq!(facts("  ", &said, 12), ["  a b · c d", "  e f"]);
        assert_eq!(facts("", &said, 80), ["a b · c d · e f"]);
    }

    proptest! {
        #[test]
        fn wrapped_text_keeps_every_letter_and_the_width(text in "[a-z ]{0,200}", width in 1usize..40) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|line| columns(line) <= width));
            let letters = |text: &str| text.replace(' ', "");
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }
}
