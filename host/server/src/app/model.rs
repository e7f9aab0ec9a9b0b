//! The model of a sandbox: what Attiva knows, and what its operator added.

use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use attiva_core::model::Schema;
use attiva_core::model::custom::{Custom, ModelProblem};
use attiva_core::ports::store::Expect;
use attiva_sync::Unpublished;

impl Sandbox {
    /// The whole model: entities, fields with the values they may have, relations.
    pub fn model_schema(&self) -> Result<Versioned<Schema>> {
        let (custom, version) = self.engine.model()?;
        let schema = Schema::new(&custom);
        let value = schema.map_err(|problems| Refusal::internal(format!("a model that cannot be: {problems:?}")))?;
        Ok(Versioned { value, version })
    }

    /// What was added to the model.
    pub fn custom_model(&self) -> Result<Versioned<Custom>> {
        let (value, version) = self.engine.model()?;
        Ok(Versioned { value, version })
    }

    /// Publishes what is added to the model, as a whole; returns it, and how many streams are looked at again.
    /// `custom.version` is that of what it was made of; it gets the next.
    ///
    /// # Errors
    /// `model.invalid` with each problem and its place; `store.version-mismatch`.
    pub async fn publish_model(
        &self,
        caller: &Caller,
        custom: Custom,
        expect: Expect,
    ) -> Result<(Versioned<Custom>, u64)> {
        let published = self.engine.publish_model(custom, expect).await.map_err(refused)?;
        let detail = serde_json::json!({ "version": published.custom.version, "streams": published.streams });
        self.tell(caller, "model.published", "model", detail).await?;
        Ok((Versioned { value: published.custom, version: published.version }, published.streams))
    }
}

fn refused(unpublished: Unpublished<ModelProblem>) -> Refusal {
    match unpublished {
        Unpublished::Fault(fault) => fault.into(),
        Unpublished::Problems(problems) => {
            let fields = problems.into_iter().map(|p| FieldProblem::new(pointer(&p.path), p.problem));
            Refusal::invalid("model.invalid", "the model cannot be published", fields.collect())
        }
    }
}

/// `entities[0].fields[1]` as a JSON pointer.
fn pointer(path: &str) -> String {
    let path = path.replace('[', ".").replace(']', "");
    path.split('.').fold(String::new(), |pointer, part| format!("{pointer}/{part}"))
}
