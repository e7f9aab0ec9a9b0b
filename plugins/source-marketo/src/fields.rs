//! The fields of a person: as Marketo describes them, as columns, and which of them are read.

use crate::config::Config;
use crate::request;
use attiva_connector::{ColumnSpec, DataType, Fault, Result};
use marketo_api::Api;
use serde::Deserialize;

/// The key, and the times a row cannot do without.
pub(crate) const ID: &str = "id";
pub(crate) const CREATED_AT: &str = "createdAt";
pub(crate) const UPDATED_AT: &str = "updatedAt";

/// The company a person belongs to, by its id: what companies are read by.
pub(crate) const CONTACT_COMPANY: &str = "contactCompany";
/// The kind of a field that is made here.
pub(crate) const MADE: &str = "made";
/// The same, with a value of JSON.
pub(crate) const MADE_JSON: &str = "made-json";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// Marketo's word for the type.
    pub(crate) kind: String,
    pub(crate) label: String,
}

impl Field {
    pub(crate) fn new(name: &str, kind: &str, label: &str) -> Self {
        Self { name: name.into(), kind: kind.into(), label: label.into() }
    }

    /// Unknown types are text: Marketo has added some over the years, and each can be written as text.
    pub(crate) fn data_type(&self) -> DataType {
        match self.kind.as_str() {
            "boolean" => DataType::Boolean,
            "integer" | "score" => DataType::Integer,
            // Some instances have percents with decimals; a currency is money.
            "percent" | "currency" => DataType::Decimal,
            "float" => DataType::Float,
            "date" => DataType::Date,
            "datetime" => DataType::Timestamp,
            "array" | MADE_JSON => DataType::Json,
            _ => DataType::Text,
        }
    }

    /// Whether it is no field of Marketo's, but made of an activity's attributes.
    pub(crate) fn is_made(&self) -> bool {
        [MADE, MADE_JSON].contains(&self.kind.as_str())
    }

    pub(crate) fn column(&self) -> ColumnSpec {
        let column = ColumnSpec::new(self.name.as_str(), self.data_type()).label(self.label.as_str());
        if self.name == ID { column.required() } else { column }
    }
}

/// What Marketo describes, as far as the REST interface can read it.
pub(crate) fn describe(api: &Api) -> Result<Vec<Field>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Described {
        #[serde(default)]
        display_name: String,
        #[serde(default)]
        data_type: String,
        rest: Option<Rest>,
    }
    #[derive(Deserialize)]
    struct Rest {
        name: String,
    }

    let response = api.send(&request::describe())?;
    let described: marketo_api::Listed<Described> = marketo_api::read(&response)?;
    let mut fields: Vec<Field> = Vec::with_capacity(described.result.len());
    for field in described.result {
        // Without a REST name a field belongs to the older interface alone.
        let Some(rest) = field.rest else { continue };
        if !fields.iter().any(|f| f.name == rest.name) {
            fields.push(Field { name: rest.name, kind: field.data_type, label: field.display_name });
        }
    }
    for (name, kind, label) in
        [(ID, "integer", "Id"), (CREATED_AT, "datetime", "Created At"), (UPDATED_AT, "datetime", "Updated At")]
    {
        if !fields.iter().any(|f| f.name == name) {
            fields.push(Field::new(name, kind, label));
        }
    }
    Ok(fields)
}

/// What Marketo describes of an object of the lead database, `companies` say.
pub(crate) fn describe_object(api: &Api, object: &str) -> Result<Vec<Field>> {
    #[derive(Deserialize)]
    struct Described {
        #[serde(default)]
        fields: Vec<Named>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        name: String,
        #[serde(default)]
        display_name: String,
        #[serde(default)]
        data_type: String,
    }

    let response = api.send(&request::describe_object(object))?;
    let described: Described = marketo_api::read_one(&response)?;
    let mut fields: Vec<Field> = Vec::with_capacity(described.fields.len());
    for field in described.fields {
        if !fields.iter().any(|f| f.name == field.name) {
            fields.push(Field { name: field.name, kind: field.data_type, label: field.display_name });
        }
    }
    Ok(fields)
}

/// Those of `described` that the configuration allows and the host asks for; empty `wanted`: all allowed. What a row
/// cannot do without is always there, and first.
///
/// # Errors
/// `config` `marketo.field-unknown`.
pub(crate) fn select(described: Vec<Field>, config: &Config, wanted: &[String]) -> Result<Vec<Field>> {
    let unknown = |names: &[String]| names.iter().find(|name| !described.iter().any(|f| &f.name == *name)).cloned();
    if let Some(name) = unknown(&config.fields) {
        return Err(no_such_field(&name).field("fields"));
    }
    if let Some(name) = unknown(wanted) {
        return Err(no_such_field(&name).field(name));
    }
    let in_list = |list: &[String], name: &String| list.is_empty() || list.contains(name);
    let (mut first, rest): (Vec<_>, Vec<_>) =
        described.into_iter().partition(|f| [ID, CREATED_AT, UPDATED_AT].contains(&f.name.as_str()));
    first.sort_by_key(|f| [ID, CREATED_AT, UPDATED_AT].iter().position(|name| *name == f.name));
    first.extend(
        rest.into_iter()
            .filter(|f| f.name == CONTACT_COMPANY || (in_list(&config.fields, &f.name) && in_list(wanted, &f.name))),
    );
    Ok(first)
}

fn no_such_field(name: &str) -> Fault {
    Fault::config("marketo.field-unknown", format!("the instance has no person field {name}"))
        .action("Take the name out, or correct it: discover shows the fields there are.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_connector::{parse_config, testing::FakeHost};
    use serde_json::json;

    const DESCRIBE: &str = "/rest/v1/leads/describe.json";

    fn config(fields: &[&str]) -> Config {
        parse_config(&json!({"munchkin_id": "123-ABC-456", "fields": fields}).to_string()).unwrap()
    }

    fn fields() -> Vec<Field> {
        ["email", "updatedAt", "leadScore", "id", "createdAt"].iter().map(|n| Field::new(n, "string", "")).collect()
    }

    fn names(fields: &[Field]) -> Vec<&str> {
        fields.iter().map(|f| f.name.as_str()).collect()
    }

    #[test]
    fn fields_without_a_rest_name_are_left_out_and_the_needed_ones_are_there() {
        let fake = FakeHost::new();
        fake.on("GET", "api", DESCRIBE).json(
            200,
            &json!({"success": true, "result": [
                {"id": 1, "displayName": "Id", "dataType": "integer", "rest": {"name": "id", "readOnly": true}},
                {"id": 2, "displayName": "Email", "dataType": "email", "rest": {"name": "email"}},
                {"id": 3, "displayName": "Old", "dataType": "string", "soap": {"name": "Old"}},
                {"id": 4, "displayName": "Email", "dataType": "email", "rest": {"name": "email"}},
            ]}),
        );
        let fields = describe(&Api::new(&fake)).unwrap();
        assert_eq!(names(&fields), ["id", "email", "createdAt", "updatedAt"]);
    }

    #[test]
    fn types() {
        let cases = [
            ("boolean", DataType::Boolean),
            ("integer", DataType::Integer),
            ("score", DataType::Integer),
            ("percent", DataType::Decimal),
            ("currency", DataType::Decimal),
            ("float", DataType::Float),
            ("date", DataType::Date),
            ("datetime", DataType::Timestamp),
            ("array", DataType::Json),
            ("email", DataType::Text),
            ("reference", DataType::Text),
            ("something new", DataType::Text),
        ];
        for (kind, expected) in cases {
            assert_eq!(Field::new("x", kind, "").data_type(), expected, "{kind}");
        }
    }

    #[test]
    fn the_needed_fields_come_first_whatever_is_chosen() {
        let all = select(fields(), &config(&[]), &[]).unwrap();
        assert_eq!(names(&all), ["id", "createdAt", "updatedAt", "email", "leadScore"]);
        let some = select(fields(), &config(&["email"]), &[]).unwrap();
        assert_eq!(names(&some), ["id", "createdAt", "updatedAt", "email"]);
        let both = select(fields(), &config(&["email", "leadScore"]), &["leadScore".into()]).unwrap();
        assert_eq!(names(&both), ["id", "createdAt", "updatedAt", "leadScore"]);
    }

    #[test]
    fn a_field_the_instance_does_not_have_is_named() {
        let fault = select(fields(), &config(&["emial"]), &[]).unwrap_err();
        assert_eq!((fault.code.as_str(), fault.field.as_deref()), ("marketo.field-unknown", Some("fields")));
        assert!(fault.message.contains("emial"));
        assert!(select(fields(), &config(&[]), &["x".into()]).is_err());
    }
}
