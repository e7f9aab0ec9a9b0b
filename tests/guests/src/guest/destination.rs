//! The destination: takes what it is given and tells of it, or does not.

use super::bindings::attiva::connector::types::{CheckResult, DataType, Warning};
use super::bindings::exports::attiva::connector::destination::{
    Artifact, Batch, Delivered, DeliveryState, EraseResult, EraseStatus, Fault, FieldSpec, Finished,
    Guest as Destination, Member, MemberPage, Outcome, OutcomeStatus, Prepared, Run, Target, TargetObject,
};
use super::config::Config;
use super::read::send;
use super::{Guest, fault};

impl Destination for Guest {
    fn check(config: String) -> Vec<CheckResult> {
        let fault = Config::parse(&config).and_then(|config| send(&config)).err();
        vec![CheckResult { name: "writing".into(), title: "It may write".into(), fault, skipped: None }]
    }

    fn discover(config: String) -> Result<Vec<TargetObject>, Fault> {
        let wrong = Config::parse(&config)?.behaviour == "options-schema";
        let options_schema = if wrong {
            r#"{"$ref": "https://example.com/schema"}"#.to_owned()
        } else {
            r#"{"type": "object", "properties": {"header": {"type": "boolean"}}}"#.to_owned()
        };
        let field = FieldSpec {
            name: "email".into(),
            data_type: DataType::Text,
            required: true,
            matching_key: true,
            read_only_because: None,
            label: "E-mail".into(),
        };
        Ok(vec![TargetObject {
            name: "file".into(),
            title: "File".into(),
            fields: vec![field],
            open_fields: true,
            options_schema,
        }])
    }

    fn prepare(config: String, target: Target, run: Run, dry_run: bool) -> Result<Prepared, Fault> {
        let config = Config::parse(&config)?;
        let note = format!("{} {} {} {} {} {dry_run}", target.id, target.object, target.name, target.options, run.id);
        let size = if config.behaviour == "state" { 65_537 } else { 3 };
        Ok(Prepared { state: vec![7; size], notes: vec![note], wait_ms: Some(70) })
    }

    fn deliver(
        config: String,
        _target: Target,
        _run: Run,
        state: DeliveryState,
        batch: Batch,
    ) -> Result<Delivered, Fault> {
        let config = Config::parse(&config)?;
        let outcome = |row: usize| Outcome {
            status: if row % 2 == 0 { OutcomeStatus::Created } else { OutcomeStatus::Pending },
            code: format!("{row}"),
            field: None,
            message: format!("{batch:?}"),
            member_id: (row != 1).then(|| "v".repeat(if config.behaviour == "member-id" { 257 } else { 3 + row })),
        };
        let rows = batch.rows as usize;
        let given = match config.behaviour.as_str() {
            "few-outcomes" => rows - 1,
            "many-outcomes" => rows + 1,
            "trap-in-delivery" => core::arch::wasm32::unreachable(),
            _ => rows,
        };
        Ok(Delivered {
            state: state.into_iter().map(|byte| byte + 1).collect(),
            outcomes: (0..given).map(outcome).collect(),
        })
    }

    fn finish(_config: String, _target: Target, _run: Run, state: DeliveryState) -> Result<Finished, Fault> {
        let rejected = Outcome {
            status: OutcomeStatus::Rejected,
            code: "x".into(),
            field: Some("email".into()),
            message: String::new(),
            member_id: None,
        };
        Ok(Finished {
            state,
            pending_become: OutcomeStatus::Created,
            exceptions: vec![("key-1".into(), rejected)],
            artifacts: vec![Artifact { name: "s3://a/b".into(), rows: Some(2), bytes: None, sha256: None }],
            warnings: vec![Warning { code: "w".into(), message: "a word".into() }],
            wait_ms: None,
        })
    }

    fn abort(_config: String, _target: Target, _run: Run, _state: DeliveryState) -> Result<(), Fault> {
        Ok(())
    }

    fn poll(_config: String, _target: Target, _run: Run, state: DeliveryState) -> Result<Finished, Fault> {
        Ok(Finished {
            state,
            pending_become: OutcomeStatus::Pending,
            exceptions: Vec::new(),
            artifacts: Vec::new(),
            warnings: Vec::new(),
            wait_ms: Some(50),
        })
    }

    fn members(_config: String, _target: Target, after: Option<Vec<u8>>) -> Result<MemberPage, Fault> {
        let identifiers = vec![("email".to_owned(), "a@example.com".to_owned())];
        let next = if after.is_none() { Some(vec![1]) } else { None };
        Ok(MemberPage { members: vec![Member { identifiers }], next })
    }

    fn erase(_config: String, _target: Target, identifiers: Vec<(String, String)>) -> Result<EraseResult, Fault> {
        Ok(EraseResult { status: EraseStatus::Removed, message: format!("{identifiers:?}") })
    }

    fn retire(_config: String, _target: Target) -> Result<(), Fault> {
        Err(fault("guest.retire", "nothing was created"))
    }
}
