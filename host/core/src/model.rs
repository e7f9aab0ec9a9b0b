//! The B2B model: which entities there are, and their fields. So far persons; accounts, opportunities and the rest
//! come beside them in this table.

use crate::value::DataType;

/// A field of an entity of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// As it stands in expressions: `person.job_title`.
    pub name: &'static str,
    pub data_type: DataType,
    /// For people.
    pub title: &'static str,
}

const fn field(name: &'static str, data_type: DataType, title: &'static str) -> Field {
    Field { name, data_type, title }
}

/// A person's fields. The published B2B person class with its work e-mail, names and B2B details, flat.
pub const PERSON: &[Field] = &[
    field("email", DataType::Text, "Work e-mail"),
    field("first_name", DataType::Text, "First name"),
    field("last_name", DataType::Text, "Last name"),
    field("job_title", DataType::Text, "Job title"),
    field("department", DataType::Text, "Department"),
    field("company_name", DataType::Text, "Company"),
    field("company_website", DataType::Text, "Company website"),
    field("industry", DataType::Text, "Industry of the company"),
    field("annual_revenue", DataType::Decimal, "Annual revenue of the company"),
    field("number_of_employees", DataType::Integer, "Employees of the company"),
    field("phone", DataType::Text, "Work phone"),
    field("mobile_phone", DataType::Text, "Mobile phone"),
    field("street", DataType::Text, "Street"),
    field("city", DataType::Text, "City"),
    field("state", DataType::Text, "State or region"),
    field("postal_code", DataType::Text, "Postal code"),
    field("country", DataType::Text, "Country"),
    field("person_type", DataType::Text, "Lead or Contact"),
    field("person_status", DataType::Text, "Status"),
    field("person_source", DataType::Text, "Where the person came from"),
    field("person_score", DataType::Integer, "Score"),
    field("is_unsubscribed", DataType::Boolean, "Has unsubscribed from e-mail"),
    field("crm_contact_key", DataType::Text, "Id of the CRM contact"),
    field("crm_lead_key", DataType::Text, "Id of the CRM lead"),
    field("created_date", DataType::Timestamp, "Created"),
    field("last_updated_date", DataType::Timestamp, "Last updated"),
];

/// The fields of an entity by its name; `None` for a name the model does not have.
#[must_use]
pub fn entity(name: &str) -> Option<&'static [Field]> {
    (name == "person").then_some(PERSON)
}

/// The position of a person field in a profile's row.
#[must_use]
pub fn person_slot(name: &str) -> Option<usize> {
    PERSON.iter().position(|f| f.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_field_has_a_slot() {
        for (slot, field) in PERSON.iter().enumerate() {
            assert_eq!(person_slot(field.name), Some(slot), "{}", field.name);
        }
        assert!(entity("person").is_some());
        assert!(entity("persons").is_none());
    }
}
