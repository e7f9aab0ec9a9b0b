//! Conditions on what is made of values: texts cut and joined, conversions, quotients, what fails beside what is missing.

use super::generate::{Sort, Writer};
use super::worlds::TEXTS;

impl Writer<'_> {
    /// A condition on something that is made of a field.
    pub(super) fn made(&mut self, field: &str, sort: Sort) -> String {
        let op = self.operator();
        match sort {
            Sort::Text => self.made_of_text(field),
            Sort::Number => match self.dice.roll(8) {
                0 => format!("string({field}).{}(\"0\")", self.dice.pick(&["contains", "startsWith", "endsWith"])),
                1 => format!("decimal({field}) / {} {op} 16.5", self.dice.pick(&["3", "7", "-2", "0.5"])),
                2 => format!("(100 / {field}) {} null", self.dice.pick(&["==", "!="])),
                3 => format!("coalesce(100 / {field}, {field}, 3) {op} 2"),
                4 => format!("double({field}) / {} {op} 12.5", self.dice.pick(&["4.0", "0.0", "-8.0", "1e-308"])),
                5 => format!("{field} / {} {op} -7", self.dice.pick(&["-7", "3", "1", "(50 - 50)"])),
                6 => format!("int(decimal({field}) / {}) {op} 16", self.dice.pick(&["3", "-7", "2"])),
                _ => format!("(100 / {field} {op} 2 || {field} > 60) ? {field} > 0 : {field} < 9"),
            },
            Sort::Amount | Sort::Money => match self.dice.roll(6) {
                0 => format!("{field} / 4 {op} 25"),
                1 => format!("int({field}) {op} {}", self.dice.pick(&["0", "-3", "250000"])),
                2 => {
                    let (other, of) = self.field();
                    let other = if matches!(of, Sort::Amount | Sort::Money) { other } else { "8".to_owned() };
                    format!("{field} / {other} {op} {}", self.dice.pick(&["2.1", "-0.25", "0"]))
                }
                3 => format!("({field} / ({field} - 100) {op} 1.5) == ({field} > 100)"),
                4 => format!("coalesce({field} / ({field} - {field}), 7) {op} 7"),
                _ => format!("{field} / 3 * 2 + 1 {op} 67.5"),
            },
            Sort::Float => match self.dice.roll(5) {
                0 => format!("{field} {op} {}", self.dice.pick(&["0.0", "2.5", "-0.75", "1e300"])),
                1 => format!("{field} * {} {op} 5.0", self.dice.pick(&["2.0", "1e300", "-1.0"])),
                2 => format!("{field} / ({field} - 2.5) {op} 0.5"),
                3 => format!("int({field}) {op} {}", self.dice.pick(&["0", "2"])),
                _ => format!("{field} in [2.5, 0.0]"),
            },
            Sort::Flag => format!("string({field}) == {:?}", self.dice.pick(&["true", "false"])),
            Sort::Date | Sort::Instant => {
                let part = *self.dice.pick(&[
                    ".startsWith(\"2026-11\")",
                    ".endsWith(\"0Z\")",
                    ".size() > 20",
                    ".contains(\"-02-\")",
                ]);
                format!("string({field}){part}")
            }
            Sort::List => {
                let texts = format!("[{:?}, {:?}]", self.dice.pick(&TEXTS), self.dice.pick(&TEXTS));
                let how = *self.dice.pick(&["intersects", "supersetOf", "subsetOf"]);
                match self.dice.roll(3) {
                    0 => format!("coalesce({field}, \"HR;hr\".split(\";\")).{how}({texts})"),
                    1 => format!("{texts}.{how}({field})"),
                    _ => format!("{field}.{how}({field})"),
                }
            }
        }
    }

    fn made_of_text(&mut self, field: &str) -> String {
        let part = *self.dice.pick(&["HR", "hr", "", "CMO", "Sales", "b", "-c", "!\"#$%&"]);
        let separator = *self.dice.pick(&[";", "--", ";;", ""]);
        let visible = if separator.is_empty() { "--" } else { separator };
        let op = self.operator();
        match self.dice.roll(9) {
            0 => format!("{field}.trim() == {part:?}"),
            1 => format!("{part:?} in {field}.split({separator:?})"),
            2 => format!("{part:?} in {field}.trim().split({separator:?})"),
            3 => format!("{field}.split({separator:?}).size() {op} 2"),
            4 => format!("{field}.split({visible:?}).join(\"+\").contains(\"+h\")"),
            5 => {
                let how = *self.dice.pick(&["intersects", "supersetOf", "subsetOf"]);
                format!("{field}.split({visible:?}).{how}([{part:?}, \"\", \"hr\", \"HR\"])")
            }
            6 => format!("int({field}) {op} {}", self.dice.pick(&["12", "-7"])),
            7 => format!("bool({field} == \"12\" ? \"1\" : {field})"),
            _ => format!("[{field}, {part:?}].join({separator:?}).size() {op} 5"),
        }
    }
}
