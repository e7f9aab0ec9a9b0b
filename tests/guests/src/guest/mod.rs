//! The guest: every behaviour is one file's.

mod columns;
mod config;
mod destination;
mod hoard;
mod page;
mod read;
mod spec;

#[expect(unsafe_code, reason = "generated: what crosses the boundary are pointers")]
mod bindings {
    wit_bindgen::generate!({ path: ["../../wit", "wit"], world: "attiva:guests/guest", generate_all });
    use super::Guest;
    export!(Guest);
}

use bindings::attiva::connector::log::{self, Level};
use bindings::attiva::connector::types::{Fault, FaultKind};

struct Guest;

fn fault(code: &str, message: &str) -> Fault {
    Fault {
        kind: FaultKind::Internal,
        code: code.into(),
        message: message.into(),
        action: String::new(),
        retry_after_ms: None,
        field: None,
    }
}

/// Says what a panic was about before the trap, as the SDK does.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or_default().to_owned();
        log::log(Level::Error, "the connector panicked", &[("panic".to_owned(), text), ("place".to_owned(), place)]);
    }));
}
