//! Opening, refusing to open, and full disks.

use crate::support::*;
use attiva_core::id::ProfileId;
use attiva_core::identity::Identity;
use attiva_core::ports::store::{Expect, Kind, SandboxStore, StoreError};
use attiva_store::{Control, Options, Sandbox};

#[test]
fn a_store_is_open_once() {
    let f = sandbox();
    assert_eq!(Sandbox::open(f.directory.path(), &Options::default()).err(), Some(StoreError::InUse));
    let f = f.reopened();
    assert_eq!(f.store.count_profiles(&PERSON), Ok(0));
}

#[test]
fn a_file_from_a_newer_version_is_refused_and_left_alone() {
    let f = sandbox();
    f.sql().pragma_update(None, "user_version", 99).unwrap();
    let Fixture { store, directory } = f;
    drop(store);
    let refused = Sandbox::open(directory.path(), &Options::default()).err();
    assert!(matches!(refused, Some(StoreError::TooNew { found: 99, known: 1..99 })), "{refused:?}");
    let sql = rusqlite::Connection::open(directory.path().join("store.db")).unwrap();
    assert_eq!(sql.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap(), 99);
}

#[test]
fn what_is_no_store_of_ours_is_refused() {
    let corrupt = |bytes: &[u8]| {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("store.db"), bytes).unwrap();
        let error = Sandbox::open(directory.path(), &Options::default()).err();
        assert!(matches!(error, Some(StoreError::Corrupt(_))), "{error:?}");
        assert!(std::fs::read(directory.path().join("store.db")).unwrap() == bytes, "it was touched");
    };
    corrupt(&[b'x'; 8192]);

    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("other.db");
    rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    corrupt(&std::fs::read(&other).unwrap());

    // A control database is not a sandbox's.
    drop(Control::open(directory.path(), &Options::default()).unwrap());
    std::fs::rename(directory.path().join("control.db"), directory.path().join("store.db")).unwrap();
    let error = Sandbox::open(directory.path(), &Options::default()).err();
    assert!(matches!(error, Some(StoreError::Corrupt(_))), "{error:?}");
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Sandbox::open(&file.join("store"), &Options::default()).err();
    assert!(matches!(&error, Some(StoreError::Unusable { path, .. }) if path.ends_with("file/store")), "{error:?}");
}

#[test]
fn a_full_disk_stops_what_does_not_fit_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let tight = Options { pages_max: Some(150), ..Options::default() };
    let store = Sandbox::open(directory.path(), &tight).unwrap();
    let large = |n: usize| {
        let value = text(&"x".repeat(1_000));
        page("leads", &n.to_string(), (0..100).map(|i| full(&key(100 * n + i), 10, &[("x", value.clone())])).collect())
    };
    let mut stored = 0;
    let error = loop {
        match wait(store.commit_page(large(stored))) {
            Ok(done) => assert_eq!(done.changed, 100),
            Err(error) => break error,
        }
        stored += 1;
    };
    assert_eq!(error, StoreError::Full);
    // Nothing of the page is there, and what came before is.
    let state = store.stream_state(&connection(), "leads").unwrap().unwrap();
    assert_eq!(state.cursor.bytes, (stored - 1).to_string().into_bytes());
    assert_eq!(store.record(&PERSON, &key(100 * stored)).unwrap(), None);
    assert!(store.record(&PERSON, &key(100 * stored - 1)).unwrap().is_some());
    // What fits still goes in.
    assert_eq!(wait(store.put_document(document(Kind::Run, "run_1", "x"), Expect::Absent)), Ok(1));
    assert_eq!(wait(store.commit_page(large(stored))), Err(StoreError::Full));

    // With space again, it goes on.
    drop(store);
    let store = Sandbox::open(directory.path(), &Options::default()).unwrap();
    assert_eq!(wait(store.commit_page(large(stored))).unwrap().changed, 100);
}

#[test]
fn with_space_again_the_same_store_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let tight = Options { pages_max: Some(170), ..Options::default() };
    let store = Sandbox::open(directory.path(), &tight).unwrap();
    let rejects = |count: usize| {
        let mut commit = page("leads", "a", Vec::new());
        commit.document = always(document(Kind::Run, run().as_str(), "running"));
        commit.rejects = (0..count)
            .map(|_| attiva_core::page::Reject {
                key: None,
                code: "x".into(),
                field: None,
                message: "y".repeat(900),
                sample: String::new(),
            })
            .collect();
        commit
    };
    wait(store.commit_page(rejects(200))).unwrap();
    assert_eq!(wait(store.commit_page(rejects(400))), Err(StoreError::Full));
    // Deleting makes space within the file.
    wait(store.delete_document(Kind::Run, run().as_str(), Expect::Anything)).unwrap();
    wait(store.commit_page(rejects(200))).unwrap();
    assert_eq!(store.rejects(&run(), 0, 1_000).unwrap().len(), 200);
}

/// What a sandbox of persons held is there: records, profiles, what names them, their number, and cursors.
#[test]
fn a_sandbox_of_an_older_version_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let file = rusqlite::Connection::open(directory.path().join("store.db")).unwrap();
    file.execute_batch(include_str!("../../src/schema/sandbox-1.sql")).unwrap();
    file.pragma_update(None, "application_id", 0x4174_0001).unwrap();
    file.pragma_update(None, "user_version", 1).unwrap();
    file.execute_batch(
        r#"UPDATE counter SET seq = 3, record = 2, profile = 1, profiles = 1;
         INSERT INTO stream VALUES (1, 'con_1', 's', 1, x'61', 0);
         INSERT INTO record VALUES (1, '1@m.Marketo', 1, '{"at":1,"fields":{}}'), (2, '2@m.Marketo', 1, '{"at":1,"fields":{}}');
         INSERT INTO record_change VALUES (1, 1), (2, 2);
         INSERT INTO namespace VALUES (1, 'email');
         INSERT INTO identity VALUES (1, 'a@x.com', 1);
         INSERT INTO profile VALUES (1, 'prf_1', 2, 5, 0);
         INSERT INTO profile_change VALUES (3, 1);
         INSERT INTO projector VALUES ('profiles', 2);
         INSERT INTO attributes VALUES (1, '{"email":"a@x.com"}');
         INSERT INTO link VALUES (1, 1, 1, '[["email","a@x.com"]]'), (2, 1, 1, NULL);"#,
    )
    .unwrap();
    drop(file);
    let store = Sandbox::open(directory.path(), &Options::default()).unwrap();
    let profile = store.profile(&ProfileId::parse("prf_1").unwrap()).unwrap().unwrap();
    assert_eq!((profile.number, profile.degraded, &profile.entity), (1, false, &PERSON));
    assert_eq!(store.profiles(&PERSON, 0, 9).unwrap(), std::slice::from_ref(&profile));
    assert_eq!(store.degraded_profiles(&PERSON, 0, 9).unwrap(), []);
    assert_eq!((store.count_profiles(&PERSON), store.projector_cursor("profiles")), (Ok(1), Ok(2)));
    let email = Identity::email("a@x.com").unwrap();
    for identity in [email.clone(), Identity::source_key("2@m.Marketo")] {
        assert_eq!(store.profile_by_identity(&PERSON, &identity).unwrap(), Some(profile.clone()));
    }
    assert_eq!(store.identities_of(&[1]).unwrap(), [[Identity::source_key("1@m.Marketo"), email]]);
    let record = store.record(&PERSON, "1@m.Marketo").unwrap().unwrap();
    assert_eq!((record.number, record.entity, record.profile), (1, Some(PERSON), Some(profile.id)));
    assert!(store.stream_is_of(&record.connection, "s", Some(&PERSON)).unwrap());
    assert!(!store.stream_is_of(&record.connection, "s", None).unwrap());
    // It goes on: numbers are not given twice.
    wait(store.commit_page(page("leads", "a", vec![full(&key(9), 10, &[])]))).unwrap();
    assert_eq!(store.record(&PERSON, &key(9)).unwrap().unwrap().number, 3);
    assert_eq!(with_profiles(&store, &["new"]), [2]);
    assert_eq!(store.count_profiles(&PERSON), Ok(2));
}
