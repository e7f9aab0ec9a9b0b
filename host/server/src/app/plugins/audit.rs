//! Looks again at all that is installed, as if it came now: is the file what was installed, is the signature good, is
//! its publisher still trusted.

use super::{Plugins, Ready};
use crate::app::refusal::Result;
use attiva_core::plugin::trust::{Publisher, lost};
use attiva_wasm::is_good;

/// What was found about one installed version.
pub struct Audited {
    pub ready: Ready,
    /// Empty: it would be taken again.
    pub problems: Vec<Problem>,
}

/// Something that would keep a version out if it came now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// As in the refusal it would get: `plugin.file`, `plugin.signature`, `plugin.untrusted`.
    pub code: String,
    pub message: String,
    pub action: String,
}

impl Plugins {
    /// Every installed version. Reads every component's file: not often, and not on a runtime thread.
    pub fn audit(&self) -> Result<Vec<Audited>> {
        let publishers = self.publishers()?;
        Ok(self.list().into_iter().map(|ready| self.audit_one(ready, &publishers)).collect())
    }

    fn audit_one(&self, ready: Ready, publishers: &[Publisher]) -> Audited {
        let mut problems = Vec::new();
        let installed = &ready.installed;
        let mut found = |code: &str, message: String, action: &str| {
            problems.push(Problem { code: code.to_owned(), message, action: action.to_owned() });
        };
        if let Err(refusal) = self.files.read(&installed.digest) {
            found(&refusal.fault.code, refusal.fault.message, &refusal.fault.action);
        }
        if let Some(signed) = &installed.signed {
            let covers = signed.statement.digest == installed.digest;
            if !covers || !is_good(signed) {
                let message = format!("the signature that is kept of {} is not good", installed.id);
                found("plugin.signature", message, "Somebody changed the host's records: install it again.");
            }
        }
        let name = &ready.plugin.spec.name;
        if let Some(distrust) = lost(&installed.provenance, name, &self.trust(publishers)) {
            let fault = distrust.fault();
            found(&fault.code, fault.message, "Disable or uninstall it, or trust its publisher again.");
        }
        Audited { ready, problems }
    }
}
