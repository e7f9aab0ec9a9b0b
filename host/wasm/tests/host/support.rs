//! A host, a connection, and the guest between them.

use crate::server::Server;
use attiva_core::id::ConnectionId;
use attiva_core::page::{Page, Values};
use attiva_core::quota::{Priority, User};
use attiva_core::{Fault, Value};
use attiva_wasm::{
    CallObserver, CallReport, ConnectionContext, Grant, HostOptions, InstanceBudget, Limits, OrganisationMemory,
    Plugin, PluginHost, ReadRequest, Resolve, Scheme, Secrets, TokenCache, Usage,
};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};

pub(crate) const SECRET: &str = "the-client-secret-1";

/// The guest's specification as most tests want it.
pub(crate) fn spec() -> Json {
    let anything = json!({});
    json!({
        "name": "guest", "version": "0.1.0", "publisher": "attiva", "title": "Guest", "state_version": 1,
        "configuration": {"type": "object", "properties": {
            "behaviour": anything, "count": anything, "requests": anything, "spool": anything, "sha256": anything,
            "id": {"type": "string"}, "client_id": {"type": "string"},
            "client_secret": {"type": "string", "writeOnly": true},
            "access_key": {"type": "string", "writeOnly": true},
            "secret_key": {"type": "string", "writeOnly": true},
            "refresh_token": {"type": "string", "writeOnly": true},
            "role": {"type": "string"}, "region": {"type": "string", "default": "us-east-1"}
        }},
        "credentials": [
            {"name": "token", "method": "oauth2-client-credentials", "origin": "identity", "path": "/oauth/token",
             "client_id": "{client_id}", "client_secret": "{client_secret}", "parameters_in": "query"},
            {"name": "form", "method": "oauth2-client-credentials", "origin": "identity", "path": "/oauth/token",
             "client_id": "{client_id}", "client_secret": "{client_secret}"},
            {"name": "consent", "method": "oauth2-refresh-token", "origin": "identity", "path": "/oauth/token",
             "client_id": "{client_id}", "client_secret": "{client_secret}", "refresh_token": "{refresh_token}",
             "authorize": {"origin": "identity", "path": "/authorize", "scopes": ["read", "write all"],
                "parameters": {"access_type": "offline"}}},
            {"name": "header-key", "method": "api-key", "header": "x-api-key", "value": "Token {client_secret}"},
            {"name": "query-key", "method": "api-key", "query": "key", "value": "{secret_key}"},
            {"name": "role", "method": "aws-sigv4", "service": "s3", "region": "us-east-1", "access_key_id": "{access_key}",
             "secret_access_key": "{secret_key}", "role": {"origin": "identity", "arn": "{role}", "external_id": "{id}"}},
            {"name": "key", "method": "aws-sigv4", "service": "s3", "region": "{region}",
             "access_key_id": "{access_key}", "secret_access_key": "{secret_key}", "session_token": "{session}"}
        ],
        "origins": [
            {"name": "api", "url": "https://{id}.example.com", "domains": ["example.com"], "rules": [
                {"methods": ["GET", "HEAD"], "path": "/", "access": "read", "credential": "token"},
                {"methods": ["GET"], "path": "/form", "access": "read", "credential": "form"},
                {"methods": ["GET"], "path": "/consent", "access": "read", "credential": "consent"},
                {"methods": ["POST"], "path": "/write", "access": "write", "credential": "token"},
                {"methods": ["GET"], "path": "/header-key", "access": "read", "credential": "header-key"},
                {"methods": ["GET"], "path": "/query-key", "access": "read", "credential": "query-key"},
                {"methods": ["GET"], "path": "/role", "access": "read", "credential": "role"},
                {"methods": ["GET"], "path": "/open", "access": "read"}
            ]},
            {"name": "store", "url": "https://{id}.store.example.com", "domains": ["example.com"], "rules": [
                {"methods": ["GET", "PUT"], "path": "/", "access": "write", "credential": "key"}
            ]},
            {"name": "identity", "url": "https://login.example.com", "domains": ["example.com"], "rules": []}
        ],
        "instance": {"system": "Guest", "id": "{id}"},
        "delivery": {"class": "at-least-once", "batch_rows": 100}
    })
}

pub(crate) fn component() -> Vec<u8> {
    attiva_guests::component(&spec().to_string())
}

/// A host whose compiled code outlives the test run.
pub(crate) fn options() -> HostOptions {
    let place = concat!(env!("CARGO_TARGET_TMPDIR"), "/aot");
    std::fs::create_dir_all(place).unwrap();
    HostOptions::new(Dir::open_ambient_dir(place, ambient_authority()).unwrap(), [7; 32])
}

pub(crate) fn host_with(limits: Limits) -> PluginHost {
    PluginHost::new(HostOptions { limits, ..options() }).unwrap()
}

pub(crate) async fn guest_with(limits: Limits) -> Arc<Plugin> {
    host_with(limits).admit(&component()).await.unwrap()
}

pub(crate) async fn guest() -> Arc<Plugin> {
    guest_with(Limits::default()).await
}

pub(crate) async fn guest_resolving(resolver: Arc<dyn Resolve>) -> Arc<Plugin> {
    let host = PluginHost::new(HostOptions { resolver, ..options() }).unwrap();
    host.admit(&component()).await.unwrap()
}

/// Keeps what an observer hears.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) reports: Mutex<Vec<CallReport>>,
    pub(crate) progress: Mutex<Vec<(String, Option<u64>, Option<u64>)>>,
}

impl CallObserver for Recorder {
    fn progress(&self, phase: &str, done: Option<u64>, total: Option<u64>) {
        self.progress.lock().unwrap().push((phase.to_owned(), done, total));
    }

    fn finished(&self, report: &CallReport) {
        self.reports.lock().unwrap().push(report.clone());
    }
}

/// A connection, and what the test keeps of it.
pub(crate) struct Connection {
    pub(crate) context: ConnectionContext,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) spool: tempfile::TempDir,
}

impl Connection {
    pub(crate) fn new(configuration: Json) -> Self {
        let mut secrets = Secrets::default();
        secrets.insert("client_secret", SECRET.into());
        secrets.insert("access_key", "AKIDEXAMPLE".into());
        secrets.insert("secret_key", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into());
        let spool = tempfile::tempdir().unwrap();
        let recorder = Arc::new(Recorder::default());
        let context = ConnectionContext {
            connection_id: ConnectionId::parse("con_1").unwrap(),
            instance_id: None,
            configuration: Arc::new(with_ids(configuration)),
            secrets: Arc::new(secrets),
            grants: Arc::new([]),
            spool: Arc::new(Dir::open_ambient_dir(spool.path(), ambient_authority()).unwrap()),
            budget: InstanceBudget::new(&[]),
            user: User {
                organisation: "org".into(),
                connection: "con_1".into(),
                plugin: "p@1.0.0".into(),
                stream: None,
            },
            priority: Priority::Streaming,
            memory: Arc::new(OrganisationMemory::default()),
            tokens: Arc::new(TokenCache::default()),
            dry_run: false,
            observer: recorder.clone(),
        };
        Self { context, recorder, spool }
    }

    /// A connection that does one thing.
    pub(crate) fn that(behaviour: &str) -> Self {
        Self::new(json!({"behaviour": behaviour}))
    }

    /// A connection that sends these requests, all origins granted to this server.
    pub(crate) fn sending(requests: Json, server: &Server) -> Self {
        let mut connection = Self::new(json!({"behaviour": "send", "requests": requests}));
        connection.context.grants = ["api", "store", "identity"].map(|origin| server.grant(origin)).into();
        connection
    }

    pub(crate) fn reconfigure(&mut self, configuration: Json) {
        self.context.configuration = Arc::new(with_ids(configuration));
    }

    pub(crate) async fn read(&self, plugin: &Plugin) -> Result<(Page, Usage), Fault> {
        plugin.read(&self.context, &request()).await
    }

    /// The fault of a read that must fail.
    pub(crate) async fn fault(&self, plugin: &Plugin) -> Fault {
        match self.read(plugin).await {
            Ok((page, _)) => panic!("the call should have been stopped: {page:?}"),
            Err(fault) => fault,
        }
    }

    /// The rows of a text column of a read that must succeed.
    pub(crate) async fn texts(&self, plugin: &Plugin, column: &str) -> Vec<String> {
        let (page, _) = self.read(plugin).await.unwrap();
        texts(&page, column)
    }

    pub(crate) fn usage(&self) -> Usage {
        self.recorder.reports.lock().unwrap().last().unwrap().usage
    }
}

fn with_ids(mut configuration: Json) -> Json {
    let object = configuration.as_object_mut().unwrap();
    object.entry("id").or_insert(json!("a1"));
    object.entry("client_id").or_insert(json!("client"));
    configuration
}

pub(crate) fn request() -> ReadRequest {
    ReadRequest { stream: "things".into(), max_rows: 10, max_bytes: 65_536, ..ReadRequest::default() }
}

pub(crate) fn texts(page: &Page, column: &str) -> Vec<String> {
    let found = page.rows.columns.iter().find(|c| c.name == column).unwrap();
    let Values::Text(values) = &found.values else { panic!("{column} is no text") };
    values.iter().map(|text| text.unwrap().to_owned()).collect()
}

pub(crate) fn value(page: &Page, column: &str, row: usize) -> Option<Value> {
    page.rows.columns.iter().find(|c| c.name == column).unwrap().get(row)
}

/// The fault that stopped a guest, and proof that a good one beside it, on the same host, was not disturbed.
pub(crate) async fn stopped(limits: Limits, behaviour: Json) -> (Fault, Usage) {
    let plugin = guest_with(limits).await;
    let bad = Connection::new(behaviour);
    let good = Connection::that("good");
    let (fault, neighbour) = tokio::join!(bad.fault(&plugin), good.read(&plugin));
    assert_eq!(neighbour.unwrap().0.keys.iter().count(), 10);
    let again = good.read(&plugin).await.unwrap();
    assert!(again.0.more, "the plugin still works after one of its calls was stopped");
    let reported = bad.recorder.reports.lock().unwrap()[0].clone();
    assert_eq!(reported.fault.as_ref(), Some(&fault));
    (fault, reported.usage)
}

pub(crate) fn grant(origin: &str, host: &str, port: u16, addresses: &[&str]) -> Grant {
    Grant {
        origin: origin.into(),
        scheme: Scheme::Http,
        host: host.into(),
        port,
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
    }
}
