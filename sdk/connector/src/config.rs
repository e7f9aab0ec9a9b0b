//! Reading a connection's configuration.

use crate::{Fault, Result};
use serde::de::DeserializeOwned;

/// Reads a configuration. The fault names the key that is wrong; it never quotes a value.
///
/// # Errors
/// `config` `config.invalid`.
pub fn parse_config<C: DeserializeOwned>(json: &str) -> Result<C> {
    let mut reader = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.inner().to_string();
        let named = if path == "." || path == "?" { quoted(&problem).map(str::to_owned) } else { Some(path) };
        let fault = Fault::config("config.invalid", format!("the configuration cannot be read: {problem}"))
            .action("Correct the connection's configuration.");
        match named {
            Some(field) => fault.field(field),
            None => fault,
        }
    })
}

/// The name in `missing field `x``, `unknown field `x`, expected ...`.
fn quoted(problem: &str) -> Option<&str> {
    let (_, rest) = problem.split_once("field `")?;
    Some(rest.split_once('`')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only whether it parses matters")]
    struct Config {
        id: String,
        csv: Csv,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only whether it parses matters")]
    struct Csv {
        header: bool,
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let cases = [
            (r#"{"csv":{"header":true}}"#, Some("id")),
            (r#"{"id":"a","csv":{"header":true},"more":1}"#, Some("more")),
            (r#"{"id":1,"csv":{"header":true}}"#, Some("id")),
            (r#"{"id":"a","csv":{"header":"yes"}}"#, Some("csv.header")),
            ("nothing", None),
        ];
        for (json, field) in cases {
            let fault = parse_config::<Config>(json).unwrap_err();
            assert_eq!(fault.field.as_deref(), field, "{json}: {fault:?}");
        }
        assert!(parse_config::<Config>(r#"{"id":"a","csv":{"header":true}}"#).is_ok());
    }
}
