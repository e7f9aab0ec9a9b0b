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
    ("department", "record.department"),
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
    ("person_type", "record.sfdcType"),
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
    ("crm_contact_key", r#"record.sfdcType == "Contact" ? record.sfdcContactId : null"#),
    ("crm_lead_key", r#"record.sfdcType == "Lead" ? record.sfdcLeadId : null"#),
    (
        "external_key",
        r#"source_key(record.sfdcType == "Contact" ? record.sfdcContactId : record.sfdcLeadId, config.crm_instance_id, config.crm_system)"#,
    ),
    // A lead that was converted has a contact too.
    (
        "converted_contact_key",
        r#"record.sfdcType == "Lead" ? source_key(record.sfdcContactId, config.crm_instance_id, config.crm_system) : null"#,
    ),
    ("account_key", r#"source_key(string(record.contactCompany) + ".mkto_org", instance.id, instance.system)"#),
    ("created_date", "record.createdAt"),
    ("last_updated_date", "record.updatedAt"),
];

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
    ("has_reached_success", "record.reachedSuccess"),
    ("membership_date", "record.membershipDate"),
    ("is_exhausted", "record.isExhausted"),
    ("nurture_track_name", "record.trackName"),
    ("nurture_cadence", "record.nurtureCadence"),
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
    ("data", "record.attributes"),
];

#[cfg(test)]
mod tests {
    use super::ALL;
    use attiva_core::model::{EntityKind, slot};
    use attiva_core::{DataType, Value};
    use attiva_expr::Scope;

    #[test]
    fn targets_are_fields_the_model_has_each_once() {
        for (stream, entity, fields) in ALL {
            let kind = EntityKind::ALL.into_iter().find(|kind| kind.name() == *entity).unwrap();
            let mut targets: Vec<&str> = fields.iter().map(|(target, _)| *target).collect();
            for target in &targets {
                assert!(slot(kind, target).is_some(), "{stream}: {entity} has no {target}");
            }
            let count = targets.len();
            targets.sort_unstable();
            targets.dedup();
            assert_eq!(targets.len(), count, "{stream}");
        }
    }

    /// The type of a field, as its kind makes it; texts are the rest.
    fn data_type(column: &str) -> DataType {
        match column {
            "contactCompany" | "leadScore" | "numberOfEmployees" | "leadId" | "programId" | "listId" | "score1"
            | "probability" | "fiscalYear" | "fiscalQuarter" | "activityTypeId" => DataType::Integer,
            "unsubscribed" | "marketingSuspended" | "blackListed" | "doNotCall" | "isPrimary" | "isClosed"
            | "isWon" | "acquiredBy" | "isExhausted" | "reachedSuccess" => DataType::Boolean,
            "annualRevenue" | "amount" | "expectedRevenue" | "quantity" => DataType::Decimal,
            "closeDate" => DataType::Date,
            "attributes" => DataType::Json,
            name if name.ends_with("At") || name.ends_with("Date") => DataType::Timestamp,
            _ => DataType::Text,
        }
    }

    fn columns(text: &str) -> Vec<&str> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_');
        let mut columns: Vec<&str> = words.filter_map(|w| w.strip_prefix("record.")?.split('.').next()).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    fn scope(columns: &[&str]) -> Scope {
        let text = |name: &str| (name.to_owned(), DataType::Text);
        Scope::new()
            .root("record", columns.iter().map(|name| ((*name).to_owned(), data_type(name))))
            .root("instance", ["id", "system"].map(text))
            .root("config", ["crm_system", "crm_instance_id"].map(text))
    }

    #[test]
    fn every_expression_compiles() {
        for (stream, _, fields) in ALL {
            for (target, text) in *fields {
                let checked = attiva_expr::check(text, &scope(&columns(text)));
                assert!(checked.is_ok(), "{stream}.{target}: {:?}", checked.err());
            }
        }
    }

    /// What a target becomes of these values; the CRM is named or not.
    fn value(stream: &str, target: &str, record: &[(&str, Value)], crm: Option<[&str; 2]>) -> Value {
        let (_, _, fields) = ALL.iter().find(|(name, ..)| *name == stream).unwrap();
        let (_, text) = fields.iter().find(|(name, _)| *name == target).unwrap();
        let columns = columns(text);
        let of = |name: &&str| record.iter().find(|(n, _)| n == name).map_or(Value::Null, |(_, v)| v.clone());
        let text_of = |text: Option<&str>| text.map_or(Value::Null, |text| Value::Text(text.into()));
        let constants = [Some("1"), Some("Marketo"), crm.map(|c| c[0]), crm.map(|c| c[1])].map(text_of);
        let row: Vec<Value> = columns.iter().map(of).chain(constants).collect();
        attiva_expr::check(text, &scope(&columns)).unwrap().compile().evaluate(&row, 0).unwrap()
    }

    #[test]
    fn references_are_source_keys_of_the_records_they_name() {
        let text = |text: &str| Value::Text(text.into());
        let crm = Some(["Salesforce", "00D"]);
        let person = |kind: &str| {
            [
                ("contactCompany", Value::Integer(5)),
                ("sfdcType", text(kind)),
                ("sfdcContactId", text("003A")),
                ("sfdcLeadId", text("00QA")),
            ]
        };
        let of = |target, kind, crm| value("persons", target, &person(kind), crm);
        assert_eq!(of("account_key", "Lead", None), text("5.mkto_org@1.Marketo"));
        assert_eq!(of("external_key", "Contact", crm), text("003A@00D.Salesforce"));
        assert_eq!(of("external_key", "Lead", crm), text("00QA@00D.Salesforce"));
        assert_eq!(of("converted_contact_key", "Lead", crm), text("003A@00D.Salesforce"));
        assert_eq!(of("external_key", "Contact", None), Value::Null);
        assert_eq!(value("persons", "account_key", &[], None), Value::Null);
        let company = [("externalCompanyId", text("001A"))];
        for (stream, target) in [("companies", "external_key"), ("opportunities", "account_key")] {
            assert_eq!(value(stream, target, &company, crm), text("001A@00D.Salesforce"), "{stream}");
            assert_eq!(value(stream, target, &company, None), text("001A.mkto_external@1.Marketo"), "{stream}");
            assert_eq!(value(stream, target, &[], crm), Value::Null);
        }
        let activity = |kind: i64| [("activityTypeId", Value::Integer(kind)), ("primaryAttributeValueId", text("12"))];
        assert_eq!(value("activities", "marketing_list_key", &activity(24), None), text("12@1.Marketo"));
        assert_eq!(value("activities", "campaign_key", &activity(104), None), text("12@1.Marketo"));
        assert_eq!(value("activities", "campaign_key", &activity(24), None), Value::Null);
        // By the record that was called, and not by the instance.
        assert_eq!(value("activities", "webhook_key", &activity(110), None), text("12@1.Marketo"));
        assert_eq!(value("activities", "mailing_key", &activity(6), None), text("12@1.Marketo"));
        assert_eq!(value("activities", "mailing_key", &activity(110), None), Value::Null);
        let call = |not: bool| value("persons", "phone_opt_in_out", &[("doNotCall", Value::Boolean(not))], None);
        assert_eq!((call(true), call(false)), (text("out"), Value::Null));
        let member = [("programId", Value::Integer(9)), ("acquiredBy", Value::Boolean(true))];
        assert_eq!(value("program_memberships", "acquired_by_campaign_key", &member, None), text("9@1.Marketo"));
        let ecids = value("persons", "ecids", &[("ecids", text("1,2"))], None);
        assert_eq!(ecids, Value::TextList(vec!["1".into(), "2".into()]));
    }
}
