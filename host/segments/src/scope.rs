//! What a segment may name: the whole model, seen from a person or from an account.

use attiva_core::DataType;
use attiva_core::model::{self, EntityKind, Schema, SchemaEntity};
use attiva_expr::{Entity, EntityField, Link, Model, Relation, Scope, Step};
use std::sync::Arc;

/// One root, `person`, with the model's fields and nothing beside: a field's slot is its position in
/// [`model::PERSON`]. For whoever has a person's row and nothing else.
#[must_use]
pub fn person_scope() -> Scope {
    Scope::new().root("person", model::PERSON.iter().map(|field| (field.name.to_owned(), field.data_type)))
}

/// Everything a segment over `entity` may name: its fields, and what is reached from it. None for an entity that no
/// segment is about.
#[must_use]
pub fn segment_scope(model: &Arc<Model>, entity: EntityKind) -> Option<Scope> {
    match entity {
        EntityKind::Person | EntityKind::Account => Scope::over(Arc::clone(model), entity.name()),
        _ => None,
    }
}

/// The entities of a sandbox with their fields, the relations that its schema declares, and paths of more than one
/// relation that have a name of their own.
#[must_use]
pub fn segment_model(schema: &Schema) -> Model {
    let mut builder = Builder { model: Model::default() };
    builder.model.entities = schema.entities.iter().map(entity).collect();
    for entity in &schema.entities {
        for relation in &entity.relations {
            builder.relation(&entity.name, &relation.to, &relation.name, &relation.name_there);
        }
    }
    builder.paths();
    builder.model
}

/// What of a decimal field is its currency is said by the names alone: `amount`, `amount_currency`.
fn entity(entity: &SchemaEntity) -> Entity {
    let currency = |name: &str, data_type: DataType| {
        let wanted = format!("{name}_currency");
        let of = |f: &attiva_core::model::SchemaField| f.name == wanted && f.data_type == DataType::Text;
        if data_type == DataType::Decimal { entity.fields.iter().position(of) } else { None }
    };
    let fields = entity.fields.iter().map(|field| EntityField {
        name: field.name.clone(),
        data_type: field.data_type,
        currency: currency(&field.name, field.data_type),
    });
    Entity { name: entity.name.clone(), fields: fields.collect(), links: Vec::new() }
}

struct Builder {
    model: Model,
}

impl Builder {
    /// Declares a relation and the two names by which it is gone.
    fn relation(&mut self, from: &str, to: &str, name: &str, name_there: &str) {
        let (Some(from), Some(to)) = (self.model.entity(from), self.model.entity(to)) else { return };
        let relation = self.model.relations.len();
        self.model.relations.push(Relation { name: name.to_owned(), from, to });
        self.link(from, name, to, false, vec![Step::One(relation)]);
        self.link(to, name_there, from, true, vec![Step::Many(relation)]);
        if from == to {
            self.link(from, "ancestors", to, true, vec![Step::Ancestors(relation)]);
            self.link(from, "descendants", to, true, vec![Step::Descendants(relation)]);
        }
    }

    /// A later name takes the place of an earlier one.
    fn link(&mut self, from: usize, name: &str, to: usize, many: bool, steps: Vec<Step>) {
        let links = &mut self.model.entities[from].links;
        links.retain(|link| link.name != name);
        links.push(Link { name: name.to_owned(), to, many, steps });
    }

    fn paths(&mut self) {
        // An event is of the record that its key names, and so of the account that this record names.
        self.relation("activity", "person_component", "component", "events");
        for (from, name, path) in PATHS {
            self.path(from, name, path);
        }
    }

    /// A name for a path of links, each of which there must be.
    fn path(&mut self, from: &str, name: &str, path: &[&str]) {
        let Some(start) = self.model.entity(from) else { return };
        let mut steps = Vec::new();
        let mut at = start;
        for name in path {
            let Some(link) = self.model.entities[at].links.iter().find(|link| link.name == *name) else { return };
            steps.extend(&link.steps);
            at = link.to;
        }
        self.link(start, name, at, true, steps);
    }
}

/// Which persons are an account's, and which opportunities a person's, has more than one answer: each has its name.
const PATHS: &[(&str, &str, &[&str])] = &[
    // The direct path: a record of the person names the account.
    ("person", "accounts", &["components", "account"]),
    ("account", "people", &["components", "person"]),
    // By the relation between the two.
    ("person", "accounts_by_relation", &["account_relations", "account"]),
    ("account", "people_by_relation", &["person_relations", "person"]),
    // Accounts tied to it by a record of its own, either way.
    ("account", "related_accounts", &["related", "related_account"]),
    ("account", "accounts_related_to_it", &["related_from", "account"]),
    // Those named on the opportunity, and everyone at its account.
    ("person", "opportunities_by_role", &["opportunity_relations", "opportunity"]),
    ("person", "opportunities_by_account", &["accounts", "opportunities"]),
    ("opportunity", "people_by_role", &["people", "person"]),
    ("account", "people_by_role", &["opportunities", "people_by_role"]),
    ("account", "events", &["components", "events"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_core::model::custom::Custom;

    #[test]
    fn slots_are_the_positions_in_a_profiles_row() {
        for field in model::PERSON {
            assert_eq!(person_scope().slot("person", field.name), model::person_slot(field.name), "{}", field.name);
        }
        assert_eq!(person_scope().len(), model::PERSON.len());
    }

    #[test]
    fn every_relation_is_gone_both_ways_and_every_path_leads_somewhere() {
        let schema = Schema::new(&Custom::default()).unwrap();
        let model = segment_model(&schema);
        for entity in &schema.entities {
            for relation in &entity.relations {
                let number = |name: &str| model.entity(name).unwrap();
                let names =
                    |of: &str| model.entities[number(of)].links.iter().map(|l| l.name.clone()).collect::<Vec<_>>();
                assert!(names(&entity.name).contains(&relation.name), "{}.{}", entity.name, relation.name);
                assert!(names(&relation.to).contains(&relation.name_there), "{}.{}", relation.to, relation.name_there);
            }
        }
        for (from, name, _) in PATHS {
            let entity = &model.entities[model.entity(from).unwrap()];
            assert!(entity.links.iter().any(|l| l.name == *name && l.steps.len() > 1), "{from}.{name}");
        }
    }

    #[test]
    fn an_amount_knows_its_currency() {
        let model = segment_model(&Schema::new(&Custom::default()).unwrap());
        let opportunity = &model.entities[model.entity("opportunity").unwrap()];
        let field = |name: &str| &opportunity.fields[opportunity.field(name).unwrap()];
        assert_eq!(field("amount").currency, opportunity.field("amount_currency"));
        assert_eq!((field("quantity").currency, field("amount_currency").currency), (None, None));
    }
}
