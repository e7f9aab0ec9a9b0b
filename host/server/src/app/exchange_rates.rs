//! Exchange rates: a table for each base, published whole.

use super::connections::same_version;
use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use attiva_core::exchange::{self, Converted, RatesTable};
use attiva_core::number::Exact;
use attiva_core::ports::store::{Expect, Kind};
use attiva_core::time;

impl Sandbox {
    /// Publishes a table in the place of the one of its base.
    ///
    /// # Errors
    /// `exchange-rates.invalid` with each rate at fault; `store.version-mismatch`.
    pub async fn publish_rates(
        &self,
        caller: &Caller,
        base: &str,
        table: RatesTable,
        expect: Expect,
    ) -> Result<Versioned<RatesTable>> {
        if table.base != base {
            return Err(invalid("/base", "is not the base in the path"));
        }
        table.checked().map_err(|problems| {
            let fields = problems.into_iter().map(|p| FieldProblem::new(p.path, p.problem)).collect();
            Refusal::invalid("exchange-rates.invalid", "the table cannot be used", fields)
        })?;
        let before = self.find::<RatesTable>(Kind::ExchangeRates, base)?.map_or(0, |found| found.version);
        if let Expect::Version(seen) = expect {
            same_version(seen, before)?;
        }
        let expect = if before == 0 { Expect::Absent } else { Expect::Version(before) };
        let version = self.put(Kind::ExchangeRates, base, &table, expect).await?;
        self.engine.accounts_changed();
        self.engine.segments_changed();
        let detail = serde_json::json!({ "version": version, "rates": table.rates.len() });
        self.tell(caller, "exchange-rates.published", base, detail).await?;
        Ok(Versioned { value: table, version })
    }

    pub fn rates(&self, base: &str) -> Result<Versioned<RatesTable>> {
        self.get(Kind::ExchangeRates, "exchange-rates", base)
    }

    /// By base, after `after`.
    pub fn all_rates(&self, after: Option<&str>, limit: usize) -> Result<Vec<RatesTable>> {
        self.list(Kind::ExchangeRates, after, limit, |_| true)
    }

    /// An amount in a base, by the rate that held on a day.
    pub fn convert(&self, base: &str, amount: &str, currency: &str, on: &str) -> Result<Converted> {
        let table = self.rates(base)?.value.checked();
        let table = table.map_err(|_| Refusal::internal("a stored table of rates cannot be used"))?;
        let amount = Exact::parse(amount).ok_or_else(|| invalid("/amount", "must be a decimal number"))?;
        let day = time::parse_date(on).ok_or_else(|| invalid("/on", "must be a day: 2026-11-23"))?;
        Ok(exchange::convert(&table, amount, Some(currency), day))
    }
}

fn invalid(field: &str, problem: &str) -> Refusal {
    let message = format!("`{}` {problem}", field.trim_start_matches('/'));
    Refusal::invalid("request.invalid", message, vec![FieldProblem::new(field, problem)])
}
