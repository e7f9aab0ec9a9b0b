//! Mappings of a connection's streams: those that its connector ships, and those that are published in their place.

use super::keys::Caller;
use super::refusal::{FieldProblem, Place, Refusal, Result};
use super::sandbox::Sandbox;
use attiva_core::id::ConnectionId;
use attiva_core::ports::store::{Expect, FieldError};
use attiva_core::spec::MappingSpec;
use attiva_sync::{MappingPreview, MappingProblem, MappingState, Unpublished};

impl Sandbox {
    /// Every stream that the connection's last run found, with its mapping.
    pub fn mappings(&self, connection: &str) -> Result<Vec<(String, MappingState)>> {
        Ok(self.engine.mappings(&self.connection_id(connection)?)?)
    }

    /// A stream's mapping as it holds.
    ///
    /// # Errors
    /// `stream.missing` for a stream that no run has found.
    pub fn mapping(&self, connection: &str, stream: &str) -> Result<MappingState> {
        Ok(self.engine.mapping(&self.connection_id(connection)?, stream)?)
    }

    /// What a mapping would make of stored records; nothing is changed.
    ///
    /// # Errors
    /// `mapping.invalid` with each problem, its field and place.
    pub async fn preview_mapping(
        &self,
        connection: &str,
        spec: MappingSpec,
        records_max: usize,
    ) -> Result<MappingPreview> {
        let connection = self.connection_id(connection)?;
        self.engine.preview_mapping(&connection, spec, records_max).await.map_err(refused)
    }

    /// Publishes a mapping: the stream's stored records are mapped anew, and nothing is fetched.
    ///
    /// # Errors
    /// As for a preview; `store.version-mismatch`.
    pub async fn publish_mapping(
        &self,
        caller: &Caller,
        connection: &str,
        spec: MappingSpec,
        expect: Expect,
    ) -> Result<MappingState> {
        let connection = self.connection_id(connection)?;
        let stream = spec.stream.clone();
        let state = self.engine.publish_mapping(&connection, spec, expect).await.map_err(refused)?;
        let detail = serde_json::json!({ "stream": stream, "version": state.version });
        self.tell(caller, "mapping.published", connection.as_str(), detail).await?;
        Ok(state)
    }

    /// Goes back to the mapping that the connector ships.
    ///
    /// # Errors
    /// As for a preview; `store.version-mismatch`.
    pub async fn restore_mapping(
        &self,
        caller: &Caller,
        connection: &str,
        stream: &str,
        expect: Expect,
    ) -> Result<MappingState> {
        let connection = self.connection_id(connection)?;
        let state = self.engine.restore_mapping(&connection, stream, expect).await.map_err(refused)?;
        let detail = serde_json::json!({ "stream": stream });
        self.tell(caller, "mapping.restored", connection.as_str(), detail).await?;
        Ok(state)
    }

    /// Fields that mappings left empty, by stream and field.
    pub fn mapping_errors(&self, connection: &str) -> Result<Vec<FieldError>> {
        Ok(self.engine.mapping_errors(&self.connection_id(connection)?)?)
    }

    fn connection_id(&self, connection: &str) -> Result<ConnectionId> {
        Ok(self.connection(connection)?.value.id)
    }
}

fn refused(unpublished: Unpublished<MappingProblem>) -> Refusal {
    match unpublished {
        Unpublished::Fault(fault) => fault.into(),
        Unpublished::Problems(problems) => {
            let fields = problems.into_iter().map(field_problem).collect();
            Refusal::invalid("mapping.invalid", "the mapping cannot be used", fields)
        }
    }
}

/// As it is shown with the mapping, too.
pub fn field_problem(problem: MappingProblem) -> FieldProblem {
    let MappingProblem { field, code, message, place, suggestion } = problem;
    let pointer = if field.is_empty() { "/entity".into() } else { format!("/fields/{}", escaped(&field)) };
    FieldProblem {
        code: Some(code.to_owned()),
        place: place.map(|(line, column)| Place { line, column }),
        suggestion,
        ..FieldProblem::new(pointer, message)
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
