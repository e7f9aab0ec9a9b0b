//! A component that was built for a version of the contract runs on every later host that still has that version. What is
//! kept in `fixtures/` is never built again: only replaced, on purpose, while the contract is not yet 1.0.0.

use crate::world::{World, spec};

const CONNECTOR_0_1_0: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/connector-0.1.0.wasm");

#[test]
fn a_component_of_long_ago_still_reads_and_is_committed() {
    if std::env::var_os("ATTIVA_FIXTURE").is_some() {
        std::fs::write(CONNECTOR_0_1_0, attiva_guests::component(&spec().to_string())).unwrap();
    }
    let world = World::shared();
    world.runtime.block_on(async {
        let plugin = world.host.admit(&std::fs::read(CONNECTOR_0_1_0).unwrap()).await.unwrap();
        world.reads(&plugin).await;
    });
}
