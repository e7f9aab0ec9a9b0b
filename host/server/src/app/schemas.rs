//! How the streams of connections have changed at their vendors, and who approves of that.

use super::keys::Caller;
use super::refusal::Result;
use super::sandbox::Sandbox;
use attiva_core::config::Connection;
use attiva_core::drift::SchemaState;
use serde_json::json;

impl Sandbox {
    /// A connection, and how its streams have changed.
    pub fn schema_changes(&self, connection: &str) -> Result<(Connection, SchemaState)> {
        let connection = self.connection(connection)?.value;
        let state = self.engine.schema_state(&connection.id)?;
        Ok((connection, state))
    }

    /// Takes over what waits for approval; without streams, all of it. The next run reads the streams as they are now.
    ///
    /// # Errors
    /// `schema.nothing-pending`.
    pub async fn approve_schema(
        &self,
        caller: &Caller,
        connection: &str,
        streams: &[String],
    ) -> Result<(Connection, SchemaState)> {
        let (connection, before) = self.schema_changes(connection)?;
        let state = self.engine.approve_schema(&connection.id, streams, caller.key.as_str()).await?;
        let waits = |stream: &String| state.pending.contains_key(stream);
        let approved: Vec<&String> = before.pending.keys().filter(|stream| !waits(stream)).collect();
        self.tell(caller, "connection.schema-approved", connection.id.as_str(), json!({ "streams": approved })).await?;
        Ok((connection, state))
    }
}
