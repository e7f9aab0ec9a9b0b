//! The fields of an object: as Salesforce describes them to this user, as columns, and which of them are read.

use crate::api::Api;
use crate::config::Config;
use crate::{mapping, request, response};
use attiva_connector::{ColumnSpec, DataType, Fault, Result};
use serde::{Deserialize, Serialize};

/// The key, and what tells that a record is gone.
pub(crate) const ID: &str = "Id";
pub(crate) const IS_DELETED: &str = "IsDeleted";
pub(crate) const MASTER: &str = "MasterRecordId";

/// Times that tell when a record changed, the best first. `SystemModstamp` moves with changes of the system's own, too.
const STAMPS: [&str; 3] = ["SystemModstamp", "LastModifiedDate", "CreatedDate"];

/// Where a run keeps the description, so that not every page costs a call.
const CACHE: &str = "fields";
/// How long a description is believed, in seconds.
const CACHE_SECONDS: i64 = 3600;

/// An object as the user sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) label: String,
    /// The field that windows go by.
    pub(crate) stamp: String,
    /// Whether deleted records show, and merged ones.
    pub(crate) deletes: bool,
    pub(crate) merges: bool,
    /// All that can be read, one by one: an address is its parts, and files are left out.
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// Salesforce's word for the type.
    pub(crate) kind: String,
    pub(crate) label: String,
}

impl Field {
    #[cfg(test)]
    pub(crate) fn new(name: &str, kind: &str) -> Self {
        Self { name: name.into(), kind: kind.into(), label: String::new() }
    }

    /// Unknown types are text: Salesforce has added some over the years, and each can be written as text.
    pub(crate) fn data_type(&self) -> DataType {
        match self.kind.as_str() {
            "boolean" => DataType::Boolean,
            "int" | "long" => DataType::Integer,
            "double" | "currency" | "percent" => DataType::Decimal,
            "date" => DataType::Date,
            "datetime" => DataType::Timestamp,
            "multipicklist" => DataType::TextList,
            "complexvalue" => DataType::Json,
            _ => DataType::Text,
        }
    }

    /// Whether its values are ids of records.
    pub(crate) fn is_id(&self) -> bool {
        matches!(self.kind.as_str(), "id" | "reference")
    }

    pub(crate) fn column(&self) -> ColumnSpec {
        let column = ColumnSpec::new(self.name.as_str(), self.data_type()).label(self.label.as_str());
        if self.name == ID { column.required() } else { column }
    }
}

impl Described {
    /// Whether a record cannot do without the field.
    fn needs(&self, name: &str) -> bool {
        name == ID || name == self.stamp || name == IS_DELETED || (name == MASTER && self.merges)
    }

    /// The fields to read: those the configuration and the host want, and those a record cannot do without.
    pub(crate) fn selected(&self, config: &Config, wanted: &[String]) -> Vec<&Field> {
        let none = Vec::new();
        let chosen = config.fields.get(&self.name).unwrap_or(&none);
        let in_list = |list: &[String], name: &str| list.is_empty() || list.iter().any(|n| n == name);
        let reads =
            |field: &&Field| self.needs(&field.name) || (in_list(chosen, &field.name) && in_list(wanted, &field.name));
        self.fields.iter().filter(reads).collect()
    }

    /// Fields that the configuration or the mapping names, and that are not there for this user. A currency per record
    /// exists only in orgs that have several.
    pub(crate) fn hidden(&self, config: &Config) -> Vec<String> {
        let missing = |name: &&str| !self.fields.iter().any(|field| field.name == **name);
        match config.fields.get(&self.name) {
            Some(chosen) => chosen.iter().map(String::as_str).filter(missing).map(str::to_owned).collect(),
            None => {
                let mapped = mapping::columns_of(&self.name).into_iter().filter(|name| *name != "CurrencyIsoCode");
                mapped.filter(missing).map(str::to_owned).collect()
            }
        }
    }
}

/// What tells two selections apart (FNV-1a): kept in the cursor, where the names would have no room.
pub(crate) fn digest(fields: &[&Field]) -> u64 {
    let bytes = fields.iter().flat_map(|field| field.name.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What Salesforce describes; nothing if the object is not there, or not for this user.
///
/// # Errors
/// `unsupported` `salesforce.no-time`: no field tells when a record changed.
pub(crate) fn describe(api: &Api, config: &Config, object: &str) -> Result<Option<Described>> {
    #[derive(Deserialize)]
    struct Object {
        #[serde(default)]
        label: String,
        #[serde(default)]
        fields: Vec<Raw>,
    }
    #[derive(Deserialize)]
    struct Raw {
        name: String,
        #[serde(rename = "type")]
        kind: String,
        #[serde(default)]
        label: String,
        /// Whether a query may ask for records by it; not told means yes.
        #[serde(default = "yes")]
        filterable: bool,
    }
    fn yes() -> bool {
        true
    }

    let response = match api.attempt(&request::describe(&config.api_version, object))? {
        Ok(response) => response,
        Err(refusal) if refusal.is_unknown_object() => return Ok(None),
        Err(refusal) => return Err(refusal.fault()),
    };
    let described: Object = response::read(&response)?;
    // Bulk jobs refuse the whole of an address, and its parts are fields of their own; a file is no value of a record.
    let readable = |raw: &Raw| !matches!(raw.kind.as_str(), "address" | "location" | "base64");
    let filterable: Vec<String> =
        described.fields.iter().filter(|raw| raw.filterable).map(|raw| raw.name.clone()).collect();
    let fields: Vec<Field> = described
        .fields
        .into_iter()
        .filter(readable)
        .map(|raw| Field { name: raw.name, kind: raw.kind, label: raw.label })
        .collect();
    let has = |name: &str| fields.iter().any(|field| field.name == name);
    let goes_by = |stamp: &&str| has(stamp) && filterable.iter().any(|name| name == stamp);
    let Some(stamp) = STAMPS.into_iter().find(goes_by).filter(|_| has(ID)) else {
        let message = format!("{object} has no id, or no field that tells when a record changed and can be asked for");
        return Err(
            Fault::unsupported("salesforce.no-time", message).action("Take the object out of the configuration.")
        );
    };
    let (deletes, merges) = (has(IS_DELETED), has(MASTER));
    Ok(Some(Described {
        name: object.to_owned(),
        label: described.label,
        stamp: stamp.into(),
        deletes,
        merges,
        fields,
    }))
}

/// As [`describe`], from the run's spool where it is there and fresh.
pub(crate) fn described(api: &Api, config: &Config, object: &str) -> Result<Option<Described>> {
    #[derive(Serialize, Deserialize)]
    struct Cached {
        at: i64,
        object: Described,
    }

    let spool = api.host.spool(CACHE);
    let size = spool.stat()?.size;
    if size > 0
        && let Ok(cached) = serde_json::from_slice::<Cached>(&spool.read_exact(0, size)?)
        && cached.object.name == object
        && (cached.at..cached.at.saturating_add(CACHE_SECONDS)).contains(&api.now())
    {
        return Ok(Some(cached.object));
    }
    let Some(object) = describe(api, config, object)? else { return Ok(None) };
    let cached = Cached { at: api.now(), object };
    if let Ok(bytes) = serde_json::to_vec(&cached) {
        spool.write(0, &bytes)?;
    }
    Ok(Some(cached.object))
}

/// Forgets the description: what it names is no longer so.
pub(crate) fn forget(api: &Api) -> Result<()> {
    api.host.spool(CACHE).remove()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{config, describe_path};
    use attiva_connector::testing::FakeHost;
    use serde_json::json;

    fn names(fields: &[&Field]) -> Vec<String> {
        fields.iter().map(|f| f.name.clone()).collect()
    }

    fn object() -> (FakeHost, Described) {
        let fake = FakeHost::new();
        let field = |name: &str, kind: &str| json!({"name": name, "type": kind, "label": name});
        let fields = [
            field("Id", "id"),
            field("IsDeleted", "boolean"),
            field("MasterRecordId", "reference"),
            field("Email", "email"),
            field("MailingAddress", "address"),
            field("MailingCity", "string"),
            field("Photo", "base64"),
            field("Place", "location"),
            field("Title", "string"),
            field("SystemModstamp", "datetime"),
            field("CreatedDate", "datetime"),
        ];
        fake.on("GET", "api", &describe_path("Contact"))
            .always()
            .json(200, &json!({"label": "Contact", "fields": fields}));
        let object = describe(&Api::new(&fake), &config(json!({})), "Contact").unwrap().unwrap();
        (fake, object)
    }

    #[test]
    fn an_address_is_its_parts_and_files_are_left_out() {
        let (_, object) = object();
        let all = names(&object.selected(&config(json!({})), &[]));
        assert_eq!(
            all,
            ["Id", "IsDeleted", "MasterRecordId", "Email", "MailingCity", "Title", "SystemModstamp", "CreatedDate"]
        );
        assert_eq!((object.stamp.as_str(), object.deletes, object.merges), ("SystemModstamp", true, true));
    }

    #[test]
    fn what_is_chosen_is_read_with_what_a_record_cannot_do_without() {
        let (_, object) = object();
        let config = config(json!({"fields": {"Contact": ["Email", "Gone"], "Lead": ["Id"]}}));
        assert_eq!(
            names(&object.selected(&config, &[])),
            ["Id", "IsDeleted", "MasterRecordId", "Email", "SystemModstamp"]
        );
        assert_eq!(
            names(&object.selected(&config, &["Title".into()])),
            ["Id", "IsDeleted", "MasterRecordId", "SystemModstamp"]
        );
        assert_eq!(object.hidden(&config), ["Gone"]);
    }

    #[test]
    fn fields_the_mapping_misses_are_named() {
        let (_, object) = object();
        let hidden = object.hidden(&config(json!({})));
        assert!(hidden.contains(&"LastName".to_owned()) && !hidden.contains(&"Email".to_owned()), "{hidden:?}");
    }

    #[test]
    fn a_run_describes_an_object_once_an_hour() {
        let (fake, _) = object();
        fake.clear_requests();
        let config = config(json!({}));
        let first = described(&Api::new(&fake), &config, "Contact").unwrap();
        assert_eq!(described(&Api::new(&fake), &config, "Contact").unwrap(), first);
        assert_eq!(fake.requests().len(), 1);
        fake.set_now_ms(1_767_225_600_000 + 3_600_000);
        described(&Api::new(&fake), &config, "Contact").unwrap();
        assert_eq!(fake.requests().len(), 2);
    }

    #[test]
    fn an_object_without_a_time_is_refused() {
        let fake = FakeHost::new();
        fake.on("GET", "api", &describe_path("Odd")).json(200, &json!({"fields": [{"name": "Id", "type": "id"}]}));
        assert_eq!(describe(&Api::new(&fake), &config(json!({})), "Odd").unwrap_err().code, "salesforce.no-time");
    }

    /// Some objects carry a time that no query may ask by.
    #[test]
    fn a_time_that_cannot_be_asked_for_is_passed_over() {
        let fake = FakeHost::new();
        let time = |name: &str, filterable: bool| json!({"name": name, "type": "datetime", "filterable": filterable});
        let described = |fields: &[serde_json::Value]| {
            let fields: Vec<_> = std::iter::once(json!({"name": "Id", "type": "id"})).chain(fields.to_vec()).collect();
            fake.on("GET", "api", &describe_path("Odd")).json(200, &json!({ "fields": fields }));
            describe(&Api::new(&fake), &config(json!({})), "Odd")
        };
        let found = described(&[time("SystemModstamp", false), time("CreatedDate", true)]).unwrap().unwrap();
        assert_eq!(found.stamp, "CreatedDate");
        let none = described(&[time("SystemModstamp", false)]).unwrap_err();
        assert_eq!((none.kind, none.code.as_str()), (attiva_connector::FaultKind::Unsupported, "salesforce.no-time"));
    }

    #[test]
    fn types() {
        let cases = [
            ("boolean", DataType::Boolean),
            ("int", DataType::Integer),
            ("double", DataType::Decimal),
            ("currency", DataType::Decimal),
            ("percent", DataType::Decimal),
            ("date", DataType::Date),
            ("datetime", DataType::Timestamp),
            ("multipicklist", DataType::TextList),
            ("time", DataType::Text),
            ("picklist", DataType::Text),
            ("something new", DataType::Text),
        ];
        for (kind, expected) in cases {
            assert_eq!(Field::new("x", kind).data_type(), expected, "{kind}");
        }
        let (a, b) = (Field::new("A", "id"), Field::new("B", "id"));
        assert_ne!(digest(&[&a, &b]), digest(&[&b, &a]));
    }
}
