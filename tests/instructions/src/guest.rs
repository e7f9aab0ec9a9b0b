//! Connections without a vendor's platform behind them: for calls that are measured alone.

use anyhow::Result;
use attiva_core::id::ConnectionId;
use attiva_core::quota::{Priority, User};
use attiva_wasm::{ConnectionContext, InstanceBudget, Secrets, TokenCache};
use cap_std::fs::Dir;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// The specification of the tests' guest.
pub fn spec() -> Value {
    json!({
        "name": "guest", "version": "0.1.0", "publisher": "attiva", "title": "Guest", "state_version": 1,
        "configuration": {"type": "object"},
        "instance": {"system": "Guest", "id": "one"},
        "delivery": {"class": "at-least-once", "batch_rows": 100}
    })
}

/// A connection that may reach nothing, with its spools in a directory.
pub fn connection(spools: &Path, configuration: Value) -> Result<ConnectionContext> {
    Ok(ConnectionContext {
        connection_id: ConnectionId::new(0, [0; 6]),
        instance_id: None,
        configuration: Arc::new(configuration),
        secrets: Arc::new(Secrets::default()),
        grants: Arc::new([]),
        spool: Arc::new(Dir::open_ambient_dir(spools, cap_std::ambient_authority())?),
        budget: InstanceBudget::new(&[]),
        user: User { organisation: "bench".into(), connection: "bench".into(), plugin: String::new(), stream: None },
        priority: Priority::Backfill,
        memory: Arc::default(),
        tokens: Arc::new(TokenCache::default()),
        dry_run: false,
        observer: Arc::new(()),
    })
}
