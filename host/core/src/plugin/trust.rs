//! Who may publish which plugin. A name belongs to one publisher, and a publisher is known by its keys: so a plugin
//! that is installed can be replaced only by whom it came from.

use super::package::{Statement, is_hex};
use crate::{Fault, FaultKind, Millis};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// An ed25519 key that signatures are checked with. As text: `ed25519:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be `ed25519:` and 64 lower-case hex digits, as `attiva plugin keygen` prints it")]
pub struct NotAKey;

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let digits = text.strip_prefix("ed25519:").filter(|digits| is_hex(digits, 32)).ok_or(NotAKey)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| NotAKey)?;
        Ok(Self(bytes))
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A publisher that an operator trusts, or trusted once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publisher {
    pub name: String,
    pub keys: Vec<TrustedKey>,
    /// The names it may publish under.
    pub plugins: BTreeSet<String>,
    /// False: nothing more is installed from it. Its names stay its own, so that nobody slips into its place.
    pub trusted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedKey {
    pub key: PublicKey,
    pub since: Millis,
    /// The id of the API key that was used to trust it.
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revocation>,
}

/// A key that somebody else may have. What it signed is worth nothing, whenever that was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    pub at: Millis,
    pub by: String,
    pub reason: String,
}

/// Who vouches for an installed component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PluginProvenance")]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Provenance {
    /// It is part of the host's own binary.
    Bundled,
    Publisher {
        name: String,
        key: PublicKey,
    },
    /// Signed on this machine by whoever may read the host's own keys.
    Development {
        key: PublicKey,
    },
    /// Nobody: an operator made an exception.
    Unsigned {
        reason: String,
        by: String,
    },
}

/// All that a judgement hangs on.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    pub publishers: &'a [Publisher],
    /// The machine's development key.
    pub development: Option<&'a PublicKey>,
    /// Publishers of the plugins that came with the host, by plugin.
    pub bundled: &'a BTreeMap<String, String>,
}

/// Why nobody vouches for a component here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    #[error("{0} was revoked: {1}")]
    KeyRevoked(PublicKey, String),
    #[error("the publisher `{publisher}` is not trusted on this host")]
    UnknownPublisher { publisher: String, key: PublicKey, plugin: String },
    #[error("the publisher `{publisher}` is no longer trusted on this host")]
    Untrusted { publisher: String },
    #[error("{key} is no key of the publisher `{publisher}`")]
    UnknownKey { publisher: String, key: PublicKey },
    #[error("the publisher `{publisher}` is not trusted with the name `{plugin}`")]
    NotItsName { publisher: String, plugin: String },
    #[error("the name `{plugin}` belongs to the publisher `{owner}`")]
    NameTaken { plugin: String, owner: String },
    #[error("the component is not signed")]
    Unsigned,
}

impl Distrust {
    /// What the operator can do about it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let (code, action) = match self {
            Self::KeyRevoked(..) => (
                "plugin.key-revoked",
                "Obtain it again from its publisher, signed with a key that is still good.".into(),
            ),
            Self::UnknownPublisher { publisher, key, plugin } => (
                "plugin.untrusted",
                format!(
                    "If the key is the publisher's (ask it by another way): `attiva plugin trust {publisher} \
                     --public-key {key} --plugin {plugin}`."
                ),
            ),
            Self::Untrusted { publisher } => (
                "plugin.untrusted",
                format!("`attiva plugin publishers` shows since when; trust {publisher} again first."),
            ),
            Self::UnknownKey { publisher, key } => (
                "plugin.untrusted",
                format!(
                    "If {publisher} has changed its key, trust the new one: `attiva plugin trust {publisher} --public-key {key}`."
                ),
            ),
            Self::NotItsName { publisher, plugin } => (
                "plugin.untrusted",
                format!("Allow it the name first: `attiva plugin trust {publisher} --plugin {plugin}`."),
            ),
            Self::NameTaken { .. } => {
                ("plugin.name-taken", "The component needs another name, or has to come from that publisher.".into())
            }
            Self::Unsigned => (
                "plugin.unsigned",
                "Have its publisher sign it (`attiva plugin package`), or allow this one file with \
                 `--allow-unsigned REASON`, which is audited."
                    .into(),
            ),
        };
        Fault::new(FaultKind::Config, code, self.to_string()).action(action)
    }
}

/// Decides who vouches for a component with this statement, whose signature is good.
///
/// # Errors
/// [`Distrust`].
pub fn judge(statement: &Statement, trust: &Trust<'_>) -> Result<Provenance, Distrust> {
    let Statement { name, publisher, key, .. } = statement;
    if let Some(reason) = revocation(key, trust.publishers) {
        return Err(Distrust::KeyRevoked(*key, reason.to_owned()));
    }
    if trust.development == Some(key) {
        // Also where the statement names the owner: the machine's key does not speak for a publisher.
        return match owner(name, trust) {
            Some(owner) => Err(Distrust::NameTaken { plugin: name.clone(), owner: owner.to_owned() }),
            None => Ok(Provenance::Development { key: *key }),
        };
    }
    let known = trust.publishers.iter().find(|p| p.name == *publisher).ok_or_else(|| Distrust::UnknownPublisher {
        publisher: publisher.clone(),
        key: *key,
        plugin: name.clone(),
    })?;
    if !known.trusted {
        return Err(Distrust::Untrusted { publisher: publisher.clone() });
    }
    if !known.keys.iter().any(|k| k.key == *key) {
        return Err(Distrust::UnknownKey { publisher: publisher.clone(), key: *key });
    }
    if !known.plugins.contains(name) {
        return Err(match owner(name, trust) {
            Some(owner) if owner != publisher => Distrust::NameTaken { plugin: name.clone(), owner: owner.to_owned() },
            _ => Distrust::NotItsName { publisher: publisher.clone(), plugin: name.clone() },
        });
    }
    Ok(Provenance::Publisher { name: publisher.clone(), key: *key })
}

/// Decides whether an operator may make an exception for an unsigned component of this name: not where that would put
/// it in somebody else's place.
///
/// # Errors
/// [`Distrust::NameTaken`].
pub fn judge_exception(plugin: &str, trust: &Trust<'_>) -> Result<(), Distrust> {
    match owner(plugin, trust) {
        Some(owner) => Err(Distrust::NameTaken { plugin: plugin.to_owned(), owner: owner.to_owned() }),
        None => Ok(()),
    }
}

/// Decides whether what is installed would still be taken. `None`: nothing is wrong with it.
#[must_use]
pub fn lost(provenance: &Provenance, plugin: &str, trust: &Trust<'_>) -> Option<Distrust> {
    match provenance {
        // An exception stands until somebody takes the plugin out.
        Provenance::Bundled | Provenance::Unsigned { .. } => None,
        Provenance::Development { key } if trust.development == Some(key) => None,
        Provenance::Development { key } => {
            Some(Distrust::UnknownKey { publisher: "development key of this machine".into(), key: *key })
        }
        Provenance::Publisher { name, key } => {
            if let Some(reason) = revocation(key, trust.publishers) {
                return Some(Distrust::KeyRevoked(*key, reason.to_owned()));
            }
            let untrusted = || Distrust::Untrusted { publisher: name.clone() };
            let Some(known) = trust.publishers.iter().find(|p| p.name == *name && p.trusted) else {
                return Some(untrusted());
            };
            let is_its_own = known.plugins.contains(plugin);
            (!is_its_own).then(|| Distrust::NotItsName { publisher: name.clone(), plugin: plugin.to_owned() })
        }
    }
}

/// Whom a plugin's name belongs to.
#[must_use]
pub fn owner<'a>(plugin: &str, trust: &Trust<'a>) -> Option<&'a str> {
    let of_host = trust.bundled.get(plugin).map(String::as_str);
    let pinned = || trust.publishers.iter().find(|p| p.plugins.contains(plugin)).map(|p| p.name.as_str());
    of_host.or_else(pinned)
}

fn revocation<'a>(key: &PublicKey, publishers: &'a [Publisher]) -> Option<&'a str> {
    let keys = publishers.iter().flat_map(|p| &p.keys).filter(|k| k.key == *key);
    keys.filter_map(|k| k.revoked.as_ref()).map(|r| r.reason.as_str()).next()
}

impl JsonSchema for PublicKey {
    fn schema_name() -> Cow<'static, str> {
        "PublicKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^ed25519:[0-9a-f]{64}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use semver::Version;

    fn key(n: u8) -> PublicKey {
        PublicKey::new([n; 32])
    }

    fn publisher(name: &str, keys: &[(u8, bool)], plugins: &[&str], trusted: bool) -> Publisher {
        let keys = keys.iter().map(|(n, revoked)| TrustedKey {
            key: key(*n),
            since: 0,
            by: "key_1".into(),
            revoked: revoked.then(|| Revocation { at: 1, by: "key_1".into(), reason: "lost".into() }),
        });
        let plugins = plugins.iter().map(|p| (*p).to_owned()).collect();
        Publisher { name: name.into(), keys: keys.collect(), plugins, trusted }
    }

    fn statement(name: &str, publisher: &str, signer: u8) -> Statement {
        let (name, publisher) = (name.to_owned(), publisher.to_owned());
        Statement { name, version: Version::new(1, 0, 0), publisher, digest: "0".repeat(64), key: key(signer) }
    }

    #[test]
    fn a_name_is_its_publishers_and_a_publisher_is_its_keys() {
        let publishers = [
            publisher("acme", &[(1, false), (2, false), (3, true)], &["source-acme"], true),
            publisher("gone", &[(4, false)], &["source-gone"], false),
            publisher("other", &[(5, false)], &[], true),
        ];
        let bundled = BTreeMap::from([("source-ours".to_owned(), "attiva".to_owned())]);
        let trust = Trust { publishers: &publishers, development: Some(&key(9)), bundled: &bundled };
        let cases: [(&str, &str, u8, &str); 13] = [
            ("source-acme", "acme", 1, "acme"),
            ("source-acme", "acme", 2, "acme"),
            ("source-acme", "acme", 3, "was revoked: lost"),
            ("source-acme", "acme", 6, "is no key of the publisher `acme`"),
            ("source-acme", "other", 5, "belongs to the publisher `acme`"),
            ("source-acme", "nobody", 6, "`nobody` is not trusted"),
            ("source-acme", "nobody", 3, "was revoked"),
            ("source-new", "acme", 1, "not trusted with the name `source-new`"),
            ("source-gone", "gone", 4, "no longer trusted"),
            ("source-ours", "acme", 1, "belongs to the publisher `attiva`"),
            ("source-new", "anybody", 9, "development"),
            ("source-acme", "acme", 9, "belongs to the publisher `acme`"),
            ("source-ours", "attiva", 9, "belongs to the publisher `attiva`"),
        ];
        for (name, by, signer, expected) in cases {
            let said = match judge(&statement(name, by, signer), &trust) {
                Ok(Provenance::Publisher { name, .. }) => name,
                Ok(Provenance::Development { .. }) => "development".to_owned(),
                Ok(other) => panic!("{other:?}"),
                Err(distrust) => distrust.to_string(),
            };
            assert!(said.contains(expected), "{name} {by} {signer}: {said}");
        }
        assert_eq!(judge_exception("source-new", &trust), Ok(()));
        for taken in ["source-acme", "source-gone", "source-ours"] {
            assert!(matches!(judge_exception(taken, &trust), Err(Distrust::NameTaken { .. })), "{taken}");
        }
    }

    #[test]
    fn what_is_installed_loses_its_trust_with_its_key_or_its_publisher() {
        let installed = Provenance::Publisher { name: "acme".into(), key: key(1) };
        let bundled = BTreeMap::new();
        let lost_with = |publishers: &[Publisher], provenance: &Provenance| {
            let trust = Trust { publishers, development: Some(&key(9)), bundled: &bundled };
            lost(provenance, "source-acme", &trust).map(|d| d.fault().code)
        };
        let cases = [
            (publisher("acme", &[(1, false)], &["source-acme"], true), None),
            (publisher("acme", &[(1, true)], &["source-acme"], true), Some("plugin.key-revoked")),
            (publisher("acme", &[(1, false)], &["source-acme"], false), Some("plugin.untrusted")),
            (publisher("acme", &[(1, false)], &[], true), Some("plugin.untrusted")),
            (publisher("other", &[(1, false)], &["source-acme"], true), Some("plugin.untrusted")),
        ];
        for (publisher, expected) in cases {
            assert_eq!(lost_with(&[publisher], &installed).as_deref(), expected);
        }
        assert_eq!(lost_with(&[], &Provenance::Development { key: key(9) }), None);
        assert!(lost_with(&[], &Provenance::Development { key: key(8) }).is_some(), "another machine's key");
        assert_eq!(lost_with(&[], &Provenance::Bundled), None);
    }

    #[test]
    fn a_key_is_read_as_it_is_shown() {
        assert_eq!(key(1).to_string().parse(), Ok(key(1)));
        for bad in ["", "ed25519:", "ed25519:01", "rsa:01", &key(255).to_string().to_uppercase()] {
            assert_eq!(bad.parse::<PublicKey>(), Err(NotAKey), "{bad}");
        }
    }
}
