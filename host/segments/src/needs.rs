//! What evaluating segments reads of a sandbox: nothing else need be loaded.

use crate::plan::Plan;
use attiva_expr::{Expr, Field, Hop, Kind, Model, Sequence, Set, Step};
use std::collections::{BTreeMap, BTreeSet};

/// Fields, relations and audiences, numbered as in the model that the plans were checked against.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// By entity: all whose records are counted or looked at, with the fields that are read.
    pub fields: BTreeMap<usize, BTreeSet<usize>>,
    pub relations: BTreeSet<usize>,
    pub audiences: BTreeSet<String>,
    /// Entities at which something is looked at; others are only passed on the way.
    pub looked_at: BTreeSet<usize>,
    /// Two steps that follow each other on a way.
    pub turns: BTreeSet<(Step, Step)>,
}

impl Needs {
    /// What all of these need together.
    #[must_use]
    pub fn of<'a>(plans: impl IntoIterator<Item = &'a Plan>, model: &Model) -> Self {
        let mut reader = Reader { model, needs: Self::default() };
        for plan in plans {
            let entity = plan.entity().unwrap_or_default();
            reader.entity(entity);
            reader.needs.looked_at.insert(entity);
            for leaf in plan.leaves() {
                if let Some(condition) = leaf.condition() {
                    reader.expr(&condition, &[entity]);
                }
            }
        }
        reader.needs
    }

    /// Whether what was loaded for these suffices for others.
    #[must_use]
    pub fn cover(&self, others: &Self) -> bool {
        let fields = |entity: &usize, wanted: &BTreeSet<usize>| {
            self.fields.get(entity).is_some_and(|loaded| wanted.is_subset(loaded))
        };
        others.fields.iter().all(|(entity, wanted)| fields(entity, wanted))
            && others.relations.is_subset(&self.relations)
            && others.audiences.is_subset(&self.audiences)
            && others.looked_at.is_subset(&self.looked_at)
            && others.turns.is_subset(&self.turns)
    }

    /// Both together.
    pub fn add(&mut self, others: &Self) {
        for (entity, fields) in &others.fields {
            self.fields.entry(*entity).or_default().extend(fields);
        }
        self.relations.extend(&others.relations);
        self.audiences.extend(others.audiences.iter().cloned());
        self.looked_at.extend(&others.looked_at);
        self.turns.extend(&others.turns);
    }

    /// The fields by name: `person.department`, in the order of the model.
    #[must_use]
    pub fn names(&self, model: &Model) -> Vec<String> {
        let name = |entity: &usize, slot: &usize| {
            let entity = model.entities.get(*entity)?;
            Some(format!("{}.{}", entity.name, entity.fields.get(*slot)?.name))
        };
        self.fields.iter().flat_map(|(entity, slots)| slots.iter().filter_map(|slot| name(entity, slot))).collect()
    }
}

struct Reader<'a> {
    model: &'a Model,
    needs: Needs,
}

impl Reader<'_> {
    fn entity(&mut self, entity: usize) {
        self.needs.fields.entry(entity).or_default();
    }

    fn field(&mut self, entity: usize, slot: usize) {
        self.needs.looked_at.insert(entity);
        self.needs.fields.entry(entity).or_default().insert(slot);
    }

    /// `vars`: the entities of the variables in sight, by level.
    fn expr(&mut self, expr: &Expr, vars: &[usize]) {
        match &expr.kind {
            Kind::Field(Field { var, slot, hops, .. }) => {
                self.hops(hops);
                if let Some(entity) = hops.last().map(|hop| hop.to).or(vars.get(*var).copied()) {
                    self.field(entity, *slot);
                }
            }
            Kind::InAudience(membership) => {
                self.hops(&membership.hops);
                self.needs.looked_at.extend(membership.hops.last().map(|hop| hop.to));
                self.needs.audiences.insert(membership.audience.clone());
            }
            Kind::Quantified(q) => self.of_set(&q.set, [&q.condition.body], vars),
            Kind::Aggregated(a) => self.of_set(&a.set, a.value.iter().map(|lambda| &lambda.body), vars),
            Kind::Sequence(sequence) => {
                let Sequence { set, time, .. } = &**sequence;
                self.field(set.entity, *time);
                self.of_set(set, sequence.lambdas().map(|lambda| &lambda.body), vars);
            }
            _ => expr.operands().into_iter().for_each(|operand| self.expr(operand, vars)),
        }
    }

    fn of_set<'e>(&mut self, set: &'e Set, own: impl IntoIterator<Item = &'e Expr>, vars: &[usize]) {
        self.hops(&set.hops);
        self.needs.looked_at.insert(set.entity);
        let inside = [&vars[..set.level.min(vars.len())], &[set.entity]].concat();
        let bodies = set.filters.iter().map(|filter| &filter.body).chain(own);
        bodies.for_each(|body| self.expr(body, &inside));
    }

    fn hops(&mut self, hops: &[Hop]) {
        let steps: Vec<Step> = hops.iter().flat_map(|hop| hop.steps.iter().copied()).collect();
        self.needs.turns.extend(steps.windows(2).map(|two| (two[0], two[1])));
        for step in hops.iter().flat_map(|hop| &hop.steps) {
            let (Step::One(relation) | Step::Many(relation) | Step::Ancestors(relation) | Step::Descendants(relation)) =
                *step;
            self.needs.relations.insert(relation);
            if let Some(relation) = self.model.relations.get(relation) {
                self.entity(relation.from);
                self.entity(relation.to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan, segment_model, segment_scope};
    use attiva_core::model::custom::Custom;
    use attiva_core::model::{EntityKind, Schema};
    use std::sync::Arc;

    fn needs(text: &str) -> (Needs, Arc<Model>) {
        let model = Arc::new(segment_model(&Schema::new(&Custom::default()).unwrap()));
        let checked = attiva_expr::check(text, &segment_scope(&model, EntityKind::Person).unwrap()).unwrap();
        (Needs::of([&plan(&checked).unwrap()], &model), model)
    }

    #[test]
    fn fields_of_every_level_are_needed_with_the_entity_that_they_are_of() {
        let (needs, model) = needs(
            "person.department == \"HR\" && person.opportunity_relations.exists(r, r.person_role == \"x\"
               && r.opportunity.amount > 5 && r.opportunity.account.industry == person.industry)
             && sequence(events, step(e, e.page == \"/\"), step(e, e.type == \"t\")) && inAudience(\"a\")
             && person.events.filter(e, e.form_name == \"f\").size() > 2",
        );
        let names = needs.names(&model);
        for name in [
            "person.department",
            "person.industry",
            "opportunity_person.person_role",
            "opportunity.amount",
            "opportunity.amount_currency",
            "account.industry",
            "activity.page",
            "activity.type",
            "activity.time",
            "activity.form_name",
        ] {
            assert!(names.iter().any(|found| found == name), "{name} is not in {names:?}");
        }
        assert_eq!(names.len(), 10, "{names:?}");
        assert_eq!(needs.audiences.iter().collect::<Vec<_>>(), ["a"]);
        assert_eq!(needs.relations.len(), 4, "person, opportunity, account, and events of a person");
    }

    #[test]
    fn what_covers_has_at_least_as_much() {
        let (some, _) = needs("person.department == \"HR\"");
        let (more, _) = needs("person.department == \"HR\" && person.job_title == \"x\"");
        let (other, _) = needs("person.accounts.size() > 1");
        assert!(more.cover(&some) && !some.cover(&more) && !more.cover(&other));
        let mut all = more.clone();
        all.add(&other);
        assert!(all.cover(&some) && all.cover(&other));
    }
}
