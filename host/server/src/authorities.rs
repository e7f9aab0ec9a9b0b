//! The certificates of authorities that somebody keeps in a file, in the place of those that the public trusts.

use std::path::Path;
use ureq::tls::{PemItem, RootCerts, parse_pem};

/// Reads a PEM file.
///
/// # Errors
/// What is wrong with it, without its name.
pub(crate) fn read(file: &Path) -> Result<RootCerts, String> {
    let text = std::fs::read(file).map_err(|e| e.to_string())?;
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| e.to_string())? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err("no certificate in PEM form (`-----BEGIN CERTIFICATE-----`) is in it".to_owned());
    }
    Ok(RootCerts::from(certificates))
}
