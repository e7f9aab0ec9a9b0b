//! Source records, kept as received: how a row changes what is stored of its record.

use crate::page::RowKind;
use crate::{Millis, Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// Named values in the vendor's order. Names are shared between the rows of a page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields(Vec<(Arc<str>, Value)>);

impl Fields {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| &**n == name).map(|(_, v)| v)
    }

    pub fn set(&mut self, name: Arc<str>, value: Value) {
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        self.0.iter().map(|(n, v)| (n, v))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Arc<str>, Value)> for Fields {
    /// Names are taken to be different.
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Value)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(n, v)| (&**n, v)))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Fields;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("named values")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    fields.push((Arc::from(name), value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Whether the record is still there at the vendor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    #[default]
    Live,
    Deleted,
    /// Merged into the record with this source key, and gone.
    MergedInto(String),
}

/// What is stored of one source record: its newest version, field by field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Source time of the newest full row, tombstone or merge.
    pub at: Millis,
    pub fields: Fields,
    /// Source times of fields that a patch set after `at`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patched: Vec<(Arc<str>, Millis)>,
    #[serde(default, skip_serializing_if = "is_live")]
    pub presence: Presence,
}

fn is_live(presence: &Presence) -> bool {
    *presence == Presence::Live
}

/// One row, on its way into the store.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordChange {
    pub source_key: String,
    pub kind: RowKind,
    /// Never 0: where the vendor did not say, the time of reading.
    pub at: Millis,
    /// The vendor said when. The time of reading says nothing of what was known already.
    pub dated: bool,
    /// What the row says; absent columns are left out.
    pub fields: Fields,
    /// For a merge: the source key of the record that lives on.
    pub merged_into: Option<String>,
}

/// What a row did to its record.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    Changed(Body),
    /// It said what was known, and that it holds since later.
    Restated(Body),
    /// It said what was known.
    Unchanged,
    /// Something newer was known of all it said.
    Stale,
}

impl Body {
    fn field_time(&self, name: &str) -> Millis {
        self.patched.iter().find(|(n, _)| &**n == name).map_or(self.at, |(_, at)| *at)
    }

    /// When the record last changed.
    #[must_use]
    pub fn changed_at(&self) -> Millis {
        self.patched.iter().map(|(_, at)| *at).fold(self.at, Millis::max)
    }
}

/// Applies a row to what is stored. Newer source time wins, field by field; at equal times the later arrival does,
/// since a vendor's "updated at" need not cover every field.
#[must_use]
pub fn apply(old: Option<&Body>, change: RecordChange) -> Applied {
    let dated = change.dated;
    let new = match (old, change.kind) {
        (None, RowKind::Full) => Body { at: change.at, fields: change.fields, ..Body::default() },
        (None, RowKind::Patch) => first_patch(change),
        (Some(old), _) if change.kind != RowKind::Patch && old.at > change.at => return Applied::Stale,
        (Some(old), RowKind::Patch) => match patch(old, change) {
            Some(body) => body,
            None => return Applied::Stale,
        },
        (Some(old), RowKind::Full) => full(old, change),
        (old, RowKind::Tombstone) => gone(old, change.at, Presence::Deleted),
        (old, RowKind::Merge) => {
            let into = change.merged_into.map_or(Presence::Deleted, Presence::MergedInto);
            gone(old, change.at, into)
        }
    };
    match old {
        Some(old) if same_meaning(old, &new) => match dated && (old.at, &old.patched) != (new.at, &new.patched) {
            true => Applied::Restated(new),
            false => Applied::Unchanged,
        },
        _ => Applied::Changed(new),
    }
}

/// A patch of a record that was never seen whole: a full row from before it may still come, and is not stale.
fn first_patch(change: RecordChange) -> Body {
    let patched = change.fields.iter().map(|(name, _)| (Arc::clone(name), change.at)).collect();
    Body { at: Millis::MIN, patched, fields: change.fields, presence: Presence::Live }
}

fn full(old: &Body, change: RecordChange) -> Body {
    let mut body = Body { at: change.at, fields: change.fields, ..Body::default() };
    for (name, at) in old.patched.iter().filter(|(_, at)| *at > change.at) {
        if let Some(value) = old.fields.get(name) {
            body.fields.set(Arc::clone(name), value.clone());
            body.patched.push((Arc::clone(name), *at));
        }
    }
    body
}

fn patch(old: &Body, change: RecordChange) -> Option<Body> {
    let mut body = old.clone();
    let mut said_something_new = false;
    for (name, value) in change.fields.0 {
        if old.field_time(&name) > change.at {
            continue;
        }
        said_something_new = true;
        body.patched.retain(|(n, _)| *n != name);
        if change.at > body.at {
            body.patched.push((Arc::clone(&name), change.at));
        }
        body.fields.set(name, value);
    }
    // What is gone comes back with something newer only: a change and the deletion may share a second.
    if said_something_new && change.at > old.at {
        body.presence = Presence::Live;
    }
    said_something_new.then_some(body)
}

fn gone(old: Option<&Body>, at: Millis, presence: Presence) -> Body {
    let mut body = old.cloned().unwrap_or_default();
    body.at = at;
    body.patched.clear();
    body.presence = presence;
    body
}

/// A restated record is not a change: its time may move, its meaning does not. That it was said again counts all the
/// same: what comes late is older than it, and of several records of a profile it may be the newest.
fn same_meaning(old: &Body, new: &Body) -> bool {
    let covers = |a: &Fields, b: &Fields| {
        a.iter().all(|(name, value)| b.get(name).map_or(value.is_null(), |other| other == value))
    };
    old.presence == new.presence && covers(&old.fields, &new.fields) && covers(&new.fields, &old.fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: RowKind, at: Millis, fields: &[(&str, Value)]) -> RecordChange {
        RecordChange {
            source_key: "1@x.M".into(),
            kind,
            at,
            dated: true,
            fields: fields.iter().map(|(n, v)| (Arc::from(*n), v.clone())).collect(),
            merged_into: None,
        }
    }

    fn text(s: &str) -> Value {
        Value::Text(s.into())
    }

    fn changed(old: Option<&Body>, change: RecordChange) -> Body {
        match apply(old, change) {
            Applied::Changed(body) => body,
            other => panic!("expected a change, got {other:?}"),
        }
    }

    #[test]
    fn a_full_row_replaces_and_absent_means_null() {
        let a = changed(None, row(RowKind::Full, 10, &[("x", text("1")), ("y", text("2"))]));
        let b = changed(Some(&a), row(RowKind::Full, 20, &[("x", text("1"))]));
        assert_eq!((b.fields.get("x"), b.fields.get("y"), b.at), (Some(&text("1")), None, 20));
        assert_eq!(apply(Some(&b), row(RowKind::Full, 15, &[("x", text("9"))])), Applied::Stale);
        assert_eq!(
            apply(Some(&b), row(RowKind::Full, 20, &[("x", text("1")), ("y", Value::Null)])),
            Applied::Unchanged
        );
        let same_time = changed(Some(&b), row(RowKind::Full, 20, &[("x", text("3"))]));
        assert_eq!(same_time.fields.get("x"), Some(&text("3")));
    }

    fn restated(old: &Body, change: RecordChange) -> Body {
        match apply(Some(old), change) {
            Applied::Restated(body) => body,
            other => panic!("expected a restatement, got {other:?}"),
        }
    }

    #[test]
    fn what_is_said_again_later_is_no_change_and_makes_what_lies_between_old() {
        let a = changed(None, row(RowKind::Full, 10, &[("x", text("1"))]));
        let b = restated(&a, row(RowKind::Full, 30, &[("x", text("1"))]));
        assert_eq!((b.at, &b.fields), (30, &a.fields));
        assert_eq!(apply(Some(&b), row(RowKind::Full, 20, &[("x", text("2"))])), Applied::Stale);
        let c = restated(&b, row(RowKind::Patch, 40, &[("x", text("1"))]));
        assert_eq!((c.at, c.changed_at()), (30, 40));
        // The time of reading is not the vendor's word.
        let read = RecordChange { dated: false, ..row(RowKind::Full, 50, &[("x", text("1"))]) };
        assert_eq!(apply(Some(&c), read), Applied::Unchanged);
    }

    #[test]
    fn a_patch_says_nothing_of_what_it_leaves_out() {
        let a = changed(None, row(RowKind::Full, 10, &[("x", text("1")), ("y", text("2"))]));
        let b = changed(Some(&a), row(RowKind::Patch, 20, &[("x", text("9"))]));
        assert_eq!((b.fields.get("x"), b.fields.get("y")), (Some(&text("9")), Some(&text("2"))));
        assert_eq!(apply(Some(&b), row(RowKind::Patch, 15, &[("x", text("old"))])), Applied::Stale);
        // A full row from before the patch arrives late: the patched field keeps its newer value.
        let c = changed(Some(&b), row(RowKind::Full, 15, &[("x", text("1")), ("y", text("3"))]));
        assert_eq!((c.fields.get("x"), c.fields.get("y")), (Some(&text("9")), Some(&text("3"))));
    }

    #[test]
    fn a_full_row_after_the_first_patch_is_not_stale() {
        let a = changed(None, row(RowKind::Patch, 20, &[("x", text("9"))]));
        let b = changed(Some(&a), row(RowKind::Full, 10, &[("x", text("1")), ("y", text("2"))]));
        assert_eq!((b.fields.get("x"), b.fields.get("y")), (Some(&text("9")), Some(&text("2"))));
        assert_eq!(a.changed_at(), 20);
    }

    #[test]
    fn a_patch_of_the_same_time_does_not_revive() {
        let a = changed(None, row(RowKind::Full, 10, &[("x", text("1"))]));
        let dead = changed(Some(&a), row(RowKind::Tombstone, 20, &[]));
        let Applied::Changed(still) = apply(Some(&dead), row(RowKind::Patch, 20, &[("x", text("2"))])) else {
            panic!("the value is kept")
        };
        assert_eq!(still.presence, Presence::Deleted);
        assert_eq!(changed(Some(&dead), row(RowKind::Patch, 21, &[("x", text("2"))])).presence, Presence::Live);
    }

    #[test]
    fn what_is_gone_comes_back_only_with_something_newer() {
        let a = changed(None, row(RowKind::Full, 10, &[("x", text("1"))]));
        let dead = changed(Some(&a), row(RowKind::Tombstone, 20, &[]));
        assert_eq!(dead.presence, Presence::Deleted);
        assert_eq!(apply(Some(&dead), row(RowKind::Full, 15, &[("x", text("1"))])), Applied::Stale);
        let still = restated(&dead, row(RowKind::Tombstone, 25, &[]));
        assert_eq!(apply(Some(&still), row(RowKind::Full, 22, &[("x", text("1"))])), Applied::Stale);
        let back = changed(Some(&dead), row(RowKind::Full, 30, &[("x", text("1"))]));
        assert_eq!(back.presence, Presence::Live);
    }

    #[test]
    fn a_merge_names_who_lives_on() {
        let mut merge = row(RowKind::Merge, 20, &[]);
        merge.merged_into = Some("2@x.M".into());
        let body = changed(None, merge);
        assert_eq!(body.presence, Presence::MergedInto("2@x.M".into()));
    }

    #[test]
    fn the_stored_form_comes_back() {
        let a =
            changed(None, row(RowKind::Full, 10, &[("x", text("1")), ("n", Value::Null), ("t", Value::Timestamp(5))]));
        let b = changed(Some(&a), row(RowKind::Patch, 20, &[("x", text("9"))]));
        for body in [a, b] {
            let stored = serde_json::to_string(&body).unwrap();
            assert_eq!(serde_json::from_str::<Body>(&stored).unwrap(), body);
        }
    }
}
