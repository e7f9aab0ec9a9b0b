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
        "unsubscribed" | "marketingSuspended" | "blackListed" | "doNotCall" | "isPrimary" | "isClosed" | "isWon"
        | "acquiredBy" | "isExhausted" | "reachedSuccess" => DataType::Boolean,
        "annualRevenue" | "amount" | "expectedRevenue" | "quantity" => DataType::Decimal,
        "closeDate" => DataType::Date,
        "attributes" | "dataValueChanges" => DataType::Json,
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

/// Every field that a record fills, as `field=value`.
fn row(stream: &str, record: &[(&str, Value)], crm: Option<[&str; 2]>) -> Vec<String> {
    let (_, entity, fields) = ALL.iter().find(|(name, ..)| *name == stream).unwrap();
    let entity = EntityKind::ALL.into_iter().find(|kind| kind.name() == *entity).unwrap().entity();
    let filled = fields.iter().filter_map(|(target, _)| {
        let value = value(stream, target, record, crm);
        let field = entity.fields.iter().find(|field| field.name == *target).unwrap();
        assert_eq!(field.accepts(&value), Ok(()), "{stream}.{target}");
        Some(match value {
            Value::Null => return None,
            Value::Text(text) => format!("{target}={text}"),
            Value::Integer(number) => format!("{target}={number}"),
            Value::Timestamp(at) => format!("{target}={at}"),
            Value::Date(days) => format!("{target}={days}"),
            Value::Boolean(is) => format!("{target}={is}"),
            other => format!("{target}={other:?}"),
        })
    });
    filled.collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn activities_name_where_somebody_was_moved_to_and_what_changed() {
    let moved = |kind: i64, column: &'static str| {
        [("activityTypeId", Value::Integer(kind)), ("primaryAttributeValueId", text("40")), (column, text("6"))]
    };
    for kind in [113, 114] {
        assert_eq!(
            row("activities", &moved(kind, "streamId"), None),
            ["campaign_key=40@1.Marketo", "stream_key=6@1.Marketo"]
        );
    }
    assert_eq!(row("activities", &moved(101, "newStageId"), None), ["revenue_stage_key=6@1.Marketo"]);
    let changed = [("activityTypeId", Value::Integer(36)), ("dataValueChanges", Value::Json("{}".into()))];
    assert_eq!(row("activities", &changed, None), [r#"data_value_changes=Json("{}")"#]);
}

#[test]
fn members_say_why_since_when_and_what_a_webinar_gave_them() {
    let member = [
        ("programId", Value::Integer(9)),
        ("leadId", Value::Integer(7)),
        ("statusReason", text("invited")),
        ("reachedSuccess", Value::Boolean(true)),
        ("reachedSuccessDate", Value::Timestamp(5000)),
        ("registrationCode", text("dcff")),
        ("webinarUrl", text("https://w.example/1")),
    ];
    assert_eq!(
        row("program_memberships", &member, None),
        [
            "campaign_key=9@1.Marketo",
            "person_key=7@1.Marketo",
            "member_status_reason=invited",
            "has_reached_success=true",
            "reached_success_date=5000",
            "webinar_registration_id=dcff",
            "webinar_confirmation_url=https://w.example/1",
        ]
    );
}

#[test]
fn accounts_and_opportunities_have_what_is_published() {
    let account = [("city", text("Utrecht")), ("logoUrl", text("https://a.example/logo"))];
    let named = [
        "city=Utrecht",
        "billing_city=Utrecht",
        "logo_url=https://a.example/logo",
        "account_source_type=Marketo named account",
    ];
    assert_eq!(row("named_accounts", &account, None), named);
    let opportunity = |is_closed| [("isClosed", Value::Boolean(is_closed)), ("closeDate", Value::Date(20_000))];
    let both = ["is_closed=true", "expected_close_date=20000", "actual_close_date=20000"];
    assert_eq!(row("opportunities", &opportunity(true), None), both);
    assert_eq!(row("opportunities", &opportunity(false), None), ["is_closed=false", "expected_close_date=20000"]);
}

#[test]
fn persons_have_their_crms_ids_whichever_it_is() {
    let person = |kind: &str, columns: [&'static str; 3]| {
        [(columns[0], text(kind)), (columns[1], text("C1")), (columns[2], text("L1")), ("department", text("Sales"))]
    };
    for (system, columns) in [
        ("Salesforce", ["sfdcType", "sfdcContactId", "sfdcLeadId"]),
        ("Dynamics", ["msftType", "msftContactId", "msftLeadId"]),
    ] {
        let of = |kind| row("persons", &person(kind, columns), Some([system, "00D"]));
        let department = ["department=Sales".to_owned(), r#"departments=TextList(["Sales"])"#.to_owned()];
        let contact = ["person_type=Contact", "crm_contact_key=C1", &format!("external_key=C1@00D.{system}")];
        assert_eq!(of("Contact"), [department.as_slice(), &contact.map(str::to_owned)].concat());
        let lead = [
            "person_type=Lead",
            "crm_lead_key=L1",
            &format!("external_key=L1@00D.{system}"),
            &format!("converted_contact_key=C1@00D.{system}"),
        ];
        assert_eq!(of("Lead"), [department.as_slice(), &lead.map(str::to_owned)].concat());
    }
}

/// What no mapping fills stands in the README with the reason, and nothing else does.
#[test]
fn fields_that_stay_empty_are_listed() {
    let readme = include_str!("../../README.md");
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
        let entity = EntityKind::ALL.into_iter().find(|kind| kind.name() == *entity).unwrap().entity();
        let is_empty = |name: &str| !fields.iter().any(|(target, _)| *target == name);
        let of = entity.fields.iter().filter(|field| !field.derived && is_empty(field.name));
        empty.extend(of.map(|field| (*stream, field.name)));
    }
    said.sort_unstable();
    empty.sort_unstable();
    assert_eq!(said, empty);
}
