//! The word lists that seeded leads are made from. Every domain ends in `.example`, so that no real mailbox is ever named.

pub(super) const FIRST_NAMES: &[&str] = &[
    "Maria", "James", "Anna", "Wei", "Olivia", "Mohammed", "Sofia", "Liam", "Priya", "Lucas", "Emma", "Noah", "Fatima",
    "Hiroshi", "Chloe", "Daniel", "Ingrid", "Carlos", "Aisha", "Peter", "Yuki", "Thomas", "Elena", "Kwame", "Grace",
    "Omar", "Julia", "Andrei", "Hannah", "Diego", "Mei", "Oscar",
];

pub(super) const FIRST_NAMES_ELSEWHERE: &[&str] =
    &["José", "Zoë", "Łukasz", "Søren", "Jürgen", "Émilie", "Dağhan", "陽子", "Анна", "علي", "Nguyễn", "Þóra"];

pub(super) const LAST_NAMES: &[&str] = &[
    "Keller",
    "Smith",
    "Garcia",
    "Chen",
    "Okafor",
    "Johansson",
    "Rossi",
    "Dubois",
    "Tanaka",
    "Silva",
    "Novak",
    "Brown",
    "Haddad",
    "Kim",
    "Jensen",
    "Patel",
    "Murphy",
    "Costa",
    "Weber",
    "Martin",
    "Kowalski",
    "Nguyen",
    "Ivanova",
    "Lopez",
    "Schmidt",
    "Taylor",
    "Moreau",
    "Santos",
    "Berg",
    "Fischer",
    "Khan",
    "Walker",
];

pub(super) const LAST_NAMES_ELSEWHERE: &[&str] =
    &["O'Brien", "Núñez", "Müller", "de la Cruz, Jr.", "D'Angelo", "Strömberg", "田中", "Smith-Jones"];

pub(super) const SENIORITY: &[(&str, u64)] = &[
    ("", 40),
    ("Senior ", 22),
    ("Head of ", 8),
    ("Director of ", 12),
    ("Vice President ", 8),
    ("Chief ", 3),
    ("Junior ", 7),
];

pub(super) const DEPARTMENTS: &[(&str, u64)] = &[
    ("Sales", 24),
    ("Marketing", 20),
    ("IT", 18),
    ("Engineering", 12),
    ("Finance", 9),
    ("Operations", 7),
    ("HR", 6),
    ("Legal", 2),
    ("Procurement", 2),
];

pub(super) const COMPANY_FIRST: &[&str] = &[
    "Northwind",
    "Bluefin",
    "Granite",
    "Harbor",
    "Quantum",
    "Silverline",
    "Evergreen",
    "Summit",
    "Redwood",
    "Ironbridge",
    "Lakeside",
    "Apex",
    "Orchid",
    "Meridian",
    "Cobalt",
    "Falcon",
    "Juniper",
    "Polaris",
    "Copper",
    "Atlas",
    "Beacon",
    "Cedar",
    "Delta",
    "Ember",
];

pub(super) const COMPANY_SECOND: &[&str] = &[
    "Robotics",
    "Logistics",
    "Analytics",
    "Foods",
    "Energy",
    "Health",
    "Systems",
    "Materials",
    "Insurance",
    "Media",
    "Airways",
    "Software",
    "Textiles",
    "Capital",
    "Motors",
    "Networks",
];

pub(super) const COMPANY_FORMS: &[(&str, u64)] = &[
    (" Inc.", 30),
    (" Ltd", 20),
    (" GmbH", 15),
    (" LLC", 15),
    (" SA", 8),
    (", Inc.", 6),
    (" & Söhne KG", 3),
    (" \"Global\" BV", 2),
    ("", 10),
];

pub(super) const INDUSTRIES: &[(&str, u64)] = &[
    ("Technology", 28),
    ("Manufacturing", 18),
    ("Financial Services", 14),
    ("Healthcare", 11),
    ("Retail", 9),
    ("Business Services", 8),
    ("Transportation", 5),
    ("Energy & Utilities", 4),
    ("Education", 3),
];

/// City, state, country, start of the postal code, telephone prefix, weight.
pub(super) const PLACES: &[(Place, u64)] = &[
    (Place::new("San Francisco", Some("CA"), "United States", "94", "+1 415"), 16),
    (Place::new("New York", Some("NY"), "United States", "10", "+1 212"), 16),
    (Place::new("Austin", Some("TX"), "United States", "78", "+1 512"), 9),
    (Place::new("Toronto", Some("ON"), "Canada", "M5V ", "+1 416"), 8),
    (Place::new("London", None, "United Kingdom", "EC1A ", "+44 20"), 13),
    (Place::new("München", Some("Bayern"), "Germany", "80", "+49 89"), 9),
    (Place::new("Paris", None, "France", "75", "+33 1"), 7),
    (Place::new("São Paulo", Some("SP"), "Brazil", "01", "+55 11"), 6),
    (Place::new("Sydney", Some("NSW"), "Australia", "20", "+61 2"), 5),
    (Place::new("東京", None, "Japan", "10", "+81 3"), 5),
    (Place::new("Zürich", Some("ZH"), "Switzerland", "80", "+41 44"), 3),
    (Place::new("Kraków", None, "Poland", "30", "+48 12"), 3),
];

/// Where a company sits.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) city: &'static str,
    pub(super) state: Option<&'static str>,
    pub(super) country: &'static str,
    pub(super) postal_start: &'static str,
    pub(super) phone_start: &'static str,
}

impl Place {
    const fn new(
        city: &'static str,
        state: Option<&'static str>,
        country: &'static str,
        postal_start: &'static str,
        phone_start: &'static str,
    ) -> Self {
        Self { city, state, country, postal_start, phone_start }
    }
}

pub(super) const STREETS: &[&str] = &[
    "Market St",
    "Main St",
    "High Street",
    "Hauptstraße",
    "Rue de Rivoli",
    "King St",
    "Industrial Ave",
    "Park Lane",
    "Harbour Rd",
    "5th Ave",
];

pub(super) const STATUSES: &[(&str, u64)] =
    &[("New", 35), ("Open", 20), ("Working", 15), ("MQL", 12), ("SQL", 6), ("Customer", 7), ("Disqualified", 5)];

pub(super) const SOURCES: &[(&str, u64)] = &[
    ("Web", 34),
    ("Trade Show", 15),
    ("Webinar", 18),
    ("Referral", 8),
    ("List Import", 14),
    ("Paid Search", 7),
    ("Partner", 4),
];

pub(super) const RATINGS: &[(&str, u64)] = &[("Cold", 50), ("Warm", 35), ("Hot", 15)];

pub(super) const PRODUCTS: &[(&str, u64)] =
    &[("Platform", 40), ("Analytics", 30), ("Data Exchange", 20), ("Support", 10)];

pub(super) const PAGES: &[&str] =
    &["/", "/pricing", "/product/platform", "/customers", "/blog/abm-guide", "/contact", "/resources/webinar"];
