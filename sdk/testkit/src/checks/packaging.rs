//! Checks 1 to 5: what the component is, and what it takes.

use super::{or_end, plains};
use crate::report::{Findings, Verdict};
use crate::run::source::{How, difference, scene};
use crate::subject::Subject;
use attiva_core::Fault;

pub(super) async fn world(s: &Subject) -> Verdict {
    let (plugin, spec) = (&s.plugin, s.spec());
    let mut found = Findings::default();
    found.hold(plugin.is_destination == spec.delivery.is_some(), || {
        "`delivery` stands in the specification of a destination, and of nothing else".into()
    });
    found.hold(plugin.is_source || spec.mappings.is_empty(), || "mappings are of a source, and this is none".into());
    let asks = plugin.imports.iter().any(|import| import.contains("http"));
    found.hold(!asks || !spec.origins.is_empty(), || "it imports http, and declares no origin it could ask".into());
    found.hold(asks || spec.origins.is_empty(), || "it declares origins, and does not import http".into());
    found.note(format!("imports {}", plugin.imports.join(", ")));
    found.verdict("")
}

/// The calls that a host makes of every connection; what they left behind is looked at.
async fn exercise(s: &Subject) {
    // What fails here is the finding of another check.
    if let Ok(connection) = s.connection() {
        s.enter("check");
        let _ = s.plugin.check(&connection.context).await;
    }
    if s.plugin.is_source {
        let _ = plains(s).await;
    }
    if s.plugin.is_destination {
        let _ = s.objects().await;
        for target in &s.suite.targets {
            let _ = deliver(s, target).await;
        }
    }
}

async fn deliver(s: &Subject, target: &crate::suite::TargetSuite) -> Result<(), Fault> {
    let mut delivery = s.prepared(target, &format!("deliver {}", target.name())).await?;
    delivery.send(&target.members(0..target.rows)).await?;
    delivery.finish().await.map(|_| ())
}

pub(super) async fn egress(s: &Subject) -> Verdict {
    exercise(s).await;
    let mut found = Findings::default();
    for (scene, report) in s.evidence.reports() {
        found.looked();
        // To write where only reading is allowed is check 40.
        for denial in report.denials.iter().filter(|denial| denial.code != "egress.write") {
            found.problem(format!("{} in `{scene}`: {} ({})", report.function, denial.message, denial.code));
        }
    }
    for line in s.stand.unrecorded().iter().take(5) {
        found.note(format!("the recording has no answer to {line}"));
    }
    found.verdict("it was never called")
}

pub(super) async fn limits(s: &Subject) -> Verdict {
    exercise(s).await;
    let limits = s.plugin.limits();
    let (memory_max, cpu_max) = (limits.memory_bytes as u64 * 3 / 4, nanos(limits.cpu) / 2);
    let (mut memory, mut cpu) = (0, 0);
    let mut found = Findings::default();
    for (_, report) in s.evidence.reports() {
        found.looked();
        let usage = report.usage;
        (memory, cpu) = (memory.max(usage.peak_memory), cpu.max(usage.cpu_ns));
        if usage.peak_memory > memory_max {
            let of = limits.memory_bytes;
            found.problem(format!(
                "{} took {} bytes of memory, of {of} that there are",
                report.function, usage.peak_memory
            ));
        }
        if usage.cpu_ns > cpu_max {
            let of = limits.cpu.as_millis();
            let took = usage.cpu_ns / 1_000_000;
            found.problem(format!("{} took {took} ms of CPU time, of {of} that there are", report.function));
        }
    }
    found.note(format!("at most {} KiB of memory and {} us of CPU time in a call", memory / 1024, cpu / 1000));
    found.verdict("it was never called")
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) async fn determinism(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    if !s.plugin.is_source {
        return destination_determinism(s).await;
    }
    for (stream, plain) in or_end!(plains(s).await) {
        let keys = s.keys(&stream).await;
        s.enter(&scene("read", &stream));
        s.staged.reset(1);
        s.staged.pass(7);
        let again = match (keys, s.connection()) {
            (Ok(keys), Ok(connection)) => s.read(&connection, &stream, &keys, &How::default()).await,
            (Err(fault), _) | (_, Err(fault)) => Err(fault),
        };
        found.looked();
        match again {
            Ok(again) => difference(&plain.records(), &again.records())
                .into_iter()
                .for_each(|what| found.problem(format!("{}: with other random bytes {what}", stream.name))),
            Err(fault) => found.problem(format!("{}: with other random bytes {fault}", stream.name)),
        }
    }
    found.verdict("nothing was read")
}

async fn destination_determinism(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    let first = s.objects().await;
    s.enter("discover-targets");
    s.staged.reset(1);
    let second = match s.connection() {
        Ok(connection) => s.plugin.discover_targets(&connection.context).await,
        Err(fault) => Err(fault),
    };
    found.hold(first == second, || "with other random bytes other targets are discovered".into());
    found.verdict("")
}

pub(super) async fn size(s: &Subject) -> Verdict {
    let (bytes, most) = (s.component.len(), s.suite.budget.component_bytes);
    let mut found = Findings::default();
    found.hold(bytes <= most, || format!("the component has {bytes} bytes; its budget is {most}"));
    found.note(format!("{} KiB, admitted in {} ms", bytes / 1024, s.admission.as_millis()));
    found.verdict("")
}
