//! What an operator adds to the model: attributes of its entities, entities of their own, such as an object of the
//! CRM that nobody published a class for, and what is rolled up along the hierarchy of accounts.

use super::{EntityKind, Field, rolled, slot};
use crate::account::roll_up::RollUp;
use crate::value::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything added. Published as a whole: its version moves with every change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CustomModel")]
#[serde(deny_unknown_fields)]
pub struct Custom {
    pub version: u32,
    #[serde(default)]
    pub attributes: Vec<CustomAttribute>,
    #[serde(default)]
    pub entities: Vec<CustomEntity>,
    /// Fields of accounts as one value of their ultimate parent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roll_ups: Vec<RollUp>,
}

/// An attribute beside the fields of an entity of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomAttribute {
    pub entity: EntityKind,
    pub field: CustomField,
}

/// A field that an operator declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomField {
    /// Lower-case letters, digits and `_`, a letter first, at most 64.
    pub name: String,
    pub data_type: DataType,
    #[serde(default)]
    pub title: String,
    /// The values it may have; empty: any of its type. For text only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// An entity of the operator's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomEntity {
    pub name: String,
    #[serde(default)]
    pub title: String,
    pub fields: Vec<CustomField>,
    /// To whom it belongs; at least one, else no rule could reach it.
    pub relations: Vec<CustomRelation>,
}

/// Many of the custom entity belong to one person, account or opportunity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomRelation {
    /// The text field that holds the other's source key.
    pub field: String,
    pub to: EntityKind,
    /// What these are called from there: `subscriptions`.
    pub name_there: String,
}

/// Why an addition cannot be taken: where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct ModelProblem {
    pub path: String,
    pub problem: String,
}

/// What custom entities may belong to.
pub const RELATED: [EntityKind; 3] = [EntityKind::Person, EntityKind::Account, EntityKind::Opportunity];

impl Custom {
    /// Without attributes that the model has had itself since they were declared: they are the model's from then on, under
    /// the same name.
    #[must_use]
    pub fn adopted(mut self) -> Self {
        self.attributes.retain(|attribute| slot(attribute.entity, &attribute.field.name).is_none());
        self
    }

    /// Everything that is wrong, or nothing.
    pub fn check(&self) -> Result<(), Vec<ModelProblem>> {
        let mut problems = Vec::new();
        for (i, attribute) in self.attributes.iter().enumerate() {
            let path = format!("attributes[{i}]");
            field_problems(&path, &attribute.field, &mut problems);
            let name = &attribute.field.name;
            if slot(attribute.entity, name).is_some() || is_relation(attribute.entity, name) {
                report(&mut problems, &path, format!("{} has `{name}` already", attribute.entity.name()));
            }
            let same = |other: &CustomAttribute| other.entity == attribute.entity && other.field.name == *name;
            if self.attributes.iter().take(i).any(same) {
                report(&mut problems, &path, format!("`{name}` is declared twice"));
            }
        }
        for (i, entity) in self.entities.iter().enumerate() {
            self.entity_problems(i, entity, &mut problems);
        }
        for (i, roll_up) in self.roll_ups.iter().enumerate() {
            name_problem(&format!("roll_ups[{i}]"), &roll_up.name, &mut problems);
        }
        problems.extend(rolled::problems(self));
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn entity_problems(&self, i: usize, entity: &CustomEntity, problems: &mut Vec<ModelProblem>) {
        let path = format!("entities[{i}]");
        name_problem(&path, &entity.name, problems);
        let taken = EntityKind::parse(&entity.name).is_some()
            || self.entities.iter().take(i).any(|other| other.name == entity.name);
        if taken {
            report(problems, &path, format!("there is an entity `{}` already", entity.name));
        }
        for (j, field) in entity.fields.iter().enumerate() {
            let path = format!("{path}.fields[{j}]");
            field_problems(&path, field, problems);
            if entity.fields.iter().take(j).any(|other| other.name == field.name) {
                report(problems, &path, format!("`{}` is declared twice", field.name));
            }
        }
        if entity.relations.is_empty() {
            report(problems, &path, "must belong to a person, an account or an opportunity: add a relation");
        }
        for (j, relation) in entity.relations.iter().enumerate() {
            let path = format!("{path}.relations[{j}]");
            name_problem(&format!("{path}.name_there"), &relation.name_there, problems);
            if !RELATED.contains(&relation.to) {
                report(problems, &path, "must lead to person, account or opportunity");
            }
            let holds = |f: &CustomField| f.name == relation.field && f.data_type == DataType::Text;
            if !entity.fields.iter().any(holds) {
                report(problems, &path, format!("`{}` must be a text field of the entity", relation.field));
            }
            let other = self.entities.iter().take(i).flat_map(|e| &e.relations).chain(entity.relations.iter().take(j));
            let same = |r: &CustomRelation| r.to == relation.to && r.name_there == relation.name_there;
            let there = slot(relation.to, &relation.name_there).is_some()
                || is_relation(relation.to, &relation.name_there)
                || self.attributes.iter().any(|a| a.entity == relation.to && a.field.name == relation.name_there);
            if there || other.into_iter().any(same) {
                report(problems, &path, format!("{} has `{}` already", relation.to.name(), relation.name_there));
            }
        }
    }
}

/// Whether a relation is called so, seen from the entity.
pub(super) fn is_relation(kind: EntityKind, name: &str) -> bool {
    let of = |kind: EntityKind| kind.entity().relations.iter().chain(kind.lists());
    let from_here = of(kind).any(|r| r.name == name);
    let mut all = EntityKind::ALL.into_iter().flat_map(of);
    from_here || all.any(|r| r.to == kind && r.name_there == name)
}

fn field_problems(path: &str, field: &CustomField, problems: &mut Vec<ModelProblem>) {
    name_problem(path, &field.name, problems);
    if !field.values.is_empty() && field.data_type != DataType::Text {
        report(problems, path, "only text has a list of values it may have");
    }
}

fn name_problem(path: &str, name: &str, problems: &mut Vec<ModelProblem>) {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !plain || name.len() > 64 || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        report(problems, path, format!("`{name}` must be 1 to 64 lower-case letters, digits or _, a letter first"));
    }
}

fn report(problems: &mut Vec<ModelProblem>, path: &str, problem: impl Into<String>) {
    problems.push(ModelProblem { path: path.to_owned(), problem: problem.into() });
}

impl From<&Field> for CustomField {
    fn from(field: &Field) -> Self {
        Self {
            name: field.name.to_owned(),
            data_type: field.data_type,
            title: field.title.to_owned(),
            values: field.values.iter().map(|v| (*v).to_owned()).collect(),
        }
    }
}
