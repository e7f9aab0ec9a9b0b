//! Connectors that are all the fake vendor.

use super::Vendor;
use async_trait::async_trait;
use attiva_core::Fault;
use attiva_core::backfill::WindowSpec;
use attiva_core::config::Connection;
use attiva_core::id::{DeliveryId, RunId};
use attiva_core::page::Cursor;
use attiva_core::ports::connector::{Destination, Source};
use attiva_core::spec::{DeliveryClass, DeliveryMode, DeliverySpec, MappingSpec};
use attiva_sync::Connectors;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub struct Wiring(pub Arc<Vendor>);

#[async_trait]
impl Connectors for Wiring {
    async fn source(&self, _: &Connection, _: &str, _: &RunId) -> Result<Arc<dyn Source>, Fault> {
        Ok(Arc::clone(&self.0) as Arc<dyn Source>)
    }

    async fn destination(
        &self,
        _: &Connection,
        _: &str,
        _: &DeliveryId,
    ) -> Result<(Arc<dyn Destination>, DeliverySpec), Fault> {
        Ok((Arc::clone(&self.0) as Arc<dyn Destination>, self.delivery("")?))
    }

    async fn source_beside(&self, connection: &Connection, _: &str, _: &RunId) -> Result<Arc<dyn Source>, Fault> {
        self.0.calls.lock().unwrap().push(format!("beside {}", connection.configuration));
        Ok(Arc::clone(&self.0) as Arc<dyn Source>)
    }

    fn window(&self, _: &str) -> Result<Option<WindowSpec>, Fault> {
        Ok(Some(WindowSpec { from: "first".into(), to: "last".into(), streams: vec!["persons".into()] }))
    }

    async fn let_go_beside(&self, _: &Connection, stream: &str, cursor: &Cursor) {
        let at = String::from_utf8_lossy(&cursor.bytes).into_owned();
        self.0.calls.lock().unwrap().push(format!("let go {stream} {at}"));
    }

    fn delivery(&self, _: &str) -> Result<DeliverySpec, Fault> {
        let class = self.0.class.lock().unwrap().unwrap_or(DeliveryClass::EffectivelyOnce);
        Ok(DeliverySpec {
            class,
            mode: if self.0.keeps_members.load(Ordering::SeqCst) {
                DeliveryMode::Records
            } else {
                DeliveryMode::Snapshot
            },
            batch_rows: 2,
            fields_max: None,
            members: std::collections::BTreeMap::new(),
            transient_codes: vec![],
            read_back: *self.0.read_back.lock().unwrap(),
            at_once: self.0.at_once.lock().unwrap().clone(),
            request_timeout_ms: 300,
        })
    }

    fn mappings(&self, _: &str) -> Result<Vec<MappingSpec>, Fault> {
        let fields = [("email", "record.mail"), ("job_title", "record.title")];
        let fields = fields.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Ok(vec![MappingSpec { stream: "persons".into(), entity: "person".into(), fields }])
    }

    fn configuration_keys(&self, _: &str) -> Result<Vec<String>, Fault> {
        Ok(vec![])
    }
}
