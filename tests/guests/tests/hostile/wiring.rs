//! Connections as the engine calls them, a clock, and bytes that no other caller got.

use crate::world::Made;
use async_trait::async_trait;
use attiva_core::config::Connection;
use attiva_core::id::{DeliveryId, RunId};
use attiva_core::page::{CheckResult, Cursor, Page};
use attiva_core::ports::clock::{Chance, Clock};
use attiva_core::ports::connector::{Destination, PageLimits, Source, Stream, Usage};
use attiva_core::spec::{DeliverySpec, MappingSpec};
use attiva_core::{Fault, FaultKind};
use attiva_sync::Connectors;
use attiva_wasm::ReadRequest;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Connections by id.
#[derive(Default)]
pub(crate) struct Wiring(pub(crate) Mutex<HashMap<String, Made>>);

#[async_trait]
impl Connectors for Wiring {
    async fn source(&self, connection: &Connection, _: &str, _: &RunId) -> Result<Arc<dyn Source>, Fault> {
        Ok(Arc::new(self.0.lock().unwrap()[connection.id.as_str()].clone()))
    }

    async fn destination(
        &self,
        _: &Connection,
        _: &str,
        _: &DeliveryId,
    ) -> Result<(Arc<dyn Destination>, DeliverySpec), Fault> {
        Err(Fault::new(FaultKind::Unsupported, "test.delivery", "deliveries are called one by one"))
    }

    fn delivery(&self, _: &str) -> Result<DeliverySpec, Fault> {
        Err(Fault::new(FaultKind::Unsupported, "test.delivery", "deliveries are called one by one"))
    }

    fn mappings(&self, _: &str) -> Result<Vec<MappingSpec>, Fault> {
        Ok(Vec::new())
    }

    fn configuration_keys(&self, _: &str) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Source for Made {
    async fn check(&self) -> Result<Vec<CheckResult>, Fault> {
        self.plugin.check(&self.context).await
    }

    async fn discover(&self) -> Result<Vec<Stream>, Fault> {
        self.plugin.discover_streams(&self.context).await
    }

    async fn read(
        &self,
        stream: &str,
        fields: &[String],
        cursor: Option<&Cursor>,
        keys: &[String],
        limits: PageLimits,
    ) -> Result<(Page, Usage), Fault> {
        let request = ReadRequest {
            stream: stream.to_owned(),
            fields: fields.to_vec(),
            cursor: cursor.cloned(),
            keys: keys.to_vec(),
            max_rows: limits.max_rows,
            max_bytes: limits.max_bytes,
        };
        self.plugin.read(&self.context, &request).await
    }

    fn state_version(&self) -> Option<u32> {
        Some(self.plugin.spec.state_version)
    }

    async fn migrate(&self, cursor: &Cursor) -> Result<Cursor, Fault> {
        let bytes = self.plugin.migrate_state(cursor.state_version, &cursor.bytes).await?;
        Ok(Cursor { state_version: self.plugin.spec.state_version, bytes })
    }

    async fn clear_spool(&self, _: &str) -> Result<(), Fault> {
        Ok(())
    }
}

pub(crate) struct Wall;

impl Clock for Wall {
    fn now(&self) -> i64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        i64::try_from(now.as_millis()).unwrap()
    }
}

pub(crate) fn fresh() -> [u8; 6] {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::SeqCst).to_be_bytes();
    [0, n[3], n[4], n[5], n[6], n[7]]
}

pub(crate) struct Count;

impl Chance for Count {
    fn bytes(&self) -> [u8; 6] {
        fresh()
    }
}
