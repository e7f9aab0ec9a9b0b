//! One batch: who the rows are, who is made, and who goes on the list or comes off it. Every outcome by position.

use crate::config::{Config, Mode, Options};
use crate::fields::{EMAIL, ID};
use crate::list::{self, Said, records};
use crate::lookup::{self, Leads};
use crate::person::{Columns, Person, unaskable};
use crate::request;
use crate::state::State;
use attiva_connector::{Batch, BatchView, Operation, Outcome, OutcomeStatus, Result, Run};
use marketo_api::{Api, BATCH_MAX, Refusal};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A body may have 1 MB.
const BODY_BYTES_MAX: usize = 900_000;

/// A row on its way to an outcome.
enum Place {
    Settled(Outcome),
    /// To be put on the list, with what the outcome will be if that goes well.
    In {
        id: u64,
        outcome: Outcome,
        before: Option<u64>,
    },
    Out {
        id: u64,
    },
}

/// A row that is somebody: its position, what shall become of it, who it is.
pub(crate) struct Row {
    pub(crate) at: usize,
    pub(crate) operation: Operation,
    pub(crate) person: Person,
}

/// Outcomes of the rows that are not left out, in their order.
pub(crate) fn deliver(
    api: &Api<'_>,
    config: &Config,
    options: &Options,
    run: &Run,
    state: &mut State,
    batch: &Batch,
    is_left_out: impl Fn(usize) -> bool,
) -> Result<Vec<Outcome>> {
    let view = BatchView::new(batch)?;
    let (mut rows, mut settled) = rows(config, run, view);
    rows.retain(|row| !is_left_out(row.at));
    settled.retain(|(at, _)| !is_left_out(*at));
    let mut places: BTreeMap<usize, Place> = settled.into_iter().map(|(at, o)| (at, Place::Settled(o))).collect();
    let (added, removed): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.operation == Operation::Upsert);

    let mut asked: BTreeSet<&str> = removed.iter().filter_map(|row| to_ask_for_removal(&row.person)).collect();
    if options.mode == Mode::Match {
        asked.extend(added.iter().filter_map(|row| to_ask(&row.person)));
    }
    let leads = lookup::by_email(api, &asked)?;
    match options.mode {
        Mode::Match => places.extend(added.iter().map(|row| (row.at, matched(&row.person, &leads)))),
        Mode::Create => places.extend(sync(api, options, &added)?),
    }
    let wanted: BTreeSet<u64> =
        places.values().filter_map(|place| if let Place::In { id, .. } = place { Some(*id) } else { None }).collect();
    places.extend(removed.iter().map(|row| (row.at, leaving(&row.person, &leads, &wanted))));

    let put_on = list::add(api, state.list, &wanted.iter().copied().collect::<Vec<_>>())?;
    let off: BTreeSet<u64> = places.values().filter_map(|place| taken_off(place, &wanted)).collect();
    let taken_off = list::remove(api, state.list, &off.into_iter().collect::<Vec<_>>())?;
    let outcomes: Vec<Outcome> = places.into_values().map(|place| outcome(place, &put_on, &taken_off)).collect();
    let count = |wanted: &[OutcomeStatus]| outcomes.iter().filter(|o| wanted.contains(&o.status)).count() as u64;
    if state.files.is_some() {
        state.added += count(&[OutcomeStatus::Created, OutcomeStatus::Updated]);
        state.removed += count(&[OutcomeStatus::Removed]);
    }
    Ok(outcomes)
}

/// Rows that are somebody, and the outcomes of those that are not.
pub(crate) fn rows(config: &Config, run: &Run, view: BatchView<'_>) -> (Vec<Row>, Vec<(usize, Outcome)>) {
    let columns = Columns::of(&run.columns, view, &config.munchkin_id);
    let (mut rows, mut settled) = (Vec::new(), Vec::new());
    for (at, row) in view.rows().enumerate() {
        match columns.read(row) {
            Ok(person) => rows.push(Row { at, operation: row.operation(), person }),
            Err(outcome) => settled.push((at, outcome)),
        }
    }
    (rows, settled)
}

fn to_ask(person: &Person) -> Option<&str> {
    person.email.as_deref().filter(|email| unaskable(email).is_none())
}

/// Who was put on the list under an id comes off it by that id, whatever the address is by now.
fn to_ask_for_removal(person: &Person) -> Option<&str> {
    if person.known.is_some() { None } else { to_ask(person) }
}

/// Who of those Marketo has the row is. The address wins over the id of our own graph, and says so.
fn matched(person: &Person, leads: &Leads) -> Place {
    let by_email = person.email_key().and_then(|key| leads.get(&key));
    let Some(found) = by_email.and_then(|ids| ids.first().copied().map(|first| (ids, first))) else {
        return match (person.id, person.email.as_deref().and_then(unaskable)) {
            (Some(id), _) => place(id, Outcome::updated(), person),
            (None, Some(why)) => Place::Settled(Outcome::rejected("email-unaskable", why).field(EMAIL)),
            (None, None) => Place::Settled(Outcome::unmatched()),
        };
    };
    let (ids, first) = found;
    let outcome = match person.id {
        Some(id) if ids.contains(&id) => return place(id, Outcome::updated(), person),
        Some(id) => conflict(Outcome::updated(), id, first),
        None if ids.len() > 1 => several(Outcome::updated(), ids.len(), first),
        None => Outcome::updated(),
    };
    place(first, outcome, person)
}

fn place(id: u64, outcome: Outcome, person: &Person) -> Place {
    Place::In { id, outcome, before: person.known.filter(|known| *known != id) }
}

fn conflict(outcome: Outcome, id: u64, by_email: u64) -> Outcome {
    let message = format!("the profile says lead {id}, its address is lead {by_email}'s, which was taken");
    Outcome { code: "lead-id-conflict".into(), message, field: Some(ID.into()), ..outcome }
}

fn several(outcome: Outcome, count: usize, taken: u64) -> Outcome {
    let message = format!("{count} leads have this address; the oldest, {taken}, was taken");
    Outcome { code: "several-leads".into(), message, field: Some(EMAIL.into()), ..outcome }
}

/// Makes or changes people, each address once: two rows of one address at the same time would make two leads.
fn sync(api: &Api<'_>, options: &Options, rows: &[Row]) -> Result<Vec<(usize, Place)>> {
    let mut places = Vec::new();
    let (mut by_email, mut by_id) = (BTreeMap::new(), BTreeMap::new());
    for row in rows {
        let person = &row.person;
        match (person.email_key(), person.id) {
            (Some(key), id) => match person.email.as_deref().and_then(unaskable) {
                None => by_email.entry(key).or_insert_with(Vec::new).push(row),
                Some(why) => match id {
                    Some(id) => by_id.entry(id).or_insert_with(Vec::new).push(row),
                    None => {
                        let refused = Outcome::rejected("email-unaskable", why).field(EMAIL);
                        places.push((row.at, Place::Settled(refused)));
                    }
                },
            },
            (None, Some(id)) => by_id.entry(id).or_insert_with(Vec::new).push(row),
            (None, None) => places.push((row.at, Place::Settled(Outcome::unmatched()))),
        }
    }
    let of_email = |rows: &[&Row]| input(rows, |person| Some((EMAIL, json!(person.email.as_deref()?.trim()))));
    let of_id = |rows: &[&Row]| input(rows, |person| Some((ID, json!(person.id?))));
    let mut ambiguous = Vec::new();
    for (by_address, groups, input) in [
        (true, by_email.into_values().collect::<Vec<_>>(), &of_email as &dyn Fn(&[&Row]) -> Value),
        (false, by_id.into_values().collect(), &of_id),
    ] {
        let records: Vec<Value> = groups.iter().map(|rows| input(rows)).collect();
        let results = sync_all(api, options, by_address, &records)?;
        for (rows, result) in groups.into_iter().zip(results) {
            match result {
                Err(refusal) if refusal.code == "1007" && by_address => ambiguous.extend(rows),
                result => places.extend(rows.into_iter().map(|row| (row.at, synced(&row.person, result.clone())))),
            }
        }
    }
    // Several leads have the address: Marketo changes none of them, and the list takes the oldest.
    let asked: BTreeSet<&str> = ambiguous.iter().filter_map(|row| to_ask(&row.person)).collect();
    let leads = lookup::by_email(api, &asked)?;
    places.extend(ambiguous.iter().map(|row| (row.at, matched(&row.person, &leads))));
    Ok(places)
}

/// One record for all rows of one person; of values that differ the last row's stand.
fn input(rows: &[&Row], key: impl Fn(&Person) -> Option<(&'static str, Value)>) -> Value {
    let mut record = serde_json::Map::new();
    for row in rows {
        record.extend(row.person.values.clone());
        record.extend(key(&row.person).map(|(name, value)| (name.to_owned(), value)));
    }
    record.into()
}

type Synced = std::result::Result<(u64, bool), Refusal>;

/// In calls that are no longer than Marketo takes. The id and whether it is new, or why there is none.
fn sync_all(api: &Api<'_>, options: &Options, by_email: bool, records_in: &[Value]) -> Result<Vec<Synced>> {
    let mut results = Vec::with_capacity(records_in.len());
    for chunk in chunks(records_in) {
        let response = api.send(&request::sync_leads(by_email, options.partition.as_deref(), chunk))?;
        for record in records(&response, chunk.len())? {
            let (id, is_new) = (record.id, record.status == "created");
            results.push(match (id, record.refusal_unless(&["created", "updated"])) {
                (Some(id), None) => Ok((id, is_new)),
                (_, Some(refusal)) => Err(refusal),
                (None, None) => Err(Refusal { code: "no-id".into(), message: "Marketo gave no id".into() }),
            });
        }
    }
    Ok(results)
}

/// At most 300 records and 900 kB at a time.
fn chunks(records: &[Value]) -> Vec<&[Value]> {
    let mut chunks = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, record) in records.iter().enumerate() {
        let size = record.to_string().len() + 1;
        if at > start && (at - start == BATCH_MAX || bytes + size > BODY_BYTES_MAX) {
            chunks.extend(records.get(start..at));
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    chunks.extend(records.get(start..).filter(|rest| !rest.is_empty()));
    chunks
}

fn synced(person: &Person, result: Synced) -> Place {
    match result {
        Ok((id, is_new)) => {
            let outcome = if is_new { Outcome::created() } else { Outcome::updated() };
            let outcome = match person.id.filter(|ours| *ours != id) {
                Some(ours) => conflict(outcome, ours, id),
                None => outcome,
            };
            place(id, outcome, person)
        }
        Err(refusal) => Place::Settled(refused(&refusal)),
    }
}

/// A record that was refused: nobody there is *unmatched*, all else is told in Marketo's words.
fn refused(refusal: &Refusal) -> Outcome {
    let code = format!("marketo.{}", refusal.code);
    if refusal.code == "1004" {
        return Outcome { code, message: refusal.message.clone(), ..Outcome::unmatched() };
    }
    Outcome::rejected(code, &refusal.message)
}

/// Who comes off: who Marketo said it was, or whom the row was put on as. An id that somebody else in the batch is put on
/// by stays.
fn leaving(person: &Person, leads: &Leads, wanted: &BTreeSet<u64>) -> Place {
    let matched = || match matched(person, leads) {
        Place::In { id, .. } => Some(id),
        Place::Out { .. } | Place::Settled(_) => None,
    };
    let Some(id) = person.known.or_else(matched) else {
        return Place::Settled(Outcome { code: "not-at-marketo".into(), ..Outcome::unchanged() });
    };
    if wanted.contains(&id) {
        let message = format!("another member of the audience is lead {id}, which therefore stays");
        return Place::Settled(Outcome { code: "lead-shared".into(), message, ..Outcome::unchanged() });
    }
    Place::Out { id }
}

fn taken_off(place: &Place, wanted: &BTreeSet<u64>) -> Option<u64> {
    match place {
        Place::Out { id } => Some(*id),
        // The member is another lead now; the one it was is not in the audience.
        Place::In { before, .. } => before.filter(|before| !wanted.contains(before)),
        Place::Settled(_) => None,
    }
}

fn outcome(place: Place, put_on: &Said, taken_off: &Said) -> Outcome {
    match place {
        Place::Settled(outcome) => outcome,
        Place::In { id, outcome, .. } => match put_on.get(&id) {
            Some(None) => outcome.member_id(id.to_string()),
            Some(Some(refusal)) => refused(refusal),
            None => Outcome::rejected("marketo.no-result", "Marketo did not say what became of the lead"),
        },
        Place::Out { id } => match taken_off.get(&id) {
            Some(None) => Outcome::removed().member_id(id.to_string()),
            // Not on the list (any more), or no lead at all: as it shall be. Perhaps it came off by a call that was not
            // answered, so it is named.
            Some(Some(refusal)) if matches!(refusal.code.as_str(), "1015" | "1004") => {
                let outcome = Outcome::unchanged().member_id(id.to_string());
                Outcome { code: format!("marketo.{}", refusal.code), message: refusal.message.clone(), ..outcome }
            }
            Some(Some(refusal)) => refused(refusal),
            None => Outcome::rejected("marketo.no-result", "Marketo did not say what became of the lead"),
        },
    }
}
