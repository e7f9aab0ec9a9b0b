//! The identity service: client credentials in, a bearer token with its *remaining* life out.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value as Json, json};

use super::config::MarketoConfig;
use super::dice::mix;
use super::envelope::Refusal;
use crate::running::issued_before;

#[derive(Debug)]
pub(crate) struct Identity {
    client_id: String,
    client_secret: String,
    life: Duration,
    seed: u64,
    issued: u64,
    current: Option<Token>,
}

#[derive(Debug)]
struct Token {
    text: String,
    expires: Instant,
}

impl Token {
    fn left(&self) -> Duration {
        self.expires.saturating_duration_since(Instant::now())
    }
}

impl Identity {
    pub(crate) fn new(config: &MarketoConfig) -> Self {
        Self {
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.clone(),
            life: config.token_life,
            seed: config.seed,
            issued: issued_before(),
            current: None,
        }
    }

    /// Answers a token request. While a token lives it is handed out again, with less life left; `shortened` cuts that life first.
    pub(crate) fn answer(&mut self, params: &[(String, String)], shortened: Option<Duration>) -> (StatusCode, Json) {
        let param = |name: &str| params.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        let oauth_error = |status, error: &str, description: String| {
            (status, json!({"error": error, "error_description": description}))
        };
        if param("grant_type") != "client_credentials" {
            let description = format!("Unsupported grant type: {}", param("grant_type"));
            return oauth_error(StatusCode::BAD_REQUEST, "unsupported_grant_type", description);
        }
        if param("client_id") != self.client_id {
            let description = format!("No client with requested id: {}", param("client_id"));
            return oauth_error(StatusCode::UNAUTHORIZED, "invalid_client", description);
        }
        if param("client_secret") != self.client_secret {
            return oauth_error(StatusCode::UNAUTHORIZED, "unauthorized", "Bad client credentials".to_owned());
        }
        let life = self.life;
        let token = self.living();
        if let Some(shortened) = shortened {
            token.expires = Instant::now() + shortened.min(life);
        }
        // Whole seconds, rounded up: 2 seconds left are told as 2, a lapsed token as 0.
        let left = token.left();
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        let answer = json!({"access_token": token.text, "token_type": "bearer", "expires_in": seconds, "scope": "api-user@attiva.example"});
        (StatusCode::OK, answer)
    }

    fn living(&mut self) -> &mut Token {
        let lapsed = self.current.as_ref().is_none_or(|token| token.left().is_zero());
        let fresh = lapsed.then(|| {
            self.issued += 1;
            let parts = [mix(self.seed ^ self.issued), mix(self.seed.wrapping_add(self.issued << 32))];
            let text = format!("{:08x}-{:04x}-{:016x}:int", parts[0] >> 32, parts[0] & 0xffff, parts[1]);
            Token { text, expires: Instant::now() + self.life }
        });
        match fresh {
            Some(token) => self.current.insert(token),
            // Never taken: a token that has not lapsed is there.
            None => self.current.get_or_insert_with(|| Token { text: String::new(), expires: Instant::now() }),
        }
    }

    /// Ends the life of the token now; the next request to the identity service gives another one.
    pub(crate) fn expire(&mut self) {
        if let Some(token) = &mut self.current {
            token.expires = Instant::now();
        }
    }

    /// Checks the `Authorization` header of a call; nothing else carries a token since 2026-08-31.
    pub(crate) fn check(&self, authorization: Option<&str>) -> Result<(), Refusal> {
        let invalid = || Refusal::new("601", "Access token invalid");
        let given = authorization
            .and_then(|header| header.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| Refusal::new("600", "Access token not specified: send it in the Authorization header"))?;
        let token = self.current.as_ref().filter(|token| token.text == given).ok_or_else(invalid)?;
        if token.left().is_zero() { Err(Refusal::new("602", "Access token expired")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(config: &MarketoConfig) -> Vec<(String, String)> {
        [
            ("grant_type", "client_credentials"),
            ("client_id", &config.client_id),
            ("client_secret", &config.client_secret),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    #[test]
    fn a_living_token_is_handed_out_again_and_a_lapsed_one_is_not() {
        let config = MarketoConfig::default();
        let mut identity = Identity::new(&config);
        let (_, first) = identity.answer(&credentials(&config), None);
        let (_, again) = identity.answer(&credentials(&config), Some(Duration::from_secs(2)));
        assert_eq!(again["access_token"], first["access_token"]);
        assert_eq!(again["expires_in"], 2);
        let header = format!("Bearer {}", first["access_token"].as_str().unwrap_or_default());
        assert_eq!(identity.check(Some(&header)), Ok(()));
        let (_, lapsed) = identity.answer(&credentials(&config), Some(Duration::ZERO));
        assert_eq!(lapsed["expires_in"], 0);
        assert_eq!(identity.check(Some(&header)).map_err(|refusal| refusal.code), Err("602".into()));
        let (_, fresh) = identity.answer(&credentials(&config), None);
        assert_ne!(fresh["access_token"], first["access_token"]);
        assert_eq!(identity.check(Some(&header)).map_err(|refusal| refusal.code), Err("601".into()));
    }
}
