//! A sandbox without vendors.

use async_trait::async_trait;
use attiva_core::config::Connection;
use attiva_core::id::{DeliveryId, RunId};
use attiva_core::ports::connector::{Destination, Source};
use attiva_core::spec::{DeliverySpec, MappingSpec};
use attiva_core::{Fault, FaultKind};
use attiva_sync::Connectors;
use std::sync::Arc;

/// Records are sent, and nothing is read or delivered.
pub struct Nobody;

fn nobody() -> Fault {
    Fault::new(FaultKind::Unsupported, "nobody", "nothing is connected")
}

#[async_trait]
impl Connectors for Nobody {
    async fn source(&self, _: &Connection, _: &str, _: &RunId) -> Result<Arc<dyn Source>, Fault> {
        Err(nobody())
    }

    async fn destination(
        &self,
        _: &Connection,
        _: &str,
        _: &DeliveryId,
    ) -> Result<(Arc<dyn Destination>, DeliverySpec), Fault> {
        Err(nobody())
    }

    fn delivery(&self, _: &str) -> Result<DeliverySpec, Fault> {
        Err(nobody())
    }

    fn mappings(&self, _: &str) -> Result<Vec<MappingSpec>, Fault> {
        Ok(Vec::new())
    }

    fn configuration_keys(&self, _: &str) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }
}
