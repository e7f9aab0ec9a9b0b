//! Profile to destination row: an activation's mapping, compiled once.

use arrow_array::StringArray;
use attiva_core::config::{ActivationField, Segment};
use attiva_core::identity::Identity;
use attiva_core::ledger::{Row, Why};
use attiva_core::membership::MemberStatus;
use attiva_core::model::Layout;
use attiva_core::page::{Batch, Rows, column};
use attiva_core::ports::store::{OpenBatch, QueuedMember, SandboxStore};
use attiva_core::{DataType, Fault, FaultKind, Millis, Value};
use attiva_expr::{Program, Scope};
use std::sync::Arc;

/// Beside its fields: the keys of its records, which are who it is at the vendors that it came from.
const SOURCE_KEYS: &str = "source_keys";
/// What it is to the latest result of the segment.
const MEMBER_STATUS: &str = "member_status";
/// When it entered the segment.
const MEMBER_SINCE: &str = "member_since";

/// What an activation's mapping may name: the fields of what is sent, an operator's among them, and in the slots after them
/// its source keys and what it is to the segment. An operator's field of such a name goes before.
#[must_use]
pub fn mapping_scope(layout: &Layout) -> Scope {
    let fields = layout.fields().iter().map(|field| (field.name.clone().into_owned(), field.data_type));
    let beside =
        [(SOURCE_KEYS, DataType::TextList), (MEMBER_STATUS, DataType::Text), (MEMBER_SINCE, DataType::Timestamp)];
    let beside = beside.map(|(name, data_type)| (name.to_owned(), data_type));
    Scope::new().root(layout.entity().as_str(), fields.chain(beside))
}

/// The first field of a mapping that says what somebody is to the segment, by its place: of two segments it says two things.
#[must_use]
pub fn field_of_membership(mapping: &[ActivationField], layout: &Layout) -> Option<usize> {
    let scope = mapping_scope(layout);
    let is_of_membership = |field: &ActivationField| {
        let checked = attiva_expr::check(&field.expression, &scope);
        checked.is_ok_and(|checked| checked.slots().iter().any(|slot| *slot > layout.len()))
    };
    mapping.iter().position(is_of_membership)
}

/// The compiled mapping of an activation.
pub(crate) struct ExportMapping {
    layout: Arc<Layout>,
    fields: Vec<ExportField>,
    asks_for_source_keys: bool,
    asks_for_status: bool,
    asks_for_since: bool,
}

/// What is known of a member beside its profile, as far as the mapping asks for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside {
    source_keys: Vec<String>,
    /// None of those whom an expansion brings, who are no members.
    member: Option<(MemberStatus, Millis)>,
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
        let mut asks_for = [false; 3];
        for field in fields {
            if compiled.iter().any(|f: &ExportField| f.name == field.field) {
                problems.push(format!("{}: mapped twice", field.field));
                continue;
            }
            match attiva_expr::check(&field.expression, &scope) {
                Ok(checked) => {
                    for (n, asked) in asks_for.iter_mut().enumerate() {
                        *asked |= checked.slots().contains(&(layout.len() + n));
                    }
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
            let [asks_for_source_keys, asks_for_status, asks_for_since] = asks_for;
            return Ok(Self { layout, fields: compiled, asks_for_source_keys, asks_for_status, asks_for_since });
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

    /// Whether a row may change although no profile does: who was new is not any more.
    pub(crate) fn reads_the_clock(&self) -> bool {
        self.asks_for_status || self.fields.iter().any(|field| field.reads_the_clock)
    }

    /// What is known of each member that is wanted, by position.
    pub(crate) fn beside(
        &self,
        store: &dyn SandboxStore,
        segment: &Segment,
        members: &[QueuedMember],
        now: Millis,
    ) -> Result<Vec<Beside>, Fault> {
        let keys = self.source_keys(store, members)?;
        let mut beside: Vec<Beside> =
            keys.into_iter().map(|source_keys| Beside { source_keys, member: None }).collect();
        if self.asks_for_status || self.asks_for_since {
            let number = |member: &QueuedMember| member.profile.as_ref().map_or(0, |profile| profile.number);
            let numbers: Vec<i64> = members.iter().map(number).collect();
            for (one, since) in beside.iter_mut().zip(store.members_since(&segment.id, &numbers)?) {
                one.member = since.map(|since| (MemberStatus::of(segment, since, now), since));
            }
        }
        Ok(beside)
    }

    /// The source keys of each member that is wanted, by position, in order; none where the mapping asks for none.
    fn source_keys(&self, store: &dyn SandboxStore, members: &[QueuedMember]) -> Result<Vec<Vec<String>>, Fault> {
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

    /// A profile's row, or why it has none.
    pub(crate) fn row(&self, attributes: &[(String, Value)], beside: Beside, now: Millis) -> Result<Row, Why> {
        let Beside { source_keys, member } = beside;
        let mut whole = self.layout.row(attributes);
        whole.push(if source_keys.is_empty() { Value::Null } else { Value::TextList(source_keys) });
        whole.push(member.map_or(Value::Null, |(status, _)| Value::Text(status.as_str().to_owned())));
        whole.push(member.map_or(Value::Null, |(_, since)| Value::Timestamp(since)));
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
