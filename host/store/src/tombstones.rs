//! What names somebody who was erased, as keyed hashes: enough to know it again, and to no one without the key.

use crate::files;
use attiva_core::identity::Identity;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Result, StoreError};
use attiva_core::privacy::{Erasures, Subject};
use cap_std::fs::Dir;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};
use zeroize::Zeroizing;

const KEY_FILE: &str = "tombstone.key";
const KEY_LEN: usize = 32;

/// The key of a host's tombstones. It never leaves it; without it, they stop nothing any more.
#[derive(Clone)]
pub struct TombstoneKey(hmac::Key);

impl std::fmt::Debug for TombstoneKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TombstoneKey")
    }
}

impl TombstoneKey {
    /// Loads the key from `keys`, making one the first time.
    ///
    /// # Errors
    /// `Unusable` if others may read the key, `Corrupt` if it is not one, `Full` and `Io`.
    pub fn load(keys: &Dir) -> Result<Self> {
        let bytes = match files::read(keys, KEY_FILE)?.map(Zeroizing::new) {
            Some(bytes) if files::is_private(keys, KEY_FILE)? => bytes,
            Some(_) => {
                let reason = "others may read it; allow its owner alone (chmod 600)".to_owned();
                return Err(StoreError::Unusable { path: format!("keys/{KEY_FILE}"), reason });
            }
            None => {
                let mut bytes = Zeroizing::new(vec![0; KEY_LEN]);
                let filled = SystemRandom::new().fill(&mut bytes);
                filled.map_err(|_| StoreError::Io("the system has no randomness to give".into()))?;
                files::write_atomic(keys, KEY_FILE, &bytes)?;
                bytes
            }
        };
        if bytes.len() != KEY_LEN {
            return Err(StoreError::Corrupt(format!("keys/{KEY_FILE} is not a key of {KEY_LEN} bytes")));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// Of a name in a sandbox. No sandbox's hashes tell anything of another's.
    #[must_use]
    pub fn hash(&self, sandbox: &str, entity: &EntityName, identity: &Identity) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        // None of them holds a NUL.
        for part in [sandbox, entity.as_str(), &identity.namespace, &identity.value] {
            context.update(part.as_bytes());
            context.update(&[0]);
        }
        let mut hash = [0; 32];
        hash.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        hash
    }
}

/// Those of a sandbox.
#[derive(Debug)]
pub struct Tombstones {
    key: TombstoneKey,
    sandbox: String,
    hashes: RwLock<HashSet<[u8; 32]>>,
}

impl Tombstones {
    #[must_use]
    pub fn new(key: TombstoneKey, sandbox: String, hashes: Vec<[u8; 32]>) -> Self {
        Self { key, sandbox, hashes: RwLock::new(hashes.into_iter().collect()) }
    }

    #[must_use]
    pub fn sandbox(&self) -> &str {
        &self.sandbox
    }

    #[must_use]
    pub fn hash(&self, subject: &Subject) -> [u8; 32] {
        self.key.hash(&self.sandbox, &subject.entity, &subject.identity)
    }

    /// From now on these are known as well. To be called when they are durable.
    pub fn add(&self, hashes: &[[u8; 32]]) {
        self.hashes.write().unwrap_or_else(PoisonError::into_inner).extend(hashes);
    }
}

impl Erasures for Tombstones {
    fn is_empty(&self) -> bool {
        self.hashes.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn covers(&self, entity: &EntityName, identity: &Identity) -> bool {
        let hash = self.key.hash(&self.sandbox, entity, identity);
        self.hashes.read().unwrap_or_else(PoisonError::into_inner).contains(&hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    #[test]
    fn a_name_is_known_again_in_its_sandbox_alone() {
        let place = tempfile::tempdir().unwrap();
        let keys = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        let key = TombstoneKey::load(&keys).unwrap();
        let of = |sandbox: &str, key: &TombstoneKey| Tombstones::new(key.clone(), sandbox.into(), Vec::new());
        let (here, there) = (of("here", &key), of("there", &key));
        let ann = Identity::email("ann@x.com").unwrap();
        let subject = Subject { entity: EntityName::PERSON, identity: ann.clone() };
        let hash = here.hash(&subject);
        assert!(here.is_empty() && !here.covers(&EntityName::PERSON, &ann));
        here.add(&[hash]);
        there.add(&[hash]);
        assert!(here.covers(&EntityName::PERSON, &ann) && !here.covers(&EntityName::ACCOUNT, &ann));
        assert!(!there.covers(&EntityName::PERSON, &ann), "another sandbox");
        assert_eq!(of("here", &TombstoneKey::load(&keys).unwrap()).hash(&subject), hash, "the key stays");
        let other = tempfile::tempdir().unwrap();
        let other = Dir::open_ambient_dir(other.path(), ambient_authority()).unwrap();
        assert_ne!(of("here", &TombstoneKey::load(&other).unwrap()).hash(&subject), hash, "another host");
    }
}
