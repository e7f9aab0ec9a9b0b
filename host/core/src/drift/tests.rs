use super::*;

fn stream(name: &str, columns: &[(&str, DataType)]) -> Stream {
    let column = |(name, data_type): &(&str, DataType)| ColumnSpec {
        name: (*name).into(),
        data_type: *data_type,
        nullable: true,
        label: String::new(),
    };
    Stream {
        name: name.into(),
        title: name.into(),
        columns: columns.iter().map(column).collect(),
        key: "id".into(),
        cursor_column: None,
        deletes: false,
        keyed_by: None,
        suggested: true,
    }
}

const TEXT: DataType = DataType::Text;
const INTEGER: DataType = DataType::Integer;

fn persons(columns: &[(&str, DataType)]) -> Vec<Stream> {
    vec![stream("persons", columns), stream("lists", &[("a", TEXT)])]
}

fn policy(on_change: OnChange) -> SchemaPolicy {
    SchemaPolicy { on_change, ..SchemaPolicy::default() }
}

fn read() -> Vec<String> {
    vec!["persons".into(), "lists".into()]
}

/// What becomes of persons with a text `a` and `b` that are now described so.
fn decided(on_change: OnChange, now: &[(&str, DataType)]) -> Decided {
    let before = persons(&[("a", TEXT), ("b", TEXT)]);
    decide(&policy(on_change), &before, &persons(now), &read(), SchemaState::default(), 5)
}

#[test]
fn each_change_meets_each_policy() {
    let new = [("a", TEXT), ("b", TEXT), ("c", INTEGER)];
    let gone = [("a", TEXT)];
    let retyped = [("a", TEXT), ("b", INTEGER)];
    // Whether it is taken over, whether the stream is read, whether there is a run.
    for (what, now, on_change, taken, is_read, runs) in [
        ("new", &new[..], OnChange::Propagate, true, true, true),
        ("gone", &gone, OnChange::Propagate, true, true, true),
        ("retyped", &retyped, OnChange::Propagate, true, true, true),
        ("new", &new, OnChange::Ask, false, true, true),
        ("gone", &gone, OnChange::Ask, false, false, true),
        ("retyped", &retyped, OnChange::Ask, false, false, true),
        ("new", &new, OnChange::Stop, false, true, false),
        ("gone", &gone, OnChange::Stop, false, true, false),
        ("retyped", &retyped, OnChange::Stop, false, true, false),
    ] {
        let Decided { catalog, state, held, stopped } = decided(on_change, now);
        let told = format!("{what}, {on_change:?}");
        let columns = if taken { persons(now) } else { persons(&[("a", TEXT), ("b", TEXT)]) };
        assert_eq!(catalog, columns, "{told}");
        assert_eq!((state.taken.len(), state.pending.len()), (usize::from(taken), usize::from(!taken)), "{told}");
        assert_eq!(held.is_empty(), is_read, "{told}");
        assert_eq!(stopped.is_none(), runs, "{told}");
        for fault in held.into_iter().map(|held| held.fault).chain(stopped) {
            assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Config, "schema.changed"));
            assert!(!fault.action.is_empty() && fault.field.as_deref() == Some("persons"), "{fault:?}");
        }
    }
}

#[test]
fn the_order_the_labels_and_a_first_look_are_no_changes() {
    let mut now = persons(&[("b", TEXT), ("a", TEXT)]);
    now[0].columns[0].label = "B".into();
    let before = persons(&[("a", TEXT), ("b", TEXT)]);
    for before in [&before[..], &[]] {
        let decided = decide(&policy(OnChange::Stop), before, &now, &read(), SchemaState::default(), 5);
        assert_eq!(decided, Decided { catalog: now.clone(), ..Decided::default() });
    }
}

#[test]
fn a_stream_that_is_gone_is_a_change_and_one_that_nobody_reads_is_none() {
    let before = persons(&[("a", TEXT)]);
    let now = &before[..1];
    let decided = decide(&policy(OnChange::Ask), &before, now, &read(), SchemaState::default(), 5);
    assert_eq!((decided.held.len(), decided.catalog.len()), (1, 2));
    assert_eq!(decided.state.pending["lists"].changes, [Change::VanishedStream]);
    let unread = decide(&policy(OnChange::Stop), &before, now, &["persons".into()], decided.state, 6);
    assert_eq!((unread.stopped, unread.catalog.len(), unread.state.pending.len()), (None, 1, 0));
}

#[test]
fn a_stream_may_have_a_policy_of_its_own() {
    let mut policy = policy(OnChange::Stop);
    policy.streams.insert("persons".into(), OnChange::Propagate);
    let now = persons(&[("a", INTEGER)]);
    let decided = decide(&policy, &persons(&[("a", TEXT)]), &now, &read(), SchemaState::default(), 5);
    assert_eq!((decided.stopped, decided.catalog), (None, now));
}

#[test]
fn what_is_approved_is_taken_over_and_what_is_taken_back_waits_no_more() {
    let ask = SchemaPolicy { backfill_new_columns: true, ..policy(OnChange::Ask) };
    let (before, now) = (persons(&[("a", TEXT)]), persons(&[("a", TEXT), ("c", TEXT)]));
    let first = decide(&ask, &before, &now, &read(), SchemaState::default(), 5);
    assert!(first.state.to_backfill.is_empty(), "it is not taken over yet");
    // The same, noticed again, waits since it was noticed.
    let mut again = decide(&ask, &first.catalog, &now, &read(), first.state.clone(), 9);
    assert_eq!(again.state.pending["persons"].noticed_at, 5);
    let refused = again.state.approve(&["lists".into()], &again.catalog, &ask, "key_1", 10).unwrap_err();
    assert_eq!(refused.code, "schema.nothing-pending");
    let catalog = again.state.approve(&[], &again.catalog, &ask, "key_1", 10).unwrap();
    assert_eq!(catalog, now);
    assert_eq!((again.state.taken[0].by.as_deref(), again.state.pending.len()), (Some("key_1"), 0));
    assert!(again.state.to_backfill.contains("persons"));
    let next = decide(&ask, &catalog, &now, &read(), again.state, 11);
    assert_eq!((next.held.len(), next.state.pending.len()), (0, 0));
    // Taken back at the vendor before anybody approved.
    assert!(decide(&ask, &first.catalog, &before, &read(), first.state, 12).state.pending.is_empty());
}

#[test]
fn so_many_changes_are_kept_and_so_many_are_told() {
    let mut state = SchemaState::default();
    for at in 0..150 {
        state.take("persons", vec![Change::VanishedStream], None, &SchemaPolicy::default(), at);
    }
    assert_eq!((state.taken.len(), state.taken[0].at), (TAKEN_MAX, 50));
    let many: Vec<(String, DataType)> = (0..9).map(|n| (format!("c{n}"), TEXT)).collect();
    let many: Vec<(&str, DataType)> = many.iter().map(|(name, t)| (name.as_str(), *t)).collect();
    let fault = decided(OnChange::Stop, &[&[("a", TEXT), ("b", TEXT)][..], &many[..]].concat()).stopped.unwrap();
    assert!(fault.message.contains("`c4` is new, 4 more"), "{}", fault.message);
}

#[test]
fn a_description_is_believed_for_a_while_by_the_same_plugin_and_connection() {
    let at = |at, plugin: &str, connection_version| Described { at, plugin: plugin.into(), connection_version };
    let state = SchemaState { described: Some(at(100, "p@1", 3)), ..SchemaState::default() };
    let catalog = persons(&[("a", TEXT)]);
    for (now, believed) in [
        (at(100, "p@1", 3), true),
        (at(149, "p@1", 3), true),
        (at(150, "p@1", 3), false),
        (at(99, "p@1", 3), false),
        (at(100, "p@2", 3), false),
        (at(100, "p@1", 4), false),
    ] {
        assert_eq!(state.believed(&catalog, &now, 50).is_some(), believed, "{now:?}");
    }
    assert_eq!(SchemaState::default().believed(&catalog, &at(0, "p@1", 3), 50), None);
}

#[test]
fn what_is_believed_is_decided_as_what_was_described() {
    let before = persons(&[("a", TEXT), ("b", TEXT)]);
    let gone = vec![before[1].clone()];
    for described in
        [persons(&[("a", TEXT)]), persons(&[("a", TEXT), ("b", INTEGER), ("c", TEXT)]), before.clone(), gone]
    {
        for on_change in [OnChange::Propagate, OnChange::Ask, OnChange::Stop] {
            let told = Described { at: 5, plugin: "p@1".into(), connection_version: 1 };
            let known = SchemaState { described: Some(told.clone()), ..SchemaState::default() };
            let first = decide(&policy(on_change), &before, &described, &read(), known, 5);
            let believed = first.state.believed(&first.catalog, &Described { at: 9, ..told }, 50).unwrap();
            let by_name = |mut streams: Vec<Stream>| {
                streams.sort_by(|a, b| a.name.cmp(&b.name));
                streams
            };
            assert_eq!(by_name(believed.clone()), by_name(described.clone()), "{on_change:?}");
            let again = decide(&policy(on_change), &first.catalog, &believed, &read(), first.state.clone(), 9);
            assert_eq!((by_name(again.catalog), again.state), (by_name(first.catalog), first.state), "{on_change:?}");
            assert_eq!((again.held, again.stopped), (first.held, first.stopped), "{on_change:?}");
        }
    }
}
