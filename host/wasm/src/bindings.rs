//! What `bindgen!` makes of `wit/`. One module for the three worlds: a component's exports are looked up one by one,
//! so that a source, a destination and both are the same types.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "connector",
    imports: {
        "attiva:connector/http": async | trappable,
        "attiva:connector/spool": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});

pub(crate) use attiva::connector::{clock, http, log, progress, random, spool, types};
pub(crate) use exports::attiva::connector::{destination, plugin, source};
