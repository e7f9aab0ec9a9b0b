//! Upgrades and rollbacks: which connections would begin with another version, and whether they can. Looked at in all
//! sandboxes before anything changes, so that nobody finds out at three in the morning.

use super::App;
use super::connections::{configure, with_secrets};
use super::keys::Caller;
use super::plugins::{InUse, Ready};
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use attiva_core::config::Connection;
use attiva_core::id::ConnectionId;
use attiva_core::plugin::state::{TooNew, start};
use attiva_core::ports::store::Kind;
use attiva_core::spec::Spec;
use attiva_core::{Fault, FaultKind};
use attiva_wasm::Secrets;

/// A connection that a change of version concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    pub sandbox: String,
    pub connection: String,
    pub name: String,
    /// Version ids: what it begins with now (nothing, if no version fits it), and would begin with.
    pub from: Option<String>,
    pub to: String,
    /// Why it could not; empty: it can.
    pub problems: Vec<String>,
}

/// What a change of the version in use does.
#[derive(Debug, Clone, PartialEq)]
pub struct Upgrade {
    pub in_use: InUse,
    pub affected: Vec<Affected>,
}

impl App {
    /// The caller's connections that would begin with another version if this one were in use.
    ///
    /// # Errors
    /// `plugin.missing`.
    pub fn affected(&self, caller: &Caller, id: &str) -> Result<Vec<Affected>> {
        Ok(self.look(caller, id)?.0)
    }

    /// Puts a version in use: connections that follow a range with it in begin with it from now on. Runs that go on
    /// keep theirs.
    ///
    /// # Errors
    /// `plugin.upgrade` with each connection that could not begin, nothing changed; `plugin.not-ready`.
    pub async fn activate(&self, caller: &Caller, id: &str) -> Result<Upgrade> {
        let (affected, others) = self.look(caller, id)?;
        refuse(id, &affected, others)?;
        let in_use = self.plugins().put_in_use(caller.key.as_str(), id).await?;
        Ok(Upgrade { in_use, affected })
    }

    /// Puts the version before in use again.
    ///
    /// # Errors
    /// `plugin.state-too-new` and `plugin.upgrade`, nothing changed; `plugin.no-version-before`.
    pub async fn roll_back(&self, caller: &Caller, name: &str) -> Result<Upgrade> {
        let id = self.plugins().version_before(name)?;
        let (affected, others) = self.look(caller, &id)?;
        refuse(&id, &affected, others)?;
        let in_use = self.plugins().take_back(caller.key.as_str(), name).await?;
        Ok(Upgrade { in_use, affected })
    }

    /// The caller's connections that are concerned, and how many of other organisations could not begin: they count,
    /// and are nobody else's business.
    fn look(&self, caller: &Caller, id: &str) -> Result<(Vec<Affected>, usize)> {
        let ready = self.plugins().get(id).ok_or_else(|| Refusal::missing("plugin", id))?;
        let (mut own, mut others) = (Vec::new(), 0);
        for sandbox in self.open_sandboxes() {
            let affected = sandbox.affected(&ready)?;
            if caller.sees(sandbox.entry()) {
                own.extend(affected);
            } else {
                others += affected.iter().filter(|a| !a.problems.is_empty()).count();
            }
        }
        own.sort_by(|a, b| (&a.sandbox, &a.connection).cmp(&(&b.sandbox, &b.connection)));
        Ok((own, others))
    }
}

impl Sandbox {
    fn affected(&self, ready: &Ready) -> Result<Vec<Affected>> {
        let spec = &ready.plugin.spec;
        let is_of_name = |c: &Connection| c.plugin.split('@').next() == Some(spec.name.as_str());
        let mut affected = Vec::new();
        for connection in self.list(Kind::Connection, None, usize::MAX, is_of_name)? {
            let would = self.plugins.resolve_with(&connection.plugin, Some(&spec.version));
            if !would.is_ok_and(|would| would.installed.id == ready.installed.id) {
                continue;
            }
            let now = self.plugins.resolve(&connection.plugin).ok().map(|now| now.installed.id);
            if now.as_ref() == Some(&ready.installed.id) {
                continue;
            }
            affected.push(Affected {
                sandbox: self.entry.name.clone(),
                connection: connection.id.to_string(),
                name: connection.name.clone(),
                from: now,
                to: ready.installed.id.clone(),
                problems: self.obstacles(&connection, ready)?,
            });
        }
        Ok(affected)
    }

    /// Why a connection could not begin with a version: its configuration does not fit, or a newer version has read on.
    pub(super) fn obstacles(&self, connection: &Connection, ready: &Ready) -> Result<Vec<String>> {
        let secrets = self.vault.open(&self.control_id(connection.id.as_str()))?;
        let before = self.plugins.resolve(&connection.plugin).ok().map(|before| before.plugin);
        let before = before.as_ref().map(|before| &*before.spec);
        let mut obstacles = misfits(connection, &secrets, before, &ready.plugin.spec);
        let too_new = self.states_too_new(&connection.id, ready)?;
        obstacles.extend(too_new.into_iter().map(|(stream, too_new)| format!("the stream {stream}: {too_new}")));
        Ok(obstacles)
    }

    /// Refuses a version that cannot read what a newer one has left of a connection's streams.
    pub(super) fn check_states(&self, connection: &ConnectionId, ready: &Ready) -> Result<()> {
        match self.states_too_new(connection, ready)?.first() {
            Some((stream, too_new)) => Err(too_new.fault(&format!("the stream {stream} of {connection}")).into()),
            None => Ok(()),
        }
    }

    fn states_too_new(&self, connection: &ConnectionId, ready: &Ready) -> Result<Vec<(String, TooNew)>> {
        let wanted = ready.plugin.spec.state_version;
        let mut found = Vec::new();
        for (stream, state) in self.store.stream_states(connection)? {
            let before = self.store.states_before(connection, &stream)?;
            let kept: Vec<u32> = before.iter().map(|state| state.cursor.state_version).collect();
            if let Err(too_new) = start(state.cursor.state_version, &kept, wanted) {
                found.push((stream, too_new));
            }
        }
        Ok(found)
    }
}

/// What is wrong with a connection's configuration for another version's specification.
fn misfits(connection: &Connection, secrets: &Secrets, before: Option<&Spec>, now: &Spec) -> Vec<String> {
    let whole = || with_secrets(&connection.configuration, secrets);
    let (public, _, instance) = match configure(now, whole()) {
        Ok(configured) => configured,
        Err(refusal) if refusal.fields.is_empty() => return vec![refusal.fault.message],
        Err(refusal) => return refusal.fields.iter().map(|f| format!("{} {}", f.field, f.message)).collect(),
    };
    let mut misfits = Vec::new();
    if public != connection.configuration {
        misfits.push("a value that the connector saw is a secret now: enter it again with this version".to_owned());
    }
    let other = before.and_then(|before| configure(before, whole()).ok()).filter(|(_, _, was)| *was != instance);
    if let Some((_, _, was)) = other {
        misfits.push(format!("the vendor instance would be called `{}`, not `{}`", instance.id, was.id));
    }
    misfits
}

fn refuse(id: &str, affected: &[Affected], others: usize) -> Result<()> {
    let problem =
        |a: &Affected, problem: &String| FieldProblem::new(format!("{}/{}", a.sandbox, a.connection), problem);
    let fields: Vec<FieldProblem> =
        affected.iter().flat_map(|a| a.problems.iter().map(|text| problem(a, text))).collect();
    let count = affected.iter().filter(|a| !a.problems.is_empty()).count() + others;
    if count == 0 {
        return Ok(());
    }
    let is_state = fields.iter().any(|field| field.message.contains("stored state"));
    let code = if is_state { "plugin.state-too-new" } else { "plugin.upgrade" };
    let what = format!("{id} cannot be put in use: {} could not begin with it", plural(count));
    let fault = Fault::new(FaultKind::Config, code, what)
        .action("Change these connections, or pin them to a version, and repeat. Nothing was changed.");
    Err(Refusal { fault, fields })
}

fn plural(count: usize) -> String {
    if count == 1 { "one connection".to_owned() } else { format!("{count} connections") }
}
