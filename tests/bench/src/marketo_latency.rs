//! From a change in Marketo to the profile, by dataset: measured with a run every ten seconds, the shortest interval there is,
//! and reckoned for one every minute. A change waits for the next run, half of the interval at the median and nearly all of it
//! at the 95th percentile, and then takes what the run takes, which is measured. What has no feed waits for its refresh besides.

use crate::figures::{Figures, percentile};
use crate::marketo::{MUNCHKIN, Reading, Wanted, first};
use anyhow::{Context, Result, ensure};
use attiva_core::time::parse_timestamp;
use attiva_simulators::marketo::{Limits, MarketoConfig};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const EVERY_S: u32 = 10;
const RECKONED_S: f64 = 60.0;
/// What is read anew where there is no feed, by default.
const REFRESH_S: f64 = 3_600.0;
const LEADS: u64 = 2_000;
const ALL: [&str; 10] = [
    "persons",
    "companies",
    "named_accounts",
    "opportunity_roles",
    "opportunities",
    "programs",
    "program_memberships",
    "static_lists",
    "static_list_memberships",
    "activities",
];

/// What each round changes, and how it is seen.
struct Change {
    dataset: &'static str,
    entity: &'static str,
    /// Of its record.
    key: String,
    /// What its profile says then; nothing: that there is none.
    text: Option<String>,
    seen_after: Option<f64>,
}

pub fn measure(figures: &mut Figures, rounds: u32) -> Result<()> {
    let config = MarketoConfig {
        leads: LEADS,
        limits: Limits::OFF,
        history_days: 60,
        awkward: false,
        status_interval: Duration::from_millis(20),
        ..MarketoConfig::default()
    };
    // Only the newest are history: companies of the older ones become known when one of their persons changes.
    let reading = Reading::start(config, &Wanted { streams: &ALL, days: 10, every_seconds: Some(EVERY_S) })?;
    while runs(&reading, "succeeded")?.is_empty() {
        std::thread::sleep(Duration::from_millis(100));
    }
    reading.served.caught_up()?;
    let (descriptions, calls) = (reading.descriptions(), reading.calls());
    let mut own: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut measured: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let before = runs(&reading, "")?.len();
    for round in 0..rounds {
        // Not in step with the runs.
        std::thread::sleep(Duration::from_millis(u64::from(round) * 1_370 % (u64::from(EVERY_S) * 1_000)));
        let (began, at) = (Instant::now(), now_ms()?);
        let mut changes = change(&reading, round)?;
        while changes.iter().any(|change| change.seen_after.is_none()) {
            for change in changes.iter_mut().filter(|change| change.seen_after.is_none()) {
                if is_seen(&reading, change)? {
                    change.seen_after = Some(began.elapsed().as_secs_f64());
                }
            }
            let waits =
                || changes.iter().filter(|c| c.seen_after.is_none()).map(|c| (c.dataset, &c.key)).collect::<Vec<_>>();
            ensure!(began.elapsed() < Duration::from_secs(180), "round {round}: {:?} are not seen", waits());
            std::thread::sleep(Duration::from_millis(20));
        }
        let waited = runs(&reading, "")?.into_iter().filter(|started| *started >= at).min().map_or(0, |next| next - at);
        for Change { dataset, seen_after, .. } in changes {
            let seconds = seen_after.unwrap_or(f64::NAN);
            measured.entry(dataset).or_default().push(seconds);
            // One that a run caught which was going has waited for none.
            let waited = waited as f64 / 1e3;
            own.entry(dataset).or_default().push(if seconds > waited { seconds - waited } else { seconds });
        }
    }
    let count = (runs(&reading, "")?.len() - before).max(1) as f64;
    figures.one("runs", count);
    figures.one("calls_a_run", (reading.calls() - calls) as f64 / count);
    figures.one("describe_calls_a_run", (reading.descriptions() - descriptions) as f64 / count);
    for (dataset, seconds) in &mut measured {
        figures.one(&format!("{dataset}_p50_s"), percentile(seconds, 50.0));
        figures.one(&format!("{dataset}_p95_s"), percentile(seconds, 95.0));
    }
    reckon(figures, &mut own);
    reading.stop();
    Ok(())
}

/// For a run every minute.
fn reckon(figures: &mut Figures, own: &mut BTreeMap<&str, Vec<f64>>) {
    let mut all: Vec<f64> = own.values().flatten().copied().collect();
    for dataset in ALL {
        let (wait, own) = match own.get_mut(dataset) {
            Some(own) => (RECKONED_S, own),
            // A role comes as its opportunity does: by the same activities, with a call less.
            None if dataset == "opportunity_roles" => (RECKONED_S, &mut all),
            None => (REFRESH_S + RECKONED_S, &mut all),
        };
        figures.one(&format!("every_60_s_{dataset}_p50_s"), wait * 0.5 + percentile(own, 50.0));
        figures.one(&format!("every_60_s_{dataset}_p95_s"), wait * 0.95 + percentile(own, 95.0));
    }
    println!(
        "every_60_s_*: reckoned; companies: from a change of one of their persons; programs, static_lists, named_accounts: with a look every 60 minutes"
    );
}

/// When runs of a status began (empty: all); of the newest two hundred.
fn runs(reading: &Reading, status: &str) -> Result<Vec<i64>> {
    let status = if status.is_empty() { String::new() } else { format!("&status={status}") };
    let path = format!("runs?connection={}&limit=200{status}", reading.connection);
    let found = reading.served.call("GET", &path, None)?;
    let items = found["items"].as_array().context("no runs")?;
    Ok(items.iter().filter_map(|run| parse_timestamp(run["started_at"].as_str()?)).collect())
}

fn now_ms() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

fn change(reading: &Reading, round: u32) -> Result<Vec<Change>> {
    let (marketo, lead) = (&reading.marketo, LEADS - u64::from(round));
    let new =
        |dataset, entity, key: String, text: Option<String>| Change { dataset, entity, key, text, seen_after: None };
    let mut changes = Vec::new();

    let title = format!("Bench {round}");
    marketo.change_lead(lead, json!({ "title": title }))?;
    changes.push(new("persons", "person", lead.to_string(), Some(title)));

    let page = format!("/bench/{round}");
    marketo.visit(lead, &page, None)?;
    changes.push(new("activities", "event", lead.to_string(), Some(page)));

    let list = 1;
    let is_on = marketo.listed(list).contains(&lead);
    marketo.set_listed(list, lead, !is_on)?;
    let text = (!is_on).then(|| lead.to_string());
    changes.push(new("static_list_memberships", "marketing_list_member", format!("{list}-{lead}"), text));

    let members = marketo.records("programs/members");
    let member = members.get(round as usize).context("too few members")?;
    let id = |name: &str| member[name].as_u64().context("no id");
    let (program, who) = (id("programId")?, id("leadId")?);
    let status = if member["statusName"] == "Attended" { "Invited" } else { "Attended" };
    marketo.set_member(program, who, Some(status))?;
    changes.push(new("program_memberships", "campaign_member", format!("{program}-{who}"), Some(status.to_owned())));

    let opportunity = u64::from(round) + 1;
    let stage = format!("Stage {round}");
    marketo.change_opportunity(opportunity, json!({ "stage": stage }))?;
    let records = marketo.records("opportunities");
    let key = records[round as usize]["externalOpportunityId"].as_str().context("no key")?.to_owned();
    changes.push(new("opportunities", "opportunity", key, Some(stage)));

    if let Some((old, company)) = unknown_company(reading, round)? {
        marketo.change_lead(old, json!({ "title": "Bench" }))?;
        changes.push(new("companies", "account", format!("{company}.mkto_org"), Some(String::new())));
    }
    Ok(changes)
}

/// Somebody who is no history that is read, of a company that nobody is who is.
fn unknown_company(reading: &Reading, round: u32) -> Result<Option<(u64, String)>> {
    for lead in (1..LEADS / 2).skip(round as usize * 20).take(20) {
        let Some(fields) = reading.marketo.lead(lead) else { continue };
        let Some(company) = fields.get("contactCompany").filter(|company| !company.is_null()) else { continue };
        let company = company.as_str().map_or_else(|| company.to_string(), str::to_owned);
        if profile(reading, "account", &format!("{company}.mkto_org"))?.is_null() {
            return Ok(Some((lead, company)));
        }
    }
    Ok(None)
}

fn profile(reading: &Reading, entity: &str, key: &str) -> Result<Value> {
    let path = format!("profiles?entity={entity}&namespace=source_key&value={key}%40{MUNCHKIN}.Marketo");
    Ok(first(&reading.served.call("GET", &path, None)?))
}

fn is_seen(reading: &Reading, change: &Change) -> Result<bool> {
    if change.entity == "event" {
        let person = profile(reading, "person", &change.key)?;
        let Some(id) = person["id"].as_str() else { return Ok(false) };
        let events = reading.served.call("GET", &format!("profiles/{id}/events?limit=20"), None)?;
        return Ok(change.text.as_ref().is_some_and(|text| events.to_string().contains(text)));
    }
    let profile = profile(reading, change.entity, &change.key)?;
    Ok(match &change.text {
        Some(text) => !profile.is_null() && profile.to_string().contains(text.as_str()),
        None => profile.is_null(),
    })
}
