//! What was refused is sent again by its reason, its time and its audience, and by itself when it has changed; nothing else is.

use crate::activation::{delivered, listed};
use crate::support::*;
use crate::three_pages;
use attiva_core::config::{Activation, Segment};
use attiva_core::id::{ActivationId, SegmentId};
use attiva_core::ports::store::{Books, DocumentWrite, Expect, Kind, RefusalFilter};
use std::path::Path;

/// Of the three who are wanted, the vendor has taken one.
async fn two_refused(dir: &Path) -> (World, ActivationId) {
    let (world, activation) = listed(dir, three_pages()).await;
    *world.vendor.refuses.lock().unwrap() = [("ann@x.com", "bad.ann"), ("cat@x.com", "bad.cat")].into();
    let first = delivered(&world, &activation).await;
    assert_eq!(first.books.unwrap(), Books { received: 3, created: 1, failed: 2, ..Books::default() });
    (world, activation)
}

/// Delivers what the vendor now takes: the addresses that came, and the books.
async fn sent(world: &World, activation: &ActivationId) -> (Vec<String>, Books) {
    world.vendor.batches.lock().unwrap().clear();
    let books = delivered(world, activation).await.books.unwrap();
    let batches = world.vendor.batches.lock().unwrap();
    let mails = batches.values().flatten().filter_map(|(_, values)| values[0].as_ref()?.as_text().map(str::to_owned));
    (mails.collect(), books)
}

async fn replay(world: &World, filter: RefusalFilter) -> u64 {
    world.store.replay("act_test", filter).await.unwrap()
}

#[tokio::test]
async fn what_was_refused_comes_again_by_its_reason_and_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = two_refused(dir.path()).await;
    let still = Books { received: 3, unchanged: 1, failed: 2, ..Books::default() };
    assert_eq!(sent(&world, &activation).await, (vec![], still), "nothing has changed");
    world.vendor.refuses.lock().unwrap().clear();
    assert_eq!(sent(&world, &activation).await, (vec![], still), "nobody knows that it would be taken by now");

    let of = |code: &str| RefusalFilter { code: Some(code.into()), ..RefusalFilter::default() };
    assert_eq!(replay(&world, of("bad.dog")).await, 0);
    assert_eq!(replay(&world, of("bad.ann")).await, 1);
    let (mails, books) = sent(&world, &activation).await;
    assert_eq!(mails, ["ann@x.com"]);
    assert_eq!(books, Books { received: 3, created: 1, unchanged: 1, failed: 1, ..Books::default() });

    let later = RefusalFilter { since: Some(wall() + 60_000), ..RefusalFilter::default() };
    let before = RefusalFilter { until: Some(wall() - 600_000), ..RefusalFilter::default() };
    assert_eq!((replay(&world, later).await, replay(&world, before).await), (0, 0));
    assert_eq!(sent(&world, &activation).await.0, Vec::<String>::new());
    let now = RefusalFilter { since: Some(wall() - 600_000), until: Some(wall() + 60_000), ..RefusalFilter::default() };
    assert_eq!(replay(&world, now).await, 1);
    assert_eq!(sent(&world, &activation).await.0, ["cat@x.com"]);
}

#[tokio::test]
async fn what_was_refused_comes_again_by_itself_when_it_has_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = two_refused(dir.path()).await;
    world.vendor.pages.lock().unwrap().push(vec![lead("1", 20, "ann@y.com", "CEO")]);
    world.run().await;
    let (mails, books) = sent(&world, &activation).await;
    assert_eq!(mails, ["ann@y.com"]);
    assert_eq!(books, Books { received: 3, created: 1, unchanged: 1, failed: 1, ..Books::default() });
}

#[tokio::test]
async fn another_audience_of_the_same_target_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (world, ceos) = two_refused(dir.path()).await;
    let put = async |kind, id: &str, body| {
        world.store.put_document(DocumentWrite { kind, id: id.into(), body }, Expect::Absent).await.unwrap();
    };
    let segment = Segment::new(SegmentId::parse("seg_other").unwrap(), "o", "person.job_title == 'CTO'", 0);
    put(Kind::Segment, "seg_other", serde_json::to_value(&segment).unwrap()).await;
    world.engine.segments_changed();
    world.settled().await;
    let mut ctos: Activation = world.get(Kind::Activation, ceos.as_str());
    (ctos.id, ctos.segment) = (ActivationId::parse("act_other").unwrap(), segment.id);
    put(Kind::Activation, "act_other", serde_json::to_value(&ctos).unwrap()).await;
    world.vendor.refuses.lock().unwrap().insert("bob@x.com", "bad.bob");
    let other = delivered(&world, &ctos.id).await;
    assert_eq!(other.books.unwrap(), Books { received: 1, failed: 1, ..Books::default() });
    world.vendor.refuses.lock().unwrap().clear();

    let of = |id: &ActivationId| RefusalFilter { wanted_by: Some(id.clone()), ..RefusalFilter::default() };
    assert_eq!(replay(&world, of(&ctos.id)).await, 1);
    assert_eq!(sent(&world, &ceos).await.0, Vec::<String>::new());
    assert_eq!(sent(&world, &ctos.id).await.0, ["bob@x.com"]);
    assert_eq!(replay(&world, of(&ceos)).await, 2);
    assert_eq!(sent(&world, &ceos).await.0, ["ann@x.com", "cat@x.com"]);
}
