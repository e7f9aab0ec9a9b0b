//! The fields of a person at Marketo: what there is, what may be written, and what may be written into it.

use crate::config::Mode;
use crate::request;
use attiva_connector::time::{format_date, format_timestamp};
use attiva_connector::{Cell, DataType, Fault, FieldSpec, Result};
use marketo_api::{Api, read_one};
use serde::Deserialize;
use serde_json::Value;

/// The column with the lead's id, where the profile came from this very Marketo.
pub(crate) const ID: &str = "id";
/// The column with the address.
pub(crate) const EMAIL: &str = "email";
/// Marketo's bound on attributes that a list's members bring with them.
pub(crate) const ATTRIBUTES_MAX: usize = 50;

/// Standard fields of a company, as `companies/describe` names them; a person has them under the same names.
const COMPANY: [&str; 14] = [
    "company",
    "site",
    "website",
    "mainPhone",
    "industry",
    "annualRevenue",
    "numberOfEmployees",
    "sicCode",
    "companyNotes",
    "billingStreet",
    "billingCity",
    "billingState",
    "billingCountry",
    "billingPostalCode",
];

#[derive(Debug, Deserialize)]
struct Described {
    fields: Vec<Field>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Field {
    pub(crate) name: String,
    #[serde(default, rename = "displayName")]
    label: String,
    #[serde(rename = "dataType")]
    kind: String,
    #[serde(default)]
    updateable: bool,
    #[serde(default, rename = "crmManaged")]
    crm_managed: bool,
}

pub(crate) fn describe(api: &Api<'_>) -> Result<Vec<Field>> {
    let described: Described = read_one(&api.send(&request::describe())?)?;
    Ok(described.fields)
}

/// As `discover` shows them: the id first, which is ours to take and Marketo's to give.
pub(crate) fn shown(fields: &[Field]) -> Vec<FieldSpec> {
    let id = FieldSpec {
        name: ID.into(),
        // One id as well: of many, the one that is of this Marketo.
        data_type: DataType::TextList,
        required: false,
        matching_key: true,
        read_only_because: None,
        label: "Lead id or source key at this Marketo, of a profile that came from it".into(),
    };
    let other = fields.iter().filter(|field| field.name != ID).map(|field| FieldSpec {
        name: field.name.clone(),
        data_type: field.data_type(),
        required: false,
        matching_key: field.name == EMAIL,
        read_only_because: field.read_only_because(),
        label: field.label.clone(),
    });
    std::iter::once(id).chain(other).collect()
}

impl Field {
    fn data_type(&self) -> DataType {
        match self.kind.as_str() {
            "boolean" => DataType::Boolean,
            "integer" | "score" => DataType::Integer,
            "currency" | "float" | "percent" => DataType::Decimal,
            "date" => DataType::Date,
            "datetime" => DataType::Timestamp,
            _ => DataType::Text,
        }
    }

    /// `updateable` alone says whether Marketo takes a value. Where a CRM is synced natively, most fields of a person are the
    /// CRM's as well, and written all the same: Marketo passes them on.
    fn read_only_because(&self) -> Option<String> {
        if self.name == EMAIL || self.updateable {
            return None;
        }
        Some(if self.crm_managed { "managed by the CRM" } else { "Marketo keeps it itself" }.into())
    }

    /// Whether it is one of a company's, which the people of the company only show.
    fn is_of_company(&self) -> bool {
        COMPANY.contains(&self.name.as_str())
    }

    /// Whether values of a type can stand in it. Texts that do not read as what the field is are refused row by row.
    fn takes(&self, data_type: DataType) -> bool {
        match data_type {
            DataType::Text => true,
            DataType::Boolean => self.data_type() == DataType::Boolean,
            DataType::Integer => matches!(self.data_type(), DataType::Integer | DataType::Decimal | DataType::Text),
            DataType::Decimal | DataType::Float => matches!(self.data_type(), DataType::Decimal | DataType::Text),
            DataType::Date => matches!(self.data_type(), DataType::Date | DataType::Timestamp | DataType::Text),
            DataType::Timestamp => matches!(self.data_type(), DataType::Timestamp | DataType::Text),
            DataType::Bytes | DataType::TextList | DataType::Json => false,
        }
    }
}

/// Refuses what cannot be written, by name, before the first record is: too many attributes, lists and objects, fields
/// that Marketo does not have or does not let be written.
pub(crate) fn check(columns: &[(String, DataType)], mode: Mode, fields: &[Field]) -> Result<()> {
    let has = |wanted: &str| columns.iter().any(|(name, _)| name == wanted);
    if !has(EMAIL) && !has(ID) {
        let fault = Fault::config("marketo.no-key", "neither email nor id is mapped, so nobody can be matched");
        return Err(fault.field(EMAIL).action("Map email, id, or both."));
    }
    let attributes: Vec<&(String, DataType)> = columns.iter().filter(|(name, _)| name != EMAIL && name != ID).collect();
    if let (Mode::Match, Some((name, _))) = (mode, attributes.first()) {
        let what = format!("{name} is mapped, and a list that only matches writes no attribute");
        return Err(refused("marketo.match-only", name, &what, "Set mode to create, or map email and id alone."));
    }
    if let Some((name, _)) = attributes.get(ATTRIBUTES_MAX) {
        let what = format!("{} attributes are mapped, Marketo takes {ATTRIBUTES_MAX}", attributes.len());
        return Err(refused(
            "marketo.too-many-attributes",
            name,
            &what,
            "Map fewer attributes; this is the first too many.",
        ));
    }
    for (name, data_type) in attributes {
        let nested = matches!(data_type, DataType::TextList | DataType::Json | DataType::Bytes);
        if nested {
            let what = format!("{name} is a list or an object, which no field of a person at Marketo can hold");
            return Err(refused("marketo.not-plain", name, &what, "Map a plain value of it, or leave it out."));
        }
        let Some(field) = fields.iter().find(|field| field.name == *name) else {
            let what = format!("Marketo has no field {name}");
            return Err(refused("marketo.field-unknown", name, &what, "Create the field in Marketo, or map another."));
        };
        if let Some(why) = field.read_only_because() {
            let what = format!("{name} cannot be written: {why}");
            return Err(refused("marketo.field-read-only", name, &what, "Leave it out."));
        }
        if !field.takes(*data_type) {
            let what = format!("{name} is of type {} at Marketo, and something else is mapped to it", field.kind);
            return Err(refused("marketo.field-type", name, &what, "Map a value of the field's type."));
        }
    }
    Ok(())
}

/// What is worth knowing of a mapping that can be written.
pub(crate) fn notes(columns: &[(String, DataType)], fields: &[Field]) -> Vec<String> {
    let named = |is: fn(&Field) -> bool| -> Option<String> {
        let mapped = |field: &&Field| field.name != EMAIL && columns.iter().any(|(name, _)| *name == field.name);
        let names: Vec<&str> = fields.iter().filter(mapped).filter(|f| is(f)).map(|f| f.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let company = named(Field::is_of_company).map(|names| {
        format!("{names}: fields of a company. Of people whose company is a record of its own Marketo refuses them (1021), and such people are not put on the list.")
    });
    let crm = named(|field| field.crm_managed)
        .map(|names| format!("{names}: the CRM's as well; what is written here, Marketo passes on to it."));
    company.into_iter().chain(crm).collect()
}

fn refused(code: &str, field: &str, what: &str, action: &str) -> Fault {
    Fault::config(code, what).field(field).action(action)
}

/// A value as Marketo takes it; `None` for no value, which leaves what the person has. Times are in whole seconds.
pub(crate) fn value(cell: Cell<'_>) -> Option<Value> {
    Some(match cell {
        Cell::Absent | Cell::Null | Cell::Bytes(_) | Cell::TextList(_) | Cell::Json(_) => return None,
        Cell::Boolean(value) => value.into(),
        Cell::Integer(value) => value.into(),
        Cell::Float(value) => value.into(),
        Cell::Decimal(text) => text.into(),
        Cell::Text("") => return None,
        Cell::Text(text) => text.into(),
        Cell::Date(days) => format_date(days)?.into(),
        Cell::Timestamp(ms) => format_timestamp(ms.div_euclid(1000) * 1000)?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields() -> Vec<Field> {
        let field = |name: &str, kind: &str, updateable: bool, crm: bool| json!({"name": name, "displayName": name, "dataType": kind, "updateable": updateable, "crmManaged": crm});
        let mut all = vec![
            field("id", "integer", false, false),
            field("email", "email", true, false),
            field("leadScore", "score", true, false),
            field("annualRevenue", "currency", true, false),
            field("unsubscribed", "boolean", true, false),
            field("createdAt", "datetime", false, false),
            field("sfdcLeadId", "string", false, true),
            field("leadSource", "string", true, true),
        ];
        all.extend((0..60).map(|i| field(&format!("custom{i}"), "string", true, false)));
        serde_json::from_value(all.into()).unwrap()
    }

    fn checked(columns: &[(&str, DataType)], mode: Mode) -> Result<(), (String, Option<String>)> {
        let columns: Vec<_> = columns.iter().map(|(name, t)| ((*name).to_owned(), *t)).collect();
        check(&columns, mode, &fields()).map_err(|fault| (fault.code, fault.field))
    }

    #[test]
    fn what_cannot_be_written_is_refused_by_name() {
        use DataType::*;
        let cases = [
            ("leadScore", Integer, None),
            ("annualRevenue", Float, None),
            ("annualRevenue", Integer, None),
            ("custom1", Date, None),
            ("leadSource", Text, None),
            ("custom1", TextList, Some("marketo.not-plain")),
            ("custom1", Json, Some("marketo.not-plain")),
            ("custom1", Bytes, Some("marketo.not-plain")),
            ("nobody", Text, Some("marketo.field-unknown")),
            ("createdAt", Timestamp, Some("marketo.field-read-only")),
            ("sfdcLeadId", Text, Some("marketo.field-read-only")),
            ("unsubscribed", Integer, Some("marketo.field-type")),
            ("leadScore", Boolean, Some("marketo.field-type")),
        ];
        for (name, data_type, expected) in cases {
            let found = checked(&[("email", Text), (name, data_type)], Mode::Create);
            let expected = expected.map_or(Ok(()), |code| Err((code.to_owned(), Some(name.to_owned()))));
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(checked(&[("custom1", Text)], Mode::Create), Err(("marketo.no-key".into(), Some("email".into()))));
        let only = checked(&[("id", Text), ("custom1", Text)], Mode::Match);
        assert_eq!(only, Err(("marketo.match-only".into(), Some("custom1".into()))));
    }

    #[test]
    fn fifty_attributes_are_taken_and_the_fifty_first_is_named() {
        let names: Vec<String> = (0..51).map(|i| format!("custom{i}")).collect();
        let columns = |count: usize| {
            let keys = [("email", DataType::Text), ("id", DataType::Integer)];
            let all: Vec<_> =
                keys.into_iter().chain(names.iter().take(count).map(|n| (n.as_str(), DataType::Text))).collect();
            checked(&all, Mode::Create)
        };
        assert_eq!(columns(50), Ok(()));
        assert_eq!(columns(51), Err(("marketo.too-many-attributes".into(), Some("custom50".into()))));
    }

    #[test]
    fn values_are_written_as_marketo_reads_them() {
        assert_eq!(value(Cell::Timestamp(1_795_443_180_250)), Some(json!("2026-11-23T14:13:00Z")));
        assert_eq!(value(Cell::Date(0)), Some(json!("1970-01-01")));
        assert_eq!(value(Cell::Decimal("12.30")), Some(json!("12.30")));
        assert_eq!((value(Cell::Null), value(Cell::Absent), value(Cell::Text(""))), (None, None, None));
    }

    #[test]
    fn discover_shows_why_a_field_cannot_be_written() {
        let shown = shown(&fields());
        assert_eq!((shown[0].name.as_str(), shown[0].matching_key, shown[1].matching_key), ("id", true, true));
        let why = |name: &str| shown.iter().find(|f| f.name == name).and_then(|f| f.read_only_because.clone());
        assert_eq!(why("sfdcLeadId").as_deref(), Some("managed by the CRM"));
        assert_eq!((why("leadScore"), why("createdAt").is_some()), (None, true));
        assert_eq!(why("leadSource"), None, "the CRM's and Marketo's");
    }

    #[test]
    fn a_mapping_of_what_is_a_companys_or_the_crms_is_told() {
        let noted = |names: &[&str]| {
            let columns: Vec<_> = names.iter().map(|name| ((*name).to_owned(), DataType::Text)).collect();
            notes(&columns, &fields())
        };
        assert!(noted(&["email", "leadScore"]).is_empty());
        let told = noted(&["email", "annualRevenue", "leadSource"]);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("annualRevenue:") && told[0].contains("1021"), "{told:?}");
        assert!(told[1].starts_with("leadSource:"), "{told:?}");
    }
}
