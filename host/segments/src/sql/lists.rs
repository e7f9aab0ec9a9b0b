//! Lists of text: those of a field, which are a table, and those that are made of texts.

use super::scalar::{FALSE, NO_LIST, TRUE, UNKNOWN, text};
use super::texts::contains;
use super::{Result, Writer, refused};
use attiva_core::Value;
use attiva_expr::{Expr, Field, Function, Kind};

const NO_SEPARATOR: &str = "the separator of a `split` is written out in SQL: `x.split(\";\")`";
const NO_ORDER: &str =
    "tables hold the texts of a list in no order, and no portable SQL joins rows; ask `x in list` instead";
const NO_CHARACTERS: &str = "no portable SQL goes through a text by its characters; split it at a separator";
const NO_PARTS: &str = "no portable SQL goes through the parts of a text; ask for each of them by `x in y.split(..)`";

/// What becomes one of a list, where a list is one or another.
type Leaf<'f, 'w> = &'f mut dyn FnMut(&mut Writer<'w>, &Expr) -> Result<String>;

/// A list that is made of a text.
struct Split<'e> {
    text: &'e Expr,
    separator: String,
}

impl<'w> Writer<'w> {
    pub(super) fn in_list(&mut self, value: &Expr, list: &Expr) -> Result<String> {
        let value = self.value(value)?;
        self.through(value, |writer, item| {
            let (size, is_element) = (writer.list_size(list)?, writer.has_item(list, item)?);
            Ok(writer.named(&[size], |names| {
                let size = &names[0];
                format!(
                    "(CASE WHEN {size} IS NULL THEN NULL WHEN {size} = 0 THEN {FALSE} WHEN {item} IS NULL THEN NULL ELSE \
                     {is_element} END)"
                )
            }))
        })
    }

    /// How many texts it has; null where there is no list.
    pub(super) fn list_size(&mut self, list: &Expr) -> Result<String> {
        self.each_list(list, &mut |writer, list| match writer.split(list)? {
            Some(Split { text, separator }) => {
                let value = writer.value(text)?;
                if separator.is_empty() {
                    return Ok(format!("LENGTH({value})"));
                }
                let (from, to) = (self::text(&separator), self::text(&format!("{separator}.")));
                Ok(writer.named(&[value], |names| {
                    format!("(LENGTH(REPLACE({0}, {from}, {to})) - LENGTH({0}) + 1)", names[0])
                }))
            }
            None => match &list.kind {
                Kind::Field(field) => {
                    let (alias, _) = writer.reached(field.var, &field.hops);
                    Ok(format!("{alias}._{}_size", field.name))
                }
                _ => {
                    if let Some(constant) = writer.constant(list) {
                        return Ok(match constant {
                            Ok(Value::TextList(texts)) => texts.len().to_string(),
                            _ => "NULL".to_owned(),
                        });
                    }
                    let texts = writer.written_out(list)?.ok_or_else(|| refused(list.at, NO_LIST))?;
                    let missing: String = texts.iter().map(|text| format!("WHEN {text} IS NULL THEN NULL ")).collect();
                    Ok(format!("(CASE {missing}ELSE {} END)", texts.len()))
                }
            },
        })
    }

    /// Of a list that is there: whether a text that is there is in it.
    fn has_item(&mut self, list: &Expr, item: &str) -> Result<String> {
        self.each_list(list, &mut |writer, list| {
            if let Some(split) = writer.split(list)? {
                return writer.is_part(&split, item);
            }
            if let Kind::Field(field) = &list.kind {
                return writer.some_item(field, |_, one| Ok(format!("{one} = {item}")));
            }
            let texts = writer.written_out(list)?.ok_or_else(|| refused(list.at, NO_LIST))?;
            Ok(if texts.is_empty() { FALSE.to_owned() } else { format!("({item} IN ({}))", texts.join(", ")) })
        })
    }

    /// That a list has an element of which this holds.
    fn some_item(&mut self, list: &Field, holds: impl FnOnce(&mut Self, &str) -> Result<String>) -> Result<String> {
        let (owner, entity) = self.reached(list.var, &list.hops);
        let items = format!("{}_{}", self.options.model.entities[entity].name, list.name);
        let item = self.alias();
        let holds = holds(self, &format!("{item}.item"))?;
        Ok(format!("EXISTS (SELECT 1 FROM {items} {item} WHERE {item}.id = {owner}._id AND {holds})"))
    }

    pub(super) fn lists_compared(&mut self, how: Function, args: &[Expr]) -> Result<String> {
        let [list, of] = args else { return Ok(UNKNOWN.to_owned()) };
        let (size, size_of) = (self.list_size(list)?, self.list_size(of)?);
        let answer = self.each_list(list, &mut |writer, list| {
            writer.each_list(of, &mut |writer, of| match how {
                Function::Intersects => writer.intersect(list, of),
                Function::SupersetOf => writer.is_within(of, list),
                _ => writer.is_within(list, of),
            })
        })?;
        Ok(format!("(CASE WHEN {size} IS NULL OR {size_of} IS NULL THEN NULL ELSE {answer} END)"))
    }

    fn intersect(&mut self, list: &Expr, of: &Expr) -> Result<String> {
        for (one, other) in [(list, of), (of, list)] {
            if let Kind::Field(field) = &one.kind {
                return self.some_item(field, |writer, item| writer.has_item(other, item));
            }
        }
        for (one, other) in [(list, of), (of, list)] {
            if let Some(texts) = self.written_out(one)? {
                let each = texts.iter().map(|text| self.has_item(other, text)).collect::<Result<Vec<_>>>()?;
                return Ok(if each.is_empty() { FALSE.to_owned() } else { format!("({})", each.join(" OR ")) });
            }
        }
        Err(refused(list.at, NO_PARTS))
    }

    /// Whether each text of a list is in another.
    fn is_within(&mut self, list: &Expr, of: &Expr) -> Result<String> {
        if let Kind::Field(field) = &list.kind {
            let other = self.some_item(field, |writer, item| Ok(format!("(NOT {})", writer.has_item(of, item)?)))?;
            return Ok(format!("(NOT {other})"));
        }
        if let Some(texts) = self.written_out(list)? {
            let each = texts.iter().map(|text| self.has_item(of, text)).collect::<Result<Vec<_>>>()?;
            return Ok(if each.is_empty() { TRUE.to_owned() } else { format!("({})", each.join(" AND ")) });
        }
        match (self.split(list)?, self.written_out(of)?) {
            (Some(split), Some(texts)) => self.parts_within(&split, &texts),
            _ => Err(refused(list.at, NO_PARTS)),
        }
    }

    /// A text of the texts of a list.
    pub(super) fn joined_list(&mut self, list: &Expr, separator: &Expr) -> Result<String> {
        let separator_text = self.value(separator)?;
        self.each_list(list, &mut |writer, list| match writer.split(list)? {
            Some(split) if split.separator.is_empty() => Err(refused(list.at, NO_CHARACTERS)),
            Some(Split { text, separator }) => {
                Ok(format!("REPLACE({}, {}, {separator_text})", writer.value(text)?, self::text(&separator)))
            }
            None => {
                let texts = writer.written_out(list)?.ok_or_else(|| refused(list.at, NO_ORDER))?;
                Ok(writer.named(std::slice::from_ref(&separator_text), |names| {
                    let joined =
                        if texts.is_empty() { "''".to_owned() } else { texts.join(&format!(" || {} || ", names[0])) };
                    format!("(CASE WHEN {} IS NULL THEN NULL ELSE {joined} END)", names[0])
                }))
            }
        })
    }

    /// Where a list is one or another, each of them in its case.
    fn each_list(&mut self, list: &Expr, leaf: Leaf<'_, 'w>) -> Result<String> {
        let mut text = String::from("(CASE");
        let last = match &list.kind {
            Kind::Choose { cases, otherwise } => {
                for case in cases {
                    if let Some(fails) = self.fault(&case.when)? {
                        text += &format!(" WHEN {fails} THEN NULL");
                    }
                    text +=
                        &format!(" WHEN {} THEN {}", self.truth(&case.when)?, self.each_list(&case.then, &mut *leaf)?);
                }
                otherwise
            }
            Kind::Coalesce(all) => {
                let Some((last, before)) = all.split_last() else { return Ok("NULL".to_owned()) };
                for one in before {
                    if let Some(fails) = self.fault(one)? {
                        text += &format!(" WHEN {fails} THEN NULL");
                    }
                    text += &format!(" WHEN {} THEN {}", self.presence(one)?, self.each_list(one, &mut *leaf)?);
                }
                last
            }
            _ => return leaf(self, list),
        };
        text += &format!(" ELSE {} END)", self.each_list(last, leaf)?);
        self.short_enough(text, list.at)
    }

    /// The texts of a list that is written out; none of one that is not. No list has one that is null.
    fn written_out(&mut self, list: &Expr) -> Result<Option<Vec<String>>> {
        if let Some(constant) = self.constant(list) {
            return Ok(Some(match constant {
                Ok(Value::TextList(texts)) => texts.iter().map(|one| text(one)).collect(),
                _ => vec!["NULL".to_owned()],
            }));
        }
        match &list.kind {
            Kind::List(all) => all.iter().map(|one| self.value(one)).collect::<Result<_>>().map(Some),
            _ => Ok(None),
        }
    }

    fn split<'e>(&mut self, list: &'e Expr) -> Result<Option<Split<'e>>> {
        let Kind::Call { function: Function::Split, args } = &list.kind else { return Ok(None) };
        let [text, separator] = args.as_slice() else { return Ok(None) };
        if self.constant(list).is_some() {
            return Ok(None);
        }
        match self.constant(separator) {
            Some(Ok(Value::Text(separator))) => Ok(Some(Split { text, separator })),
            _ => Err(refused(separator.at, NO_SEPARATOR)),
        }
    }

    fn is_part(&mut self, split: &Split<'_>, item: &str) -> Result<String> {
        let value = self.value(split.text)?;
        if split.separator.is_empty() {
            return Ok(self.named(&[value, item.to_owned()], |names| {
                format!("(LENGTH({}) = 1 AND {})", names[1], contains(&names[0], &names[1]))
            }));
        }
        let marks = Marks::beside(&split.separator);
        let parts = [marks.parts(&value, &split.separator), marks.part(item)];
        Ok(self.named(&parts, |names| contains(&names[0], &names[1])))
    }

    /// Whether every part is one of these texts: then nothing is left when they are taken out.
    fn parts_within(&mut self, split: &Split<'_>, texts: &[String]) -> Result<String> {
        let value = self.value(split.text)?;
        if split.separator.is_empty() {
            return Err(refused(split.text.at, NO_CHARACTERS));
        }
        let marks = Marks::beside(&split.separator);
        let parts = marks.parts(&value, &split.separator);
        let left = texts.iter().fold(parts, |left, text| format!("REPLACE({left}, {}, '')", marks.part(text)));
        Ok(format!("({left} = '')"))
    }
}

/// Characters that a separator does not have, by which parts are told from each other: one begins a part, one ends it, and
/// one stands before a letter that is written for one of the three where a text has it.
struct Marks([char; 6]);

impl Marks {
    fn beside(separator: &str) -> Self {
        let mut free = ('!'..).filter(|c| *c != '\'' && !separator.contains(*c));
        Self(std::array::from_fn(|_| free.next().unwrap_or_default()))
    }

    fn escaped(&self, text: &str) -> String {
        let Self([escape, begin, end, of_escape, of_begin, of_end]) = self;
        [(escape, of_escape), (begin, of_begin), (end, of_end)]
            .iter()
            .fold(text.to_owned(), |text, (mark, written)| format!("REPLACE({text}, '{mark}', '{escape}{written}')"))
    }

    fn part(&self, text: &str) -> String {
        let Self([_, begin, end, ..]) = self;
        format!("('{begin}' || {} || '{end}')", self.escaped(text))
    }

    fn parts(&self, text: &str, separator: &str) -> String {
        let Self([_, begin, end, ..]) = self;
        let separator = self::text(separator);
        format!("('{begin}' || REPLACE({}, {separator}, '{end}{begin}') || '{end}')", self.escaped(text))
    }
}
