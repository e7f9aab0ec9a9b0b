//! Open tables: how often they are taken, and how long a cut can be read after the next.

use super::layer::{ConfigError, wrong};
use attiva_core::Millis;
use attiva_core::tables::TableTimes;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TablesLayer {
    every_seconds: Option<u32>,
    kept_minutes: Option<u32>,
}

/// A month: what a reader needs longer it should copy.
const KEPT_MINUTES_MAX: u32 = 30 * 24 * 60;

impl TablesLayer {
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            every_seconds: self.every_seconds.or(other.every_seconds),
            kept_minutes: self.kept_minutes.or(other.kept_minutes),
        }
    }

    /// `None`: no tables are kept.
    pub(super) fn finish(self) -> Result<Option<TableTimes>, ConfigError> {
        let default = TableTimes::default();
        let every_ms = self.every_seconds.map_or(default.every_ms, |seconds| Millis::from(seconds) * 1_000);
        let kept_ms = self.kept_minutes.map_or(default.kept_ms, |minutes| Millis::from(minutes) * 60_000);
        if every_ms > TableTimes::EVERY_MS_MAX {
            let most = TableTimes::EVERY_MS_MAX / 1_000;
            return Err(wrong("tables.every_seconds", format!("must be at most {most}; 0 keeps no tables")));
        }
        if self.kept_minutes.is_some_and(|minutes| minutes > KEPT_MINUTES_MAX) {
            return Err(wrong("tables.kept_minutes", format!("must be at most {KEPT_MINUTES_MAX}")));
        }
        Ok(Some(TableTimes { every_ms, kept_ms }).filter(|times| times.every_ms > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Flags};
    use attiva_core::tables::TableTimes;

    fn tables(set: &[&str]) -> Result<Option<TableTimes>, String> {
        let flags = Flags { set: set.iter().map(|s| (*s).to_owned()).collect(), ..Flags::default() };
        Config::resolve(&flags, [], None).map(|config| config.tables).map_err(|error| error.to_string())
    }

    #[test]
    fn tables_are_minutes_behind_unless_somebody_says_otherwise() {
        let (every_ms, kept_ms) = (300_000, 3_600_000);
        assert_eq!(tables(&[]), Ok(Some(TableTimes { every_ms, kept_ms })));
        assert_eq!(tables(&["tables.every_seconds=7"]), Ok(Some(TableTimes { every_ms: 7_000, kept_ms })));
        assert_eq!(tables(&["tables.kept_minutes=0"]), Ok(Some(TableTimes { every_ms, kept_ms: 0 })));
        assert_eq!(tables(&["tables.every_seconds=0"]), Ok(None));
        for bad in ["tables.every_seconds=3601", "tables.kept_minutes=43201", "tables.every=1"] {
            assert!(tables(&[bad]).unwrap_err().contains(bad.split('=').next().unwrap()), "{bad}");
        }
    }
}
