//! The connector that is proved, in the sandbox it will run in, and all that stands around it.

use crate::evidence::Evidence;
use crate::suite::Suite;
use crate::surroundings::{Staged, Time};
use crate::wire::stand::{Stand, Upstream};
use attiva_core::id::ConnectionId;
use attiva_core::ports::connector::{Stream, TargetObject};
use attiva_core::quota::{Priority, User};
use attiva_core::{Fault, spec::Spec};
use attiva_wasm::Surroundings;
use attiva_wasm::{
    AdmissionError, ConnectionContext, HostOptions, InstanceBudget, Plugin, PluginHost, Secrets, TokenCache,
    split_configuration,
};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// A time at which a vendor that is a function begins: 2026-11-02T08:00:00Z.
const STAGED_MS: u64 = 1_793_606_400_000;

type Waiting = Arc<dyn Fn(u64) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;
type Changing = Arc<dyn Fn(&str) + Send + Sync>;

/// What is to be proved, and against what.
pub struct Options {
    pub component: Vec<u8>,
    pub suite: Suite,
    pub upstream: Upstream,
    /// Certificates in PEM form of those who are trusted to say who a vendor is that is there, in the place of the public ones.
    pub authorities: Option<String>,
    /// The version before, where there is one.
    pub previous: Option<Vec<u8>>,
    pub documents: Documents,
    /// Ask whether the links in the documents lead somewhere: it takes a network.
    pub follows_links: bool,
    /// Keep what the vendor answers.
    pub is_recording: bool,
    /// Lets time pass at a vendor that is there, in milliseconds; it sleeps if nothing else is said.
    pub wait: Option<Waiting>,
    /// Whose clock the connector is shown; `None`: the machine's where the vendor is there, else a staged one.
    pub time: Option<Time>,
    /// Where compiled code is kept between proofs. Only the kit's user may write there.
    pub cache: Option<PathBuf>,
    /// Makes the changes that the suite tells of a stream, at a vendor that is there.
    pub change: Option<Changing>,
}

impl Options {
    #[must_use]
    pub fn new(component: Vec<u8>, suite: Suite, upstream: Upstream) -> Self {
        let documents = Documents::default();
        Self {
            component,
            suite,
            upstream,
            authorities: None,
            previous: None,
            documents,
            follows_links: false,
            is_recording: false,
            wait: None,
            time: None,
            cache: None,
            change: None,
        }
    }
}

/// What a connector's project says for people; `None`: there is no project.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    pub readme: Option<String>,
    pub changelog: Option<String>,
}

/// Why nothing can be proved.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    #[error("the plugin host cannot be started: {0}")]
    Host(String),
    #[error("no place on the disk, or no port: {0}")]
    Io(#[from] std::io::Error),
    #[error("the suite's configuration is wrong: {0}")]
    Configuration(String),
}

/// The connector under proof.
pub(crate) struct Subject {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) previous: Option<Arc<Plugin>>,
    pub(crate) component: Vec<u8>,
    pub(crate) suite: Suite,
    pub(crate) documents: Documents,
    pub(crate) follows_links: bool,
    pub(crate) stand: Stand,
    pub(crate) evidence: Arc<Evidence>,
    pub(crate) staged: Arc<Staged>,
    pub(crate) secrets: Vec<(String, String)>,
    pub(crate) public: Value,
    pub(crate) admission: Duration,
    pub(crate) streams: OnceCell<Result<Vec<Stream>, Fault>>,
    pub(crate) objects: OnceCell<Result<Vec<TargetObject>, Fault>>,
    pub(crate) readings: crate::run::source::Readings,
    started_ms: u64,
    wait: Option<Waiting>,
    change: Option<Changing>,
    is_changing: bool,
}

/// A connection of the connector, with a spool of its own. The tokens are its own, too.
pub(crate) struct Connection {
    pub(crate) context: ConnectionContext,
    _spool: tempfile::TempDir,
}

impl Subject {
    /// Admits the connector as a host does. The refusal is the first check's finding, not an error of the kit.
    pub(crate) async fn admit(options: Options) -> Result<Result<Self, AdmissionError>, KitError> {
        let place = tempfile::tempdir()?;
        let usual = match &options.upstream {
            Upstream::At(_) => Time::Machine,
            Upstream::Recorded(recording) => Time::Staged(recording.recorded_at_ms),
            Upstream::Made(_) => Time::Staged(STAGED_MS),
        };
        let staged = Arc::new(Staged::new(options.time.unwrap_or(usual)));
        let host = host(options.cache.as_deref().unwrap_or(place.path()), staged.clone())?;
        let began = Instant::now();
        let plugin = match host.admit(&options.component).await {
            Ok(plugin) => plugin,
            Err(refused) => return Ok(Err(refused)),
        };
        let admission = began.elapsed();
        let previous = match &options.previous {
            Some(bytes) => match host.admit(bytes).await {
                Ok(previous) => Some(previous),
                Err(refused) => return Err(KitError::Host(format!("the version before is refused: {refused}"))),
            },
            None => None,
        };
        let is_changing = options.change.is_some() || !matches!(options.upstream, Upstream::At(_));
        let stand = Stand::start_trusting(&plugin.spec, options.upstream, options.authorities.as_deref()).await?;
        let (configuration, secrets) = configured(&plugin.spec, &options.suite, stand.is_recorded())?;
        let (public, _) = split_configuration(&plugin.spec, configuration);
        let started_ms = staged.now_ms();
        if options.is_recording {
            stand.record(started_ms);
        }
        Ok(Ok(Self {
            plugin,
            previous,
            component: options.component,
            suite: options.suite,
            documents: options.documents,
            follows_links: options.follows_links,
            stand,
            evidence: Arc::default(),
            staged,
            secrets,
            public,
            admission,
            streams: OnceCell::new(),
            objects: OnceCell::new(),
            readings: crate::run::source::Readings::default(),
            started_ms,
            wait: options.wait,
            change: options.change,
            is_changing,
        }))
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.plugin.spec
    }

    /// Begins a scene: the vendor is well, the clock stands at its start.
    pub(crate) fn enter(&self, scene: &str) {
        self.stand.scene(scene);
        self.staged.reset(0);
        self.evidence.enter(scene);
    }

    /// A connection with the suite's configuration.
    pub(crate) fn connection(&self) -> Result<Connection, Fault> {
        self.connection_with(self.public.clone())
    }

    pub(crate) fn connection_with(&self, public: Value) -> Result<Connection, Fault> {
        let broken =
            |e: &dyn std::fmt::Display| Fault::new(attiva_core::FaultKind::Internal, "kit.place", e.to_string());
        let spool = tempfile::tempdir().map_err(|e| broken(&e))?;
        let dir = Dir::open_ambient_dir(spool.path(), ambient_authority()).map_err(|e| broken(&e))?;
        let connection_id = ConnectionId::parse("con_1").ok_or_else(|| broken(&"no id"))?;
        let mut secrets = Secrets::default();
        for (name, value) in &self.secrets {
            secrets.insert(name.clone(), value.as_str().into());
        }
        let context = ConnectionContext {
            connection_id,
            configuration: Arc::new(public),
            instance_id: None,
            secrets: Arc::new(secrets),
            grants: self.stand.grants().into(),
            spool: Arc::new(dir),
            // The stand-in takes any number of calls; the vendor's budget is the host's business.
            budget: InstanceBudget::new(&[]),
            user: User {
                organisation: "testkit".into(),
                connection: "testkit".into(),
                plugin: String::new(),
                stream: None,
            },
            priority: Priority::Interactive,
            memory: Arc::default(),
            tokens: Arc::new(TokenCache::default()),
            dry_run: false,
            observer: self.evidence.clone(),
        };
        Ok(Connection { context, _spool: spool })
    }

    /// Lets time pass, as a host does that was told to wait.
    pub(crate) async fn wait(&self, ms: u64) {
        match &self.wait {
            Some(wait) => wait(ms).await,
            None if self.staged.is_real() => tokio::time::sleep(Duration::from_millis(ms)).await,
            None => {}
        }
        self.staged.pass(ms);
    }

    /// Whether records can change between two scenes.
    pub(crate) fn can_change(&self) -> bool {
        self.is_changing
    }

    /// Makes the suite's changes to a stream, where the vendor does not make them by itself.
    pub(crate) fn change(&self, stream: &str) {
        if let Some(change) = &self.change {
            change(stream);
        }
    }

    /// An id for what is made at the vendor in a scene: the same in a replay, another one in another recording.
    pub(crate) fn id(&self, scene: &str) -> String {
        let digest = Sha256::digest(format!("{} {scene}", self.started_ms));
        format!("kit-{}", hex::encode(digest.get(..8).unwrap_or_default()))
    }

    pub(crate) fn started_ms(&self) -> u64 {
        self.started_ms
    }

    /// The streams, asked for once.
    pub(crate) async fn streams(&self) -> Result<Vec<Stream>, Fault> {
        let found = self.streams.get_or_init(|| async {
            self.enter("discover");
            self.plugin.discover_streams(&self.connection()?.context).await
        });
        found.await.clone()
    }

    /// The target objects, asked for once.
    pub(crate) async fn objects(&self) -> Result<Vec<TargetObject>, Fault> {
        let found = self.objects.get_or_init(|| async {
            self.enter("discover-targets");
            self.plugin.discover_targets(&self.connection()?.context).await
        });
        found.await.clone()
    }
}

fn host(place: &Path, staged: Arc<Staged>) -> Result<PluginHost, KitError> {
    let dir = Dir::open_ambient_dir(place, ambient_authority())?;
    let options = HostOptions { surroundings: staged, ..HostOptions::new(dir, [0; 32]) };
    PluginHost::new(options).map_err(|e| KitError::Host(e.to_string()))
}

/// The whole configuration, and the values that must be seen nowhere.
fn configured(spec: &Spec, suite: &Suite, is_recorded: bool) -> Result<(Value, Vec<(String, String)>), KitError> {
    let mut configuration = suite.configuration.clone();
    let mut secrets = Vec::new();
    let hidden = spec.secrets();
    for (name, value) in &mut configuration {
        let Some(text) = value.as_str() else { continue };
        if let Some(variable) = text.strip_prefix("env:") {
            let told = if is_recorded {
                // Nobody checks it: whatever it is, it must not come out anywhere.
                format!("canary-{name}-5b1f0e7c2a")
            } else {
                let missing = |_| {
                    KitError::Configuration(format!("the variable {variable} is not set, which `{name}` is read from"))
                };
                std::env::var(variable).map_err(missing)?
            };
            secrets.push((name.clone(), told.clone()));
            *value = told.into();
        } else if hidden.contains(&name.as_str()) {
            secrets.push((name.clone(), text.to_owned()));
        }
    }
    Ok((Value::Object(configuration), secrets))
}
