//! Acme CRM, a made-up vendor as a function: persons by pages, companies by export jobs, lists with members.

mod lists;
mod records;

use attiva_testkit::wire::message::{Answer, Request};
use attiva_testkit::wire::stand::Made;
use lists::Lists;
use records::Records;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

/// A running Acme. Clones are the same one.
#[derive(Clone, Default)]
pub struct Acme {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    records: Records,
    lists: Lists,
    tokens: u32,
}

impl Acme {
    /// What answers in its place.
    #[must_use]
    pub fn made(&self) -> Made {
        let state = self.state.clone();
        Arc::new(move |request| state.lock().unwrap_or_else(PoisonError::into_inner).answer(request))
    }

    /// What happens to its persons between two runs.
    pub fn change(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).records.change();
    }
}

/// What a request says beside its path.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) parts: Vec<&'a str>,
    query: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Asked<'_> {
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Answer {
        if request.path() == "/control/change" {
            self.records.change();
            return fine(&json!({}));
        }
        if request.path() == "/oauth/token" {
            self.tokens += 1;
            let token = format!("acme-token-{:08}", self.tokens);
            return Answer::json(200, &json!({"access_token": token, "token_type": "bearer", "expires_in": 3600}));
        }
        let token = request.header("authorization").and_then(|header| header.strip_prefix("Bearer acme-token-"));
        if token.and_then(|number| number.parse::<u32>().ok()).is_none_or(|number| number > self.tokens) {
            return refused(401, "token_expired", "The token is not good.");
        }
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        let decoded = |text: &str| text.replace("%3A", ":").replace("%20", " ");
        let asked = Asked {
            method: &request.method,
            parts: request.path().trim_start_matches("/v1/").split('/').collect(),
            query: query.split('&').filter_map(|p| p.split_once('=')).map(|(n, v)| (n.into(), decoded(v))).collect(),
            body: serde_json::from_slice(&request.body).unwrap_or(Value::Null),
        };
        match asked.parts.first() {
            Some(&("me" | "fields" | "persons" | "exports")) => self.records.answer(&asked),
            Some(&("lists" | "imports" | "people")) => self.lists.answer(&asked),
            _ => refused(404, "not_found", "There is nothing here."),
        }
    }
}

pub(crate) fn refused(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"error": code, "message": message}))
}

pub(crate) fn fine(body: &Value) -> Answer {
    Answer::json(200, body)
}
