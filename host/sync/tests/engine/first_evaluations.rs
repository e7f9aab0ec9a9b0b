//! Segments that are made while others are being evaluated for the first time.

use super::segments::{NOW, SetClock, change, members, open, persons, profile, send};
use attiva_core::Value;
use attiva_core::id::SegmentId;
use attiva_sync::EngineOptions;
use std::time::Duration;

const PERSONS: i64 = 60;

/// Three by three, so that segments are far apart when others come.
#[tokio::test]
async fn segments_made_one_after_the_other_have_everybody_of_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let options = EngineOptions { projection_rows: 3, ..EngineOptions::default() };
    let office = open(dir.path(), &SetClock::at(NOW), options, None).await;
    let person = |n: i64| {
        change(
            &format!("p{n}"),
            vec![("email", Value::Text(format!("p{n}@x.com"))), ("person_score", Value::Integer(n))],
        )
    };
    send(&office, "person", (0..PERSONS).map(person).collect()).await;
    office.settled().await;

    let mut made: Vec<(SegmentId, i64)> = Vec::new();
    for least in [10, 20, 30, 40] {
        made.push((persons(&office, &least.to_string(), &format!("person.person_score >= {least}")).await, least));
        // The next comes when this one has begun.
        let cursor = format!("segment:seg_{least}");
        while office.store.projector_cursor(&cursor).unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let asks = persons(&office, "asks", "inAudience(\"10\") && !inAudience(\"30\")").await;
    office.settled().await;

    let scored = |from: i64, upto: i64| {
        let mut numbers: Vec<i64> = (from..upto).map(|n| profile(&office, "person", &format!("p{n}"))).collect();
        numbers.sort_unstable();
        numbers
    };
    for (segment, least) in &made {
        assert_eq!(members(&office, segment), scored(*least, PERSONS), "{least}");
    }
    assert_eq!(members(&office, &asks), scored(10, 30));
}
