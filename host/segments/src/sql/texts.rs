//! Texts: matching, cutting, and what other values are as texts.

use super::calendar::{DAY_MS, date_text, time_text};
use super::scalar::{FALSE, TRUE};
use super::{Result, Writer, refused};
use attiva_expr::{Expr, Function, TextMatch, Type};

/// White space beside the space itself, as Unicode has it. Each is one character, so that its places stay.
const SPACES: &str = "\u{9}\u{a}\u{b}\u{c}\u{d}\u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\
                      \u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";

const NO_TEXT: &str = "a decimal is written as it came, and a float as short as it reads back: tables have neither, nor bytes as \
                       text; compare it as a number";

impl Writer<'_> {
    pub(super) fn matched(&mut self, how: TextMatch, text: &Expr, pattern: &Expr) -> Result<String> {
        let values = [self.value(text)?, self.value(pattern)?];
        Ok(self.named(&values, |names| {
            let (text, pattern) = (&names[0], &names[1]);
            match how {
                TextMatch::Contains => contains(text, pattern),
                TextMatch::StartsWith => format!("(SUBSTR({text}, 1, LENGTH({pattern})) = {pattern})"),
                TextMatch::EndsWith => format!(
                    "(CASE WHEN LENGTH({text}) < LENGTH({pattern}) THEN {FALSE} ELSE SUBSTR({text}, LENGTH({text}) - \
                     LENGTH({pattern}) + 1, LENGTH({pattern})) = {pattern} END)"
                ),
            }
        }))
    }

    /// Functions of texts; none where it is none that has a statement.
    pub(super) fn of_text(&mut self, function: Function, arg: &Expr) -> Result<Option<String>> {
        Ok(Some(match (function, arg.ty) {
            (Function::Size, Type::Text) => format!("LENGTH({})", self.value(arg)?),
            (Function::LowerAscii, _) => self.in_case(arg, 'A'..='Z', 'a'..='z')?,
            (Function::UpperAscii, _) => self.in_case(arg, 'a'..='z', 'A'..='Z')?,
            (Function::Trim, _) => self.trimmed(arg)?,
            (Function::ToText, _) => self.text_of(arg)?,
            _ => return Ok(None),
        }))
    }

    /// Engines disagree on letters that are not English; each English one is replaced by name.
    fn in_case(
        &mut self,
        arg: &Expr,
        from: std::ops::RangeInclusive<char>,
        to: std::ops::RangeInclusive<char>,
    ) -> Result<String> {
        let text = self.value(arg)?;
        Ok(from.zip(to).fold(text, |text, (from, to)| format!("REPLACE({text}, '{from}', '{to}')")))
    }

    /// Engines disagree on what TRIM takes away beside spaces. So all white space is made spaces, the length of what is
    /// trimmed of that is found, and so much is cut out of the text itself.
    fn trimmed(&mut self, arg: &Expr) -> Result<String> {
        let text = self.value(arg)?;
        let (of, with) = (self.alias(), self.alias());
        let spaces = SPACES.chars().fold("x".to_owned(), |text, space| format!("REPLACE({text}, '{space}', ' ')"));
        Ok(format!(
            "(SELECT SUBSTR(x, LENGTH(u) - LENGTH(LTRIM(u)) + 1, LENGTH(TRIM(u))) FROM (SELECT x, {spaces} AS u FROM (SELECT {text} \
             AS x) {of}) {with})"
        ))
    }

    fn text_of(&mut self, arg: &Expr) -> Result<String> {
        Ok(match arg.ty {
            Type::Text | Type::Json => self.value(arg)?,
            Type::Integer => format!("CAST({} AS VARCHAR(20))", self.value(arg)?),
            Type::Boolean => {
                let condition = self.truth(arg)?;
                self.named(&[condition], |names| {
                    let it = &names[0];
                    format!("(CASE WHEN {it} THEN 'true' WHEN NOT {it} THEN 'false' END)")
                })
            }
            Type::Date => {
                let days = self.value(arg)?;
                let table = self.alias();
                date_text(&format!("SELECT CAST({days} AS BIGINT) AS x"), None, &table)
            }
            Type::Timestamp => {
                let at = self.value(arg)?;
                let (of, table) = (self.alias(), self.alias());
                let parts = format!(
                    "SELECT CAST((x - (x % {DAY_MS} + {DAY_MS}) % {DAY_MS}) / {DAY_MS} AS BIGINT) AS x, (x % {DAY_MS} + {DAY_MS}) % \
                     {DAY_MS} AS ms FROM (SELECT {at} AS x) {of}"
                );
                date_text(&parts, Some(&time_text("ms")), &table)
            }
            _ => return Err(refused(arg.at, NO_TEXT)),
        })
    }

    /// An integer of a text: a sign perhaps, digits, and nothing else.
    pub(super) fn read_integer(&mut self, arg: &Expr) -> Result<String> {
        let text = self.value(arg)?;
        let aliases: Vec<String> = (0..4).map(|_| self.alias()).collect();
        let others = ('0'..='9').fold("d".to_owned(), |text, digit| format!("REPLACE({text}, '{digit}', '')"));
        let sign = "SUBSTR(x, 1, 1)";
        let signed = format!(
            "SELECT CASE WHEN {sign} = '-' THEN -1 ELSE 1 END AS s, CASE WHEN {sign} IN ('-', '+') THEN SUBSTR(x, 2, LENGTH(x)) ELSE \
             x END AS d FROM (SELECT {text} AS x) {}",
            aliases[0]
        );
        // Without zeros before the first other digit: of spaces in their place, LTRIM takes those away.
        let plain = format!(
            "SELECT s, CASE WHEN d <> '' AND {others} = '' THEN REPLACE(LTRIM(REPLACE(d, '0', ' ')), ' ', '0') END AS d FROM \
             ({signed}) {}",
            aliases[1]
        );
        let most = "CASE WHEN s < 0 THEN '9223372036854775808' ELSE '9223372036854775807' END";
        let fits = format!(
            "SELECT s, CASE WHEN LENGTH(d) < 19 OR (LENGTH(d) = 19 AND d <= {most}) THEN d END AS d FROM ({plain}) {}",
            aliases[2]
        );
        Ok(format!(
            "(SELECT CASE WHEN d = '' THEN 0 WHEN s < 0 THEN CAST('-' || d AS BIGINT) ELSE CAST(d AS BIGINT) END FROM ({fits}) {})",
            aliases[3]
        ))
    }

    /// A boolean of a text, as a condition.
    pub(super) fn read_boolean(&mut self, arg: &Expr) -> Result<String> {
        let text = self.value(arg)?;
        Ok(self.named(&[text], |names| {
            let it = &names[0];
            format!(
                "(CASE WHEN {it} IN ('true', 'True', 'TRUE', 't', '1') THEN {TRUE} WHEN {it} IN ('false', 'False', 'FALSE', 'f', '0') \
                 THEN {FALSE} END)"
            )
        }))
    }
}

/// Whether a text has another in it; unknown where one is null.
pub(super) fn contains(text: &str, pattern: &str) -> String {
    format!("(CASE WHEN {pattern} = '' THEN {text} = {text} ELSE REPLACE({text}, {pattern}, '') <> {text} END)")
}
