//! A plugin that crashes again and again, while time passes as the test says.

use crate::app::connections::NewConnection;
use crate::app::keys::Caller;
use crate::app::plugins::Upload;
use crate::app::sandbox::Sandbox;
use crate::app::settings::Settings;
use crate::app::{App, Opened};
use attiva_core::Millis;
use attiva_core::plugin::lifecycle::Stage;
use attiva_core::ports::clock::Clock;
use attiva_core::run::{Run, RunStatus};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
}

struct World {
    app: App,
    clock: Arc<Hands>,
    caller: Caller,
    sandbox: Arc<Sandbox>,
}

impl World {
    async fn open(place: &Path, clock: Arc<Hands>, key: Option<String>) -> (Self, String) {
        let Opened { app, first_key } =
            App::open_at(place, Settings::default(), Arc::clone(&clock) as Arc<dyn Clock>).await.unwrap();
        let key = key.unwrap_or_else(|| first_key.unwrap().text);
        let caller = app.keys().authenticate(&key).unwrap();
        let sandbox = app.sandbox(&caller, "default").unwrap();
        (Self { app, clock, caller, sandbox }, key)
    }

    async fn install(&self) {
        let spec = json!({"name": "guest", "version": "0.1.0", "publisher": "acme", "title": "Guest", "state_version": 1,
            "configuration": {"type": "object", "properties": {"behaviour": {"type": "string"}, "id": {"type": "string"}}},
            "instance": {"system": "Guest", "id": "{id}"}, "delivery": {"class": "at-least-once", "batch_rows": 100}});
        let component = attiva_guests::component(&spec.to_string());
        let upload = Upload {
            bytes: &component,
            by: "test",
            stamp: self.app.fresh_stamp(),
            allow_unsigned: Some("a test"),
            approve: true,
        };
        self.app.plugins().install(upload).await.unwrap();
    }

    async fn connect(&self, id: &str, behaviour: &str) -> String {
        let new = NewConnection {
            name: id.into(),
            plugin: "guest".into(),
            configuration: json!({"id": id, "behaviour": behaviour}),
            streams: vec![],
            schedule: None,
            schema: attiva_core::drift::SchemaPolicy::default(),
            grants: std::collections::BTreeMap::new(),
        };
        let made = self.sandbox.create_connection(&self.caller, self.app.fresh_stamp(), new).await.unwrap();
        made.value.id.to_string()
    }

    /// Starts a run and waits for its end; or why it cannot be started.
    async fn run(&self, connection: &str) -> Result<Run, String> {
        let started = self.sandbox.start_run(&self.caller, self.app.fresh_stamp(), connection).await;
        let id = started.map_err(|refusal| refusal.fault.code)?.id;
        for _ in 0..6_000 {
            let run = self.sandbox.run(id.as_str()).unwrap();
            if run.status.has_ended() {
                return Ok(run);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the run does not end");
    }

    fn later(&self, ms: Millis) {
        self.clock.0.fetch_add(ms, Ordering::SeqCst);
    }

    /// Runs a connection until it is in quarantine; returns how many runs that took.
    async fn run_into_quarantine(&self, connection: &str) -> usize {
        let mut runs = 0;
        loop {
            let ended = self.run(connection).await;
            match ended.as_ref().map(|run| run.status) {
                Ok(RunStatus::Failed) => runs += 1,
                _ => panic!("{ended:?}"),
            }
            let containment = self.sandbox.conduct(connection).unwrap().containment;
            if containment.quarantined {
                return runs;
            }
            assert_eq!(self.run(connection).await.unwrap_err(), "plugin.backing-off");
            self.later(containment.until.unwrap() - self.clock.now());
        }
    }
}

fn noon() -> Arc<Hands> {
    Arc::new(Hands(AtomicI64::new(1_790_000_000_000)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_ends_in_quarantine_with_evidence_and_nobody_else_notices() {
    let place = tempfile::tempdir().unwrap();
    let (world, key) = World::open(place.path(), noon(), None).await;
    world.install().await;
    let bad = world.connect("bad", "panic").await;
    let good = world.connect("good", "good").await;
    assert_eq!(world.run_into_quarantine(&bad).await, 5);

    let evidence = world.sandbox.conduct(&bad).unwrap().evidence.unwrap();
    assert_eq!((evidence.plugin.as_str(), evidence.function.as_str()), ("guest@0.1.0", "read"));
    assert!(evidence.fault.message.contains("the cat sat on the keyboard at "), "{:?}", evidence.fault);
    assert!(evidence.trace.iter().any(|frame| frame.contains("attiva_guests::guest::read")), "{:?}", evidence.trace);
    assert!(evidence.calls.len() >= 10 && evidence.calls.iter().any(|call| call.function == "discover"));
    assert_eq!(world.run(&bad).await.unwrap_err(), "plugin.quarantined");
    world.sandbox.discover(&good).await.unwrap();
    assert_eq!(world.app.plugins().get("guest@0.1.0").unwrap().installed.stage, Stage::Ready);

    // A restart changes nothing; an operator does.
    world.app.drain(Duration::from_secs(10)).await;
    let clock = Arc::clone(&world.clock);
    drop(world);
    let (world, _) = World::open(place.path(), clock, Some(key)).await;
    assert_eq!(world.run(&bad).await.unwrap_err(), "plugin.quarantined");
    let told: Vec<String> =
        world.app.audit(&world.caller, 0, 500).unwrap().into_iter().map(|(_, e)| e.action).collect();
    assert_eq!(told.iter().filter(|action| *action == "connection.quarantined").count(), 1, "{told:?}");
    world.sandbox.release_connection(&world.caller, &bad).await.unwrap();
    assert_eq!(world.run(&bad).await.unwrap().status, RunStatus::Failed);
    assert_eq!(world.sandbox.conduct(&bad).unwrap().containment.strikes(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_crashes_with_several_connections_is_put_into_quarantine_itself() {
    let place = tempfile::tempdir().unwrap();
    let (world, _) = World::open(place.path(), noon(), None).await;
    world.install().await;
    for id in ["one", "two", "three"] {
        assert_eq!(world.app.plugins().get("guest@0.1.0").unwrap().installed.stage, Stage::Ready, "{id}");
        let connection = world.connect(id, "trap").await;
        world.run_into_quarantine(&connection).await;
    }
    for _ in 0..6_000 {
        if world.app.plugins().get("guest@0.1.0").unwrap().installed.stage == Stage::Quarantined {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = world.app.plugins().beginning("guest").err().unwrap();
    assert_eq!(refused.fault.code, "plugin.not-ready");
    world.app.plugins().release("test", "guest@0.1.0").await.unwrap();
    world.app.plugins().beginning("guest").unwrap();
}
