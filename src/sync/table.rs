//! Decision tables: ordered rows, the first that fits decides.

/// A table over local values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    cells: Vec<Cell>,
    result: String,
}

/// It depends on what is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown;

/// What one cell of a row asks of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Anything.
    Any,
    /// That it is unset.
    Unset,
    /// That it is this.
    Is(String),
}

impl Cell {
    fn read(text: &str) -> Self {
        match text.trim() {
            "" => Self::Any,
            "<unset>" => Self::Unset,
            value => Self::Is(value.to_owned()),
        }
    }

    fn fits(&self, value: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Unset => value.is_empty(),
            Self::Is(wanted) => wanted == value,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        matches!(self, Self::Any) || self == other
    }
}

impl Table {
    /// From rows of `locals` cells and the result.
    ///
    /// # Errors
    /// Names the row (from 1) that has another number of cells, or that there is no row.
    pub fn from_rows(locals: usize, rows: &[Vec<String>]) -> Result<Self, String> {
        if rows.is_empty() {
            return Err("the table has no rows".to_owned());
        }
        let read = |(number, row): (usize, &Vec<String>)| match row.split_last() {
            Some((result, cells)) if cells.len() == locals => {
                let result = if result == "<unset>" { String::new() } else { result.clone() };
                Ok(Row { cells: cells.iter().map(|cell| Cell::read(cell)).collect(), result })
            }
            _ => Err(format!(
                "row {} has {} cells instead of {}: one for each of `locals`, and the result",
                number + 1,
                row.len(),
                locals + 1
            )),
        };
        Ok(Self { rows: rows.iter().enumerate().map(read).collect::<Result<_, _>>()? })
    }

    /// From a CSV file with a header line `locals…, remote`.
    ///
    /// # Errors
    /// Says what is wrong in which line.
    pub fn from_csv(bytes: &[u8], locals: &[String], remote: &str) -> Result<Self, String> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader =
            csv::ReaderBuilder::new().has_headers(true).trim(csv::Trim::All).from_reader(bytes);
        let header = reader.headers().map_err(|error| error.to_string())?.clone();
        let wanted: Vec<&str> =
            locals.iter().map(String::as_str).chain(std::iter::once(remote)).collect();
        if !header.iter().eq(wanted.iter().copied()) {
            return Err(format!(
                "the header is {:?}; it must be {:?}",
                header.iter().collect::<Vec<_>>().join(","),
                wanted.join(",")
            ));
        }
        let rows = reader
            .records()
            .map(|record| record.map(|record| record.iter().map(str::to_owned).collect()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())?;
        Self::from_rows(locals.len(), &rows)
    }

    /// The result of the first row that fits `values`, which come in the order of `locals`.
    #[must_use]
    pub fn decide(&self, values: &[String]) -> Option<&str> {
        let fits = |row: &&Row| row.cells.iter().zip(values).all(|(cell, value)| cell.fits(value));
        self.rows.iter().find(fits).map(|row| row.result.as_str())
    }

    /// The same where some values are not known yet, which are `None`; the error is that the
    /// result depends on them. `no_match` is what stands for no row.
    ///
    /// # Errors
    /// That it is not known.
    pub fn decide_partly<'a>(
        &'a self,
        values: &[Option<String>],
        no_match: Option<&'a str>,
    ) -> Result<Option<&'a str>, Unknown> {
        let mut may: Vec<Option<&str>> = Vec::new();
        let mut rows = self.rows.iter();
        loop {
            let Some(row) = rows.next() else {
                may.push(no_match);
                break;
            };
            let pairs = || row.cells.iter().zip(values);
            let fits = |(cell, value): (&Cell, &Option<String>)| match value {
                Some(value) => Some(cell.fits(value)),
                None => (*cell == Cell::Any).then_some(true),
            };
            if pairs().any(|pair| fits(pair) == Some(false)) {
                continue;
            }
            may.push(Some(&row.result));
            if pairs().all(|pair| fits(pair) == Some(true)) {
                break;
            }
        }
        let first = may[0];
        if may.iter().all(|result| *result == first) { Ok(first) } else { Err(Unknown) }
    }

    /// Rows (from 1) that never decide, each with the earlier row that fits whenever it does.
    #[must_use]
    pub fn unreachable_rows(&self) -> Vec<(usize, usize)> {
        let covers = |a: &Row, b: &Row| a.cells.iter().zip(&b.cells).all(|(a, b)| a.covers(b));
        self.rows
            .iter()
            .enumerate()
            .filter_map(|(late, row)| {
                let early = self.rows[..late].iter().position(|earlier| covers(earlier, row))?;
                Some((late + 1, early + 1))
            })
            .collect()
    }

    /// The combinations of allowed values (in the order of the locals; none: any text, shown as
    /// `*`) that no row fits; at most `most` of them.
    #[must_use]
    pub fn uncovered(&self, allowed: &[Option<Vec<String>>], most: usize) -> Vec<Vec<String>> {
        let mut open = Vec::new();
        let mut indices = vec![0_usize; allowed.len()];
        let choices = |index: usize| allowed[index].as_ref().map_or(1, |values| values.len() + 1);
        // One value that no row can name stands for any text; the empty one for unset.
        let value = |index: usize, choice: usize| match &allowed[index] {
            None => "*".to_owned(),
            Some(values) => values.get(choice).cloned().unwrap_or_default(),
        };
        for _ in 0..10_000 {
            let row: Vec<String> =
                indices.iter().enumerate().map(|(index, choice)| value(index, *choice)).collect();
            if self.decide(&row).is_none() {
                open.push(row);
            }
            let next = (0..indices.len()).rev().find(|index| indices[*index] + 1 < choices(*index));
            let Some(next) = next.filter(|_| open.len() < most) else { break };
            indices[next] += 1;
            indices[next + 1..].fill(0);
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    fn table() -> Table {
        let rows = [
            strings(&["Closed", "Done", "CLOSED"]),
            strings(&["Closed", "<unset>", "CANCELED"]),
            strings(&["Closed", "", "REJECTED"]),
            strings(&["", "", "RECEIVED"]),
            strings(&["Open", "", "NEVER"]),
        ];
        Table::from_rows(2, &rows).unwrap()
    }

    #[test]
    fn the_first_row_that_fits_decides() {
        let cases = [
            (["Closed", "Done"], "CLOSED"),
            (["Closed", ""], "CANCELED"),
            (["Closed", "Won't Fix"], "REJECTED"),
            (["Open", ""], "RECEIVED"),
        ];
        for (values, wanted) in cases {
            assert_eq!(table().decide(&strings(&values)), Some(wanted), "{values:?}");
        }
        let narrow = Table::from_rows(1, &[strings(&["Open", "RECEIVED"])]).unwrap();
        assert_eq!(narrow.decide(&strings(&["Closed"])), None);
    }

    #[test]
    fn what_is_not_known_yet_decides_only_where_it_makes_no_difference() {
        let some = |text: &str| Some(text.to_owned());
        let all = table();
        for (values, wanted) in [
            ([None, None], Err(Unknown)),
            ([some("Closed"), None], Err(Unknown)),
            ([some("Open"), None], Ok(Some("RECEIVED"))),
            ([some("Closed"), some("Done")], Ok(Some("CLOSED"))),
        ] {
            assert_eq!(all.decide_partly(&values, None), wanted, "{values:?}");
        }
        let narrow = Table::from_rows(1, &[strings(&["Open", "RECEIVED"])]).unwrap();
        assert_eq!(narrow.decide_partly(&[None], None), Err(Unknown));
        assert_eq!(narrow.decide_partly(&[None], Some("RECEIVED")), Ok(Some("RECEIVED")));
        assert_eq!(narrow.decide_partly(&[some("Closed")], None), Ok(None));
    }

    #[test]
    fn rows_behind_a_wider_row_are_reported() {
        assert_eq!(table().unreachable_rows(), [(5, 4)]);
    }

    #[test]
    fn what_no_row_fits_is_found_from_the_allowed_values() {
        let rows = [strings(&["Closed", "", "C"]), strings(&["Open", "<unset>", "O"])];
        let table = Table::from_rows(2, &rows).unwrap();
        let allowed = [Some(strings(&["Open", "Closed"])), Some(strings(&["Done"]))];
        let wanted = [strings(&["Open", "Done"]), strings(&["", "Done"]), strings(&["", ""])];
        assert_eq!(table.uncovered(&allowed, 9), wanted);
        assert_eq!(table.uncovered(&allowed, 1).len(), 1);
        assert_eq!(table.uncovered(&[None, None], 9), [strings(&["*", "*"])]);
    }

    #[test]
    fn a_table_of_the_wrong_shape_is_refused_with_its_row() {
        let error = Table::from_rows(2, &[strings(&["a", "b"])]).unwrap_err();
        assert!(error.starts_with("row 1 has 2 cells instead of 3"), "{error}");
        assert!(Table::from_rows(1, &[]).is_err());
    }

    #[test]
    fn csv_needs_its_header_and_may_have_a_bom_and_blanks() {
        let csv = "\u{feff}status, resolution, supplier_status\nClosed, , CLOSED\n";
        let locals = strings(&["status", "resolution"]);
        let table = Table::from_csv(csv.as_bytes(), &locals, "supplier_status").unwrap();
        assert_eq!(table.decide(&strings(&["Closed", "x"])), Some("CLOSED"));
        let error = Table::from_csv(csv.as_bytes(), &locals, "state").unwrap_err();
        assert!(error.contains("must be \"status,resolution,state\""), "{error}");
    }
}
