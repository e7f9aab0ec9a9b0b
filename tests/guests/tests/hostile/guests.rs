//! The guests, by name: what each does, what stops it, and the proof. The table of `docs/hostile-guests.md` is this list.

use crate::compiler;
use crate::installs::{self, of_spec};
use crate::suite::{Guest, prove};
use crate::vendor::TOKEN;
use crate::world::{SECRET, Stopped, World, grant};
use attiva_core::run::RunStatus;
use attiva_wasm::AdmissionError;
use serde_json::{Value, json};
use std::time::Duration;

macro_rules! hostile {
    ($($name:ident: $does:literal => $by:literal, $code:literal, |$world:ident| $stop:expr;)*) => {
        pub(crate) const GUESTS: &[Guest] = &[$(Guest {
            name: stringify!($name),
            does: $does,
            stopped_by: $by,
            code: $code,
            stop: |$world| Box::pin(async move { $stop }),
        }),*];
        $(#[test]
        fn $name() {
            prove(stringify!($name));
        })*
    };
}

hostile! {
    // What it uses up.
    endless_loop: "loops for ever" => "CPU time of the call", "limit.cpu", |world| spinning(world).await;
    host_call_loop: "calls the host in a loop" => "calls to the host", "limit.host-calls",
        |world| world.behaving("spin-host", 0).await;
    memory_bomb: "fills one memory" => "memory of the call", "limit.memory", |world| world.behaving("memory", 0).await;
    many_memories: "has nine memories of 16 MiB each" => "memory of the call, all of it together, when asked what it is", "plugin.refused",
        |world| {
            let bomb = installs::with("(memory 256)", 9);
            installs::broken(world, &bomb, "limit.memory").await
        };
    table_bomb: "has a table of 10,000,000 elements" => "memory of the call, tables counted", "plugin.refused", |world| {
        let bomb = installs::with("(table 10000000 funcref)", 1);
        installs::broken(world, &bomb, "limit.memory").await
    };
    deep_recursion: "calls itself for ever" => "the stack's end", "plugin.stack-overflow",
        |world| world.behaving("stack", 0).await;
    huge_text: "logs a text of 17 MB" => "bytes that cross at once", "limit.crossing",
        |world| world.behaving("crossing", 17_000_000).await;
    huge_list: "answers with half a million warnings" => "bytes that cross at once", "limit.crossing",
        |world| world.behaving("warnings", 0).await;
    handle_leak: "makes handles and gives none back" => "live handles", "limit.handles",
        |world| world.behaving("handles", 0).await;
    log_flood: "logs ten megabytes" => "nothing has to: what is over the cap is dropped and counted", "",
        |world| flooding(world).await;

    // What it answers.
    lying_counts: "says seven rows and gives two" => "the check of the page", "page.length",
        |world| world.behaving("counts", 0).await;
    unequal_columns: "gives a column that is shorter than the others" => "the check of the page", "page.length",
        |world| world.behaving("length", 0).await;
    wrong_type: "gives a decimal column that holds no decimal" => "the check of the page", "page.value",
        |world| world.behaving("decimal", 0).await;
    falling_offsets: "gives offsets that run backwards" => "the check of the page", "page.offsets",
        |world| world.behaving("offsets-back", 0).await;
    offsets_past_the_end: "gives offsets that point past the end" => "the check of the page", "page.offsets",
        |world| world.behaving("offsets-beyond", 0).await;
    invalid_utf8: "gives text that is no UTF-8" => "the check of the page", "page.utf8",
        |world| world.behaving("utf8", 0).await;
    huge_cursor: "answers with a cursor of 10 MB" => "size of a cursor", "limit.cursor",
        |world| world.behaving("cursor-10-mb", 0).await;
    endless_cursor: "has another page, for ever" => "pages of a run; the next run goes on", "run.pages",
        |world| world.behaving("pages", 0).await;
    nothing_for_ever: "answers with empty pages, for ever" => "empty pages in a row", "run.empty-pages",
        |world| world.behaving("nothing", 0).await;
    wait_of_a_year: "asks to be called again in a year" => "the check of the page", "page.wait",
        |world| world.behaving("wait-a-year", 0).await;

    // Where it goes.
    forbidden_host: "calls an origin that it has not declared" => "the gate", "egress.origin",
        |world| world.requesting(json!([ask("elsewhere", "/")])).await;
    metadata_address: "calls the cloud's metadata service" => "the gate: a private address takes a grant that lists it", "egress.address",
        |world| world.requesting_at("a1", &[grant("api", "169.254.169.254", 80, &[])]).await;
    redirect: "follows its vendor's redirect inside" => "the gate: a redirect is an answer, and a path is no address", "egress.path",
        |world| redirected(world).await;
    rebinding_name: "has a name that is public and private" => "the gate: every address of a name counts", "egress.address",
        |world| world.requesting_at("rebinding", &[]).await;
    mapped_address: "has a name at ::ffff:127.0.0.1" => "the gate", "egress.address",
        |world| world.requesting_at("mapped", &[]).await;
    nat64_address: "has a name at 64:ff9b::7f00:1" => "the gate", "egress.address",
        |world| world.requesting_at("nat64", &[]).await;
    six_to_four_address: "has a name at 2002:7f00:1::" => "the gate", "egress.address",
        |world| world.requesting_at("six-to-four", &[]).await;
    absolute_path: "gives a whole URL as the path" => "the gate", "egress.path",
        |world| world.requesting(json!([ask("api", "http://127.0.0.1/open")])).await;
    line_break_in_header: "puts a line break into a header" => "the gate", "egress.header",
        |world| with_header(world, "X-A", "1\r\nHost: evil").await;
    second_content_length: "sets Content-Length" => "the gate: what frames a message is the host's", "egress.header",
        |world| with_header(world, "Content-Length", "0").await;
    reserved_header: "sets Authorization" => "the gate: what authorises is the host's", "egress.header",
        |world| with_header(world, "Authorization", "Bearer x").await;
    write_declared_as_read: "writes while its streams are listed" => "the gate: listing and checking only read", "egress.write",
        |world| writing(world).await;
    foreign_credential: "asks for a credential that its rule does not name" => "the gate", "egress.credential", |world| {
        let mut asked = ask("api", "/open");
        asked["credential"] = json!("other");
        world.requesting(json!([asked])).await
    };

    // What its vendor answers.
    two_lengths: "has a vendor that answers with two lengths" => "the client: no such answer is read", "network.broken",
        |world| world.requesting(json!([ask("api", "/open/two-lengths")])).await;
    gzip_bomb: "fetches 8 MB that were 8 kB" => "bytes in, counted unpacked", "limit.egress-in",
        |world| world.requesting(json!([ask("api", "/open/bomb")])).await;
    endless_body: "has a vendor that never stops answering" => "bytes in", "limit.egress-in",
        |world| world.requesting(json!([ask("api", "/open/endless")])).await;
    slow_drip: "has a vendor that sends a byte now and then" => "time for an exchange, within the call's", "network.timeout",
        |world| dripping(world).await;
    echoed_secret: "has a vendor that sends its secret back" => "nothing has to: the secret is taken out of the answer", "",
        |world| echoed(world).await;

    // What it says it is.
    secret_in_url: "puts its secret into its host name" => "the check of the specification", "plugin.refused", |world| {
        let component = of_spec("/origins/0/url", json!("https://{client_secret}.example.com"));
        installs::refused(world, &component, |e| matches!(e, AdmissionError::SpecRule { path, .. } if path == "origins[0].url")).await
    };
    changing_specification: "answers another specification each time" => "being asked twice", "plugin.refused", |world| {
        let component = attiva_guests::component("!random");
        installs::refused(world, &component, |e| matches!(e, AdmissionError::SpecNotPure)).await
    };
    schema_bomb: "has a schema of 4 kB that takes years to check" => "the work in a schema, counted before any is done", "plugin.refused", |world| {
        let component = of_spec("/configuration", installs::schema_bomb());
        installs::refused(world, &component, |e| matches!(e, AdmissionError::Schema(why) if why.contains("steps"))).await
    };
    remote_schema: "has a schema that refers to a server" => "the check of the specification; nothing is fetched", "plugin.refused", |world| {
        let component = of_spec("/configuration/properties/id", json!({"$ref": "https://evil.example/a"}));
        installs::refused(world, &component, |e| matches!(e, AdmissionError::Schema(why) if why.contains("another document"))).await
    };
    foreign_import: "imports an interface of WASI" => "the look at its structure", "plugin.refused", |world| {
        let component = wat::parse_str(r#"(component (import "wasi:cli/environment@0.2.6" (instance)))"#).unwrap();
        installs::refused(world, &component, |e| matches!(e, AdmissionError::ForeignImport(_))).await
    };
    spinning_start: "loops for ever before it is called" => "CPU time, when asked what it is", "plugin.refused", |world| {
        let component = installs::with("(func $f (loop $again (br $again))) (start $f)", 1);
        installs::broken(world, &component, "limit.cpu").await
    };
    endless_compilation: "keeps the compiler busy for ever" => "CPU time of the compiling process", "plugin.refused",
        |world| compiler::refused(world).await;

    // What it leaves behind.
    trap_in_delivery: "traps in the middle of a delivery" => "the trap; the batch is still open", "plugin.trap",
        |world| world.delivering("trap-in-delivery").await;
    few_outcomes: "settles fewer rows than it was given" => "the count of outcomes", "deliver.outcomes",
        |world| world.delivering("few-outcomes").await;
    many_outcomes: "settles more rows than it was given" => "the count of outcomes", "deliver.outcomes",
        |world| world.delivering("many-outcomes").await;
    poisoned_state: "cannot read the state of its version before" => "its own fault; the state stays as it was", "guest.poisoned",
        |world| poisoned(world).await;
}

fn ask(origin: &str, path: &str) -> Value {
    json!({"origin": origin, "method": "GET", "path": path})
}

async fn spinning(world: &World) -> Stopped {
    let plugin = world.guest("brief", &world.brief).await;
    let made = world.connect(&plugin, json!({"behaviour": "spin"})).await;
    let stopped = world.stopped(&made).await;
    let used = Duration::from_nanos(made.reports.last().usage.cpu_ns);
    assert!(used >= Duration::from_millis(150) && used < Duration::from_secs(3), "{used:?}");
    stopped
}

async fn flooding(world: &World) -> Stopped {
    let plugin = world.guest("usual", &world.host).await;
    let made = world.connect(&plugin, json!({"behaviour": "log-flood", "count": 10_000})).await;
    let run = world.run(&made).await.unwrap();
    assert_eq!(run.status, RunStatus::Succeeded, "{run:?}");
    let report = made.reports.last();
    let kept: usize = report.log.iter().map(|line| line.message.len()).sum();
    assert!(report.usage.log_dropped > 9_000 && kept <= 256 << 10, "{} {kept}", report.usage.log_dropped);
    let after = Duration::from_nanos(report.usage.wall_ns);
    Stopped { code: String::new(), message: String::new(), after }
}

async fn redirected(world: &World) -> Stopped {
    let inside = format!("http://{}/inside", world.vendor.address);
    let stopped = world.requesting(json!([ask("api", "/open/redirect"), ask("api", &inside)])).await;
    assert!(world.vendor.saw("/open/redirect") && !world.vendor.saw("/inside"));
    stopped
}

async fn with_header(world: &World, name: &str, value: &str) -> Stopped {
    let mut asked = ask("api", "/open");
    asked["headers"] = json!([[name, value]]);
    world.requesting(json!([asked])).await
}

async fn writing(world: &World) -> Stopped {
    let plugin = world.guest("usual", &world.host).await;
    let write = json!({"origin": "api", "method": "POST", "path": "/write/here", "body": "x"});
    // `send` sends in `discover` as well.
    let made = world.connect(&plugin, json!({"behaviour": "send", "requests": [write]})).await;
    let stopped = world.stopped(&made).await;
    assert!(!world.vendor.saw("/write/here"));
    stopped
}

async fn dripping(world: &World) -> Stopped {
    let plugin = world.guest("hasty", &world.hasty).await;
    let requests = json!([ask("api", "/open/drip")]);
    let made = world.connect(&plugin, json!({"behaviour": "request", "requests": requests})).await;
    world.stopped(&made).await
}

async fn echoed(world: &World) -> Stopped {
    let plugin = world.guest("usual", &world.host).await;
    let mut asked = ask("api", "/echo");
    asked["credential"] = json!("token");
    let made = world.connect(&plugin, json!({"behaviour": "request", "requests": [asked]})).await;
    let run = world.run(&made).await.unwrap();
    assert_eq!((run.status, run.streams[0].changed), (RunStatus::Succeeded, 1), "{run:?}");
    assert!(world.vendor.saw("/echo"));
    let after = Duration::from_nanos(made.reports.last().usage.wall_ns);
    let mut redacted = false;
    for entry in std::fs::read_dir(world.place.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!holds(TOKEN) && !holds(SECRET), "{} holds a secret", path.display());
        redacted |= holds("[redacted]");
    }
    assert!(redacted, "the answer was not kept at all");
    Stopped { code: String::new(), message: String::new(), after }
}

async fn poisoned(world: &World) -> Stopped {
    let plugin = world.guest("usual", &world.host).await;
    let mut made = world.connect(&plugin, json!({"behaviour": "pages", "count": 1, "message": "poison"})).await;
    assert_eq!(world.run(&made).await.unwrap().status, RunStatus::Succeeded);
    let before = world.store.stream_states(&made.id).unwrap();
    made.plugin = world.host.admit(&of_spec("/state_version", json!(2))).await.unwrap();
    world.replace(&made);
    let stopped = world.stopped(&made).await;
    assert_eq!(world.store.stream_states(&made.id).unwrap(), before);
    stopped
}
