//! What may stand in an expression: roots, and their fields.

use crate::model::{Audience, Model};
use attiva_core::DataType;
use std::sync::Arc;

/// The records an expression may name, each a root with typed fields. A row for the expression is a slice of values,
/// one for each field, in the order the fields were added: a field's place there is its *slot*.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    roots: Vec<Root>,
    slots: usize,
    reach: Option<Reach>,
}

/// What can be reached from the one root.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub(crate) model: Arc<Model>,
    /// Of the root.
    pub(crate) entity: usize,
    /// None: nobody knows which there are, so that any may be named.
    pub(crate) audiences: Option<Vec<Audience>>,
}

#[derive(Debug, Clone)]
struct Root {
    name: String,
    first_slot: usize,
    fields: Vec<(String, DataType)>,
}

impl Scope {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a root. Of two roots or fields with one name, the first is found; the second still has its slots.
    #[must_use]
    pub fn root(mut self, name: &str, fields: impl IntoIterator<Item = (String, DataType)>) -> Self {
        let fields: Vec<_> = fields.into_iter().collect();
        let first_slot = self.slots;
        self.slots += fields.len();
        self.roots.push(Root { name: name.to_owned(), first_slot, fields });
        self
    }

    /// One root, a record of an entity of the model, from which others can be reached. Its fields' slots are their
    /// places in the entity. None if the model has no such entity.
    #[must_use]
    pub fn over(model: Arc<Model>, entity: &str) -> Option<Self> {
        let number = model.entity(entity)?;
        let fields = model.entities[number].fields.iter().map(|field| (field.name.clone(), field.data_type));
        let mut scope = Self::new().root(entity, fields);
        scope.reach = Some(Reach { model, entity: number, audiences: None });
        Some(scope)
    }

    /// The audiences that may be named; without this, any may be.
    #[must_use]
    pub fn with_audiences(mut self, audiences: Vec<Audience>) -> Self {
        if let Some(reach) = &mut self.reach {
            reach.audiences = Some(audiences);
        }
        self
    }

    /// The model that can be reached.
    #[must_use]
    pub fn model(&self) -> Option<&Arc<Model>> {
        self.reach.as_ref().map(|reach| &reach.model)
    }

    pub(crate) fn reach(&self) -> Option<&Reach> {
        self.reach.as_ref()
    }

    /// Where the value of `root.field` stands in a row.
    #[must_use]
    pub fn slot(&self, root: &str, field: &str) -> Option<usize> {
        self.find(root, field).map(|(slot, _)| slot)
    }

    /// How many values a row has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots == 0
    }

    pub(crate) fn find(&self, root: &str, field: &str) -> Option<(usize, DataType)> {
        let root = self.roots.iter().find(|r| r.name == root)?;
        let at = root.fields.iter().position(|(name, _)| name == field)?;
        Some((root.first_slot + at, root.fields[at].1))
    }

    pub(crate) fn has_root(&self, name: &str) -> bool {
        self.roots.iter().any(|r| r.name == name)
    }

    pub(crate) fn root_names(&self) -> impl Iterator<Item = &str> {
        self.roots.iter().map(|r| r.name.as_str())
    }

    pub(crate) fn field_names(&self, root: &str) -> impl Iterator<Item = &str> {
        let root = self.roots.iter().find(|r| r.name == root);
        root.into_iter().flat_map(|r| r.fields.iter().map(|(name, _)| name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_numbered_in_order_over_all_roots() {
        let texts = |names: &[&str]| names.iter().map(|n| ((*n).to_owned(), DataType::Text)).collect::<Vec<_>>();
        let scope = Scope::new().root("a", texts(&["x", "y"])).root("b", texts(&["x"]));
        assert_eq!((scope.slot("a", "x"), scope.slot("a", "y"), scope.slot("b", "x")), (Some(0), Some(1), Some(2)));
        assert_eq!((scope.slot("b", "y"), scope.slot("c", "x"), scope.len()), (None, None, 3));
    }
}
