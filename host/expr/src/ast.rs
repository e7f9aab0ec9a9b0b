//! The checked expression: small, typed, and of bounded depth, so that whoever walks it may recurse.

use crate::problem::Position;
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
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub when: Expr,
    pub then: Expr,
}

/// A field of a root, and its place in the row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub root: String,
    pub name: String,
    pub slot: usize,
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

/// A function of its arguments' values. Null in, null out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Function {
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
            Self::Duration | Self::Null => return None,
        })
    }

    pub(crate) fn is_comparable(self) -> bool {
        !matches!(self, Self::TextList | Self::Json)
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
            Kind::Literal(_) | Kind::Field(_) | Kind::Now => Vec::new(),
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

    /// A literal, or one with a sign: it takes the type of what stands beside it.
    pub(crate) fn is_literal(&self) -> bool {
        match &self.kind {
            Kind::Literal(_) => true,
            Kind::Negate(inner) => inner.is_literal(),
            _ => false,
        }
    }

    /// Levels of nesting. A choice counts twice: it nests twice in the stored form too.
    pub(crate) fn depth(&self) -> usize {
        let own = if matches!(self.kind, Kind::Choose { .. }) { 2 } else { 1 };
        own + self.operands().into_iter().map(Expr::depth).max().unwrap_or(0)
    }
}
