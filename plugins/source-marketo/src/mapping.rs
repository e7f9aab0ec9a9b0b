//! The shipped mappings: each dataset to the model, as Adobe publishes them for its own platform, without their two
//! defects (webhooks and cadences keyed by the instance instead of the record; consent `y` where none was given).
//!
//! A reference is the source key of the record it names. Ids of companies carry `.mkto_org`, those of named accounts
//! `.mkto_acct`, since both become accounts and would collide. Where the configuration names the CRM, a record also has
//! the key that the CRM's own record has.

/// Stream, entity, and target field <- expression over the native record.
pub(crate) type Mapping = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

pub(crate) const ALL: &[Mapping] = &[
    ("persons", "person", PERSON),
    ("companies", "account", COMPANY),
    ("named_accounts", "account", NAMED_ACCOUNT),
    ("opportunity_roles", "opportunity_person", ROLE),
    ("opportunities", "opportunity", OPPORTUNITY),
    ("programs", "campaign", PROGRAM),
    ("program_memberships", "campaign_member", PROGRAM_MEMBER),
    ("static_lists", "marketing_list", LIST),
    ("static_list_memberships", "marketing_list_member", LIST_MEMBER),
    ("activities", "activity", ACTIVITY),
];

const PERSON: &[(&str, &str)] = &[
    ("email", "record.email"),
    ("first_name", "record.firstName"),
    ("middle_name", "record.middleName"),
    ("last_name", "record.lastName"),
    ("salutation", "record.salutation"),
    ("job_title", "record.title"),
    ("full_name", "record.mktoName"),
    ("department", "record.department"),
    ("departments", "[record.department]"),
    ("company_name", "record.company"),
    ("company_website", "record.website"),
    ("industry", "record.industry"),
    ("annual_revenue", "record.annualRevenue"),
    ("number_of_employees", "record.numberOfEmployees"),
    ("phone", "record.phone"),
    ("mobile_phone", "record.mobilePhone"),
    ("street", "record.address"),
    ("city", "record.city"),
    ("state", "record.state"),
    ("postal_code", "record.postalCode"),
    ("country", "record.country"),
    ("person_type", CRM_TYPE),
    ("person_status", "record.leadStatus"),
    ("person_source", "record.leadSource"),
    ("person_score", "record.leadScore"),
    ("person_group_id", "string(record.leadPartitionId)"),
    ("is_unsubscribed", "record.unsubscribed"),
    ("unsubscribed_reason", "record.unsubscribedReason"),
    ("is_marketing_suspended", "record.marketingSuspended"),
    ("marketing_suspended_cause", "record.marketingSuspendedCause"),
    ("is_blocked", "record.blackListed"),
    ("blocked_cause", "record.blackListedCause"),
    // `emailSuspended` is none of it: Marketo sets it when mail bounces as spam, and nobody takes it back after the day that
    // it is for.
    ("phone_opt_in_out", r#"record.doNotCall ? "out" : null"#),
    ("phone_opt_out_reason", "record.doNotCallReason"),
    ("ecids", r#"record.ecids.split(",")"#),
    // The id that counts is the one of the kind of CRM record this person is now: a converted lead keeps its old one.
    ("crm_contact_key", CRM_CONTACT),
    ("crm_lead_key", CRM_LEAD),
    ("external_key", CRM_PERSON),
    // A lead that was converted has a contact too.
    ("converted_contact_key", CONVERTED_CONTACT),
    ("account_key", r#"source_key(string(record.contactCompany) + ".mkto_org", instance.id, instance.system)"#),
    ("created_date", "record.createdAt"),
    ("last_updated_date", "record.updatedAt"),
];

/// Fields that the sync with Salesforce brings, or that with Dynamics: an instance has one of them.
const CRM_TYPE: &str = "coalesce(record.sfdcType, record.msftType)";
const CRM_CONTACT: &str = r#"coalesce(record.sfdcType == "Contact" ? record.sfdcContactId : null, record.msftType == "Contact" ? record.msftContactId : null)"#;
const CRM_LEAD: &str = r#"coalesce(record.sfdcType == "Lead" ? record.sfdcLeadId : null, record.msftType == "Lead" ? record.msftLeadId : null)"#;
const CRM_PERSON: &str = r#"source_key(coalesce(record.sfdcType == "Contact" ? record.sfdcContactId : record.sfdcLeadId, record.msftType == "Contact" ? record.msftContactId : record.msftLeadId), config.crm_instance_id, config.crm_system)"#;
const CONVERTED_CONTACT: &str = r#"source_key(coalesce(record.sfdcType == "Lead" ? record.sfdcContactId : null, record.msftType == "Lead" ? record.msftContactId : null), config.crm_instance_id, config.crm_system)"#;

const COMPANY: &[(&str, &str)] = &[
    ("name", "record.company"),
    ("description", "record.companyNotes"),
    ("account_site", "record.site"),
    ("industry", "record.industry"),
    ("annual_revenue", "record.annualRevenue"),
    ("number_of_employees", "record.numberOfEmployees"),
    ("website", "record.website"),
    ("sic_code", "record.sicCode"),
    ("phone", "record.mainPhone"),
    ("billing_street", "record.billingStreet"),
    ("billing_city", "record.billingCity"),
    ("billing_state", "record.billingState"),
    ("billing_postal_code", "record.billingPostalCode"),
    ("billing_country", "record.billingCountry"),
    ("account_source_type", r#""Marketo company""#),
    ("external_key", EXTERNAL_ACCOUNT),
    ("created_date", "record.createdAt"),
    ("last_updated_date", "record.updatedAt"),
];

/// The CRM's account where a CRM is named; else a key of this instance, so that opportunities, which know companies by
/// their external id alone, find them.
const EXTERNAL_ACCOUNT: &str = r#"coalesce(source_key(record.externalCompanyId, config.crm_instance_id, config.crm_system), source_key(record.externalCompanyId + ".mkto_external", instance.id, instance.system))"#;

const NAMED_ACCOUNT: &[(&str, &str)] = &[
    ("name", "record.name"),
    ("domain", "record.domainName"),
    ("industry", "record.industry"),
    ("annual_revenue", "record.annualRevenue"),
    ("number_of_employees", "record.numberOfEmployees"),
    ("city", "record.city"),
    ("state", "record.state"),
    ("country", "record.country"),
    // Published as the address of billing; Marketo says of no kind which it is.
    ("billing_city", "record.city"),
    ("billing_state", "record.state"),
    ("billing_country", "record.country"),
    ("logo_url", "record.logoUrl"),
    ("sic_code", "record.sicCode"),
    ("account_score", "record.score1"),
    ("account_source_type", r#""Marketo named account""#),
    ("external_key", "source_key(record.crmGuid, config.crm_instance_id, config.crm_system)"),
    ("created_date", "record.createdAt"),
    ("last_updated_date", "record.updatedAt"),
];

const OPPORTUNITY: &[(&str, &str)] = &[
    ("name", "record.name"),
    ("description", "record.description"),
    ("opportunity_type", "record.type"),
    ("stage", "record.stage"),
    ("account_key", EXTERNAL_ACCOUNT),
    ("is_closed", "record.isClosed"),
    ("is_won", "record.isWon"),
    ("amount", "record.amount"),
    ("expected_revenue", "record.expectedRevenue"),
    ("quantity", "record.quantity"),
    ("probability", "record.probability"),
    ("expected_close_date", "record.closeDate"),
    // One date stands for both: what is expected while it is open, what was once it is closed.
    ("actual_close_date", "record.isClosed ? record.closeDate : null"),
    ("forecast_category", "record.forecastCategory"),
    ("forecast_category_name", "record.forecastCategoryName"),
    ("fiscal_year", "string(record.fiscalYear)"),
    ("fiscal_quarter", "string(record.fiscalQuarter)"),
    ("lead_source", "record.leadSource"),
    ("next_step", "record.nextStep"),
    ("external_key", "source_key(record.externalOpportunityId, config.crm_instance_id, config.crm_system)"),
    ("created_date", "record.createdAt"),
    ("last_updated_date", "record.updatedAt"),
    ("last_activity_date", "record.lastActivityDate"),
];

const ROLE: &[(&str, &str)] = &[
    ("opportunity_key", "source_key(record.externalOpportunityId, instance.id, instance.system)"),
    ("person_key", "source_key(string(record.leadId), instance.id, instance.system)"),
    ("person_role", "record.role"),
    ("is_primary", "record.isPrimary"),
    ("created_date", "record.createdAt"),
    ("last_updated_date", "record.updatedAt"),
];

const PROGRAM: &[(&str, &str)] = &[
    ("name", "record.name"),
    ("campaign_type", "record.type"),
    ("status", "record.status"),
    ("channel_name", "record.channel"),
    ("description", "record.description"),
    ("start_date", "record.startDate"),
    ("end_date", "record.endDate"),
    ("external_key", "source_key(record.sfdcId, config.crm_instance_id, config.crm_system)"),
    ("created_date", "record.createdAt"),
    ("last_updated_date", "record.updatedAt"),
];

const PROGRAM_MEMBER: &[(&str, &str)] = &[
    ("campaign_key", "source_key(string(record.programId), instance.id, instance.system)"),
    ("person_key", "source_key(string(record.leadId), instance.id, instance.system)"),
    ("member_status", "record.statusName"),
    ("member_status_reason", "record.statusReason"),
    ("has_reached_success", "record.reachedSuccess"),
    ("reached_success_date", "record.reachedSuccessDate"),
    ("membership_date", "record.membershipDate"),
    ("is_exhausted", "record.isExhausted"),
    ("nurture_track_name", "record.trackName"),
    ("nurture_cadence", "record.nurtureCadence"),
    ("webinar_registration_id", "record.registrationCode"),
    ("webinar_confirmation_url", "record.webinarUrl"),
    (
        "acquired_by_campaign_key",
        "record.acquiredBy ? source_key(string(record.programId), instance.id, instance.system) : null",
    ),
    ("created_date", "record.createdAt"),
    ("last_updated_date", "record.updatedAt"),
];

const LIST: &[(&str, &str)] = &[
    ("name", "record.name"),
    ("description", "record.description"),
    ("created_date", "record.createdAt"),
    ("last_updated_date", "record.updatedAt"),
];

const LIST_MEMBER: &[(&str, &str)] = &[
    ("marketing_list_key", "source_key(string(record.listId), instance.id, instance.system)"),
    ("person_key", "source_key(string(record.leadId), instance.id, instance.system)"),
    ("created_date", "record.addedAt"),
];

const ACTIVITY: &[(&str, &str)] = &[
    ("id", "record.marketoGUID"),
    ("type", "record.eventType"),
    ("time", "record.activityDate"),
    ("person_key", "source_key(string(record.leadId), instance.id, instance.system)"),
    ("page", "record.pageUrl"),
    ("page_name", "record.activityTypeId == 1 ? record.primaryAttributeValue : null"),
    ("referrer", "record.referrerUrl"),
    ("link", "coalesce(record.linkUrl, record.activityTypeId == 3 ? record.primaryAttributeValue : null)"),
    ("form_name", "record.activityTypeId == 2 ? record.primaryAttributeValue : null"),
    (
        "marketing_list_key",
        "record.activityTypeId in [24, 25] ? source_key(record.primaryAttributeValueId, instance.id, instance.system) : null",
    ),
    (
        "campaign_key",
        "record.activityTypeId in [104, 113, 114, 115] ? source_key(record.primaryAttributeValueId, instance.id, instance.system) : null",
    ),
    ("mailing_name", "record.activityTypeId in [6, 7, 8, 9, 10, 11, 27] ? record.primaryAttributeValue : null"),
    (
        "mailing_key",
        "record.activityTypeId in [6, 7, 8, 9, 10, 11, 27] ? source_key(record.primaryAttributeValueId, instance.id, instance.system) : null",
    ),
    (
        "webhook_key",
        "record.activityTypeId == 110 ? source_key(record.primaryAttributeValueId, instance.id, instance.system) : null",
    ),
    ("stream_key", "source_key(record.streamId, instance.id, instance.system)"),
    ("revenue_stage_key", "source_key(record.newStageId, instance.id, instance.system)"),
    ("data_value_changes", "record.dataValueChanges"),
    ("data", "record.attributes"),
];

#[cfg(test)]
mod tests;
