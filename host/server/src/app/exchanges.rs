//! The last exchanges of each connection with its vendor, as they went over the wire: without credentials, and with
//! secrets taken out. Bounded in number, size and age; kept in files beside the connection's spools, and gone with it.

use super::files::Spools;
use super::refusal::{Refusal, Result};
use attiva_store::{read, write_atomic};
use attiva_wasm::{CallReport, Exchanged};
use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

/// What is older is neither kept nor shown.
const AGE_MS_MAX: u64 = 7 * 86_400_000;

/// One exchange, and the call it was made in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeLine {
    pub plugin: String,
    pub function: String,
    #[serde(flatten)]
    pub exchanged: Exchanged,
}

/// Those of one connection.
#[derive(Clone)]
pub struct Exchanges {
    spools: Spools,
    name: String,
    most: usize,
}

/// Tells apart what was exchanged in the same millisecond.
static NEXT: AtomicU64 = AtomicU64::new(0);

impl Exchanges {
    pub(super) fn new(spools: Spools, connection: &str, most: usize) -> Self {
        Self { spools, name: Spools::of_exchanges(connection), most }
    }

    /// Keeps what a call exchanged, a moment later. Losing it to a kill loses nothing that matters.
    pub(super) fn keep(&self, plugin: &str, report: &CallReport) {
        if report.exchanges.is_empty() || self.most == 0 {
            return;
        }
        let line = |exchanged: &Exchanged| ExchangeLine {
            plugin: plugin.to_owned(),
            function: report.function.to_owned(),
            exchanged: exchanged.clone(),
        };
        let lines: Vec<ExchangeLine> = report.exchanges.iter().map(line).collect();
        let exchanges = self.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(refusal) = exchanges.write(&lines) {
                tracing::warn!("exchanges with a vendor could not be kept: {refusal}");
            }
        });
    }

    fn write(&self, lines: &[ExchangeLine]) -> Result<()> {
        let folder = self.spools.open(&self.name)?;
        for line in lines {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let body = serde_json::to_vec(line).map_err(|e| Refusal::internal(e.to_string()))?;
            // Zeros in front: names are in the order of time.
            write_atomic(&folder, &format!("{:015}-{number:08}.json", line.exchanged.at_ms), &body)?;
        }
        let names = names(&folder)?;
        let oldest = lines.last().map_or(0, |line| line.exchanged.at_ms).saturating_sub(AGE_MS_MAX);
        let too_many = names.len().saturating_sub(self.most);
        for (i, name) in names.iter().enumerate() {
            if i < too_many || at_ms(name) < oldest {
                folder.remove_file(name).map_err(|e| failed(&e))?;
            }
        }
        Ok(())
    }

    /// Those kept, the newest first; only those in which a text stands, if one is given.
    pub(super) fn list(&self, now_ms: u64, containing: Option<&str>) -> Result<Vec<ExchangeLine>> {
        let folder = self.spools.open(&self.name)?;
        let mut lines = Vec::new();
        for name in names(&folder)?.iter().rev().filter(|name| at_ms(name) >= now_ms.saturating_sub(AGE_MS_MAX)) {
            // One that has just been removed, or that a power cut left without its end, is none.
            let line = read(&folder, name)?.and_then(|bytes| serde_json::from_slice::<ExchangeLine>(&bytes).ok());
            lines.extend(line.filter(|line| containing.is_none_or(|text| holds(&line.exchanged, text))));
        }
        Ok(lines)
    }
}

fn holds(exchanged: &Exchanged, text: &str) -> bool {
    let Exchanged { path, request_body, response_body, .. } = exchanged;
    [path, &request_body.text, &response_body.text].into_iter().any(|place| place.contains(text))
}

fn names(folder: &Dir) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in folder.entries().map_err(|e| failed(&e))? {
        let name = entry.map_err(|e| failed(&e))?.file_name();
        names.extend(name.to_str().filter(|name| name.ends_with(".json")).map(str::to_owned));
    }
    names.sort_unstable();
    Ok(names)
}

fn at_ms(name: &str) -> u64 {
    name.split('-').next().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn failed(error: &std::io::Error) -> Refusal {
    attiva_core::ports::store::StoreError::Io(format!("exchanges: {error}")).into()
}
