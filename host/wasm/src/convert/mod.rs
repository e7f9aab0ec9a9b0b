//! The contract's types to the core's and back. What comes from a guest is checked on the way; what is not as the
//! contract says becomes a fault that names it, never a panic.

mod batch;
mod page;

pub(crate) use batch::batch;
pub(crate) use page::page;

use crate::bindings::{destination, source, types};
use attiva_core::page::{CheckResult, Cursor, Outcome, OutcomeStatus, Warning};
use attiva_core::ports::connector::{self as ours, ColumnSpec, Stream};
use attiva_core::{DataType, Fault, FaultKind};

/// Guests' words end up in logs, stores and answers: they are cut to what a person reads.
const TEXT_CHARS_MAX: usize = 2_000;
const CODE_CHARS_MAX: usize = 100;
const MEMBER_ID_BYTES_MAX: usize = 256;

pub(crate) fn fault_from_guest(fault: types::Fault) -> Fault {
    let kind = match fault.kind {
        types::FaultKind::Config => FaultKind::Config,
        types::FaultKind::Auth => FaultKind::Auth,
        types::FaultKind::Scope => FaultKind::Scope,
        types::FaultKind::RateLimited => FaultKind::RateLimited,
        types::FaultKind::Quota => FaultKind::Quota,
        types::FaultKind::Transient => FaultKind::Transient,
        types::FaultKind::Data => FaultKind::Data,
        types::FaultKind::Unsupported => FaultKind::Unsupported,
        types::FaultKind::Internal => FaultKind::Internal,
    };
    Fault {
        kind,
        code: cut(fault.code, CODE_CHARS_MAX),
        message: cut(fault.message, TEXT_CHARS_MAX),
        action: cut(fault.action, TEXT_CHARS_MAX),
        retry_after_ms: fault.retry_after_ms,
        field: fault.field.map(|field| cut(field, CODE_CHARS_MAX)),
    }
}

pub(crate) fn fault_to_guest(fault: Fault) -> types::Fault {
    let kind = match fault.kind {
        FaultKind::Config => types::FaultKind::Config,
        FaultKind::Auth => types::FaultKind::Auth,
        FaultKind::Scope => types::FaultKind::Scope,
        FaultKind::RateLimited => types::FaultKind::RateLimited,
        FaultKind::Quota => types::FaultKind::Quota,
        FaultKind::Transient => types::FaultKind::Transient,
        FaultKind::Data => types::FaultKind::Data,
        FaultKind::Unsupported => types::FaultKind::Unsupported,
        FaultKind::Internal => types::FaultKind::Internal,
    };
    let Fault { code, message, action, retry_after_ms, field, .. } = fault;
    types::Fault { kind, code, message, action, retry_after_ms, field }
}

pub(crate) fn check_result(result: types::CheckResult) -> CheckResult {
    CheckResult {
        name: cut(result.name, CODE_CHARS_MAX),
        title: cut(result.title, TEXT_CHARS_MAX),
        fault: result.fault.map(fault_from_guest),
        skipped: result.skipped.map(|why| cut(why, TEXT_CHARS_MAX)),
    }
}

pub(crate) fn warning(warning: types::Warning) -> Warning {
    Warning { code: cut(warning.code, CODE_CHARS_MAX), message: cut(warning.message, TEXT_CHARS_MAX) }
}

pub(crate) fn cursor_to_guest(cursor: &Cursor) -> types::Cursor {
    types::Cursor { state_version: cursor.state_version, bytes: cursor.bytes.clone() }
}

pub(crate) fn stream_spec(stream: source::Stream) -> Stream {
    let column = |column: source::ColumnSpec| ColumnSpec {
        name: column.name,
        data_type: data_type(column.data_type),
        nullable: column.nullable,
        label: column.label,
    };
    Stream {
        name: stream.name,
        title: stream.title,
        columns: stream.columns.into_iter().map(column).collect(),
        key: stream.key,
        cursor_column: stream.cursor_column,
        deletes: stream.deletes,
        keyed_by: stream.keyed_by,
        suggested: stream.suggested,
    }
}

pub(crate) fn target_object(object: destination::TargetObject) -> Result<ours::TargetObject, Fault> {
    let field = |field: destination::FieldSpec| ours::FieldSpec {
        name: field.name,
        data_type: data_type(field.data_type),
        required: field.required,
        matching_key: field.matching_key,
        read_only_because: field.read_only_because,
        label: field.label,
    };
    let unusable = |why: String| {
        let what = format!("the options schema of {} cannot be used: {why}", object.name);
        Fault::new(FaultKind::Internal, "discover.options-schema", what)
            .action("Report this to the connector's publisher.")
    };
    let schema = serde_json::from_str(&object.options_schema).map_err(|e| unusable(e.to_string()))?;
    crate::configuration::compile(&schema).map_err(unusable)?;
    Ok(ours::TargetObject {
        name: object.name,
        title: object.title,
        fields: object.fields.into_iter().map(field).collect(),
        open_fields: object.open_fields,
        options_schema: schema,
    })
}

pub(crate) fn target(target: &ours::Target) -> destination::Target {
    destination::Target {
        id: target.id.clone(),
        object: target.object.clone(),
        name: target.name.clone(),
        options: target.options.to_string(),
    }
}

pub(crate) fn run(run: &ours::DeliveryRun) -> destination::Run {
    destination::Run {
        id: run.id.clone(),
        started_ms: u64::try_from(run.started_at).unwrap_or(0),
        rows_expected: run.rows_expected,
        columns: run.columns.iter().map(|(name, kind)| (name.clone(), data_type_to_guest(*kind))).collect(),
    }
}

/// # Errors
/// `deliver.member-id`: cut, it would name somebody else.
pub(crate) fn outcome(outcome: destination::Outcome) -> Result<Outcome, Fault> {
    if let Some(id) = outcome.member_id.as_ref().filter(|id| id.len() > MEMBER_ID_BYTES_MAX) {
        let what = format!("a member's id has {} bytes; at most {MEMBER_ID_BYTES_MAX} are kept", id.len());
        return Err(Fault::new(FaultKind::Internal, "deliver.member-id", what)
            .action("Report this to the connector's publisher."));
    }
    Ok(Outcome {
        status: outcome_status(outcome.status),
        code: cut(outcome.code, CODE_CHARS_MAX),
        field: outcome.field.map(|field| cut(field, CODE_CHARS_MAX)),
        message: cut(outcome.message, TEXT_CHARS_MAX),
        member_id: outcome.member_id.filter(|id| !id.is_empty()),
    })
}

pub(crate) fn outcome_status(status: destination::OutcomeStatus) -> OutcomeStatus {
    match status {
        destination::OutcomeStatus::Created => OutcomeStatus::Created,
        destination::OutcomeStatus::Updated => OutcomeStatus::Updated,
        destination::OutcomeStatus::Removed => OutcomeStatus::Removed,
        destination::OutcomeStatus::Unchanged => OutcomeStatus::Unchanged,
        destination::OutcomeStatus::Unmatched => OutcomeStatus::Unmatched,
        destination::OutcomeStatus::Rejected => OutcomeStatus::Rejected,
        destination::OutcomeStatus::Pending => OutcomeStatus::Pending,
    }
}

pub(crate) fn artifact(artifact: destination::Artifact) -> ours::Artifact {
    let destination::Artifact { name, rows, bytes, sha256 } = artifact;
    ours::Artifact { name, rows, bytes, sha256 }
}

pub(crate) fn erase_result(result: destination::EraseResult) -> crate::destination::EraseResult {
    let status = match result.status {
        destination::EraseStatus::Removed => crate::destination::EraseStatus::Removed,
        destination::EraseStatus::NotFound => crate::destination::EraseStatus::NotFound,
        destination::EraseStatus::Cannot => crate::destination::EraseStatus::Cannot,
    };
    crate::destination::EraseResult { status, message: cut(result.message, TEXT_CHARS_MAX) }
}

fn data_type(data_type: types::DataType) -> DataType {
    match data_type {
        types::DataType::Boolean => DataType::Boolean,
        types::DataType::Integer => DataType::Integer,
        types::DataType::Decimal => DataType::Decimal,
        types::DataType::Float => DataType::Float,
        types::DataType::Text => DataType::Text,
        types::DataType::Bytes => DataType::Bytes,
        types::DataType::Date => DataType::Date,
        types::DataType::Timestamp => DataType::Timestamp,
        types::DataType::TextList => DataType::TextList,
        types::DataType::Json => DataType::Json,
    }
}

fn data_type_to_guest(data_type: DataType) -> types::DataType {
    match data_type {
        DataType::Boolean => types::DataType::Boolean,
        DataType::Integer => types::DataType::Integer,
        DataType::Decimal => types::DataType::Decimal,
        DataType::Float => types::DataType::Float,
        DataType::Text => types::DataType::Text,
        DataType::Bytes => types::DataType::Bytes,
        DataType::Date => types::DataType::Date,
        DataType::Timestamp => types::DataType::Timestamp,
        DataType::TextList => types::DataType::TextList,
        DataType::Json => types::DataType::Json,
    }
}

fn cut(text: String, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => text.get(..at).unwrap_or_default().to_owned(),
        None => text,
    }
}
