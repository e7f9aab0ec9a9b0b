//! Who may do what: a scope is the right to read or to write one kind of thing, a role is a named set of scopes. What
//! each request asks for is decided where requests come in.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// How far something reaches. A key that is bound to a sandbox holds only what stays within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    Sandbox,
    Organisation,
    /// All organisations of the host: only operators hold it.
    Host,
}

/// A named set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "KeyRole")]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Operates the host: everything.
    Operator,
    /// Everything in one organisation, save what reaches the whole host.
    Administrator,
    /// Reads profiles, segments and activations, and writes segments.
    Analyst,
    /// Looks after connectors in a sandbox: no profile, no record.
    Partner,
    /// Reads the audit log and how everything is configured.
    Auditor,
}

impl Role {
    pub const ALL: [Self; 5] = [Self::Operator, Self::Administrator, Self::Analyst, Self::Partner, Self::Auditor];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Administrator => "administrator",
            Self::Analyst => "analyst",
            Self::Partner => "partner",
            Self::Auditor => "auditor",
        }
    }

    /// What keys of this role may do, where they are bound to no sandbox.
    #[must_use]
    pub fn scopes(self) -> Scopes {
        Scope::ALL.iter().copied().filter(|scope| self.has(*scope)).collect()
    }

    fn has(self, scope: Scope) -> bool {
        match self {
            Self::Operator => true,
            Self::Administrator => scope.reach() < Reach::Host,
            other => scope.narrow_roles().contains(&other),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! scopes {
    ($($name:ident = $text:literal, $reach:ident, [$($role:ident),*], $what:literal;)*) => {
        /// The right to read, or to write, one kind of thing. Neither holds the other.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum Scope { $(#[doc = $what] $name,)* }

        impl Scope {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// `segments:read`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it lets do, for people.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }

            #[must_use]
            pub fn reach(self) -> Reach {
                match self { $(Self::$name => Reach::$reach,)* }
            }

            /// Roles that have it beside operators and administrators, who have all within their reach.
            fn narrow_roles(self) -> &'static [Role] {
                match self { $(Self::$name => &[$(Role::$role),*],)* }
            }
        }
    };
}

scopes! {
    OrganisationsRead = "organisations:read", Host, [], "organisations, and what is in their sandboxes";
    OrganisationsWrite = "organisations:write", Host, [], "make and remove organisations, their sandboxes and first keys";
    HostRead = "host:read", Host, [], "metrics, backups, the audit log and the budgets of all organisations";
    HostWrite = "host:write", Host, [], "guardrails, budgets of instances, the key of secrets, backups";
    PluginsRead = "plugins:read", Sandbox, [Partner, Auditor], "plugins, what they ask for and used, and publishers";
    PluginsWrite = "plugins:write", Host, [], "install, approve, activate and remove plugins; trust publishers";
    GrantsRead = "grants:read", Sandbox, [Partner, Auditor], "endpoints granted to connections";
    GrantsWrite = "grants:write", Host, [], "let a connection reach another endpoint, on private networks too";
    KeysRead = "keys:read", Organisation, [Auditor], "API keys, without their secrets";
    KeysWrite = "keys:write", Organisation, [], "make, rotate and revoke API keys, with no more than one has";
    AuditRead = "audit:read", Sandbox, [Auditor], "the audit log";
    SandboxesRead = "sandboxes:read", Sandbox, [Analyst, Partner, Auditor], "sandboxes, their projection and disk, operations";
    SandboxesWrite = "sandboxes:write", Organisation, [], "make and remove sandboxes";
    ConfigurationRead = "configuration:read", Sandbox, [Analyst, Auditor], "model, mappings, rules, rates, guardrails";
    ConfigurationWrite = "configuration:write", Sandbox, [], "model, mappings, rules, rates, schedules";
    ConnectionsRead = "connections:read", Sandbox, [Partner, Auditor], "connections, their usage and budgets";
    ConnectionsWrite = "connections:write", Sandbox, [], "make, change, check and remove connections, with their secrets";
    RunsRead = "runs:read", Sandbox, [Analyst, Partner, Auditor], "runs, without the records they rejected";
    RunsWrite = "runs:write", Sandbox, [], "start and cancel runs";
    RecordsRead = "records:read", Sandbox, [], "records as vendors sent them: rejects, exchanges, previews of mappings";
    RecordsWrite = "records:write", Sandbox, [], "send records and events";
    ProfilesRead = "profiles:read", Sandbox, [Analyst], "profiles, their events, members of audiences and targets; the audiences of a person at a request";
    ProfilesWrite = "profiles:write", Sandbox, [], "pin values, unmerge, forbid links";
    ConsentsRead = "consents:read", Sandbox, [Analyst], "consents and suppressions";
    ConsentsWrite = "consents:write", Sandbox, [], "say who consented and who is suppressed";
    SegmentsRead = "segments:read", Sandbox, [Analyst, Auditor], "segments, their evaluations and sizes";
    SegmentsWrite = "segments:write", Sandbox, [Analyst], "make, change, evaluate and remove segments";
    ActivationsRead = "activations:read", Sandbox, [Analyst, Auditor], "activations and deliveries, without their members";
    ActivationsWrite = "activations:write", Sandbox, [], "make, change and remove activations; deliver, approve, replay";
    PrivacyRead = "privacy:read", Sandbox, [Auditor], "erasures and their receipts";
    PrivacyWrite = "privacy:write", Sandbox, [], "print all that is kept about somebody, and erase it";
}

impl Scope {
    /// Whether it lets look into other organisations, or change what holds for them.
    #[must_use]
    pub fn is_across_organisations(self) -> bool {
        matches!(self, Self::OrganisationsRead | Self::OrganisationsWrite | Self::HostRead | Self::HostWrite)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Scope> for &'static str {
    fn from(scope: Scope) -> Self {
        scope.as_str()
    }
}

impl JsonSchema for Scope {
    fn schema_name() -> Cow<'static, str> {
        "KeyScope".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Self::ALL })
    }
}

impl TryFrom<String> for Scope {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let known = || Self::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
        Self::ALL
            .iter()
            .copied()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| format!("there is no such scope; there are {}", known()))
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u64);

impl Scopes {
    #[must_use]
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// In the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.contains(*scope))
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in these and not in the others.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that reach no farther.
    #[must_use]
    pub fn within(self, reach: Reach) -> Self {
        self.iter().filter(|scope| scope.reach() <= reach).collect()
    }
}

fn bit(scope: Scope) -> u64 {
    1 << scope as u32
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        Self(scopes.into_iter().fold(0, |all, scope| all | bit(scope)))
    }
}

/// Roles that have a scope, the narrowest last.
pub fn roles_with(scope: Scope) -> impl Iterator<Item = Role> {
    Role::ALL.into_iter().filter(move |role| role.has(scope))
}

/// What a key is given: a role, scopes beside it, and the one sandbox that it is bound to, if it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    pub role: Option<Role>,
    pub scopes: Vec<Scope>,
    pub sandbox: Option<String>,
}

/// Why a key cannot be made of what it is given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("a key of the role `partner` is bound to a sandbox, and this one names none")]
    Unbound,
    #[error("an operator's key is bound to no sandbox")]
    Bound,
    #[error("`{0}` reaches beyond a sandbox, and the key is bound to one")]
    Reaches(Scope),
    #[error("a key needs a role or scopes")]
    Nothing,
}

impl Given {
    #[must_use]
    pub fn role(role: Role) -> Self {
        Self { role: Some(role), ..Self::default() }
    }

    /// What the key may do. Of a role, what reaches beyond the sandbox is left out.
    #[must_use]
    pub fn effective(&self) -> Scopes {
        let all = self.role.map(Role::scopes).unwrap_or_default().union(self.scopes.iter().copied().collect());
        if self.sandbox.is_some() { all.within(Reach::Sandbox) } else { all }
    }

    /// Whether a key may be made of it at all, whoever makes it.
    ///
    /// # Errors
    /// What does not go together.
    pub fn check(&self) -> Result<(), Unfit> {
        if self.role.is_none() && self.scopes.is_empty() {
            return Err(Unfit::Nothing);
        }
        match (self.role, &self.sandbox) {
            // A partner sees runs: those of a sandbox that was given to it, not all of the organisation.
            (Some(Role::Partner), None) => return Err(Unfit::Unbound),
            (Some(Role::Operator), Some(_)) => return Err(Unfit::Bound),
            (_, None) => return Ok(()),
            _ => {}
        }
        let beyond = self.scopes.iter().find(|scope| scope.reach() > Reach::Sandbox);
        beyond.map_or(Ok(()), |scope| Err(Unfit::Reaches(*scope)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_a_kind_of_thing_and_one_of_two_words() {
        for scope in Scope::ALL {
            let (thing, word) = scope.as_str().split_once(':').unwrap();
            assert!(!thing.is_empty() && ["read", "write"].contains(&word), "{scope}");
            assert_eq!(Scope::try_from(scope.to_string()), Ok(*scope));
        }
        assert!(Scope::try_from("segments:wirte".to_owned()).unwrap_err().contains("segments:write"));
        assert!(Scope::ALL.len() <= 64, "a set is 64 bits");
    }

    #[test]
    fn roles_have_what_they_are_for_and_no_more() {
        let texts = |role: Role| role.scopes().iter().map(Scope::as_str).collect::<Vec<_>>();
        assert_eq!(texts(Role::Operator).len(), Scope::ALL.len());
        let beyond = ["organisations:read", "organisations:write", "host:read", "host:write", "plugins:write"];
        let administrator = texts(Role::Administrator);
        assert!(beyond.iter().chain(&["grants:write"]).all(|scope| !administrator.contains(scope)));
        assert_eq!(administrator.len(), Scope::ALL.len() - 6);
        assert_eq!(
            texts(Role::Partner),
            ["plugins:read", "grants:read", "sandboxes:read", "connections:read", "runs:read"]
        );
        let analyst = texts(Role::Analyst);
        assert_eq!(analyst.iter().filter(|scope| scope.ends_with(":write")).collect::<Vec<_>>(), [&"segments:write"]);
        assert!(!analyst.iter().any(|scope| scope.starts_with("plugins:") || scope.starts_with("connections:")));
        let auditor = texts(Role::Auditor);
        assert!(auditor.iter().all(|scope| scope.ends_with(":read")), "{auditor:?}");
        for personal in ["profiles:read", "records:read", "consents:read"] {
            assert!(!auditor.contains(&personal), "{personal}");
        }
    }

    #[test]
    fn what_is_bound_to_a_sandbox_holds_nothing_beyond_it() {
        let bound = Given { sandbox: Some("s".into()), ..Given::role(Role::Administrator) };
        assert_eq!(bound.check(), Ok(()));
        assert!(!bound.effective().contains(Scope::KeysWrite) && bound.effective().contains(Scope::PrivacyWrite));
        let given = |role: Option<Role>, scopes: &[Scope], sandbox: Option<&str>| {
            Given { role, scopes: scopes.to_vec(), sandbox: sandbox.map(str::to_owned) }.check()
        };
        assert_eq!(given(Some(Role::Partner), &[], None), Err(Unfit::Unbound));
        assert_eq!(given(Some(Role::Partner), &[Scope::RunsWrite], Some("s")), Ok(()));
        assert_eq!(given(Some(Role::Operator), &[], Some("s")), Err(Unfit::Bound));
        assert_eq!(given(None, &[Scope::KeysWrite], Some("s")), Err(Unfit::Reaches(Scope::KeysWrite)));
        assert_eq!(given(None, &[], None), Err(Unfit::Nothing));
        assert_eq!(given(None, &[Scope::RecordsWrite], None), Ok(()));
    }
}
