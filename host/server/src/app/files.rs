//! The host's files beside the databases: components by digest, and spools.

use super::refusal::{Refusal, Result};
use attiva_core::id::{ConnectionId, DeliveryId};
use attiva_core::{Fault, FaultKind};
use attiva_store::{read, write_atomic};
use attiva_wasm::SigningKey;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt};
use sha2::{Digest, Sha256};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Installed components, by digest.
#[derive(Clone)]
pub struct PluginFiles(Arc<Dir>);

impl PluginFiles {
    pub fn new(folder: Dir) -> Self {
        Self(Arc::new(folder))
    }

    /// A component; what is read is what was installed, or nothing.
    pub(super) fn read(&self, digest: &str) -> Result<Vec<u8>> {
        let bytes = read(&self.0, &name(digest))?.ok_or_else(|| gone(digest))?;
        if hex::encode(Sha256::digest(&bytes)) == digest { Ok(bytes) } else { Err(gone(digest)) }
    }

    pub(super) fn write(&self, digest: &str, bytes: &[u8]) -> Result<()> {
        Ok(write_atomic(&self.0, &name(digest), bytes)?)
    }

    /// Removes a component; there may be none.
    pub(super) fn remove(&self, digest: &str) -> Result<()> {
        match self.0.remove_file(name(digest)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&error)),
            _ => Ok(()),
        }
    }
}

fn name(digest: &str) -> String {
    format!("{digest}.wasm")
}

fn gone(digest: &str) -> Refusal {
    Fault::new(FaultKind::Config, "plugin.file", format!("the file of the component {digest} is gone or was changed"))
        .action("Install the plugin again.")
        .into()
}

const AOT_KEY: &str = "aot.key";

/// The key that authenticates compiled code; made at the first start. It never leaves this host: compiled code of
/// another one is native code of somebody else.
pub(super) fn aot_key(keys: &Dir) -> Result<[u8; 32]> {
    if let Some(bytes) = read(keys, AOT_KEY)? {
        // One that is damaged is replaced: what was compiled under it is compiled again, no more.
        if let Ok(key) = <[u8; 32]>::try_from(bytes.as_slice()) {
            return Ok(key);
        }
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|e| Refusal::internal(format!("no random numbers: {e}")))?;
    write_atomic(keys, AOT_KEY, &key)?;
    Ok(key)
}

/// The file of the development key, in the directory of the host's keys.
pub(crate) const DEVELOPMENT_KEY: &str = "development.key";

/// The machine's development key, made at the first start. What it signs is taken by this host without another word:
/// whoever can read it can read the host's other keys as well.
pub(super) fn development_key(keys: &Dir) -> Result<SigningKey> {
    if let Some(bytes) = read(keys, DEVELOPMENT_KEY)? {
        let bytes = Zeroizing::new(bytes);
        let key = std::str::from_utf8(&bytes).ok().and_then(|text| SigningKey::parse(text).ok());
        return key.ok_or_else(|| {
            Fault::new(FaultKind::Config, "key.development", format!("keys/{DEVELOPMENT_KEY} is no private key"))
                .action("Remove the file: a new one is made, and what the old one signed has to be signed again.")
                .into()
        });
    }
    let (key, text) = SigningKey::generate().map_err(|e| Refusal::internal(e.to_string()))?;
    write_atomic(keys, DEVELOPMENT_KEY, text.as_bytes())?;
    Ok(key)
}

/// Where everything of a sandbox stands, for those who look through it byte by byte.
#[derive(Debug, Clone)]
pub struct SandboxFiles {
    root: PathBuf,
    store: PathBuf,
    pub(super) spools: PathBuf,
}

impl SandboxFiles {
    /// `root`: the host's data directory.
    pub fn new(root: &Path, sandbox: &str) -> Self {
        let (store, spools) = (root.join("sandboxes").join(sandbox), root.join("spool").join(sandbox));
        Self { root: root.to_owned(), store, spools }
    }

    /// Its own, and what the host keeps for all sandboxes.
    pub(super) fn all(&self) -> Vec<PathBuf> {
        let shared = ["control.db", "control.db-wal", "exports"].map(|name| self.root.join(name));
        [self.store.clone(), self.spools.clone()].into_iter().chain(shared).collect()
    }
}

/// The spools of one sandbox: a directory for each stream of a connection, two where it is read anew, and for each
/// delivery.
#[derive(Clone)]
pub struct Spools(Arc<Dir>);

impl Spools {
    /// The spools of a sandbox within those of the host.
    pub fn new(all: &Dir, sandbox: &str) -> Result<Self> {
        folder(all, sandbox).map(|dir| Self(Arc::new(dir)))
    }

    /// The spool of a stream. Streams are named by connectors, so their names become digests.
    pub(super) fn of_stream(connection: &ConnectionId, stream: &str) -> String {
        let digest = hex::encode(Sha256::digest(stream.as_bytes()));
        format!("{connection}-{}", digest.get(..16).unwrap_or_default())
    }

    /// The spool of a stream that is read anew beside the runs that follow its changes.
    pub(super) fn of_stream_beside(connection: &ConnectionId, stream: &str) -> String {
        Self::of_stream(connection, &format!("{stream}\0beside"))
    }

    /// The spool of a delivery.
    pub(super) fn of_delivery(delivery: &DeliveryId) -> String {
        delivery.to_string()
    }

    /// The spool of a call that is none of these: a check, a discovery. It should stay empty.
    pub(super) fn of_visit(connection: &ConnectionId) -> String {
        format!("{connection}-visit")
    }

    /// Where the last exchanges of a connection are kept.
    pub(super) fn of_exchanges(connection: &str) -> String {
        format!("{connection}-exchanges")
    }

    /// The names of the spools there are.
    pub(super) fn all(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for entry in self.0.entries().map_err(|e| failed(&e))? {
            let name = entry.map_err(|e| failed(&e))?.file_name();
            // Ours are plain text; what somebody else has put there is left alone.
            all.extend(name.to_str().map(str::to_owned));
        }
        Ok(all)
    }

    /// Removes all spools of a connection.
    pub(super) fn remove_of(&self, connection: &ConnectionId) -> Result<()> {
        for name in self.all()? {
            if name.rsplit_once('-').is_some_and(|(owner, _)| owner == connection.as_str()) {
                self.remove(&name)?;
            }
        }
        Ok(())
    }

    pub(super) fn open(&self, name: &str) -> Result<Dir> {
        folder(&self.0, name)
    }

    /// Removes a spool with all that is in it; there may be none.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        match self.0.remove_dir_all(name) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }
}

fn folder(parent: &Dir, name: &str) -> Result<Dir> {
    let mut private = DirBuilder::new();
    private.mode(0o700);
    match parent.create_dir_with(name, &private) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed(&error)),
        _ => parent.open_dir(name).map_err(|e| failed(&e)),
    }
}

fn failed(error: &std::io::Error) -> Refusal {
    use attiva_core::ports::store::StoreError;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full.into(),
        _ => StoreError::Io(format!("spool: {error}")).into(),
    }
}
