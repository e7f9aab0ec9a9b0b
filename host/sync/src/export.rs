//! Profile to destination row: an activation's mapping, compiled once.

use arrow_array::StringArray;
use attiva_core::config::ActivationField;
use attiva_core::identity::Identity;
use attiva_core::ledger::{Row, Why};
use attiva_core::model::Layout;
use attiva_core::page::{Batch, Rows, column};
use attiva_core::ports::store::{OpenBatch, QueuedMember, SandboxStore};
use attiva_core::{DataType, Fault, FaultKind, Millis, Value};
use attiva_expr::{Program, Scope};
use std::sync::Arc;

/// Beside its fields: the keys of its records, which are who it is at the vendors that it came from.
const SOURCE_KEYS: &str = "source_keys";

/// What an activation's mapping may name: the fields of what is sent, an operator's among them, and its source keys, in the
/// slot after the fields. An operator's field of that name goes before.
#[must_use]
pub fn mapping_scope(layout: &Layout) -> Scope {
    let fields = layout.fields().iter().map(|field| (field.name.clone().into_owned(), field.data_type));
    Scope::new().root(layout.entity().as_str(), fields.chain([(SOURCE_KEYS.to_owned(), DataType::TextList)]))
}

/// The compiled mapping of an activation.
pub(crate) struct ExportMapping {
    layout: Arc<Layout>,
    fields: Vec<ExportField>,
    asks_for_source_keys: bool,
}

struct ExportField {
    name: String,
    data_type: DataType,
    required: bool,
    expression: String,
    reads_the_clock: bool,
    program: Program,
}

impl ExportMapping {
    /// Compiles every field over what is sent; all problems are told at once.
    pub(crate) fn compile(fields: &[ActivationField], layout: Arc<Layout>) -> Result<Self, Fault> {
        let scope = mapping_scope(&layout);
        let mut compiled = Vec::with_capacity(fields.len());
        let mut problems = Vec::new();
        let mut asks_for_source_keys = false;
        for field in fields {
            if compiled.iter().any(|f: &ExportField| f.name == field.field) {
                problems.push(format!("{}: mapped twice", field.field));
                continue;
            }
            match attiva_expr::check(&field.expression, &scope) {
                Ok(checked) => {
                    asks_for_source_keys |= checked.slots().contains(&layout.len());
                    compiled.push(ExportField {
                        name: field.field.clone(),
                        data_type: checked.data_type(),
                        required: field.required,
                        expression: field.expression.clone(),
                        reads_the_clock: checked.root().depends_on_now(),
                        program: checked.compile(),
                    });
                }
                Err(found) => problems.extend(found.iter().map(|p| format!("{}: {p}", field.field))),
            }
        }
        if fields.is_empty() {
            problems.push("map at least one field".into());
        }
        if problems.is_empty() {
            return Ok(Self { layout, fields: compiled, asks_for_source_keys });
        }
        Err(Fault::new(FaultKind::Config, "activation.mapping", problems.join("; ")).field("mapping"))
    }

    pub(crate) fn columns(&self) -> Vec<(String, DataType)> {
        self.fields.iter().map(|f| (f.name.clone(), f.data_type)).collect()
    }

    /// Changes when rows are made in another way.
    pub(crate) fn fingerprint(&self) -> String {
        self.fields
            .iter()
            .map(|f| format!("{}={}{}\n", f.name, f.expression, if f.required { "!" } else { "" }))
            .collect()
    }

    /// Whether a row may change although no profile does.
    pub(crate) fn reads_the_clock(&self) -> bool {
        self.fields.iter().any(|field| field.reads_the_clock)
    }

    /// The source keys of each member that is wanted, by position, in order; none where the mapping asks for none.
    pub(crate) fn source_keys(
        &self,
        store: &dyn SandboxStore,
        members: &[QueuedMember],
    ) -> Result<Vec<Vec<String>>, Fault> {
        let mut keys = vec![Vec::new(); members.len()];
        if !self.asks_for_source_keys {
            return Ok(keys);
        }
        let (mut places, mut records) = (Vec::new(), Vec::new());
        for (i, member) in members.iter().enumerate() {
            let Some(profile) = member.profile.as_ref().filter(|_| member.wanted) else { continue };
            for record in store.records_of(&profile.id)? {
                places.push(i);
                records.push(record);
            }
        }
        for (i, names) in places.into_iter().zip(store.identities_of(&records)?) {
            let names = names.into_iter().filter(|name| name.namespace == Identity::SOURCE_KEY).map(|name| name.value);
            if let Some(keys) = keys.get_mut(i) {
                keys.extend(names);
            }
        }
        for keys in &mut keys {
            keys.sort_unstable();
            keys.dedup();
        }
        Ok(keys)
    }

    /// A profile's row, or why it has none. `source_keys`: as above.
    pub(crate) fn row(
        &self,
        attributes: &[(String, Value)],
        source_keys: Vec<String>,
        now: Millis,
    ) -> Result<Row, Why> {
        let mut whole = self.layout.row(attributes);
        whole.push(if source_keys.is_empty() { Value::Null } else { Value::TextList(source_keys) });
        let mut row = Row::new();
        for field in &self.fields {
            let value = field
                .program
                .evaluate(&whole, now)
                .map_err(|fault| Why::excluded("mapping.failed", Some(&field.name), fault.to_string()))?;
            if !value.is_null() {
                row.insert(field.name.clone(), value);
            } else if field.required {
                return Err(Why::excluded("field.missing", Some(&field.name), "a required field has no value"));
            }
        }
        Ok(row)
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
            operations: open.rows.iter().map(|row| row.operation).collect(),
            member_ids: open.rows.iter().map(|row| row.member_id.clone()).collect(),
            rows: Rows { len: open.rows.len(), columns: columns.collect() },
        }
    }
}
