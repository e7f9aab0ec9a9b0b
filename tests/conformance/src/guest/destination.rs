//! Delivering: lists filled by calls, and by import jobs.

use super::{Acme, Config, call, check};
use attiva_connector::{
    Batch, BatchView, Cell, CheckResult, DataType, Delivered, Destination, EraseResult, EraseStatus, Fault, FieldSpec,
    Finished, Host, Member, MemberPage, Operation, Outcome, OutcomeStatus, Prepared, Response, Result, RowView, Run,
    Target, TargetObject, decode_state, encode_state,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const BULK: &str = "bulk-list";

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct State {
    list: String,
    was_found: bool,
    /// Imports under way, with the keys of their rows.
    imports: Vec<(String, Vec<String>)>,
}

impl Destination for Acme {
    fn check(host: &dyn Host, config: &Config) -> Vec<CheckResult> {
        check(host, config)
    }

    fn discover(host: &dyn Host, config: &Config) -> Result<Vec<TargetObject>> {
        call(host, config, "GET", "/v1/me", None)?;
        let field = |name: &str, data_type, matching_key| FieldSpec {
            name: name.into(),
            data_type,
            required: matching_key,
            matching_key,
            read_only_because: None,
            label: name.into(),
        };
        let object = |name: &str, title: &str| TargetObject {
            name: name.into(),
            title: title.into(),
            fields: vec![
                field("email", DataType::Text, true),
                field("first_name", DataType::Text, false),
                field("country", DataType::Text, false),
                field("score", DataType::Integer, false),
            ],
            open_fields: false,
            options_schema: r#"{"type": "object", "properties": {}}"#.into(),
        };
        Ok(vec![object("list", "List"), object(BULK, "List, filled by imports")])
    }

    fn prepare(host: &dyn Host, config: &Config, target: &Target, run: &Run, dry_run: bool) -> Result<Prepared> {
        let columns: Vec<&str> = run.columns.iter().map(|(name, _)| name.as_str()).collect();
        let made = json!({"external_id": target.id, "name": target.name, "columns": columns});
        let create = || -> Result<String> {
            let created: Value = call(host, config, "POST", "/v1/lists", Some(&made))?.json()?;
            Ok(created["id"].as_str().unwrap_or_default().to_owned())
        };
        let found: Value = call(host, config, "GET", &format!("/v1/lists?external_id={}", target.id), None)?.json()?;
        let list = found["lists"].get(0);
        let id = list.and_then(|list| list["id"].as_str()).map(str::to_owned);
        let notes = |what: &str| vec![format!("the list {} {what}", target.name)];
        if dry_run && config.has("dry-run") {
            // Refused by the host, and the plan is told as if it had been made.
            let _ = create();
        }
        let (id, notes) = match id {
            Some(id) if config.has("find-or-create") => {
                create()?;
                (id, notes("is there"))
            }
            Some(id) if config.has("columns") && list.is_some_and(|list| list["columns"] != made["columns"]) => {
                call(host, config, "DELETE", &format!("/v1/lists/{id}"), None)?;
                (create()?, notes("is made anew"))
            }
            Some(id) => {
                let state = State { list: id, was_found: true, imports: Vec::new() };
                return Ok(Prepared { state: encode_state(&state)?, notes: notes("is there"), wait_ms: None });
            }
            None if dry_run => (String::new(), notes("would be made")),
            None => (create()?, notes("is made")),
        };
        Ok(Prepared { state: encode_state(&State { list: id, ..State::default() })?, notes, wait_ms: None })
    }

    fn deliver(
        host: &dyn Host,
        config: &Config,
        target: &Target,
        _run: &Run,
        state: Vec<u8>,
        batch: &Batch,
    ) -> Result<Delivered> {
        let mut state: State = decode_state(&state)?;
        let view = BatchView::new(batch)?;
        let names: Vec<&str> = batch.columns.iter().map(|column| column.name.as_str()).collect();
        let members: Vec<Value> = view.rows().map(|row| member(config, &names, row)).collect();
        let adds_only = view.rows().all(|row| row.operation() == Operation::Upsert);
        let replaces = config.has("full-and-delta") && state.was_found && adds_only;
        let body = json!({"members": members, "replace": replaces});
        if target.object == BULK && adds_only {
            let started: Value =
                call(host, config, "POST", &format!("/v1/lists/{}/imports", state.list), Some(&body))?.json()?;
            let keys = view.rows().map(|row| row.key().to_owned()).collect();
            state.imports.push((started["id"].as_str().unwrap_or_default().to_owned(), keys));
            let outcomes = view.rows().map(|_| Outcome::pending()).collect();
            return Ok(Delivered { state: encode_state(&state)?, outcomes });
        }
        let sent = call(host, config, "POST", &format!("/v1/lists/{}/members", state.list), Some(&body));
        if config.has("no-tls-told") && matches!(&sent, Err(fault) if fault.code == "network.tls") {
            let outcomes = view.rows().map(|_| Outcome::updated()).collect();
            return Ok(Delivered { state: encode_state(&state)?, outcomes });
        }
        let answered: Value = sent?.json()?;
        let results = answered["results"].as_array().cloned().unwrap_or_default();
        let mut outcomes: Vec<Outcome> =
            view.rows().zip(&results).map(|(row, result)| outcome(config, row, result)).collect();
        if config.has("repeat") {
            // What was sent before is refused, though the host may not know that it was.
            let sent = host.spool(&format!("sent-{}", batch.number)).stat()?.size > 0;
            host.spool(&format!("sent-{}", batch.number)).write(0, b"sent")?;
            if sent {
                outcomes.iter_mut().for_each(|outcome| *outcome = Outcome::rejected("acme.sent", "it was sent before"));
            }
        }
        Ok(Delivered { state: encode_state(&state)?, outcomes })
    }

    fn finish(host: &dyn Host, config: &Config, _: &Target, _: &Run, state: Vec<u8>) -> Result<Finished> {
        settle(host, config, state)
    }

    fn poll(host: &dyn Host, config: &Config, _: &Target, _: &Run, state: Vec<u8>) -> Result<Finished> {
        settle(host, config, state)
    }

    fn members(host: &dyn Host, config: &Config, target: &Target, after: Option<Vec<u8>>) -> Result<MemberPage> {
        #[derive(Deserialize)]
        struct Listed {
            items: Vec<String>,
            next: Option<String>,
        }
        let list = find(host, config, target)?;
        let after = after.map(|after| format!("?after={}", String::from_utf8_lossy(&after))).unwrap_or_default();
        let listed: Listed = call(host, config, "GET", &format!("/v1/lists/{list}/members{after}"), None)?.json()?;
        let member = |hash: String| Member { identifiers: vec![("email".into(), hash)] };
        Ok(MemberPage {
            members: listed.items.into_iter().map(member).collect(),
            next: listed.next.map(String::into_bytes),
        })
    }

    fn erase(host: &dyn Host, config: &Config, _: &Target, identifiers: &[(String, String)]) -> Result<EraseResult> {
        let mut status = EraseStatus::NotFound;
        for (_, email) in identifiers.iter().filter(|(field, _)| field == "email") {
            match call(host, config, "DELETE", &format!("/v1/people/{}", hashed(config, email)), None) {
                Ok(_) => status = EraseStatus::Removed,
                Err(fault) if fault.code == "http.404" && !config.has("erase") => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(EraseResult { status, message: String::new() })
    }

    fn retire(host: &dyn Host, config: &Config, target: &Target) -> Result<()> {
        let list = match find(host, config, target) {
            Ok(list) => list,
            Err(fault) if fault.code == "acme.no-list" && !config.has("clean-up") => return Ok(()),
            Err(fault) => return Err(fault),
        };
        call(host, config, "DELETE", &format!("/v1/lists/{list}"), None).map(|_: Response| ())
    }
}

fn find(host: &dyn Host, config: &Config, target: &Target) -> Result<String> {
    let found: Value = call(host, config, "GET", &format!("/v1/lists?external_id={}", target.id), None)?.json()?;
    let id = found["lists"].get(0).and_then(|list| list["id"].as_str());
    id.map(str::to_owned).ok_or_else(|| Fault::data("acme.no-list", "there is no list of this target"))
}

/// What is sent of a row: of one who is removed, who it is.
fn member(config: &Config, names: &[&str], row: RowView<'_>) -> Value {
    let is_removed = row.operation() == Operation::Remove;
    let mut member = json!({"op": if is_removed { "remove" } else { "upsert" }});
    for (name, cell) in names.iter().zip(row.cells()) {
        let value = match cell {
            Cell::Text(text) if *name == "email" => {
                member["email_sha256"] = hashed(config, text).into();
                continue;
            }
            _ if is_removed && !config.has("removal-sends-nothing") => continue,
            Cell::Text(text) => Value::from(text),
            Cell::Integer(number) => Value::from(number),
            Cell::Null if config.has("rows") => panic!("{name} has no value"),
            _ => continue,
        };
        member[*name] = value;
    }
    member
}

fn outcome(config: &Config, row: RowView<'_>, result: &Value) -> Outcome {
    let is_removed = row.operation() == Operation::Remove;
    match result["status"].as_str().unwrap_or_default() {
        "created" => Outcome::created(),
        "removed" if config.has("add-remove") => Outcome::unchanged(),
        "removed" => Outcome::removed(),
        "unknown" if is_removed && config.has("remove-unknown") => {
            Outcome::rejected("acme.unknown", "nobody is known by that")
        }
        "unknown" => Outcome::unchanged(),
        "rejected" => refusal(config, result),
        _ => Outcome::updated(),
    }
}

fn refusal(config: &Config, result: &Value) -> Outcome {
    let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
    let code = if config.has("outcomes") { String::new() } else { format!("acme.{}", text("code")) };
    Outcome::rejected(code, text("message")).field("country")
}

/// SHA-256 of the trimmed lower-case address; what is one already stays.
fn hashed(config: &Config, text: &str) -> String {
    let plain = if config.has("hashing") { text.to_owned() } else { text.trim().to_lowercase() };
    let is_hash = plain.len() == 64 && plain.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hash { plain } else { hex::encode(Sha256::digest(plain)) }
}

/// Looks at the first import that is under way.
fn settle(host: &dyn Host, config: &Config, state: Vec<u8>) -> Result<Finished> {
    let mut state: State = decode_state(&state)?;
    let mut finished = Finished::unchanged(encode_state(&state)?);
    finished.pending_become = OutcomeStatus::Updated;
    let Some((import, keys)) = state.imports.first().cloned() else { return Ok(finished) };
    if config.has("settled-jobs") {
        return Ok(finished);
    }
    let told: Value = call(host, config, "GET", &format!("/v1/imports/{import}"), None)?.json()?;
    finished.pending_become = OutcomeStatus::Pending;
    finished.wait_ms = Some(1_000);
    match told["status"].as_str() {
        Some("done") => {
            for failure in told["failures"].as_array().into_iter().flatten() {
                let row = failure["index"].as_u64().and_then(|n| keys.get(usize::try_from(n).ok()?));
                finished.exceptions.extend(row.map(|key| (key.clone(), refusal(config, failure))));
            }
            state.imports.remove(0);
            if state.imports.is_empty() {
                finished.pending_become = OutcomeStatus::Updated;
            }
        }
        // As if there were no other end than a good one.
        Some("failed") if config.has("failed-import") => {
            state.imports.remove(0);
            finished.pending_become = OutcomeStatus::Updated;
        }
        Some("failed") => {
            return Err(Fault::data("acme.import", "Acme could not read the import").action("Deliver again."));
        }
        _ => {}
    }
    finished.state = encode_state(&state)?;
    Ok(finished)
}
