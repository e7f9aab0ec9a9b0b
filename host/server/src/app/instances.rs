//! Which connections use which instances of vendors' systems, across organisations: so that a bound which a connector
//! declares holds where a connection is made.
//!
//! A connection joins before its document is written, and leaves after that is removed: what a kill leaves over in
//! between belongs to no connection and is removed at the next start.

use super::documents;
use super::refusal::{Refusal, Result};
use super::tenancy::SandboxEntry;
use attiva_core::cardinality::{InstanceUse, InstanceUses, Role, Taken};
use attiva_core::key::Instance;
use attiva_core::ports::store::{ControlKind, ControlStore, Document, Expect, StoreError};
use attiva_core::{Fault, FaultKind};
use attiva_wasm::Plugin;
use std::sync::Arc;

/// The registry.
#[derive(Clone)]
pub struct Instances {
    control: Arc<dyn ControlStore>,
}

/// Repeats after somebody else changed the same instance in between.
const ATTEMPTS_MAX: u32 = 16;

impl Instances {
    pub fn new(control: Arc<dyn ControlStore>) -> Self {
        Self { control }
    }

    /// Lets a connection use its instance, in each role its connector has.
    ///
    /// # Errors
    /// `connection.instance-taken`: other organisations use it, and that is as many as may. Nothing is changed then.
    pub async fn join(
        &self,
        entry: &SandboxEntry,
        connection: &str,
        instance: &Instance,
        plugin: &Plugin,
    ) -> Result<()> {
        let mut joined: Vec<(Role, Vec<InstanceUse>)> = Vec::new();
        for role in roles(plugin) {
            let new = use_of(entry, connection, role, plugin);
            let before = self.uses(role, instance)?.uses.uses;
            if let Err(taken) = self.change(role, instance, |uses| uses.join(new.clone())).await? {
                for (role, before) in joined {
                    // As it was: out, or under the bound it had.
                    let back = |uses: &mut InstanceUses| {
                        uses.leave(|each| is_of(each, entry, connection));
                        uses.uses.extend(before.clone());
                    };
                    self.change(role, instance, back).await?;
                }
                return Err(refused(&taken));
            }
            let own = before.into_iter().filter(|each| is_of(each, entry, connection)).collect::<Vec<_>>();
            joined.push((role, own));
        }
        Ok(())
    }

    /// For a connection that was there before the registry, or before a bound, was: what is, is kept account of.
    pub async fn note(
        &self,
        entry: &SandboxEntry,
        connection: &str,
        instance: &Instance,
        plugin: &Plugin,
    ) -> Result<()> {
        for role in roles(plugin) {
            let new = use_of(entry, connection, role, plugin);
            let found = self.uses(role, instance)?.uses;
            if found.uses.contains(&new) {
                continue;
            }
            if let Err(taken) = found.clone().join(new.clone()) {
                tracing::error!(connection, sandbox = entry.id(), "made before the bound was, and left alone: {taken}");
            }
            self.change(role, instance, |uses| uses.join_anyway(new.clone())).await?;
        }
        Ok(())
    }

    /// Takes out the connections of a sandbox for which `gone` holds.
    pub async fn leave(&self, entry: &SandboxEntry, gone: impl Fn(&str) -> bool) -> Result<()> {
        let of_sandbox = |each: &InstanceUse| each.sandbox == entry.id() && gone(&each.connection);
        for uses in self.all()?.into_iter().filter(|found| found.uses.iter().any(of_sandbox)) {
            self.change(uses.role, &uses.instance, |uses| uses.leave(of_sandbox)).await?;
        }
        Ok(())
    }

    /// All instances that somebody uses.
    pub fn all(&self) -> Result<Vec<InstanceUses>> {
        let next = |after: Option<&str>, limit| -> Result<Vec<Document>> {
            Ok(self.control.documents(ControlKind::Instance, after, limit)?)
        };
        documents::filtered(next, None, usize::MAX, |_: &InstanceUses| true)
    }

    fn uses(&self, role: Role, instance: &Instance) -> Result<Found> {
        let id = id(role, instance);
        match self.control.document(ControlKind::Instance, &id)? {
            Some(Document { id, version, body }) => {
                Ok(Found { id, expect: Expect::Version(version), uses: documents::read(body)? })
            }
            None => Ok(Found { id, expect: Expect::Absent, uses: InstanceUses::none(role, instance.clone()) }),
        }
    }

    /// Changes an instance's uses, again on what somebody else has made of them meanwhile.
    async fn change<T>(&self, role: Role, instance: &Instance, change: impl Fn(&mut InstanceUses) -> T) -> Result<T> {
        for _ in 0..ATTEMPTS_MAX {
            let Found { id, expect, mut uses } = self.uses(role, instance)?;
            let before = uses.clone();
            let result = change(&mut uses);
            if uses == before {
                return Ok(result);
            }
            let written = if uses.uses.is_empty() {
                self.control.delete_document(ControlKind::Instance, &id, expect, None).await
            } else {
                let body = documents::write(&uses)?;
                self.control.put_document(ControlKind::Instance, &id, body, expect, None).await.map(|_| ())
            };
            match written {
                Ok(()) => return Ok(result),
                Err(StoreError::Exists | StoreError::Missing | StoreError::VersionMismatch { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Fault::new(
            FaultKind::Transient,
            "connection.instance-busy",
            "many connections to this instance change at once",
        )
        .action("Repeat the request.")
        .into())
    }
}

struct Found {
    id: String,
    expect: Expect,
    uses: InstanceUses,
}

/// The id of an instance in a role. A system is letters and digits, so the slashes divide.
fn id(role: Role, instance: &Instance) -> String {
    format!("{role}/{}/{}", instance.system, instance.id)
}

fn roles(plugin: &Plugin) -> impl Iterator<Item = Role> {
    let has = [(Role::Source, plugin.is_source), (Role::Destination, plugin.is_destination)];
    has.into_iter().filter(|(_, has)| *has).map(|(role, _)| role)
}

fn use_of(entry: &SandboxEntry, connection: &str, role: Role, plugin: &Plugin) -> InstanceUse {
    InstanceUse {
        organisation: entry.organisation.clone(),
        sandbox: entry.id(),
        connection: connection.to_owned(),
        organisations_max: plugin.spec.cardinality.organisations_max(role),
    }
}

fn is_of(each: &InstanceUse, entry: &SandboxEntry, connection: &str) -> bool {
    each.sandbox == entry.id() && each.connection == connection
}

fn refused(taken: &Taken) -> Refusal {
    let action = match taken.role {
        Role::Source => {
            "Connect another instance, or work in the organisation that reads this one: it may do so in any number of \
             sandboxes. Once its last connection to it is removed, the instance is free. Writing to it is not affected."
        }
        Role::Destination => {
            "Connect another instance, or work in the organisation that writes to this one. Once its last connection \
             to it is removed, the instance is free."
        }
    };
    Fault::new(FaultKind::Config, "connection.instance-taken", taken.to_string())
        .action(action)
        .field("/configuration")
        .into()
}
