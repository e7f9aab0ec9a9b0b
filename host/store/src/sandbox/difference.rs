//! Who a delivery is about: the members of whom what is wanted and what was acknowledged may differ.
//!
//! Who is wanted, who was, and whom the target has stand in the order of profiles each, and are gone through side by side,
//! once. Nothing is sorted and nothing of those who are as they should be is kept; of those who are queued, a number.

use super::audience::Audience;
use super::deliveries::code;
use super::{projection, stirred};
use crate::failure::Outcome;
use attiva_core::Millis;
use attiva_core::ports::store::{Feed, ItemStatus, Reconcile};
use rusqlite::types::Null;
use rusqlite::{CachedStatement, Connection, Row, Rows, params};
use std::collections::HashMap;

/// Queues the difference, leavers first: a leaver and a newcomer may be one person to the vendor, and the later row
/// holds. Then what is wanted is written down, unless the run is dry.
pub(super) fn queue(
    connection: &Connection,
    delivery: i64,
    target: i64,
    audience: Audience<'_>,
    reconcile: &Reconcile,
) -> Outcome<()> {
    let newest = projection::newest(connection, Feed::Profiles)?;
    let history = stirred::newest_move(connection, audience.segment)?;
    let claim = claim(connection, target, audience, reconcile)?;
    let found = find(connection, &claim, reconcile.now)?;
    write_queue(connection, delivery, &found)?;
    if reconcile.dry_run {
        return Ok(());
    }
    write_wants(connection, &claim, &found)?;
    // Whatever becomes of this delivery, they are looked at until they are settled.
    let mut due =
        connection.prepare_cached("UPDATE ledger SET due = 0 WHERE target = ?1 AND profile = ?2 AND due IS NOT 0")?;
    for profile in found.leavers.iter().chain(&found.members) {
        due.execute([claim.target, *profile])?;
    }
    connection
        .prepare_cached("UPDATE claimant SET upto = ?2, mapping = ?3, history = ?4 WHERE number = ?1")?
        .execute(params![claim.claimant, newest.cast_signed(), reconcile.mapping, history])?;
    Ok(())
}

struct Claim<'a> {
    target: i64,
    claimant: i64,
    audience: Audience<'a>,
    /// Profile changes up to here are looked at.
    upto: i64,
    /// All members are to be looked at.
    anew: bool,
}

fn claim<'a>(
    connection: &Connection,
    target: i64,
    audience: Audience<'a>,
    reconcile: &Reconcile,
) -> Outcome<Claim<'a>> {
    connection
        .prepare_cached(
            "INSERT INTO claimant (activation, target, upto, mapping) VALUES (?1, ?2, 0, '')
             ON CONFLICT (activation) DO NOTHING",
        )?
        .execute(params![reconcile.activation.as_str(), target])?;
    let mut find =
        connection.prepare_cached("SELECT number, upto, mapping <> ?2 FROM claimant WHERE activation = ?1")?;
    let claim = find.query_row([reconcile.activation.as_str(), &reconcile.mapping], |row| {
        Ok(Claim { target, claimant: row.get(0)?, audience, upto: row.get(1)?, anew: reconcile.anew || row.get(2)? })
    })?;
    Ok(claim)
}

/// What the difference comes to, by profile.
#[derive(Default)]
struct Difference {
    /// Not wanted any more, and to be looked at.
    leavers: Vec<i64>,
    /// Wanted, and to be looked at.
    members: Vec<i64>,
    /// Of everybody else is known that nothing has to be done; by status and code.
    carried: HashMap<(i64, String), i64>,
    /// Wanted from now on, and not any more.
    entered: Vec<i64>,
    left: Vec<i64>,
    /// Nobody wants them, and the target does not have them: what was refused of them is of no interest any more.
    strangers: Vec<i64>,
}

/// What the ledger has of a member.
struct Mark {
    /// It is there, or may be.
    there: bool,
    due: Option<Millis>,
}

/// Why a member is not as it should be.
struct Refused {
    status: i64,
    code: String,
    of_removal: bool,
}

fn find(connection: &Connection, claim: &Claim<'_>, now: Millis) -> Outcome<Difference> {
    let Audience { from, is_in, segment } = claim.audience;
    let mut wanted =
        connection.prepare_cached(&format!("SELECT m.profile FROM {from} m WHERE {is_in} ORDER BY m.profile"))?;
    let mut wants = connection.prepare_cached("SELECT profile FROM want WHERE claimant = ?1 ORDER BY profile")?;
    let mut ledger = connection.prepare_cached(
        "SELECT profile, held IS NOT NULL OR unsure IS NOT NULL, due FROM ledger WHERE target = ?1 ORDER BY profile",
    )?;
    let mut refusals = connection
        .prepare_cached("SELECT profile, status, code, operation FROM refusal WHERE target = ?1 ORDER BY profile")?;
    let mut changes =
        connection.prepare_cached("SELECT DISTINCT subject FROM profile_change WHERE seq > ?1 ORDER BY subject")?;
    let nothing = |_: &Row<'_>| Ok(());
    let mut wanted = Stream::new(wanted.query(params![Null, Null, Null, segment])?, nothing)?;
    let mut wants = Stream::new(wants.query([claim.claimant])?, nothing)?;
    let mut ledger =
        Stream::new(ledger.query([claim.target])?, |row| Ok(Mark { there: row.get(1)?, due: row.get(2)? }))?;
    let mut refusals = Stream::new(refusals.query([claim.target])?, |row| {
        Ok(Refused { status: row.get(1)?, code: row.get(2)?, of_removal: row.get::<_, i64>(3)? == 1 })
    })?;
    let mut changes = Stream::new(changes.query([claim.upto])?, nothing)?;
    let mut others = Others::of(connection, claim)?;
    let mut found = Difference::default();
    while let Some(profile) = [wanted.head(), wants.head(), ledger.head()].into_iter().flatten().min() {
        let (is_member, was_wanted) = (wanted.take(profile)?.is_some(), wants.take(profile)?.is_some());
        let (mark, refused) = (ledger.take(profile)?, refusals.take(profile)?);
        let is_due = mark.as_ref().is_some_and(|mark| mark.due.is_some_and(|due| due <= now));
        if is_member {
            let has_changed = changes.take(profile)?.is_some();
            if !was_wanted {
                found.entered.push(profile);
            }
            if mark.is_none() || is_due || claim.anew || has_changed || !was_wanted {
                found.members.push(profile);
            } else {
                found.carry(refused);
            }
            continue;
        }
        if was_wanted {
            found.left.push(profile);
        }
        let Some(mark) = mark else { continue };
        let is_of_no_interest = mark.there && !is_due && !was_wanted && refused.is_none();
        if is_of_no_interest || others.want(profile)? {
            continue;
        }
        match refused {
            _ if mark.there && (is_due || was_wanted) => found.leavers.push(profile),
            Some(refused) if refused.of_removal => found.carry(Some(refused)),
            _ => {}
        }
        if !mark.there {
            found.strangers.push(profile);
        }
    }
    Ok(found)
}

impl Difference {
    fn carry(&mut self, refused: Option<Refused>) {
        let why = refused.map_or((code(ItemStatus::Unchanged), String::new()), |r| (r.status, r.code));
        *self.carried.entry(why).or_default() += 1;
    }
}

/// Rows of a statement in the order of profiles, of which the first column is the number.
struct Stream<'s, T> {
    rows: Rows<'s>,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
    next: Option<(i64, T)>,
}

impl<'s, T> Stream<'s, T> {
    fn new(rows: Rows<'s>, read: fn(&Row<'_>) -> rusqlite::Result<T>) -> Outcome<Self> {
        let mut stream = Self { rows, read, next: None };
        stream.fetch()?;
        Ok(stream)
    }

    fn fetch(&mut self) -> Outcome<()> {
        self.next = match self.rows.next()? {
            Some(row) => Some((row.get(0)?, (self.read)(row)?)),
            None => None,
        };
        Ok(())
    }

    fn head(&self) -> Option<i64> {
        self.next.as_ref().map(|(profile, _)| *profile)
    }

    /// The row of a profile, if there is one. Those before it are passed over.
    fn take(&mut self, profile: i64) -> Outcome<Option<T>> {
        while self.head().is_some_and(|head| head < profile) {
            self.fetch()?;
        }
        if self.head() != Some(profile) {
            return Ok(None);
        }
        let taken = self.next.take().map(|(_, row)| row);
        self.fetch()?;
        Ok(taken)
    }
}

/// Other activations of the target.
struct Others<'c> {
    want: CachedStatement<'c>,
    target: i64,
    claimant: i64,
}

impl<'c> Others<'c> {
    fn of(connection: &'c Connection, claim: &Claim<'_>) -> Outcome<Self> {
        let want = connection.prepare_cached(
            "SELECT 1 FROM claimant c JOIN want w ON w.claimant = c.number
             WHERE c.target = ?1 AND c.number <> ?2 AND w.profile = ?3",
        )?;
        Ok(Self { want, target: claim.target, claimant: claim.claimant })
    }

    fn want(&mut self, profile: i64) -> Outcome<bool> {
        Ok(self.want.exists([self.target, self.claimant, profile])?)
    }
}

fn write_queue(connection: &Connection, delivery: i64, found: &Difference) -> Outcome<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO item (delivery, position, profile, wanted, status, code, message) VALUES (?1, ?2, ?3, ?4, ?5, '', '')",
    )?;
    let leavers = found.leavers.iter().map(|profile| (*profile, false));
    let all = leavers.chain(found.members.iter().map(|profile| (*profile, true)));
    for (position, (profile, wanted)) in (0_i64..).zip(all) {
        insert.execute(params![delivery, position, profile, wanted, code(ItemStatus::Queued)])?;
    }
    let mut carry =
        connection.prepare_cached("INSERT INTO carried (delivery, status, code, members) VALUES (?1, ?2, ?3, ?4)")?;
    for ((status, code), members) in &found.carried {
        carry.execute(params![delivery, status, code, members])?;
    }
    Ok(())
}

fn write_wants(connection: &Connection, claim: &Claim<'_>, found: &Difference) -> Outcome<()> {
    let each = |sql: &str, of: i64, profiles: &[i64]| -> Outcome<()> {
        let mut statement = connection.prepare_cached(sql)?;
        profiles.iter().try_for_each(|profile| statement.execute([of, *profile]).map(|_| ()))?;
        Ok(())
    };
    each("DELETE FROM want WHERE claimant = ?1 AND profile = ?2", claim.claimant, &found.left)?;
    each("INSERT INTO want (claimant, profile) VALUES (?1, ?2)", claim.claimant, &found.entered)?;
    each("DELETE FROM refusal WHERE target = ?1 AND profile = ?2", claim.target, &found.strangers)?;
    each("DELETE FROM ledger WHERE target = ?1 AND profile = ?2", claim.target, &found.strangers)
}

/// The activation is no more: it wants nobody. Who of its members goes is for the next delivery to the target to say.
pub(super) fn release(connection: &Connection, activation: &str) -> Outcome<()> {
    connection
        .prepare_cached(
            "UPDATE ledger SET due = 0 WHERE target = (SELECT target FROM claimant WHERE activation = ?1)
               AND profile IN (SELECT w.profile FROM claimant c JOIN want w ON w.claimant = c.number
                 WHERE c.activation = ?1)",
        )?
        .execute([activation])?;
    connection
        .prepare_cached("DELETE FROM want WHERE claimant = (SELECT number FROM claimant WHERE activation = ?1)")?
        .execute([activation])?;
    connection.prepare_cached("DELETE FROM claimant WHERE activation = ?1")?.execute([activation])?;
    Ok(())
}
