//! What is not known before the connection has logged in: it stands in the reply that brings the token.

use super::{Spec, SpecError, invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which vendor instance a connection is: by its configuration, or by what its token's reply says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceSpec {
    pub system: String,
    /// A template over the configuration; empty where the id is learnt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learnt: Option<Learnt>,
}

/// A value of a token's reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Learnt {
    /// The credential whose token it comes with.
    pub credential: String,
    /// A JSON pointer (RFC 6901) into the reply; what stands there is text.
    pub pointer: String,
    /// The text is a URL, and this segment of its path is the value, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<usize>,
}

impl InstanceSpec {
    pub(super) fn validate(&self, spec: &Spec) -> Result<(), SpecError> {
        match &self.learnt {
            Some(_) if !self.id.is_empty() => invalid("instance.id", "is either a template or learnt, not both"),
            Some(learnt) => learnt.validate("instance.learnt", spec),
            None => Ok(()),
        }
    }
}

impl Learnt {
    /// What it would be told by must be declared, and its token must have a reply.
    pub(super) fn validate(&self, path: &str, spec: &Spec) -> Result<(), SpecError> {
        let mut named = spec.credentials.iter().filter(|c| c.name == self.credential).peekable();
        if named.peek().is_none() || !named.all(|c| c.method.endpoint().is_some()) {
            return invalid(&format!("{path}.credential"), "must name an OAuth 2 credential of the specification");
        }
        if !self.pointer.starts_with('/') {
            return invalid(&format!("{path}.pointer"), "must be a JSON pointer: /instance_url");
        }
        Ok(())
    }

    /// The value in a reply; `None` where it is not there, or is empty.
    #[must_use]
    pub fn read(&self, reply: &Value) -> Option<String> {
        let text = reply.pointer(&self.pointer)?.as_str()?;
        let value = match self.segment {
            None => text,
            Some(number) => {
                let behind_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
                let path = behind_scheme.split(['?', '#']).next()?;
                path.split('/').skip(1).nth(number)?
            }
        };
        (!value.is_empty()).then(|| value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn learnt(pointer: &str, segment: Option<usize>) -> Learnt {
        Learnt { credential: "c".into(), pointer: pointer.into(), segment }
    }

    #[test]
    fn a_reply_tells_by_pointer_and_segment() {
        let reply = json!({"id": "https://login.example.com/id/00Dxx/005yy?x=/z", "at": {"url": "https://a.example.com"}, "n": 1, "e": ""});
        let cases = [
            ("/id", Some(1), Some("00Dxx")),
            ("/id", Some(2), Some("005yy")),
            ("/id", Some(3), None),
            ("/at/url", None, Some("https://a.example.com")),
            ("/at/url", Some(0), None),
            ("/n", None, None),
            ("/e", None, None),
            ("/gone", None, None),
        ];
        for (pointer, segment, expected) in cases {
            assert_eq!(learnt(pointer, segment).read(&reply).as_deref(), expected, "{pointer} {segment:?}");
        }
    }

    fn spec() -> Value {
        json!({
            "name": "source-x", "version": "0.1.0", "publisher": "attiva", "title": "X", "state_version": 1,
            "configuration": {"type": "object", "properties": {"auth": {"type": "string", "default": "secret"}}},
            "credentials": [
                {"name": "x", "when": {"auth": "secret"}, "method": "oauth2-client-credentials", "origin": "login", "path": "/t",
                 "client_id": "i", "client_secret": "s", "token_seconds": 7200},
                {"name": "x", "when": {"auth": "key"}, "method": "oauth2-jwt-bearer", "origin": "login", "path": "/t",
                 "issuer": "i", "subject": "s", "audience": "a", "private_key": "k"}],
            "origins": [
                {"name": "login", "url": "https://login.example.com", "domains": ["example.com"], "rules": []},
                {"name": "api", "learnt": {"credential": "x", "pointer": "/url"}, "domains": ["example.com"], "rules": []}],
            "instance": {"system": "X", "learnt": {"credential": "x", "pointer": "/id", "segment": 1}}
        })
    }

    #[test]
    fn the_configuration_chooses_among_credentials_of_one_name() {
        let spec = Spec::parse(&spec().to_string()).unwrap();
        let chosen = |configuration: Value| spec.credential("x", &configuration).map(|c| c.when["auth"].clone());
        assert_eq!(chosen(json!({})).as_deref(), Some("secret"));
        assert_eq!(chosen(json!({"auth": "key"})).as_deref(), Some("key"));
        assert_eq!(chosen(json!({"auth": "other"})), None);
        assert_eq!(Spec::parse(&serde_json::to_string(&spec).unwrap()).unwrap(), spec);
    }

    #[test]
    fn what_cannot_be_learnt_is_named() {
        let cases = [
            ("/instance/id", json!("{id}"), "instance.id"),
            ("/instance/learnt/credential", json!("y"), "instance.learnt.credential"),
            ("/instance/learnt/pointer", json!("id"), "instance.learnt.pointer"),
            ("/origins/1/url", json!("https://a.example.com"), "origins[1].url"),
            ("/origins/0/url", json!(""), "origins[0].url"),
            ("/origins/1/learnt/credential", json!("y"), "origins[1].learnt.credential"),
            ("/credentials/0/origin", json!("api"), "credentials[0].origin"),
        ];
        for (pointer, value, expected) in cases {
            let mut spec = spec();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            spec.pointer_mut(parent).unwrap()[key] = value;
            let error = Spec::parse(&spec.to_string()).unwrap_err().to_string();
            assert!(error.contains(expected), "{pointer}: {error}");
        }
    }
}
