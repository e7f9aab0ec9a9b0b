//! What there is to go to: entities with their fields and links, as data.

use crate::relational::Step;
use attiva_core::DataType;

/// The entities an expression may reach. Numbers elsewhere are places in these lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    pub entities: Vec<Entity>,
    pub relations: Vec<Relation>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    pub name: String,
    pub fields: Vec<EntityField>,
    pub links: Vec<Link>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityField {
    pub name: String,
    pub data_type: DataType,
    /// The field with the currency, by its place, if this is an amount of money.
    pub currency: Option<usize>,
}

/// A name that leads from a record of the entity to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub name: String,
    /// The entity there.
    pub to: usize,
    /// Whether it leads to one record at most or to a set.
    pub many: bool,
    pub steps: Vec<Step>,
}

/// Many records of `from` name one of `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    pub name: String,
    pub from: usize,
    pub to: usize,
}

/// An audience that an expression may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// What the checked expression names it by.
    pub id: String,
    pub name: String,
    /// What its members are.
    pub entity: usize,
}

impl Model {
    /// The number of an entity.
    #[must_use]
    pub fn entity(&self, name: &str) -> Option<usize> {
        self.entities.iter().position(|entity| entity.name == name)
    }
}

impl Entity {
    /// The place of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    pub(crate) fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }
}
