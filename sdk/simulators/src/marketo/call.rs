//! A call as the endpoints see it: path, parameters from query or form, body.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RANGE};
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::Value as Json;

use super::envelope::Refusal;
use super::schema::Field;

/// Records a call may carry or ask for.
pub(crate) const BATCH: usize = 300;

#[derive(Debug)]
pub(crate) struct Call {
    /// The method meant: `POST` with `_method=GET` is a `GET` that carries its query in the body.
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) body: Bytes,
    headers: HeaderMap,
}

impl Call {
    pub(crate) fn new(parts: Parts, body: Bytes) -> Self {
        let mut params = pairs(parts.uri.query().unwrap_or_default().as_bytes());
        let is_form =
            content_type(&parts.headers).is_some_and(|text| text.starts_with("application/x-www-form-urlencoded"));
        if is_form {
            params.extend(pairs(&body));
        }
        let meant = params.iter().find(|(name, _)| name == "_method").map(|(_, method)| method.to_ascii_uppercase());
        let method = match (parts.method, meant.as_deref()) {
            (Method::POST, Some("GET")) => Method::GET,
            (Method::POST, Some("DELETE")) => Method::DELETE,
            (method, _) => method,
        };
        Self { method, path: without_dots(parts.uri.path()), params, body, headers: parts.headers }
    }

    pub(crate) fn only(&self, method: &Method) -> Result<(), Refusal> {
        if self.method == *method { Ok(()) } else { Err(self.wrong_method()) }
    }

    pub(crate) fn wrong_method(&self) -> Refusal {
        Refusal::new("605", format!("Request method '{}' not supported", self.method))
    }

    pub(crate) fn header(&self, name: &http::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn range(&self) -> Option<&str> {
        self.header(&RANGE)
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.param(name).ok_or_else(|| Refusal::missing(name))
    }

    /// Values of a parameter given as a comma list, repeated, or both. A value that holds a comma cannot be asked for.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        let values = self.params.iter().filter(|(key, _)| key == name).flat_map(|(_, value)| value.split(','));
        values.map(str::trim).filter(|value| !value.is_empty()).collect()
    }

    pub(crate) fn fields(&self) -> Result<Vec<Field>, Refusal> {
        self.list("fields").into_iter().map(field).collect()
    }

    /// `batchSize`, at most 300.
    pub(crate) fn batch_size(&self) -> Result<usize, Refusal> {
        let Some(text) = self.param("batchSize") else { return Ok(BATCH) };
        let size: usize = text.parse().map_err(|_| Refusal::new("1001", "Invalid value for parameter 'batchSize'"))?;
        Ok(size.clamp(1, BATCH))
    }

    pub(crate) fn json(&self) -> Result<Json, Refusal> {
        if !content_type(&self.headers).is_some_and(|text| text.starts_with("application/json")) {
            return Err(Refusal::new("612", "Invalid Content Type"));
        }
        serde_json::from_slice(&self.body).map_err(|_| Refusal::new("609", "Invalid JSON"))
    }

    /// The `input` array of a JSON body, 1 to 300 records.
    pub(crate) fn input(&self) -> Result<(Json, Vec<Json>), Refusal> {
        let mut body = self.json()?;
        let Some(Json::Array(input)) = body.get_mut("input").map(Json::take) else {
            return Err(Refusal::missing("input"));
        };
        match input.len() {
            0 => Err(Refusal::missing("input")),
            1..=BATCH => Ok((body, input)),
            _ => Err(Refusal::invalid(format!("Too many records in input, {BATCH} at most"))),
        }
    }
}

pub(crate) fn field(name: &str) -> Result<Field, Refusal> {
    Field::named(name).ok_or_else(|| Refusal::new("1006", format!("Field '{name}' not found")))
}

/// Resolves `.` and `..` as the service does: a client in the field is set up with `…/rest` and asks for `/rest/../bulk/v1/…`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_resolved_and_double_slashes_kept() {
        assert_eq!(without_dots("/rest/../bulk/v1/leads/export.json"), "/bulk/v1/leads/export.json");
        assert_eq!(without_dots("/rest/./v1/../../../identity"), "/identity");
        assert_eq!(without_dots("/rest//v1/"), "/rest//v1/");
        assert_eq!(without_dots("/"), "/");
    }
}
