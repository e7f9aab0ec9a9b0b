//! Checks 41 to 48: members who come and go.

use super::delivery::settle;
use super::{keeping_targets, or_end, targets};
use crate::report::{Findings, Verdict, not_applicable};
use crate::run::delivery::{Delivery, Row};
use crate::subject::Subject;
use crate::suite::TargetSuite;
use attiva_core::page::{Outcome, OutcomeStatus};
use attiva_core::{Fault, FaultKind, Value};
use attiva_wasm::EraseStatus;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What a target is found to be in.
enum Looked {
    Sound,
    Wrong(String),
    /// The vendor cannot be asked.
    Blind,
}

/// Looks at each target; faults are problems.
async fn each(
    s: &Subject,
    targets: &[TargetSuite],
    nothing: &str,
    look: impl AsyncFn(&TargetSuite) -> Result<Looked, Fault>,
) -> Verdict {
    let mut found = Findings::default();
    for target in targets {
        match look(target).await {
            Ok(Looked::Sound) => found.looked(),
            Ok(Looked::Wrong(problem)) => found.problem(format!("{}: {problem}", target.name())),
            Ok(Looked::Blind) => {}
            Err(fault) => found.problem(format!("{}: {fault}", target.name())),
        }
    }
    let _ = s;
    found.verdict(nothing)
}

fn sound_or(holds: bool, or_else: impl FnOnce() -> String) -> Looked {
    if holds { Looked::Sound } else { Looked::Wrong(or_else()) }
}

/// Rows as they come back: with the vendor's name of each member.
fn known(rows: Vec<Row>, outcomes: &[Outcome]) -> Vec<Row> {
    let with = |(row, outcome): (Row, &Outcome)| Row { member_id: outcome.member_id.clone(), ..row };
    rows.into_iter().zip(outcomes).map(with).collect()
}

/// Sends a batch and settles it, so that the vendor can be asked.
async fn deliver(delivery: &mut Delivery<'_>, rows: &[Row]) -> Result<Vec<Outcome>, Fault> {
    let outcomes = delivery.send(rows).await?;
    let end = delivery.finish().await?;
    Ok(settle(rows, outcomes, &end))
}

pub(super) async fn find_or_create(s: &Subject) -> Verdict {
    let targets = or_end!(keeping_targets(s));
    each(s, targets, "", async |target| {
        let scene = format!("find {}", target.name());
        let mut first = s.prepared(target, &scene).await?;
        first.finish().await?;
        let asked = s.stand.requests().len();
        let mut second = s.delivery(target, &s.id(&scene), "2")?;
        second.patient = true;
        second.prepare().await?;
        let again = s.stand.requests().into_iter().skip(asked);
        let wrote: Vec<String> =
            again.filter(|r| s.writes(&r.origin, &r.method, &r.target)).map(|r| r.line()).collect();
        Ok(sound_or(wrote.is_empty(), || format!("to prepare what is there it writes: {}", wrote.join(", "))))
    })
    .await
}

pub(super) async fn add_remove(s: &Subject) -> Verdict {
    let targets = or_end!(keeping_targets(s));
    each(s, targets, "the vendor cannot be asked who is in a target", async |target| {
        let mut delivery = s.prepared(target, &format!("add-remove {}", target.name())).await?;
        let rows = target.members(0..3);
        let outcomes = deliver(&mut delivery, &rows).await?;
        let declared = s.spec().delivery.as_ref().and_then(|delivery| delivery.read_back);
        let told = delivery.members().await?;
        let Some(added) = told else {
            return Ok(match declared {
                Some(true) => Looked::Wrong("it declares `delivery.read_back`, and cannot tell its members".into()),
                Some(false) | None => Looked::Blind,
            });
        };
        if declared == Some(false) {
            return Ok(Looked::Wrong(
                "it tells its members, and declares that it cannot (`delivery.read_back`)".into(),
            ));
        }
        if added.len() != 3 {
            return Ok(Looked::Wrong(format!("3 were added, and {} are members", added.len())));
        }
        let leaver: Vec<Row> = known(rows, &outcomes).into_iter().take(1).map(Row::removed).collect();
        let mut removal = s.delivery(target, &delivery.target.id, "2")?;
        removal.patient = true;
        removal.prepare().await?;
        let removed = deliver(&mut removal, &leaver).await?;
        let left = removal.members().await?.unwrap_or_default();
        let status = removed.first().map(|outcome| outcome.status);
        let is_out = matches!(status, Some(OutcomeStatus::Removed | OutcomeStatus::Updated));
        Ok(sound_or(left.len() == 2 && left.is_subset(&added) && is_out, || {
            format!("1 of 3 was removed ({status:?}), and {} are members", left.len())
        }))
    })
    .await
}

pub(super) async fn remove_unknown(s: &Subject) -> Verdict {
    let targets = or_end!(keeping_targets(s));
    each(s, targets, "", async |target| {
        let mut delivery = s.prepared(target, &format!("remove-unknown {}", target.name())).await?;
        let stranger = vec![target.member(0).removed()];
        let outcomes = deliver(&mut delivery, &stranger).await?;
        let refused = outcomes.iter().find(|outcome| outcome.status == OutcomeStatus::Rejected);
        Ok(sound_or(refused.is_none(), || {
            format!(
                "to remove who is not there is rejected: {}",
                refused.map(|r| r.message.clone()).unwrap_or_default()
            )
        }))
    })
    .await
}

pub(super) async fn full_and_delta(s: &Subject) -> Verdict {
    let targets = or_end!(keeping_targets(s));
    each(s, targets, "the vendor cannot be asked who is in a target", async |target| {
        let mut full = s.prepared(target, &format!("full {}", target.name())).await?;
        deliver(&mut full, &target.members(1..4)).await?;
        let Some(wanted) = full.members().await? else { return Ok(Looked::Blind) };
        let mut delta = s.prepared(target, &format!("delta {}", target.name())).await?;
        let rows = target.members(0..2);
        let outcomes = deliver(&mut delta, &rows).await?;
        let leaver: Vec<Row> = known(rows, &outcomes).into_iter().take(1).map(Row::removed).collect();
        let mut steps = vec![leaver];
        steps.push(target.members(2..4));
        for (n, step) in steps.into_iter().enumerate() {
            let mut next = s.delivery(target, &delta.target.id, &format!("{}", n + 2))?;
            next.patient = true;
            next.prepare().await?;
            deliver(&mut next, &step).await?;
        }
        let found = delta.members().await?.unwrap_or_default();
        let names = |all: &std::collections::BTreeSet<Vec<(String, String)>>| all.len();
        Ok(sound_or(found == wanted, || {
            format!("all at once makes {} members, step by step {}, or others", names(&wanted), names(&found))
        }))
    })
    .await
}

pub(super) async fn hashing(s: &Subject) -> Verdict {
    let targets = or_end!(targets(s));
    each(s, targets, "the suite names no column that is sent as a hash", async |target| {
        let Some(column) = &target.hashed else { return Ok(Looked::Blind) };
        let mut delivery = s.prepared(target, &format!("hashing {}", target.name())).await?;
        let plain = "ada.kit@example.com";
        let hash = hex::encode(Sha256::digest(plain));
        let twice = hex::encode(Sha256::digest(&hash));
        let cases = [
            ("an address with blanks and capitals", "  Ada.Kit@EXAMPLE.com ".to_owned()),
            ("an address", plain.to_owned()),
            ("a hash", hash.clone()),
            ("a hash in capitals", hash.to_uppercase()),
        ];
        for (n, (what, written)) in (0u32..).zip(cases) {
            let asked = s.stand.requests().len();
            delivery.send(&[target.member(n).with(column, Value::Text(written))]).await?;
            let sent = s.stand.requests().into_iter().skip(asked);
            let sent = sent.map(|request| String::from_utf8_lossy(&request.body).to_ascii_lowercase());
            let sent = sent.collect::<Vec<_>>().join("\n");
            let problem = if sent.contains(plain) {
                "is sent as it is"
            } else if sent.contains(&twice) {
                "is hashed again"
            } else if sent.contains(&hash) {
                continue;
            } else {
                "is not sent as the hash of the trimmed lower-case address"
            };
            return Ok(Looked::Wrong(format!("{what} {problem}")));
        }
        Ok(Looked::Sound)
    })
    .await
}

pub(super) async fn erase(s: &Subject) -> Verdict {
    let targets = or_end!(targets(s));
    let objects = s.objects().await.unwrap_or_default();
    let mut found = Findings::default();
    let mut reason = "it cannot erase".to_owned();
    for target in targets {
        let name = target.name();
        let scene = format!("erase {name}");
        let Ok(mut delivery) = s.prepared(target, &scene).await else { continue };
        let row = target.member(0);
        if let Err(fault) = deliver(&mut delivery, std::slice::from_ref(&row)).await {
            found.problem(format!("{name}: {fault}"));
            continue;
        }
        let keys = objects.iter().find(|o| o.name == target.object).map(|o| o.fields.iter().filter(|f| f.matching_key));
        for field in keys.into_iter().flatten() {
            let Some(Value::Text(identifier)) = row.values.get(&field.name) else { continue };
            let identifiers = vec![(field.name.clone(), identifier.clone())];
            let Delivery { connection, target: place, .. } = &delivery;
            let erased = s.plugin.erase(&connection.context, place, &identifiers).await;
            match erased {
                Err(fault) if fault.kind == FaultKind::Unsupported => reason = fault.message,
                Err(fault) => found.problem(format!("{name} by {}: {fault}", field.name)),
                Ok((result, _)) => {
                    found.hold(result.status != EraseStatus::Cannot || !result.message.is_empty(), || {
                        format!("{name} cannot erase by {}, and does not say why", field.name)
                    });
                    let is_left = match delivery.members().await {
                        Ok(Some(members)) => result.status == EraseStatus::Removed && !members.is_empty(),
                        _ => false,
                    };
                    found.hold(!is_left, || format!("{name}: erased by {}, and still a member", field.name));
                    let Delivery { connection, target: place, .. } = &delivery;
                    let again = s.plugin.erase(&connection.context, place, &identifiers).await;
                    found.hold(again.is_ok(), || format!("{name}: erased a second time it fails"));
                }
            }
            // The others are tried on somebody who is there.
            let _ = deliver(&mut delivery, std::slice::from_ref(&row)).await;
        }
    }
    found.verdict(&reason)
}

pub(super) async fn removal_sends_nothing(s: &Subject) -> Verdict {
    let targets = or_end!(keeping_targets(s));
    let objects = s.objects().await.unwrap_or_default();
    each(s, targets, "its members have nothing but what they are called", async |target| {
        let fields = objects.iter().find(|o| o.name == target.object).map(|o| o.fields.clone()).unwrap_or_default();
        let is_key = |name: &str| fields.iter().any(|f| f.name == name && (f.matching_key || f.required));
        let texts: BTreeMap<&str, String> = target
            .columns
            .iter()
            .filter(|c| c.data_type == attiva_core::DataType::Text && !is_key(&c.name))
            .map(|c| (c.name.as_str(), format!("kitcanary{}", c.name.len())))
            .collect();
        if texts.is_empty() {
            return Ok(Looked::Blind);
        }
        let mut delivery = s.prepared(target, &format!("removal {}", target.name())).await?;
        let rows = target.members(0..1);
        let outcomes = deliver(&mut delivery, &rows).await?;
        let mut leavers: Vec<Row> = known(rows, &outcomes).into_iter().map(Row::removed).collect();
        for row in &mut leavers {
            row.values.extend(texts.iter().map(|(name, text)| ((*name).to_owned(), Value::Text(text.clone()))));
        }
        let mut removal = s.delivery(target, &delivery.target.id, "2")?;
        removal.patient = true;
        removal.prepare().await?;
        let asked = s.stand.requests().len();
        let outcomes = deliver(&mut removal, &leavers).await?;
        let made = outcomes.iter().find(|o| matches!(o.status, OutcomeStatus::Created));
        if made.is_some() {
            return Ok(Looked::Wrong("a member who is removed is created".into()));
        }
        let told = s.stand.requests().into_iter().skip(asked).find_map(|request| {
            let body = String::from_utf8_lossy(&request.body).into_owned() + &request.target;
            texts.iter().find(|(_, text)| body.contains(text.as_str())).map(|(name, _)| (*name).to_owned())
        });
        Ok(sound_or(told.is_none(), || format!("of a member who is removed {} is sent", told.unwrap_or_default())))
    })
    .await
}

pub(super) async fn settled_jobs(s: &Subject) -> Verdict {
    let targets = or_end!(targets(s));
    if !targets.iter().any(|target| target.is_job) {
        return not_applicable("the suite names no target that is filled by a job");
    }
    each(s, targets, "", async |target| {
        if !target.is_job {
            return Ok(Looked::Blind);
        }
        let mut delivery = s.prepared(target, &format!("job {}", target.name())).await?;
        let mut rows = target.members(0..target.rows.max(2));
        let poisoned = target.poisoned(1);
        if let (Some(place), Some(poisoned)) = (rows.get_mut(1), &poisoned) {
            *place = poisoned.clone();
        }
        let outcomes = delivery.send(&rows).await?;
        let end = delivery.finish().await?;
        if let Some(stranger) = end.exceptions.keys().find(|key| !rows.iter().any(|row| row.key == **key)) {
            return Ok(Looked::Wrong(format!("it settles {stranger}, which was never sent")));
        }
        let settled = settle(&rows, outcomes, &end);
        let refused: Vec<usize> =
            settled.iter().enumerate().filter(|(_, o)| o.status == OutcomeStatus::Rejected).map(|(n, _)| n).collect();
        let wanted = if poisoned.is_some() { vec![1] } else { vec![] };
        Ok(sound_or(refused == wanted, || {
            format!("the rows {wanted:?} are refused by the vendor, it says {refused:?}")
        }))
    })
    .await
}
