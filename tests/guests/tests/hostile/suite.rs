//! How a guest is proven to be stopped.

use crate::guests::GUESTS;
use crate::world::{Stopped, World};
use std::future::Future;
use std::pin::Pin;

pub(crate) type Stopping<'w> = Pin<Box<dyn Future<Output = Stopped> + 'w>>;

/// A connector that means harm.
pub(crate) struct Guest {
    pub(crate) name: &'static str,
    pub(crate) does: &'static str,
    pub(crate) stopped_by: &'static str,
    /// The fault's; empty where nothing has to be stopped, since nothing comes of it.
    pub(crate) code: &'static str,
    /// Lets it have its way, and tells how it ended.
    pub(crate) stop: for<'w> fn(&'w World) -> Stopping<'w>,
}

/// Lets a guest have its way beside one that behaves.
pub(crate) fn prove(name: &str) -> Stopped {
    let guest = GUESTS.iter().find(|guest| guest.name == name).unwrap();
    let world = World::shared();
    let (stopped, ()) = world.runtime.block_on(async { tokio::join!((guest.stop)(world), world.neighbour()) });
    assert_eq!(stopped.code, guest.code, "{stopped:?}");
    stopped
}
