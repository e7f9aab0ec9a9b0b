//! For every function, and for what values are made of beside them, a segment that is true for person 0 of
//! [`world`](super::cases::world), one that is false, one that is unknown; and what has no statement in SQL.

/// What it is about, true, false, unknown. A function is named as it is called in the language's own list.
pub const CASES: &[(&str, [&str; 3])] = &[
    ("Size", ["person.job_title.size() == 3", "size(person.departments) == 2", "person.city.size() > 0"]),
    (
        "LowerAscii",
        [
            "person.job_title.lowerAscii() == \"cmo\"",
            "person.job_title.lowerAscii() == \"CMO\"",
            "person.city.lowerAscii() == \"x\"",
        ],
    ),
    (
        "UpperAscii",
        [
            "person.job_title.upperAscii() == \"CMO\"",
            "person.job_title.upperAscii() == \"cmo\"",
            "person.city.upperAscii() == \"X\"",
        ],
    ),
    (
        "Trim",
        [
            "person.department.trim() == \"HR;People\"",
            "person.department.trim() == person.department",
            "person.city.trim() == \"\"",
        ],
    ),
    (
        "Split",
        [
            "\"People\" in person.department.trim().split(\";\")",
            "\"HR\" in person.department.split(\";\")",
            "\"x\" in person.city.split(\";\")",
        ],
    ),
    (
        "Split",
        [
            "person.department.split(\";\").size() == 2",
            "person.department.split(\",\").size() == 2",
            "person.city.split(\";\").size() == 1",
        ],
    ),
    (
        "Split",
        [
            "\"M\" in person.job_title.split(\"\")",
            "\"MO\" in person.job_title.split(\"\")",
            "person.city in person.job_title.split(\"\")",
        ],
    ),
    (
        "Split",
        [
            "\"-b\" in (person.job_title + \"--a---b\").split(\"--\")",
            "\"b\" in (person.job_title + \"--a---b\").split(\"--\")",
            "\"b\" in (person.city + \"--b\").split(\"--\")",
        ],
    ),
    (
        "Split",
        [
            "\"!#\" in (person.job_title + \";!#;\").split(\";\")",
            "\"!$\" in (person.job_title + \";!#;\").split(\";\")",
            "person.city in person.job_title.split(\";\")",
        ],
    ),
    (
        "Join",
        [
            "person.department.trim().split(\";\").join(\"+\") == \"HR+People\"",
            "person.department.split(\";\").join(\"+\") == \"HR+People\"",
            "person.city.split(\";\").join(\"+\") == \"x\"",
        ],
    ),
    (
        "Join",
        [
            "[person.job_title, \"a\"].join(\"-\") == \"CMO-a\"",
            "[person.job_title, \"a\"].join(\"\") == \"CMO-a\"",
            "[person.job_title, person.city].join(\"-\") == \"x\"",
        ],
    ),
    (
        "ToText",
        [
            "string(person.person_score) == \"50\"",
            "string(person.person_score) == \"5\"",
            "string(person.matched_account_score) == \"1\"",
        ],
    ),
    (
        "ToText",
        [
            "string(person.birthday) == \"2026-11-23\"",
            "string(person.birthday) == \"2026-11-24\"",
            "string(date(person.converted_date)) == \"2026-11-23\"",
        ],
    ),
    (
        "ToText",
        [
            "string(person.created_date) == \"2026-11-23T09:59:59.999Z\"",
            "string(person.created_date) == \"2026-11-23T10:00:00Z\"",
            "string(person.converted_date) == \"x\"",
        ],
    ),
    (
        "ToText",
        [
            "string(person.created_date + milliseconds(1)) == \"2026-11-23T10:00:00Z\"",
            "string(person.created_date + milliseconds(101)) == \"2026-11-23T10:00:00.100Z\"",
            "string(person.converted_date + seconds(1)) == \"x\"",
        ],
    ),
    (
        "ToText",
        [
            "string(person.is_unsubscribed) == \"true\"",
            "string(person.is_converted) == \"true\"",
            "string(person.is_blocked) == \"true\"",
        ],
    ),
    (
        "ToInteger",
        [
            "int(person.annual_revenue) == 1000000",
            "int(-person.annual_revenue) == -1000001",
            "int(decimal(person.matched_account_score)) == 1",
        ],
    ),
    (
        "ToInteger",
        [
            "int(string(person.person_score) + \"0\") == 500",
            "int(\"+00\" + string(person.person_score)) == 5",
            "int(person.job_title) == 1",
        ],
    ),
    (
        "ToInteger",
        ["int(person.rating) == 2", "int(-person.rating) == -3", "int(double(person.matched_account_score)) == 1"],
    ),
    (
        "ToInteger",
        [
            "int(person.created_date) == 1795427999",
            "int(person.created_date) == 1795428000",
            "int(person.converted_date) > 0",
        ],
    ),
    (
        "ToInteger",
        [
            "int(person.annual_revenue * 9) == 9000000",
            "int(-person.annual_revenue * 9) == -9000001",
            "int(decimal(person.matched_account_score) * 9) == 1",
        ],
    ),
    (
        "ToInteger",
        [
            "int(person.rating * 1.1) == 2",
            "int(-person.rating * 1.1) == -3",
            "int(double(person.matched_account_score) * 1.1) == 1",
        ],
    ),
    (
        "ToDecimal",
        [
            "decimal(person.person_score) == 50.0",
            "decimal(person.person_score) < 50",
            "decimal(person.matched_account_score) > 0",
        ],
    ),
    (
        "ToFloat",
        [
            "double(person.person_score) / 4.0 == 12.5",
            "double(person.annual_revenue) < 1000000.0",
            "double(person.matched_account_score) > 0.0",
        ],
    ),
    (
        "ToBoolean",
        ["bool(string(person.is_unsubscribed))", "bool(string(person.is_converted))", "bool(person.job_title)"],
    ),
    (
        "ToTimestamp",
        [
            "timestamp(person.birthday) <= now",
            "timestamp(person.person_score) > now",
            "timestamp(person.matched_account_score) < now",
        ],
    ),
    (
        "ToDate",
        [
            "date(person.created_date) == person.birthday",
            "date(person.created_date) < person.birthday",
            "date(person.converted_date) == person.birthday",
        ],
    ),
    (
        "Days",
        [
            "person.created_date + days(person.person_score) > now",
            "person.created_date + days(-person.person_score) > now",
            "now + days(person.matched_account_score) > now",
        ],
    ),
    (
        "Hours",
        [
            "person.created_date + hours(person.person_score) > now",
            "person.created_date + hours(-person.person_score) > now",
            "now + hours(person.matched_account_score) > now",
        ],
    ),
    (
        "Minutes",
        [
            "person.created_date + minutes(person.person_score) > now",
            "person.created_date + minutes(-person.person_score) > now",
            "now + minutes(person.matched_account_score) > now",
        ],
    ),
    (
        "Seconds",
        [
            "person.created_date + seconds(person.person_score) > now",
            "person.created_date + seconds(-person.person_score) > now",
            "now + seconds(person.matched_account_score) > now",
        ],
    ),
    (
        "Milliseconds",
        [
            "person.created_date + milliseconds(person.person_score) > now",
            "person.created_date + milliseconds(-person.person_score) > now",
            "now + milliseconds(person.matched_account_score) > now",
        ],
    ),
    (
        "StartOfDay",
        [
            "person.created_date > startOfDay(now)",
            "person.created_date < startOfDay(now)",
            "person.converted_date > startOfDay(now)",
        ],
    ),
    (
        "StartOfWeek",
        [
            "person.created_date > startOfWeek(now)",
            "person.created_date < startOfWeek(now)",
            "person.converted_date > startOfWeek(now)",
        ],
    ),
    (
        "StartOfMonth",
        [
            "person.created_date > startOfMonth(now)",
            "person.created_date < startOfMonth(now)",
            "person.converted_date > startOfMonth(now)",
        ],
    ),
    (
        "StartOfQuarter",
        [
            "person.created_date > startOfQuarter(now)",
            "person.created_date < startOfQuarter(now)",
            "person.converted_date > startOfQuarter(now)",
        ],
    ),
    (
        "StartOfYear",
        [
            "person.created_date > startOfYear(now)",
            "person.created_date < startOfYear(now)",
            "person.converted_date > startOfYear(now)",
        ],
    ),
    (
        "AddMonths",
        [
            "person.created_date > now - months(1)",
            "person.created_date < now - months(1)",
            "person.converted_date > now - months(1)",
        ],
    ),
    (
        "AnniversaryIn",
        [
            "person.birthday.anniversaryWithin(thisDay())",
            "person.birthday.anniversaryWithin(nextDay())",
            "person.converted_date.anniversaryWithin(thisDay())",
        ],
    ),
    (
        "Intersects",
        [
            "person.departments.intersects([\"vip\"])",
            "person.departments.intersects([person.job_title])",
            "person.departments.intersects([person.city])",
        ],
    ),
    (
        "Intersects",
        [
            "person.department.trim().split(\";\").intersects([\"x\", \"HR\"])",
            "person.department.split(\";\").intersects(person.departments)",
            "person.city.split(\";\").intersects([\"x\"])",
        ],
    ),
    (
        "SupersetOf",
        [
            "person.departments.supersetOf([\"vip\"])",
            "person.departments.supersetOf([\"vip\", person.job_title])",
            "person.ecids.supersetOf([\"vip\"])",
        ],
    ),
    (
        "SupersetOf",
        [
            "(\"vip;\" + person.department.trim()).split(\";\").supersetOf(person.departments)",
            "person.department.split(\";\").supersetOf([\"HR\"])",
            "person.city.split(\";\").supersetOf([\"x\"])",
        ],
    ),
    (
        "SubsetOf",
        [
            "person.departments.subsetOf([\"vip\", person.job_title])",
            "person.departments.subsetOf([])",
            "person.ecids.subsetOf([\"vip\"])",
        ],
    ),
    (
        "SubsetOf",
        [
            "person.department.trim().split(\";\").subsetOf([\"People\", \"x\", \"HR\"])",
            "person.department.split(\";\").subsetOf([\"HR\", \"People\"])",
            "person.city.split(\";\").subsetOf([\"x\"])",
        ],
    ),
    (
        "a list of two",
        [
            "\"CMO\" in (person.is_unsubscribed ? person.job_title.split(\"-\") : person.departments)",
            "\"CMO\" in coalesce(person.ecids, person.departments)",
            "\"CMO\" in (person.is_converted ? person.departments : person.ecids)",
        ],
    ),
    (
        "a quotient",
        [
            "person.annual_revenue / 4 == 250000.025",
            "person.annual_revenue / 3 == 333333.3667",
            "person.annual_revenue / (person.person_score - 50) > 0",
        ],
    ),
    (
        "a quotient",
        [
            "decimal(person.person_score) / 3 * 2 > 33.3",
            "-person.annual_revenue / 7 / 3 > -47619.05",
            "decimal(person.matched_account_score) / 3 > 0",
        ],
    ),
    (
        "a quotient of integers",
        ["person.person_score / -7 == -7", "person.person_score % -7 != 1", "7 % (person.person_score - 50) == 0"],
    ),
    (
        "an average in arithmetic",
        [
            "person.accounts.average(a, a.annual_revenue) * 2 == 225",
            "person.components.average(c, c.person_score) + 1 < 8",
            "person.accounts.average(a, a.number_of_employees) + 1 > 0",
        ],
    ),
    (
        "a sum of quotients",
        [
            "person.accounts.sum(a, decimal(a.annual_revenue) / 4) == 50",
            "person.accounts.sum(a, decimal(a.annual_revenue) / 4) > 50",
            "person.components.sum(c, 100 / (c.person_score - 7)) > 0",
        ],
    ),
    (
        "an average of quotients",
        [
            "person.accounts.average(a, decimal(a.annual_revenue) / 4) / 2 == 12.5",
            "person.accounts.average(a, decimal(a.annual_revenue) / 4) > 25",
            "person.components.average(c, 100 / (c.person_score - 7)) / 2 > 0",
        ],
    ),
    ("a float", ["person.rating == 2.5", "person.rating > 2.5", "person.rating / (person.rating - 2.5) > 0.0"]),
    (
        "a float too large",
        ["person.rating * 2.0 in [5.0, 6.0]", "person.rating * 2.0 in [4.0]", "person.rating * 1e308 > 0.0"],
    ),
    (
        "a fault that is no null",
        [
            "(100 / person.person_score) != null",
            "(100 / person.person_score) == null",
            "(100 / (person.person_score - 50)) == null",
        ],
    ),
    (
        "a fault before another value",
        [
            "coalesce(100 / person.person_score, 7) == 2",
            "coalesce(100 / person.matched_account_score, 7) == 2",
            "coalesce(100 / (person.person_score - 50), 7) == 7",
        ],
    ),
    (
        "a fault in the condition of a choice",
        [
            "100 / person.person_score > 1 ? true : false",
            "100 / person.person_score > 3 ? true : false",
            "100 / (person.person_score - 50) > 1 ? true : true",
        ],
    ),
    (
        "a fault that something else decides",
        [
            "(100 / (person.person_score - 50) > 1 || person.is_unsubscribed) ? true : false",
            "(100 / (person.person_score - 50) > 1 && person.is_converted) ? true : false",
            "(100 / (person.person_score - 50) > 1 && person.is_unsubscribed) ? true : true",
        ],
    ),
    (
        "no rate before another value",
        [
            "coalesce(person.accounts.max(a, a.annual_revenue), 1) == 125",
            "coalesce(person.accounts.max(a, a.annual_revenue), 1) < 125",
            "coalesce(person.opportunities_by_role.max(o, o.amount), 1) > 0",
        ],
    ),
];

/// What has no statement, and in which words that is said. Rows and columns answer it.
pub const REFUSED: &[(&str, &str)] = &[
    ("decimal(person.job_title) > 1", "mapping"),
    ("double(person.job_title) > 1.0", "mapping"),
    ("decimal(person.rating) > 1", "mapping"),
    ("timestamp(person.job_title) > now", "mapping"),
    ("date(person.job_title) > date(now)", "mapping"),
    ("source_key(person.job_title, \"i\", \"S\") == \"CMO@i.S\"", "mapping"),
    ("string(person.annual_revenue) == \"1\"", "compare it as a number"),
    ("string(person.rating) == \"2.5\"", "compare it as a number"),
    ("person.departments.join(\",\") == \"vip\"", "`x in list`"),
    ("person.job_title.split(\"\").join(\"-\") == \"C-M-O\"", "split it at a separator"),
    ("\"a\" in person.job_title.split(person.city)", "written out"),
    ("person.job_title.split(\";\").subsetOf(person.departments)", "ask for each of them"),
    (
        "person.annual_revenue * person.annual_revenue * person.annual_revenue * person.annual_revenue > 1",
        "divide last",
    ),
];

/// Functions that have no statement whatever they are given.
pub const OF_MAPPINGS: &[&str] = &["SourceKey"];

/// What only an engine with decimals can tell: true of person 0, or false.
pub const EXACT: &[(&str, bool)] = &[
    ("decimal(person.person_score) / 3 == 16.666666666666666667", true),
    ("decimal(person.person_score) / 3 == 16.666666666666666666", false),
    ("person.annual_revenue / 7 == 142857.157142857142857143", true),
    ("person.annual_revenue / 7 == 142857.157142857142857142", false),
    ("-person.annual_revenue / 7 == -142857.157142857142857143", true),
    ("person.accounts.average(a, a.annual_revenue / 3) == 37.5", true),
    ("person.components.average(c, c.person_score) / 3 * 3 == 7", false),
    ("person.components.average(c, c.person_score) / 3 * 3 == 6.999999999999999999", true),
];
