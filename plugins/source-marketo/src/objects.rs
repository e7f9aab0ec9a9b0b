//! Companies, opportunities and their roles: Marketo has no list of them and no way to ask what changed, so they are
//! read by the keys that other streams name, and again where an activity says that something happened.
//!
//! ```text
//! persons.contactCompany -> companies          persons.id -> roles by person, for all history
//! roles.externalOpportunityId -> opportunities  activities 34, 35, 36 -> persons -> roles -> opportunities, from then on
//! ```

use crate::activity::Activity;
use crate::chain::{batch, next_page};
use crate::cursor::{Chain, OpportunityState, VERSION};
use crate::fields::{CONTACT_COMPANY, Field, ID, UPDATED_AT};
use crate::keyed::{self, Key, Question};
use crate::reader::Reader;
use crate::record::Records;
use crate::request;
use attiva_connector::{ColumnSpec, Cursor, Page, PageBuilder, Result};
use serde_json::Value;
use std::collections::BTreeSet;

/// Add to Opportunity, Remove from Opportunity, Update Opportunity.
const TYPES: &str = "34,35,36";
/// The key of an opportunity in the CRM, which roles have as well.
const EXTERNAL_ID: &str = "externalOpportunityId";
const LEAD_ID: &str = "leadId";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    Companies,
    OpportunityRoles,
    Opportunities,
}

impl Object {
    /// What the lead database calls it.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Companies => "companies",
            Self::OpportunityRoles => "opportunities/roles",
            Self::Opportunities => "opportunities",
        }
    }

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Companies => ID,
            Self::OpportunityRoles => "marketoGUID",
            // Roles name opportunities by this, and know no other.
            Self::Opportunities => EXTERNAL_ID,
        }
    }

    /// What stands behind the key of its records.
    fn suffix(self) -> &'static str {
        match self {
            Self::Companies => ".mkto_org",
            Self::OpportunityRoles | Self::Opportunities => "",
        }
    }

    /// The stream and column whose values are the keys to ask for, and the field they are asked for in.
    pub(crate) fn keyed_by(self) -> (&'static str, &'static str) {
        match self {
            Self::Companies => ("persons", CONTACT_COMPANY),
            Self::OpportunityRoles => ("persons", ID),
            Self::Opportunities => ("opportunity_roles", EXTERNAL_ID),
        }
    }

    fn asked_by(self) -> &'static str {
        match self {
            Self::Companies => ID,
            Self::OpportunityRoles => LEAD_ID,
            Self::Opportunities => EXTERNAL_ID,
        }
    }
}

/// Reads the keys that the host gives; without keys, what activities name.
pub(crate) fn page(reader: &Reader, object: Object, cursor: Option<&Cursor>) -> Result<Page> {
    let chain = match cursor {
        Some(cursor) => cursor.decode::<OpportunityState>(VERSION)?.chain,
        None if object == Object::Companies => Chain::at(String::new(), reader.api.now()),
        None => Chain::begin(reader, reader.api.now())?,
    };
    let mut state = OpportunityState { chain };
    if !reader.keys.is_empty() {
        let rows = read(reader, object, &keyed::askable(reader.keys))?;
        let page = rows.finish(Cursor::encode(VERSION, &state)?)?.estimate("reading by key", None, None);
        return Ok(page.caught_up());
    }
    if object == Object::Companies {
        return Ok(Page::moved(Cursor::encode(VERSION, &state)?).caught_up());
    }
    let batch = batch(reader);
    let (listed, warning) = next_page(reader, &mut state.chain, |token| request::activities(TYPES, token, batch))?;
    let leads: BTreeSet<i64> = listed.result.iter().filter_map(|activity| activity.lead_id).collect();
    let leads: Vec<String> = leads.iter().map(i64::to_string).collect();
    let mut unnamed = false;
    let keys = match object {
        Object::Companies | Object::OpportunityRoles => leads,
        Object::Opportunities => {
            let named: BTreeSet<String> = listed.result.iter().filter_map(named_opportunity).collect();
            let of_roles = opportunities_of(reader, &leads)?;
            unnamed = of_roles.is_none() && named.is_empty() && !leads.is_empty();
            named.into_iter().chain(of_roles.unwrap_or_default()).collect()
        }
    };
    let mut rows = read(reader, object, &keyed::askable(&keys))?;
    if unnamed {
        rows.warn(
            "marketo.opportunities-unnamed",
            "activities of opportunities came that do not say which; this instance serves no roles to find out: \
             connect the CRM itself for opportunities",
        );
    }
    let wait_ms = state.chain.wait_ms();
    let mut page = rows.finish(Cursor::encode(VERSION, &state)?)?;
    page.wait_ms = wait_ms;
    page.warnings.extend(warning);
    let page = page.estimate("reading changes", None, None);
    Ok(if listed.has_more() { page } else { page.caught_up() })
}

/// Reads records by their keys, 300 at once. Without keys nothing is asked.
fn read(reader: &Reader, object: Object, keys: &[String]) -> Result<PageBuilder> {
    if keys.is_empty() {
        return Ok(PageBuilder::new(&[]));
    }
    let described = reader.fields_of(object.path())?;
    let fields = reader.chosen(described, &[object.key(), EXTERNAL_ID, LEAD_ID, UPDATED_AT]);
    let columns: Vec<ColumnSpec> = fields.iter().map(Field::column).collect();
    let mut rows = PageBuilder::new(&columns);
    let path = format!("/rest/v1/{}.json", object.path());
    let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    for values in keys.chunks(request::BATCH_MAX) {
        let question = Question { path: &path, by: object.asked_by(), values, fields: &names };
        let bodies = keyed::ask(reader, &question)?;
        keyed::add_rows(reader, &bodies, &fields, Key { fields: &[object.key()], suffix: object.suffix() }, &mut rows)?;
    }
    Ok(rows)
}

/// The opportunities in which these persons have a role; nothing if roles are not served here.
fn opportunities_of(reader: &Reader, leads: &[String]) -> Result<Option<Vec<String>>> {
    let path = format!("/rest/v1/{}.json", Object::OpportunityRoles.path());
    let mut found = Vec::new();
    for values in leads.chunks(request::BATCH_MAX) {
        let question = Question { path: &path, by: LEAD_ID, values, fields: &[EXTERNAL_ID] };
        let bodies = match keyed::try_ask(reader, &question)? {
            Ok(bodies) => bodies,
            Err(refusal) if refusal.is_not_served() => return Ok(None),
            Err(refusal) => return Err(refusal.fault(reader.api.host.now_ms())),
        };
        for body in &bodies {
            let records = Records::read(body)?.result;
            found.extend(records.iter().filter_map(|role| Some(role.text(EXTERNAL_ID)?.into_owned())));
        }
    }
    Ok(Some(found))
}

/// The key of the opportunity an activity is about, where an attribute has it. The vendor's documents do not say which
/// attributes these activities have, so every spelling of that name counts.
fn named_opportunity(activity: &Activity) -> Option<String> {
    let is_key = |name: &str| {
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        ["externalopportunityid", "opportunityexternalid", "sfdcopptyid", "sfdcopportunityid"]
            .contains(&letters.to_ascii_lowercase().as_str())
    };
    let attribute = activity.attributes.iter().find(|attribute| is_key(&attribute.name))?;
    match &attribute.value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
