//! Rows in columns.

use std::fmt::Write as _;

use grease_core::model::harmless;

/// Widest column but the last one; a longer text in it goes beyond.
const WIDTH_MAX: usize = 40;

/// Longest cell.
const CELL_CHARS_MAX: usize = 100;

/// Rows under their titles, a line each. Cells are texts of others, and made fit for a terminal.
pub(super) fn table<const N: usize>(titles: [&str; N], rows: Vec<[String; N]>) -> String {
    let titles = titles.map(ToOwned::to_owned);
    let shown = |row: [String; N]| row.map(|cell| harmless(&cell, &[], CELL_CHARS_MAX));
    let rows: Vec<[String; N]> = std::iter::once(titles)
        .chain(rows.into_iter().map(shown))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widths = cells.map(|cell| cell.chars().count());
        widths
            .filter(|width| *width <= WIDTH_MAX)
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            write!(line, "{cell:width$}  ").expect("in memory");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells_and_harmless() {
        let rows = vec![
            ["größer".to_owned(), "1".to_owned()],
            ["a\x1b[2J".to_owned(), "2".to_owned()],
        ];
        let text = table(["A", "B"], rows);
        let begins: Vec<usize> = text.lines().map(|line| line.chars().count()).collect();
        assert!(begins.iter().all(|length| *length == begins[0]), "{text}");
        assert!(!text.contains('\x1b'));
    }
}
