//! The default mappings: which field of the model is which of an object. References are source keys in the org's own
//! namespace. A field that the org does not have, or that the user may not see, stays empty.

/// Field of the model <- expression over the native record.
pub(crate) type Fields = &'static [(&'static str, &'static str)];

/// Stream, entity, fields.
pub(crate) const ALL: &[(&str, &str, Fields)] = &[
    ("Account", "account", ACCOUNT),
    ("Contact", "person", CONTACT),
    ("Lead", "person", LEAD),
    ("Opportunity", "opportunity", OPPORTUNITY),
    ("OpportunityContactRole", "opportunity_person", OPPORTUNITY_CONTACT_ROLE),
    ("Campaign", "campaign", CAMPAIGN),
    ("CampaignMember", "campaign_member", CAMPAIGN_MEMBER),
    ("AccountContactRelation", "account_person", ACCOUNT_CONTACT_RELATION),
];

const CONTACT: Fields = &[
    ("email", "record.Email"),
    ("salutation", "record.Salutation"),
    ("first_name", "record.FirstName"),
    ("middle_name", "record.MiddleName"),
    ("last_name", "record.LastName"),
    ("suffix", "record.Suffix"),
    ("full_name", "record.Name"),
    ("job_title", "record.Title"),
    ("department", "record.Department"),
    ("departments", "[record.Department]"),
    ("assistant", "record.AssistantName"),
    ("reports_to_id", "record.ReportsToId"),
    ("phone", "record.Phone"),
    ("mobile_phone", "record.MobilePhone"),
    ("street", "record.MailingStreet"),
    ("city", "record.MailingCity"),
    ("state", "record.MailingState"),
    ("postal_code", "record.MailingPostalCode"),
    ("country", "record.MailingCountry"),
    ("person_type", r#""Contact""#),
    ("person_source", "record.LeadSource"),
    // Its opposite says no more than that nobody opted out.
    ("is_unsubscribed", "record.HasOptedOutOfEmail"),
    ("phone_opt_in_out", r#"record.DoNotCall ? "out" : null"#),
    ("fax_opt_in_out", r#"record.HasOptedOutOfFax ? "out" : null"#),
    ("crm_contact_key", "record.Id"),
    ("account_key", "source_key(record.AccountId, instance.id, instance.system)"),
    ("created_by", "record.CreatedById"),
    ("created_date", "record.CreatedDate"),
    ("last_updated_by", "record.LastModifiedById"),
    ("last_updated_date", "record.LastModifiedDate"),
    ("last_activity_date", "record.LastActivityDate"),
];

/// A converted lead and the contact it became stay two records; they are one person by the key of the contact.
const LEAD: Fields = &[
    ("email", "record.Email"),
    ("salutation", "record.Salutation"),
    ("first_name", "record.FirstName"),
    ("middle_name", "record.MiddleName"),
    ("last_name", "record.LastName"),
    ("suffix", "record.Suffix"),
    ("full_name", "record.Name"),
    ("job_title", "record.Title"),
    ("company_name", "record.Company"),
    ("company_website", "record.Website"),
    ("industry", "record.Industry"),
    ("annual_revenue", "record.AnnualRevenue"),
    ("number_of_employees", "record.NumberOfEmployees"),
    ("phone", "record.Phone"),
    ("mobile_phone", "record.MobilePhone"),
    ("street", "record.Street"),
    ("city", "record.City"),
    ("state", "record.State"),
    ("postal_code", "record.PostalCode"),
    ("country", "record.Country"),
    ("person_type", r#""Lead""#),
    ("person_status", "record.Status"),
    ("person_source", "record.LeadSource"),
    // Its opposite says no more than that nobody opted out.
    ("is_unsubscribed", "record.HasOptedOutOfEmail"),
    ("phone_opt_in_out", r#"record.DoNotCall ? "out" : null"#),
    ("fax_opt_in_out", r#"record.HasOptedOutOfFax ? "out" : null"#),
    ("crm_lead_key", "record.Id"),
    ("is_converted", "record.IsConverted"),
    ("converted_date", "record.ConvertedDate"),
    ("converted_contact_key", "source_key(record.ConvertedContactId, instance.id, instance.system)"),
    ("account_key", "source_key(record.ConvertedAccountId, instance.id, instance.system)"),
    ("created_by", "record.CreatedById"),
    ("created_date", "record.CreatedDate"),
    ("last_updated_by", "record.LastModifiedById"),
    ("last_updated_date", "record.LastModifiedDate"),
    ("last_activity_date", "record.LastActivityDate"),
];

const ACCOUNT: Fields = &[
    ("name", "record.Name"),
    ("description", "record.Description"),
    ("account_type", "record.Type"),
    ("account_number", "record.AccountNumber"),
    ("account_site", "record.Site"),
    ("account_source_type", "record.AccountSource"),
    ("ownership", "record.Ownership"),
    ("owner_id", "record.OwnerId"),
    ("industry", "record.Industry"),
    ("annual_revenue", "record.AnnualRevenue"),
    ("annual_revenue_currency", "record.CurrencyIsoCode"),
    ("number_of_employees", "record.NumberOfEmployees"),
    ("website", "record.Website"),
    ("rating", "record.Rating"),
    ("ticker_symbol", "record.TickerSymbol"),
    ("naics_code", "record.NaicsCode"),
    ("sic_code", "record.Sic"),
    ("duns_number", "record.DunsNumber"),
    ("naics_description", "record.NaicsDesc"),
    ("sic_description", "record.SicDesc"),
    ("trade_style", "record.Tradestyle"),
    ("jigsaw", "record.Jigsaw"),
    ("phone", "record.Phone"),
    ("fax", "record.Fax"),
    ("billing_street", "record.BillingStreet"),
    ("billing_city", "record.BillingCity"),
    ("billing_state", "record.BillingState"),
    ("billing_postal_code", "record.BillingPostalCode"),
    ("billing_country", "record.BillingCountry"),
    ("shipping_street", "record.ShippingStreet"),
    ("shipping_city", "record.ShippingCity"),
    ("shipping_state", "record.ShippingState"),
    ("shipping_postal_code", "record.ShippingPostalCode"),
    ("shipping_country", "record.ShippingCountry"),
    ("parent_key", "source_key(record.ParentId, instance.id, instance.system)"),
    ("created_by", "record.CreatedById"),
    ("created_date", "record.CreatedDate"),
    ("last_updated_by", "record.LastModifiedById"),
    ("last_updated_date", "record.LastModifiedDate"),
    ("last_activity_date", "record.LastActivityDate"),
];

const OPPORTUNITY: Fields = &[
    ("name", "record.Name"),
    ("opportunity_type", "record.Type"),
    ("stage", "record.StageName"),
    ("description", "record.Description"),
    ("account_key", "source_key(record.AccountId, instance.id, instance.system)"),
    ("campaign_key", "source_key(record.CampaignId, instance.id, instance.system)"),
    ("is_closed", "record.IsClosed"),
    ("is_won", "record.IsWon"),
    ("probability", "record.Probability"),
    ("amount", "record.Amount"),
    ("amount_currency", "record.CurrencyIsoCode"),
    ("expected_revenue", "record.ExpectedRevenue"),
    ("expected_revenue_currency", "record.CurrencyIsoCode"),
    ("quantity", "record.TotalOpportunityQuantity"),
    ("expected_close_date", "record.CloseDate"),
    // One date stands for both: what is expected while it is open, what was once it is closed.
    ("actual_close_date", "record.IsClosed ? record.CloseDate : null"),
    ("forecast_category", "record.ForecastCategory"),
    ("forecast_category_name", "record.ForecastCategoryName"),
    ("fiscal_year", "record.FiscalYear"),
    ("fiscal_quarter", "record.FiscalQuarter"),
    ("lead_source", "record.LeadSource"),
    ("next_step", "record.NextStep"),
    ("created_by", "record.CreatedById"),
    ("created_date", "record.CreatedDate"),
    ("last_updated_by", "record.LastModifiedById"),
    ("last_updated_date", "record.LastModifiedDate"),
    ("last_activity_date", "record.LastActivityDate"),
];

const OPPORTUNITY_CONTACT_ROLE: Fields = &[
    ("opportunity_key", "source_key(record.OpportunityId, instance.id, instance.system)"),
    ("person_key", "source_key(record.ContactId, instance.id, instance.system)"),
    ("person_role", "record.Role"),
    ("is_primary", "record.IsPrimary"),
    ("created_by", "record.CreatedById"),
    ("created_date", "record.CreatedDate"),
    ("last_updated_by", "record.LastModifiedById"),
    ("last_updated_date", "record.LastModifiedDate"),
];

const CAMPAIGN: Fields = &[
    ("name", "record.Name"),
    ("campaign_type", "record.Type"),
    ("status", "record.Status"),
    ("description", "record.Description"),
    ("is_active", "record.IsActive"),
    ("start_date", "record.StartDate"),
    ("end_date", "record.EndDate"),
    ("budgeted_cost", "record.BudgetedCost"),
    ("budgeted_cost_currency", "record.CurrencyIsoCode"),
    ("actual_cost", "record.ActualCost"),
    ("actual_cost_currency", "record.CurrencyIsoCode"),
    ("expected_revenue", "record.ExpectedRevenue"),
    ("expected_revenue_currency", "record.CurrencyIsoCode"),
    ("expected_response", "record.ExpectedResponse"),
    ("parent_campaign_key", "source_key(record.ParentId, instance.id, instance.system)"),
    ("created_by", "record.CreatedById"),
    ("created_date", "record.CreatedDate"),
    ("last_updated_by", "record.LastModifiedById"),
    ("last_updated_date", "record.LastModifiedDate"),
    ("last_activity_date", "record.LastActivityDate"),
];

/// A member is a lead or a contact; of a converted lead it is the contact.
const CAMPAIGN_MEMBER: Fields = &[
    ("campaign_key", "source_key(record.CampaignId, instance.id, instance.system)"),
    ("person_key", "source_key(record.LeadOrContactId, instance.id, instance.system)"),
    ("member_status", "record.Status"),
    ("has_responded", "record.HasResponded"),
    ("first_responded_date", "record.FirstRespondedDate"),
    ("membership_date", "record.CreatedDate"),
    // Of a lead that was converted both are there.
    ("person_type", r#"has(record.ContactId) ? "Contact" : has(record.LeadId) ? "Lead" : null"#),
    ("created_by", "record.CreatedById"),
    ("created_date", "record.CreatedDate"),
    ("last_updated_by", "record.LastModifiedById"),
    ("last_updated_date", "record.LastModifiedDate"),
];

const ACCOUNT_CONTACT_RELATION: Fields = &[
    ("account_key", "source_key(record.AccountId, instance.id, instance.system)"),
    ("person_key", "source_key(record.ContactId, instance.id, instance.system)"),
    ("person_roles", "record.Roles"),
    ("is_direct", "record.IsDirect"),
    // A contact is in one account directly: that of its own record.
    ("is_primary", "record.IsDirect"),
    ("is_active", "record.IsActive"),
    ("relation_start_date", "record.StartDate"),
    ("relation_end_date", "record.EndDate"),
    ("relationship_source", "instance.system"),
    ("created_by", "record.CreatedById"),
    ("created_date", "record.CreatedDate"),
    ("last_updated_by", "record.LastModifiedById"),
    ("last_updated_date", "record.LastModifiedDate"),
];

/// The native fields that the mapping of a stream reads: what to miss when the user may not see one.
pub(crate) fn columns_of(stream: &str) -> Vec<&'static str> {
    let mut columns = Vec::new();
    for (_, text) in ALL.iter().filter(|(s, ..)| *s == stream).flat_map(|(.., fields)| fields.iter()) {
        let names = text.split("record.").skip(1);
        let name = |rest: &'static str| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
        columns.extend(names.filter_map(name));
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_core::model::EntityKind;
    use attiva_core::{DataType, Value};
    use attiva_expr::Scope;

    #[test]
    fn every_mapping_names_an_entity_and_fields_of_the_model() {
        for (stream, entity, fields) in ALL {
            let kind = EntityKind::parse(entity).unwrap_or_else(|| panic!("{stream}: {entity}"));
            for (target, _) in *fields {
                assert!(kind.entity().fields.iter().any(|f| f.name == *target), "{entity} has no {target}");
            }
            let mut targets: Vec<_> = fields.iter().map(|(target, _)| target).collect();
            targets.sort_unstable();
            targets.dedup();
            assert_eq!(targets.len(), fields.len(), "{stream} maps a field twice");
        }
    }

    /// What a field becomes of these values.
    fn value(stream: &str, target: &str, record: &[(&str, Value)]) -> Value {
        let (.., fields) = ALL.iter().find(|(name, ..)| *name == stream).unwrap();
        let (_, text) = fields.iter().find(|(name, _)| *name == target).unwrap();
        let data_type = |name: &str| if name.starts_with("Is") { DataType::Boolean } else { DataType::Text };
        let columns: Vec<_> = columns_of(stream).into_iter().filter(|name| text.contains(name)).collect();
        let scope = Scope::new().root("record", columns.iter().map(|name| ((*name).to_owned(), data_type(name))));
        let of = |name: &&str| record.iter().find(|(n, _)| n == name).map_or(Value::Null, |(_, v)| v.clone());
        let row: Vec<Value> = columns.iter().map(of).collect();
        attiva_expr::check(text, &scope).unwrap().compile().evaluate(&row, 0).unwrap()
    }

    #[test]
    fn what_the_record_says_without_a_field_of_its_name() {
        let text = |text: &str| Value::Text(text.into());
        let member = |record: &[(&str, Value)]| value("CampaignMember", "person_type", record);
        assert_eq!(member(&[("LeadId", text("00Q"))]), text("Lead"));
        assert_eq!(member(&[("ContactId", text("003"))]), text("Contact"));
        assert_eq!(member(&[("LeadId", text("00Q")), ("ContactId", text("003"))]), text("Contact"));
        assert_eq!(member(&[]), Value::Null);
        let departments = |record: &[(&str, Value)]| value("Contact", "departments", record);
        assert_eq!(departments(&[("Department", text("Sales"))]), Value::TextList(vec!["Sales".into()]));
        assert_eq!(departments(&[]), Value::Null);
        let primary = |is| value("AccountContactRelation", "is_primary", &[("IsDirect", Value::Boolean(is))]);
        assert_eq!((primary(true), primary(false)), (Value::Boolean(true), Value::Boolean(false)));
    }

    /// What no mapping fills stands in the README with the reason, and nothing else does.
    #[test]
    fn fields_that_stay_empty_are_listed() {
        let readme = include_str!("../README.md");
        let table = readme.split("### What stays empty").nth(1).unwrap().split("\n##").next().unwrap();
        let names = |cell: &'static str| cell.split('`').skip(1).step_by(2);
        let mut said: Vec<(&str, &str)> = Vec::new();
        for line in table.lines().filter(|line| line.starts_with("| `")) {
            let mut cells = line.split('|').skip(1);
            let (streams, fields) = (cells.next().unwrap(), cells.next().unwrap());
            said.extend(names(streams).flat_map(|stream| names(fields).map(move |field| (stream, field))));
        }
        let mut empty: Vec<(&str, &str)> = Vec::new();
        for (stream, entity, fields) in ALL {
            let entity = EntityKind::parse(entity).unwrap().entity();
            let is_empty = |name: &str| !fields.iter().any(|(target, _)| *target == name);
            let of = entity.fields.iter().filter(|field| !field.derived && is_empty(field.name));
            empty.extend(of.map(|field| (*stream, field.name)));
        }
        said.sort_unstable();
        empty.sort_unstable();
        assert_eq!(said, empty);
    }

    #[test]
    fn the_columns_a_mapping_reads() {
        let columns = columns_of("AccountContactRelation");
        assert_eq!(
            columns,
            [
                "AccountId",
                "ContactId",
                "CreatedById",
                "CreatedDate",
                "EndDate",
                "IsActive",
                "IsDirect",
                "LastModifiedById",
                "LastModifiedDate",
                "Roles",
                "StartDate"
            ]
        );
        assert!(columns_of("Opportunity").contains(&"IsClosed"));
        assert!(columns_of("Invoice__c").is_empty());
    }
}
