//! A connection's configuration and a target's options.

use attiva_connector::{Result, Target, parse_config};
use serde::{Deserialize, Deserializer, de::Error};

/// What the guest sees of the configuration; the client secret never reaches it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names the instance: ids of leads mean something there alone.
    #[serde(deserialize_with = "munchkin_id")]
    pub(crate) munchkin_id: String,
    /// For the host alone.
    #[serde(rename = "client_id")]
    _client_id: String,
}

fn munchkin_id<'de, D: Deserializer<'de>>(reader: D) -> Result<String, D::Error> {
    let text = String::deserialize(reader)?;
    let sizes: Vec<usize> = text.split('-').map(str::len).collect();
    if sizes == [3, 3, 3] && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase() || b == b'-') {
        return Ok(text);
    }
    Err(D::Error::custom("enter the Munchkin account id alone, 123-ABC-456, not the endpoint"))
}

/// Who is put on a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// Whom Marketo has.
    #[default]
    Match,
    /// Everybody: who is missing is made.
    Create,
}

/// A target's options.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    pub(crate) folder: String,
    pub(crate) partition: Option<String>,
    pub(crate) import_from_rows: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { mode: Mode::Match, folder: "Group Lists".into(), partition: None, import_from_rows: 10_000 }
    }
}

impl Options {
    pub(crate) fn of(target: &Target) -> Result<Self> {
        if target.options.trim().is_empty() {
            return Ok(Self::default());
        }
        parse_config(&target.options).map_err(|fault| fault.action("Correct the target's options."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value};

    #[test]
    fn what_is_wrong_is_named() {
        for (json, field) in [
            (r#"{"munchkin_id":"https://123-ABC-456.mktorest.com","client_id":"c"}"#, "munchkin_id"),
            (r#"{"munchkin_id":"123-abc-456","client_id":"c"}"#, "munchkin_id"),
            (r#"{"munchkin_id":"123-ABC-456","client_id":"c","client_secret":"never here"}"#, "client_secret"),
        ] {
            assert_eq!(parse_config::<Config>(json).unwrap_err().field.as_deref(), Some(field), "{json}");
        }
    }

    /// What the schema calls the default is what the connector takes for it.
    #[test]
    fn the_schema_and_the_type_agree_on_defaults() {
        let schema: Value = serde_json::from_str(include_str!("options.json")).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        let defaults: Map<String, Value> =
            properties.iter().filter_map(|(name, p)| Some((name.clone(), p.get("default")?.clone()))).collect();
        assert_eq!(defaults.len(), 3);
        assert_eq!(serde_json::from_value::<Options>(defaults.into()).unwrap(), Options::default());
    }
}
