//! One request that lands as late as one can, and what is asked after it: an old addition never follows a new removal.

use crate::chance::{Dice, FakeClock};
use crate::scenario::world_id;
pub use crate::vendor::Ended;
use crate::vendor::{TIMEOUT_MS, Vendor};
use crate::world::{Person, World};
use attiva_core::delivery::{Delivery, DeliveryStatus};
use attiva_core::id::ActivationId;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const ACTIVATION: &str = "act_c";

/// Somebody is added, and nobody hears of it. They leave; the next delivery takes them out. Who is in the list once
/// everything has landed; and how the first delivery ended, if it did before they left.
pub async fn addition(directory: &Path, ended: Ended) -> (Vec<String>, Option<DeliveryStatus>) {
    let (clock, dice) = (Arc::new(FakeClock::new()), Arc::new(Dice::new(7)));
    let vendor = Arc::new(Vendor::new(7, Arc::clone(&clock)));
    vendor.calm.store(true, Ordering::SeqCst);
    let mut world = World::open(directory, &vendor, &clock, &dice, None).await;
    world.configure().await;
    let ann = |title| Person {
        name: "ann".into(),
        called: "Ann".into(),
        title,
        email: Some("ok-ann@x.com".into()),
        gone: false,
    };
    world.commit(&[ann("A")]).await;
    *vendor.late_once.lock().unwrap() = Some(ended);
    start(&world, &dice, &clock).await;
    let first = until(|| match (ended, world.deliveries().pop()) {
        (Ended::Killed, _) => vendor.killed.load(Ordering::SeqCst).then_some(None),
        (Ended::CutOff, delivery) => delivery.filter(|it| it.status.has_ended()).map(|it| Some(it.status)),
    })
    .await;
    world.commit(&[ann("none")]).await;
    if ended == Ended::Killed {
        world.close().await;
        vendor.killed.store(false, Ordering::SeqCst);
        world = World::open(directory, &vendor, &clock, &dice, None).await;
        until(|| all_ended(&world).then_some(())).await;
    }
    start(&world, &dice, &clock).await;
    until(|| all_ended(&world).then_some(())).await;
    clock.advance(i64::try_from(TIMEOUT_MS).unwrap());
    let there = vendor.list(ACTIVATION).into_keys().collect();
    world.close().await;
    (there, first)
}

async fn start(world: &World, dice: &Dice, clock: &FakeClock) -> Delivery {
    let activation = ActivationId::parse(ACTIVATION).unwrap();
    world.engine.start_delivery(&activation, world_id(dice, clock), false).await.unwrap()
}

fn all_ended(world: &World) -> bool {
    world.deliveries().iter().all(|delivery| delivery.status.has_ended())
}

/// The bound is for a test that hangs.
async fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    for _ in 0..15_000 {
        if let Some(answer) = ask() {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("waited in vain")
}
