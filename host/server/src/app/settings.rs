//! What of the host's configuration is the application's.

use attiva_core::retention::Kept;
use attiva_core::tables::TableTimes;
use std::path::PathBuf;

/// Bounds that an operator may set, and where a key is that the operator supplies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Nothing is read from vendors while less is left on the data directory's disk.
    pub disk_free_bytes_min: u64,
    /// The last exchanges with its vendor that are kept of each connection; 0: none.
    pub exchanges_kept: usize,
    /// How long what has ended is kept.
    pub kept: Kept,
    /// When open tables are taken; `None`: none are kept.
    pub tables: Option<TableTimes>,
    /// Memory of all plugins at work together, and of those of one organisation.
    pub plugin_memory_bytes: usize,
    pub organisation_memory_bytes: usize,
    /// Bytes of a plugin's component.
    pub plugin_bytes: usize,
    /// The only domains that plugins reach; `None`: those that each declares, as approved.
    pub egress_domains: Option<Vec<String>>,
    /// Connections to vendors that are open at once: of all plugins, and of one plugin for one organisation.
    pub connections: u32,
    pub plugin_connections: u32,
    /// Instances of plugins that are kept in a pool; 0: each call makes its own.
    pub plugin_pool: u32,
    /// Keys that secrets are sealed with; `None`: the host keeps one of its own.
    pub seal_key_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            disk_free_bytes_min: 0,
            exchanges_kept: 50,
            kept: Kept::default(),
            tables: Some(TableTimes::default()),
            plugin_memory_bytes: 2 << 30,
            organisation_memory_bytes: 1 << 30,
            plugin_bytes: 32 << 20,
            egress_domains: None,
            connections: 512,
            plugin_connections: 64,
            plugin_pool: 0,
            seal_key_file: None,
        }
    }
}
