//! What a plugin may do, as a list that a person reads before approving it; and how two such lists differ.

use crate::spec::{Access, CredentialMethod, DeliveryClass, EgressRule, Rate, Spec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// One thing a plugin may do, is given, or promises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Capability {
    /// It is a `source` or a `destination`.
    Role { role: Cow<'static, str> },
    /// An interface of the contract that it asks for.
    Import { interface: String },
    /// A domain in which the hosts it calls lie.
    Domain { domain: String },
    /// Requests it may send.
    Call(Call),
    /// A credential the host obtains and adds for it.
    Credential { name: String, how: String },
    /// A secret that whoever configures a connection has to enter. It is never given to the plugin.
    Secret { key: String },
    /// Most calls to a vendor instance in so many seconds; 0: at the same time.
    Rate { seconds: u32, calls: u32 },
    /// What a destination promises about repeats.
    Delivery { class: DeliveryClass },
    /// What a vendor instance is called: who shares its budget, and which records are the same.
    Instance { system: String, id: String },
    /// A stream whose records it maps to the model.
    Stream { stream: String },
}

/// Requests to one origin, by one method, below one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CapabilityCall")]
pub struct Call {
    pub origin: String,
    pub method: String,
    pub path: String,
    pub access: Access,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// How a capability differs between two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CapabilityDifference")]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    Added,
    Removed,
    /// Of the same thing, the plugin wants another amount or way.
    Changed,
}

/// One line of the difference between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CapabilityChange")]
pub struct Change {
    pub difference: Difference,
    /// The capability now, or the one that is gone.
    pub capability: Capability,
    /// What it was, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Capability>,
    /// Why this is more than was approved; absent: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub increase: Option<Cow<'static, str>>,
}

/// For people, one line each.
impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role { role } => write!(f, "is a {role}"),
            Self::Import { interface } => write!(f, "uses the host's `{interface}`"),
            Self::Domain { domain } => write!(f, "reaches hosts in {domain}"),
            Self::Call(Call { origin, method, path, access, credential }) => {
                let access = match access {
                    Access::Read => "reads",
                    Access::Write => "writes",
                };
                write!(f, "{access} with {method} {origin}{path}")?;
                credential.as_ref().map_or(Ok(()), |name| write!(f, ", credential {name}"))
            }
            Self::Credential { name, how } => write!(f, "credential {name}: {how}"),
            Self::Secret { key } => write!(f, "wants the secret `{key}`"),
            Self::Rate { seconds: 0, calls } => write!(f, "at most {calls} calls at once"),
            Self::Rate { seconds: DAY_SECONDS, calls } => write!(f, "at most {calls} calls a day"),
            Self::Rate { seconds, calls } => write!(f, "at most {calls} calls in {seconds} s"),
            Self::Delivery { class: DeliveryClass::AtLeastOnce } => f.write_str("delivers at least once"),
            Self::Delivery { class: DeliveryClass::EffectivelyOnce } => f.write_str("delivers effectively once"),
            Self::Instance { system, id } => write!(f, "a vendor instance is {system} {id}"),
            Self::Stream { stream } => write!(f, "maps the stream {stream}"),
        }
    }
}

/// A window may be as long, and says the same then.
const DAY_SECONDS: u32 = 86_400;

/// Everything a specification comes down to. `roles` and `imports` are the component's, not the specification's.
#[must_use]
pub fn capabilities(spec: &Spec, roles: &[&'static str], imports: &[String]) -> Vec<Capability> {
    let mut all: Vec<Capability> = roles.iter().map(|role| Capability::Role { role: Cow::Borrowed(role) }).collect();
    // Types are no power.
    let imports = imports.iter().filter(|name| *name != "types").collect::<BTreeSet<_>>();
    all.extend(imports.into_iter().map(|interface| Capability::Import { interface: interface.clone() }));
    let domains = spec.origins.iter().flat_map(|o| &o.domains).collect::<BTreeSet<_>>();
    all.extend(domains.into_iter().map(|domain| Capability::Domain { domain: domain.clone() }));
    for origin in &spec.origins {
        all.extend(origin.rules.iter().flat_map(|rule| calls(&origin.url, rule)).map(Capability::Call));
    }
    for credential in &spec.credentials {
        all.push(Capability::Credential { name: credential.name.clone(), how: how(spec, &credential.method) });
    }
    all.extend(spec.secrets().into_iter().map(|key| Capability::Secret { key: key.to_owned() }));
    all.extend(spec.rates.iter().filter_map(|rate| match rate {
        Rate::Window { calls, seconds, .. } => Some(Capability::Rate { seconds: *seconds, calls: *calls }),
        Rate::Concurrent { calls, .. } => Some(Capability::Rate { seconds: 0, calls: *calls }),
        // What the vendor tells is no promise of the connector's.
        Rate::Day { calls, .. } => calls.map(|calls| Capability::Rate { seconds: DAY_SECONDS, calls }),
        // How it divides what it may take gives it nothing.
        Rate::Streams { .. } => None,
    }));
    all.extend(spec.delivery.as_ref().map(|delivery| Capability::Delivery { class: delivery.class }));
    all.push(Capability::Instance { system: spec.instance.system.clone(), id: spec.instance.id.clone() });
    let streams = spec.mappings.iter().map(|m| &m.stream).collect::<BTreeSet<_>>();
    all.extend(streams.into_iter().map(|stream| Capability::Stream { stream: stream.clone() }));
    all
}

fn calls<'a>(origin: &'a str, rule: &'a EgressRule) -> impl Iterator<Item = Call> + 'a {
    rule.methods.iter().map(move |method| Call {
        origin: origin.to_owned(),
        method: method.clone(),
        path: rule.path.clone(),
        access: rule.access,
        credential: rule.credential.clone(),
    })
}

/// How a credential is obtained, and of which values: where a secret goes is part of what is approved. Of any method,
/// whatever it declares: nothing of it may be left out by being forgotten here.
fn how(spec: &Spec, method: &CredentialMethod) -> String {
    let declared = serde_json::to_value(method).unwrap_or_default();
    let Some(declared) = declared.as_object() else { return declared.to_string() };
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let url = |name: &str| spec.origins.iter().find(|o| o.name == name).map(|o| o.url.clone());
    let part = |(key, value): (&String, &serde_json::Value)| match (key.as_str(), value.as_str()) {
        ("method", _) => None,
        ("origin", Some(name)) => Some(format!("origin: {}", url(name).unwrap_or_else(|| name.to_owned()))),
        _ => Some(format!("{key}: {}", text(value))),
    };
    let parts = declared.iter().filter_map(part).collect::<Vec<_>>().join(", ");
    format!("{} ({parts})", declared.get("method").map(text).unwrap_or_default())
}

/// What is different in `after`. A first version differs from nothing at all.
#[must_use]
pub fn difference(before: &[Capability], after: &[Capability]) -> Vec<Change> {
    let mut changes = Vec::new();
    for now in after.iter().filter(|now| !before.contains(now)) {
        let was = before.iter().find(|was| is_same_thing(was, now) && !after.contains(was));
        let difference = if was.is_some() { Difference::Changed } else { Difference::Added };
        let increase = more(was, now, before).map(Cow::Borrowed);
        changes.push(Change { difference, capability: now.clone(), before: was.cloned(), increase });
    }
    let changed: Vec<Capability> = changes.iter().filter_map(|change| change.before.clone()).collect();
    for was in before.iter().filter(|was| !after.contains(was) && !changed.contains(was)) {
        let increase = less(was, after).map(Cow::Borrowed);
        changes.push(Change { difference: Difference::Removed, capability: was.clone(), before: None, increase });
    }
    changes
}

fn is_same_thing(was: &Capability, now: &Capability) -> bool {
    match (was, now) {
        (Capability::Call(was), Capability::Call(now)) => {
            (&was.origin, &was.method, &was.path) == (&now.origin, &now.method, &now.path)
        }
        (Capability::Credential { name: was, .. }, Capability::Credential { name: now, .. }) => was == now,
        (Capability::Rate { seconds: was, .. }, Capability::Rate { seconds: now, .. }) => was == now,
        (Capability::Delivery { .. }, Capability::Delivery { .. })
        | (Capability::Instance { .. }, Capability::Instance { .. }) => true,
        _ => false,
    }
}

/// Why a capability that is new or changed is more than there was.
fn more(was: Option<&Capability>, now: &Capability, before: &[Capability]) -> Option<&'static str> {
    match (was, now) {
        (_, Capability::Role { .. }) => Some("it does more than before"),
        (_, Capability::Import { .. }) => Some("it asks more of the host"),
        (_, Capability::Domain { .. }) => Some("it reaches hosts in another domain"),
        (_, Capability::Call(now)) => more_calls(now, before),
        (_, Capability::Credential { .. }) => Some("a credential is obtained or used in another way"),
        (_, Capability::Secret { .. }) => Some("it wants another secret"),
        (Some(Capability::Rate { calls: were, .. }), Capability::Rate { calls, .. }) if calls > were => {
            Some("it may call the vendor more often")
        }
        (Some(Capability::Delivery { .. }), Capability::Delivery { class: DeliveryClass::AtLeastOnce }) => {
            Some("repeats may reach the vendor twice")
        }
        (Some(_), Capability::Instance { .. }) => Some("records and budgets would be another instance's"),
        // The first amount of a rate is a limit, the first word on delivery comes with the role.
        (_, Capability::Rate { .. } | Capability::Delivery { .. } | Capability::Instance { .. }) => None,
        (_, Capability::Stream { .. }) => None,
    }
}

/// A call is nothing new where the closest rule of before said the same of it.
fn more_calls(now: &Call, before: &[Capability]) -> Option<&'static str> {
    let Some(was) = closest(now, before) else { return Some("it sends requests that it did not send before") };
    if was.credential != now.credential {
        return Some("another credential goes there");
    }
    match (was.access, now.access) {
        (Access::Read, Access::Write) => Some("it writes where it only read"),
        (Access::Write, Access::Read) => Some("a dry run would let pass what counted as writing"),
        (Access::Read, Access::Read) | (Access::Write, Access::Write) => None,
    }
}

/// Why something that is gone makes the rest more than it was.
fn less(was: &Capability, after: &[Capability]) -> Option<&'static str> {
    match was {
        Capability::Rate { .. } => Some("it may call the vendor more often"),
        Capability::Call(was) if was.access == Access::Write => {
            let reads = closest(was, after).is_some_and(|now| now.access == Access::Read);
            reads.then_some("a dry run would let pass what counted as writing")
        }
        _ => None,
    }
}

/// The rule that would decide about such a call: the longest path that covers it, as in the egress gate.
fn closest<'a>(call: &Call, among: &'a [Capability]) -> Option<&'a Call> {
    let calls = among.iter().filter_map(|capability| match capability {
        Capability::Call(call) => Some(call),
        _ => None,
    });
    let covers = |rule: &&Call| {
        rule.origin == call.origin && rule.method == call.method && call.path.starts_with(rule.path.as_str())
    };
    calls.filter(covers).max_by_key(|rule| (rule.path.len(), rule.access == Access::Write))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn spec() -> Value {
        json!({
            "name": "source-x", "version": "0.1.0", "publisher": "acme", "title": "X", "state_version": 1,
            "configuration": {"type": "object", "properties": {
                "id": {"type": "string"}, "secret": {"type": "string", "writeOnly": true}}},
            "credentials": [{"name": "x", "method": "oauth2-client-credentials", "origin": "api", "path": "/token",
                             "client_id": "{id}", "client_secret": "{secret}"}],
            "origins": [{"name": "api", "url": "https://{id}.example.com", "domains": ["example.com"], "rules": [
                {"methods": ["GET"], "path": "/rest/", "access": "read", "credential": "x"},
                {"methods": ["POST"], "path": "/rest/", "access": "read", "credential": "x"},
                {"methods": ["POST"], "path": "/rest/leads", "access": "write", "credential": "x"}]}],
            "rates": [{"kind": "window", "calls": 50, "seconds": 20}, {"kind": "concurrent", "calls": 5}],
            "instance": {"system": "X", "id": "{id}"},
            "mappings": [{"stream": "leads", "entity": "person", "fields": {}}]
        })
    }

    fn of(spec: &Value) -> Vec<Capability> {
        let imports = ["http", "types", "log"].map(str::to_owned);
        capabilities(&Spec::parse(&spec.to_string()).unwrap(), &["source"], &imports)
    }

    fn changed(pointer: &str, value: Value) -> Value {
        let mut spec = spec();
        *spec.pointer_mut(pointer).unwrap() = value;
        spec
    }

    #[test]
    fn a_first_version_is_all_new_and_the_same_again_is_no_change() {
        let all = of(&spec());
        assert_eq!(difference(&all, &all), []);
        let first = difference(&[], &all);
        assert_eq!(first.len(), all.len());
        assert!(first.iter().any(|change| change.increase.is_some()));
        assert!(!all.contains(&Capability::Import { interface: "types".into() }));
        let how = all.iter().find_map(|c| if let Capability::Credential { how, .. } = c { Some(how) } else { None });
        let how = how.unwrap();
        for part in ["oauth2-client-credentials", "https://{id}.example.com", "/token", "{id}", "{secret}"] {
            assert!(how.contains(part), "{how}: {part}");
        }
    }

    #[test]
    fn every_increase_is_found_and_what_is_less_is_none() {
        let rule = |methods: Value, path: &str, access: &str, credential: Value| {
            let mut rule = json!({"methods": methods, "path": path, "access": access});
            if credential.is_string() {
                rule["credential"] = credential;
            }
            rule
        };
        let with_rule = |rule: Value| {
            let mut spec = spec();
            spec["origins"][0]["rules"].as_array_mut().unwrap().push(rule);
            spec
        };
        let without = |pointer: &str, at: usize| {
            let mut spec = spec();
            spec.pointer_mut(pointer).unwrap().as_array_mut().unwrap().remove(at);
            spec
        };
        let mut with_secret = spec();
        with_secret["configuration"]["properties"]["id"]["writeOnly"] = json!(true);
        let x = json!("x");
        let rules = "/origins/0/rules";
        let cases = [
            ("another domain", changed("/origins/0/domains", json!(["example.com", "evil.com"])), true),
            ("another host", changed("/origins/0/url", json!("https://all.example.com")), true),
            ("another method", with_rule(rule(json!(["DELETE"]), "/rest/", "write", x.clone())), true),
            ("another path", with_rule(rule(json!(["GET"]), "/bulk/", "read", x.clone())), true),
            ("a path below", with_rule(rule(json!(["GET"]), "/rest/leads", "read", x.clone())), false),
            ("a write below what reads", with_rule(rule(json!(["GET"]), "/rest/run", "write", x.clone())), true),
            ("a read below what writes", with_rule(rule(json!(["POST"]), "/rest/leads/a", "read", x.clone())), true),
            ("no credential below", with_rule(rule(json!(["GET"]), "/rest/open", "read", Value::Null)), true),
            ("reading becomes writing", changed("/origins/0/rules/0/access", json!("write")), true),
            ("writing becomes reading", changed("/origins/0/rules/2/access", json!("read")), true),
            ("the rule that said it writes is gone", without(rules, 2), true),
            ("a rule that read is gone", without(rules, 0), false),
            ("the secret goes elsewhere", changed("/credentials/0/path", json!("/other")), true),
            ("another value is the secret", changed("/credentials/0/client_id", json!("{secret}")), true),
            ("another secret", with_secret, true),
            ("more calls", changed("/rates/0/calls", json!(51)), true),
            ("fewer calls", changed("/rates/0/calls", json!(49)), false),
            ("a rate is gone", without("/rates", 1), true),
            ("another instance", changed("/instance/id", json!("all")), true),
            ("another stream", changed("/mappings/0/stream", json!("contacts")), false),
        ];
        let before = of(&spec());
        for (what, after, is_increase) in cases {
            let changes = difference(&before, &of(&after));
            assert!(!changes.is_empty(), "{what}");
            assert_eq!(changes.iter().any(|c| c.increase.is_some()), is_increase, "{what}: {changes:#?}");
        }
    }

    #[test]
    fn what_the_component_asks_for_counts_too() {
        let spec = Spec::parse(&spec().to_string()).unwrap();
        let of = |roles: &[&'static str], imports: &[&str]| {
            capabilities(&spec, roles, &imports.iter().map(|i| (*i).to_owned()).collect::<Vec<_>>())
        };
        let before = of(&["source"], &["http"]);
        for after in [of(&["source", "destination"], &["http"]), of(&["source"], &["http", "spool"])] {
            assert!(difference(&before, &after).iter().any(|c| c.increase.is_some()));
        }
        assert!(difference(&before, &of(&["source"], &[])).iter().all(|c| c.increase.is_none()));
    }

    #[test]
    fn what_is_read_is_what_was_shown() {
        for change in difference(&[], &of(&spec())) {
            assert!(!change.capability.to_string().is_empty());
            let json = serde_json::to_string(&change).unwrap();
            assert_eq!(serde_json::from_str::<Change>(&json).unwrap(), change, "{json}");
        }
    }

    #[test]
    fn a_change_says_what_it_was() {
        let changes = difference(&of(&spec()), &of(&changed("/rates/0/calls", json!(60))));
        let [change] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!(change.difference, Difference::Changed);
        assert_eq!(change.before, Some(Capability::Rate { seconds: 20, calls: 50 }));
        assert_eq!(change.capability, Capability::Rate { seconds: 20, calls: 60 });
    }
}
