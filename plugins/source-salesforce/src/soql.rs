//! The queries: one window of one object, as a job takes it and as pages take it.

use crate::fields::{Described, Field};
use crate::instant::literal;

/// The records of a window, in no order: what a job is made of.
pub(crate) fn window(object: &Described, fields: &[&Field], from: Option<i64>, to: i64) -> String {
    format!("SELECT {} FROM {} WHERE {}", names(fields), object.name, changed(object, from, to))
}

/// How many there are.
pub(crate) fn count(object: &Described, from: Option<i64>, to: i64) -> String {
    format!("SELECT count() FROM {} WHERE {}", object.name, changed(object, from, to))
}

/// The records of a window in the order of their times and ids, after one of them: many may share one time.
pub(crate) fn page(
    object: &Described,
    fields: &[&Field],
    from: Option<i64>,
    to: i64,
    after: Option<&(i64, String)>,
) -> String {
    let stamp = &object.stamp;
    let mut query = window(object, fields, from, to);
    if let Some((at, id)) = after {
        let at = literal(*at);
        query.push_str(&format!(" AND (({stamp} = {at} AND Id > {}) OR {stamp} > {at})", quoted(id)));
    }
    query.push_str(&format!(" ORDER BY {stamp} ASC, Id ASC"));
    query
}

fn names(fields: &[&Field]) -> String {
    fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(",")
}

fn changed(object: &Described, from: Option<i64>, to: i64) -> String {
    let stamp = &object.stamp;
    let to = literal(to.saturating_mul(1000));
    match from {
        None => format!("{stamp} <= {to}"),
        Some(from) => format!("{stamp} > {} AND {stamp} <= {to}", literal(from.saturating_mul(1000))),
    }
}

/// A text as a query has it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> (Described, Vec<Field>) {
        let fields = vec![Field::new("Id", "id"), Field::new("Email", "email")];
        (
            Described {
                name: "Lead".into(),
                label: "Lead".into(),
                stamp: "SystemModstamp".into(),
                deletes: true,
                merges: true,
                fields: fields.clone(),
            },
            fields,
        )
    }

    #[test]
    fn a_window_has_both_ends_and_times_without_quotes() {
        let (object, fields) = object();
        let fields: Vec<&Field> = fields.iter().collect();
        assert_eq!(
            window(&object, &fields, Some(0), 1),
            "SELECT Id,Email FROM Lead WHERE SystemModstamp > 1970-01-01T00:00:00.000Z AND SystemModstamp <= 1970-01-01T00:00:01.000Z"
        );
        assert_eq!(
            count(&object, None, 1),
            "SELECT count() FROM Lead WHERE SystemModstamp <= 1970-01-01T00:00:01.000Z"
        );
    }

    #[test]
    fn a_page_goes_on_among_records_of_one_time() {
        let (object, fields) = object();
        let fields: Vec<&Field> = fields.iter().collect();
        let query = page(&object, &fields, None, 9, Some(&(1_000, r"0'O\Brien".into())));
        assert!(query.ends_with(
            r"AND ((SystemModstamp = 1970-01-01T00:00:01.000Z AND Id > '0\'O\\Brien') OR SystemModstamp > 1970-01-01T00:00:01.000Z) ORDER BY SystemModstamp ASC, Id ASC"
        ), "{query}");
    }
}
