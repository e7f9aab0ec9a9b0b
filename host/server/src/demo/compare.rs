//! The file in the bucket against the truth, field by field.

use super::truth::{FIELDS, Truth};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;

/// What the comparison found.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) rows: u64,
    pub(crate) fields_compared: u64,
    /// How many things differ.
    pub(crate) count: u64,
    /// The first of them, in words.
    pub(crate) differences: Vec<String>,
}

/// Differences that are told in words; all are counted.
const TOLD_MAX: usize = 10;

impl Comparison {
    /// Notes that a number is not what it ought to be.
    pub(super) fn expect(&mut self, what: &str, expected: u64, found: u64) {
        if expected != found {
            self.differs(format!("{what}: {found} instead of {expected}"));
        }
    }

    pub(super) fn differs(&mut self, difference: String) {
        self.count += 1;
        if self.differences.len() < TOLD_MAX {
            self.differences.push(difference);
        }
    }

    /// Compares a CSV file with the rows it ought to hold.
    pub(super) fn compare_file(&mut self, file: &[u8], truth: &Truth) -> Result<()> {
        let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(file);
        let header = reader.headers().context("the file's header cannot be read")?;
        let expected: Vec<&str> = FIELDS.iter().map(|(name, ..)| *name).collect();
        ensure!(header.iter().eq(expected.iter().copied()), "the file's columns are {header:?}");
        let mut seen = BTreeSet::new();
        for row in reader.records() {
            let row = row.context("a row of the file cannot be read")?;
            self.rows += 1;
            let address = row.get(0).unwrap_or_default().to_lowercase();
            match truth.rows.get(&address) {
                Some(expected) => self.compare_row(&address, expected, &row),
                None => self.differs(format!("{address}: is in the file and should not be")),
            }
            if !seen.insert(address.clone()) {
                self.differs(format!("{address}: is in the file twice"));
            }
        }
        for missing in truth.rows.keys().filter(|address| !seen.contains(*address)) {
            self.differs(format!("{missing}: is not in the file"));
        }
        Ok(())
    }

    fn compare_row(&mut self, address: &str, expected: &[String], row: &csv::StringRecord) {
        for ((name, ..), (expected, found)) in FIELDS.iter().zip(expected.iter().zip(row.iter())) {
            self.fields_compared += 1;
            if expected != found {
                self.differs(format!("{address}: {name} is {found:?} instead of {expected:?}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(addresses: &[&str]) -> Truth {
        let row = |address: &&str| {
            let mut row = vec![String::new(); FIELDS.len()];
            row[0] = (*address).to_uppercase();
            row[1] = "Ann, \"A\"\nB".into();
            ((*address).to_owned(), row)
        };
        Truth { rows: addresses.iter().map(row).collect(), ..Truth::default() }
    }

    fn file(rows: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(FIELDS.iter().map(|(name, ..)| *name)).unwrap();
        for (address, first_name) in rows {
            let mut row = vec![""; FIELDS.len()];
            (row[0], row[1]) = (address, first_name);
            writer.write_record(row).unwrap();
        }
        writer.into_inner().unwrap()
    }

    #[test]
    fn every_kind_of_difference_is_found() {
        const NAME: &str = "Ann, \"A\"\nB";
        let cases: [(&[(&str, &str)], u64, &str); 5] = [
            (&[("A@X", NAME), ("B@X", NAME)], 0, ""),
            (&[("A@X", NAME), ("B@X", "Ann")], 1, "b@x: first_name"),
            (&[("A@X", NAME)], 1, "b@x: is not in the file"),
            (&[("A@X", NAME), ("B@X", NAME), ("C@X", NAME)], 1, "c@x: is in the file and should not be"),
            (&[("A@X", NAME), ("B@X", NAME), ("B@X", NAME)], 1, "b@x: is in the file twice"),
        ];
        for (rows, count, words) in cases {
            let mut comparison = Comparison::default();
            comparison.compare_file(&file(rows), &truth(&["a@x", "b@x"])).unwrap();
            assert_eq!(comparison.count, count, "{:?}", comparison.differences);
            assert_eq!(comparison.rows, rows.len() as u64);
            assert!(comparison.differences.iter().all(|d| d.starts_with(words)), "{:?}", comparison.differences);
        }
    }
}
