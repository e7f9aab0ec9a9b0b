//! The connection's configuration, checked once when it is read.

use attiva_connector::time;
use serde::{Deserialize, Deserializer, de::Error};

/// Days of 2006-01-01, the year Marketo began: nothing is older.
const START_DATE_DEFAULT: i32 = 13_149;

/// What the guest sees of the configuration; the client secret never reaches it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names the instance and its host. Only the host's templates use it, but it is checked here as well.
    #[serde(deserialize_with = "munchkin_id")]
    pub munchkin_id: String,
    /// Used by the host alone.
    #[serde(default)]
    pub client_id: String,
    /// Persons created from this day on are read, in days since 1970-01-01.
    #[serde(default = "start_date_default", deserialize_with = "start_date")]
    pub start_date: i32,
    /// The last day that is read of persons and activities, in days since 1970-01-01: with it, a reading of them ends there,
    /// and follows no changes. What the host gives to read a span of days anew.
    #[serde(default, deserialize_with = "end_date")]
    pub end_date: Option<i32>,
    /// The fields to read; empty: all.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Activity types to read; empty: the published ones.
    #[serde(default)]
    pub activity_types: Vec<i64>,
    /// Names of the lists of named accounts whose accounts are read: named accounts have no list of all.
    #[serde(default)]
    pub named_account_lists: Vec<String>,
    /// The CRM that Marketo syncs, and its organisation: with both, a record says which one of the CRM's it is. Used by
    /// the mappings alone.
    #[serde(default)]
    pub crm_system: Option<String>,
    #[serde(default)]
    pub crm_instance_id: Option<String>,
    /// How often what has no feed of changes is read anew.
    #[serde(default = "refresh_minutes_default", deserialize_with = "refresh_minutes")]
    pub refresh_minutes: u32,
    /// Time between two looks at an export's status.
    #[serde(default = "poll_seconds_default", deserialize_with = "poll_seconds")]
    pub poll_seconds: u32,
}

fn start_date_default() -> i32 {
    START_DATE_DEFAULT
}

fn poll_seconds_default() -> u32 {
    60
}

fn refresh_minutes_default() -> u32 {
    60
}

fn refresh_minutes<'de, D: Deserializer<'de>>(reader: D) -> Result<u32, D::Error> {
    match u32::deserialize(reader)? {
        minutes @ 1..=10_080 => Ok(minutes),
        _ => Err(D::Error::custom("enter 1 to 10080 minutes")),
    }
}

fn munchkin_id<'de, D: Deserializer<'de>>(reader: D) -> Result<String, D::Error> {
    let text = String::deserialize(reader)?;
    if is_munchkin_id(&text) {
        return Ok(text);
    }
    Err(D::Error::custom(
        "a munchkin id is three digits, three capitals and three digits: enter 123-ABC-456, not the endpoint \
         https://123-ABC-456.mktorest.com/rest; Marketo shows it under Admin > Munchkin",
    ))
}

fn is_munchkin_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [first, middle, last] = parts.as_slice() else { return false };
    let digits = |part: &str| part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit());
    digits(first) && middle.len() == 3 && middle.bytes().all(|b| b.is_ascii_uppercase()) && digits(last)
}

fn start_date<'de, D: Deserializer<'de>>(reader: D) -> Result<i32, D::Error> {
    let text = String::deserialize(reader)?;
    time::parse_date(&text).ok_or_else(|| D::Error::custom("enter a date such as 2024-01-31"))
}

fn end_date<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<i32>, D::Error> {
    start_date(reader).map(Some)
}

impl Config {
    /// The history that is read, from the beginning of the first day on; up to now, or to the end of the last day. In seconds.
    pub(crate) fn history(&self, now: i64) -> (i64, i64) {
        let end = self.end_date.map_or(now, |day| now.min((i64::from(day) + 1) * 86_400));
        (i64::from(self.start_date) * 86_400, end)
    }
}

fn poll_seconds<'de, D: Deserializer<'de>>(reader: D) -> Result<u32, D::Error> {
    match u32::deserialize(reader)? {
        seconds @ 1..=3600 => Ok(seconds),
        _ => Err(D::Error::custom("enter 1 to 3600 seconds")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_connector::parse_config;

    #[test]
    fn what_is_left_out_has_a_default() {
        let config: Config = parse_config(r#"{"munchkin_id":"123-ABC-456","client_id":"c"}"#).unwrap();
        assert_eq!(time::format_date(config.start_date).as_deref(), Some("2006-01-01"));
        assert_eq!(config.poll_seconds, 60);
        assert!(config.fields.is_empty());
    }

    #[test]
    fn what_is_wrong_is_named_with_the_way_out() {
        let cases = [
            ("munchkin_id", r#""https://123-ABC-456.mktorest.com/rest""#, "enter 123-ABC-456"),
            ("munchkin_id", r#""123-abc-456""#, "capitals"),
            ("munchkin_id", r#""123-ABC-456-""#, "capitals"),
            ("start_date", r#""last year""#, "2024-01-31"),
            ("end_date", r#""tomorrow""#, "2024-01-31"),
            ("poll_seconds", "0", "1 to 3600"),
            ("poll_seconds", "3601", "1 to 3600"),
            ("client_secret", r#""x""#, "unknown field"),
        ];
        for (key, value, expected) in cases {
            let json = format!(r#"{{"client_id":"c","{key}":{value}}}"#);
            let fault = parse_config::<Config>(&json).unwrap_err();
            assert_eq!(fault.field.as_deref(), Some(key), "{json}");
            assert!(fault.message.contains(expected), "{json}: {}", fault.message);
        }
    }
}
