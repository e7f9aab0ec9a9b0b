//! What a monitor asks for: where the host stands, read when it is asked. Nothing is counted here: connections' sums are
//! kept already, and survive a restart.

use super::App;
use super::freshness::Of;
use super::keys::Caller;
use super::oversight::Conduct;
use super::refusal::Result;
use super::tables::TableFigures;
use attiva_core::access::Scope;
use attiva_core::freshness::Freshness;
use attiva_core::key::Instance;
use attiva_core::quota::Shown;
use attiva_core::readback::Counts;
use attiva_wasm::Held;
use std::collections::BTreeMap;

/// Where one sandbox stands.
pub struct SandboxFigures {
    pub organisation: String,
    pub sandbox: String,
    /// Changes that a projector has still to follow, by projector.
    pub waiting: [(&'static str, u64); 2],
    /// Bytes of its data.
    pub disk_bytes: u64,
    /// How many members of targets are not as acknowledged, by activation, as of its newest reading.
    pub drift: BTreeMap<String, Counts>,
    /// By connection.
    pub connections: BTreeMap<String, Conduct>,
    /// `None`: no open tables are kept.
    pub tables: Option<TableFigures>,
    /// Of streams and of activations.
    pub freshness: Vec<(Of, Freshness)>,
}

/// Where the host stands.
pub struct HostFigures {
    pub sandboxes: Vec<SandboxFigures>,
    /// Budgets of vendors' instances that are used.
    pub quotas: Vec<(Instance, Shown)>,
    /// What plugins at work hold of the machine.
    pub held: Held,
}

impl App {
    /// The host, and all open sandboxes in order.
    ///
    /// # Errors
    /// `key.scope`. An error of the store.
    pub fn figures(&self, caller: &Caller) -> Result<HostFigures> {
        caller.must(Scope::HostRead)?;
        let (sandboxes, quotas) = (self.sandbox_figures()?, self.all_quotas()?);
        Ok(HostFigures { sandboxes, quotas, held: self.plugins().held() })
    }

    fn sandbox_figures(&self) -> Result<Vec<SandboxFigures>> {
        let mut all = Vec::new();
        for sandbox in self.open_sandboxes() {
            let projection = sandbox.engine().projection()?;
            all.push(SandboxFigures {
                organisation: sandbox.entry().organisation.to_string(),
                sandbox: sandbox.entry().name.clone(),
                waiting: [
                    ("profiles", projection.newest_record_seq.saturating_sub(projection.profiles_upto)),
                    ("segments", projection.newest_profile_seq.saturating_sub(projection.segments_upto)),
                ],
                disk_bytes: sandbox.connectors.disk.used()?,
                drift: sandbox.drift_counts()?,
                connections: sandbox.conducts()?.into_iter().collect(),
                tables: sandbox.table_figures(),
                freshness: sandbox.freshness()?,
            });
        }
        all.sort_by(|a, b| (&a.organisation, &a.sandbox).cmp(&(&b.organisation, &b.sandbox)));
        Ok(all)
    }
}
