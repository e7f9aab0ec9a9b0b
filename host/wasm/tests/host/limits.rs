//! Every limit, tripped; and beside each a guest that behaves, undisturbed.

use crate::server::{Server, ok};
use crate::support::{Connection, guest, guest_with, stopped};
use attiva_core::FaultKind;
use attiva_wasm::{Limits, Plugin, ReadRequest};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_is_stopped_by_its_cpu_time() {
    let limits = Limits { cpu: Duration::from_millis(100), ..Limits::default() };
    let (fault, usage) = stopped(limits, json!({"behaviour": "spin"})).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Internal, "limit.cpu"));
    assert!(usage.cpu_ns >= 100_000_000, "{usage:?}");
    assert!(usage.cpu_ns < 3_000_000_000, "far past its budget: {usage:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn an_endless_loop_cannot_keep_the_only_thread() {
    let limits = Limits { cpu: Duration::from_millis(300), ..Limits::default() };
    let (fault, _) = stopped(limits, json!({"behaviour": "spin"})).await;
    assert_eq!(fault.code, "limit.cpu");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_of_cheap_host_calls_is_stopped() {
    let by_count = Limits { host_calls: 1_000, ..Limits::default() };
    let (fault, usage) = stopped(by_count, json!({"behaviour": "spin-host"})).await;
    assert_eq!((fault.code.as_str(), usage.host_calls), ("limit.host-calls", 1_001));
    let by_time = Limits { host_calls: u64::MAX, cpu: Duration::from_millis(100), ..Limits::default() };
    let (fault, _) = stopped(by_time, json!({"behaviour": "spin-host"})).await;
    assert_eq!(fault.code, "limit.cpu", "crossing to the host does not reset the clock");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_on_the_wall_ends() {
    let limits = Limits { cpu: Duration::from_secs(3_600), wall: Duration::from_millis(200), ..Limits::default() };
    let plugin = guest_with(limits).await;
    let fault = Connection::that("spin").fault(&plugin).await;
    assert_eq!(fault.code, "limit.wall");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_in_the_host_costs_no_cpu() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(600));
        ok("late")
    })
    .await;
    let plugin = guest_with(Limits { cpu: Duration::from_millis(500), ..Limits::default() }).await;
    let connection = Connection::sending(json!([{"origin": "api", "method": "GET", "path": "/open"}]), &server);
    assert_eq!(connection.texts(&plugin, "body").await, ["late"]);
    assert!(connection.usage().wall_ns >= 600_000_000);
}

/// By time on the wall, four times what the same work takes in peace would long be over.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_machine_kills_no_innocent_guest() {
    let work = |plugin: Arc<Plugin>| async move {
        let connection = Connection::that("twelve");
        let request = ReadRequest { max_rows: 10_000, max_bytes: 8 << 20, ..crate::support::request() };
        plugin.read(&connection.context, &request).await.map(|(_, usage)| usage)
    };
    let in_peace = work(guest().await).await.unwrap();
    let budget = Duration::from_nanos(in_peace.cpu_ns * 4);
    let plugin = guest_with(Limits { cpu: budget, ..Limits::default() }).await;
    let busy = Arc::new(AtomicBool::new(true));
    let threads = std::thread::available_parallelism().map_or(1, usize::from) * 8;
    for _ in 0..threads {
        let busy = busy.clone();
        std::thread::spawn(move || while busy.load(Ordering::Relaxed) {});
    }
    let mut longest = Duration::ZERO;
    for _ in 0..5 {
        let usage = work(plugin.clone()).await.unwrap();
        longest = longest.max(Duration::from_nanos(usage.wall_ns));
    }
    busy.store(false, Ordering::Relaxed);
    assert!(longest > Duration::from_nanos(in_peace.cpu_ns), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_ends() {
    let limits = Limits { memory_bytes: 16 << 20, ..Limits::default() };
    let (fault, usage) = stopped(limits, json!({"behaviour": "memory"})).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Internal, "limit.memory"));
    assert!(usage.peak_memory <= 16 << 20 && usage.peak_memory > 8 << 20, "{usage:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_memory_ends_for_all_together() {
    let limits = Limits { host_memory_bytes: 1 << 20, ..Limits::default() };
    let refused = crate::support::host_with(limits).admit(&crate::support::component()).await.unwrap_err();
    assert!(refused.to_string().contains("limit.host-memory"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stack_ends() {
    let (fault, _) = stopped(Limits::default(), json!({"behaviour": "stack"})).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Internal, "plugin.stack-overflow"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_fault_with_its_text_and_place() {
    let (fault, _) = stopped(Limits::default(), json!({"behaviour": "panic"})).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Internal, "plugin.trap"));
    assert!(fault.message.contains("the cat sat on the keyboard at "), "{}", fault.message);
    assert!(fault.message.contains("read.rs:"), "{}", fault.message);
    let (fault, _) = stopped(Limits::default(), json!({"behaviour": "trap"})).await;
    assert!(fault.message.contains("these are my last words"), "{}", fault.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_crossing_carries_only_so_much() {
    let limits = Limits { crossing_bytes: 1 << 20, ..Limits::default() };
    let (fault, _) = stopped(limits, json!({"behaviour": "crossing", "count": 1_100_000})).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Internal, "limit.crossing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_come_in_small_numbers() {
    let (fault, _) = stopped(Limits::default(), json!({"behaviour": "random", "count": 1_025})).await;
    assert_eq!(fault.code, "limit.random");
    let plugin = guest().await;
    let connection = Connection::that("clock-random");
    let said = connection.texts(&plugin, "said").await.remove(0);
    let parts: Vec<&str> = said.split(' ').collect();
    assert!(parts[0].parse::<u64>().unwrap() > 1_700_000_000_000, "{said}");
    assert_eq!(parts[1..], ["1024", "true"]);
    let progress = connection.recorder.progress.lock().unwrap().clone();
    assert_eq!(progress, [("looking at the clock".to_owned(), Some(1), Some(2))]);
    let log = connection.recorder.reports.lock().unwrap()[0].log.clone();
    assert_eq!((log.len(), log[0].message.as_str(), log[0].level.as_str()), (1, "a word", "info"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_flood_is_dropped_and_counted() {
    let plugin = guest_with(Limits { log_bytes: 10_500, ..Limits::default() }).await;
    let connection = Connection::new(json!({"behaviour": "log-flood", "count": 500}));
    connection.read(&plugin).await.unwrap();
    assert_eq!(connection.usage().log_dropped, 490);
    assert_eq!(connection.recorder.reports.lock().unwrap()[0].log.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_their_bytes_end() {
    let server = Server::start(|_| ok("x".repeat(1_000))).await;
    let get = json!({"origin": "api", "method": "GET", "path": "/open"});
    let count = Limits { requests: 2, ..Limits::default() };
    let plugin = guest_with(count).await;
    let fault = Connection::sending(json!([get, get, get]), &server).fault(&plugin).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Internal, "limit.requests"));
    assert_eq!(server.seen().len(), 2);

    let plugin = guest_with(Limits { egress_in_bytes: 2_500, ..Limits::default() }).await;
    let fault = Connection::sending(json!([get, get, get]), &server).fault(&plugin).await;
    assert_eq!(fault.code, "limit.egress-in");

    let plugin = guest_with(Limits { egress_out_bytes: 100_000, ..Limits::default() }).await;
    let large =
        json!({"origin": "store", "method": "PUT", "path": "/a", "body": "x".repeat(60_000), "credential": "key"});
    let before = server.seen().len();
    let connection = Connection::sending(json!([large, large]), &server);
    assert_eq!(connection.fault(&plugin).await.code, "limit.egress-out");
    assert_eq!(server.seen().len(), before + 1);
    let usage = connection.usage();
    assert!(usage.requests == 1 && (60_000..61_000).contains(&usage.bytes_out), "{usage:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooled_host_holds_the_same_limits() {
    let limits = Limits { memory_bytes: 16 << 20, ..Limits::default() };
    let options = attiva_wasm::HostOptions { limits, pool_instances: 4, ..crate::support::options() };
    let plugin = attiva_wasm::PluginHost::new(options).unwrap().admit(&crate::support::component()).await.unwrap();
    assert_eq!(Connection::that("memory").fault(&plugin).await.code, "limit.memory");
    Connection::that("good").read(&plugin).await.unwrap();
}
