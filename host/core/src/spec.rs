//! A connector's specification: the JSON document its `spec()` answers. The format is described for partners in
//! `docs/specification.md`; this is its type. Unknown keys are refused.

mod at_once;
mod credential;
mod learnt;
mod rate;

pub use at_once::AtOnce;
pub use credential::{AssumedRole, Authorize, CredentialMethod, CredentialSpec, ParametersIn};
pub use learnt::{InstanceSpec, Learnt};
pub use rate::{Rate, ToldBy, wrong_shares};

use crate::backfill::WindowSpec;
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
    /// For sources that can be told to read a span of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowSpec>,
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
        let keys = self.window.iter().flat_map(|window| [("from", &window.from), ("to", &window.to)]);
        let is_key = |key: &str| self.configuration.get("properties").is_some_and(|keys| keys.get(key).is_some());
        if let Some((place, _)) = keys.into_iter().find(|(_, key)| !is_key(key)) {
            return invalid(&format!("window.{place}"), "must be a property of the configuration");
        }
        self.instance.validate(self)?;
        for (role, key) in [(Role::Source, "source"), (Role::Destination, "destination")] {
            if self.cardinality.organisations_max(role) == Some(0) {
                return invalid(&format!("cardinality.{key}_organisations_per_instance"), "must be at least 1");
            }
        }
        for (i, rate) in self.rates.iter().enumerate() {
            rate.validate(&format!("rates[{i}]"))?;
            let is_a_day = |other: &Rate| matches!(other, Rate::Day { resets, .. } if resets != "rolling");
            if matches!(rate, Rate::Streams { .. }) && !self.rates.iter().any(is_a_day) {
                return invalid(
                    &format!("rates[{i}]"),
                    "divides a day, but no day that ends at a midnight is declared",
                );
            }
        }
        if self.rates.iter().filter(|rate| matches!(rate, Rate::Streams { .. })).count() > 1 {
            return invalid("rates", "divide a day twice");
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
mod tests;
