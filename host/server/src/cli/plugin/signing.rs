//! `attiva plugin keygen | sign | package`: the publisher's side. No host is needed: the component is looked at here, as
//! the host will look at it.

use crate::app::DEVELOPMENT_KEY;
use crate::cli::output::Output;
use crate::cli::{Failure, input};
use crate::compiler;
use crate::exit::Exit;
use anyhow::Context;
use attiva_core::plugin::package::{self, Signed, Statement};
use attiva_core::plugin::trust::PublicKey;
use attiva_wasm::{HostOptions, Plugin, PluginHost, SigningKey, is_good};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Who signs.
#[derive(Debug, Clone, clap::Args)]
#[group(required = false, multiple = false)]
pub(crate) struct Signer {
    /// A private key that `keygen` made.
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,
    /// The development key of the host with this data directory, which takes what it signs without another word.
    #[arg(long, value_name = "DATA_DIR")]
    development: Option<PathBuf>,
}

impl Signer {
    /// The development key of the host with this data directory.
    pub(crate) fn development(data_dir: &Path) -> Self {
        Self { signing_key: None, development: Some(data_dir.to_owned()) }
    }

    fn key(&self) -> Result<SigningKey, Failure> {
        let path = match (&self.signing_key, &self.development) {
            (Some(file), _) => file.clone(),
            (None, Some(data_dir)) => data_dir.join("keys").join(DEVELOPMENT_KEY),
            (None, None) => return Err(Failure::Usage("--signing-key or --development must say who signs".into())),
        };
        let bytes = Zeroizing::new(input::bytes(&path)?);
        let key = std::str::from_utf8(&bytes).ok().and_then(|text| SigningKey::parse(text).ok());
        key.ok_or_else(|| Failure::Usage(format!("{}: it is no private key", path.display())))
    }
}

pub(super) fn keygen(file: &Path, output: Output) -> Result<Exit, Failure> {
    let (key, text) = SigningKey::generate().context("a key cannot be made")?;
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut opened = opened.map_err(|e| Failure::Usage(format!("{}: {e}", file.display())))?;
    opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all()).context("the key cannot be written")?;
    output.one(&json!({ "public_key": key.public() }), &[("public key", "/public_key")]);
    output.note(&format!("The private key is in {}. Whoever has it can publish in your name.", file.display()));
    Ok(Exit::Done)
}

pub(super) fn sign(component: &Path, signer: &Signer, out: Option<PathBuf>, output: Output) -> Result<Exit, Failure> {
    let signed = signed(&input::bytes(component)?, &signer.key()?)?;
    let out = out.unwrap_or_else(|| component.with_extension("signature"));
    write(&out, &signed.head())?;
    shown(&signed, &out, output);
    Ok(Exit::Done)
}

pub(crate) fn package(
    component: &Path,
    signature: Option<&Path>,
    signer: &Signer,
    out: Option<PathBuf>,
    output: Output,
) -> Result<Exit, Failure> {
    let bytes = input::bytes(component)?;
    let signed = match signature {
        None => signed(&bytes, &signer.key()?)?,
        Some(path) => {
            let wrong = |problem: String| Failure::Usage(format!("{}: {problem}", path.display()));
            let signed = Signed::read(&input::bytes(path)?).map_err(|e| wrong(e.to_string()))?;
            check_digest(&bytes, &signed.statement.digest)?;
            if !is_good(&signed) {
                return Err(wrong("the signature is not good".into()));
            }
            signed
        }
    };
    let Statement { name, version, .. } = &signed.statement;
    let out = out.unwrap_or_else(|| component.with_file_name(format!("{name}-{version}.plugin")));
    let package = package::write(&signed, &bytes);
    write(&out, &package)?;
    shown(&signed, &out, output);
    if !output.is_json() {
        output.line(&format!("sha256       {}", hex::encode(Sha256::digest(&package))));
    }
    Ok(Exit::Done)
}

/// A package in memory, and what is in it: `name@version`.
pub(crate) fn packaged(component: &[u8], signer: &Signer) -> Result<(String, Vec<u8>), Failure> {
    let signed = signed(component, &signer.key()?)?;
    let Statement { name, version, .. } = &signed.statement;
    Ok((format!("{name}@{version}"), package::write(&signed, component)))
}

/// Whether a file is the one it should be.
pub(super) fn check_digest(bytes: &[u8], wanted: &str) -> Result<(), Failure> {
    let found = hex::encode(Sha256::digest(bytes));
    if found == wanted.to_ascii_lowercase() {
        return Ok(());
    }
    Err(Failure::Usage(format!("the file's SHA-256 is {found}, not {wanted}")))
}

/// Signs what the component says of itself, so that nobody signs by mistake what the host would refuse.
fn signed(component: &[u8], key: &SigningKey) -> Result<Signed, Failure> {
    let plugin = admitted(component)?;
    let (name, version) = (plugin.spec.name.clone(), plugin.spec.version.clone());
    let (publisher, digest) = (plugin.spec.publisher.clone(), plugin.digest.clone());
    Ok(key.sign(Statement { name, version, publisher, digest, key: PublicKey::new([0; 32]) }))
}

fn admitted(component: &[u8]) -> Result<Arc<Plugin>, Failure> {
    let place = tempfile::tempdir().context("no place for compiled code")?;
    let place = Dir::open_ambient_dir(place.path(), ambient_authority()).context("no place for compiled code")?;
    let options = HostOptions { compiler: compiler::compiler(), ..HostOptions::new(place, [0; 32]) };
    let host = PluginHost::new(options).context("the plugin host cannot be started")?;
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    runtime.block_on(host.admit(component)).map_err(|refused| Failure::Usage(refused.to_string()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))
}

fn shown(signed: &Signed, written: &Path, output: Output) {
    let Statement { name, version, publisher, digest, key } = &signed.statement;
    let shown = json!({ "plugin": format!("{name}@{version}"), "publisher": publisher, "digest": digest,
        "public_key": key, "file": written.display().to_string() });
    let fields = [("plugin", "/plugin"), ("publisher", "/publisher"), ("public key", "/public_key")];
    output.one(&shown, &[&fields[..], &[("written to", "/file")]].concat());
}
