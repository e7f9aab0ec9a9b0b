//! The login: a member's consent becomes a code, a code a refresh token, a refresh token an access token.

use serde_json::{Value as Json, json};

use super::answer::Refusal;
use super::config::LinkedInConfig;
use crate::running::issued_before;

#[derive(Debug)]
pub(crate) struct Login {
    client_id: String,
    client_secret: String,
    scope: String,
    rotates: bool,
    life_ms: u64,
    /// The refresh token that works; all others are dead.
    refresh: String,
    refresh_ends_ms: u64,
    issued: u64,
    consents: bool,
    refresh_life_ms: u64,
    /// Codes that have not been exchanged, with the address each was sent to and its end.
    codes: Vec<(String, String, u64)>,
    /// Access tokens with their ends: older ones go on working beside newer ones.
    living: Vec<(String, u64)>,
}

impl Login {
    pub(crate) fn new(config: &LinkedInConfig, now_ms: u64) -> Self {
        Self {
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.clone(),
            scope: config.scopes.join(","),
            rotates: config.rotates,
            life_ms: millis(config.token_life),
            refresh: config.refresh_token.clone(),
            refresh_ends_ms: now_ms.saturating_add(millis(config.refresh_life)),
            issued: issued_before(),
            consents: config.consents,
            refresh_life_ms: millis(config.refresh_life),
            codes: Vec::new(),
            living: Vec::new(),
        }
    }

    pub(crate) fn refresh_token(&self) -> &str {
        &self.refresh
    }

    /// Answers a member's browser: where it is sent to, or what is wrong.
    pub(crate) fn authorize(&mut self, params: &[(String, String)], now_ms: u64) -> Result<String, Refusal> {
        let param = |name: &str| params.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        if param("response_type") != "code" || param("client_id") != self.client_id {
            return Err(Refusal::bad("Invalid client_id or response_type"));
        }
        let (back, state) = (param("redirect_uri"), param("state"));
        if !back.starts_with("http") || param("scope").is_empty() {
            return Err(Refusal::bad("The redirect_uri does not match the registered value"));
        }
        let state: String = form_urlencoded::byte_serialize(state.as_bytes()).collect();
        if !self.consents {
            let words = "The+user+cancelled+the+authorization";
            return Ok(format!("{back}?error=user_cancelled_authorize&error_description={words}&state={state}"));
        }
        self.issued += 1;
        let code = format!("AQT{:07}", self.issued);
        self.codes.push((code.clone(), back.to_owned(), now_ms.saturating_add(CODE_LIFE_MS)));
        Ok(format!("{back}?code={code}&state={state}"))
    }

    /// A code is good once, for the address it was sent to.
    fn take_code(&mut self, code: &str, back: &str, now_ms: u64) -> bool {
        let found = self.codes.iter().position(|(known, _, _)| known == code);
        found.map(|at| self.codes.remove(at)).is_some_and(|(_, sent_to, ends)| sent_to == back && now_ms < ends)
    }

    /// Answers a token request: status and body, in OAuth's form.
    pub(crate) fn answer(&mut self, params: &[(String, String)], now_ms: u64) -> (u16, Json) {
        let param = |name: &str| params.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        let refused =
            |status: u16, error: &str, words: &str| (status, json!({"error": error, "error_description": words}));
        let is_code = param("grant_type") == "authorization_code";
        if !is_code && param("grant_type") != "refresh_token" {
            return refused(400, "unsupported_grant_type", "Neither authorization_code nor refresh_token");
        }
        // An app with a secret that sends a verifier is refused, whatever else it sends.
        let is_known = param("client_id") == self.client_id && param("client_secret") == self.client_secret;
        if !is_known || !param("code_verifier").is_empty() {
            return refused(401, "invalid_client", "Client authentication failed");
        }
        if is_code {
            if !self.take_code(param("code"), param("redirect_uri"), now_ms) {
                return refused(400, "invalid_grant", "The authorization code or the redirect_uri is wrong, or old.");
            }
            self.refresh = format!("AQC{:07}-of-the-member", self.issued);
            self.refresh_ends_ms = now_ms.saturating_add(self.refresh_life_ms);
        } else if param("refresh_token") != self.refresh || now_ms >= self.refresh_ends_ms {
            return refused(
                400,
                "invalid_grant",
                "The provided authorization grant or refresh token is invalid, expired or revoked.",
            );
        }
        self.issued += 1;
        let token = format!("AQX{:07}", self.issued);
        self.living.push((token.clone(), now_ms.saturating_add(self.life_ms)));
        if self.rotates {
            self.refresh = format!("AQW{:07}", self.issued);
        }
        let left = self.refresh_ends_ms.saturating_sub(now_ms) / 1000;
        let answer = json!({
            "access_token": token, "expires_in": self.life_ms / 1000, "refresh_token": self.refresh,
            "refresh_token_expires_in": left, "scope": self.scope, "token_type": "Bearer",
        });
        (200, answer)
    }

    pub(crate) fn expire(&mut self) {
        self.living.iter_mut().for_each(|(_, ends)| *ends = 0);
    }

    /// Checks the `Authorization` header of a call.
    pub(crate) fn check(&self, authorization: Option<&str>, now_ms: u64) -> Result<(), Refusal> {
        let token = authorization.and_then(|text| text.strip_prefix("Bearer ")).map(str::trim).unwrap_or_default();
        if token.is_empty() {
            return Err(Refusal::coded(401, 401, "Empty oauth2_access_token"));
        }
        match self.living.iter().find(|(living, _)| living == token) {
            None => Err(Refusal::coded(401, 65_600, "Invalid access token")),
            Some((_, ends)) if now_ms >= *ends => Err(expired()),
            Some(_) => Ok(()),
        }
    }
}

pub(crate) fn expired() -> Refusal {
    Refusal::coded(401, 65_602, "The token used in the request has expired")
}

/// Half an hour, as the vendor says.
const CODE_LIFE_MS: u64 = 30 * 60_000;

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
