//! Components that have to be refused when they are installed.

use crate::world::{Stopped, World, spec};
use attiva_wasm::AdmissionError;
use serde_json::{Value, json};

/// The guest, with one thing in its specification changed.
pub(crate) fn of_spec(pointer: &str, value: Value) -> Vec<u8> {
    let mut spec = spec();
    *spec.pointer_mut(pointer).unwrap() = value;
    attiva_guests::component(&spec.to_string())
}

/// The guest, and so many instances of a module that does this.
pub(crate) fn with(module: &str, count: u32) -> Vec<u8> {
    let module = wat::parse_str(format!("(module {module})")).unwrap();
    attiva_guests::with_core_module(&attiva_guests::component(&spec().to_string()), &module, count)
}

/// Eighteen definitions, each of which refers to the next one eight times.
pub(crate) fn schema_bomb() -> Value {
    const LEVELS: usize = 18;
    let next = |n: usize| json!({"allOf": vec![json!({"$ref": format!("#/$defs/d{n}")}); 8]});
    let definitions = (0..LEVELS).map(|n| (format!("d{n}"), if n + 1 < LEVELS { next(n + 1) } else { json!({}) }));
    let definitions: serde_json::Map<String, Value> = definitions.collect();
    json!({"type": "object", "properties": spec()["configuration"]["properties"], "$defs": definitions,
        "allOf": [{"$ref": "#/$defs/d0"}]})
}

/// It is refused for this reason.
pub(crate) async fn refused(world: &World, component: &[u8], why: fn(&AdmissionError) -> bool) -> Stopped {
    let (stopped, error) = world.installing(&world.host, component).await;
    assert!(why(&error), "{error:?}");
    stopped
}

/// It is refused, since asking it what it is ran into this.
pub(crate) async fn broken(world: &World, component: &[u8], code: &str) -> Stopped {
    let (stopped, error) = world.installing(&world.brief, component).await;
    assert!(matches!(&error, AdmissionError::SpecCall(fault) if fault.code == code), "{error:?}");
    stopped
}
