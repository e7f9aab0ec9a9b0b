//! A connection to a vendor on loopback, for what calls a plugin without a whole host.

use anyhow::Result;
use attiva_wasm::{ConnectionContext, Grant, Scheme, Secrets};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// `origin`: as which the plugin asks for it. `secret`: its name and text.
pub fn connection(
    origin: &str,
    address: SocketAddr,
    secret: (&str, String),
    configuration: Value,
    spools: &Path,
) -> Result<ConnectionContext> {
    let grant = Grant {
        origin: origin.to_owned(),
        scheme: Scheme::Http,
        host: address.ip().to_string(),
        port: address.port(),
        addresses: vec![address.ip()],
    };
    let mut secrets = Secrets::default();
    secrets.insert(secret.0, secret.1.into());
    Ok(ConnectionContext {
        grants: Arc::new([grant]),
        secrets: Arc::new(secrets),
        ..attiva_instructions::guest::connection(spools, configuration)?
    })
}
