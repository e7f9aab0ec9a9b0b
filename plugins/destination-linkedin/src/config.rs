//! A connection's configuration.

use attiva_connector::{Fault, Result};
use serde::Deserialize;

/// LinkedIn's own bound.
pub(crate) const PEOPLE_PER_CALL: usize = 5_000;

/// What the guest sees of the configuration; the app's secret and the refresh token never reach it.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    account_id: String,
    pub(crate) source_platform: String,
    /// For the host alone.
    #[serde(rename = "client_id")]
    _client_id: String,
    #[serde(default = "api_version_default")]
    pub(crate) api_version: String,
    #[serde(default = "companies_per_call_default")]
    pub(crate) companies_per_call: usize,
}

fn api_version_default() -> String {
    "202608".into()
}

fn companies_per_call_default() -> usize {
    1_000
}

impl Config {
    /// What the schema says too, for whoever calls without a host before it.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.account_id.is_empty() || !self.account_id.bytes().all(|b| b.is_ascii_digit()) {
            let problem = "enter the account's number alone, 512345678, not urn:li:sponsoredAccount:512345678";
            return Err(invalid("account_id", problem));
        }
        if self.api_version.len() != 6 || !self.api_version.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid("api_version", "a version is a month: 202608"));
        }
        if !(1..=PEOPLE_PER_CALL).contains(&self.companies_per_call) {
            return Err(invalid("companies_per_call", "must be from 1 to 5000"));
        }
        Ok(())
    }

    pub(crate) fn account_id(&self) -> &str {
        &self.account_id
    }

    pub(crate) fn account_urn(&self) -> String {
        format!("urn:li:sponsoredAccount:{}", self.account_id)
    }
}

fn invalid(field: &str, problem: &str) -> Fault {
    Fault::config("config.invalid", problem).field(field).action("Correct the connection's configuration.")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use attiva_connector::parse_config;
    use serde_json::{Value, json};

    pub(crate) fn read(more: Value) -> Result<Config> {
        let mut config = json!({"account_id": "512345678", "source_platform": "ATTIVA", "client_id": "c"});
        for (name, value) in more.as_object().into_iter().flatten() {
            config[name] = value.clone();
        }
        let config: Config = parse_config(&config.to_string())?;
        config.validate()?;
        Ok(config)
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (json!({"account_id": "urn:li:sponsoredAccount:512345678"}), "account_id"),
            (json!({"account_id": ""}), "account_id"),
            (json!({"api_version": "2026-08"}), "api_version"),
            (json!({"companies_per_call": 5001}), "companies_per_call"),
            (json!({"refresh_token": "never here"}), "refresh_token"),
        ];
        for (more, field) in cases {
            let fault = read(more.clone()).expect_err(&more.to_string());
            assert_eq!(fault.field.as_deref(), Some(field), "{more}: {}", fault.message);
        }
        assert_eq!(read(json!({})).map(|config| config.account_urn()), Ok("urn:li:sponsoredAccount:512345678".into()));
    }
}
