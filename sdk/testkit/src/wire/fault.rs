//! Faults that the kit makes of what a vendor answered: a vendor that refuses, breaks off or repeats itself.

use super::message::Answer;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What happens to one request.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The vendor is not asked; this is the answer.
    Answered(Answer),
    /// The connection is closed without an answer; the vendor was not asked.
    Refused,
    /// The vendor was asked, and its answer is lost.
    Lost,
    /// The answer stops in the middle of its body, and the connection with it.
    Cut,
    /// The answer comes a piece at a time.
    Slow,
    /// The answer of the page before comes again.
    Again,
    /// The page begins with the last record of the page before: something was inserted while it was paged.
    Moved,
    /// The vendor's answer, with a record changed that has one of these keys.
    Changed(Change, Arc<BTreeSet<String>>),
    /// Nothing is answered until the caller gives up.
    Silent,
}

/// How records in an answer are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Every text that is no id or time gets a NUL and letters of other scripts.
    Nul,
    /// A text becomes half a character, as JSON can write it and UTF-8 cannot.
    Surrogate,
    /// Numbers become larger than a double can hold exactly.
    Large,
    /// Times become a leap second, or the hour that a clock change leaves out.
    Leap,
}

/// When a fault happens: to requests `from..from + times`, counted from 0 since the scene began, tokens not counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Injection {
    pub fault: Fault,
    pub from: usize,
    pub times: usize,
    /// Only requests whose path holds this count and are hit.
    pub path: Option<String>,
}

impl Injection {
    /// One request, and those after it go through.
    #[must_use]
    pub fn once(fault: Fault, at: usize) -> Self {
        Self { fault, from: at, times: 1, path: None }
    }

    /// Every request.
    #[must_use]
    pub fn always(fault: Fault) -> Self {
        Self { fault, from: 0, times: usize::MAX, path: None }
    }

    /// Only on this path.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    pub(crate) fn hits(&self, number: usize) -> bool {
        number >= self.from && number - self.from < self.times
    }
}

/// How a piece-by-piece answer is sent: so many pieces, with a pause between them.
pub(crate) const PIECES: usize = 8;
pub(crate) const PAUSE: Duration = Duration::from_millis(3);

/// Whether an answer is a page that follows another: lists of records that have the same fields, and none in common. Who
/// asks again from the middle of an answer has it answered in part once more, which is no page.
pub(crate) fn is_page_like(answer: &Answer, before: &Answer) -> bool {
    let read = |answer: &Answer| -> Option<Vec<Value>> {
        let mut page: Value = serde_json::from_slice(&answer.body).ok()?;
        records(&mut page).cloned()
    };
    let fields = |records: &[Value]| Some(records.first()?.as_object()?.keys().cloned().collect::<Vec<_>>());
    let (Some(answer), Some(before)) = (read(answer), read(before)) else { return false };
    fields(&answer).is_some_and(|of_answer| fields(&before) == Some(of_answer))
        && !answer.iter().any(|record| before.contains(record))
}

/// The page with the last record of the page before in front of it; `None` where no list of records is found, or the
/// page has no room left: a vendor never sends more than was asked for.
pub(crate) fn moved(answer: &Answer, before: &Answer) -> Option<Answer> {
    let mut page: Value = serde_json::from_slice(&answer.body).ok()?;
    let mut last: Value = serde_json::from_slice(&before.body).ok()?;
    let before = records(&mut last)?;
    let room = before.len();
    let last = before.pop()?;
    let records = records(&mut page)?;
    if records.len() >= room {
        return None;
    }
    records.insert(0, last);
    Some(Answer { body: page.to_string().into_bytes(), ..answer.clone() })
}

/// The answer with the last of these records changed; `None` where there is none.
pub(crate) fn changed(answer: &Answer, change: Change, keys: &BTreeSet<String>) -> Option<Answer> {
    let mut page: Value = serde_json::from_slice(&answer.body).ok()?;
    let records = records(&mut page)?;
    let record = records.iter_mut().rev().find(|record| is_one_of(record, keys))?;
    let mut is_changed = false;
    each_leaf(record, "", &mut |name, value| {
        let with = replacement(name, value, change);
        is_changed |= with.is_some();
        if let Some(with) = with {
            *value = with;
        }
    });
    // Half a character cannot stand in a `Value`, so a mark stands for it until the text is made.
    let body = page.to_string().replace(SURROGATE_MARK, "\\ud800");
    is_changed.then(|| Answer { body: body.into_bytes(), ..answer.clone() })
}

/// Whether an object is a record of one of these keys: a field holds the key, or what it begins with.
fn is_one_of(record: &Value, keys: &BTreeSet<String>) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let is_key = |text: String| keys.iter().any(|key| *key == text || key.starts_with(&format!("{text}-")));
    record.as_object().is_some_and(|fields| fields.values().filter_map(text).any(is_key))
}

const SURROGATE_MARK: &str = "half-of-a-character";
/// One more than a double holds.
pub(crate) const LARGE: i64 = 9_007_199_254_740_993;

/// How names of fields end that say which record it is, or take one word of a few.
const FIXED: [&str; 14] = [
    "id", "key", "url", "link", "href", "type", "status", "state", "format", "code", "token", "checksum", "cursor",
    "next",
];

fn replacement(name: &str, value: &Value, change: Change) -> Option<Value> {
    let names = name.to_ascii_lowercase();
    // What names or orders the record stays, else it would be another record.
    let is_name = FIXED.iter().any(|part| names.ends_with(part));
    let is_time = |text: &str| text.len() >= 19 && text.as_bytes().get(10) == Some(&b'T');
    match (change, value) {
        (Change::Nul, Value::String(text)) if !is_name && !is_time(text) => {
            Some(format!("{text}\u{0}\u{5d0}\u{1f600}").into())
        }
        (Change::Surrogate, Value::String(text)) if !is_name && !is_time(text) => Some(SURROGATE_MARK.into()),
        (Change::Large, Value::Number(number)) if !is_name && number.is_i64() => Some(LARGE.into()),
        (Change::Leap, Value::String(text)) if is_time(text) => Some("2016-12-31T23:59:60Z".into()),
        _ => None,
    }
}

fn each_leaf(value: &mut Value, name: &str, with: &mut impl FnMut(&str, &mut Value)) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| each_leaf(value, name, with)),
        Value::Array(items) => items.iter_mut().for_each(|item| each_leaf(item, name, with)),
        leaf => with(name, leaf),
    }
}

/// The longest list of objects in a document: what a page is about.
fn records(document: &mut Value) -> Option<&mut Vec<Value>> {
    fn longest(value: &Value) -> usize {
        match value {
            Value::Array(items) if items.first().is_some_and(Value::is_object) => items.len(),
            Value::Object(fields) => fields.values().map(longest).max().unwrap_or(0),
            _ => 0,
        }
    }
    let most = longest(document);
    if most == 0 {
        return None;
    }
    let mut at = document;
    loop {
        match at {
            Value::Array(items) => return Some(items),
            Value::Object(fields) => at = fields.values_mut().find(|value| longest(value) == most)?,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page(items: &Value) -> Answer {
        Answer::json(200, &json!({"links": [{"a": 1}], "data": {"items": items}, "next": "x"}))
    }

    fn body(answer: Option<Answer>) -> String {
        String::from_utf8(answer.unwrap().body).unwrap()
    }

    #[test]
    fn pages_move_and_records_change() {
        let (first, second) = (page(&json!([{"id": 1}, {"id": 2}, {"id": 3}])), page(&json!([{"id": 4}, {"id": 5}])));
        assert!(is_page_like(&second, &first) && moved(&first, &first).is_none());
        let again = page(&json!([{"id": 2}, {"id": 3}]));
        assert!(!is_page_like(&again, &first) && !is_page_like(&page(&json!([{"no": 4}])), &first));
        let moved = body(moved(&second, &first));
        assert!(moved.contains(r#"[{"id":3},{"id":4},{"id":5}]"#), "{moved}");
        let keys: BTreeSet<String> = ["7".to_owned()].into_iter().collect();
        let record =
            page(&json!([{"id": 7, "n": 5, "t": "2026-01-01T00:00:00Z", "name": "Ada"}, {"id": 8, "name": "Bo"}]));
        let with = |change| body(changed(&record, change, &keys));
        assert!(
            with(Change::Large).contains(r#""id":7,"n":9007199254740993"#) && with(Change::Nul).contains(r"Ada\u0000")
        );
        assert!(with(Change::Surrogate).contains(r#""name":"\ud800""#) && with(Change::Leap).contains("23:59:60Z"));
        assert!(with(Change::Nul).contains(r#""name":"Bo""#), "it is none of the records");
        assert_eq!(changed(&Answer::json(200, &json!({"a": [1, 2]})), Change::Nul, &keys), None);
    }

    #[test]
    fn an_injection_hits_its_requests() {
        let injection = Injection { from: 2, times: 2, ..Injection::once(Fault::Refused, 0) };
        assert_eq!((0..6).map(|n| injection.hits(n)).collect::<Vec<_>>(), [false, false, true, true, false, false]);
        assert!(Injection::always(Fault::Refused).hits(usize::MAX - 1));
    }
}
