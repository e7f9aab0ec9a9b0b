//! Why a profile is what it is: where each value comes from, what joins its records, and what was held back. Decided
//! anew from the stored records, so it is what the projector would decide now.

use crate::engine::Inner;
use crate::neighbours::{Entry, Records};
use crate::profiles::resolve;
use attiva_core::id::{ConnectionId, ProfileId};
use attiva_core::identity::{Component, Held, Level, Link};
use attiva_core::merge::{self, Chosen, MappedRecord, Why};
use attiva_core::model::Layout;
use attiva_core::{Fault, Millis, Value};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldOrigin {
    pub field: String,
    pub value: Value,
    pub why: Why,
    /// `None`: somebody set it.
    pub from: Option<RecordOrigin>,
    /// Who chose it, where somebody did.
    pub pinned: Option<Pinned>,
}

/// Who chose a value, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// An API key's id.
    pub by: String,
    pub at: Millis,
}

/// The record and the mapping that gave a value.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordOrigin {
    pub source_key: String,
    pub connection: ConnectionId,
    pub stream: String,
    /// When the source last changed the record.
    pub at: Millis,
    /// Over the native record.
    pub expression: String,
}

/// Why a profile is what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    pub profile: ProfileId,
    /// Which identities join its records.
    pub level: Level,
    /// A limit keeps records out of it.
    pub degraded: bool,
    /// Those that have a value, or that somebody keeps empty, in the model's order.
    pub fields: Vec<FieldOrigin>,
    pub links: Vec<Link>,
    pub held: Vec<Held>,
}

pub(crate) fn explain(inner: &Inner, profile: &ProfileId) -> Result<Option<Explanation>, Fault> {
    let stored = inner.store.records_by_number(&inner.store.records_of(profile)?)?;
    let Some(entity) = stored.first().and_then(|record| record.entity.clone()) else { return Ok(None) };
    let policies = inner.policies.get(inner, &entity)?;
    let find = |connection: &_, stream: &str| inner.catalogs.mapping(inner, connection, stream);
    let mut records = Records::new(inner.store.as_ref(), &find, &policies, inner.clock.now());
    let (neighbourhood, resolution) = resolve(inner.store.as_ref(), &mut records, stored, &policies)?;
    let Some(component) = resolution.components.into_iter().find(|c| c.profile == *profile) else { return Ok(None) };
    let node = |n: &usize| neighbourhood.nodes.get(*n).and_then(|node| records.by_key(&node.source_key));
    let members: Vec<&Entry> = component.nodes.iter().filter_map(node).collect();
    let mapped: Vec<&MappedRecord> = members.iter().map(|entry| &entry.mapped).collect();
    let mut fields = Vec::new();
    let pins = policies.pins(&mapped);
    let effective = merge::effective(&pins, &mapped, &policies.survivorship);
    for (slot, chosen) in merge::merge(&mapped, &policies.survivorship, &pins).into_iter().enumerate() {
        let pin = effective.iter().find(|(of, _)| *of == slot).filter(|_| chosen.why == Why::Pinned);
        let pinned = pin.map(|(_, pin)| Pinned { by: pin.by.clone(), at: pin.at });
        fields.extend(origin(&policies.layout, &records, &members, slot, chosen, pinned)?);
    }
    let degraded = component.is_degraded();
    let Component { profile, level, links, held, .. } = component;
    Ok(Some(Explanation { profile, level, degraded, fields, links, held }))
}

fn origin(
    layout: &Layout,
    records: &Records<'_>,
    members: &[&Entry],
    slot: usize,
    chosen: Chosen,
    pinned: Option<Pinned>,
) -> Result<Option<FieldOrigin>, Fault> {
    // A field that somebody keeps empty is told as well.
    let is_told = !chosen.value.is_null() || pinned.is_some();
    let Some(field) = layout.fields().get(slot).filter(|_| is_told) else { return Ok(None) };
    let from = match chosen.from.and_then(|i| members.get(i)) {
        None => None,
        Some(Entry { stored, mapped, .. }) => {
            let mapping = records.mapping(stored)?;
            let expression = mapping.as_ref().and_then(|m| m.expression(slot)).unwrap_or_default().to_owned();
            Some(RecordOrigin {
                source_key: stored.source_key.clone(),
                connection: stored.connection.clone(),
                stream: stored.stream.clone(),
                at: mapped.at,
                expression,
            })
        }
    };
    Ok(Some(FieldOrigin { field: field.name.to_string(), value: chosen.value, why: chosen.why, from, pinned }))
}
