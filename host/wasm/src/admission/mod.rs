//! Bytes become a plugin, or are refused with the reason. The order is: read its structure, compile it, ask it with no
//! authority what it is, check that; only then is anything kept.

mod structure;

use crate::bindings::plugin as wit_plugin;
use crate::bindings::{destination, source};
use crate::broker::NoAuthority;
use crate::call::{Call, CallState};
use crate::configuration;
use crate::egress::policy;
use crate::host::PluginHost;
use crate::plugin::{Indices, Plugin};
use attiva_core::Fault;
use attiva_core::spec::{CredentialMethod, Spec, SpecError};
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

impl PluginHost {
    /// Takes a component in. The same bytes give the same plugin; a second time takes it from the cache of compiled
    /// code.
    ///
    /// # Errors
    /// [`AdmissionError`]: each refusal with its reason, and nothing left behind.
    pub async fn admit(&self, bytes: &[u8]) -> Result<Arc<Plugin>, AdmissionError> {
        let structure = structure::read(bytes, self.services.limits.component_bytes)?;
        let digest = hex::encode(Sha256::digest(bytes));
        let (component, is_new) = self.component(&digest, bytes).await?;
        let pre = self.linker.instantiate_pre(&component).map_err(contract)?;
        let mut plugin = Plugin {
            spec: Arc::new(placeholder()),
            digest,
            is_source: structure.is_source,
            is_destination: structure.is_destination,
            indices: indices(&pre, &structure).map_err(contract)?,
            pre,
            services: self.services.clone(),
        };
        plugin.spec = Arc::new(spec(&plugin).await?);
        if is_new {
            self.aot.keep(&plugin.digest, &component);
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

    /// Compiles, or finds what was compiled before. Compiling takes seconds for large guests: not on a runtime thread.
    async fn component(&self, digest: &str, bytes: &[u8]) -> Result<(Component, bool), AdmissionError> {
        let (engine, aot) = (self.engine.clone(), self.aot.clone());
        let (digest, bytes) = (digest.to_owned(), bytes.to_vec());
        let work = tokio::task::spawn_blocking(move || match aot.find(&engine, &digest) {
            Some(component) => Ok((component, false)),
            None => Component::new(&engine, &bytes).map(|component| (component, true)),
        });
        match work.await {
            Ok(compiled) => compiled.map_err(contract),
            Err(panicked) => Err(AdmissionError::Malformed(format!("the compiler gave up: {panicked}"))),
        }
    }
}

fn contract(error: wasmtime::Error) -> AdmissionError {
    AdmissionError::Contract(format!("{error:#}"))
}

fn indices(pre: &InstancePre<CallState>, structure: &Structure) -> wasmtime::Result<Indices> {
    Ok(Indices {
        plugin: wit_plugin::GuestIndices::new(pre)?,
        source: structure.is_source.then(|| source::GuestIndices::new(pre)).transpose()?,
        destination: structure.is_destination.then(|| destination::GuestIndices::new(pre)).transpose()?,
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
        if policy::parse_url(&policy::with_labels(&origin.url)).is_none() {
            return rule(format!("origins[{i}].url"), "must be an https scheme, a host name and perhaps a port");
        }
        if spec.origins.iter().take(i).any(|other| other.name == origin.name) {
            return rule(format!("origins[{i}].name"), "is there twice");
        }
    }
    for (i, credential) in spec.credentials.iter().enumerate() {
        if spec.credentials.iter().take(i).any(|other| other.name == credential.name) {
            return rule(format!("credentials[{i}].name"), "is there twice");
        }
        if let CredentialMethod::OAuth2ClientCredentials { origin, path, .. } = &credential.method {
            if !spec.origins.iter().any(|o| &o.name == origin) {
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
        instance: attiva_core::key::Instance { system: String::new(), id: String::new() },
        cardinality: attiva_core::cardinality::Cardinality::default(),
        delivery: None,
        mappings: Vec::new(),
    }
}
