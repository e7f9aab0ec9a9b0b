//! Activations: an audience joined to a destination.

use super::activation_schedules::check_export;
use super::expressions;
use super::keys::Caller;
use super::name;
use super::recipients::{check_taken, unnamed_use};
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use super::stamp::Stamp;
use attiva_core::activation::{ActivationSchedule, Export};
use attiva_core::config::{Activation, ActivationField, AudienceEntity, Connection, Segment, TargetSettings};
use attiva_core::consent::Use;
use attiva_core::expansion::Expansion;
use attiva_core::id::ActivationId;
use attiva_core::ports::connector::TargetObject;
use attiva_core::ports::store::{Expect, Kind};
use attiva_core::readback::ReadbackSetting;
use attiva_core::spec::DeliveryMode;
use attiva_core::{DataType, Fault, FaultKind};
use attiva_sync::Connectors;
use serde_json::json;

/// What an activation is made of.
#[derive(Debug, Clone)]
pub struct NewActivation {
    pub name: String,
    pub segment: String,
    /// Which people of an audience of accounts.
    pub expansion: Option<Expansion>,
    pub connection: String,
    pub target: TargetSettings,
    pub mapping: Vec<ActivationField>,
    pub schedule: Option<ActivationSchedule>,
    /// Of a file: whether it holds everybody or what has changed; `None`: everybody.
    pub export: Option<Export>,
    pub removals_max_percent: Option<u8>,
    pub consent: Option<Use>,
    pub readback: Option<ReadbackSetting>,
}

/// A new activation, and what could not be checked.
#[derive(Debug, Clone)]
pub struct CreatedActivation {
    pub activation: Versioned<Activation>,
    pub warnings: Vec<String>,
}

impl Sandbox {
    /// Makes an activation. The destination is asked what it takes; where it cannot be reached just now, that part is
    /// left to the first delivery, with a warning.
    ///
    /// # Errors
    /// `activation.mapping`, `activation.target`, `activation.target-taken`, `activation.consent`, `activation.expansion`, `activation.schedule`,
    /// `activation.export`, `activation.readback`, `activation.usage` with each field at fault;
    /// `activation.entity`, `segment.missing`, `connection.missing`, `plugin.no-destination`.
    pub async fn create_activation(
        &self,
        caller: &Caller,
        stamp: Stamp,
        new: NewActivation,
    ) -> Result<CreatedActivation> {
        let id = stamp.id(ActivationId::new);
        let made = match self.find(Kind::Activation, id.as_str())? {
            Some(activation) => CreatedActivation { activation, warnings: Vec::new() },
            None => self.make_activation(id, new).await?,
        };
        let Activation { id, segment, connection, .. } = &made.activation.value;
        let detail = json!({ "segment": segment, "connection": connection });
        self.tell_once(caller, "activation.created", id.as_str(), detail).await?;
        Ok(made)
    }

    async fn make_activation(&self, id: ActivationId, mut new: NewActivation) -> Result<CreatedActivation> {
        let name = name::checked("/name", &new.name)?.to_owned();
        // One name is one target, whatever white space stands around it.
        new.target.name = name::checked("/target/name", &new.target.name)?.to_owned();
        check_removals(new.removals_max_percent)?;
        let segment = self.segment(&new.segment)?.value;
        let connection = self.connection(&new.connection)?.value;
        self.check_expansion(&segment, new.expansion.as_ref())?;
        let sent = if new.expansion.is_some() { AudienceEntity::Person } else { segment.entity };
        let types = expressions::check_mapping("/mapping", &self.mapping_scope(sent)?, &new.mapping)?;
        self.check_use_of(sent, new.consent.as_ref())?;
        let unnamed = unnamed_use(sent, new.consent.as_ref());
        if new.target.options.is_null() {
            new.target.options = json!({});
        }
        self.check_readback("/readback", new.readback.as_ref(), &connection.plugin)?;
        let mut warnings = self.check_activation(&connection.id, new.mapping.len())?;
        let unasked = self.check_target(&connection, &segment, &new, &types).await?;
        let could_be_asked = unasked.is_empty();
        warnings.extend(unasked);
        let activation = Activation {
            id: id.clone(),
            name,
            segment: segment.id,
            expansion: new.expansion,
            connection: connection.id.clone(),
            target: new.target,
            mapping: new.mapping,
            schedule: new.schedule,
            export: new.export.unwrap_or_default(),
            paused: false,
            retired: false,
            removals_max_percent: new.removals_max_percent,
            consent: new.consent,
            readback: new.readback,
            created_at: self.now(),
        };
        if could_be_asked {
            warnings.extend(self.preflight(&activation, &connection).await?);
        }
        warnings.extend(unnamed);
        // The connection may have been removed while its destination was asked.
        let _alone = self.connections_change.lock().await;
        let connection = self.connection(connection.id.as_str())?.value;
        self.check_shared_target(&activation, sent, &connection)?;
        self.check_usage(&activation)?;
        self.take_target(&activation, &connection).await?;
        match self.put(Kind::Activation, id.as_str(), &activation, Expect::Absent).await {
            Ok(version) => Ok(CreatedActivation { activation: Versioned { value: activation, version }, warnings }),
            Err(refusal) => {
                // Else no other sandbox could fill the target until the next start.
                self.let_target_go(&activation.target_key(&connection.instance)).await?;
                Err(refusal)
            }
        }
    }

    /// Asks a destination whose targets keep their members whether it would take this one: it looks at more than can be
    /// declared. Where it cannot be asked, its first delivery will tell.
    async fn preflight(&self, activation: &Activation, connection: &Connection) -> Result<Vec<String>> {
        if self.connectors.delivery(&connection.plugin)?.mode == DeliveryMode::Snapshot {
            return Ok(Vec::new());
        }
        match self.engine.preflight(activation).await {
            Ok(()) => Ok(Vec::new()),
            Err(fault) if matches!(fault.kind, FaultKind::Config | FaultKind::Data | FaultKind::Unsupported) => {
                Err(refused_by(fault, &activation.mapping))
            }
            Err(fault) => Ok(vec![format!("the destination could not be asked to prepare: {}", fault.message)]),
        }
    }

    pub fn activation(&self, id: &str) -> Result<Versioned<Activation>> {
        self.get(Kind::Activation, "activation", id)
    }

    /// In the order they were made, after `after`.
    pub fn activations(&self, after: Option<&str>, limit: usize) -> Result<Vec<Activation>> {
        self.list(Kind::Activation, after, limit, |_| true)
    }

    async fn check_target(
        &self,
        connection: &Connection,
        segment: &Segment,
        new: &NewActivation,
        types: &[DataType],
    ) -> Result<Vec<String>> {
        let NewActivation { target, mapping, expansion, .. } = new;
        if !self.plugins.resolve(&connection.plugin)?.plugin.is_destination {
            let message = format!("{} is no destination", connection.plugin);
            return Err(Fault::new(FaultKind::Config, "plugin.no-destination", message).field("/connection").into());
        }
        let spec = self.connectors.delivery(&connection.plugin)?;
        let mode = check_export(new.export, spec.mode)?.mode(spec.mode);
        let schedule = new.schedule.as_ref();
        self.check_activation_schedule("/schedule", schedule, segment, mode, expansion.is_some())?;
        let taken = || check_taken(&connection.plugin, &spec, target, segment, expansion.as_ref());
        if let Some(max) = spec.fields_max
            && mapping.len() > max as usize
        {
            let problem = format!("{} fields are mapped; {} takes {max} at most", mapping.len(), connection.plugin);
            let fields = vec![FieldProblem::new("/mapping", problem)];
            return Err(Refusal::invalid("activation.target", "the destination does not take this", fields));
        }
        let objects = match self.connectors.discover(connection).await {
            Ok(discovered) => discovered.objects,
            Err(refusal) if passes(refusal.fault.kind) => {
                taken()?;
                return Ok(vec![format!(
                    "the destination could not be asked what it takes: {}",
                    refusal.fault.message
                )]);
            }
            Err(refusal) => return Err(refusal),
        };
        let problems = match objects.iter().find(|o| o.name == target.object) {
            Some(object) => {
                taken()?;
                target_problems(object, target, mapping, types)
            }
            None => {
                let known: Vec<&str> = objects.iter().map(|o| o.name.as_str()).collect();
                vec![FieldProblem::new("/target/object", format!("must be one of {}", known.join(", ")))]
            }
        };
        if problems.is_empty() {
            return Ok(Vec::new());
        }
        Err(Refusal::invalid("activation.target", "the destination does not take this", problems))
    }
}

/// Above a hundred, nothing would ever ask.
fn check_removals(percent: Option<u8>) -> Result<()> {
    if percent.is_none_or(|percent| percent <= 100) {
        return Ok(());
    }
    let fields = vec![FieldProblem::new("/removals_max_percent", "must be a share of the members, from 0 to 100")];
    Err(Refusal::invalid("request.invalid", "the share of removals is no share", fields))
}

/// What a destination says to a mapping, by the field that it names.
fn refused_by(fault: Fault, mapping: &[ActivationField]) -> Refusal {
    let named = |mapped: &ActivationField| Some(&mapped.field) == fault.field.as_ref();
    let field = mapping.iter().position(named).map_or("/mapping".to_owned(), |i| format!("/mapping/{i}/field"));
    let mut refused = FieldProblem::new(field, fault.message);
    refused.code = Some(fault.code);
    let mut refusal = Refusal::invalid("activation.target", "the destination does not take this", vec![refused]);
    refusal.fault.action = fault.action;
    refusal
}

/// Whether the destination may well answer later.
fn passes(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Transient | FaultKind::RateLimited | FaultKind::Quota)
}

fn target_problems(
    object: &TargetObject,
    target: &TargetSettings,
    mapping: &[ActivationField],
    types: &[DataType],
) -> Vec<FieldProblem> {
    let mut problems: Vec<FieldProblem> = attiva_wasm::validate_against(&object.options_schema, &target.options)
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(|p| FieldProblem::new(format!("/target/options{}", p.path), p.problem))
        .collect();
    for (i, mapped) in mapping.iter().enumerate() {
        let at = format!("/mapping/{i}/field");
        match object.fields.iter().find(|f| f.name == mapped.field) {
            Some(field) => {
                let read_only = field.read_only_because.as_ref();
                problems.extend(read_only.map(|why| FieldProblem::new(&at, format!("cannot be written: {why}"))));
                let many = types.get(i).copied().filter(|of| is_many(*of) && *of != field.data_type);
                problems.extend(many.map(|_| {
                    let problem = format!("is a list or an object, and `{}` takes a single value", field.name);
                    FieldProblem::new(format!("/mapping/{i}/expression"), problem)
                }));
            }
            None if object.open_fields => {}
            None => problems.push(FieldProblem::new(&at, format!("{} has no such field", object.title))),
        }
    }
    for field in object.fields.iter().filter(|f| f.required) {
        if !mapping.iter().any(|m| m.field == field.name) {
            problems.push(FieldProblem::new("/mapping", format!("`{}` is required and not mapped", field.name)));
        }
    }
    problems
}

/// What no field of single values can hold.
fn is_many(data_type: DataType) -> bool {
    matches!(data_type, DataType::TextList | DataType::Json | DataType::Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_core::ports::connector::FieldSpec;

    fn object(open_fields: bool) -> TargetObject {
        let field = |name: &str, required, read_only: Option<&str>| FieldSpec {
            name: name.into(),
            data_type: DataType::Text,
            required,
            matching_key: false,
            read_only_because: read_only.map(Into::into),
            label: name.into(),
        };
        TargetObject {
            name: "list".into(),
            title: "List".into(),
            fields: vec![field("email", true, None), field("owner", false, Some("managed by the CRM"))],
            open_fields,
            options_schema: json!({"type": "object", "properties": {"folder": {"type": "string"}}}),
        }
    }

    fn problems(open: bool, options: serde_json::Value, fields: &[&str]) -> Vec<String> {
        let target = TargetSettings { object: "list".into(), name: "x".into(), options };
        let mapped =
            |f: &&str| ActivationField { field: (*f).into(), expression: "person.email".into(), required: false };
        let mapping: Vec<ActivationField> = fields.iter().map(mapped).collect();
        let types = vec![DataType::Text; mapping.len()];
        target_problems(&object(open), &target, &mapping, &types).into_iter().map(|p| p.field).collect()
    }

    #[test]
    fn what_holds_many_values_does_not_go_into_a_field_of_one() {
        let target = TargetSettings { object: "list".into(), name: "x".into(), options: json!({}) };
        let mapping =
            vec![ActivationField { field: "email".into(), expression: "person.ecids".into(), required: true }];
        let of = |data_type| target_problems(&object(true), &target, &mapping, &[data_type]);
        assert!(of(DataType::Text).is_empty());
        for data_type in [DataType::TextList, DataType::Json, DataType::Bytes] {
            let problems = of(data_type);
            assert_eq!(problems[0].field, "/mapping/0/expression");
            assert!(problems[0].message.contains("`email` takes a single value"), "{problems:?}");
        }
    }

    #[test]
    fn what_the_destination_does_not_take_is_named() {
        let none: [&str; 0] = [];
        assert_eq!(problems(false, json!({}), &["email"]), none);
        assert_eq!(problems(true, json!({"folder": "x"}), &["email", "anything"]), none);
        assert_eq!(problems(false, json!({}), &["email", "anything"]), ["/mapping/1/field"]);
        assert_eq!(problems(false, json!({}), &["email", "owner"]), ["/mapping/1/field"]);
        assert_eq!(problems(true, json!({}), &["x"]), ["/mapping"]);
        assert_eq!(problems(true, json!({"folder": 1}), &["email"]), ["/target/options/folder"]);
        assert_eq!(problems(true, json!({"typo": 1}), &["email"]), ["/target/options/typo"]);
    }
}
