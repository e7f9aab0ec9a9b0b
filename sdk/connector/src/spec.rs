//! The specification: what a connector says of itself before it is ever run. Described in `docs/specification.md`.

mod credential;
mod delivery;
mod rate;

pub use credential::{AssumedRole, Authorize, Credential, CredentialMethod, ParametersIn};
pub use delivery::{AtOnce, Delivering, Delivery, DeliveryClass, Member, Mode};
pub use rate::{Budget, Rate, ToldBy};

use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A connector's specification. Values that are templates take `{name}` from the configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spec {
    /// Lower-case letters, digits and dashes: `source-example`.
    pub name: String,
    /// A semantic version.
    pub version: String,
    /// Who publishes it; written as the name is.
    pub publisher: String,
    /// For people.
    pub title: String,
    /// For people: what it reads or writes.
    pub description: String,
    /// Version of the cursors and delivery states it writes. Raise it with their form.
    pub state_version: u32,
    /// JSON Schema of the configuration. `writeOnly: true` marks a secret.
    pub configuration: Value,
    /// What the host obtains and adds to requests.
    pub credentials: Vec<Credential>,
    /// Where the connector may call.
    pub origins: Vec<Origin>,
    /// Budgets of the vendor instance.
    pub rates: Vec<Budget>,
    /// Which vendor instance a connection is.
    pub instance: Instance,
    /// How many organisations may share one instance.
    #[serde(skip_serializing_if = "Cardinality::is_unbounded")]
    pub cardinality: Cardinality,
    /// For destinations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivering>,
    /// For sources: how records become the model's entities.
    pub mappings: Vec<Mapping>,
}

impl Spec {
    /// A specification with no configuration and no authority; `env!("CARGO_PKG_VERSION")` is a good version.
    #[must_use]
    pub fn new(name: &str, version: &str, publisher: &str, title: &str) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            publisher: publisher.into(),
            title: title.into(),
            description: String::new(),
            state_version: 1,
            configuration: json!({"type": "object", "properties": {}, "additionalProperties": false}),
            credentials: Vec::new(),
            origins: Vec::new(),
            rates: Vec::new(),
            instance: Instance {
                system: title.chars().filter(char::is_ascii_alphanumeric).collect(),
                id: String::new(),
                learnt: None,
            },
            cardinality: Cardinality::default(),
            delivery: None,
            mappings: Vec::new(),
        }
    }

    /// What it reads or writes, for people.
    #[must_use]
    pub fn description(mut self, description: &str) -> Self {
        self.description = description.into();
        self
    }

    /// Version of the cursors and states.
    #[must_use]
    pub fn state_version(mut self, version: u32) -> Self {
        self.state_version = version;
        self
    }

    /// JSON Schema of the configuration.
    #[must_use]
    pub fn configuration(mut self, schema: Value) -> Self {
        self.configuration = schema;
        self
    }

    /// Adds a credential.
    #[must_use]
    pub fn credential(self, name: &str, method: CredentialMethod) -> Self {
        self.credential_of(Credential::new(name, method))
    }

    /// Adds a credential that says more of itself: when it is the one, how long its tokens live.
    #[must_use]
    pub fn credential_of(mut self, credential: Credential) -> Self {
        self.credentials.push(credential);
        self
    }

    /// Adds an origin.
    #[must_use]
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origins.push(origin);
        self
    }

    /// Adds a budget.
    #[must_use]
    pub fn rate(self, rate: Rate) -> Self {
        self.rate_refused_by(rate, &[])
    }

    /// Adds a budget, with the codes of faults by which this connector says that the vendor found it used up. The host
    /// then knows that somebody else uses it too, and holds back.
    #[must_use]
    pub fn rate_refused_by(mut self, rate: Rate, codes: &[&str]) -> Self {
        let refused_by = codes.iter().map(|code| (*code).to_owned()).collect();
        self.rates.push(Budget { rate, refused_by });
        self
    }

    /// Which vendor instance a connection is: the system, and a template of the id.
    #[must_use]
    pub fn instance(mut self, system: &str, id: &str) -> Self {
        self.instance = Instance { system: system.into(), id: id.into(), learnt: None };
        self
    }

    /// Which vendor instance a connection is: the system, and where in its token's reply the id stands.
    #[must_use]
    pub fn learnt_instance(mut self, system: &str, learnt: Learnt) -> Self {
        self.instance = Instance { system: system.into(), id: String::new(), learnt: Some(learnt) };
        self
    }

    /// How many organisations may share one instance; unless said, any number.
    #[must_use]
    pub fn cardinality(mut self, cardinality: Cardinality) -> Self {
        self.cardinality = cardinality;
        self
    }

    /// What a destination promises.
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        let (mode, fields_max, transient_codes) = (Mode::Records, None, Vec::new());
        let (members, read_back, at_once) = (BTreeMap::new(), None, None);
        self.delivery = Some(Delivering { delivery, mode, fields_max, members, read_back, transient_codes, at_once });
        self
    }

    /// How targets take state; without it, [`Mode::Records`]. After [`Spec::delivery`], as the next ones.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        if let Some(delivery) = &mut self.delivery {
            delivery.mode = mode;
        }
        self
    }

    /// Most fields that an activation may map.
    #[must_use]
    pub fn fields_max(mut self, fields: u32) -> Self {
        if let Some(delivery) = &mut self.delivery {
            delivery.fields_max = Some(fields);
        }
        self
    }

    /// What members of an object's targets may be; unless said, persons.
    #[must_use]
    pub fn members(mut self, object: &str, members: &[Member]) -> Self {
        if let Some(delivery) = &mut self.delivery {
            delivery.members.insert(object.to_owned(), members.to_vec());
        }
        self
    }

    /// Whether `members` tells who is in a target: the host then reads targets back, and shows what others changed there.
    #[must_use]
    pub fn read_back(mut self, can: bool) -> Self {
        if let Some(delivery) = &mut self.delivery {
            delivery.read_back = Some(can);
        }
        self
    }

    /// How many batches of one delivery may come at once; two rows with the same value in one of the fields `keys` never do.
    /// Say it only where no batch needs another one's state: once a batch has left the state as it was, those after it
    /// have to as well.
    #[must_use]
    pub fn at_once(mut self, batches: u32, keys: &[&str]) -> Self {
        if let Some(delivery) = &mut self.delivery {
            let keys = keys.iter().map(|key| (*key).to_owned()).collect();
            delivery.at_once = Some(AtOnce { batches, keys });
        }
        self
    }

    /// Codes of rejected rows that may pass by themselves.
    #[must_use]
    pub fn transient_codes(mut self, codes: &[&str]) -> Self {
        if let Some(delivery) = &mut self.delivery {
            delivery.transient_codes = codes.iter().map(|code| (*code).to_owned()).collect();
        }
        self
    }

    /// Maps a stream to an entity: target field <- CEL over the native `record`.
    #[must_use]
    pub fn mapping(mut self, stream: &str, entity: &str, fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().map(|(target, source)| ((*target).into(), (*source).into())).collect();
        self.mappings.push(Mapping { stream: stream.into(), entity: entity.into(), fields });
        self
    }

    /// The document that `spec()` answers.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A place the connector may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// What requests name.
    pub name: String,
    /// Scheme, host and port; a template. Empty where it is learnt.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Where in a token's reply the URL stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learnt: Option<Learnt>,
    /// Placeholders whose values may be several DNS labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub several_labels: Vec<String>,
    /// The publisher's domains: the host must be one of them or end in one.
    pub domains: Vec<String>,
    /// What may be sent.
    pub rules: Vec<EgressRule>,
}

impl Origin {
    /// An origin to which nothing may be sent yet.
    #[must_use]
    pub fn new(name: &str, url: &str, domains: &[&str]) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            learnt: None,
            several_labels: Vec::new(),
            domains: domains.iter().map(|d| (*d).into()).collect(),
            rules: Vec::new(),
        }
    }

    /// An origin whose URL comes with a token.
    #[must_use]
    pub fn learnt(name: &str, learnt: Learnt, domains: &[&str]) -> Self {
        Self { learnt: Some(learnt), ..Self::new(name, "", domains) }
    }

    /// What is put into this placeholder may be several DNS labels.
    #[must_use]
    pub fn several_labels(mut self, placeholder: &str) -> Self {
        self.several_labels.push(placeholder.into());
        self
    }

    /// Allows requests that change nothing at the vendor.
    #[must_use]
    pub fn reads(self, methods: &[&str], path: &str, credential: Option<&str>) -> Self {
        self.rule(methods, path, Access::Read, credential)
    }

    /// Allows requests that change something at the vendor.
    #[must_use]
    pub fn writes(self, methods: &[&str], path: &str, credential: Option<&str>) -> Self {
        self.rule(methods, path, Access::Write, credential)
    }

    fn rule(mut self, methods: &[&str], path: &str, access: Access, credential: Option<&str>) -> Self {
        self.rules.push(EgressRule {
            methods: methods.iter().map(|m| (*m).into()).collect(),
            path: path.into(),
            access,
            credential: credential.map(Into::into),
        });
        self
    }
}

/// What may be sent to an origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EgressRule {
    /// Some of GET, POST, PUT, PATCH, DELETE, HEAD.
    pub methods: Vec<String>,
    /// What the path begins with.
    pub path: String,
    /// Whether it changes something at the vendor.
    pub access: Access,
    /// The one credential that may go there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// Whether a request changes something at the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Changes nothing.
    Read,
    /// Changes something; a dry run refuses it.
    Write,
}

/// How many organisations of one host may share an instance of the vendor's system; `None`: any number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Cardinality {
    /// Organisations that may read from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_organisations_per_instance: Option<u32>,
    /// Organisations that may write to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_organisations_per_instance: Option<u32>,
}

impl Cardinality {
    fn is_unbounded(&self) -> bool {
        *self == Self::default()
    }
}

/// Which vendor instance a connection is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// The system's kind: letters and digits.
    pub system: String,
    /// Template of the instance's id; empty where it is learnt.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Where in a token's reply the id stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learnt: Option<Learnt>,
}

/// A value of the reply that brings a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Learnt {
    /// The credential whose token it comes with.
    pub credential: String,
    /// A JSON pointer into the reply; what stands there is text.
    pub pointer: String,
    /// The text is a URL, and this segment of its path is the value, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<usize>,
}

impl Learnt {
    /// The text at a pointer.
    #[must_use]
    pub fn text(credential: &str, pointer: &str) -> Self {
        Self { credential: credential.into(), pointer: pointer.into(), segment: None }
    }

    /// A segment of the path of the URL at a pointer.
    #[must_use]
    pub fn segment(credential: &str, pointer: &str, segment: usize) -> Self {
        Self { segment: Some(segment), ..Self::text(credential, pointer) }
    }
}

/// The shipped mapping of one stream to one entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mapping {
    /// A stream's name.
    pub stream: String,
    /// `person`.
    pub entity: String,
    /// Target field <- CEL over the native `record`.
    pub fields: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Spec {
        Spec::new("source-x", "1.2.3", "attiva", "X")
            .description("Everything a specification can say.")
            .state_version(2)
            .configuration(json!({"type": "object", "properties": {"id": {"type": "string"},
                "secret": {"type": "string", "writeOnly": true}}}))
            .credential(
                "oauth",
                CredentialMethod::OAuth2ClientCredentials {
                    origin: "api".into(),
                    path: "/token".into(),
                    client_id: "{id}".into(),
                    client_secret: "{secret}".into(),
                    parameters_in: ParametersIn::Query,
                },
            )
            .credential(
                "consent",
                CredentialMethod::OAuth2RefreshToken {
                    origin: "api".into(),
                    path: "/token".into(),
                    client_id: "{id}".into(),
                    client_secret: "{secret}".into(),
                    refresh_token: "{secret}".into(),
                    authorize: Some(Authorize {
                        origin: "api".into(),
                        path: "/authorize".into(),
                        scopes: vec!["read".into()],
                        pkce: true,
                        parameters: [("access_type".to_owned(), "offline".to_owned())].into(),
                    }),
                },
            )
            .credential(
                "aws",
                CredentialMethod::AwsSigv4 {
                    service: "s3".into(),
                    region: "{region}".into(),
                    access_key_id: "{id}".into(),
                    secret_access_key: "{secret}".into(),
                    session_token: Some("{token}".into()),
                    role: Some(AssumedRole {
                        origin: "api".into(),
                        arn: "{id}".into(),
                        external_id: Some("{id}".into()),
                    }),
                },
            )
            .credential(
                "key",
                CredentialMethod::ApiKey { header: Some("x-api-key".into()), query: None, value: "{secret}".into() },
            )
            .credential(
                "in-query",
                CredentialMethod::ApiKey { header: None, query: Some("key".into()), value: "{secret}".into() },
            )
            .origin(
                Origin::new("api", "https://{id}.example.com", &["example.com"])
                    .reads(&["GET"], "/rest", Some("oauth"))
                    .writes(&["PUT", "DELETE"], "/", None),
            )
            .rate(Rate::Window { calls: 100, seconds: 20 })
            .rate(Rate::Concurrent { calls: 10 })
            .rate_refused_by(
                Rate::Day {
                    calls: Some(1_000),
                    resets: "UTC0".into(),
                    told_by: Some(ToldBy { header: "limit".into(), key: "usage".into() }),
                },
                &["x.spent"],
            )
            .instance("X", "{id}")
            .cardinality(Cardinality {
                source_organisations_per_instance: Some(1),
                destination_organisations_per_instance: Some(5),
            })
            .delivery(Delivery { class: DeliveryClass::EffectivelyOnce, batch_rows: 1000, request_timeout_ms: 30_000 })
            .mode(Mode::Snapshot)
            .fields_max(50)
            .members("file", &[Member::Person, Member::Account])
            .transient_codes(&["busy"])
            .mapping("persons", "person", &[("person.email", "record.email")])
    }

    fn learning() -> Spec {
        let jwt = CredentialMethod::OAuth2JwtBearer {
            origin: "login".into(),
            path: "/token".into(),
            issuer: "{id}".into(),
            subject: "{user}".into(),
            audience: "https://login.example.com".into(),
            private_key: "{secret}".into(),
        };
        full()
            .credential_of(Credential::new("oauth", jwt).when("auth", "key").token_seconds(7200))
            .origin(Origin::new("login", "https://{id}.example.com", &["example.com"]).several_labels("id"))
            .origin(Origin::learnt("data", Learnt::text("oauth", "/instance_url"), &["example.com"]))
            .learnt_instance("X", Learnt::segment("oauth", "/id", 1))
    }

    /// The host reads everything we can write, and loses nothing of it.
    #[test]
    fn the_host_reads_it_back() {
        for spec in [full(), learning()] {
            let read = attiva_core::spec::Spec::parse(&spec.to_json()).unwrap();
            let ours: Value = serde_json::from_str(&spec.to_json()).unwrap();
            assert_eq!(serde_json::to_value(read).unwrap(), ours);
        }
    }
}
