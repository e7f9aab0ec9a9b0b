//! A value of a lead, and how the service writes it in JSON and in an export file.

use std::borrow::Cow;
use std::io::Write;

use serde_json::Value as Json;

use super::clock;
use super::schema::DataType;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Cow<'a, str>),
    /// Days since 1970.
    Date(i64),
    Datetime(clock::Seconds),
}

impl<'a> Value<'a> {
    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(value),
            Self::Integer(value) => Value::Integer(value),
            Self::Float(value) => Value::Float(value),
            Self::Text(value) => Value::Text(Cow::Owned(value.into_owned())),
            Self::Date(value) => Value::Date(value),
            Self::Datetime(value) => Value::Datetime(value),
        }
    }

    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Boolean(value) => Json::Bool(*value),
            Self::Integer(value) => Json::from(*value),
            Self::Float(value) => Json::from(*value),
            Self::Text(value) => Json::from(value.as_ref()),
            Self::Date(days) => Json::from(clock::date(*days)),
            Self::Datetime(at) => Json::from(clock::datetime(*at)),
        }
    }

    /// The value as the text of an activity's attribute; nothing for null.
    pub(crate) fn to_text(&self) -> Option<String> {
        if *self == Self::Null {
            return None;
        }
        let mut out = Vec::new();
        self.push_text(&mut out);
        Some(String::from_utf8_lossy(&out).into_owned())
    }

    /// Appends a cell of an export file. A missing value is the four letters `null`, which a text `null` looks just like.
    pub(crate) fn push_cell(&self, out: &mut Vec<u8>, delimiter: u8) {
        match self {
            Self::Text(text) if text.bytes().any(|byte| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r')) => {
                push_quoted(out, text.as_bytes());
            }
            value => value.push_text(out),
        }
    }

    fn push_text(&self, out: &mut Vec<u8>) {
        // Writing to a vector cannot fail.
        let _ = match self {
            Self::Null => out.write_all(b"null"),
            Self::Boolean(value) => write!(out, "{value}"),
            Self::Integer(value) => write!(out, "{value}"),
            Self::Float(value) => write!(out, "{value:?}"),
            Self::Text(value) => out.write_all(value.as_bytes()),
            Self::Date(days) => {
                clock::push_date(out, *days);
                Ok(())
            }
            Self::Datetime(at) => {
                clock::push_datetime(out, *at);
                Ok(())
            }
        };
    }

    /// Reads what a client wants a field to become. Null and the empty text clear it, or set a boolean to false.
    pub(crate) fn from_json(json: &Json, data_type: DataType) -> Option<Value<'static>> {
        let text = match json {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            Json::Bool(value) => value.to_string(),
            Json::Number(value) => value.to_string(),
            Json::Array(_) | Json::Object(_) => return None,
        };
        if text.is_empty() {
            return Some(if data_type == DataType::Boolean { Value::Boolean(false) } else { Value::Null });
        }
        match data_type {
            DataType::Boolean => match text.as_str() {
                "true" | "1" => Some(Value::Boolean(true)),
                "false" | "0" => Some(Value::Boolean(false)),
                _ => None,
            },
            DataType::Integer | DataType::Score => text.parse().ok().map(Value::Integer),
            DataType::Percent | DataType::Currency | DataType::Float => {
                let number: f64 = text.parse().ok()?;
                number.is_finite().then_some(Value::Float(number))
            }
            DataType::Date => clock::parse_days(text.get(..10)?).map(Value::Date),
            DataType::Datetime => clock::parse(&text).map(Value::Datetime),
            DataType::Email if !text.is_ascii() => None,
            DataType::Email
            | DataType::Phone
            | DataType::Reference
            | DataType::String
            | DataType::Text
            | DataType::Url => (text.len() <= data_type.length().unwrap_or(usize::MAX)).then(|| Value::text(text)),
        }
    }
}

fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cell(value: &Value<'_>) -> String {
        let mut out = Vec::new();
        value.push_cell(&mut out, b',');
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn cells_are_written_as_the_service_writes_them() {
        assert_eq!(cell(&Value::Null), "null");
        assert_eq!(cell(&Value::text("null")), "null");
        assert_eq!(cell(&Value::text("plain")), "plain");
        assert_eq!(cell(&Value::text("VP, \"Sales\"\nEMEA")), "\"VP, \"\"Sales\"\"\nEMEA\"");
        assert_eq!(cell(&Value::Float(1_604.47)), "1604.47");
        assert_eq!(cell(&Value::Date(0)), "1970-01-01");
    }

    #[test]
    fn what_does_not_fit_the_type_is_refused() {
        for (json, data_type) in [
            (json!("many"), DataType::Integer),
            (json!(1.5), DataType::Integer),
            (json!("soon"), DataType::Date),
            (json!("josé@x.example"), DataType::Email),
            (json!("x".repeat(256)), DataType::String),
            (json!(["x"]), DataType::String),
            (json!("yes"), DataType::Boolean),
        ] {
            assert_eq!(Value::from_json(&json, data_type), None, "{json}");
        }
        assert_eq!(Value::from_json(&json!(""), DataType::Integer), Some(Value::Null));
        assert_eq!(Value::from_json(&json!(null), DataType::Boolean), Some(Value::Boolean(false)));
        assert_eq!(Value::from_json(&json!("2026-11-23T00:00:00Z"), DataType::Date), Some(Value::Date(20_780)));
    }
}
