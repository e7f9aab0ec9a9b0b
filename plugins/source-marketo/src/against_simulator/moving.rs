//! Lists that move while they are read: behind a record that is deleted, all stand one place further ahead, the first of them
//! on a page that was read already.

use super::*;
use crate::SourceMarketo;
use attiva_connector::{Limits, ReadRequest, Source};
use std::collections::BTreeSet;

/// Leads for which there are 40 programs and 25 lists.
const MANY: u64 = 10_000;

/// Reads a stream to its end in pages of so many rows. What is to happen does so once the first of them are read. Answers
/// the keys of all.
fn read_while(world: &World, stream: &str, max_rows: u32, happens: impl FnOnce(&Marketo)) -> BTreeSet<String> {
    let (host, config) = (world.host(), config(json!({})));
    let limits = Limits { max_rows, max_bytes: 4 * 1024 * 1024 };
    let (mut happens, mut keys, mut cursor) = (Some(happens), BTreeSet::new(), None);
    loop {
        let request = ReadRequest { stream: stream.into(), fields: vec![], cursor, keys: vec![], limits };
        let page = SourceMarketo::read(&host, &config, &request).unwrap();
        keys.extend(shown(&page).iter().map(|row| row.split(' ').nth(1).unwrap().to_owned()));
        if page.rows > 0
            && let Some(happens) = happens.take()
        {
            happens(&world.marketo);
        }
        if !page.more {
            assert!(happens.is_none(), "{stream} has no rows");
            return keys;
        }
        if page.wait_ms.is_some() {
            std::thread::sleep(Duration::from_millis(3));
        }
        cursor = Some(page.next);
    }
}

fn missing(world: &World, of: &str, key: &[&str], read: &BTreeSet<String>) -> Vec<String> {
    world.expected(of, key).into_iter().filter(|key| !read.contains(key)).collect()
}

#[test]
fn no_program_is_lost_where_one_that_was_read_is_deleted() {
    let world = World::of(MANY, MarketoConfig::default());
    let programs = world.expected("programs", &["id"]);
    let read =
        read_while(&world, "programs", 7, |marketo| assert!(marketo.delete_program(programs[0].parse().unwrap())));
    assert_eq!(missing(&world, "programs", &["id"], &read), [""; 0]);
}

#[test]
fn no_member_of_a_program_is_lost_where_one_that_was_read_is_deleted() {
    for deleted in [1, 9] {
        let world = World::of(MANY, MarketoConfig::default());
        let programs = world.expected("programs", &["id"]);
        let read = read_while(&world, "program_memberships", 1_000, |marketo| {
            for program in &programs[..deleted] {
                assert!(marketo.delete_program(program.parse().unwrap()));
            }
        });
        assert_eq!(missing(&world, "programs/members", &["programId", "leadId"], &read), [""; 0], "{deleted} deleted");
    }
}

#[test]
fn no_list_and_nobody_on_it_is_lost_where_one_that_was_read_is_deleted() {
    let world = World::of(MANY, MarketoConfig::default());
    let lists = read_while(&world, "static_lists", 20, |marketo| assert!(marketo.delete_list(1)));
    let all: Vec<String> = (1..=25).map(|list| list.to_string()).collect();
    assert_eq!(all.into_iter().filter(|list| !lists.contains(list)).collect::<Vec<_>>(), [""; 0]);

    let read = read_while(&world, "static_list_memberships", 20, |marketo| assert!(marketo.delete_list(2)));
    let on = |list: u64| world.marketo.listed(list).into_iter().map(move |lead| format!("{list}-{lead}"));
    let missing: Vec<String> = (3..=25).flat_map(on).filter(|key| !read.contains(key)).collect();
    assert_eq!(missing, [""; 0]);
    assert!(read.iter().any(|key| key.starts_with("25-")), "the last list has somebody");
}
