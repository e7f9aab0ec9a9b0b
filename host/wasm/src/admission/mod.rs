//! Bytes become a plugin, or are refused with the reason. The order is: read its structure, compile it, ask it with no
//! authority what it is, check that; only then is anything kept.

mod structure;

use crate::aot::AotCache;
use crate::bindings::plugin as wit_plugin;
use crate::bindings::{destination, source};
use crate::broker::NoAuthority;
use crate::call::{Call, CallState};
use crate::compile::compile;
use crate::configuration;
use crate::egress::policy;
use crate::host::PluginHost;
use crate::plugin::{Indices, Plugin};
use attiva_core::Fault;
use attiva_core::spec::{CredentialSpec, InstanceSpec, Spec, SpecError};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use structure::Structure;
use wasmtime::component::{Component, InstancePre};

/// Why bytes are not a plugin of this host. Nothing of them is kept.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    #[error("the file has {bytes} bytes; at most {bytes_max} are taken")]
    TooLarge { bytes: usize, bytes_max: usize },
    #[error("the file is no WebAssembly")]
    NotWasm,
    #[error("the file is a core module, not a component; make a component of it (`attiva connector build` does)")]
    CoreModule,
    #[error("the file is cut off or damaged: {0}")]
    Malformed(String),
    #[error(
        "the component imports `{0}`, which this host does not offer; a connector may import attiva:connector only"
    )]
    ForeignImport(String),
    #[error(
        "the component imports `{import}`; this host has attiva:connector {host}, rebuild for that or update the host"
    )]
    ImportVersion { import: String, host: &'static str },
    #[error("the component does not export `{0}`: it is not built for a world of attiva:connector")]
    WrongWorld(String),
    #[error("the component uses asynchronous component functions ({0}); rebuild it with `--sync`")]
    Asynchronous(String),
    #[error("the component uses {0}, which this host does not run")]
    UnsupportedFeature(String),
    #[error("the component does not fit the contract: {0}")]
    Contract(String),
    #[error("the component cannot be compiled here: {0}")]
    Compile(String),
    #[error("spec() failed: {0}")]
    SpecCall(Fault),
    #[error("spec() is not pure: it answered two things")]
    SpecNotPure,
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error("the specification's {path} {problem}")]
    SpecRule { path: String, problem: String },
    #[error("the specification's configuration schema cannot be used: {0}")]
    Schema(String),
}

/// A component that was looked through, and not yet compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// SHA-256 of the component, lower-case hex.
    pub digest: String,
    pub is_source: bool,
    pub is_destination: bool,
    /// Interfaces of the contract that it asks for: `http`, `spool`.
    pub imports: Vec<String>,
}

/// A component that was compiled, and not yet asked what it is.
pub struct Compiled {
    examined: Examined,
    component: Component,
    /// What is to be kept, if it was not found.
    code: Option<Vec<u8>>,
}

impl PluginHost {
    /// Takes a component in: [`examine`](Self::examine), [`compile`](Self::compile), [`inspect`](Self::inspect). The
    /// same bytes give the same plugin; a second time takes it from the cache of compiled code.
    ///
    /// # Errors
    /// [`AdmissionError`]: each refusal with its reason, and nothing left behind.
    pub async fn admit(&self, bytes: &[u8]) -> Result<Arc<Plugin>, AdmissionError> {
        let examined = self.examine(bytes)?;
        self.inspect(self.compile(examined, bytes).await?).await
    }

    /// Reads a component's structure. Nothing of it is compiled or run, and its instructions are not looked at yet.
    ///
    /// # Errors
    /// Those of [`AdmissionError`] that are about imports and exports, and bytes that are no component.
    pub fn examine(&self, bytes: &[u8]) -> Result<Examined, AdmissionError> {
        let Structure { is_source, is_destination, imports } =
            structure::read(bytes, self.services.limits.component_bytes)?;
        Ok(Examined { digest: hex::encode(Sha256::digest(bytes)), is_source, is_destination, imports })
    }

    /// Validates and compiles what was examined, or finds what was compiled before. `bytes` are those that were examined.
    ///
    /// # Errors
    /// [`AdmissionError::Malformed`], [`AdmissionError::UnsupportedFeature`], [`AdmissionError::Contract`] and
    /// [`AdmissionError::Compile`].
    pub async fn compile(&self, examined: Examined, bytes: &[u8]) -> Result<Compiled, AdmissionError> {
        let (component, code) = self.component(&examined.digest, bytes).await?;
        Ok(Compiled { examined, component, code })
    }

    /// Asks what was compiled, with no authority, what it is, and checks that; then keeps its code.
    ///
    /// # Errors
    /// Those of [`AdmissionError`] that are about the contract and the specification.
    pub async fn inspect(&self, compiled: Compiled) -> Result<Arc<Plugin>, AdmissionError> {
        let Compiled { examined, component, code } = compiled;
        let pre = self.linker.instantiate_pre(&component).map_err(contract)?;
        let mut plugin = Plugin {
            spec: Arc::new(placeholder()),
            indices: indices(&pre, &examined).map_err(contract)?,
            digest: examined.digest,
            is_source: examined.is_source,
            is_destination: examined.is_destination,
            imports: examined.imports,
            pre,
            services: self.services.clone(),
        };
        plugin.spec = Arc::new(spec(&plugin).await?);
        if let Some(code) = code {
            self.aot.keep(&plugin.digest, &code);
        }
        Ok(Arc::new(plugin))
    }

    /// Removes the compiled code of a plugin that is no longer installed. Calls that are under way are not disturbed.
    ///
    /// # Errors
    /// The cache's directory cannot be read or written.
    pub fn forget(&self, digest: &str) -> std::io::Result<()> {
        self.aot.forget(digest)
    }

    /// Compiles, or finds what was compiled before. Not on a runtime thread.
    async fn component(&self, digest: &str, bytes: &[u8]) -> Result<(Component, Option<Vec<u8>>), AdmissionError> {
        let (host, known) = (self.clone(), digest.to_owned());
        let broke = |panicked| AdmissionError::Compile(format!("the compiler gave up: {panicked}"));
        let found = tokio::task::spawn_blocking(move || host.aot.find(&host.engine, &known)).await.map_err(broke)?;
        if let Some(component) = found {
            return Ok((component, None));
        }
        let (host, digest, bytes) = (self.clone(), digest.to_owned(), bytes.to_vec());
        let work = tokio::task::spawn_blocking(move || {
            structure::validate(&bytes)?;
            let code = compile(&host.compiler, &host.compile_limits, &digest, &bytes)?;
            let component = AotCache::load(&host.engine, &code).map_err(contract)?;
            Ok((component, Some(code)))
        });
        work.await.map_err(broke)?
    }
}

/// For the fuzzer: whether bytes pass for a component of ours, and what they import.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn imports_of(bytes: &[u8]) -> Option<Vec<String>> {
    let structure = structure::read(bytes, 1 << 20).ok()?;
    structure::validate(bytes).ok()?;
    Some(structure.imports)
}

/// What the rules of admission come to, for whoever keeps what has passed them.
pub(crate) fn rules() -> u64 {
    structure::rules()
}

fn contract(error: wasmtime::Error) -> AdmissionError {
    AdmissionError::Contract(format!("{error:#}"))
}

fn indices(pre: &InstancePre<CallState>, examined: &Examined) -> wasmtime::Result<Indices> {
    Ok(Indices {
        plugin: wit_plugin::GuestIndices::new(pre)?,
        source: examined.is_source.then(|| source::GuestIndices::new(pre)).transpose()?,
        destination: examined.is_destination.then(|| destination::GuestIndices::new(pre)).transpose()?,
    })
}

/// Asks twice, in two made-up worlds, and takes only what is the same in both.
async fn spec(plugin: &Plugin) -> Result<Spec, AdmissionError> {
    let first = ask(plugin, 1).await.map_err(AdmissionError::SpecCall)?;
    let second = ask(plugin, 2).await.map_err(AdmissionError::SpecCall)?;
    if first != second {
        return Err(AdmissionError::SpecNotPure);
    }
    let spec = Spec::parse(&first)?;
    check(&spec, plugin)?;
    configuration::check_schema(&spec.configuration).map_err(AdmissionError::Schema)?;
    Ok(spec)
}

async fn ask(plugin: &Plugin, made_up: u8) -> Result<String, Fault> {
    let call = Call {
        plugin,
        function: "spec",
        limits: plugin.services.limits.small(),
        broker: Box::new(NoAuthority { made_up }),
        organisation: None,
        connection: String::new(),
    };
    call.run(async |store, exports| {
        // Types every export, whatever this call needs: a world of the right names alone is refused now, not in a run.
        exports.source(store)?;
        exports.destination(store)?;
        exports.plugin(store)?.call_spec(store).await
    })
    .await
    .result
}

/// What the host relies on beyond the format: endpoints are https, credentials have a home, secrets do not become
/// host names, and the specification tells of the component it came from.
fn check(spec: &Spec, plugin: &Plugin) -> Result<(), AdmissionError> {
    let rule = |path: String, problem: &str| Err(AdmissionError::SpecRule { path, problem: problem.into() });
    if plugin.is_destination != spec.delivery.is_some() {
        return rule("delivery".into(), "must be there for a destination, and only for one");
    }
    let secrets = spec.secrets();
    for (i, origin) in spec.origins.iter().enumerate() {
        if policy::placeholders(&origin.url).any(|key| secrets.contains(&key)) {
            return rule(format!("origins[{i}].url"), "must not hold a secret");
        }
        if origin.learnt.is_none() && policy::parse_url(&policy::with_labels(&origin.url)).is_none() {
            return rule(format!("origins[{i}].url"), "must be an https scheme, a host name and perhaps a port");
        }
        if spec.origins.iter().take(i).any(|other| other.name == origin.name) {
            return rule(format!("origins[{i}].name"), "is there twice");
        }
    }
    for (i, credential) in spec.credentials.iter().enumerate() {
        let same = |other: &CredentialSpec| other.name == credential.name && other.when == credential.when;
        if spec.credentials.iter().take(i).any(same) {
            return rule(format!("credentials[{i}].name"), "is there twice");
        }
        if let Some((origin, path)) = credential.method.endpoint() {
            if !spec.origins.iter().any(|o| o.name == origin) {
                return rule(format!("credentials[{i}].origin"), "is no origin of the specification");
            }
            if crate::egress::request::check_path(path).is_err() {
                return rule(format!("credentials[{i}].path"), "must be a path");
            }
        }
    }
    Ok(())
}

/// Stands in until the component has been asked.
fn placeholder() -> Spec {
    Spec {
        name: String::new(),
        version: semver::Version::new(0, 0, 0),
        publisher: String::new(),
        title: String::new(),
        description: String::new(),
        state_version: 0,
        configuration: serde_json::Value::Null,
        credentials: Vec::new(),
        origins: Vec::new(),
        rates: Vec::new(),
        instance: InstanceSpec { system: String::new(), id: String::new(), learnt: None },
        cardinality: attiva_core::cardinality::Cardinality::default(),
        delivery: None,
        window: None,
        mappings: Vec::new(),
    }
}
