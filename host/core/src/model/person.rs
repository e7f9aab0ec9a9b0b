//! Persons, and the records they are made of.

use super::{
    CREATED_BY, CREATED_DATE, EXTERNAL_KEY, Entity, EntityKind, Field, LAST_ACTIVITY_DATE, LAST_UPDATED_BY,
    LAST_UPDATED_DATE, Relation, Resolution, Role, field, reference, text,
};
use crate::value::DataType;

/// A person's fields: the published B2B person class with its work e-mail, names and B2B details, flat. Fields of the
/// company stand here as well, since a lead that belongs to no account still says where it works.
pub const PERSON: &[Field] = &[
    text("email", "Work e-mail", "workEmail.address").role(Role::Email),
    text("first_name", "First name", "person.name.firstName"),
    text("last_name", "Last name", "person.name.lastName"),
    text("job_title", "Job title", "extendedWorkDetails.jobTitle"),
    text("department", "Department", "extendedWorkDetails.departments"),
    text("company_name", "Company", "b2b.companyName"),
    text("company_website", "Company website", "b2b.companyWebsite"),
    text("industry", "Industry of the company", ""),
    field("annual_revenue", DataType::Decimal, "Annual revenue of the company", ""),
    field("number_of_employees", DataType::Integer, "Employees of the company", ""),
    text("phone", "Work phone", "workPhone.number"),
    text("mobile_phone", "Mobile phone", "mobilePhone.number"),
    text("street", "Street", "workAddress.street1"),
    text("city", "City", "workAddress.city"),
    text("state", "State or region", "workAddress.state"),
    text("postal_code", "Postal code", "workAddress.postalCode"),
    text("country", "Country", "workAddress.country"),
    PERSON_TYPE,
    text("person_status", "Status", "b2b.personStatus"),
    text("person_source", "Where the person came from", "b2b.personSource"),
    field("person_score", DataType::Integer, "Score", "b2b.personScore"),
    field("is_unsubscribed", DataType::Boolean, "Has unsubscribed from e-mail", "consents.marketing.email.val"),
    text("crm_contact_key", "Id of the CRM contact", ""),
    text("crm_lead_key", "Id of the CRM lead", ""),
    CREATED_DATE,
    LAST_UPDATED_DATE,
    LAST_ACTIVITY_DATE,
    EXTERNAL_KEY,
    reference("account_key", "Account", "b2b.accountKey.sourceKey"),
    CONVERTED_CONTACT_KEY,
    field("is_converted", DataType::Boolean, "Lead was converted", "b2b.isConverted"),
    field("converted_date", DataType::Timestamp, "Converted", "b2b.convertedDate"),
    text("person_group_id", "Lead partition", "b2b.personGroupID"),
    field("is_marketing_suspended", DataType::Boolean, "Marketing is suspended", "b2b.isMarketingSuspended"),
    field("is_blocked", DataType::Boolean, "Blocked", "b2b.isBlocked"),
    text("unsubscribed_reason", "Why unsubscribed", "consents.marketing.email.reason"),
    field("ecids", DataType::TextList, "Devices (ECID)", "identityMap.ECID").role(Role::Ecid),
    text("middle_name", "Middle name", "person.name.middleName"),
    text("salutation", "Salutation", "person.name.courtesyTitle"),
    field("departments", DataType::TextList, "Departments", "extendedWorkDetails.departments"),
    text("assistant", "Assistant", "extendedWorkDetails.assistant"),
    text("reports_to_id", "Reports to", "extendedWorkDetails.reportsToID"),
    field("matched_account_score", DataType::Integer, "Score of the matched account", "b2b.matchedAccount.score")
        .derived(),
    reference("matched_account_key", "Matched account", "b2b.matchedAccount.accountKey.sourceKey").derived(),
    field("matched_account_date", DataType::Timestamp, "Account matched", "b2b.matchedAccount.scoreDate").derived(),
    CREATED_BY,
    LAST_UPDATED_BY,
    text("suffix", "Suffix of the name", "person.name.suffix"),
    text("full_name", "Whole name", "person.name.fullName"),
    text("blocked_cause", "Why blocked", "b2b.blockedCause"),
    text("marketing_suspended_cause", "Why marketing is suspended", "b2b.marketingSuspendedCause"),
    opt_in_out("email_opt_in_out", "E-mail: in or out", "b2b.personOptInOut._channels.email"),
    opt_in_out("phone_opt_in_out", "Telephone: in or out", "b2b.personOptInOut._channels.phone"),
    opt_in_out("sms_opt_in_out", "Text messages: in or out", "b2b.personOptInOut._channels.sms"),
    opt_in_out("fax_opt_in_out", "Fax: in or out", "b2b.personOptInOut._channels.fax"),
    opt_in_out("direct_mail_opt_in_out", "Mail by post: in or out", "b2b.personOptInOut._channels.direct-mail"),
    field("global_opt_out", DataType::Boolean, "Out of every channel", "b2b.personOptInOut.globalOptout"),
    text("email_opt_out_reason", "Why out of e-mail", "b2b.personOptInOut.optOutDetails.email.optOutReason"),
    opt_out_date("email_opt_out_date", "Out of e-mail since", "b2b.personOptInOut.optOutDetails.email.optOutDate"),
    text("phone_opt_out_reason", "Why not to be called", "b2b.personOptInOut.optOutDetails.phone.optOutReason"),
    opt_out_date("phone_opt_out_date", "Not to be called since", "b2b.personOptInOut.optOutDetails.phone.optOutDate"),
    text("fax_opt_out_reason", "Why out of fax", "b2b.personOptInOut.optOutDetails.fax.optOutReason"),
    opt_out_date("fax_opt_out_date", "Out of fax since", "b2b.personOptInOut.optOutDetails.fax.optOutDate"),
    text(
        "direct_mail_opt_out_reason",
        "Why out of mail by post",
        "b2b.personOptInOut.optOutDetails.direct-mail.optOutReason",
    ),
    opt_out_date(
        "direct_mail_opt_out_date",
        "Out of mail by post since",
        "b2b.personOptInOut.optOutDetails.direct-mail.optOutDate",
    ),
];

/// How a person stands to a channel: asked before anything is sent on it (`consent::OptOutField`).
const fn opt_in_out(name: &'static str, title: &'static str, path: &'static str) -> Field {
    text(name, title, path).one_of(&["in", "out", "pending", "not_provided"])
}

const fn opt_out_date(name: &'static str, title: &'static str, path: &'static str) -> Field {
    field(name, DataType::Timestamp, title, path)
}

const PERSON_TYPE: Field = text("person_type", "Lead or Contact", "b2b.personType").one_of(&["Lead", "Contact"]);

/// A converted lead and the contact it became are one person in two records.
const CONVERTED_CONTACT_KEY: Field =
    text("converted_contact_key", "Contact a lead became", "b2b.convertedContactKey.sourceKey").role(Role::SameAs);

/// What each record of a merged person says itself. This is what lets one person belong to several accounts.
pub const PERSON_COMPONENT: &[Field] = &[
    reference("source_person_key", "Record", "sourcePersonKey.sourceKey"),
    reference("source_account_key", "Account", "sourceAccountKey.sourceKey"),
    reference("source_external_key", "The same record in another system", "sourceExternalKey.sourceKey"),
    reference("source_converted_contact_key", "Contact a lead became", "sourceConvertedContactKey.sourceKey"),
    text("email", "Work e-mail", "workEmail.address"),
    PERSON_TYPE,
    text("person_status", "Status", "personStatus"),
    text("person_source", "Where the person came from", "personSource"),
    field("person_score", DataType::Integer, "Score", "personScore"),
    text("person_group_id", "Lead partition", "personGroupID"),
    field("is_matched", DataType::Boolean, "The account was found by matching", "").derived(),
];

pub(super) const ENTITY: Entity = Entity {
    kind: EntityKind::Person,
    name: "person",
    title: "Person",
    class: "Business Person",
    fields: PERSON,
    relations: &[
        Relation { field: "account_key", to: EntityKind::Account, name: "account", name_there: "people" },
        Relation {
            field: "matched_account_key",
            to: EntityKind::Account,
            name: "matched_account",
            name_there: "matched_people",
        },
    ],
    resolution: Resolution::Graph,
};

pub(super) const COMPONENT_ENTITY: Entity = Entity {
    kind: EntityKind::PersonComponent,
    name: "person_component",
    title: "Record of a person",
    class: "Business Person Components",
    fields: PERSON_COMPONENT,
    relations: &[
        Relation { field: "source_person_key", to: EntityKind::Person, name: "person", name_there: "components" },
        Relation { field: "source_account_key", to: EntityKind::Account, name: "account", name_there: "components" },
    ],
    resolution: Resolution::Derived,
};
