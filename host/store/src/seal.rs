//! Secrets at rest: sealed with a key that lives in a file of its own, apart from the databases and their backups.

use crate::files;
use attiva_core::ports::store::{Result, StoreError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cap_std::fs::Dir;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

const KEY_FILE: &str = "seal.key";
const KEY_LEN: usize = 32;
/// Names the form, so that another one can follow: AES-256-GCM, the nonce before the ciphertext, base64url.
const FORM: &str = "v1.";

/// Seals and opens. The key never leaves it.
pub struct Sealer {
    key: LessSafeKey,
    random: SystemRandom,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// Loads the key from `keys`, making one the first time.
    ///
    /// # Errors
    /// `Unusable` if others may read the key, `Corrupt` if it is not one, `Full` and `Io`.
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
        let key = UnboundKey::new(&AES_256_GCM, &bytes)
            .map_err(|_| StoreError::Corrupt(format!("keys/{KEY_FILE} is not a key of {KEY_LEN} bytes")))?;
        Ok(Self { key: LessSafeKey::new(key), random })
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
        let tag = self
            .key
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
        let mut bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| refused())?);
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(refused)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refused())?;
        let plain = self.key.open_in_place(nonce, Aad::from(associated), text).map_err(|_| refused())?;
        Ok(Zeroizing::new(plain.to_vec()))
    }
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
    fn a_key_that_is_none_or_that_others_may_read_is_refused() {
        let (_place, dir) = keys();
        Sealer::load(&dir).unwrap();
        dir.set_permissions(KEY_FILE, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Sealer::load(&dir), Err(StoreError::Unusable { .. })));
        files::write_atomic(&dir, KEY_FILE, b"short").unwrap();
        assert!(matches!(Sealer::load(&dir), Err(StoreError::Corrupt(_))));
    }
}
