//! The connection's configuration, checked once when it is read.

use attiva_connector::time;
use serde::{Deserialize, Deserializer, de::Error};
use std::collections::BTreeMap;

/// What the guest sees of the configuration; secret and key never reach it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names the org's host. Only the host's templates use it, but it is checked here as well.
    #[serde(deserialize_with = "my_domain")]
    pub my_domain: String,
    /// How to log in: used by the host alone, as are the next three.
    #[serde(default)]
    pub auth: Auth,
    #[serde(default)]
    pub client_id: String,
    #[serde(default)]
    pub username: String,
    #[serde(default)]
    pub audience: String,
    /// `68.0`.
    #[serde(default = "api_version", deserialize_with = "version")]
    pub api_version: String,
    /// Objects to offer beside the usual ones, by their API names.
    #[serde(default, deserialize_with = "objects")]
    pub objects: Vec<String>,
    /// The fields to read, by object; an object that is not here: all that the user may see.
    #[serde(default)]
    pub fields: BTreeMap<String, Vec<String>>,
    /// Per cent of the org's calls of a day that may be spent, by whomever, before reading stops.
    #[serde(default = "daily_share", deserialize_with = "share")]
    pub daily_share: u32,
    /// From so many records on a window is read by a bulk job.
    #[serde(default = "bulk_from")]
    pub bulk_from: u64,
    /// The first and the last day whose changes are read, in days since 1970-01-01. With the last, reading ends there: what
    /// the host gives to read a span of days anew.
    #[serde(default, deserialize_with = "date")]
    pub start_date: Option<i32>,
    #[serde(default, deserialize_with = "date")]
    pub end_date: Option<i32>,
    /// How far a window reaches back behind the end of the one before.
    #[serde(default = "overlap_seconds", deserialize_with = "overlap")]
    pub overlap_seconds: u32,
}

/// How the host logs in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// The client id and secret of a connected app with a run-as user.
    #[default]
    ClientCredentials,
    /// An assertion signed with the app's private key, for a user that has approved it beforehand.
    JwtBearer,
}

/// Winter '27. Of the versions offered, the newest when this was written.
pub(crate) const API_VERSION: &str = "68.0";
/// Versions the egress rules are written for.
pub(crate) const API_VERSIONS: std::ops::RangeInclusive<u32> = 58..=75;

fn api_version() -> String {
    API_VERSION.into()
}

fn daily_share() -> u32 {
    80
}

fn bulk_from() -> u64 {
    10_000
}

fn overlap_seconds() -> u32 {
    600
}

fn date<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<i32>, D::Error> {
    let text = String::deserialize(reader)?;
    let day = time::parse_date(&text).ok_or_else(|| D::Error::custom("enter a date such as 2024-01-31"))?;
    Ok(Some(day))
}

impl Config {
    /// What a first window comes after, in seconds; absent: it begins with the first record.
    pub(crate) fn after(&self) -> Option<i64> {
        self.start_date.map(|day| i64::from(day) * 86_400 - 1)
    }

    /// When reading ends for good, in seconds: with the last second of the last day.
    pub(crate) fn end(&self) -> Option<i64> {
        self.end_date.map(|day| (i64::from(day) + 1) * 86_400 - 1)
    }
}

fn my_domain<'de, D: Deserializer<'de>>(reader: D) -> Result<String, D::Error> {
    let text = String::deserialize(reader)?;
    let label = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !part.starts_with('-')
    };
    if text.split('.').all(label) && !text.ends_with("salesforce.com") && !text.ends_with("force.com") {
        return Ok(text);
    }
    Err(D::Error::custom(
        "enter the part before .my.salesforce.com: acme, or acme--uat.sandbox for a sandbox; Salesforce shows it under \
         Setup > My Domain",
    ))
}

fn version<'de, D: Deserializer<'de>>(reader: D) -> Result<String, D::Error> {
    let text = String::deserialize(reader)?;
    let number = text.strip_suffix(".0").and_then(|n| n.parse().ok());
    match number {
        Some(number) if API_VERSIONS.contains(&number) => Ok(text),
        _ => {
            let (first, last) = (API_VERSIONS.start(), API_VERSIONS.end());
            Err(D::Error::custom(format!("enter a version from {first}.0 to {last}.0, such as {API_VERSION}")))
        }
    }
}

/// An API name: what may stand in a query and in a path without another look.
pub(crate) fn is_api_name(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain && (1..=80).contains(&name.len()) && name.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn objects<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(reader)?;
    match names.iter().find(|name| !is_api_name(name)) {
        None => Ok(names),
        Some(_) => Err(D::Error::custom("enter API names of objects, such as Invoice__c")),
    }
}

fn share<'de, D: Deserializer<'de>>(reader: D) -> Result<u32, D::Error> {
    match u32::deserialize(reader)? {
        share @ 1..=100 => Ok(share),
        _ => Err(D::Error::custom("enter 1 to 100 per cent")),
    }
}

fn overlap<'de, D: Deserializer<'de>>(reader: D) -> Result<u32, D::Error> {
    match u32::deserialize(reader)? {
        seconds @ 0..=86_400 => Ok(seconds),
        _ => Err(D::Error::custom("enter 0 to 86400 seconds")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_connector::parse_config;

    #[test]
    fn what_is_left_out_has_a_default() {
        let config: Config = parse_config(r#"{"my_domain":"acme--uat.sandbox"}"#).unwrap();
        assert_eq!((config.api_version.as_str(), config.daily_share, config.bulk_from), ("68.0", 80, 10_000));
        assert_eq!((config.auth, config.overlap_seconds), (Auth::ClientCredentials, 600));
    }

    #[test]
    fn what_is_wrong_is_named_with_the_way_out() {
        let cases = [
            ("my_domain", r#""https://acme.my.salesforce.com""#, ".my.salesforce.com"),
            ("my_domain", r#""acme.my.salesforce.com""#, "acme--uat.sandbox"),
            ("my_domain", r#""""#, "My Domain"),
            ("api_version", r#""v68.0""#, "58.0 to 75.0"),
            ("api_version", r#""30.0""#, "58.0 to 75.0"),
            ("objects", r#"["Invoice__c","x' OR '1"]"#, "API names"),
            ("daily_share", "0", "1 to 100"),
            ("overlap_seconds", "90000", "0 to 86400"),
            ("start_date", r#""last year""#, "2024-01-31"),
            ("end_date", "1", "string"),
            ("client_secret", r#""x""#, "unknown field"),
        ];
        for (key, value, expected) in cases {
            let json = if key == "my_domain" {
                format!(r#"{{"{key}":{value}}}"#)
            } else {
                format!(r#"{{"my_domain":"acme","{key}":{value}}}"#)
            };
            let fault = parse_config::<Config>(&json).unwrap_err();
            assert_eq!(fault.field.as_deref(), Some(key), "{json}");
            assert!(fault.message.contains(expected), "{json}: {}", fault.message);
        }
    }
}
