//! What accounts are worked out by, beside profiles: rules, roll-ups, rates and limits. It is compared with what
//! everything was worked out by, so whoever changes any of it need tell nobody.

use crate::engine::read;
use crate::policies;
use attiva_core::account::matching::Matcher;
use attiva_core::account::roll_up::RollUp;
use attiva_core::account::rules::MatchRules;
use attiva_core::exchange::RatesTable;
use attiva_core::model::custom::Custom;
use attiva_core::model::rolled;
use attiva_core::number::{RateTable, Rates};
use attiva_core::ports::store::{Kind, SandboxStore};
use attiva_core::value::DataType;
use attiva_core::{Fault, FaultKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The id of the document of rules that match leads to accounts.
pub const MATCH_RULES: &str = "account";

/// Published, or those that hold until some are.
pub fn match_rules(store: &dyn SandboxStore) -> Result<MatchRules, Fault> {
    store.document(Kind::MatchRules, MATCH_RULES)?.map_or_else(|| Ok(MatchRules::default()), |found| read(found.body))
}

/// All of it, ready for use.
pub(crate) struct Basis {
    text: String,
    pub(super) matcher: Matcher,
    pub(super) rules_version: u32,
    pub(super) roll_ups: Vec<RollUp>,
    /// The type of each roll-up's result, in their order.
    pub(super) types: Vec<Option<DataType>>,
    pub(super) rates: BTreeMap<String, RateTable>,
    /// Accounts of a family that are looked at.
    pub(super) family_max: usize,
    /// Accounts that may have a domain or a name in common and still be found by it.
    pub(super) sharing_max: usize,
}

/// What a basis is made of, and its text.
#[derive(serde::Serialize)]
struct Parts<'a> {
    /// Of what is kept: moves when that means something else.
    version: u32,
    rules: &'a MatchRules,
    roll_ups: &'a [RollUp],
    types: &'a [Option<DataType>],
    rates: &'a BTreeMap<String, RatesTable>,
    family_max: u64,
    sharing_max: u64,
}

const VERSION: u32 = 1;

impl Basis {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// The basis that was used last: what it is made of is read each time, and it is made anew where that is other.
#[derive(Default)]
pub(crate) struct BasisCache(Mutex<Option<Arc<Basis>>>);

impl BasisCache {
    pub(crate) fn get(&self, store: &dyn SandboxStore) -> Result<Arc<Basis>, Fault> {
        let rules = match_rules(store)?;
        let custom = policies::custom(store)?;
        let guardrails = policies::guardrails(store)?;
        let max = |id: &str| guardrails.max(id).unwrap_or(u64::MAX);
        let (family_max, sharing_max) = (max("account.family"), max("account.sharing_key"));
        let types: Vec<Option<DataType>> = custom.roll_ups.iter().map(|r| rolled::result(&custom, r)).collect();
        let tables = tables(store, &custom)?;
        let parts = Parts {
            version: VERSION,
            rules: &rules,
            roll_ups: &custom.roll_ups,
            types: &types,
            rates: &tables,
            family_max,
            sharing_max,
        };
        let text = serde_json::to_string(&parts)
            .map_err(|error| Fault::new(FaultKind::Internal, "accounts.basis", error.to_string()))?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(basis) = kept.as_ref().filter(|basis| basis.text == text) {
            return Ok(Arc::clone(basis));
        }
        let rates = custom.roll_ups.iter().filter_map(|r| r.currency.as_ref()).map(|base| {
            let published = tables.get(base).and_then(|table| table.checked().ok());
            // Without a table an amount in the base is itself, and no other is taken for it.
            let alone = || RateTable::new(&Rates { base: base.clone(), rates: Vec::new() }).unwrap_or_default();
            (base.clone(), published.unwrap_or_else(alone))
        });
        let rates: BTreeMap<String, RateTable> = rates.collect();
        let basis = Arc::new(Basis {
            text,
            rules_version: rules.version,
            matcher: Matcher::new(rules),
            roll_ups: custom.roll_ups,
            types,
            rates,
            family_max: usize::try_from(family_max).unwrap_or(usize::MAX),
            sharing_max: usize::try_from(sharing_max).unwrap_or(usize::MAX - 1),
        });
        *kept = Some(Arc::clone(&basis));
        Ok(basis)
    }
}

/// The tables that roll-ups of money need.
fn tables(store: &dyn SandboxStore, custom: &Custom) -> Result<BTreeMap<String, RatesTable>, Fault> {
    let bases: BTreeSet<&String> = custom.roll_ups.iter().filter_map(|roll_up| roll_up.currency.as_ref()).collect();
    let mut tables = BTreeMap::new();
    for base in bases {
        if let Some(document) = store.document(Kind::ExchangeRates, base)? {
            tables.insert(base.clone(), read(document.body)?);
        }
    }
    Ok(tables)
}
