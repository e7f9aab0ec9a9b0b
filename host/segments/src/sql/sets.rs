//! Sets of records: quantifiers, aggregates, sequences, audiences.

use super::{Result, Writer, refused};
use attiva_core::tables::DECIMAL_SCALE;
use attiva_expr::{
    Aggregate, Aggregated, CompareOp, Expr, Lambda, Membership, Position, Quantified, Quantifier, Sequence, Set, Step,
};

/// The elements of a set in a FROM clause.
struct Elements {
    /// The alias that the elements have.
    alias: String,
    from: String,
    /// How they hang together with the variable outside.
    link: String,
}

impl Writer<'_> {
    /// Elements, each once: where the path may lead to one twice, they are looked up by their ids.
    fn elements(&mut self, set: &Set) -> Elements {
        let steps = set.steps();
        let outer = self.scopes.get(set.from).map(|scope| scope.alias.clone()).unwrap_or_default();
        let alias = self.alias();
        let table = self.table(set.entity);
        if steps.len() == 1 || leads_to_each_once(&steps) {
            let (from, link) = self.chain(&outer, &steps, &alias, &table);
            return Elements { alias, from, link };
        }
        let last = self.alias();
        let (from, link) = self.chain(&outer, &steps, &last, &table);
        let link = format!("{alias}._id IN (SELECT {last}._id FROM {from} WHERE {link})");
        Elements { from: format!("{table} {alias}"), alias, link }
    }

    /// The tables of a path, joined, and what joins the first to the variable outside.
    fn chain(&mut self, outer: &str, steps: &[Step], last: &str, last_table: &str) -> (String, String) {
        let (mut from, mut link) = (String::new(), String::new());
        let mut before = outer.to_owned();
        for (i, step) in steps.iter().enumerate() {
            let is_last = i + 1 == steps.len();
            let alias = if is_last { last.to_owned() } else { self.alias() };
            let table = if is_last { last_table.to_owned() } else { self.table(self.leads_to(*step)) };
            let (more, on) = match step {
                Step::One(relation) => {
                    (format!("{table} {alias}"), format!("{alias}._id = {before}.{}", self.relation_column(*relation)))
                }
                Step::Many(relation) => {
                    (format!("{table} {alias}"), format!("{alias}.{} = {before}._id", self.relation_column(*relation)))
                }
                Step::Ancestors(relation) | Step::Descendants(relation) => {
                    let (here, there) =
                        if matches!(step, Step::Ancestors(_)) { ("from_id", "to_id") } else { ("to_id", "from_id") };
                    let pairs = self.alias();
                    let both = format!(
                        "{} {pairs} JOIN {table} {alias} ON {alias}._id = {pairs}.{there}",
                        self.closure_table(*relation)
                    );
                    (both, format!("{pairs}.{here} = {before}._id"))
                }
            };
            if i == 0 {
                (from, link) = (more, on);
            } else if let Some((table, join)) = more.split_once(" JOIN ") {
                from = format!("{from} JOIN {table} ON {on} JOIN {join}");
            } else {
                from = format!("{from} JOIN {more} ON {on}");
            }
            before = alias;
        }
        (from, link)
    }

    fn leads_to(&self, step: Step) -> usize {
        let relation = |number: usize| &self.options.model.relations[number];
        match step {
            Step::Many(number) => relation(number).from,
            Step::One(number) | Step::Ancestors(number) | Step::Descendants(number) => relation(number).to,
        }
    }

    /// Conditions about the element, which is the innermost variable.
    fn all_of(&mut self, lambdas: &[&Lambda]) -> Result<Vec<String>> {
        lambdas.iter().map(|lambda| self.truth(&lambda.body)).collect()
    }

    /// `EXISTS (..)` of the elements that pass the filters and of which `more` holds.
    fn exists(&mut self, set: &Set, more: impl FnOnce(&mut Self) -> Result<Vec<String>>) -> Result<String> {
        let elements = self.elements(set);
        let filters: Vec<&Lambda> = set.filters.iter().collect();
        let (conditions, joins) = self.inside(&elements.alias, set.entity, |writer| {
            let mut all = writer.all_of(&filters)?;
            all.extend(more(writer)?);
            Ok(all)
        })?;
        let conditions: String = conditions.iter().map(|condition| format!(" AND {condition}")).collect();
        Ok(format!("EXISTS (SELECT 1 FROM {}{joins} WHERE {}{conditions})", elements.from, elements.link))
    }

    /// `(SELECT .. FROM the elements)`, where `select` is made of an expression about an element.
    fn select(&mut self, set: &Set, select: impl FnOnce(&mut Self) -> Result<String>) -> Result<String> {
        let elements = self.elements(set);
        let filters: Vec<&Lambda> = set.filters.iter().collect();
        let ((conditions, select), joins) = self.inside(&elements.alias, set.entity, |writer| {
            let conditions = writer.all_of(&filters)?;
            Ok((conditions, select(writer)?))
        })?;
        let conditions: String = conditions.iter().map(|condition| format!(" AND {condition}")).collect();
        Ok(format!("(SELECT {select} FROM {}{joins} WHERE {}{conditions})", elements.from, elements.link))
    }

    /// How many elements pass the filters and meet a condition. The condition stands beside the filters and not in a sum:
    /// of what an aggregate is, SQL tells by the columns inside, and there may be none of the element's.
    fn count(&mut self, set: &Set, condition: Option<&Expr>) -> Result<String> {
        let elements = self.elements(set);
        let filters = set.filters.iter().map(|filter| &filter.body).chain(condition);
        let (conditions, joins) = self.inside(&elements.alias, set.entity, |writer| {
            filters.map(|condition| writer.truth(condition).map(|c| format!(" AND {c}"))).collect::<Result<String>>()
        })?;
        Ok(format!("(SELECT COUNT(*) FROM {}{joins} WHERE {}{conditions})", elements.from, elements.link))
    }

    pub(super) fn quantified(&mut self, quantified: &Quantified) -> Result<String> {
        let (set, condition) = (&quantified.set, &quantified.condition.body);
        match &quantified.how {
            Quantifier::Exists => self.exists(set, |writer| Ok(vec![writer.truth(condition)?])),
            Quantifier::None => {
                self.exists(set, |writer| Ok(vec![writer.truth(condition)?])).map(|exists| format!("NOT {exists}"))
            }
            Quantifier::All => {
                // Neither what is false nor what is unknown.
                let unmet = |writer: &mut Self| {
                    Ok(vec![format!("(CASE WHEN {} THEN 0 ELSE 1 END) = 1", writer.truth(condition)?)])
                };
                self.exists(set, unmet).map(|exists| format!("NOT {exists}"))
            }
            Quantifier::ExistsOne => self.count(set, Some(condition)).map(|count| format!("{count} = 1")),
            Quantifier::AtLeast(n) => self.count(set, Some(condition)).map(|count| format!("{count} >= {n}")),
            Quantifier::ShareOf(share) => {
                let (whole, fraction) = share.split_once('.').unwrap_or((share, ""));
                let digits = format!("{whole}{fraction}");
                let (share, one) = (digits.trim_start_matches('0'), format!("1{}", "0".repeat(fraction.len())));
                let (met, all) = (self.count(set, Some(condition))?, self.count(set, None)?);
                Ok(format!("{all} > 0 AND {met} * {one} >= {all} * {share}"))
            }
        }
    }

    pub(super) fn aggregated(&mut self, aggregated: &Aggregated, at: Position) -> Result<String> {
        let function = match aggregated.how {
            Aggregate::Count => return self.count(&aggregated.set, None),
            Aggregate::Sum => "SUM",
            Aggregate::Min => "MIN",
            Aggregate::Max => "MAX",
            Aggregate::Average => return self.average(aggregated, at),
        };
        self.select(&aggregated.set, |writer| {
            let (text, fails) = writer.summed(aggregated, at)?;
            let whole =
                if function == "SUM" { format!("COALESCE(SUM({text}), 0)") } else { format!("{function}({text})") };
            Ok(match fails {
                Some(fails) => format!("CASE WHEN SUM({fails}) > 0 THEN NULL ELSE {whole} END"),
                None => whole,
            })
        })
    }

    /// The value of an element, and 1 where it fails, which SQL reads as null.
    fn summed(&mut self, aggregated: &Aggregated, at: Position) -> Result<(String, Option<String>)> {
        let none = || refused(at, "an aggregate without a value");
        let value = aggregated.value.as_ref().map(|lambda| &lambda.body).ok_or_else(none)?;
        let (mut text, mut fails) = (self.value(value)?, self.fault(value)?);
        // An aggregate of nothing of the element's would be one of the query around.
        let own = self.scopes.last().map(|scope| scope.alias.clone()).unwrap_or_default();
        let level = self.scopes.len() - 1;
        if text.contains("SELECT") || !value.fields().iter().any(|field| field.var == level) {
            text = format!("CASE WHEN {own}._id IS NULL THEN NULL ELSE {text} END");
        }
        if let Some(fails) = &mut fails {
            *fails = format!("CASE WHEN {own}._id IS NOT NULL AND {fails} THEN 1 ELSE 0 END");
        }
        Ok((text, fails))
    }

    fn average(&mut self, aggregated: &Aggregated, at: Position) -> Result<String> {
        let scale = aggregated.value.as_ref().map_or(0, |value| self.scale(&value.body));
        let source = self.select(&aggregated.set, |writer| {
            let (text, fails) = writer.summed(aggregated, at)?;
            let sum = match fails {
                Some(fails) => format!("CASE WHEN SUM({fails}) > 0 THEN NULL ELSE SUM({text}) END"),
                None => format!("SUM({text})"),
            };
            Ok(format!("{sum} AS x, NULLIF(COUNT({text}), 0) AS y"))
        })?;
        let source = source.strip_prefix('(').and_then(|source| source.strip_suffix(')')).unwrap_or(&source);
        self.quotient(source, scale, at)
    }

    /// `average op other`. Where a number with few places stands on the other side, it needs no division: the sum against so
    /// many times that number, which is the same as long as the average of less than 10^9 values is not rounded past it.
    pub(super) fn average_against(
        &mut self,
        aggregated: &Aggregated,
        op: CompareOp,
        (average, other): (&Expr, &Expr),
    ) -> Result<String> {
        let of_value = aggregated.value.as_ref().map_or(0, |value| self.scale(&value.body));
        if self.constant(other).is_none() || of_value.max(self.scale(other)) > DECIMAL_SCALE {
            return self.compared(op, average, other);
        }
        let other = self.value(other)?;
        let answer = self.select(&aggregated.set, |writer| {
            let (text, fails) = writer.summed(aggregated, average.at)?;
            let fails = fails.map_or(String::new(), |fails| format!("SUM({fails}) > 0 OR "));
            let op = super::scalar::operator(op);
            Ok(format!(
                "CASE WHEN {fails}COUNT({text}) = 0 OR {other} IS NULL THEN NULL WHEN SUM({text}) {op} {other} * \
                 COUNT({text}) THEN 1 ELSE 0 END"
            ))
        })?;
        Ok(format!("({answer} = 1)"))
    }

    /// That the value of some element of a set fails.
    pub(super) fn some_element_fails(&mut self, set: &Set, value: &Expr) -> Result<Option<String>> {
        if !super::fault::may_fail(value) {
            return Ok(None);
        }
        self.exists(set, |writer| Ok(writer.fault(value)?.into_iter().collect())).map(Some)
    }

    pub(super) fn sequence(&mut self, sequence: &Sequence) -> Result<String> {
        let set = &sequence.set;
        let field = self.options.model.entities[set.entity].fields[sequence.time].name.clone();
        let (mut from, mut wheres): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        let mut before: Option<String> = None;
        for step in &sequence.steps {
            let elements = self.elements(set);
            let event = elements.alias.clone();
            let lambdas: Vec<&Lambda> = set.filters.iter().chain([&step.condition]).collect();
            let (conditions, joins) = self.inside(&event, set.entity, |writer| writer.all_of(&lambdas))?;
            from.push(format!("{}{joins}", elements.from));
            wheres.push(elements.link);
            wheres.extend(conditions);
            wheres.push(format!("{event}.{field} IS NOT NULL"));
            if let Some(before) = &before {
                wheres.push(format!("{event}.{field} > {before}.{field}"));
                wheres.extend(step.within_ms.map(|ms| format!("{event}.{field} - {before}.{field} < {ms}")));
                if let Some(not) = &step.not_between {
                    let between = self.elements(set);
                    let lambdas: Vec<&Lambda> = set.filters.iter().chain([not]).collect();
                    let other = between.alias.clone();
                    let (conditions, joins) = self.inside(&other, set.entity, |writer| writer.all_of(&lambdas))?;
                    wheres.push(format!(
                        "NOT EXISTS (SELECT 1 FROM {}{joins} WHERE {} AND {} AND {other}.{field} > {before}.{field} AND \
                         {other}.{field} < {event}.{field})",
                        between.from,
                        between.link,
                        conditions.join(" AND ")
                    ));
                }
            }
            before = Some(event);
        }
        Ok(format!("EXISTS (SELECT 1 FROM {} WHERE {})", from.join(" CROSS JOIN "), wheres.join(" AND ")))
    }

    pub(super) fn in_audience(&mut self, membership: &Membership) -> String {
        let (alias, _) = self.reached(membership.var, &membership.hops);
        if !(self.options.has_result)(&membership.audience) {
            return super::scalar::UNKNOWN.to_owned();
        }
        let member = self.alias();
        let audience = super::scalar::text(&membership.audience);
        let exists = format!(
            "EXISTS (SELECT 1 FROM audience_member {member} WHERE {member}.audience = {audience} AND {member}.member_id = {alias}._id)"
        );
        if membership.hops.is_empty() {
            return exists;
        }
        // Of nobody it is unknown.
        format!("({exists} OR ({alias}._id IS NULL AND {}))", super::scalar::UNKNOWN)
    }
}

/// Whether no element can be reached twice: going to many from different records leads to different records.
fn leads_to_each_once(steps: &[Step]) -> bool {
    let to_many = steps.iter().position(|step| !matches!(step, Step::One(_))).unwrap_or(steps.len());
    steps[to_many..].iter().skip(1).all(|step| matches!(step, Step::Many(_)))
}
