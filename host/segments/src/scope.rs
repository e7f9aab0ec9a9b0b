//! What a segment of persons may name.

use attiva_core::model;
use attiva_expr::Scope;

/// One root, `person`, with the model's fields: a field's slot is its position in [`model::PERSON`].
#[must_use]
pub fn person_scope() -> Scope {
    Scope::new().root("person", model::PERSON.iter().map(|field| (field.name.to_owned(), field.data_type)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_the_positions_in_a_profiles_row() {
        for field in model::PERSON {
            assert_eq!(person_scope().slot("person", field.name), model::person_slot(field.name), "{}", field.name);
        }
        assert_eq!(person_scope().len(), model::PERSON.len());
    }
}
