//! The token endpoint: client credentials or a signed assertion in, a session out. The reply names organisation and
//! address, and no end of the session's life.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value as Json, json};

use super::config::SalesforceConfig;
use crate::marketo::clock::Seconds;
use crate::running::issued_before;

/// Longest an assertion may be good for.
const ASSERTION_SECONDS: i64 = 180;

/// The sessions there are.
#[derive(Debug)]
pub(crate) struct Sessions {
    issued: u64,
    living: Vec<String>,
    /// Another organisation in the reply from now on: what somebody's new credentials would tell.
    pub(crate) organization: Option<String>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { issued: issued_before(), living: Vec::new(), organization: None }
    }
}

impl Sessions {
    /// Ends all sessions.
    pub(crate) fn expire(&mut self) {
        self.living.clear();
    }

    pub(crate) fn is_living(&self, authorization: Option<&str>) -> bool {
        let session =
            authorization.and_then(|text| text.strip_prefix("Bearer ").or_else(|| text.strip_prefix("OAuth ")));
        session.is_some_and(|session| self.living.iter().any(|living| living == session))
    }

    /// Answers a token request: status and body.
    pub(crate) fn answer(
        &mut self,
        config: &SalesforceConfig,
        form: &[u8],
        base_url: &str,
        now: Seconds,
    ) -> (u16, Json) {
        let parameters: Vec<(String, String)> = form_urlencoded::parse(form).into_owned().collect();
        let get = |name: &str| parameters.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        let refused = |error: &str, description: &str| (400, json!({"error": error, "error_description": description}));
        match get("grant_type") {
            "client_credentials" if config.is_login_host => {
                return refused("invalid_grant", "request not supported on this domain");
            }
            "client_credentials" if get("client_id") != config.client_id => {
                return refused("invalid_client_id", "client identifier invalid");
            }
            "client_credentials" if get("client_secret") != config.client_secret => {
                return refused("invalid_client", "invalid client credentials");
            }
            "client_credentials" => {}
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
                if let Err((error, description)) = assertion(config, get("assertion"), now) {
                    return refused(error, description);
                }
            }
            _ => return refused("unsupported_grant_type", "grant type not supported"),
        }
        self.issued += 1;
        let organization = self.organization.as_ref().unwrap_or(&config.organization_id);
        let session = format!("{}!AQEAQ.simulated.{:08}", organization.get(..15).unwrap_or_default(), self.issued);
        self.living.push(session.clone());
        let reply = json!({
            "access_token": session, "signature": "c2ltdWxhdGVk", "scope": "api", "instance_url": base_url,
            "id": format!("https://login.salesforce.com/id/{organization}/0055g000001AbCdAAK"),
            "token_type": "Bearer", "issued_at": (now * 1000).to_string(),
        });
        (200, reply)
    }
}

/// Checks an assertion as the vendor does: its signature, who made it, for whom and for how long.
fn assertion(config: &SalesforceConfig, assertion: &str, now: Seconds) -> Result<(), (&'static str, &'static str)> {
    let invalid = ("invalid_grant", "invalid assertion");
    let (signed, signature) = assertion.rsplit_once('.').ok_or(invalid)?;
    let (header, claims) = signed.split_once('.').ok_or(invalid)?;
    let read = |part: &str| -> Option<Json> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
    let (header, claims) = (read(header).ok_or(invalid)?, read(claims).ok_or(invalid)?);
    let public_key = config.public_key.as_ref().ok_or(("invalid_client_id", "client identifier invalid"))?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| invalid)?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key);
    if header["alg"] != "RS256" || key.verify(signed.as_bytes(), &signature).is_err() {
        return Err(invalid);
    }
    if claims["iss"] != json!(config.client_id) {
        return Err(("invalid_client_id", "client identifier invalid"));
    }
    if !matches!(claims["aud"].as_str(), Some("https://login.salesforce.com" | "https://test.salesforce.com")) {
        return Err(("invalid_grant", "audience is invalid"));
    }
    let ends = claims["exp"].as_i64().unwrap_or(0);
    if ends <= now || ends > now + ASSERTION_SECONDS + 30 {
        return Err(("invalid_grant", "expired authorization code"));
    }
    if claims["sub"] != json!(config.username) {
        return Err(("invalid_grant", "user hasn't approved this consumer"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(sessions: &mut Sessions, config: &SalesforceConfig, form: &str) -> (u16, Json) {
        sessions.answer(config, form.as_bytes(), "http://127.0.0.1:1", 1_000)
    }

    #[test]
    fn a_session_is_had_for_the_right_secret_at_the_right_host() {
        let config =
            SalesforceConfig { client_id: "c".into(), client_secret: "s".into(), ..SalesforceConfig::default() };
        let mut sessions = Sessions::default();
        let (status, reply) = ask(&mut sessions, &config, "grant_type=client_credentials&client_id=c&client_secret=s");
        assert_eq!((status, &reply["instance_url"]), (200, &json!("http://127.0.0.1:1")));
        assert!(reply.get("expires_in").is_none());
        let bearer = format!("Bearer {}", reply["access_token"].as_str().unwrap());
        assert!(
            sessions.is_living(Some(&bearer)) && !sessions.is_living(Some("Bearer other")) && !sessions.is_living(None)
        );
        sessions.expire();
        assert!(!sessions.is_living(Some(&bearer)));
        for (form, error) in [
            ("grant_type=client_credentials&client_id=x&client_secret=s", "invalid_client_id"),
            ("grant_type=client_credentials&client_id=c&client_secret=x", "invalid_client"),
            ("grant_type=password", "unsupported_grant_type"),
            ("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.c", "invalid_grant"),
        ] {
            let (status, reply) = ask(&mut sessions, &config, form);
            assert_eq!((status, &reply["error"]), (400, &json!(error)), "{form}");
        }
        let login = SalesforceConfig { is_login_host: true, ..config };
        let (status, _) = ask(&mut sessions, &login, "grant_type=client_credentials&client_id=c&client_secret=s");
        assert_eq!(status, 400);
    }
}
