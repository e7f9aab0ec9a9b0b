//! The objects of the org and their fields.

use serde_json::{Value as Json, json};

/// Name and type of a field, as describe has it.
pub(crate) type Field = (&'static str, &'static str);

/// An object: its name, the beginning of its ids, and its own fields.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) name: &'static str,
    pub(crate) prefix: &'static str,
    /// Records that are merged name the one that lives on.
    merges: bool,
    fields: &'static [Field],
}

/// What every object has.
const COMMON: &[Field] = &[
    ("Id", "id"),
    ("IsDeleted", "boolean"),
    ("OwnerId", "reference"),
    ("CreatedDate", "datetime"),
    ("LastModifiedDate", "datetime"),
    ("SystemModstamp", "datetime"),
];

pub(crate) const OBJECTS: &[Object] = &[
    Object {
        name: "Account",
        prefix: "001",
        merges: true,
        fields: &[
            ("Name", "string"),
            ("Type", "picklist"),
            ("ParentId", "reference"),
            ("Industry", "picklist"),
            ("AnnualRevenue", "currency"),
            ("NumberOfEmployees", "int"),
            ("Website", "url"),
            ("Phone", "phone"),
            ("Rating", "picklist"),
            ("BillingStreet", "textarea"),
            ("BillingCity", "string"),
            ("BillingState", "string"),
            ("BillingPostalCode", "string"),
            ("BillingCountry", "string"),
            ("BillingAddress", "address"),
            ("DunsNumber", "string"),
            ("Description", "textarea"),
        ],
    },
    Object {
        name: "Contact",
        prefix: "003",
        merges: true,
        fields: &[
            ("AccountId", "reference"),
            ("Salutation", "picklist"),
            ("FirstName", "string"),
            ("LastName", "string"),
            ("Name", "string"),
            ("Email", "email"),
            ("Title", "string"),
            ("Department", "string"),
            ("Phone", "phone"),
            ("MobilePhone", "phone"),
            ("LeadSource", "picklist"),
            ("HasOptedOutOfEmail", "boolean"),
            ("ReportsToId", "reference"),
            ("MailingStreet", "textarea"),
            ("MailingCity", "string"),
            ("MailingState", "string"),
            ("MailingPostalCode", "string"),
            ("MailingCountry", "string"),
            ("MailingAddress", "address"),
        ],
    },
    Object {
        name: "Lead",
        prefix: "00Q",
        merges: true,
        fields: &[
            ("Salutation", "picklist"),
            ("FirstName", "string"),
            ("LastName", "string"),
            ("Name", "string"),
            ("Email", "email"),
            ("Title", "string"),
            ("Company", "string"),
            ("Website", "url"),
            ("Industry", "picklist"),
            ("AnnualRevenue", "currency"),
            ("NumberOfEmployees", "int"),
            ("Phone", "phone"),
            ("MobilePhone", "phone"),
            ("Status", "picklist"),
            ("LeadSource", "picklist"),
            ("HasOptedOutOfEmail", "boolean"),
            ("Street", "textarea"),
            ("City", "string"),
            ("State", "string"),
            ("PostalCode", "string"),
            ("Country", "string"),
            ("Address", "address"),
            ("IsConverted", "boolean"),
            ("ConvertedDate", "date"),
            ("ConvertedAccountId", "reference"),
            ("ConvertedContactId", "reference"),
            ("ConvertedOpportunityId", "reference"),
        ],
    },
    Object {
        name: "Opportunity",
        prefix: "006",
        merges: false,
        fields: &[
            ("AccountId", "reference"),
            ("CampaignId", "reference"),
            ("Name", "string"),
            ("Type", "picklist"),
            ("StageName", "picklist"),
            ("Amount", "currency"),
            ("Probability", "percent"),
            ("ExpectedRevenue", "currency"),
            ("CloseDate", "date"),
            ("IsClosed", "boolean"),
            ("IsWon", "boolean"),
            ("ForecastCategory", "picklist"),
            ("ForecastCategoryName", "picklist"),
            ("FiscalYear", "int"),
            ("FiscalQuarter", "int"),
            ("LeadSource", "picklist"),
            ("NextStep", "string"),
            ("Description", "textarea"),
        ],
    },
    Object {
        name: "OpportunityContactRole",
        prefix: "00K",
        merges: false,
        fields: &[
            ("OpportunityId", "reference"),
            ("ContactId", "reference"),
            ("Role", "picklist"),
            ("IsPrimary", "boolean"),
        ],
    },
    Object {
        name: "Campaign",
        prefix: "701",
        merges: false,
        fields: &[
            ("Name", "string"),
            ("ParentId", "reference"),
            ("Type", "picklist"),
            ("Status", "picklist"),
            ("StartDate", "date"),
            ("EndDate", "date"),
            ("IsActive", "boolean"),
            ("BudgetedCost", "currency"),
            ("ActualCost", "currency"),
            ("ExpectedRevenue", "currency"),
            ("Description", "textarea"),
        ],
    },
    Object {
        name: "CampaignMember",
        prefix: "00v",
        merges: false,
        fields: &[
            ("CampaignId", "reference"),
            ("LeadId", "reference"),
            ("ContactId", "reference"),
            ("LeadOrContactId", "reference"),
            ("Status", "picklist"),
            ("HasResponded", "boolean"),
            ("FirstRespondedDate", "date"),
        ],
    },
    Object {
        name: "AccountContactRelation",
        prefix: "07k",
        merges: false,
        fields: &[
            ("AccountId", "reference"),
            ("ContactId", "reference"),
            ("Roles", "multipicklist"),
            ("IsDirect", "boolean"),
            ("IsActive", "boolean"),
            ("StartDate", "date"),
            ("EndDate", "date"),
        ],
    },
    Object {
        name: "Invoice__c",
        prefix: "a00",
        merges: false,
        fields: &[("Name", "string"), ("Account__c", "reference"), ("Total__c", "double"), ("Scan__c", "base64")],
    },
];

impl Object {
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        OBJECTS.iter().find(|object| object.name.eq_ignore_ascii_case(name))
    }

    /// All fields, the common ones first.
    pub(crate) fn fields(&self) -> impl Iterator<Item = Field> {
        let master = self.merges.then_some(("MasterRecordId", "reference"));
        COMMON.iter().copied().chain(master).chain(self.fields.iter().copied())
    }

    pub(crate) fn field(&self, name: &str) -> Option<Field> {
        self.fields().find(|(field, _)| field.eq_ignore_ascii_case(name))
    }

    /// As the list of all objects has it.
    pub(crate) fn global(&self) -> Json {
        json!({"name": self.name, "label": self.name, "keyPrefix": self.prefix, "queryable": true, "retrieveable": true,
               "replicateable": true, "custom": self.name.ends_with("__c"), "deprecatedAndHidden": false})
    }

    /// As describe has it; what a user may not see is not there.
    pub(crate) fn describe(&self, sees: impl Fn(&str) -> bool) -> Json {
        let field = |(name, kind): Field| {
            json!({"name": name, "label": name, "type": kind, "nillable": name != "Id", "calculated": false,
                   "custom": name.ends_with("__c"), "filterable": kind != "address", "sortable": kind != "address"})
        };
        let fields: Vec<Json> = self.fields().filter(|(name, _)| sees(name)).map(field).collect();
        json!({"name": self.name, "label": self.name, "keyPrefix": self.prefix, "queryable": true, "fields": fields})
    }
}
