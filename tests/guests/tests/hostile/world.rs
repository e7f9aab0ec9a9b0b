//! One sandbox with the true store, engine and plugin host, and connections in it.

use crate::columns::batch;
use crate::vendor::Vendor;
use crate::wiring::{Count, Wall, Wiring, fresh};
use async_trait::async_trait;
use attiva_core::Fault;
use attiva_core::config::Connection;
use attiva_core::id::{ConnectionId, RunId};
use attiva_core::key::Instance;
use attiva_core::ports::clock::Clock;
use attiva_core::ports::connector::{DeliveryRun, Target};
use attiva_core::ports::store::{DocumentWrite, Expect, Kind, SandboxStore};
use attiva_core::quota::{Priority, User};
use attiva_core::run::{Run, RunStatus};
use attiva_sync::{Connectors, Engine, EngineOptions, policies};
use attiva_wasm::{
    AdmissionError, CallObserver, CallReport, ConnectionContext, Grant, HostOptions, InstanceBudget, Limits, Plugin,
    PluginHost, Resolve, Scheme, Secrets, TokenCache,
};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

pub(crate) const SECRET: &str = "the-client-secret-1";

/// How a hostile guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stopped {
    /// Of the fault; empty where nothing had to be stopped.
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) after: Duration,
}

/// What a call of this connection was told by the host, one after the other.
#[derive(Default)]
pub(crate) struct Reports(Mutex<Vec<CallReport>>);

impl CallObserver for Reports {
    fn finished(&self, report: &CallReport) {
        self.0.lock().unwrap().push(report.clone());
    }
}

impl Reports {
    pub(crate) fn last(&self) -> CallReport {
        self.0.lock().unwrap().last().unwrap().clone()
    }
}

/// A connection that was made.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) id: ConnectionId,
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) context: ConnectionContext,
    pub(crate) reports: Arc<Reports>,
}

pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) store: Arc<dyn SandboxStore>,
    pub(crate) place: tempfile::TempDir,
    pub(crate) vendor: Vendor,
    /// With the limits that are the host's own, but for what would take long.
    pub(crate) host: PluginHost,
    /// Little CPU time for a call.
    pub(crate) brief: PluginHost,
    /// Little time at all for a call.
    pub(crate) hasty: PluginHost,
    engine: Engine,
    wiring: Arc<Wiring>,
    plugins: tokio::sync::Mutex<HashMap<&'static str, Arc<Plugin>>>,
}

impl World {
    /// The one that all tests share: a component is compiled once.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<World> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let place = tempfile::tempdir().unwrap();
        let store: Arc<dyn SandboxStore> =
            attiva_store::Sandbox::open(place.path(), &attiva_store::Options::default()).unwrap();
        let wiring = Arc::new(Wiring::default());
        let (engine, vendor) = runtime.block_on(async {
            let limits = json!({"run.pages": {"max": 20}, "run.empty_pages": {"max": 10}});
            put(&*store, Kind::Guardrails, policies::GUARDRAILS, limits).await;
            let connectors: Arc<dyn Connectors> = wiring.clone();
            let engine =
                Engine::start(store.clone(), connectors, Arc::new(Wall), Arc::new(Count), EngineOptions::default());
            (engine.await.unwrap(), Vendor::start().await)
        });
        let usual = Limits { egress_in_bytes: 1 << 20, ..Limits::default() };
        let brief = Limits { cpu: Duration::from_millis(150), ..usual.clone() };
        let hasty = Limits { wall: Duration::from_secs(1), ..usual.clone() };
        Self {
            host: host(usual),
            brief: host(brief),
            hasty: host(hasty),
            runtime,
            store,
            place,
            vendor,
            engine,
            wiring,
            plugins: tokio::sync::Mutex::default(),
        }
    }

    /// The guest as it usually is, in one of the hosts.
    pub(crate) async fn guest(&self, name: &'static str, host: &PluginHost) -> Arc<Plugin> {
        let mut plugins = self.plugins.lock().await;
        if let Some(plugin) = plugins.get(name) {
            return plugin.clone();
        }
        let plugin = host.admit(&attiva_guests::component(&spec().to_string())).await.unwrap();
        plugins.insert(name, plugin.clone());
        plugin
    }

    /// A connection of a plugin, with the vendor in the place of its origins.
    pub(crate) async fn connect(&self, plugin: &Arc<Plugin>, configuration: Value) -> Made {
        let grants = ["api", "identity"].map(|origin| self.vendor.grant(origin));
        self.connect_with(plugin, configuration, &grants).await
    }

    pub(crate) async fn connect_with(&self, plugin: &Arc<Plugin>, mut configuration: Value, grants: &[Grant]) -> Made {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = ConnectionId::parse(&format!("con_{}", NEXT.fetch_add(1, Ordering::Relaxed))).unwrap();
        let object = configuration.as_object_mut().unwrap();
        object.entry("id").or_insert(json!("a1"));
        object.insert("client_id".into(), json!("client"));
        let connection = Connection {
            id: id.clone(),
            name: id.to_string(),
            plugin: "guest@0.1.0".into(),
            configuration: configuration.clone(),
            instance: Instance { system: "Guest".into(), id: id.to_string() },
            streams: vec!["plain".into()],
            schedule: None,
            schema: attiva_core::drift::SchemaPolicy::default(),
            created_at: 0,
        };
        let body = serde_json::to_value(&connection).unwrap();
        put(&*self.store, Kind::Connection, id.as_str(), body).await;
        let mut secrets = Secrets::default();
        secrets.insert("client_secret", SECRET.into());
        let spool = self.place.path().join(format!("spool-{id}"));
        std::fs::create_dir(&spool).unwrap();
        let reports = Arc::new(Reports::default());
        let context = ConnectionContext {
            connection_id: id.clone(),
            instance_id: None,
            configuration: Arc::new(configuration),
            secrets: Arc::new(secrets),
            grants: grants.into(),
            spool: Arc::new(Dir::open_ambient_dir(spool, ambient_authority()).unwrap()),
            budget: InstanceBudget::new(&[]),
            user: User { organisation: "org".into(), connection: "con".into(), plugin: String::new(), stream: None },
            priority: Priority::Backfill,
            memory: Arc::default(),
            tokens: Arc::new(TokenCache::default()),
            dry_run: false,
            observer: reports.clone(),
        };
        let made = Made { id, plugin: plugin.clone(), context, reports };
        self.replace(&made);
        made
    }

    /// From now on a connection is this: another version of its plugin.
    pub(crate) fn replace(&self, made: &Made) {
        self.wiring.0.lock().unwrap().insert(made.id.to_string(), made.clone());
    }

    /// Runs a connection until it has ended, or until what it waits for is a fault.
    pub(crate) async fn run(&self, made: &Made) -> Result<Run, Fault> {
        let started = self.engine.start_run(&made.id, RunId::new(Wall.now(), fresh())).await?;
        let mut asked = false;
        // The bound is for a guest that nothing stops, not for speed.
        for _ in 0..60_000 {
            let body = self.store.document(Kind::Run, started.id.as_str()).unwrap().unwrap().body;
            let run: Run = serde_json::from_value(body).unwrap();
            if run.status.has_ended() {
                return Ok(run);
            }
            if run.fault.is_some() && !asked {
                self.engine.cancel_run(&run.id).await?;
                asked = true;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("nothing stops it");
    }

    /// Runs a connection that has to be stopped.
    pub(crate) async fn stopped(&self, made: &Made) -> Stopped {
        let fault = match self.run(made).await {
            Ok(run) => run.fault.clone().unwrap_or_else(|| panic!("nothing stopped it: {run:?}")),
            Err(fault) => fault,
        };
        let after = Duration::from_nanos(made.reports.last().usage.wall_ns);
        Stopped { code: fault.code, message: fault.message, after }
    }

    /// Reads a page of a guest that has to be stopped, by its behaviour.
    pub(crate) async fn behaving(&self, behaviour: &str, count: u64) -> Stopped {
        let plugin = self.guest("usual", &self.host).await;
        let made = self.connect(&plugin, json!({"behaviour": behaviour, "count": count})).await;
        self.stopped(&made).await
    }

    /// Sends requests of a guest that has to be stopped.
    pub(crate) async fn requesting(&self, requests: Value) -> Stopped {
        let plugin = self.guest("usual", &self.host).await;
        let made = self.connect(&plugin, json!({"behaviour": "request", "requests": requests})).await;
        self.stopped(&made).await
    }

    /// As that, where the guest's origin is at a name of its publisher's, or was granted this place.
    pub(crate) async fn requesting_at(&self, id: &str, grants: &[Grant]) -> Stopped {
        let plugin = self.guest("usual", &self.host).await;
        let requests = json!([{"origin": "api", "method": "GET", "path": "/open"}]);
        let configuration = json!({"behaviour": "request", "requests": requests, "id": id});
        let made = self.connect_with(&plugin, configuration, grants).await;
        self.stopped(&made).await
    }

    /// Delivers a batch of two to a guest that has to be stopped.
    pub(crate) async fn delivering(&self, behaviour: &str) -> Stopped {
        let plugin = self.guest("usual", &self.host).await;
        let made = self.connect(&plugin, json!({ "behaviour": behaviour })).await;
        let target = Target { id: "act_1".into(), object: "file".into(), name: "t".into(), options: json!({}) };
        let run = DeliveryRun { id: "del_1".into(), started_at: 5, rows_expected: None, columns: Vec::new() };
        let fault = plugin.deliver(&made.context, &target, &run, b"", &batch()).await.unwrap_err();
        let after = Duration::from_nanos(made.reports.last().usage.wall_ns);
        Stopped { code: fault.code, message: fault.message, after }
    }

    /// Offers a component that has to be refused. Whatever its reason, the API says `plugin.refused`.
    pub(crate) async fn installing(&self, host: &PluginHost, component: &[u8]) -> (Stopped, AdmissionError) {
        let began = Instant::now();
        let refused = host.admit(component).await.unwrap_err();
        let message = refused.to_string();
        (Stopped { code: "plugin.refused".into(), message, after: began.elapsed() }, refused)
    }

    /// Runs the connector that behaves: three pages of ten rows, committed with their cursor.
    pub(crate) async fn neighbour(&self) {
        self.reads(&self.guest("usual", &self.host).await).await;
    }

    /// Runs the guest of a component, where it behaves.
    pub(crate) async fn reads(&self, plugin: &Arc<Plugin>) {
        let made = self.connect(plugin, json!({"behaviour": "pages", "count": 3})).await;
        let run = self.run(&made).await.unwrap();
        assert_eq!((run.status, &run.fault), (RunStatus::Succeeded, &None), "{run:?}");
        assert_eq!((run.streams[0].pages, run.streams[0].changed), (3, 30), "{run:?}");
        let kept = self.store.stream_states(&made.id).unwrap();
        assert_eq!(kept[0].1.cursor.bytes, b" 3", "the cursor behind the last page is committed");
    }
}

/// The guest's specification.
pub(crate) fn spec() -> Value {
    let anything = json!({});
    json!({
        "name": "guest", "version": "0.1.0", "publisher": "attiva", "title": "Guest", "state_version": 1,
        "configuration": {"type": "object", "properties": {
            "behaviour": anything, "count": anything, "requests": anything, "message": anything,
            "id": {"type": "string"}, "client_id": {"type": "string"},
            "client_secret": {"type": "string", "writeOnly": true},
        }},
        "credentials": [
            {"name": "token", "method": "oauth2-client-credentials", "origin": "identity", "path": "/oauth/token",
             "client_id": "{client_id}", "client_secret": "{client_secret}"},
            {"name": "other", "method": "oauth2-client-credentials", "origin": "identity", "path": "/oauth/token",
             "client_id": "{client_id}", "client_secret": "{client_secret}"},
        ],
        "origins": [
            {"name": "api", "url": "https://{id}.example.com", "domains": ["example.com"], "rules": [
                {"methods": ["GET"], "path": "/", "access": "read", "credential": "token"},
                {"methods": ["POST"], "path": "/write", "access": "write"},
                {"methods": ["GET"], "path": "/open", "access": "read"}
            ]},
            {"name": "identity", "url": "https://login.example.com", "domains": ["example.com"], "rules": []}
        ],
        "instance": {"system": "Guest", "id": "{id}"},
        "delivery": {"class": "at-least-once", "batch_rows": 100}
    })
}

/// Options of a host whose compiled code outlives the test run.
pub(crate) fn options(limits: Limits) -> HostOptions {
    let place = concat!(env!("CARGO_TARGET_TMPDIR"), "/aot");
    std::fs::create_dir_all(place).unwrap();
    let dir = Dir::open_ambient_dir(place, ambient_authority()).unwrap();
    HostOptions { limits, resolver: Arc::new(Names), ..HostOptions::new(dir, [7; 32]) }
}

fn host(limits: Limits) -> PluginHost {
    PluginHost::new(options(limits)).unwrap()
}

/// A name server in the hands of the guest's publisher.
struct Names;

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        let addresses: &[&str] = match host.split('.').next().unwrap_or_default() {
            // Public when it is looked at first, inside a moment later; here both at once.
            "rebinding" => &["8.8.8.8", "127.0.0.1"],
            "mapped" => &["::ffff:127.0.0.1"],
            "nat64" => &["64:ff9b::7f00:1"],
            "six-to-four" => &["2002:7f00:1::"],
            _ => &[],
        };
        Ok(addresses.iter().map(|address| address.parse().unwrap()).collect())
    }
}

pub(crate) fn grant(origin: &str, host: &str, port: u16, addresses: &[&str]) -> Grant {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Grant { origin: origin.into(), scheme: Scheme::Http, host: host.into(), port, addresses }
}

async fn put(store: &dyn SandboxStore, kind: Kind, id: &str, body: Value) {
    store.put_document(DocumentWrite { kind, id: id.into(), body }, Expect::Anything).await.unwrap();
}
