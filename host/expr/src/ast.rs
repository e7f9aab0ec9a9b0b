//! The checked expression: small, typed, and of bounded depth, so that whoever walks it may recurse.

use crate::problem::Position;
use crate::relational::{Aggregated, Hop, Membership, Quantified, Sequence};
use attiva_core::{DataType, Value};
use serde::{Deserialize, Serialize};

/// A checked expression. Operands fit together: [`crate::check`] has put a conversion where one was needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expr {
    pub kind: Kind,
    #[serde(rename = "type")]
    pub ty: Type,
    pub at: Position,
}

/// What an expression is. Chains are flat: `a && b && c` is one node with three operands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A duration is an integer of milliseconds.
    Literal(Value),
    Field(Field),
    /// The instant of the evaluation.
    Now,
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare {
        op: CompareOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// Equal to one of these.
    In {
        value: Box<Expr>,
        list: Vec<Expr>,
    },
    /// Equal to an element of a list of text.
    InList {
        value: Box<Expr>,
        list: Box<Expr>,
    },
    IsNull(Box<Expr>),
    Match {
        how: TextMatch,
        text: Box<Expr>,
        pattern: Box<Expr>,
    },
    /// The value of the first case whose condition is true.
    Choose {
        cases: Vec<Case>,
        otherwise: Box<Expr>,
    },
    /// The first that is not null.
    Coalesce(Vec<Expr>),
    Negate(Box<Expr>),
    Arithmetic {
        op: ArithmeticOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// Texts, joined.
    Concat(Vec<Expr>),
    /// A list of text.
    List(Vec<Expr>),
    Call {
        function: Function,
        args: Vec<Expr>,
    },
    /// How many elements of a set meet a condition.
    Quantified(Box<Quantified>),
    /// A value of a set.
    Aggregated(Box<Aggregated>),
    /// Events in an order.
    Sequence(Box<Sequence>),
    InAudience(Box<Membership>),
    /// An amount in the currency that amounts are compared in. No currency is that one; no rate is a fault.
    InBase {
        amount: Box<Expr>,
        currency: Box<Expr>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub when: Expr,
    pub then: Expr,
}

/// A field, and its place in the row: in that of the roots, or in that of the record which the hops lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The root or variable, as it is called.
    pub root: String,
    pub name: String,
    pub slot: usize,
    /// The level of the variable: 0 for a root.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub var: usize,
    /// Each to one record at most: without it, the field is null.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde hands it over")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Field {
    /// Of a root itself, so that its slot is one of the roots' row.
    #[must_use]
    pub fn is_of_root(&self) -> bool {
        self.var == 0 && self.hops.is_empty()
    }

    /// As it is written: `person.account.name`.
    #[must_use]
    pub fn path(&self) -> String {
        let hops = self.hops.iter().map(|hop| hop.name.as_str());
        std::iter::once(self.root.as_str()).chain(hops).chain([self.name.as_str()]).collect::<Vec<_>>().join(".")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl CompareOp {
    pub const ALL: [Self; 6] = [Self::Eq, Self::Ne, Self::Lt, Self::Le, Self::Gt, Self::Ge];

    /// Whether two values that stand to each other like this satisfy the comparison.
    #[must_use]
    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    /// Of integers only; the sign is the dividend's.
    Remainder,
}

impl ArithmeticOp {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextMatch {
    Contains,
    StartsWith,
    EndsWith,
}

impl TextMatch {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
        }
    }
}

/// Defines [`Function`] and the list of all, which cannot fall apart.
macro_rules! functions {
    ($($(#[$doc:meta])* $function:ident,)*) => {
        /// A function of its arguments' values. Null in, null out.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Function { $($(#[$doc])* $function,)* }

        impl Function {
            pub const ALL: &[Self] = &[$(Self::$function,)*];
        }
    };
}

functions! {
    /// Characters of a text, bytes, elements of a list.
    Size,
    LowerAscii,
    UpperAscii,
    Trim,
    /// Text, separator; an empty separator cuts between characters.
    Split,
    /// List, separator.
    Join,
    ToText,
    /// From text, decimal and float (cut towards zero), timestamp (seconds since 1970).
    ToInteger,
    ToDecimal,
    ToFloat,
    ToBoolean,
    /// From text, a date (its midnight), an integer (seconds since 1970).
    ToTimestamp,
    /// From text, a timestamp (its day in UTC).
    ToDate,
    Days,
    Hours,
    Minutes,
    Seconds,
    /// Id (text or a whole number), instance's id, system: `<id>@<instance>.<system>`. Null where that names no record.
    SourceKey,
    Milliseconds,
    /// The first instant of an instant's day, week (from Monday), month, quarter, year, in UTC.
    StartOfDay,
    StartOfWeek,
    StartOfMonth,
    StartOfQuarter,
    StartOfYear,
    /// An instant, moved by whole months; a day that the month does not have becomes its last.
    AddMonths,
    /// Date, from, until: whether the day and month come up between the two instants, whatever the year.
    AnniversaryIn,
    /// Two lists: whether they have an element in common.
    Intersects,
    /// Two lists: whether each element of the second is in the first.
    SupersetOf,
    /// Two lists: whether each element of the first is in the second.
    SubsetOf,
}

/// A value's type inside an expression: the ten of the data model, and two that are only met on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    Boolean,
    Integer,
    Decimal,
    Float,
    Text,
    Bytes,
    Date,
    Timestamp,
    TextList,
    Json,
    Duration,
    /// A number of calendar months, of which not all are equally long.
    Months,
    /// Of the literal `null` before it has met anything typed.
    Null,
}

impl Type {
    /// The type as the data model knows it; none for a duration or an untyped null.
    #[must_use]
    pub fn data_type(self) -> Option<DataType> {
        Some(match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Integer,
            Self::Decimal => DataType::Decimal,
            Self::Float => DataType::Float,
            Self::Text => DataType::Text,
            Self::Bytes => DataType::Bytes,
            Self::Date => DataType::Date,
            Self::Timestamp => DataType::Timestamp,
            Self::TextList => DataType::TextList,
            Self::Json => DataType::Json,
            Self::Duration | Self::Months | Self::Null => return None,
        })
    }

    pub(crate) fn is_comparable(self) -> bool {
        !matches!(self, Self::TextList | Self::Json | Self::Months)
    }

    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Boolean => "a boolean",
            Self::Integer => "an integer",
            Self::Decimal => "a decimal",
            Self::Float => "a float",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Date => "a date",
            Self::Timestamp => "a timestamp",
            Self::TextList => "a list of text",
            Self::Json => "JSON",
            Self::Duration => "a duration",
            Self::Months => "a number of months",
            Self::Null => "null",
        }
    }
}

impl From<DataType> for Type {
    fn from(data_type: DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Integer => Self::Integer,
            DataType::Decimal => Self::Decimal,
            DataType::Float => Self::Float,
            DataType::Text => Self::Text,
            DataType::Bytes => Self::Bytes,
            DataType::Date => Self::Date,
            DataType::Timestamp => Self::Timestamp,
            DataType::TextList => Self::TextList,
            DataType::Json => Self::Json,
        }
    }
}

impl Expr {
    #[must_use]
    pub fn new(kind: Kind, ty: Type, at: Position) -> Self {
        Self { kind, ty, at }
    }

    /// The operands, in the order they are written.
    #[must_use]
    pub fn operands(&self) -> Vec<&Expr> {
        match &self.kind {
            Kind::Literal(_) | Kind::Field(_) | Kind::Now | Kind::InAudience(_) => Vec::new(),
            Kind::Quantified(q) => q.set.filters.iter().chain([&q.condition]).map(|lambda| &lambda.body).collect(),
            Kind::Aggregated(a) => a.set.filters.iter().chain(&a.value).map(|lambda| &lambda.body).collect(),
            Kind::Sequence(s) => s.set.filters.iter().chain(s.lambdas()).map(|lambda| &lambda.body).collect(),
            Kind::InBase { amount, currency } => vec![amount, currency],
            Kind::Not(e) | Kind::IsNull(e) | Kind::Negate(e) => vec![e],
            Kind::And(all) | Kind::Or(all) | Kind::Coalesce(all) | Kind::Concat(all) | Kind::List(all) => {
                all.iter().collect()
            }
            Kind::Compare { left, right, .. } | Kind::Arithmetic { left, right, .. } => vec![left, right],
            Kind::In { value, list } => std::iter::once(&**value).chain(list).collect(),
            Kind::InList { value, list } => vec![value, list],
            Kind::Match { text, pattern, .. } => vec![text, pattern],
            Kind::Choose { cases, otherwise } => {
                cases.iter().flat_map(|c| [&c.when, &c.then]).chain([&**otherwise]).collect()
            }
            Kind::Call { args, .. } => args.iter().collect(),
        }
    }

    /// The same expression with other operands. What is inside of sets stays as it is.
    #[must_use]
    pub fn map_operands(self, change: &mut impl FnMut(Expr) -> Expr) -> Expr {
        let Self { kind, ty, at } = self;
        let mut boxed = |e: Box<Expr>| Box::new(change(*e));
        let kind = match kind {
            Kind::Not(e) => Kind::Not(boxed(e)),
            Kind::IsNull(e) => Kind::IsNull(boxed(e)),
            Kind::Negate(e) => Kind::Negate(boxed(e)),
            Kind::And(all) => Kind::And(all.into_iter().map(change).collect()),
            Kind::Or(all) => Kind::Or(all.into_iter().map(change).collect()),
            Kind::Coalesce(all) => Kind::Coalesce(all.into_iter().map(change).collect()),
            Kind::Concat(all) => Kind::Concat(all.into_iter().map(change).collect()),
            Kind::List(all) => Kind::List(all.into_iter().map(change).collect()),
            Kind::Compare { op, left, right } => Kind::Compare { op, left: boxed(left), right: boxed(right) },
            Kind::Arithmetic { op, left, right } => Kind::Arithmetic { op, left: boxed(left), right: boxed(right) },
            Kind::In { value, list } => Kind::In { value: boxed(value), list: list.into_iter().map(change).collect() },
            Kind::InList { value, list } => Kind::InList { value: boxed(value), list: boxed(list) },
            Kind::Match { how, text, pattern } => Kind::Match { how, text: boxed(text), pattern: boxed(pattern) },
            Kind::Choose { cases, otherwise } => {
                let cases = cases.into_iter().map(|case| Case { when: change(case.when), then: change(case.then) });
                Kind::Choose { cases: cases.collect(), otherwise: Box::new(change(*otherwise)) }
            }
            Kind::Call { function, args } => Kind::Call { function, args: args.into_iter().map(change).collect() },
            Kind::InBase { amount, currency } => Kind::InBase { amount: boxed(amount), currency: boxed(currency) },
            other => other,
        };
        Self { kind, ty, at }
    }

    /// Calls `visit` on this expression and on all inside it, outside first, in the order they are written.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        visit(self);
        for operand in self.operands() {
            operand.walk(visit);
        }
    }

    /// Every field it reads, each once, in the order they are written.
    #[must_use]
    pub fn fields(&self) -> Vec<&Field> {
        let mut fields: Vec<&Field> = Vec::new();
        self.walk(&mut |e| {
            if let Kind::Field(field) = &e.kind
                && !fields.contains(&field)
            {
                fields.push(field);
            }
        });
        fields
    }

    /// Whether its value may change without any field changing.
    #[must_use]
    pub fn depends_on_now(&self) -> bool {
        let mut depends = false;
        self.walk(&mut |e| depends |= e.kind == Kind::Now);
        depends
    }

    /// Whether its value is the same for every record and at any time.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.fields().is_empty() && !self.is_relational() && !self.depends_on_now()
    }

    /// A literal, or one with a sign: it takes the type of what stands beside it.
    pub(crate) fn is_literal(&self) -> bool {
        match &self.kind {
            Kind::Literal(_) => true,
            Kind::Negate(inner) => inner.is_literal(),
            _ => false,
        }
    }

    /// Whether its value hangs on more than the row of the roots and the time: on other records, audiences or rates.
    #[must_use]
    pub fn is_relational(&self) -> bool {
        let mut found = false;
        self.walk(&mut |e| {
            found |= match &e.kind {
                Kind::Field(field) => !field.is_of_root(),
                Kind::Quantified(_) | Kind::Aggregated(_) | Kind::Sequence(_) => true,
                Kind::InAudience(_) | Kind::InBase { .. } => true,
                _ => false,
            };
        });
        found
    }

    /// Levels of nesting. A choice counts twice, it nests twice in the stored form too; what is asked of a set, four
    /// times.
    pub(crate) fn depth(&self) -> usize {
        let own = match self.kind {
            Kind::Choose { .. } => 2,
            Kind::Quantified(_) | Kind::Aggregated(_) | Kind::Sequence(_) => 4,
            _ => 1,
        };
        own + self.operands().into_iter().map(Expr::depth).max().unwrap_or(0)
    }
}
