//! What an entity is called: one of the model's, or one of the operator's own.

use super::EntityKind;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The name of an entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityName {
    Model(EntityKind),
    /// An operator's own; never a name that the model has.
    Custom(Arc<str>),
}

impl EntityName {
    pub const PERSON: Self = Self::Model(EntityKind::Person);
    pub const ACCOUNT: Self = Self::Model(EntityKind::Account);
    pub const OPPORTUNITY: Self = Self::Model(EntityKind::Opportunity);

    /// `None` for what cannot be a name: one has lower-case letters, digits and `_`, a letter first, 64 at most. Whether
    /// there is such a custom entity is the custom model's to say.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !plain || name.len() > 64 || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            return None;
        }
        Some(EntityKind::parse(name).map_or_else(|| Self::Custom(Arc::from(name)), Self::Model))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Model(kind) => kind.name(),
            Self::Custom(name) => name,
        }
    }

    /// `None` for an operator's own.
    #[must_use]
    pub fn kind(&self) -> Option<EntityKind> {
        match self {
            Self::Model(kind) => Some(*kind),
            Self::Custom(_) => None,
        }
    }
}

impl From<EntityKind> for EntityName {
    fn from(kind: EntityKind) -> Self {
        Self::Model(kind)
    }
}

impl fmt::Display for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EntityName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EntityName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| serde::de::Error::custom(format!("`{name}` is no entity's name")))
    }
}

impl JsonSchema for EntityName {
    fn schema_name() -> Cow<'static, str> {
        "EntityName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "`person`, `account`, any other of the model, or an operator's own." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_model_are_the_models() {
        assert_eq!(EntityName::parse("account"), Some(EntityName::ACCOUNT));
        let own = EntityName::parse("subscription").unwrap();
        assert_eq!((own.kind(), own.as_str()), (None, "subscription"));
        for bad in ["", "Account", "1x", "a:b", "a b", &"x".repeat(65)] {
            assert_eq!(EntityName::parse(bad), None, "{bad}");
        }
        for name in [EntityName::PERSON, own] {
            let text = serde_json::to_string(&name).unwrap();
            assert_eq!(serde_json::from_str::<EntityName>(&text).unwrap(), name);
        }
        assert!(serde_json::from_str::<EntityName>("\"A\"").is_err());
    }
}
