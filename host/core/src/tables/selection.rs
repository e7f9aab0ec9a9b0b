//! Which parts of the tables are written anew.

use super::layout::{Origin, TableLayout, Told};
use super::manifest::{FORMAT, Manifest, Stamps, TableCut};
use std::collections::BTreeSet;

/// What of an origin is written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    All,
    /// Parts that the sequence tells of, parts with another stamp, or both.
    Changed {
        feed: bool,
        stamps: bool,
    },
}

/// `before`: the newest manifest. `again`: what no sequence tells may have changed, too. `audiences`: segments there are.
#[must_use]
pub fn selection(
    origin: &Origin,
    layouts: &[TableLayout],
    before: Option<&Manifest>,
    cut: &TableCut,
    audiences: &BTreeSet<String>,
    again: bool,
) -> Selection {
    let Some(before) = before else { return Selection::All };
    let of_origin = |layout: &&TableLayout| layout.origin == *origin;
    let has_other_columns =
        |layout: &TableLayout| before.table(&layout.name).is_none_or(|table| table.columns != layout.columns);
    // The store was put back to an older state.
    if before.format != FORMAT || before.cut.is_ahead_of(cut) {
        return Selection::All;
    }
    if layouts.iter().filter(of_origin).any(has_other_columns) {
        return Selection::All;
    }
    let was_erased = again || before.cut.erasures != cut.erasures;
    let anew = match origin {
        // Of a segment that is deleted nobody is told.
        Origin::Members => was_erased || !before.audiences.is_subset(audiences),
        Origin::Outcomes => was_erased,
        _ => false,
    };
    match origin.told() {
        _ if anew => Selection::All,
        Told::Nothing => Selection::All,
        Told::Feed => Selection::Changed { feed: true, stamps: false },
        Told::Stamp => Selection::Changed { feed: false, stamps: true },
        Told::Both => Selection::Changed { feed: true, stamps: true },
    }
}

/// Parts whose stamp is another now, that are new, or that are no more.
#[must_use]
pub fn restamped(before: &Stamps, now: &Stamps) -> BTreeSet<i64> {
    let parts = before.keys().chain(now.keys());
    parts
        .filter(|part| before.get(part) != now.get(part) || now.get(part).is_some_and(String::is_empty))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::manifest::ManifestTable;
    use super::super::tables;
    use super::*;
    use crate::model::custom::Custom;
    use crate::model::{EntityName, Schema};

    fn layouts() -> Vec<TableLayout> {
        tables(&Schema::new(&Custom::default()).unwrap())
    }

    fn manifest() -> Manifest {
        let table = |layout: TableLayout| ManifestTable { name: layout.name, columns: layout.columns, files: vec![] };
        Manifest {
            format: FORMAT,
            number: 1,
            taken_at: 0,
            cut: TableCut { records: 5, profiles: 6, events: 7, moves: 3, erasures: 1 },
            model_version: 1,
            custom_model_version: 0,
            tables: layouts().into_iter().map(table).collect(),
            stamps: Default::default(),
            audiences: ["seg_a".to_owned()].into(),
        }
    }

    fn of(origin: &Origin, change: impl FnOnce(&mut Manifest, &mut TableCut)) -> Selection {
        let mut before = manifest();
        let mut cut = before.cut;
        change(&mut before, &mut cut);
        selection(origin, &layouts(), Some(&before), &cut, &["seg_a".to_owned(), "seg_b".to_owned()].into(), false)
    }

    #[test]
    fn nothing_is_written_twice_without_a_reason() {
        let person = Origin::Profiles(EntityName::PERSON);
        let feed = Selection::Changed { feed: true, stamps: false };
        assert_eq!(of(&person, |_, _| ()), feed);
        assert_eq!(of(&Origin::Members, |_, _| ()), feed);
        assert_eq!(of(&Origin::Records, |_, _| ()), Selection::Changed { feed: true, stamps: true });
        assert_eq!(of(&Origin::Moves, |_, _| ()), Selection::Changed { feed: false, stamps: true });
        assert_eq!(of(&Origin::Runs, |_, _| ()), Selection::All);
    }

    #[test]
    fn what_no_sequence_tells_has_a_table_written_anew() {
        let person = Origin::Profiles(EntityName::PERSON);
        let layouts = layouts();
        let none = BTreeSet::new();
        assert_eq!(selection(&person, &layouts, None, &TableCut::default(), &none, false), Selection::All);
        // A store that is older than the tables.
        assert_eq!(of(&person, |_, cut| cut.profiles = 5), Selection::All);
        assert_eq!(of(&person, |before, _| before.format = 0), Selection::All);
        let drop_column = |before: &mut Manifest, _: &mut TableCut| {
            before.tables.iter_mut().find(|table| table.name == "model.person").unwrap().columns.pop();
        };
        assert_eq!(of(&person, drop_column), Selection::All);
        assert_ne!(of(&Origin::Events, drop_column), Selection::All);
        // Members of a segment that was deleted, and what an erasure took out of outcomes.
        assert_eq!(of(&Origin::Members, |before, _| before.audiences.extend(["seg_c".to_owned()])), Selection::All);
        assert_eq!(of(&Origin::Members, |_, cut| cut.erasures = 2), Selection::All);
        assert_eq!(of(&Origin::Outcomes, |_, cut| cut.erasures = 2), Selection::All);
        assert_ne!(of(&person, |_, cut| cut.erasures = 2), Selection::All);
    }

    #[test]
    fn a_part_with_another_stamp_is_written_anew() {
        let stamps =
            |all: &[(i64, &str)]| all.iter().map(|(part, text)| (*part, (*text).to_owned())).collect::<Stamps>();
        let before = stamps(&[(0, "a"), (1, "b"), (2, "c"), (3, "")]);
        let now = stamps(&[(0, "a"), (1, "x"), (3, ""), (4, "d")]);
        assert_eq!(restamped(&before, &now), [1, 2, 3, 4].into());
    }
}
