//! Salesforce's ways to write a time, and an id.

use attiva_connector::time;

/// Milliseconds of a time as REST (`2021-12-02T18:23:39.000+0000`) or a bulk file (`…39.000Z`) writes it.
pub(crate) fn parse(text: &str) -> Option<i64> {
    time::parse_timestamp(text.trim())
}

/// A time as a query has it: unquoted, with milliseconds. Out of range for no time this connector reckons with.
pub(crate) fn literal(ms: i64) -> String {
    let seconds = ms.div_euclid(1000);
    let whole = seconds.checked_mul(1000).and_then(time::format_timestamp).unwrap_or_default();
    format!("{}.{:03}Z", whole.trim_end_matches('Z'), ms.rem_euclid(1000))
}

/// The form of 18 characters, whose letters may be compared in any case: three more tell which of the 15 are capitals.
/// Anything that is no id of 15 stays as it is.
pub(crate) fn long_id(id: &str) -> String {
    const CHECK: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let mut long = id.to_owned();
    if id.len() == 15 && id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        for five in id.as_bytes().chunks(5) {
            let capitals = five.iter().enumerate().filter(|(_, b)| b.is_ascii_uppercase());
            let bits: usize = capitals.map(|(bit, _)| 1 << bit).sum();
            long.extend(CHECK.get(bits).map(|b| char::from(*b)));
        }
    }
    long
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instant_in_all_notations() {
        for text in [
            "2021-12-02T18:23:39.000+0000",
            "2021-12-02T18:23:39.000Z",
            "2021-12-02T18:23:39Z",
            "2021-12-02T19:23:39.000+01:00",
        ] {
            assert_eq!(parse(text), Some(1_638_469_419_000), "{text}");
        }
        assert_eq!(parse("2021-12-02"), None);
    }

    #[test]
    fn a_query_has_milliseconds_and_no_quotes() {
        assert_eq!(literal(1_638_469_419_000), "2021-12-02T18:23:39.000Z");
        assert_eq!(literal(1_638_469_419_007), "2021-12-02T18:23:39.007Z");
        assert_eq!(literal(-1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn ids_that_differ_by_case_alone_stay_apart() {
        assert_eq!(long_id("003D000000QV9n2"), "003D000000QV9n2IAD");
        assert_eq!(long_id("003D000000QV9n2IAD"), "003D000000QV9n2IAD");
        assert!(!long_id("003D000000QV9N2").eq_ignore_ascii_case(&long_id("003D000000QV9n2")));
        assert_eq!(long_id(""), "");
    }
}
