//! The fields of a lead: their names, types and what a client may do with them.

use serde_json::{Value as Json, json};

/// A field's type, in the vendor's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataType {
    Boolean,
    Currency,
    Date,
    Datetime,
    Email,
    Float,
    Integer,
    Percent,
    Phone,
    Reference,
    Score,
    String,
    Text,
    Url,
}

impl DataType {
    fn word(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Currency => "currency",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Email => "email",
            Self::Float => "float",
            Self::Integer => "integer",
            Self::Percent => "percent",
            Self::Phone => "phone",
            Self::Reference => "reference",
            Self::Score => "score",
            Self::String => "string",
            Self::Text => "text",
            Self::Url => "url",
        }
    }

    /// Greatest length in bytes, for what is text.
    pub(crate) fn length(self) -> Option<usize> {
        match self {
            Self::Email | Self::Phone | Self::Reference | Self::String | Self::Url => Some(255),
            Self::Text => Some(30_000),
            _ => None,
        }
    }
}

/// What the service knows about a field.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) display_name: &'static str,
    pub(crate) data_type: DataType,
    /// Set by the service only.
    pub(crate) read_only: bool,
    /// May stand in `filterType` and `lookupField`.
    pub(crate) searchable: bool,
    /// A change of a custom field does not move the visible `updatedAt`.
    pub(crate) custom: bool,
}

macro_rules! fields {
    ($($variant:ident $name:literal $display:literal $data_type:ident [$($flag:ident),*];)*) => {
        /// A field of a lead.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Field { $($variant),* }

        /// Every field, in the order of the enum.
        pub(crate) const FIELDS: &[(Field, Spec)] = &[$((Field::$variant, {
            #[allow(unused_mut)]
            let mut spec = Spec { name: $name, display_name: $display, data_type: DataType::$data_type, read_only: false, searchable: false, custom: false };
            $(spec.$flag = true;)*
            spec
        })),*];
    };
}

fields! {
    Id "id" "Id" Integer [read_only, searchable];
    Email "email" "Email Address" Email [searchable];
    FirstName "firstName" "First Name" String [];
    LastName "lastName" "Last Name" String [];
    Title "title" "Job Title" String [];
    Department "department" "Department" String [];
    Company "company" "Company Name" String [];
    Industry "industry" "Industry" String [];
    AnnualRevenue "annualRevenue" "Annual Revenue" Currency [];
    NumberOfEmployees "numberOfEmployees" "Num Employees" Integer [];
    Website "website" "Website" Url [];
    MainPhone "mainPhone" "Main Phone" Phone [];
    Phone "phone" "Phone Number" Phone [];
    MobilePhone "mobilePhone" "Mobile Phone Number" Phone [];
    Address "address" "Address" Text [];
    City "city" "City" String [];
    State "state" "State" String [];
    Country "country" "Country" String [];
    PostalCode "postalCode" "Postal Code" String [];
    LeadScore "leadScore" "Person Score" Score [];
    LeadStatus "leadStatus" "Person Status" String [];
    LeadSource "leadSource" "Person Source" String [];
    Rating "rating" "Person Rating" String [];
    Unsubscribed "unsubscribed" "Unsubscribed" Boolean [];
    UnsubscribedReason "unsubscribedReason" "Unsubscribed Reason" Text [];
    EmailInvalid "emailInvalid" "Email Invalid" Boolean [];
    DoNotCall "doNotCall" "Do Not Call" Boolean [];
    DateOfBirth "dateOfBirth" "Date of Birth" Date [];
    CreatedAt "createdAt" "Created At" Datetime [read_only];
    UpdatedAt "updatedAt" "Updated At" Datetime [read_only];
    LeadPartitionId "leadPartitionId" "Person Partition Id" Reference [read_only];
    SfdcType "sfdcType" "SFDC Type" String [read_only];
    SfdcLeadId "sfdcLeadId" "SFDC Lead Id" String [read_only, searchable];
    SfdcContactId "sfdcContactId" "SFDC Contact Id" String [read_only, searchable];
    SfdcAccountId "sfdcAccountId" "SFDC Account Id" String [read_only, searchable];
    ExternalCompanyId "externalCompanyId" "External Company Id" String [searchable];
    ExternalSalesPersonId "externalSalesPersonId" "External Sales Person Id" String [];
    Ecids "ecids" "ECIDs" Text [read_only];
    OriginalSourceInfo "originalSourceInfo" "Original Source Info" Text [read_only];
    ProductInterest "productInterest" "Product Interest" String [custom, searchable];
    Engagement "engagement" "Engagement" Percent [custom];
    FitIndex "fitIndex" "Fit Index" Float [custom];
    Preferences "preferences" "Preferences" Text [custom];
    Comments "comments" "Comments" Text [custom];
    ContactCompany "contactCompany" "Company Id" Integer [read_only];
}

impl Field {
    pub(crate) fn all() -> impl ExactSizeIterator<Item = Self> {
        FIELDS.iter().map(|(field, _)| *field)
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        FIELDS.iter().find(|(_, spec)| spec.name == name).map(|(field, _)| *field)
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    pub(crate) fn spec(self) -> &'static Spec {
        &FIELDS[self.index()].1
    }

    pub(crate) fn name(self) -> &'static str {
        self.spec().name
    }

    /// The field's id in describe and in change activities.
    pub(crate) fn id(self) -> usize {
        self.index() + 1
    }
}

/// `result` of `leads/describe.json`.
pub(crate) fn describe() -> Json {
    let mut fields: Vec<Json> = FIELDS
        .iter()
        .map(|(field, spec)| {
            let mut described = json!({
                "id": field.id(),
                "displayName": spec.display_name,
                "dataType": spec.data_type.word(),
                "rest": {"name": spec.name, "readOnly": spec.read_only},
                "soap": {"name": spec.display_name.replace(' ', ""), "readOnly": spec.read_only},
            });
            if let Some(length) = spec.data_type.length() {
                described["length"] = json!(length);
            }
            described
        })
        .collect();
    // Fields of the older API have no `rest` part and cannot be asked for.
    fields.push(json!({"id": 901, "displayName": "Priority", "dataType": "integer", "soap": {"name": "Priority", "readOnly": true}}));
    Json::Array(fields)
}

/// Standard fields of a company, which a person only shows.
const OF_COMPANY: [Field; 6] =
    [Field::Company, Field::Industry, Field::AnnualRevenue, Field::NumberOfEmployees, Field::Website, Field::MainPhone];

impl Field {
    pub(crate) fn is_of_company(self) -> bool {
        OF_COMPANY.contains(&self)
    }

    /// Whether a native sync keeps it in step with the CRM: then it is the CRM's as well, and can be written all the same.
    fn is_synced(self) -> bool {
        let own = [Field::LeadScore, Field::EmailInvalid, Field::Unsubscribed, Field::UnsubscribedReason];
        !self.spec().read_only && !self.spec().custom && !own.contains(&self)
    }
}

/// `result` of `leads/describe2.json`.
pub(crate) fn describe2(native_crm: bool) -> Json {
    let fields: Vec<Json> = FIELDS
        .iter()
        .map(|(field, spec)| {
            let mut described = json!({
                "name": spec.name,
                "displayName": spec.display_name,
                "dataType": spec.data_type.word(),
                "updateable": !spec.read_only,
                "crmManaged": spec.name.starts_with("sfdc") || (native_crm && field.is_synced()),
            });
            if let Some(length) = spec.data_type.length() {
                described["length"] = json!(length);
            }
            described
        })
        .collect();
    let searchable: Vec<[&str; 1]> =
        FIELDS.iter().filter(|(_, spec)| spec.searchable).map(|(_, spec)| [spec.name]).collect();
    json!([{"name": "API Lead", "searchableFields": searchable, "fields": fields}])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fields_place_in_the_table_is_its_index() {
        for (place, (field, spec)) in FIELDS.iter().enumerate() {
            assert_eq!(field.index(), place);
            assert_eq!(Field::named(spec.name), Some(*field));
        }
        assert!(FIELDS.len() >= 40);
    }
}
