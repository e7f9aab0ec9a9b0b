//! Connections: a plugin, its configuration, and what it is at the vendor.
//!
//! A connection's document is in the sandbox's store; its use of an instance, its secrets and grants are in the control
//! store. These are written first and removed last; what a kill leaves over in between belongs to no connection and is removed at
//! the next start.

use super::keys::Caller;
use super::learning;
use super::name;
use super::plugins::Ready;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use super::stamp::Stamp;
use attiva_core::access::Scope;
use attiva_core::config::Connection;
use attiva_core::drift::SchemaPolicy;
use attiva_core::id::ConnectionId;
use attiva_core::key::Instance;
use attiva_core::page::CheckResult;
use attiva_core::plugin::requirement::Requirement;
use attiva_core::ports::connector::{Stream, TargetObject};
use attiva_core::ports::store::{Expect, Kind, StoreError};
use attiva_core::run::Run;
use attiva_core::schedule::Schedule;
use attiva_core::spec::{Spec, fill};
use attiva_core::{Fault, FaultKind};
use attiva_wasm::{Secrets, split_configuration, validate_configuration};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a connection is made of.
#[derive(Debug, Clone)]
pub struct NewConnection {
    pub name: String,
    /// `source-marketo`, the version in use now; `source-marketo@0.1.0`, this one; `source-marketo@^0.1`, whichever of
    /// these is in use when something begins.
    pub plugin: String,
    /// With secrets.
    pub configuration: Value,
    pub streams: Vec<String>,
    pub schedule: Option<Schedule>,
    pub schema: SchemaPolicy,
    /// Other endpoints for some of its origins, as an operator grants them: URL by origin.
    pub grants: BTreeMap<String, String>,
}

/// What is to be changed; `None`: stays.
#[derive(Debug, Clone, Default)]
pub struct ConnectionPatch {
    pub name: Option<String>,
    /// Another version of the same plugin.
    pub plugin: Option<String>,
    /// A JSON merge patch (RFC 7396): keys that are not named stay, secrets too.
    pub configuration: Option<Value>,
    pub streams: Option<Vec<String>>,
    /// `Some(None)`: no more runs by themselves.
    pub schedule: Option<Option<Schedule>>,
    /// In the place of the whole policy.
    pub schema: Option<SchemaPolicy>,
}

/// What a connection offers.
#[derive(Debug, Clone, Default)]
pub struct Discovered {
    pub streams: Vec<Stream>,
    pub objects: Vec<TargetObject>,
}

impl Sandbox {
    /// Makes a connection. Nothing is sent to the vendor, save where only its token tells which instance it is;
    /// [`Sandbox::check_connection`] tests it.
    ///
    /// # Errors
    /// `connection.configuration` with each field at fault; `connection.instance-taken`; `plugin.missing`; what the
    /// identity service answers.
    pub async fn create_connection(
        &self,
        caller: &Caller,
        stamp: Stamp,
        new: NewConnection,
    ) -> Result<Versioned<Connection>> {
        let id = stamp.id(ConnectionId::new);
        let made = match self.find(Kind::Connection, id.as_str())? {
            Some(made) => made,
            None => self.make_connection(caller, id, new).await?,
        };
        let Connection { id, plugin, instance, .. } = &made.value;
        let detail = json!({ "plugin": plugin, "instance": instance });
        self.tell_once(caller, "connection.created", id.as_str(), detail).await?;
        Ok(made)
    }

    async fn make_connection(
        &self,
        caller: &Caller,
        id: ConnectionId,
        new: NewConnection,
    ) -> Result<Versioned<Connection>> {
        if !new.grants.is_empty() {
            caller.must(Scope::GrantsWrite)?;
        }
        let name = name::checked("/name", &new.name)?.to_owned();
        let ready = self.plugins.beginning(&new.plugin)?;
        check_schedule(new.schedule.as_ref())?;
        let (configuration, secrets, instance) = configure(&ready.plugin.spec, new.configuration)?;
        let mut connection = Connection {
            id: id.clone(),
            name,
            plugin: kept_as(&new.plugin, &ready),
            configuration,
            instance,
            streams: new.streams,
            schedule: new.schedule,
            schema: new.schema,
            created_at: self.now(),
        };
        self.vault.keep(&self.control_id(id.as_str()), &secrets).await?;
        let spec = &ready.plugin.spec;
        let mut prepared = self.grant_at_birth(caller, &connection, spec, &new.grants).await;
        if prepared.is_ok() {
            prepared = self.learn_instance(&mut connection).await;
        }
        if prepared.is_ok() {
            prepared =
                self.connectors.instances.join(&self.entry, id.as_str(), &connection.instance, &ready.plugin).await;
        }
        let kept = match prepared {
            Ok(()) => self.put(Kind::Connection, id.as_str(), &connection, Expect::Absent).await,
            Err(refusal) => Err(refusal),
        };
        match kept {
            Ok(version) => Ok(Versioned { value: connection, version }),
            Err(refusal) => {
                // Else nobody else could use the instance until the next start.
                self.connectors.forget(id.as_str()).await?;
                Err(refusal)
            }
        }
    }

    pub fn connection(&self, id: &str) -> Result<Versioned<Connection>> {
        self.get(Kind::Connection, "connection", id)
    }

    /// In the order they were made, after `after`.
    pub fn connections(&self, after: Option<&str>, limit: usize) -> Result<Vec<Connection>> {
        self.list(Kind::Connection, after, limit, |_| true)
    }

    /// Changes a connection. Which vendor instance it is cannot change: everything read from it is named after that.
    ///
    /// # Errors
    /// `connection.configuration`, `connection.instance`, `connection.instance-taken`, `connection.plugin`,
    /// `store.version-mismatch`.
    pub async fn patch_connection(
        &self,
        caller: &Caller,
        id: &str,
        patch: ConnectionPatch,
        expect: Expect,
    ) -> Result<Versioned<Connection>> {
        let _alone = self.connections_change.lock().await;
        let Versioned { value: mut connection, version } = self.connection(id)?;
        if let Expect::Version(expected) = expect {
            same_version(expected, version)?;
        }
        let mut changed = Vec::new();
        if let Some(name) = &patch.name {
            connection.name = name::checked("/name", name)?.to_owned();
            changed.push("name");
        }
        if let Some(streams) = patch.streams {
            connection.streams = streams;
            changed.push("streams");
        }
        if let Some(schedule) = patch.schedule {
            check_schedule(schedule.as_ref())?;
            connection.schedule = schedule;
            changed.push("schedule");
        }
        if let Some(schema) = patch.schema {
            connection.schema = schema;
            changed.push("schema");
        }
        let ready = match &patch.plugin {
            Some(plugin) => self.plugins.beginning(plugin)?,
            None => self.plugins.resolve(&connection.plugin)?,
        };
        if let Some(plugin) = &patch.plugin {
            same_plugin(&connection.plugin, &ready)?;
            self.check_states(&connection.id, &ready)?;
            connection.plugin = kept_as(plugin, &ready);
            changed.push("plugin");
        }
        let reconfigured = patch.configuration.is_some() || patch.plugin.is_some();
        if reconfigured {
            let control_id = self.control_id(id);
            let mut whole = with_secrets(&connection.configuration, &self.vault.open_or_lost(&control_id)?);
            if let Some(configuration) = patch.configuration {
                merge_patch(&mut whole, configuration);
                changed.push("configuration");
            }
            let (public, secrets, instance) = configure(&ready.plugin.spec, whole)?;
            let instance = learning::kept(instance, &connection.instance);
            same_instance(&connection.instance, &instance)?;
            // Another version may declare another bound.
            self.connectors.instances.join(&self.entry, id, &instance, &ready.plugin).await?;
            connection.configuration = public;
            self.vault.keep(&control_id, &secrets).await?;
        }
        let version = self.put(Kind::Connection, id, &connection, Expect::Version(version)).await?;
        self.tell(caller, "connection.changed", id, json!({ "changed": changed })).await?;
        self.engine.connection_mended(&connection.id);
        Ok(Versioned { value: connection, version })
    }

    /// Removes a connection that nothing stands on and that brought nothing.
    ///
    /// # Errors
    /// `connection.in-use`: an activation or a run that is going needs it; `connection.has-data`.
    pub async fn delete_connection(&self, caller: &Caller, id: &str, expect: Expect) -> Result<()> {
        let _alone = self.connections_change.lock().await;
        let Versioned { value: connection, version } = self.connection(id)?;
        self.nothing_stands_on(&connection.id)?;
        let goes = |r: &Run| r.connection == connection.id && !r.status.has_ended();
        if let Some(run) = self.list(Kind::Run, None, 1, goes)?.first() {
            return Err(in_use(&connection.id, run.id.as_str()));
        }
        if let Expect::Version(expected) = expect {
            same_version(expected, version)?;
        }
        self.brought_nothing(&connection.id)?;
        self.connectors.give_up(&connection, &self.store.stream_states(&connection.id)?).await;
        self.forget_freshness_targets(|target| target.connection.as_deref() == Some(id)).await?;
        self.store.delete_document(Kind::Connection, id, expect).await?;
        self.connectors.forget(id).await?;
        self.connectors.spools.remove_of(&connection.id)?;
        self.tell(caller, "connection.deleted", id, json!({ "plugin": connection.plugin })).await
    }

    /// The named tests of a connection, against its vendor. Reads only.
    pub async fn check_connection(&self, id: &str) -> Result<Vec<CheckResult>> {
        let connection = self.connection(id)?.value;
        let tests = self.connectors.check(&connection).await?;
        if tests.iter().all(|test| test.fault.is_none()) {
            self.engine.connection_mended(&connection.id);
        }
        Ok(tests)
    }

    /// What the vendor instance has to read and to fill.
    pub async fn discover(&self, id: &str) -> Result<Discovered> {
        let connection = self.connection(id)?.value;
        self.connectors.discover(&connection).await
    }
}

/// Checks a whole configuration and takes it apart: what may be seen, the secrets, and which instance it is; its id is
/// empty where it has to be learnt.
pub(super) fn configure(spec: &Spec, whole: Value) -> Result<(Value, Secrets, Instance)> {
    if let Err(problems) = validate_configuration(spec, &whole) {
        let fields = problems.into_iter().map(|p| FieldProblem::new(format!("/configuration{}", p.path), p.problem));
        let message = format!("the configuration does not fit {}", spec.name);
        return Err(Refusal::invalid("connection.configuration", message, fields.collect()));
    }
    let (public, secrets) = split_configuration(spec, whole);
    let filled = |template: &str| {
        fill(template, &public).map_err(|e| Fault::new(FaultKind::Config, "connection.instance", e.to_string()))
    };
    let instance = Instance { system: filled(&spec.instance.system)?, id: filled(&spec.instance.id)? };
    if spec.instance.learnt.is_none() {
        learning::named(&instance)?;
    }
    Ok((public, secrets, instance))
}

pub(super) fn with_secrets(public: &Value, secrets: &Secrets) -> Value {
    let mut whole = public.clone();
    if let Some(object) = whole.as_object_mut() {
        let text = |value: &secrecy::SecretString| Value::String(value.expose_secret().to_owned());
        object.extend(secrets.iter().map(|(name, value)| (name.to_owned(), text(value))));
    }
    whole
}

/// RFC 7396.
fn merge_patch(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(target) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(&key);
        } else {
            merge_patch(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

fn check_schedule(schedule: Option<&Schedule>) -> Result<()> {
    let Some(Err((place, problem))) = schedule.map(Schedule::check) else { return Ok(()) };
    let field = FieldProblem::new(format!("/schedule{place}"), problem.clone());
    Err(Refusal::invalid("request.invalid", format!("schedule{} {problem}", place.replace('/', ".")), vec![field]))
}

/// A range stays one; a name alone pins the version it comes to now.
fn kept_as(plugin: &str, ready: &Ready) -> String {
    match Requirement::parse(plugin) {
        Some(requirement) => requirement.to_string(),
        None => ready.installed.id.clone(),
    }
}

fn same_plugin(before: &str, now: &Ready) -> Result<()> {
    let name = before.split('@').next().unwrap_or_default();
    if name == now.plugin.spec.name {
        return Ok(());
    }
    let message = format!("the connection's plugin is {name}; only its version can change");
    let fault = Fault::new(FaultKind::Config, "connection.plugin", message).action("Make a new connection.");
    Err(fault.field("/plugin").into())
}

fn same_instance(before: &Instance, now: &Instance) -> Result<()> {
    if before == now {
        return Ok(());
    }
    let message =
        format!("the connection is {} `{}`; this would make it {} `{}`", before.system, before.id, now.system, now.id);
    let fault = Fault::new(FaultKind::Config, "connection.instance", message);
    Err(fault.action("Make a new connection for another instance.").field("/configuration").into())
}

pub(super) fn same_version(expected: u64, found: u64) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(StoreError::VersionMismatch { expected: expected.to_string(), found: found.to_string() }.into())
}

pub(super) fn in_use(connection: &ConnectionId, by: &str) -> Refusal {
    Fault::new(FaultKind::Config, "connection.in-use", format!("{connection} is needed by {by}"))
        .action("End or remove what needs it first.")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_does_what_the_rfc_says() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [1]}), json!({"a": {"b": null}}), json!({"a": {}})),
            (json!({}), json!({"a": {"b": {"c": null}}}), json!({"a": {"b": {}}})),
        ];
        for (mut target, patch, expected) in cases {
            merge_patch(&mut target, patch.clone());
            assert_eq!(target, expected, "{patch}");
        }
    }
}
