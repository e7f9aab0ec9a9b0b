//! A host in this process, on a free port, with a fresh data directory.

use crate::{audited, described};
use attiva_core::access::{Given, Role};
use attiva_server::app::keys::{NewKey, NewKeyOf};
use attiva_server::config::{Config, Flags};
use attiva_server::host::{Host, StartError};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use ureq::http::{HeaderMap, Method, Request};

/// One host. Most tests share one and have a sandbox of their own in it: a host compiles its plugins when it starts.
pub(crate) struct Harness {
    pub(crate) runtime: Runtime,
    pub(crate) host: Host,
    pub(crate) key: String,
    directory: TempDir,
    set: Vec<String>,
}

/// An answer, whatever it says.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|h| h.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Asserts a refusal: its status and its code, in a problem document.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, self.text("/code")), (status, code), "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.text("/type"), format!("/problems/{code}"));
        self
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

impl Harness {
    /// A host with some configuration keys set.
    pub(crate) fn start(set: &[&str]) -> Self {
        // As the program does it: in a process of its own.
        attiva_server::compiler::use_program(env!("CARGO_BIN_EXE_attiva").into());
        let directory = tempfile::tempdir().unwrap();
        let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
        let (runtime, host, first_key) = started(&directory, &set);
        let key = first_key.unwrap().text;
        // Where a test counts requests, none are added.
        if set.is_empty() {
            audited::watch(&host.url(), &key);
        }
        Self { runtime, host, key, directory, set }
    }

    /// A host on data that is there: `data` in the directory.
    pub(crate) fn on(directory: TempDir, key: &str) -> Self {
        attiva_server::compiler::use_program(env!("CARGO_BIN_EXE_attiva").into());
        let (runtime, host, first_key) = started(&directory, &[]);
        assert!(first_key.is_none());
        Self { runtime, host, key: key.to_owned(), directory, set: Vec::new() }
    }

    /// Stops the host, does something while it is down, and starts another one on the same data.
    pub(crate) fn restarted(self, meanwhile: impl FnOnce()) -> Self {
        let Self { runtime, host, key, directory, set } = self;
        runtime.block_on(host.stop());
        // With it goes whatever still held the data.
        drop(runtime);
        meanwhile();
        let (runtime, host, first_key) = started(&directory, &set);
        assert!(first_key.is_none());
        Self { runtime, host, key, directory, set }
    }

    /// The host that tests share. It ends with the process.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Harness> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// A sandbox of the test's own.
    pub(crate) fn sandbox() -> Api {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let harness = Self::shared();
        let name = format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        harness.api("").post("/v1/sandboxes", &json!({ "name": name })).is(201);
        harness.api(&name)
    }

    pub(crate) fn data_dir(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    /// A client with the first key.
    pub(crate) fn api(&self, sandbox: &str) -> Api {
        Api { url: self.host.url(), key: self.key.clone(), sandbox: sandbox.to_owned() }
    }

    /// A client of another organisation, with a sandbox there.
    pub(crate) fn stranger(&self) -> Api {
        let app = self.host.app();
        let key = self.runtime.block_on(async {
            let organisation = app.tenancy().create_organisation("other", "test", app.fresh_stamp()).await.unwrap();
            let given = Given::role(Role::Administrator);
            let new = NewKeyOf { organisation: &organisation.id, name: "other", given: &given };
            app.keys().create(new, "test", app.fresh_stamp()).await.unwrap()
        });
        Api { url: self.host.url(), key: key.text, sandbox: "default".into() }
    }
}

fn started(directory: &TempDir, set: &[String]) -> (Runtime, Host, Option<NewKey>) {
    let flags = Flags {
        data_dir: Some(directory.path().join("data")),
        listen: Some("127.0.0.1:0".into()),
        set: set.to_owned(),
        ..Flags::default()
    };
    let config = Config::resolve(&flags, [], None).unwrap();
    let runtime = Runtime::new().unwrap();
    // A process that another test is starting has a copy of every open file until it is under way, locks among them.
    let mut tries = 0;
    let (host, first_key) = loop {
        match runtime.block_on(Host::start(&config)) {
            Ok(started) => break started,
            Err(StartError::Data { refusal, .. }) if tries < 50 && refusal.fault.code == "store.in-use" => tries += 1,
            Err(failure) => panic!("{failure:?}"),
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    (runtime, host, first_key)
}

/// A client with a key, and a sandbox in its paths.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) sandbox: String,
}

impl Api {
    /// `/v1/…` as it stands; anything else within the sandbox.
    pub(crate) fn place(&self, path: &str) -> String {
        if path.starts_with('/') {
            format!("{}{path}", self.url)
        } else {
            format!("{}/v1/sandboxes/{}/{path}", self.url, self.sandbox)
        }
    }

    pub(crate) fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let place = self.place(path);
        let mut request = Request::builder().method(&method).uri(&place);
        if !self.key.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .proxy(None)
            .build()
            .into();
        let before = audited::before(self);
        let mut response = agent.run(request.body(body).unwrap()).unwrap();
        let is_stream = response.headers().get("content-type").is_some_and(|h| h == "text/event-stream");
        let text = if is_stream { first_event(&mut response) } else { response.body_mut().read_to_string().unwrap() };
        let answer = Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        };
        let path = place.strip_prefix(&self.url).unwrap_or_default();
        described::check(&method, path, &answer);
        audited::check(self, &method, path, before, &answer);
        answer
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Vec::new())
    }

    /// The whole audit log, as if it were one page: the tests that share a host write pages of it.
    pub(crate) fn audit(&self) -> Answer {
        let mut all = self.get("/v1/audit?limit=500");
        while let Some(cursor) = all.body["next_cursor"].as_str() {
            let next = self.get(&format!("/v1/audit?limit=500&cursor={cursor}"));
            let items = next.body["items"].as_array().unwrap().clone();
            all.body["items"].as_array_mut().unwrap().extend(items);
            all.body["next_cursor"] = next.body["next_cursor"].clone();
            all.text += &next.text;
        }
        all
    }

    pub(crate) fn json(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(method, path, &all, body.to_string().into_bytes())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::POST, path, &[], body)
    }
}

/// A stream may never end: one event of it is enough to see what it is.
fn first_event(response: &mut ureq::http::Response<ureq::Body>) -> String {
    let mut text = String::new();
    let mut lines = BufReader::new(response.body_mut().as_reader());
    while !text.ends_with("\n\n") && lines.read_line(&mut text).unwrap() > 0 {}
    text
}
