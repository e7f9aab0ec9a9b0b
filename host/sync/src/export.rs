//! Profile to destination row: an activation's mapping, compiled once.

use crate::mapping::person_row;
use arrow_array::StringArray;
use attiva_core::config::ActivationField;
use attiva_core::page::{Batch, Operation, Rows, column};
use attiva_core::ports::store::{ItemOutcome, ItemStatus, OpenBatch, OpenRow, QueuedMember};
use attiva_core::{DataType, Fault, FaultKind, Millis, Value};
use attiva_expr::Program;

/// The compiled mapping of an activation.
pub(crate) struct ExportMapping {
    fields: Vec<ExportField>,
}

struct ExportField {
    name: String,
    data_type: DataType,
    required: bool,
    program: Program,
}

impl ExportMapping {
    /// Compiles every field; all problems are told at once.
    pub(crate) fn compile(fields: &[ActivationField]) -> Result<Self, Fault> {
        let scope = attiva_segments::person_scope();
        let mut compiled = Vec::with_capacity(fields.len());
        let mut problems = Vec::new();
        for field in fields {
            if compiled.iter().any(|f: &ExportField| f.name == field.field) {
                problems.push(format!("{}: mapped twice", field.field));
                continue;
            }
            match attiva_expr::check(&field.expression, &scope) {
                Ok(checked) => compiled.push(ExportField {
                    name: field.field.clone(),
                    data_type: checked.data_type(),
                    required: field.required,
                    program: checked.compile(),
                }),
                Err(found) => problems.extend(found.iter().map(|p| format!("{}: {p}", field.field))),
            }
        }
        if fields.is_empty() {
            problems.push("map at least one field".into());
        }
        if problems.is_empty() {
            return Ok(Self { fields: compiled });
        }
        Err(Fault::new(FaultKind::Config, "activation.mapping", problems.join("; ")).field("mapping"))
    }

    pub(crate) fn columns(&self) -> Vec<(String, DataType)> {
        self.fields.iter().map(|f| (f.name.clone(), f.data_type)).collect()
    }

    /// Rows to send, and the outcomes of those who are not sent.
    pub(crate) fn map(&self, members: Vec<QueuedMember>, now: Millis) -> (Vec<OpenRow>, Vec<ItemOutcome>) {
        let (mut rows, mut excluded) = (Vec::with_capacity(members.len()), Vec::new());
        for member in members {
            let Some(profile) = &member.profile else {
                excluded.push(exclude(member.position, "profile.gone", None, "the profile is no more"));
                continue;
            };
            match self.row(&person_row(&profile.attributes), now) {
                Ok(values) => rows.push(OpenRow {
                    position: member.position,
                    profile: member.profile_id,
                    values,
                    member_id: member.member_id,
                }),
                Err((code, field, message)) => excluded.push(exclude(member.position, code, Some(field), &message)),
            }
        }
        (rows, excluded)
    }

    fn row(&self, person: &[Value], now: Millis) -> Result<Vec<Value>, (&'static str, &str, String)> {
        let mut values = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let value = field
                .program
                .evaluate(person, now)
                .map_err(|fault| ("mapping.failed", field.name.as_str(), fault.to_string()))?;
            if field.required && value.is_null() {
                return Err(("field.missing", &field.name, "a required field has no value".into()));
            }
            values.push(value);
        }
        Ok(values)
    }

    /// A batch as a destination takes it.
    pub(crate) fn batch(open: &OpenBatch) -> Batch {
        let columns = open.columns.iter().enumerate().map(|(i, (name, data_type))| {
            let values: Vec<Value> =
                open.rows.iter().map(|row| row.values.get(i).cloned().unwrap_or(Value::Null)).collect();
            column(name, *data_type, &values)
        });
        Batch {
            number: open.number,
            keys: open.rows.iter().map(|r| Some(r.profile.as_str())).collect::<StringArray>(),
            operations: vec![Operation::Upsert; open.rows.len()],
            member_ids: open.rows.iter().map(|row| row.member_id.clone()).collect(),
            rows: Rows { len: open.rows.len(), columns: columns.collect() },
        }
    }
}

fn exclude(position: u64, code: &str, field: Option<&str>, message: &str) -> ItemOutcome {
    ItemOutcome {
        position,
        status: ItemStatus::Excluded,
        code: code.to_owned(),
        field: field.map(ToOwned::to_owned),
        message: message.to_owned(),
        member_id: None,
    }
}
