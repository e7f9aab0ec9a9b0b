//! One typed value: of a native record, of a profile, of an expression.

use crate::time;
use base64::Engine;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// The type of a column or field. The same ten as in the connector contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DataType {
    Boolean,
    Integer,
    /// A decimal number as text. Money is this, never a float.
    Decimal,
    Float,
    Text,
    Bytes,
    /// Days since 1970-01-01.
    Date,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp,
    TextList,
    Json,
}

/// A value or null. Absence is not a value: who can be absent says so with an `Option<Value>`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Decimal(String),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Date(i32),
    Timestamp(i64),
    TextList(Vec<String>),
    /// JSON, as text.
    Json(String),
}

impl Value {
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The value's type; null has none.
    #[must_use]
    pub fn data_type(&self) -> Option<DataType> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean(_) => DataType::Boolean,
            Self::Integer(_) => DataType::Integer,
            Self::Decimal(_) => DataType::Decimal,
            Self::Float(_) => DataType::Float,
            Self::Text(_) => DataType::Text,
            Self::Bytes(_) => DataType::Bytes,
            Self::Date(_) => DataType::Date,
            Self::Timestamp(_) => DataType::Timestamp,
            Self::TextList(_) => DataType::TextList,
            Self::Json(_) => DataType::Json,
        })
    }

    /// The value as another type, if it can be told without loss; null stays null.
    #[must_use]
    pub fn cast(self, to: DataType) -> Option<Self> {
        if self.is_null() || self.data_type() == Some(to) {
            return Some(self);
        }
        match (to, self) {
            (DataType::Text, Self::Boolean(b)) => Some(Self::Text(b.to_string())),
            (DataType::Text, Self::Integer(i)) => Some(Self::Text(i.to_string())),
            (DataType::Text, Self::Float(f)) => Some(Self::Text(f.to_string())),
            (DataType::Text, Self::Decimal(text) | Self::Json(text)) => Some(Self::Text(text)),
            (DataType::Text, Self::Date(days)) => Some(Self::Text(time::format_date(days))),
            (DataType::Text, Self::Timestamp(at)) => Some(Self::Text(time::format_timestamp(at))),
            (DataType::Decimal, Self::Integer(i)) => Some(Self::Decimal(i.to_string())),
            (DataType::Decimal, Self::Float(f)) if f.is_finite() => Some(Self::Decimal(f.to_string())),
            (DataType::Decimal, Self::Text(text)) => decimal(text.trim()).map(Self::Decimal),
            (DataType::Integer, Self::Text(text)) => text.trim().parse().ok().map(Self::Integer),
            (DataType::Integer, Self::Decimal(text)) => whole(&text).map(Self::Integer),
            (DataType::Integer, Self::Float(f)) => whole(&f.to_string()).map(Self::Integer),
            (DataType::Float, Self::Integer(i)) => (i.unsigned_abs() <= 1 << 53).then_some(Self::Float(i as f64)),
            (DataType::Boolean, Self::Text(text)) => text.trim().parse().ok().map(Self::Boolean),
            (DataType::Timestamp, Self::Text(text)) => time::parse_timestamp(text.trim()).map(Self::Timestamp),
            (DataType::Timestamp, Self::Date(days)) => Some(Self::Timestamp(i64::from(days) * 86_400_000)),
            (DataType::Date, Self::Text(text)) => time::parse_date(text.trim()).map(Self::Date),
            (DataType::TextList, Self::Text(text)) => Some(Self::TextList(vec![text])),
            _ => None,
        }
    }

    /// The text of a text value.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Plain JSON for people and for the HTTP API: instants and dates as ISO 8601, decimals as text.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as J;
        match self {
            Self::Null => J::Null,
            Self::Boolean(b) => J::Bool(*b),
            Self::Integer(i) => J::from(*i),
            Self::Decimal(text) | Self::Text(text) => J::String(text.clone()),
            Self::Float(f) => J::from(*f),
            Self::Bytes(bytes) => J::String(base64::engine::general_purpose::STANDARD.encode(bytes)),
            Self::Date(days) => J::String(time::format_date(*days)),
            Self::Timestamp(at) => J::String(time::format_timestamp(*at)),
            Self::TextList(list) => list.iter().map(|s| J::String(s.clone())).collect(),
            Self::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| J::String(text.clone())),
        }
    }
}

/// A plain decimal number: sign, digits, perhaps a point and more digits.
fn decimal(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (before, after) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    (all_digits(before) && all_digits(after)).then(|| text.to_owned())
}

/// The integer a decimal is, if what follows its point is nothing but zeros.
fn whole(text: &str) -> Option<i64> {
    let (before, after) = text.split_once('.').unwrap_or((text, ""));
    after.bytes().all(|b| b == b'0').then(|| before.parse().ok()).flatten()
}

/// The stored form: JSON that keeps the type. What JSON has of its own stands plain (null, booleans, integers, text,
/// lists of text); the rest is an object with one key that names the type.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Boolean(b) => serializer.serialize_bool(*b),
            Self::Integer(i) => serializer.serialize_i64(*i),
            Self::Text(text) => serializer.serialize_str(text),
            Self::TextList(list) => list.serialize(serializer),
            Self::Decimal(text) => one(serializer, "n", text),
            Self::Float(f) => one(serializer, "f", &f.to_bits()),
            Self::Bytes(bytes) => one(serializer, "b", &base64::engine::general_purpose::STANDARD.encode(bytes)),
            Self::Date(days) => one(serializer, "d", days),
            Self::Timestamp(at) => one(serializer, "t", at),
            Self::Json(text) => one(serializer, "j", text),
        }
    }
}

fn one<S: Serializer, T: Serialize + ?Sized>(serializer: S, tag: &str, value: &T) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(tag, value)?;
    map.end()
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl<'de> serde::de::Visitor<'de> for Visitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a stored value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Boolean(b))
    }

    fn visit_i64<E: Error>(self, i: i64) -> Result<Value, E> {
        Ok(Value::Integer(i))
    }

    fn visit_u64<E: Error>(self, u: u64) -> Result<Value, E> {
        i64::try_from(u).map(Value::Integer).map_err(|_| E::custom("an integer over 64 bits"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(text) = seq.next_element::<String>()? {
            list.push(text);
        }
        Ok(Value::TextList(list))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let tag: String = map.next_key()?.ok_or_else(|| A::Error::custom("an empty value"))?;
        let value = match tag.as_str() {
            "n" => Value::Decimal(map.next_value()?),
            "f" => Value::Float(f64::from_bits(map.next_value()?)),
            "b" => {
                let text: String = map.next_value()?;
                Value::Bytes(base64::engine::general_purpose::STANDARD.decode(text).map_err(A::Error::custom)?)
            }
            "d" => Value::Date(map.next_value()?),
            "t" => Value::Timestamp(map.next_value()?),
            "j" => Value::Json(map.next_value()?),
            other => return Err(A::Error::custom(format!("an unknown value tag `{other}`"))),
        };
        match map.next_key::<String>()? {
            None => Ok(value),
            Some(_) => Err(A::Error::custom("a value with two tags")),
        }
    }
}

/// The stored form: any JSON.
impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Null, a boolean, an integer, text or a list of texts as they are; anything else as an object with \
                            one key that names its type: `n` a decimal, `f` the bits of a float, `d` days since 1970, `t` \
                            milliseconds since 1970, `b` bytes in Base64, `j` JSON as text."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(Value::Integer),
            "-?[0-9]{1,12}\\.[0-9]{2}".prop_map(Value::Decimal),
            any::<f64>().prop_filter("comparable", |f| !f.is_nan()).prop_map(Value::Float),
            ".*".prop_map(Value::Text),
            any::<Vec<u8>>().prop_map(Value::Bytes),
            any::<i32>().prop_map(Value::Date),
            any::<i64>().prop_map(Value::Timestamp),
            any::<Vec<String>>().prop_map(Value::TextList),
            Just(Value::Json("{\"a\":[1]}".into())),
        ]
    }

    proptest! {
        #[test]
        fn the_stored_form_keeps_value_and_type(value in any_value()) {
            let stored = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&stored).unwrap(), value);
        }
    }

    #[test]
    fn casts_lose_nothing_or_do_not_happen() {
        let text = |s: &str| Value::Text(s.into());
        let cases = [
            (text("12"), DataType::Integer, Some(Value::Integer(12))),
            (text("12.5"), DataType::Integer, None),
            (Value::Decimal("12.00".into()), DataType::Integer, Some(Value::Integer(12))),
            (Value::Decimal("12.50".into()), DataType::Integer, None),
            (text("1e5"), DataType::Decimal, None),
            (text("-1.50"), DataType::Decimal, Some(Value::Decimal("-1.50".into()))),
            (Value::Integer(i64::MAX), DataType::Float, None),
            (Value::Integer(7), DataType::Text, Some(text("7"))),
            (text("2026-11-23"), DataType::Date, Some(Value::Date(20_780))),
            (text("x"), DataType::Timestamp, None),
            (Value::Null, DataType::Timestamp, Some(Value::Null)),
        ];
        for (value, to, expected) in cases {
            assert_eq!(value.clone().cast(to), expected, "{value:?} as {to:?}");
        }
    }

    #[test]
    fn the_stored_form_refuses_what_it_never_wrote() {
        for bad in ["{}", "{\"z\":1}", "{\"t\":1,\"d\":2}", "[1]", "18446744073709551615"] {
            assert!(serde_json::from_str::<Value>(bad).is_err(), "{bad}");
        }
    }
}
