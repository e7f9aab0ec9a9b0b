//! Checks 28 to 31: a vendor that refuses, breaks off, and loses things.

use super::discovery::answer;
use super::paging::is_ours;
use super::{or_end, plains};
use crate::report::{Findings, Verdict, not_applicable};
use crate::run::source::{How, Reading, Records, difference, scene};
use crate::subject::Subject;
use crate::suite::TargetSuite;
use crate::wire::fault::{Fault as Made, Injection};
use crate::wire::message::Answer;
use attiva_core::page::OutcomeStatus;
use attiva_core::ports::connector::Stream;
use attiva_core::spec::CredentialMethod;
use attiva_core::{Fault, FaultKind};
use std::collections::BTreeSet;

/// Faults are made at so many places of a run at most: the first request of each kind.
const PLACES_MAX: usize = 6;

/// A fault, and what may be said of it.
struct Case {
    what: &'static str,
    fault: Made,
    times: usize,
    kinds: &'static [FaultKind],
    /// What `Retry-After` said, in milliseconds.
    wait_ms: Option<u64>,
}

fn cases(s: &Subject) -> Vec<Case> {
    use FaultKind::{Data, Quota, RateLimited, Transient};
    let limited = answer(&s.suite.answers.rate_limited);
    let mut with_wait = limited.clone();
    with_wait.headers.push(("retry-after".into(), "7".into()));
    let wait_ms = (limited.status == 429).then_some(7_000);
    let html = "<html><body>The service is being maintained</body></html>";
    let case = |what, fault, kinds| Case { what, fault, times: 1, kinds, wait_ms: None };
    vec![
        Case { wait_ms, ..case("too many calls, with Retry-After", Made::Answered(with_wait), &[RateLimited, Quota]) },
        case("too many calls", Made::Answered(limited), &[RateLimited, Quota]),
        case("the day's quota spent", Made::Answered(answer(&s.suite.answers.quota_spent)), &[Quota, RateLimited]),
        Case { times: 2, ..case("503 twice", Made::Answered(Answer::new(503, "text/plain", "busy")), &[Transient]) },
        case(
            "an HTML page in the place of data",
            Made::Answered(Answer::new(200, "text/html", html)),
            &[Transient, Data],
        ),
        case("a body that stops in the middle", Made::Cut, &[Transient]),
        case("a connection that is closed", Made::Refused, &[Transient]),
        case("an answer that is lost", Made::Lost, &[Transient]),
        case("an answer that drips", Made::Slow, &[Transient]),
    ]
}

/// Numbers of the requests that are the first of their kind: method, and path without what looks like an id.
fn places(s: &Subject) -> Vec<usize> {
    let mut kinds = BTreeSet::new();
    let kind = |request: &crate::wire::message::Request| {
        let named = |part: &str| {
            if part.bytes().any(|b| b.is_ascii_digit()) && part.len() > 3 { "*".into() } else { part.to_owned() }
        };
        let path: Vec<String> = request.path().split('/').map(named).collect();
        format!("{} {}", request.method, path.join("/"))
    };
    let requests = s.stand.requests();
    let first = requests.iter().enumerate().filter(|(_, request)| kinds.insert(kind(request)));
    first.map(|(at, _)| at).take(PLACES_MAX).collect()
}

pub(super) async fn vendor_faults(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    if s.plugin.is_source {
        for (stream, plain) in or_end!(plains(s).await) {
            for place in reading_places(s, &stream).await {
                for case in cases(s) {
                    let read = read_with(s, &stream, &case, place).await;
                    judge_reading(&mut found, &stream, &plain.records(), &case, place, read);
                }
            }
            found.looked();
            if let Err(problem) = read_without_tls(s, &stream, &plain).await {
                found.problem(format!("{} with a vendor that makes no TLS: {problem}", stream.name));
            }
        }
    }
    if s.plugin.is_destination {
        for target in &s.suite.targets {
            for case in cases(s) {
                for place in delivery_places(s, target).await {
                    if let Some(problem) = deliver_with(s, target, &case, place).await {
                        found.problem(format!("{} with {} (request {place}): {problem}", target.name(), case.what));
                    }
                    found.looked();
                }
            }
            found.looked();
            if let Err(problem) = deliver_without_tls(s, target).await {
                found.problem(format!("{} with a vendor that makes no TLS: {problem}", target.name()));
            }
        }
    }
    found.verdict("it asks no vendor while it reads or delivers")
}

/// No connection comes about, for tokens neither; then it does.
async fn read_without_tls(s: &Subject, stream: &Stream, plain: &Reading) -> Result<(), String> {
    let broken = |fault: Fault| fault.to_string();
    let keys = s.keys(stream).await.map_err(broken)?;
    s.enter(&scene("read", stream));
    let mut connection = s.connection().map_err(broken)?;
    connection.context.grants = s.stand.grants_without_tls().into();
    // What asks for nothing reads what it read before.
    let read = s.read(&connection, stream, &keys, &How::default()).await;
    is_told(read.map(|read| difference(&plain.records(), &read.records())))?;
    connection.context.grants = s.stand.grants().into();
    let how = How { patient: true, ..How::default() };
    let read = s.read(&connection, stream, &keys, &how).await.map_err(broken)?;
    difference(&plain.records(), &read.records()).into_iter().next().map_or(Ok(()), Err)
}

/// As `read_without_tls`, from the first batch on.
async fn deliver_without_tls(s: &Subject, target: &TargetSuite) -> Result<(), String> {
    let broken = |fault: Fault| fault.to_string();
    let name = format!("places {}", target.name());
    s.enter(&name);
    let mut delivery = s.delivery(target, &s.id(&name), "1").map_err(broken)?;
    delivery.patient = true;
    delivery.prepare().await.map_err(broken)?;
    let rows = target.members(0..target.rows);
    delivery.connection.context.grants = s.stand.grants_without_tls().into();
    delivery.patient = false;
    let sent = delivery.send_whole(&rows).await;
    let is_sent = sent.is_ok();
    // Who sends nothing before the end has to tell it then.
    let ended = if is_sent { delivery.finish().await.map(|_| ()) } else { sent.map(|_| ()) };
    is_told(ended.map(|()| vec!["it is said to be done".to_owned()]))?;
    delivery.connection.context.grants = s.stand.grants().into();
    delivery.patient = true;
    if !is_sent {
        delivery.send_whole(&rows).await.map_err(broken)?;
    }
    delivery.finish().await.map_err(broken)?;
    let members = delivery.members().await.map_err(broken)?;
    match members.filter(|members| members.len() != rows.len()) {
        Some(members) => Err(format!("{} members are there, and {} were delivered", members.len(), rows.len())),
        None => Ok(()),
    }
}

/// A network that makes no connection passes, and is told in the host's words or the connector's own.
fn is_told(answer: Result<Vec<String>, Fault>) -> Result<(), String> {
    match answer {
        Err(fault) if fault.kind == FaultKind::Transient && !is_ours(&fault) => Ok(()),
        Err(fault) => Err(fault.to_string()),
        Ok(different) => different.into_iter().next().map_or(Ok(()), Err),
    }
}

async fn reading_places(s: &Subject, stream: &Stream) -> Vec<usize> {
    let how = How::default();
    let Ok(keys) = s.keys(stream).await else { return Vec::new() };
    s.enter(&scene("read", stream));
    let Ok(connection) = s.connection() else { return Vec::new() };
    match s.read(&connection, stream, &keys, &how).await {
        Ok(_) => places(s),
        Err(_) => Vec::new(),
    }
}

async fn read_with(s: &Subject, stream: &Stream, case: &Case, place: usize) -> Result<Reading, Fault> {
    let keys = s.keys(stream).await?;
    s.enter(&scene("read", stream));
    s.stand.inject(Injection { times: case.times, ..Injection::once(case.fault.clone(), place) });
    let how = How { patient: true, ..How::default() };
    s.read(&s.connection()?, stream, &keys, &how).await
}

fn judge_reading(
    found: &mut Findings,
    stream: &Stream,
    wanted: &Records,
    case: &Case,
    place: usize,
    read: Result<Reading, Fault>,
) {
    found.looked();
    let told = format!("{} with {} (request {place})", stream.name, case.what);
    match read {
        Ok(read) => {
            if let Some(fault) = unexpected(case, &read.faults) {
                found.problem(format!("{told}: {fault}"));
            }
            let limited = read.faults.iter().find(|fault| fault.kind == FaultKind::RateLimited);
            if let (Some(wait), Some(fault)) = (case.wait_ms, limited)
                && fault.retry_after_ms != Some(wait)
            {
                found.problem(format!("{told}: the vendor said to wait {wait} ms, it says {:?}", fault.retry_after_ms));
            }
            difference(wanted, &read.records()).into_iter().for_each(|what| found.problem(format!("{told}: {what}")));
        }
        // The run ends with it, and the cursor is kept.
        Err(fault) if case.kinds.contains(&fault.kind) && !fault.kind.is_retried() => {}
        Err(fault) => found.problem(format!("{told}: {fault}")),
    }
}

/// The fault that is not told as what it is. Only the first is the vendor's: that what it left behind has to be waited
/// out may follow.
fn unexpected<'f>(case: &Case, faults: &'f [Fault]) -> Option<&'f Fault> {
    let (first, later) = faults.split_first()?;
    if !case.kinds.contains(&first.kind) {
        return Some(first);
    }
    later.iter().find(|fault| fault.kind != FaultKind::Transient && !case.kinds.contains(&fault.kind))
}

async fn delivery_places(s: &Subject, target: &TargetSuite) -> Vec<usize> {
    if delivered(s, target, &format!("places {}", target.name()), None).await.is_ok() { places(s) } else { Vec::new() }
}

/// Makes a whole delivery, with a fault.
async fn delivered(
    s: &Subject,
    target: &TargetSuite,
    scene: &str,
    injection: Option<Injection>,
) -> Result<Vec<Fault>, Fault> {
    s.enter(scene);
    let mut delivery = s.delivery(target, &s.id(scene), "1")?;
    delivery.patient = true;
    if let Some(injection) = injection {
        s.stand.inject(injection);
    }
    delivery.prepare().await?;
    let rows = target.members(0..target.rows);
    let outcomes = delivery.send_whole(&rows).await?;
    if let Some(refused) = outcomes.iter().find(|o| o.status == OutcomeStatus::Rejected) {
        let what = format!("a row was rejected: {} {}", refused.code, refused.message);
        return Err(Fault::new(FaultKind::Internal, "kit.rejected", what));
    }
    let end = delivery.finish().await?;
    let wanted = rows.len() - end.exceptions.len().min(rows.len());
    if let Some(members) = delivery.members().await?
        && members.len() != wanted
    {
        let what = format!("{} members are there, and {wanted} were delivered", members.len());
        return Err(Fault::new(FaultKind::Internal, "kit.members", what));
    }
    Ok(delivery.faults)
}

async fn deliver_with(s: &Subject, target: &TargetSuite, case: &Case, place: usize) -> Option<String> {
    let injection = Injection { times: case.times, ..Injection::once(case.fault.clone(), place) };
    let scene = format!("fault {place} {} {}", case.what, target.name());
    match delivered(s, target, &scene, Some(injection)).await {
        Ok(faults) => unexpected(case, &faults).map(ToString::to_string),
        Err(fault) if case.kinds.contains(&fault.kind) && !fault.kind.is_retried() => None,
        Err(fault) => Some(fault.to_string()),
    }
}

pub(super) async fn restraint(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    let refusal = Made::Answered(answer(&s.suite.answers.rate_limited));
    if s.plugin.is_source {
        for (stream, _) in or_end!(plains(s).await) {
            for place in reading_places(s, &stream).await {
                let Ok(keys) = s.keys(&stream).await else { continue };
                s.enter(&scene("read", &stream));
                s.stand.inject(Injection { times: usize::MAX, ..Injection::once(refusal.clone(), place) });
                let Ok(connection) = s.connection() else { continue };
                let _ = s.read(&connection, &stream, &keys, &How::default()).await;
                let asked = s.stand.requests().len();
                found.hold(asked <= place + 1, || {
                    format!("{} asks {} times more after a refusal for too many calls", stream.name, asked - place - 1)
                });
            }
        }
    }
    if s.plugin.is_destination {
        for target in &s.suite.targets {
            let places = delivery_places(s, target).await;
            for place in places {
                let scene = format!("restraint {place} {}", target.name());
                s.enter(&scene);
                let Ok(mut delivery) = s.delivery(target, &s.id(&scene), "1") else { continue };
                s.stand.inject(Injection { times: usize::MAX, ..Injection::once(refusal.clone(), place) });
                let rows = target.members(0..target.rows);
                let went = delivery.prepare().await.is_ok() && delivery.send_whole(&rows).await.is_ok();
                let _ = went && delivery.finish().await.is_ok();
                let asked = s.stand.requests().len();
                found.hold(asked <= place + 1, || {
                    format!(
                        "{} asks {} times more after a refusal for too many calls",
                        target.name(),
                        asked - place - 1
                    )
                });
            }
        }
    }
    found.note(format!("{} budgets are declared", s.spec().rates.len()));
    found.verdict("it asks no vendor while it reads or delivers")
}

/// Whether tokens are asked for with it in the suite's configuration: a role that it leaves empty is none.
fn gets_tokens(s: &Subject, method: &CredentialMethod) -> bool {
    let CredentialMethod::AwsSigv4 { role, .. } = method else { return method.endpoint().is_some() };
    role.as_ref().is_some_and(|role| {
        let key = role.arn.trim_start_matches('{').trim_end_matches('}');
        key == role.arn || s.public[key].as_str().is_some_and(|arn| !arn.is_empty())
    })
}

pub(super) async fn token_expiry(s: &Subject) -> Verdict {
    if !s.spec().credentials.iter().any(|credential| gets_tokens(s, &credential.method)) {
        return not_applicable("it has no credential whose tokens end");
    }
    let mut found = Findings::default();
    let expired = Made::Answered(answer(&s.suite.answers.token_expired));
    let tokens = |s: &Subject| s.stand.seen().iter().filter(|seen| seen.is_token).count();
    if s.plugin.is_source {
        for (stream, plain) in or_end!(plains(s).await) {
            for place in reading_places(s, &stream).await {
                let Ok(keys) = s.keys(&stream).await else { continue };
                s.enter(&scene("read", &stream));
                s.stand.inject(Injection::once(expired.clone(), place));
                let Ok(connection) = s.connection() else { continue };
                let how = How { patient: true, ..How::default() };
                let told = format!("{} with a token that ended at request {place}", stream.name);
                found.looked();
                match s.read(&connection, &stream, &keys, &how).await {
                    Ok(read) => {
                        difference(&plain.records(), &read.records())
                            .into_iter()
                            .for_each(|w| found.problem(format!("{told}: {w}")));
                        found.hold(tokens(s) >= 2, || format!("{told}: no new one was asked for"));
                    }
                    Err(fault) => found.problem(format!("{told}: {fault}")),
                }
            }
        }
    }
    if s.plugin.is_destination {
        for target in &s.suite.targets {
            for place in delivery_places(s, target).await {
                let scene = format!("expiry {place} {}", target.name());
                let told = format!("{} with a token that ended at request {place}", target.name());
                let went = delivered(s, target, &scene, Some(Injection::once(expired.clone(), place))).await;
                found.looked();
                match went {
                    Ok(_) => found.hold(tokens(s) >= 2, || format!("{told}: no new one was asked for")),
                    Err(fault) => found.problem(format!("{told}: {fault}")),
                }
            }
        }
    }
    found.verdict("it asks no vendor while it reads or delivers")
}

pub(super) async fn jobs(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    for job in &s.suite.jobs {
        for (n, failed) in job.failed.iter().enumerate() {
            let injection = Injection::once(Made::Answered(answer(failed)), 0).at(&job.status_path);
            found.looked();
            match &job.stream {
                Some(name) => {
                    let all = or_end!(plains(s).await);
                    let Some((stream, plain)) = all.iter().find(|(stream, _)| stream.name == *name) else {
                        found.problem(format!("the suite names a job of {name}, which is none of its streams"));
                        continue;
                    };
                    s.enter(&scene("read", stream));
                    s.stand.inject(injection);
                    let Ok(connection) = s.connection() else { continue };
                    let how = How { patient: true, ..How::default() };
                    let told = format!("{name} with a job that ended badly ({n})");
                    match s.read(&connection, stream, &[], &how).await {
                        Ok(read) => difference(&plain.records(), &read.records())
                            .into_iter()
                            .for_each(|what| found.problem(format!("{told}: {what}"))),
                        Err(fault) => judge_job(&mut found, &told, &fault),
                    }
                    let hit = s.stand.seen().iter().any(|seen| seen.is_faulty);
                    found.hold(hit, || format!("{name} never asks for {}", job.status_path));
                }
                None => {
                    let Some(target) = s.suite.targets.iter().find(|target| target.is_job) else {
                        found.problem("the suite names a job, and no target that is filled by one");
                        continue;
                    };
                    let told = format!("{} with a job that ended badly ({n})", target.name());
                    let scene = format!("job {n} {}", target.name());
                    let went = delivered(s, target, &scene, Some(injection)).await;
                    match went {
                        Err(fault) => judge_job(&mut found, &told, &fault),
                        Ok(_) => found.hold(!is_taken_for_done(s, &job.status_path), || {
                            format!("{told}: its rows are said to be done, and it never asked again")
                        }),
                    }
                }
            }
        }
    }
    found.verdict("the suite names no job at the vendor")
}

/// Whether a connector that was told of a failure neither looked at a job again nor wrote anything more: then what it says
/// of its rows rests on the job that failed. Whether it asks for its job at all is check 48.
fn is_taken_for_done(s: &Subject, status_path: &str) -> bool {
    let seen = s.stand.seen();
    let Some(told) = seen.iter().position(|seen| seen.is_faulty) else { return false };
    let mut later = seen.iter().skip(told + 1).filter(|seen| !seen.is_token).map(|seen| &seen.request);
    !later.any(|r| r.path().contains(status_path) || s.writes(&r.origin, &r.method, &r.target))
}

/// A job that failed may end the run, if it says what to do.
fn judge_job(found: &mut Findings, told: &str, fault: &Fault) {
    if is_ours(fault) || fault.kind == FaultKind::Internal {
        found.problem(format!("{told}: {fault}"));
    } else if fault.action.is_empty() && !fault.kind.is_retried() {
        found.problem(format!("{told}: {fault}, and not what to do"));
    }
}
