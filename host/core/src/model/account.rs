//! Accounts, the places of persons in them, and what ties them to each other.

use super::{
    CREATED_BY, CREATED_DATE, EXTERNAL_KEY, EXTERNAL_KEY_TOLD, Entity, EntityKind, Field, LAST_ACTIVITY_DATE,
    LAST_UPDATED_BY, LAST_UPDATED_DATE, Relation, Resolution, Role, field, reference, text,
};
use crate::value::DataType;

/// An account's fields: the published account class, with its organisation and addresses, flat.
pub const ACCOUNT: &[Field] = &[
    text("name", "Name", "accountName"),
    text("account_type", "Type", "accountType"),
    text("account_number", "Number", "accountNumber"),
    text("account_site", "Site", "accountSite"),
    text("ownership", "Ownership", "accountOwnership"),
    text("owner_id", "Owner", "accountOwnerID"),
    text("territory_id", "Territory", "accountTerritoryID"),
    field("account_score", DataType::Integer, "Score", "accountScore"),
    text("account_source_type", "Kind of source", "accountSourceType"),
    text("industry", "Industry", "accountOrganization.industry"),
    field("annual_revenue", DataType::Decimal, "Annual revenue", "accountOrganization.annualRevenue.amount"),
    text("annual_revenue_currency", "Its currency (ISO 4217)", "accountOrganization.annualRevenue.currencyCode"),
    field("number_of_employees", DataType::Integer, "Employees", "accountOrganization.numberOfEmployees"),
    text("website", "Website", "accountOrganization.website"),
    text("domain", "Domain", "accountOrganization.domain"),
    text("primary_email_domain", "Domain of its e-mail addresses", "accountOrganization.primaryEmailDomain"),
    text("market_segment", "Market segment", "accountOrganization.marketSegment"),
    text("rating", "Rating", "accountOrganization.rating"),
    text("ticker_symbol", "Ticker symbol", "accountOrganization.tickerSymbol"),
    text("linkedin_page_url", "LinkedIn page", "accountOrganization.linkedinPageUrl"),
    text("naics_code", "NAICS code", "accountOrganization.NAICSCode"),
    text("sic_code", "SIC code", "accountOrganization.SICCode"),
    text("duns_number", "D-U-N-S number", "accountOrganization.DUNSNumber"),
    text("jigsaw", "Data.com key", "accountOrganization.jigsaw"),
    text("phone", "Phone", "accountPhone.number"),
    text("fax", "Fax", "accountFax.number"),
    text("billing_street", "Street of billing", "accountBillingAddress.street1"),
    text("billing_city", "City of billing", "accountBillingAddress.city"),
    text("billing_state", "State of billing", "accountBillingAddress.state"),
    text("billing_postal_code", "Postal code of billing", "accountBillingAddress.postalCode"),
    text("billing_country", "Country of billing", "accountBillingAddress.country"),
    text("shipping_street", "Street of shipping", "accountShippingAddress.street1"),
    text("shipping_city", "City of shipping", "accountShippingAddress.city"),
    text("shipping_state", "State of shipping", "accountShippingAddress.state"),
    text("shipping_postal_code", "Postal code of shipping", "accountShippingAddress.postalCode"),
    text("shipping_country", "Country of shipping", "accountShippingAddress.country"),
    text("street", "Street", "accountPhysicalAddress.street1"),
    text("city", "City", "accountPhysicalAddress.city"),
    text("state", "State or region", "accountPhysicalAddress.state"),
    text("postal_code", "Postal code", "accountPhysicalAddress.postalCode"),
    text("country", "Country", "accountPhysicalAddress.country"),
    reference("parent_key", "Parent account", "accountParentKey.sourceKey"),
    field("related_account_keys", DataType::TextList, "Related accounts", "relatedAccountKeys").role(Role::Reference),
    EXTERNAL_KEY,
    CREATED_BY,
    CREATED_DATE,
    LAST_UPDATED_BY,
    LAST_UPDATED_DATE,
    LAST_ACTIVITY_DATE,
    text("description", "Description", "accountDescription"),
    text("partner_account_id", "Number as a partner", "partnerAccountID"),
    text("trade_style", "Trade style", "accountTradeStyle"),
    text("default_currency", "Currency it deals in (ISO 4217)", "defaultCurrencyCode"),
    text("organization_type", "Type of organisation", "accountOrganization.organizationType"),
    text("products_and_services", "Products and services", "accountOrganization.companyProductAndServices"),
    text("naics_description", "NAICS description", "accountOrganization.NAICSDescription"),
    text("sic_description", "SIC description", "accountOrganization.SICDescription"),
    text("logo_url", "Logo", "accountOrganization.logoUrl"),
    text("twitter_url", "Twitter page", "accountOrganization.twitterHandleUrl"),
    text("facebook_url", "Facebook page", "accountOrganization.facebookPageUrl"),
];

/// A person's place in an account: by the CRM's relation, by a person's own field, or found by matching.
pub const ACCOUNT_PERSON: &[Field] = &[
    reference("account_key", "Account", "accountKey.sourceKey"),
    reference("person_key", "Person", "personKey.sourceKey"),
    text("person_role", "Role", "personRole"),
    field("person_roles", DataType::TextList, "Roles", "personRoles"),
    field("is_direct", DataType::Boolean, "Works there", "isDirect"),
    field("is_active", DataType::Boolean, "Active", "isActive"),
    field("is_primary", DataType::Boolean, "The person's first account", "isPrimary"),
    field("relation_start_date", DataType::Date, "From", "relationStartDate"),
    field("relation_end_date", DataType::Date, "Until", "relationEndDate"),
    text("relationship_source", "How it is known", "relationshipSource"),
    field("matching_score", DataType::Integer, "Score of the match", "matchedAccount.matchingScore"),
    field("score_created_date", DataType::Timestamp, "Matched", "matchedAccount.scoreCreatedDate"),
    text("currency", "Currency (ISO 4217)", "currencyCode"),
    EXTERNAL_KEY_TOLD,
    CREATED_BY,
    CREATED_DATE,
    LAST_UPDATED_BY,
    LAST_UPDATED_DATE,
    LAST_ACTIVITY_DATE,
];

/// What ties an account to another, beside being its parent: a partner, a reseller, a site of the same customer. Published
/// is the list of keys alone; a tie of its own says of which kind it is and since when, and is what rules go along.
pub const ACCOUNT_RELATION: &[Field] = &[
    reference("account_key", "Account", ""),
    reference("related_account_key", "Account it is tied to", ""),
    text("relation_role", "What the other is to it", ""),
    field("is_active", DataType::Boolean, "Active", ""),
    field("relation_start_date", DataType::Date, "From", ""),
    field("relation_end_date", DataType::Date, "Until", ""),
    text("relationship_source", "How it is known", ""),
    CREATED_BY,
    CREATED_DATE,
    LAST_UPDATED_BY,
    LAST_UPDATED_DATE,
];

pub(super) const LISTS: &[Relation] = &[Relation {
    field: "related_account_keys",
    to: EntityKind::Account,
    name: "listed_accounts",
    name_there: "listed_by",
}];

pub(super) const ENTITY: Entity = Entity {
    kind: EntityKind::Account,
    name: "account",
    title: "Account",
    class: "Business Account",
    fields: ACCOUNT,
    relations: &[Relation { field: "parent_key", to: EntityKind::Account, name: "parent", name_there: "children" }],
    resolution: Resolution::Graph,
};

pub(super) const PERSON_ENTITY: Entity = Entity {
    kind: EntityKind::AccountPerson,
    name: "account_person",
    title: "Person in an account",
    class: "Business Account Person Relation",
    fields: ACCOUNT_PERSON,
    relations: &[
        Relation { field: "account_key", to: EntityKind::Account, name: "account", name_there: "person_relations" },
        Relation { field: "person_key", to: EntityKind::Person, name: "person", name_there: "account_relations" },
    ],
    resolution: Resolution::Key,
};

pub(super) const RELATION_ENTITY: Entity = Entity {
    kind: EntityKind::AccountRelation,
    name: "account_relation",
    title: "Account tied to an account",
    class: "",
    fields: ACCOUNT_RELATION,
    relations: &[
        Relation { field: "account_key", to: EntityKind::Account, name: "account", name_there: "related" },
        Relation {
            field: "related_account_key",
            to: EntityKind::Account,
            name: "related_account",
            name_there: "related_from",
        },
    ],
    resolution: Resolution::Key,
};
