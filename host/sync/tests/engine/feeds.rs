//! The feeds of changes keep the newest entry of each thing, and whoever follows them misses nothing, wherever they stand.

use crate::activation::{delivered, listed};
use crate::support::*;
use crate::three_pages;
use attiva_core::ports::store::{Feed, Reconsider, Seq};
use std::collections::BTreeSet;

const FEEDS: [Feed; 3] = [Feed::Records, Feed::Profiles, Feed::Events];

fn entries(world: &World, feed: Feed, after: Seq) -> Vec<i64> {
    world.store.changes(feed, after, 10_000).unwrap().into_iter().map(|change| change.subject).collect()
}

/// What somebody who stands at each place of a feed hears of.
fn heard(world: &World, feed: Feed) -> Vec<BTreeSet<i64>> {
    let newest = world.store.newest(feed).unwrap();
    (0..=newest).map(|after| entries(world, feed, after).into_iter().collect()).collect()
}

#[tokio::test]
async fn of_several_changes_of_one_thing_the_newest_is_enough_for_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = listed(dir.path(), three_pages()).await;
    assert!(delivered(&world, &activation).await.books.unwrap().created > 0);
    // After the delivery one of its members changes, again and again; and another does, once, in between.
    for at in 40..60 {
        let title = if at % 2 == 0 { "CEO" } else { "CMO" };
        world.vendor.pages.lock().unwrap().push(vec![lead("1", at, format!("ann{at}@x.com").leak(), title)]);
        if at == 50 {
            world.vendor.pages.lock().unwrap().push(vec![lead("2", at, "bob@new.com", "CEO")]);
        }
        world.run().await;
        world.settled().await;
    }
    let before: Vec<_> = FEEDS.iter().map(|feed| heard(&world, *feed)).collect();
    let (all, newest) = (entries(&world, Feed::Records, 0), world.store.newest(Feed::Records).unwrap());
    let distinct: BTreeSet<i64> = all.iter().copied().collect();
    assert!(all.len() > distinct.len() + 15, "{all:?}");

    assert!(world.engine.shorten_feeds().await.unwrap() > 30);
    for (feed, before) in FEEDS.into_iter().zip(&before) {
        assert_eq!(&heard(&world, feed), before, "{feed:?}");
        let left = entries(&world, feed, 0);
        assert_eq!(left.len(), left.iter().collect::<BTreeSet<_>>().len(), "{feed:?}: one of each");
    }
    assert_eq!(world.store.newest(Feed::Records).unwrap(), newest);
    assert_eq!(world.engine.shorten_feeds().await.unwrap(), 0);
    assert!(world.engine.projection().unwrap().caught_up);

    // Who followed is who follows: the next delivery sees what has changed since the one before, and all can be derived anew.
    let emails = world.emails();
    let books = delivered(&world, &activation).await.books.unwrap();
    assert!(books.balance() && books.created + books.updated + books.removed >= 2, "{books:?}");
    world.engine.reconsider(vec![], vec![], Reconsider::All).await.unwrap();
    world.settled().await;
    assert_eq!(world.emails(), emails);
}
