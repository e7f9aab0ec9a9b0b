//! Whether there is room on the disk for more to be read.

use crate::guardrail::{Guardrails, Verdict};
use crate::{Fault, FaultKind};
use schemars::JsonSchema;
use serde::Serialize;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DiskUse {
    /// What the sandbox takes.
    pub used_bytes: u64,
    /// What is left on its disk; `None`: not known.
    pub free_bytes: Option<u64>,
    /// What has to stay free there for what is no reading: answers, deliveries, the host itself. 0: nothing.
    pub free_bytes_min: u64,
}

/// The code of a pause for want of room.
pub const WATERMARK: &str = "disk.watermark";

/// Whether another page may be read.
///
/// # Errors
/// `disk.watermark`, of kind quota: what is over, and who frees room how. Reading goes on by itself then.
pub fn may_read(disk: &DiskUse, limits: &Guardrails) -> Result<(), Fault> {
    let pause = |message: String, action: &str| {
        let action = format!("{action} What was read is kept, and reading goes on by itself.");
        Err(Fault::new(FaultKind::Quota, WATERMARK, message).action(action))
    };
    if let Verdict::Over(_, reason) = limits.check("sandbox.disk_bytes", disk.used_bytes) {
        return pause(
            reason,
            "Have an operator raise sandbox.disk_bytes for this sandbox, or remove what it does not need.",
        );
    }
    if let Some(free) = disk.free_bytes.filter(|free| *free < disk.free_bytes_min) {
        let least = disk.free_bytes_min;
        let message = format!("the host's disk has {free} bytes left, and {least} stay free (limits.disk_free_bytes)");
        return pause(message, "Free space on the disk of the data directory.");
    }
    Ok(())
}

/// What should be known before reading pauses.
#[must_use]
pub fn warning(disk: &DiskUse, limits: &Guardrails) -> Option<String> {
    match limits.check("sandbox.disk_bytes", disk.used_bytes) {
        Verdict::Warn(reason) => Some(reason),
        Verdict::Within | Verdict::Over(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_pauses_over_either_mark() {
        let limits =
            Guardrails::new(&serde_json::from_str(r#"{"sandbox.disk_bytes": {"max": 100}}"#).unwrap()).unwrap();
        let disk = |used_bytes, free_bytes, free_bytes_min| DiskUse { used_bytes, free_bytes, free_bytes_min };
        for (at, code) in [
            (disk(100, Some(50), 50), None),
            (disk(100, None, 50), None),
            (disk(100, Some(0), 0), None),
            (disk(101, Some(50), 50), Some("sandbox.disk_bytes")),
            (disk(100, Some(49), 50), Some("limits.disk_free_bytes")),
        ] {
            let found = may_read(&at, &limits);
            assert_eq!(found.is_err(), code.is_some(), "{at:?}");
            let (Err(fault), Some(named)) = (found, code) else { continue };
            assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Quota, WATERMARK));
            assert!(fault.message.contains(named) && fault.action.contains("goes on by itself"), "{fault:?}");
        }
        let none = Guardrails::new(&serde_json::from_str(r#"{"sandbox.disk_bytes": {"max": 0}}"#).unwrap()).unwrap();
        assert_eq!(may_read(&disk(u64::MAX, None, 0), &none), Ok(()));
    }
    #[test]
    fn a_disk_that_fills_is_warned_of_until_reading_pauses() {
        let set = r#"{"sandbox.disk_bytes": {"warn_at": 80, "max": 100}}"#;
        let limits = Guardrails::new(&serde_json::from_str(set).unwrap()).unwrap();
        let told = |used_bytes| warning(&DiskUse { used_bytes, free_bytes: None, free_bytes_min: 0 }, &limits);
        assert_eq!(told(80), None);
        assert!(told(81).is_some_and(|reason| reason.contains("81, advised are 80 (sandbox.disk_bytes)")));
        assert_eq!(told(101), None, "the fault says it");
    }
}
