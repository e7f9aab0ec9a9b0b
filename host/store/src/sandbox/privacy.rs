//! What is kept about somebody: found, removed, taken out of what else says it.

mod erase;
mod export;
mod footprint;
mod sweep;

use super::{Sandbox, entities};
use crate::failure::{Outcome, known};
use async_trait::async_trait;
use attiva_core::Millis;
use attiva_core::id::{DeliveryId, PrivacyId};
use attiva_core::identity::Identity;
use attiva_core::model::EntityName;
use attiva_core::ports::privacy::{Footprint, PrivacyStore};
use attiva_core::ports::store::Result;
use attiva_core::privacy::{Counts, Left, Mentions, Subject};
use rusqlite::{Connection, params};

#[async_trait]
impl PrivacyStore for Sandbox {
    fn footprint(&self, of: &[Subject]) -> Result<Footprint> {
        self.database.read(|connection| footprint::find(connection, of))
    }

    fn export(&self, footprint: &Footprint) -> Result<serde_json::Value> {
        self.database.read(|connection| export::export(connection, footprint))
    }

    async fn erase(&self, request: &PrivacyId, footprint: Footprint, now: Millis) -> Result<Counts> {
        let request = request.clone();
        self.database.write(move |connection| erase::erase(connection, &request, &footprint, now)).await
    }

    async fn sweep(&self, of: Mentions) -> Result<(Counts, Vec<Left>)> {
        // Read aside, so that the writer is not held up; what comes meanwhile is sifted at the door.
        let found = self.database.read(|connection| sweep::find(connection, &of))?;
        let left = found.left.clone();
        let counts = self.database.write(move |connection| sweep::take_out(connection, &found, &of)).await?;
        Ok((counts, left))
    }

    fn on_their_way(&self, request: &PrivacyId) -> Result<Vec<DeliveryId>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT DISTINCT d.id FROM erased e JOIN item i ON i.profile = e.profile
                   JOIN delivery d ON d.number = i.delivery
                 WHERE e.request = ?1 AND d.open_batch IS NOT NULL AND i.position >= json_extract(d.open_batch, '$.first')
                   AND i.position < json_extract(d.open_batch, '$.first') + json_extract(d.open_batch, '$.taken')",
            )?;
            let mut rows = statement.query([request.as_str()])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let id: String = row.get(0)?;
                found.push(known(DeliveryId::parse(&id), "a delivery's id")?);
            }
            Ok(found)
        })
    }

    fn erased_by(&self) -> Result<Vec<PrivacyId>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT request FROM erasure ORDER BY request")?;
            let mut rows = statement.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let id: String = row.get(0)?;
                found.push(known(PrivacyId::parse(&id), "a request's id")?);
            }
            Ok(found)
        })
    }

    async fn note_erased(&self, requests: Vec<PrivacyId>, now: Millis) -> Result<()> {
        let work = move |connection: &Connection| {
            for request in &requests {
                connection
                    .prepare_cached("INSERT OR IGNORE INTO erasure (request, at, counts) VALUES (?1, ?2, '{}')")?
                    .execute(params![request.as_str(), now])?;
            }
            Ok(())
        };
        self.database.write(work).await
    }

    fn everybody(&self, each: &mut dyn FnMut(Subject)) -> Result<()> {
        self.database.read(|connection| names(connection, each))
    }

    async fn empty_log(&self) -> Result<bool> {
        self.database.empty_log().await
    }

    async fn rewrite(&self) -> Result<()> {
        self.database.rewrite().await
    }
}

fn names(connection: &Connection, each: &mut dyn FnMut(Subject)) -> Outcome<()> {
    // The own space of a stream without a mapping is no entity's: what it has is looked at as a person's.
    let entity = |name: &str| EntityName::parse(name).unwrap_or(EntityName::PERSON);
    let mut keys =
        connection.prepare("SELECT e.name, r.source_key FROM record r JOIN entity e ON e.number = r.entity")?;
    let mut rows = keys.query([])?;
    while let Some(row) = rows.next()? {
        let (name, key): (String, String) = (row.get(0)?, row.get(1)?);
        each(Subject { entity: entity(&name), identity: Identity::source_key(&key) });
    }
    let mut others = connection.prepare(
        "SELECT e.name, n.name, i.value FROM identity i JOIN namespace n ON n.number = i.namespace
           JOIN entity e ON e.number = n.entity
         UNION SELECT e.name, n.name, s.value FROM event_subject s JOIN namespace n ON n.number = s.namespace
           JOIN entity e ON e.number = n.entity
         UNION SELECT 'person', namespace, value FROM consent UNION SELECT 'person', namespace, value FROM suppression",
    )?;
    let mut rows = others.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let identity = Identity { namespace: row.get(1)?, value: row.get(2)? };
        each(Subject { entity: entity(&name), identity });
    }
    Ok(())
}

/// The entity's number, if anything of it was ever stored.
fn number(connection: &Connection, entity: &EntityName) -> Outcome<Option<i64>> {
    entities::find(connection, entity)
}
