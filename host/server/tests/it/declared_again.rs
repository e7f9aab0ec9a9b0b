//! Applies of configuration files that are killed, and two at once.

use crate::declared::{command, exported, files, say};
use crate::harness::{Api, Harness};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use ureq::http::Method;

/// A way to a host that gives no answer after some requests that change something: they are done, and nobody hears of it.
struct Way {
    url: String,
    _runtime: tokio::runtime::Runtime,
}

impl Way {
    fn to(host: &str, answers: usize) -> (Self, Arc<AtomicUsize>) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (host, changes) = (host.to_owned(), Arc::new(AtomicUsize::new(0)));
        let seen = Arc::clone(&changes);
        let pass = move |request: axum::extract::Request| {
            let (host, changes) = (host.clone(), Arc::clone(&changes));
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
                let asks = parts.method == Method::GET
                    || ["preview", "compare", "check"].iter().any(|it| parts.uri.path().ends_with(it));
                let mut forward =
                    ureq::http::Request::builder().method(parts.method).uri(format!("{host}{}", parts.uri));
                for (name, value) in
                    parts.headers.iter().filter(|(name, _)| *name != "host" && *name != "content-length")
                {
                    forward = forward.header(name, value);
                }
                let answer = tokio::task::spawn_blocking(move || {
                    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
                    let agent: ureq::Agent = config.build().into();
                    let mut answer = agent.run(forward.body(body.to_vec()).unwrap()).unwrap();
                    let bytes = answer.body_mut().read_to_vec().unwrap();
                    (answer, bytes)
                });
                let (answer, bytes) = answer.await.unwrap();
                if !asks && changes.fetch_add(1, Ordering::SeqCst) >= answers {
                    std::future::pending::<()>().await;
                }
                let mut back = axum::http::Response::builder().status(answer.status());
                for (name, value) in answer
                    .headers()
                    .iter()
                    .filter(|(name, _)| *name != "transfer-encoding" && *name != "content-length")
                {
                    back = back.header(name, value);
                }
                back.body(axum::body::Body::from(bytes)).unwrap()
            }
        };
        let router = axum::Router::new().fallback(pass);
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        (Self { url, _runtime: runtime }, seen)
    }
}

#[test]
fn an_apply_that_is_killed_at_any_change_is_gone_on_with() {
    let (_vendors, _, place) = exported();
    // No run: a mapping would wait.
    std::fs::remove_file(place.path().join("conf/mapping.yaml")).unwrap();
    let api = Harness::sandbox();
    // The first is killed at its first change, each after it one change further than it came before: what was done and never
    // answered is met again every time.
    let (mut kills, mut answers) = (0, 0);
    loop {
        let said = std::fs::read_to_string(place.path().join("log")).unwrap_or_default();
        assert!(kills < 40, "it does not come to an end: {said}");
        let (way, changes) = Way::to(&api.url, answers);
        let through = Api { url: way.url.clone(), ..api.clone() };
        let mut command = command(&through, place.path(), &["apply", "conf"]);
        let log = std::fs::File::create(place.path().join("log")).unwrap();
        let mut child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.success();
            }
            if changes.load(Ordering::SeqCst) > answers {
                // It was done, and it will never know.
                child.kill().unwrap();
                child.wait().unwrap();
                break false;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        if ended {
            break;
        }
        (kills, answers) = (kills + 1, 1);
    }
    assert!(kills > 5, "{kills}");
    assert!(say(&api, place.path(), &["apply", "conf"]).is(0).out.ends_with("Nothing to change.\n"));
    for (path, count) in [("connections", 3), ("segments", 3), ("activations", 1)] {
        assert_eq!(api.get(path).body["items"].as_array().unwrap().len(), count, "{path}");
    }
    say(&api, place.path(), &["export", "there"]).is(0);
    let mut expected = files(&place.path().join("conf"));
    let mut there = files(&place.path().join("there"));
    expected.sort();
    there.sort();
    assert_eq!(there, expected);
}

/// Of two that want the same thing at once, one makes it.
#[test]
fn two_at_once_make_each_thing_once() {
    let (_vendors, _, place) = exported();
    std::fs::remove_file(place.path().join("conf/mapping.yaml")).unwrap();
    let api = Harness::sandbox();
    let both: Vec<_> = (0..2)
        .map(|i| {
            let log = std::fs::File::create(place.path().join(format!("log{i}"))).unwrap();
            let mut command = command(&api, place.path(), &["apply", "conf"]);
            command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
        })
        .collect();
    for mut child in both {
        child.wait().unwrap();
    }
    say(&api, place.path(), &["apply", "conf"]).is(0);
    for (path, count) in [("connections", 3), ("segments", 3), ("activations", 1)] {
        assert_eq!(api.get(path).body["items"].as_array().unwrap().len(), count, "{path}");
    }
    say(&api, place.path(), &["drift", "conf"]).is(0);
}
