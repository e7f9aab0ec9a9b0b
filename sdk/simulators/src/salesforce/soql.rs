//! The part of the query language that readers use: one object, fields or a count, comparisons with AND and OR, an order
//! and a limit. What the vendor refuses is refused in its words.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json};

use super::refusal::Refusal;
use super::schema::{Field, Object};
use crate::marketo::clock;

/// A longer statement is refused.
const CHARACTERS_MAX: usize = 100_000;

/// A query that was read and checked.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) object: &'static Object,
    /// Empty: a count.
    pub(crate) fields: Vec<Field>,
    condition: Option<Condition>,
    order: Vec<(Field, bool)>,
    limit: Option<usize>,
}

#[derive(Debug, Clone)]
enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Is(Field, Operator, Json),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Not,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Query {
    /// Reads a query. `sees` says whether the user may see an object, or a field of it.
    pub(crate) fn read(text: &str, sees: &dyn Fn(&str, Option<&str>) -> bool) -> Result<Self, Refusal> {
        if text.chars().count() > CHARACTERS_MAX {
            let words = format!("SOQL statements cannot be longer than {CHARACTERS_MAX} characters.");
            return Err(Refusal::new(400, "MALFORMED_QUERY", words));
        }
        let mut parser = Parser { tokens: tokens(text)?, at: 0, text, sees };
        parser.query()
    }

    pub(crate) fn is_count(&self) -> bool {
        self.fields.is_empty()
    }

    pub(crate) fn is_sorted(&self) -> bool {
        !self.order.is_empty()
    }

    pub(crate) fn matches(&self, values: &Map<String, Json>) -> bool {
        self.condition.as_ref().is_none_or(|condition| condition.holds(values))
    }

    pub(crate) fn sort(&self, records: &mut Vec<&Map<String, Json>>) {
        records.sort_by(|a, b| {
            let by = |(field, descending): &(Field, bool)| {
                let ordering = compare(&value(a, *field), &value(b, *field)).unwrap_or(Ordering::Equal);
                if *descending { ordering.reverse() } else { ordering }
            };
            self.order.iter().map(by).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        });
        records.truncate(self.limit.unwrap_or(usize::MAX));
    }
}

impl Condition {
    fn holds(&self, values: &Map<String, Json>) -> bool {
        match self {
            Self::All(all) => all.iter().all(|one| one.holds(values)),
            Self::Any(any) => any.iter().any(|one| one.holds(values)),
            Self::Is(field, operator, literal) => {
                let found = value(values, *field);
                if found.is_null() || literal.is_null() {
                    return (found.is_null() && literal.is_null()) == (*operator == Operator::Equal);
                }
                let Some(ordering) = compare(&found, literal) else { return false };
                match operator {
                    Operator::Equal => ordering.is_eq(),
                    Operator::Not => ordering.is_ne(),
                    Operator::Less => ordering.is_lt(),
                    Operator::LessOrEqual => ordering.is_le(),
                    Operator::Greater => ordering.is_gt(),
                    Operator::GreaterOrEqual => ordering.is_ge(),
                }
            }
        }
    }
}

/// A record's value as it is compared: times are seconds.
fn value(values: &Map<String, Json>, (name, kind): Field) -> Json {
    match values.get(name) {
        None => Json::Null,
        Some(Json::String(text)) if kind == "datetime" => clock::parse(text).map_or(Json::Null, Json::from),
        Some(value) => value.clone(),
    }
}

fn compare(a: &Json, b: &Json) -> Option<Ordering> {
    match (a, b) {
        (Json::String(a), Json::String(b)) => Some(a.cmp(b)),
        (Json::Bool(a), Json::Bool(b)) => Some(a.cmp(b)),
        (Json::Number(a), Json::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Json::Null, Json::Null) => Some(Ordering::Equal),
        (Json::Null, _) => Some(Ordering::Less),
        (_, Json::Null) => Some(Ordering::Greater),
        _ => None,
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(&'static str),
}

fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    const SIGNS: [&str; 10] = ["<=", ">=", "!=", "<>", "=", "<", ">", "(", ")", ","];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push(Token::Sign(sign));
            rest = rest[sign.len()..].trim_start();
        } else if first == '\'' {
            let (literal, behind) = quoted(&rest[1..]).ok_or_else(|| malformed(text, "unexpected token: ''"))?;
            tokens.push(Token::Text(literal));
            rest = behind.trim_start();
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "=<>!(),'".contains(c)).unwrap_or(rest.len());
            let end = if end == 0 { return Err(malformed(text, "unexpected token")) } else { end };
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = rest[end..].trim_start();
        }
    }
    Ok(tokens)
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut literal = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Some((literal, &text[at + 1..])),
            '\\' => literal.push(chars.next()?.1),
            c => literal.push(c),
        }
    }
    None
}

fn malformed(text: &str, problem: &str) -> Refusal {
    Refusal::new(400, "MALFORMED_QUERY", format!("\n{text}\n^\nERROR at Row:1:Column:1\n{problem}"))
}

struct Parser<'t> {
    tokens: Vec<Token>,
    at: usize,
    text: &'t str,
    sees: &'t dyn Fn(&str, Option<&str>) -> bool,
}

impl Parser<'_> {
    fn query(&mut self) -> Result<Query, Refusal> {
        self.keyword("SELECT")?;
        let mut names = Vec::new();
        loop {
            names.push(self.word()?);
            if self.sign("(") {
                self.expect(")")?;
                names.push("()".into());
            }
            if !self.sign(",") {
                break;
            }
        }
        self.keyword("FROM")?;
        let name = self.word()?;
        let object = Object::named(&name).filter(|object| (self.sees)(object.name, None));
        let object = object.ok_or_else(|| {
            let words = format!("sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name.");
            Refusal::new(400, "INVALID_TYPE", format!("\n{}\n^\nERROR at Row:1:Column:1\n{words}", self.text))
        })?;
        let is_count = names.len() == 2 && names[0].eq_ignore_ascii_case("count") && names[1] == "()";
        let fields = if is_count {
            Vec::new()
        } else {
            names.iter().map(|name| self.field(object, name)).collect::<Result<_, _>>()?
        };
        let condition = if self.is_keyword("WHERE") { Some(self.any(object)?) } else { None };
        let mut order = Vec::new();
        if self.is_keyword("ORDER") {
            self.keyword("BY")?;
            loop {
                let name = self.word()?;
                let field = self.field(object, &name)?;
                let descending = self.is_keyword("DESC");
                let _ = self.is_keyword("ASC");
                order.push((field, descending));
                if !self.sign(",") {
                    break;
                }
            }
        }
        let limit = if self.is_keyword("LIMIT") { self.word()?.parse().ok() } else { None };
        if self.at < self.tokens.len() {
            return Err(self.unexpected());
        }
        Ok(Query { object, fields, condition, order, limit })
    }

    fn field(&self, object: &'static Object, name: &str) -> Result<Field, Refusal> {
        let seen = object.field(name).filter(|(name, _)| (self.sees)(object.name, Some(name)));
        seen.ok_or_else(|| {
            let words = format!("No such column '{name}' on entity '{}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.", object.name);
            Refusal::new(400, "INVALID_FIELD", format!("\n{}\n^\nERROR at Row:1:Column:1\n{words}", self.text))
        })
    }

    /// Conditions joined by AND alone or by OR alone: where both stand beside each other, the vendor wants parentheses.
    fn any(&mut self, object: &'static Object) -> Result<Condition, Refusal> {
        let first = self.one(object)?;
        let word = ["AND", "OR"].into_iter().find(|word| self.is_keyword(word));
        let Some(word) = word else { return Ok(first) };
        let mut joined = vec![first, self.one(object)?];
        while self.is_keyword(word) {
            joined.push(self.one(object)?);
        }
        if self.is_keyword("AND") || self.is_keyword("OR") {
            self.at -= 1;
            return Err(self.unexpected());
        }
        Ok(if word == "AND" { Condition::All(joined) } else { Condition::Any(joined) })
    }

    fn one(&mut self, object: &'static Object) -> Result<Condition, Refusal> {
        if self.sign("(") {
            let inner = self.any(object)?;
            self.expect(")")?;
            return Ok(inner);
        }
        let name = self.word()?;
        let field = self.field(object, &name)?;
        let operator = match self.next() {
            Some(Token::Sign("=")) => Operator::Equal,
            Some(Token::Sign("!=" | "<>")) => Operator::Not,
            Some(Token::Sign("<")) => Operator::Less,
            Some(Token::Sign("<=")) => Operator::LessOrEqual,
            Some(Token::Sign(">")) => Operator::Greater,
            Some(Token::Sign(">=")) => Operator::GreaterOrEqual,
            _ => return Err(self.unexpected()),
        };
        let literal = self.literal(object, field)?;
        Ok(Condition::Is(field, operator, literal))
    }

    /// A literal of a field's type: times stand without quotes, texts with.
    fn literal(&mut self, object: &Object, (name, kind): Field) -> Result<Json, Refusal> {
        let wrong = |quotes: &str| {
            let words = format!(
                "value of filter criterion for field '{name}' must be of type {kind} and should {quotes}be enclosed in quotes"
            );
            Refusal::new(400, "INVALID_FIELD", format!("\n{}\n^\nERROR at Row:1:Column:1\n{words}", object.name))
        };
        let is_text = !matches!(kind, "datetime" | "date" | "boolean" | "int" | "double" | "currency" | "percent");
        match self.next() {
            Some(Token::Text(text)) if is_text => Ok(Json::from(text)),
            Some(Token::Text(_)) => Err(wrong("not ")),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("null") => Ok(Json::Null),
            Some(Token::Word(word)) => match kind {
                // A date without a time is no time, and a time without a zone neither.
                "datetime" => {
                    let time = word
                        .parse::<jiff::Timestamp>()
                        .map_err(|_| malformed(self.text, &format!("unexpected token: '{word}'")))?;
                    Ok(Json::from(time.as_second()))
                }
                "boolean" => word.to_ascii_lowercase().parse::<bool>().map(Json::from).map_err(|_| wrong("not ")),
                "date" => Ok(Json::from(word)),
                _ if is_text => Err(wrong("")),
                _ => word.parse::<f64>().map(Json::from).map_err(|_| wrong("not ")),
            },
            _ => Err(self.unexpected()),
        }
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn word(&mut self) -> Result<String, Refusal> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(self.unexpected()),
        }
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), Refusal> {
        if self.is_keyword(keyword) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn is_keyword(&mut self, keyword: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(is);
        is
    }

    fn sign(&mut self, sign: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, sign: &str) -> Result<(), Refusal> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Refusal {
        let token = match self.tokens.get(self.at.min(self.tokens.len().saturating_sub(1))) {
            Some(Token::Word(word) | Token::Text(word)) => word.clone(),
            Some(Token::Sign(sign)) => (*sign).to_owned(),
            None => "<EOF>".to_owned(),
        };
        malformed(self.text, &format!("unexpected token: '{token}'"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Query, Refusal> {
        Query::read(text, &|_, field| field != Some("Title"))
    }

    fn record(id: &str, at: &str) -> Map<String, Json> {
        json!({"Id": id, "SystemModstamp": at, "IsDeleted": false}).as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_page_of_a_window_is_found_and_sorted() {
        let text = "SELECT Id,Email FROM Contact WHERE SystemModstamp > 2026-01-01T00:00:00.000Z AND SystemModstamp <= 2026-01-01T00:00:02+00:00 \
                    AND ((SystemModstamp = 2026-01-01T00:00:01.000Z AND Id > 'b') OR SystemModstamp > 2026-01-01T00:00:01.000Z) ORDER BY SystemModstamp ASC, Id DESC LIMIT 2";
        let query = read(text).unwrap();
        let all = [
            record("c", "2026-01-01T00:00:01.000+0000"),
            record("b", "2026-01-01T00:00:01.000+0000"),
            record("a", "2026-01-01T00:00:02.000+0000"),
            record("d", "2026-01-01T00:00:02.000+0000"),
            record("e", "2026-01-01T00:00:00.000+0000"),
        ];
        let mut found: Vec<_> = all.iter().filter(|r| query.matches(r)).collect();
        assert_eq!(found.len(), 3);
        query.sort(&mut found);
        assert_eq!(found.iter().map(|r| r["Id"].as_str().unwrap()).collect::<Vec<_>>(), ["c", "d"]);
        assert!(read("select count() from Lead").unwrap().is_count());
    }

    #[test]
    fn what_the_vendor_refuses_is_refused() {
        let cases = [
            ("SELECT Id FROM Nobody", "INVALID_TYPE"),
            ("SELECT Title FROM Contact", "INVALID_FIELD"),
            ("SELECT Id FROM Contact WHERE SystemModstamp > '2026-01-01T00:00:00Z'", "INVALID_FIELD"),
            ("SELECT Id FROM Contact WHERE SystemModstamp > 2026-01-01", "MALFORMED_QUERY"),
            ("SELECT Id FROM Contact WHERE Email = a@x.example", "INVALID_FIELD"),
            ("SELECT Id FROM Contact WHERE Email = 'O'Brien'", "MALFORMED_QUERY"),
            // Which of the two binds closer, the vendor wants to be told.
            ("SELECT Id FROM Contact WHERE Email = 'a' AND Email = 'b' OR Email = 'c'", "MALFORMED_QUERY"),
            ("SELECT Id FROM Contact WHERE Email = 'a' OR Email = 'b' AND Email = 'c'", "MALFORMED_QUERY"),
            ("SELECT * FROM Contact", "INVALID_FIELD"),
            ("SELECT Id FORM Contact", "MALFORMED_QUERY"),
            ("", "MALFORMED_QUERY"),
        ];
        for (text, code) in cases {
            assert_eq!(read(text).err().map(|r| r.code).as_deref(), Some(code), "{text}");
        }
        let long = format!("SELECT Id FROM Contact WHERE LastName = '{}'", "x".repeat(CHARACTERS_MAX));
        assert_eq!(read(&long).err().map(|r| r.code).as_deref(), Some("MALFORMED_QUERY"));
        let quoted = read(r"SELECT Id FROM Contact WHERE LastName = 'O\'Brien\\'").unwrap();
        let named = json!({"LastName": r"O'Brien\"}).as_object().cloned().unwrap_or_default();
        assert!(quoted.matches(&named));
    }
}
