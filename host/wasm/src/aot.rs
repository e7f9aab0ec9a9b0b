//! Compiled components on disk. They are native code that the process runs, so a file is only loaded if this host
//! wrote it: each carries an HMAC over its name and contents, with a key that stays on the host.

use crate::directory;
use cap_std::fs::Dir;
use ring::hmac;
use std::hash::{DefaultHasher, Hash, Hasher};
use subtle::ConstantTimeEq;
use wasmtime::Engine;
use wasmtime::component::Component;

const TAG_BYTES: usize = 32;

/// The cache of one engine.
pub(crate) struct AotCache {
    dir: Dir,
    key: hmac::Key,
    /// What, beside the component, decides the code: wasmtime, its configuration, the target, this build.
    environment: String,
}

impl AotCache {
    pub(crate) fn new(dir: Dir, key: &[u8; 32], engine: &Engine) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        // What is found here is not validated again.
        crate::admission::rules().hash(&mut hasher);
        let environment = format!("{:016x}", hasher.finish());
        Self { dir, key: hmac::Key::new(hmac::HMAC_SHA256, key), environment }
    }

    /// The compiled component, if this host has kept it.
    pub(crate) fn find(&self, engine: &Engine, digest: &str) -> Option<Component> {
        self.read(engine, &self.name(digest))
    }

    /// Keeps compiled code. A cache that cannot be written costs time, not the plugin.
    pub(crate) fn keep(&self, digest: &str, code: &[u8]) {
        let name = self.name(digest);
        let file = self.file(&name, code);
        if let Err(error) = directory::replace(&self.dir, &name, &file) {
            tracing::warn!(%error, file = name, "a compiled component could not be kept; it will be compiled again");
        }
    }

    /// Loads what this host's compiler has just made.
    pub(crate) fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
        #[expect(unsafe_code, reason = "the bytes are what this host's own compiler wrote: see `find` and `compile`")]
        unsafe {
            Component::deserialize(engine, code)
        }
    }

    /// Removes what is kept of a component, for whichever build.
    ///
    /// # Errors
    /// The directory cannot be read or written.
    pub(crate) fn forget(&self, digest: &str) -> std::io::Result<()> {
        for entry in self.dir.entries()? {
            let name = entry?.file_name();
            if name.to_string_lossy().starts_with(&format!("{digest}-")) {
                self.dir.remove_file(&name)?;
            }
        }
        directory::sync(&self.dir)
    }

    fn name(&self, digest: &str) -> String {
        format!("{digest}-{}.cwasm", self.environment)
    }

    fn read(&self, engine: &Engine, name: &str) -> Option<Component> {
        let file = directory::read(&self.dir, name)
            .inspect_err(|error| tracing::warn!(%error, file = name, "a compiled component could not be read"))
            .ok()??;
        let Some(code) = self.authentic(name, &file) else {
            tracing::warn!(file = name, "a compiled component is not as this host wrote it; it is compiled again");
            return None;
        };
        Self::load(engine, code)
            .inspect_err(|error| tracing::warn!(%error, file = name, "a compiled component does not fit this host"))
            .ok()
    }

    fn file(&self, name: &str, code: &[u8]) -> Vec<u8> {
        let mut file = Vec::with_capacity(TAG_BYTES + code.len());
        file.extend_from_slice(self.tag(name, code).as_ref());
        file.extend_from_slice(code);
        file
    }

    /// The name belongs to what is signed: else one plugin's code could be put in another's place.
    fn tag(&self, name: &str, code: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(name.as_bytes());
        context.update(&[0]);
        context.update(code);
        context.sign()
    }

    /// The code in a file, if this host wrote it under this name.
    fn authentic<'f>(&self, name: &str, file: &'f [u8]) -> Option<&'f [u8]> {
        let (tag, code) = file.split_at_checked(TAG_BYTES)?;
        let is_ours: bool = self.tag(name, code).as_ref().ct_eq(tag).into();
        is_ours.then_some(code)
    }
}

/// For the fuzzer: a file under a name is taken if it is the one that was written, to the last bit.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) struct Forger {
    cache: AotCache,
    good: Vec<u8>,
}

#[cfg(any(test, feature = "fuzzing"))]
impl Forger {
    const NAME: &'static str = "d-0.cwasm";

    pub(crate) fn new() -> std::io::Result<Self> {
        // Nothing is read or written there.
        let dir = Dir::open_ambient_dir("/", cap_std::ambient_authority())?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let cache = AotCache { dir, key, environment: "0".into() };
        let good = cache.file(Self::NAME, &[7; 1000]);
        Ok(Self { cache, good })
    }

    pub(crate) fn good(&self) -> &[u8] {
        &self.good
    }

    pub(crate) fn takes(&self, name: &str, file: &[u8]) -> bool {
        self.cache.authentic(name, file).is_some()
    }

    pub(crate) fn is_the_one(&self, name: &str, file: &[u8]) -> bool {
        name == Self::NAME && file == self.good
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    const COMPONENT: &str = r#"(component (core module $m (func (export "f"))) (core instance (instantiate $m)))"#;

    #[test]
    fn only_what_this_host_wrote_is_loaded() {
        let engine = crate::engine::start(None).unwrap();
        let place = tempfile::tempdir().unwrap();
        let open = || Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        let bytes = wat::parse_str(COMPONENT).unwrap();
        let cache = AotCache::new(open(), &[1; 32], &engine);
        let code = crate::engine::compiling().unwrap().precompile_component(&bytes).unwrap();
        let name = cache.name("d");
        assert!(cache.find(&engine, "d").is_none());
        cache.keep("d", &code);
        assert!(cache.find(&engine, "d").is_some(), "kept");
        assert!(AotCache::new(open(), &[2; 32], &engine).find(&engine, "d").is_none(), "another host's key");

        open().rename(&name, &open(), "other.cwasm").unwrap();
        assert!(cache.read(&engine, "other.cwasm").is_none(), "another component's place");
        open().rename("other.cwasm", &open(), &name).unwrap();

        let path = place.path().join(&name);
        let good = std::fs::read(&path).unwrap();
        for position in [0, TAG_BYTES, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[position] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            assert!(cache.find(&engine, "d").is_none(), "tampered at {position}");
        }
        std::fs::write(&path, &good[..10]).unwrap();
        assert!(cache.find(&engine, "d").is_none(), "cut off");
        cache.keep("d", &code);
        assert_eq!(std::fs::read(&path).unwrap(), good, "kept again");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "no temporary file is left");
        cache.forget("other").unwrap();
        assert!(cache.find(&engine, "d").is_some());
        cache.forget("d").unwrap();
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
