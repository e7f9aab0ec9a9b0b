//! What must hold in the end, said without the ledger.

use crate::vendor::{Member, Vendor};
use crate::world::{ACTIVATIONS, Person, World};
use attiva_core::Value;
use attiva_core::ledger::Row;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn judge(world: &World, vendor: &Vendor, people: &[Person]) -> Result<(), String> {
    for target in ["act_a", "act_b", "act_c"] {
        let mut list = vendor.list(target);
        let (held, in_doubt) = ledger(world, target)?;
        if list.remove("somebody else's").is_none() {
            return Err(format!("{target}: somebody else's member is gone"));
        }
        judge_list(target, &list, &held, &in_doubt, people)?;
    }
    judge_books(world)
}

/// Who founded a target that is shared names it.
fn wanted(target: &str, title: &str) -> bool {
    let list = ACTIVATIONS.iter().find(|(id, _, _)| *id == target).map(|(_, list, _)| *list);
    ACTIVATIONS.iter().any(|(_, of, titles)| Some(*of) == list && titles.contains(&title))
}

/// Rows of the ledger by member; `None`: nothing is held.
type Held = BTreeMap<String, Option<Row>>;

/// And those of whom nobody can know what the target has: what it refused last for good came after something that was
/// never answered.
fn ledger(world: &World, target: &str) -> Result<(Held, BTreeSet<String>), String> {
    let entries = world.store.ledger(target, 0, 10_000).map_err(|error| error.to_string())?;
    let (mut held, mut in_doubt) = (Held::new(), BTreeSet::new());
    for (_, entry) in entries {
        if entry.standing.unsure.is_some() {
            if entry.standing.refusal.is_none_or(|refusal| refusal.retry_at.is_some()) {
                return Err(format!("{target}: {} is unsure in the end", entry.profile));
            }
            in_doubt.insert(entry.profile.to_string());
            continue;
        }
        held.insert(entry.profile.to_string(), entry.standing.held);
    }
    Ok((held, in_doubt))
}

fn judge_list(
    target: &str,
    list: &BTreeMap<String, Member>,
    ledger: &Held,
    in_doubt: &BTreeSet<String>,
    people: &[Person],
) -> Result<(), String> {
    // A target nobody delivers to under its own name: its activation shares another's.
    let foreign = ledger.is_empty() && list.is_empty();
    // Rows that the ledger has of each name, and names of which nobody can know.
    let (mut rows, mut unknown) = (BTreeMap::<&str, Vec<Member>>::new(), BTreeSet::new());
    for person in people {
        let key = person.id().to_string();
        let held = ledger.get(&key).and_then(Option::as_ref).map(member);
        let email = person.email.as_deref().unwrap_or("");
        let wanted = !foreign && !person.gone && wanted(target, person.title) && !email.is_empty();
        let refused = email.starts_with("bad") || email.starts_with("poison");
        let fields = [("email", email), ("title", person.title), ("name", &person.called)];
        let expected: Member = fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let holds = match (wanted, refused) {
            _ if in_doubt.contains(&key) => wanted && refused,
            // What it had before, if anything: the list says whether it is so, below.
            (true, true) => true,
            (true, false) if email.starts_with("nobody") => held.is_none(),
            (true, false) => held.as_ref() == Some(&expected),
            (false, _) => held.is_none(),
        };
        if !holds {
            return Err(format!("{target}: of {person:?} it has {held:?}"));
        }
        if in_doubt.contains(&key) {
            unknown.insert(person.called.as_str());
        }
        rows.entry(person.called.as_str()).or_default().extend(held);
    }
    let names = list.keys().map(String::as_str).chain(rows.keys().copied()).filter(|name| !unknown.contains(name));
    for name in names.collect::<BTreeSet<_>>() {
        let (there, rows) = (list.get(name), rows.get(name).map(Vec::as_slice).unwrap_or_default());
        // Of two persons with one name it has the values of who was written last, who may have left since.
        let is_one = people.iter().filter(|person| person.called == name).count() == 1;
        let is_of_others = is_one && there.is_some_and(|there| !rows.contains(there));
        if is_of_others || there.is_none() != rows.is_empty() {
            return Err(format!("{target}: of {name} the ledger says {rows:?}, the vendor has {there:?}"));
        }
    }
    Ok(())
}

fn member(row: &Row) -> Member {
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        other => format!("{other:?}"),
    };
    row.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn judge_books(world: &World) -> Result<(), String> {
    for delivery in world.deliveries() {
        let id = &delivery.id;
        let books = delivery.books.ok_or_else(|| format!("{id} has no books"))?;
        if !books.balance() || books.received != delivery.received && delivery.plan.is_some() {
            return Err(format!("{id}: {books:?} do not balance with {} received", delivery.received));
        }
        if books.pending != 0 && !delivery.dry_run {
            return Err(format!("{id}: somebody is pending in the end: {books:?}"));
        }
    }
    Ok(())
}
