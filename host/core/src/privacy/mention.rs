//! Where a text says a value that names somebody: the whole value, not a part of a longer one.

/// What stands where a value was taken out.
pub const ERASED: &str = "[erased]";

/// Values to look for. Letters of ASCII match in either case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    values: Vec<String>,
}

impl Mentions {
    /// Empty values are left out: they would be everywhere.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut values: Vec<String> = values.into_iter().filter(|value| !value.is_empty()).collect();
        values.sort_unstable();
        values.dedup();
        Self { values }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Longest value, in bytes.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.values.iter().map(String::len).max().unwrap_or(0)
    }

    #[must_use]
    pub fn are_in(&self, text: &[u8]) -> bool {
        self.values.iter().any(|value| find(text, value.as_bytes(), 0).is_some())
    }

    /// The text without them; `None` if it has none.
    #[must_use]
    pub fn taken_out(&self, text: &str) -> Option<String> {
        let mut rest: Option<String> = None;
        for value in &self.values {
            let now = rest.as_deref().unwrap_or(text);
            let (mut out, mut from) = (String::new(), 0);
            while let Some(at) = find(now.as_bytes(), value.as_bytes(), from) {
                // A match begins and ends with whole characters: it is equal to a whole text, but for the case of ASCII.
                out.push_str(now.get(from..at).unwrap_or_default());
                out.push_str(ERASED);
                from = at + value.len();
            }
            if from > 0 {
                out.push_str(now.get(from..).unwrap_or_default());
                rest = Some(out);
            }
        }
        rest
    }
}

/// The first place at or after `from` where the whole value stands.
fn find(text: &[u8], value: &[u8], from: usize) -> Option<usize> {
    // What is rare in a text is looked for first: nearly every value has an `@`.
    let (anchor, offset) = match value.iter().position(|b| *b == b'@') {
        Some(offset) => (b'@', offset),
        None => (*value.first()?, 0),
    };
    let mut next = from + offset;
    while let Some(at) = text.get(next..).and_then(|rest| position(rest, anchor)) {
        let start = next + at - offset;
        next += at + 1;
        let end = start + value.len();
        if text.get(start..end).is_some_and(|found| found.eq_ignore_ascii_case(value)) && is_whole(text, start, end) {
            return Some(start);
        }
    }
    None
}

fn position(text: &[u8], byte: u8) -> Option<usize> {
    if byte.is_ascii_alphabetic() {
        return text.iter().position(|b| b.eq_ignore_ascii_case(&byte));
    }
    text.iter().position(|b| *b == byte)
}

/// Whether no longer address or key goes on at either end.
fn is_whole(text: &[u8], start: usize, end: usize) -> bool {
    let goes_on = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+' | b'%') || !b.is_ascii();
    let before = start.checked_sub(1).and_then(|i| text.get(i)).copied();
    let after = text.get(end).copied();
    let dotted = after == Some(b'.') && text.get(end + 1).is_some_and(|b| goes_on(*b));
    !before.is_some_and(|b| goes_on(b) || b == b'.') && !after.is_some_and(goes_on) && !dotted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[&str]) -> Mentions {
        Mentions::new(values.iter().map(|v| (*v).to_owned()))
    }

    #[test]
    fn a_value_is_found_whole_in_either_case() {
        let ann = of(&["ann@x.com"]);
        for text in ["ann@x.com", "<ANN@X.com>", "\"mail\":\"Ann@x.COM\"", "write to ann@x.com.", "ann@x.com,b@x.com"] {
            assert!(ann.are_in(text.as_bytes()), "{text}");
        }
        for text in ["joann@x.com", "ann@x.com.au", "ann@x.company", "jo.ann@x.com", "ann+1@x.com", "ann", "@", ""] {
            assert!(!ann.are_in(text.as_bytes()), "{text}");
        }
        let key = of(&["7@123-ABC-456.Marketo"]);
        assert!(key.are_in(b"[\"7@123-ABC-456.Marketo\"]"));
        assert!(!key.are_in(b"17@123-ABC-456.Marketo") && !key.are_in(b"7@123-ABC-456.Marketo2"));
        let device = "1".repeat(38);
        assert!(of(&[&device]).are_in(format!("x {device} y").as_bytes()));
        assert!(!of(&[&device]).are_in(format!("{device}1").as_bytes()));
    }

    #[test]
    fn all_are_taken_out_and_the_rest_stays() {
        let both = of(&["ann@x.com", "bob@x.com"]);
        let text = "Ann@x.com told bob@x.com and joann@x.com; ann@x.com";
        assert_eq!(both.taken_out(text).as_deref(), Some("[erased] told [erased] and joann@x.com; [erased]"));
        assert_eq!(both.taken_out("nobody"), None);
        assert_eq!(of(&[""]).taken_out("x"), None);
        // JSON stays JSON, and what is beside a value may be any text.
        let json = serde_json::json!({"m": "ann@x.com", "n": ["é ann@x.com é"]}).to_string();
        let out: serde_json::Value = serde_json::from_str(&of(&["ann@x.com"]).taken_out(&json).unwrap()).unwrap();
        assert_eq!(out, serde_json::json!({"m": "[erased]", "n": ["é [erased] é"]}));
    }

    proptest! {
        #[test]
        fn nothing_is_found_after_it_was_taken_out(text in "[ab@. é]{0,40}", value in "[ab]{1,2}@[ab]{1,2}") {
            let mentions = of(&[&value]);
            match mentions.taken_out(&text) {
                Some(rest) => {
                    prop_assert!(mentions.are_in(text.as_bytes()));
                    prop_assert!(!mentions.are_in(rest.as_bytes()), "{rest}");
                }
                None => prop_assert!(!mentions.are_in(text.as_bytes())),
            }
        }
    }
}
