//! A connector's specification: the JSON document its `spec()` answers. The format is described for partners in
//! `docs/specification.md`; this is its type. Unknown keys are refused.

mod credential;
mod learnt;
mod rate;

pub use credential::{AssumedRole, Authorize, CredentialMethod, CredentialSpec, ParametersIn};
pub use learnt::{InstanceSpec, Learnt};
pub use rate::{Rate, ToldBy};

use crate::cardinality::{Cardinality, Role};
use crate::config::AudienceEntity;
use schemars::JsonSchema;
use semver::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PluginSpec")]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// `source-marketo`: lower-case letters, digits and dashes.
    pub name: String,
    #[schemars(with = "String")]
    pub version: Version,
    pub publisher: String,
    pub title: String,
    #[serde(default)]
    pub description: String,
    /// Version of the cursors and delivery states this connector writes.
    pub state_version: u32,
    /// JSON Schema of the configuration. A property with `writeOnly: true` is a secret: text, never given to the
    /// connector, only to credentials.
    pub configuration: serde_json::Value,
    #[serde(default)]
    pub credentials: Vec<CredentialSpec>,
    #[serde(default)]
    pub origins: Vec<Origin>,
    #[serde(default)]
    pub rates: Vec<Rate>,
    /// Which vendor instance a connection is.
    pub instance: InstanceSpec,
    /// How many organisations may share one instance.
    #[serde(default, skip_serializing_if = "Cardinality::is_unbounded")]
    pub cardinality: Cardinality,
    /// For destinations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliverySpec>,
    /// For sources: how native records become the model's entities.
    #[serde(default)]
    pub mappings: Vec<MappingSpec>,
}

/// A place the connector may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SpecOrigin")]
#[serde(deny_unknown_fields)]
pub struct Origin {
    pub name: String,
    /// `https://{munchkin_id}.mktorest.com`: scheme, host and port only. What is put into a placeholder must be one
    /// DNS label. Empty where it is learnt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// The URL comes with the token: scheme, host and port of it count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learnt: Option<Learnt>,
    /// Placeholders of `url` whose values may be several DNS labels: `acme--uat.sandbox`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub several_labels: Vec<String>,
    /// The publisher's domains: the host of `url` must be one of them or end in one.
    pub domains: Vec<String>,
    pub rules: Vec<EgressRule>,
}

/// What may be sent to an origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EgressRule {
    pub methods: Vec<String>,
    /// The path begins with this.
    pub path: String,
    pub access: Access,
    /// The one credential that may go there; absent: none may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// Whether a request changes something at the vendor. A dry run refuses what writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    Read,
    Write,
}

/// What a destination promises about repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryClass {
    /// A repeated batch may reach the vendor twice; the host waits out requests that may still be on their way.
    AtLeastOnce,
    /// A repeat, at any time, leaves what one call would have left.
    EffectivelyOnce,
}

/// How a target takes the state that is wanted of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryMode {
    /// It keeps its members: every delivery is the difference to what it last acknowledged.
    #[default]
    Records,
    /// Each delivery makes one whole of its own (a file): every member is sent every time.
    Snapshot,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliverySpec {
    pub class: DeliveryClass,
    /// How its targets take state.
    #[serde(default)]
    pub mode: DeliveryMode,
    pub batch_rows: u32,
    /// Most fields that an activation may map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields_max: Option<u32>,
    /// What members of a target may be, by the object's name. Of one that is not named: persons.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, Vec<AudienceEntity>>,
    /// Whether `members` tells who is in a target. Where nothing is said, its answer tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_back: Option<bool>,
    /// Codes of rejected rows that may pass by themselves: such a row is sent again after a pause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transient_codes: Vec<String>,
    /// How many batches of one delivery may be with it at once; absent: one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once: Option<AtOnce>,
    /// Longest time a request of ours may still be on its way after a kill.
    #[serde(default = "DeliverySpec::default_request_timeout_ms")]
    pub request_timeout_ms: u64,
}

/// Batches that may be with a destination at once. Whoever declares it promises that a batch depends on no other one of its
/// delivery: where one has left the state as it was, those after it do as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtOnce {
    pub batches: u32,
    /// Fields by which the vendor tells members apart: two rows with the same value in one of them never go at once.
    pub keys: Vec<String>,
}

impl AtOnce {
    const BATCHES_MAX: u32 = 16;

    fn problem(&self, mode: DeliveryMode) -> Option<&'static str> {
        if mode == DeliveryMode::Snapshot {
            return Some("a whole is made of its batches in their order: only targets that keep their members have it");
        }
        if !(2..=Self::BATCHES_MAX).contains(&self.batches) {
            return Some("`batches` must be 2 to 16");
        }
        if self.keys.is_empty() || self.keys.iter().any(String::is_empty) {
            return Some("`keys` must name the fields by which members are told apart");
        }
        None
    }
}

impl DeliverySpec {
    fn default_request_timeout_ms() -> u64 {
        60_000
    }

    /// Whether a target may be asked who is in it. One that is made anew by each delivery keeps no members.
    #[must_use]
    pub fn may_be_read_back(&self) -> bool {
        self.mode == DeliveryMode::Records && self.read_back != Some(false)
    }

    /// What members of a target may be.
    #[must_use]
    pub fn takes(&self, object: &str) -> &[AudienceEntity] {
        self.members.get(object).map_or(&[AudienceEntity::Person], Vec::as_slice)
    }

    /// How long a batch that was not answered has to rest before it is sent again: 0 where a late repeat cannot harm.
    /// A target that keeps its members is harmed by every late request: an addition may come after the removal that
    /// follows it.
    #[must_use]
    pub fn unsure_ms(&self) -> u64 {
        match (self.class, self.mode) {
            (DeliveryClass::EffectivelyOnce, DeliveryMode::Snapshot) => 0,
            (DeliveryClass::AtLeastOnce, _) | (_, DeliveryMode::Records) => self.request_timeout_ms,
        }
    }
}

/// The shipped mapping of one stream to one entity of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingSpec {
    pub stream: String,
    /// `person`, `account`: an entity of the model that is not derived, or a custom one.
    pub entity: String,
    /// Target field of the entity, a custom attribute among them <- CEL over the native `record`, `instance` (`id`,
    /// `system`) and `config`.
    pub fields: BTreeMap<String, String>,
}

/// Why a specification is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    #[error("the specification is not what docs/specification.md describes: {0}")]
    Malformed(String),
    #[error("{path}: {problem}")]
    Invalid { path: String, problem: String },
}

impl Spec {
    /// Most bytes a specification may have.
    pub const BYTES_MAX: usize = 256 * 1024;

    /// Reads and checks a specification.
    pub fn parse(json: &str) -> Result<Self, SpecError> {
        if json.len() > Self::BYTES_MAX {
            return Err(SpecError::Malformed(format!("{} bytes; at most {}", json.len(), Self::BYTES_MAX)));
        }
        let spec: Self = serde_json::from_str(json).map_err(|e| SpecError::Malformed(e.to_string()))?;
        spec.validate()?;
        Ok(spec)
    }

    fn validate(&self) -> Result<(), SpecError> {
        named("name", &self.name)?;
        named("publisher", &self.publisher)?;
        for (i, credential) in self.credentials.iter().enumerate() {
            named(&format!("credentials[{i}].name"), &credential.name)?;
            let asked = credential.method.endpoint().map(|(origin, _)| origin).unwrap_or_default();
            if self.origins.iter().any(|origin| origin.name == asked && origin.learnt.is_some()) {
                return invalid(
                    &format!("credentials[{i}].origin"),
                    "is learnt from a token, so no token can be had there",
                );
            }
            if let Some(problem) = credential.method.problem() {
                return invalid(&format!("credentials[{i}]"), problem);
            }
            let page = credential.method.authorize().map(|authorize| authorize.origin.as_str());
            if page.is_some_and(|page| !self.origins.iter().any(|o| o.name == page && o.learnt.is_none())) {
                return invalid(&format!("credentials[{i}].authorize.origin"), "no origin of this name is written");
            }
            if let CredentialMethod::OAuth2RefreshToken { refresh_token, .. } = &credential.method
                && !self.secrets().iter().any(|secret| *refresh_token == format!("{{{secret}}}"))
            {
                return invalid(&format!("credentials[{i}].refresh_token"), "must be one secret of the configuration");
            }
        }
        for (i, origin) in self.origins.iter().enumerate() {
            self.validate_origin(i, origin)?;
        }
        if let Some(delivery) = &self.delivery
            && delivery.batch_rows == 0
        {
            return invalid("delivery.batch_rows", "must be at least 1");
        }
        if let Some(delivery) = &self.delivery
            && let Some(problem) = delivery.at_once.as_ref().and_then(|at_once| at_once.problem(delivery.mode))
        {
            return invalid("delivery.at_once", problem);
        }
        let members = self.delivery.iter().flat_map(|delivery| &delivery.members);
        if let Some((object, _)) = members.into_iter().find(|(_, of)| of.is_empty()) {
            return invalid(&format!("delivery.members.{object}"), "must be `person`, `account` or both");
        }
        self.instance.validate(self)?;
        for (role, key) in [(Role::Source, "source"), (Role::Destination, "destination")] {
            if self.cardinality.organisations_max(role) == Some(0) {
                return invalid(&format!("cardinality.{key}_organisations_per_instance"), "must be at least 1");
            }
        }
        for (i, rate) in self.rates.iter().enumerate() {
            rate.validate(&format!("rates[{i}]"))?;
        }
        Ok(())
    }

    fn validate_origin(&self, i: usize, origin: &Origin) -> Result<(), SpecError> {
        named(&format!("origins[{i}].name"), &origin.name)?;
        if origin.domains.is_empty() || origin.domains.iter().any(|d| d.is_empty() || d.contains('{')) {
            return invalid(&format!("origins[{i}].domains"), "name at least one domain, without placeholders");
        }
        match &origin.learnt {
            Some(_) if !origin.url.is_empty() => {
                return invalid(&format!("origins[{i}].url"), "is either written or learnt, not both");
            }
            Some(learnt) => learnt.validate(&format!("origins[{i}].learnt"), self)?,
            None if origin.url.is_empty() => return invalid(&format!("origins[{i}].url"), "is missing"),
            None => {}
        }
        for (j, rule) in origin.rules.iter().enumerate() {
            let path = format!("origins[{i}].rules[{j}]");
            if !rule.path.starts_with('/') {
                return invalid(&format!("{path}.path"), "must begin with /");
            }
            if rule.methods.is_empty() || rule.methods.iter().any(|m| !METHODS.contains(&m.as_str())) {
                return invalid(&format!("{path}.methods"), "must be some of GET POST PUT PATCH DELETE HEAD");
            }
            if let Some(wanted) = &rule.credential
                && !self.credentials.iter().any(|c| &c.name == wanted)
            {
                return invalid(&format!("{path}.credential"), "no credential of this name is declared");
            }
        }
        Ok(())
    }

    /// The value of a key of the configuration; where it is left out, its schema's default.
    #[must_use]
    pub fn configured<'v>(&'v self, configuration: &'v serde_json::Value, key: &str) -> Option<&'v serde_json::Value> {
        let default = || self.configuration.get("properties")?.get(key)?.get("default");
        configuration.get(key).or_else(default)
    }

    /// The credential of a name that a configuration chooses.
    #[must_use]
    pub fn credential(&self, name: &str, configuration: &serde_json::Value) -> Option<&CredentialSpec> {
        let has = |(key, value): (&String, &String)| {
            self.configured(configuration, key).and_then(serde_json::Value::as_str) == Some(value)
        };
        self.credentials.iter().find(|credential| credential.name == name && credential.when.iter().all(has))
    }

    /// The names of the configuration's secrets.
    #[must_use]
    pub fn secrets(&self) -> Vec<&str> {
        let Some(properties) = self.configuration.get("properties").and_then(|p| p.as_object()) else {
            return Vec::new();
        };
        let secret = |p: &serde_json::Value| p.get("writeOnly").and_then(serde_json::Value::as_bool).unwrap_or(false);
        properties.iter().filter(|(_, p)| secret(p)).map(|(name, _)| name.as_str()).collect()
    }
}

impl Spec {
    /// The names of the configuration's properties that are neither secret nor lists or objects: mappings may name them.
    #[must_use]
    pub fn public_scalars(&self) -> Vec<String> {
        let Some(properties) = self.configuration.get("properties").and_then(|p| p.as_object()) else {
            return Vec::new();
        };
        let secrets = self.secrets();
        let single =
            |p: &serde_json::Value| !matches!(p.get("type").and_then(|t| t.as_str()), Some("object" | "array"));
        let public = properties.iter().filter(|(name, p)| single(p) && !secrets.contains(&name.as_str()));
        public.map(|(name, _)| name.clone()).collect()
    }
}

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];

fn invalid<T>(path: &str, problem: &str) -> Result<T, SpecError> {
    Err(SpecError::Invalid { path: path.to_owned(), problem: problem.to_owned() })
}

fn named(path: &str, name: &str) -> Result<(), SpecError> {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if name.is_empty() || name.len() > 64 || !plain {
        return invalid(path, "must be 1 to 64 lower-case letters, digits or dashes");
    }
    Ok(())
}

/// Why a template could not be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("the template `{0}` has an unclosed placeholder")]
    Unclosed(String),
    #[error("the configuration has no text `{0}`")]
    Missing(String),
}

/// Fills `{name}` placeholders of a template from configuration values that are text, numbers or booleans.
pub fn fill(template: &str, configuration: &serde_json::Value) -> Result<String, TemplateError> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let (name, tail) = after.split_once('}').ok_or_else(|| TemplateError::Unclosed(template.to_owned()))?;
        match configuration.get(name) {
            Some(serde_json::Value::String(text)) => filled.push_str(text),
            Some(value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => {
                filled.push_str(&value.to_string());
            }
            _ => return Err(TemplateError::Missing(name.to_owned())),
        }
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn minimal() -> serde_json::Value {
        json!({
            "name": "source-x", "version": "0.1.0", "publisher": "attiva", "title": "X", "state_version": 1,
            "configuration": {"type": "object", "properties": {"id": {"type": "string"}, "secret": {"type": "string", "writeOnly": true}, "list": {"type": "array"}}},
            "credentials": [{"name": "x", "method": "oauth2-client-credentials", "origin": "api", "path": "/token",
                             "client_id": "{id}", "client_secret": "{secret}", "parameters_in": "query"}],
            "origins": [{"name": "api", "url": "https://{id}.example.com", "domains": ["example.com"],
                         "rules": [{"methods": ["GET"], "path": "/", "access": "read", "credential": "x"}]}],
            "rates": [{"kind": "window", "calls": 50, "seconds": 20}, {"kind": "concurrent", "calls": 5}],
            "instance": {"system": "X", "id": "{id}"},
            "cardinality": {"source_organisations_per_instance": 1}
        })
    }

    #[test]
    fn a_specification_is_read_and_its_secrets_known() {
        let spec = Spec::parse(&minimal().to_string()).unwrap();
        assert_eq!(spec.secrets(), ["secret"]);
        assert_eq!(spec.public_scalars(), ["id"]);
        assert_eq!(Spec::parse(&serde_json::to_string(&spec).unwrap()).unwrap(), spec);
    }

    fn delivery(members: serde_json::Value) -> serde_json::Value {
        json!({"class": "at-least-once", "batch_rows": 1, "members": members})
    }

    #[test]
    fn a_target_takes_persons_unless_its_destination_says_otherwise() {
        let mut spec = minimal();
        spec["delivery"] = delivery(json!({"companies": ["account"], "file": ["person", "account"]}));
        let delivery = Spec::parse(&spec.to_string()).unwrap().delivery.unwrap();
        let (person, account) = (AudienceEntity::Person, AudienceEntity::Account);
        assert_eq!(delivery.takes("companies"), [account]);
        assert_eq!(delivery.takes("file"), [person, account]);
        assert_eq!(delivery.takes("list"), [person]);
    }

    #[test]
    fn batches_go_at_once_only_where_members_can_be_told_apart() {
        let problem = |mode: &str, at_once: serde_json::Value| {
            let mut spec = minimal();
            spec["delivery"] = json!({"class": "at-least-once", "batch_rows": 1, "mode": mode, "at_once": at_once});
            Spec::parse(&spec.to_string()).err().map(|error| error.to_string())
        };
        assert_eq!(problem("records", json!({"batches": 5, "keys": ["email"]})), None);
        for (mode, at_once) in [
            ("snapshot", json!({"batches": 5, "keys": ["email"]})),
            ("records", json!({"batches": 1, "keys": ["email"]})),
            ("records", json!({"batches": 17, "keys": ["email"]})),
            ("records", json!({"batches": 5, "keys": []})),
            ("records", json!({"batches": 5, "keys": [""]})),
        ] {
            let found = problem(mode, at_once.clone()).unwrap_or_else(|| panic!("{mode} {at_once} was taken"));
            assert!(found.starts_with("delivery.at_once"), "{found}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("/name", json!("Source X"), "name"),
            ("/unknown", json!(1), "unknown field"),
            (
                "/credentials/0",
                json!({"name": "x", "method": "aws-sigv4", "service": "s3", "region": "r", "access_key_id": "a", "secret_access_key": "b", "extra": 1}),
                "extra",
            ),
            (
                "/credentials/0",
                json!({"name": "x", "method": "oauth2-refresh-token", "origin": "api", "path": "/t", "client_id": "c", "client_secret": "s", "refresh_token": "{id}"}),
                "credentials[0].refresh_token",
            ),
            ("/origins/0/rules/0/credential", json!("y"), "origins[0].rules[0].credential"),
            ("/origins/0/rules/0/path", json!("x"), "origins[0].rules[0].path"),
            ("/origins/0/rules/0/methods", json!(["TRACE"]), "origins[0].rules[0].methods"),
            ("/origins/0/domains", json!([]), "origins[0].domains"),
            ("/rates/0/calls", json!(0), "rates[0]"),
            (
                "/cardinality",
                json!({"source_organisations_per_instance": 0}),
                "cardinality.source_organisations_per_instance",
            ),
            ("/cardinality", json!({"organisations": 1}), "unknown field"),
            ("/delivery", delivery(json!({"file": []})), "delivery.members.file"),
            ("/delivery", delivery(json!({"file": ["campaign"]})), "unknown variant `campaign`"),
        ];
        for (pointer, value, expected) in cases {
            let mut spec = minimal();
            match spec.pointer_mut(pointer) {
                Some(place) => *place = value,
                None => spec[pointer.trim_start_matches('/')] = value,
            }
            let error = Spec::parse(&spec.to_string()).unwrap_err().to_string();
            assert!(error.contains(expected), "{pointer}: {error}");
        }
    }

    #[test]
    fn templates_take_values_and_miss_what_is_missing() {
        let configuration = json!({"id": "123-ABC-456", "port": 9});
        assert_eq!(
            fill("https://{id}.example.com:{port}", &configuration).unwrap(),
            "https://123-ABC-456.example.com:9"
        );
        assert_eq!(fill("{nobody}", &configuration), Err(TemplateError::Missing("nobody".into())));
        assert_eq!(fill("{id", &configuration), Err(TemplateError::Unclosed("{id".into())));
    }
}
