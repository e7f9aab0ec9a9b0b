//! Secrets at rest: sealed with a key that lives in a file of its own, apart from the databases and their backups.

use crate::files;
use attiva_core::ports::store::{Result, StoreError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cap_std::fs::Dir;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use std::sync::{PoisonError, RwLock};
use zeroize::Zeroizing;

const KEY_FILE: &str = "seal.key";
const KEY_LEN: usize = 32;
/// Names the form, so that another one can follow: AES-256-GCM, the nonce before the ciphertext, base64url.
const FORM: &str = "v1.";

/// Seals and opens. Keys never leave it. The first seals, all open: there are two while a new one takes the place of the
/// old one.
pub struct Sealer {
    keys: RwLock<Vec<LessSafeKey>>,
    random: SystemRandom,
    /// An operator's file, which is not ours to change.
    is_supplied: bool,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// Loads the keys from `keys`, making one the first time.
    ///
    /// # Errors
    /// `Unusable` if others may read them, `Corrupt` if they are none, `Full` and `Io`.
    pub fn load(keys: &Dir) -> Result<Self> {
        let random = SystemRandom::new();
        let bytes = match files::read(keys, KEY_FILE)?.map(Zeroizing::new) {
            Some(bytes) if files::is_private(keys, KEY_FILE)? => bytes,
            Some(_) => {
                let reason = "others may read it; allow its owner alone (chmod 600)".to_owned();
                return Err(StoreError::Unusable { path: format!("keys/{KEY_FILE}"), reason });
            }
            None => make_key(keys, &random)?,
        };
        let read = read_keys(&bytes).ok_or_else(|| {
            StoreError::Corrupt(format!("keys/{KEY_FILE} is not a key of {KEY_LEN} bytes, or two of them"))
        })?;
        Ok(Self { keys: RwLock::new(read), random, is_supplied: false })
    }

    /// Takes the keys of a file that an operator supplies: each a line of 64 hex digits, the first the one that seals.
    /// The host keeps none of its own then.
    ///
    /// # Errors
    /// `Corrupt`, naming the file.
    pub fn supplied(text: &[u8], path: &str) -> Result<Self> {
        let lines = std::str::from_utf8(text).unwrap_or_default().lines().map(str::trim);
        let keys = lines.filter(|line| !line.is_empty()).map(|line| {
            let bytes = Zeroizing::new(hex::decode(line).ok()?);
            let [key] = read_keys(&bytes)?.try_into().ok()?;
            Some(key)
        });
        let keys: Option<Vec<LessSafeKey>> = keys.collect();
        let keys = keys.filter(|keys| !keys.is_empty()).ok_or_else(|| {
            StoreError::Corrupt(format!(
                "{path} must hold keys of {KEY_LEN} bytes, each a line of {} hex digits",
                2 * KEY_LEN
            ))
        })?;
        Ok(Self { keys: RwLock::new(keys), random: SystemRandom::new(), is_supplied: true })
    }

    /// Whether the keys are an operator's own file.
    #[must_use]
    pub fn is_supplied(&self) -> bool {
        self.is_supplied
    }

    /// Whether an old key is still there beside the one that seals: what it sealed is to be sealed again, and then
    /// [`retire`](Self::retire) may be called.
    #[must_use]
    pub fn is_rotating(&self) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).len() > 1
    }

    /// Makes a new key, which seals from now on; the old one still opens. Kept when this returns: a kill leaves both.
    ///
    /// # Errors
    /// `Unusable` where the keys are an operator's own; `Full`, `Io`.
    pub fn rotate(&self, keys: &Dir) -> Result<()> {
        if self.is_supplied {
            let reason =
                "it is the operator's own: put a new key before the old one in it, and start the host again".to_owned();
            return Err(StoreError::Unusable { path: "the supplied key file".into(), reason });
        }
        let before = files::read(keys, KEY_FILE)?.map(Zeroizing::new).unwrap_or_default();
        let new = random::<KEY_LEN>(&self.random)?;
        let mut both = Zeroizing::new(Vec::with_capacity(2 * KEY_LEN));
        both.extend_from_slice(&*new);
        both.extend_from_slice(before.get(..KEY_LEN).unwrap_or_default());
        let read = read_keys(&both).ok_or_else(|| StoreError::Corrupt(format!("keys/{KEY_FILE} is not a key")))?;
        files::write_atomic(keys, KEY_FILE, &both)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    /// Forgets the old key: nothing is sealed with it any more.
    ///
    /// # Errors
    /// `Full`, `Io`.
    pub fn retire(&self, keys: &Dir) -> Result<()> {
        if !self.is_supplied {
            let bytes = files::read(keys, KEY_FILE)?.map(Zeroizing::new).unwrap_or_default();
            files::write_atomic(keys, KEY_FILE, bytes.get(..KEY_LEN).unwrap_or_default())?;
        }
        self.keys.write().unwrap_or_else(PoisonError::into_inner).truncate(1);
        Ok(())
    }

    /// Seals `plain` for one use, which `associated` names: it opens for no other. Each call gives another text.
    ///
    /// # Errors
    /// `Io` if the system has no randomness to give.
    pub fn seal(&self, plain: &[u8], associated: &str) -> Result<String> {
        let nonce = random::<NONCE_LEN>(&self.random)?;
        let mut sealed = Zeroizing::new(Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len()));
        sealed.extend_from_slice(&*nonce);
        sealed.extend_from_slice(plain);
        let (_, text) = sealed.split_at_mut(NONCE_LEN);
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.first().ok_or_else(|| StoreError::Io("there is no key to seal with".into()))?;
        let tag = key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(*nonce), Aad::from(associated), text)
            .map_err(|_| StoreError::Io("the secret is too long to seal".into()))?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(format!("{FORM}{}", URL_SAFE_NO_PAD.encode(&*sealed)))
    }

    /// Opens what was sealed for `associated`. The plain bytes are overwritten when they are let go.
    ///
    /// # Errors
    /// `Corrupt` if it was changed, or sealed with another key or for another use.
    pub fn open(&self, sealed: &str, associated: &str) -> Result<Zeroizing<Vec<u8>>> {
        let refused = || StoreError::Corrupt("a sealed secret does not open: it is not ours, or not for this".into());
        let encoded = sealed.strip_prefix(FORM).ok_or_else(refused)?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| refused())?);
        for key in &*self.keys.read().unwrap_or_else(PoisonError::into_inner) {
            // A key that does not fit leaves rubbish behind.
            let mut tried = bytes.clone();
            let (nonce, text) = tried.split_at_mut_checked(NONCE_LEN).ok_or_else(refused)?;
            let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refused())?;
            if let Ok(plain) = key.open_in_place(nonce, Aad::from(associated), text) {
                return Ok(Zeroizing::new(plain.to_vec()));
            }
        }
        Err(refused())
    }
}

fn read_keys(bytes: &[u8]) -> Option<Vec<LessSafeKey>> {
    let key = |bytes: &[u8]| UnboundKey::new(&AES_256_GCM, bytes).ok().map(LessSafeKey::new);
    let known = matches!(bytes.len() / KEY_LEN, 1 | 2) && bytes.len().is_multiple_of(KEY_LEN);
    known.then(|| bytes.chunks(KEY_LEN).map(key).collect::<Option<Vec<_>>>()).flatten()
}

fn make_key(keys: &Dir, source: &SystemRandom) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = random::<KEY_LEN>(source)?;
    files::write_atomic(keys, KEY_FILE, &*bytes)?;
    Ok(Zeroizing::new(bytes.to_vec()))
}

fn random<const N: usize>(source: &SystemRandom) -> Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    source.fill(&mut *bytes).map_err(|_| StoreError::Io("the system has no randomness to give".into()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;
    use cap_std::fs::{Permissions, PermissionsExt};

    fn keys() -> (tempfile::TempDir, Dir) {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        (place, dir)
    }

    #[test]
    fn what_is_sealed_opens_after_a_restart_and_reads_as_nothing() {
        let (_place, dir) = keys();
        for plain in [&b""[..], b"client-secret", &[0; 10_000]] {
            let sealed = Sealer::load(&dir).unwrap().seal(plain, "con_1").unwrap();
            assert_eq!(*Sealer::load(&dir).unwrap().open(&sealed, "con_1").unwrap(), plain);
            assert!(!sealed.contains("secret"));
        }
        let sealer = Sealer::load(&dir).unwrap();
        assert_ne!(sealer.seal(b"x", "a").unwrap(), sealer.seal(b"x", "a").unwrap());
    }

    #[test]
    fn what_was_touched_or_meant_for_another_does_not_open() {
        let (_place, dir) = keys();
        let sealer = Sealer::load(&dir).unwrap();
        let sealed = sealer.seal(b"client-secret", "con_1").unwrap();
        let refused = |text: &str, associated| matches!(sealer.open(text, associated), Err(StoreError::Corrupt(_)));
        assert!(refused(&sealed, "con_2"));
        let bytes = URL_SAFE_NO_PAD.decode(&sealed[FORM.len()..]).unwrap();
        for i in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[i] ^= 1;
            assert!(refused(&format!("{FORM}{}", URL_SAFE_NO_PAD.encode(changed)), "con_1"), "byte {i}");
        }
        for bad in ["", "v1.", "v1.AAAA", "v2.AAAA", "v1.!!!!", &sealed[FORM.len()..]] {
            assert!(refused(bad, "con_1"), "{bad}");
        }
        let (_elsewhere, other) = keys();
        assert!(Sealer::load(&other).unwrap().open(&sealed, "con_1").is_err());
    }

    #[test]
    fn a_new_key_takes_the_place_of_the_old_one_and_a_kill_in_between_loses_nothing() {
        let (_place, dir) = keys();
        let sealer = Sealer::load(&dir).unwrap();
        let old = sealer.seal(b"a", "x").unwrap();
        sealer.rotate(&dir).unwrap();
        let new = sealer.seal(b"b", "x").unwrap();
        // As if it had been killed here.
        let again = Sealer::load(&dir).unwrap();
        assert!(again.is_rotating());
        assert_eq!(*again.open(&old, "x").unwrap(), vec![b'a']);
        assert_eq!(*again.open(&new, "x").unwrap(), vec![b'b']);
        again.retire(&dir).unwrap();
        let done = Sealer::load(&dir).unwrap();
        assert!(!done.is_rotating() && again.open(&old, "x").is_err());
        assert!(done.open(&old, "x").is_err(), "the old key is gone");
        assert_eq!(*done.open(&new, "x").unwrap(), vec![b'b']);
    }

    #[test]
    fn an_operators_keys_are_lines_of_hex_and_are_left_alone() {
        let (_place, dir) = keys();
        let (one, two) = ("11".repeat(32), "22".repeat(32));
        let before = Sealer::supplied(one.as_bytes(), "k").unwrap();
        let sealed = before.seal(b"a", "x").unwrap();
        let both = Sealer::supplied(format!("{two}\n\n{one}\n").as_bytes(), "k").unwrap();
        assert!(both.is_rotating() && both.is_supplied());
        assert_eq!(*both.open(&sealed, "x").unwrap(), vec![b'a']);
        assert!(Sealer::supplied(two.as_bytes(), "k").unwrap().open(&sealed, "x").is_err());
        assert!(matches!(before.rotate(&dir), Err(StoreError::Unusable { .. })));
        for bad in ["", "11", &"zz".repeat(32), &"11".repeat(64)] {
            assert!(matches!(Sealer::supplied(bad.as_bytes(), "k"), Err(StoreError::Corrupt(_))), "{bad}");
        }
    }

    #[test]
    fn a_key_that_is_none_or_that_others_may_read_is_refused() {
        let (_place, dir) = keys();
        Sealer::load(&dir).unwrap();
        dir.set_permissions(KEY_FILE, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Sealer::load(&dir), Err(StoreError::Unusable { .. })));
        files::write_atomic(&dir, KEY_FILE, b"short").unwrap();
        assert!(matches!(Sealer::load(&dir), Err(StoreError::Corrupt(_))));
    }
}
