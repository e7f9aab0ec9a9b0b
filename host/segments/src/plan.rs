//! The plan: a segment as a small tree of typed nodes, which every evaluator reads.
//!
//! Above, connectives; below, leaves. A leaf is one condition on values, such as an evaluator of columns can compute
//! for all rows at once and share between segments; what stands inside it is an expression.

use crate::logic::Truth;
use attiva_core::Value;
use attiva_expr::{
    Aggregate, Checked, CompareOp, Expr, Kind, Membership, Position, Problem, Program, Quantified, Quantifier,
    Sequence, TextMatch, Type,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A segment, planned. Its stored form is JSON; who may name what is settled in it, so it is to be made anew when the
/// model's fields change place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    root: Node,
    /// What it is about, by its number in the model it was checked against; none where there was no model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entity: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// A condition in which no field and no time stands.
    Const(Truth),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Compare {
        op: CompareOp,
        left: Expr,
        right: Expr,
    },
    /// Equal to one of these.
    In {
        value: Expr,
        list: Vec<Expr>,
    },
    /// Equal to an element of a list of text.
    InList {
        value: Expr,
        list: Expr,
    },
    /// Never unknown.
    IsNull(Expr),
    TextMatch {
        how: TextMatch,
        text: Expr,
        pattern: Expr,
    },
    /// A boolean value as a condition: a field, a choice, a conversion.
    Flag(Expr),
    /// How many elements of a set meet a condition. Never unknown.
    Quantified(Box<Quantified>),
    /// Events in an order. Never unknown.
    Sequence(Box<Sequence>),
    InAudience(Box<Membership>),
}

/// Defines [`NodeKind`] and the list of all, which cannot fall apart.
macro_rules! node_kinds {
    ($($(#[$doc:meta])* $kind:ident,)*) => {
        /// What kinds of node there are, operators apart: an evaluator is tested on each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum NodeKind { $($(#[$doc])* $kind,)* }

        impl NodeKind {
            pub const ALL: &[Self] = &[$(Self::$kind,)*];
        }
    };
}

node_kinds! {
    Const, And, Or, Not, Eq, Ne, Lt, Le, Gt, Ge, In, InList,
    /// Never unknown, and so are those of sets.
    IsNull,
    Contains, StartsWith, EndsWith, Flag,
    Exists, All, None, ExistsOne, AtLeast, ShareOf, Sequence, InAudience,
    /// Values of sets and of other records, in a condition.
    Count, Sum, Min, Max, Average,
    /// A field of a record that is reached by relations to one.
    Hop,
    /// An amount in the currency that amounts are compared in.
    Money,
}

impl NodeKind {
    /// Whether it answers true or false whatever is missing.
    #[must_use]
    pub fn is_never_unknown(self) -> bool {
        use NodeKind::{All, AtLeast, Exists, ExistsOne, IsNull, None, Sequence, ShareOf};
        matches!(self, IsNull | Exists | All | None | ExistsOne | AtLeast | ShareOf | Sequence)
    }
}

/// Plans a checked condition. A segment answers yes or no: an expression of another type is refused.
pub fn plan(checked: &Checked) -> Result<Plan, Problem> {
    let root = checked.root();
    if root.ty != Type::Boolean {
        let message = "a segment is a condition, true or false for each person; this is a value: compare it";
        return Err(Problem::new(Problem::TYPE, root.at, message));
    }
    Ok(Plan { root: node(root), entity: checked.entity() })
}

impl Plan {
    /// A plan that reads what a value does: it asks whether there is one.
    pub(crate) fn of_value(value: &Checked) -> Self {
        Self { root: Node::IsNull(value.root().clone()), entity: value.entity() }
    }
}

/// A condition as a node; the conditions inside of sets become nodes when an evaluator gets there.
pub(crate) fn node(expr: &Expr) -> Node {
    match &expr.kind {
        Kind::And(all) => Node::And(all.iter().map(node).collect()),
        Kind::Or(all) => Node::Or(all.iter().map(node).collect()),
        Kind::Not(inner) => Node::Not(Box::new(node(inner))),
        _ => constant(expr).map_or_else(|| leaf(expr), Node::Const),
    }
}

/// The answer of a condition that is the same for every row and at any time. One that always faults is none: it is
/// left to fault where someone sees it.
fn constant(expr: &Expr) -> Option<Truth> {
    if !expr.fields().is_empty() || expr.is_relational() || expr.depends_on_now() {
        return None;
    }
    Program::new(expr).truth(&[], 0).ok().map(Truth::from)
}

fn leaf(expr: &Expr) -> Node {
    match expr.kind.clone() {
        Kind::Compare { op, left, right } => Node::Compare { op, left: *left, right: *right },
        Kind::In { value, list } => Node::In { value: *value, list },
        Kind::InList { value, list } => Node::InList { value: *value, list: *list },
        Kind::IsNull(inner) => Node::IsNull(*inner),
        Kind::Match { how, text, pattern } => Node::TextMatch { how, text: *text, pattern: *pattern },
        Kind::Quantified(quantified) => Node::Quantified(quantified),
        Kind::Sequence(sequence) => Node::Sequence(sequence),
        Kind::InAudience(membership) => Node::InAudience(membership),
        _ => Node::Flag(expr.clone()),
    }
}

/// Collects what kinds of node an expression has on all its levels.
fn kinds(expr: &Expr, found: &mut BTreeSet<NodeKind>) {
    let node = node(expr);
    found.insert(node.kind());
    match &node {
        Node::Const(_) => return,
        Node::And(_) | Node::Or(_) | Node::Not(_) => {
            expr.operands().into_iter().for_each(|operand| kinds(operand, found));
            return;
        }
        _ => {}
    }
    // The conditions of sets are nodes themselves; the rest of a leaf is looked through for what it reads.
    let mut conditions = Vec::new();
    look(expr, found, &mut conditions);
    conditions.into_iter().for_each(|condition| kinds(condition, found));
}

fn look<'a>(expr: &'a Expr, found: &mut BTreeSet<NodeKind>, conditions: &mut Vec<&'a Expr>) {
    let mut lambdas = |of: &mut dyn Iterator<Item = &'a attiva_expr::Lambda>| {
        conditions.extend(of.map(|lambda| &lambda.body));
    };
    match &expr.kind {
        Kind::Quantified(q) => {
            found.insert(of_quantifier(&q.how));
            lambdas(&mut q.set.filters.iter().chain([&q.condition]));
        }
        Kind::Sequence(s) => {
            found.insert(NodeKind::Sequence);
            lambdas(&mut s.set.filters.iter().chain(s.lambdas()));
        }
        Kind::Aggregated(a) => {
            found.insert(match a.how {
                Aggregate::Count => NodeKind::Count,
                Aggregate::Sum => NodeKind::Sum,
                Aggregate::Min => NodeKind::Min,
                Aggregate::Max => NodeKind::Max,
                Aggregate::Average => NodeKind::Average,
            });
            lambdas(&mut a.set.filters.iter());
            a.value.iter().for_each(|value| look(&value.body, found, conditions));
        }
        Kind::InAudience(_) => {
            found.insert(NodeKind::InAudience);
        }
        _ => {
            match &expr.kind {
                Kind::InBase { .. } => found.insert(NodeKind::Money),
                Kind::Field(field) => !field.hops.is_empty() && found.insert(NodeKind::Hop),
                _ => false,
            };
            expr.operands().into_iter().for_each(|operand| look(operand, found, conditions));
        }
    }
}

fn of_quantifier(how: &Quantifier) -> NodeKind {
    match how {
        Quantifier::Exists => NodeKind::Exists,
        Quantifier::All => NodeKind::All,
        Quantifier::None => NodeKind::None,
        Quantifier::ExistsOne => NodeKind::ExistsOne,
        Quantifier::AtLeast(_) => NodeKind::AtLeast,
        Quantifier::ShareOf(_) => NodeKind::ShareOf,
    }
}

impl Plan {
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// What it is about, by its number in the model it was checked against.
    #[must_use]
    pub fn entity(&self) -> Option<usize> {
        self.entity
    }

    /// Every kind of node in it, the conditions inside of sets included.
    #[must_use]
    pub fn kinds(&self) -> BTreeSet<NodeKind> {
        let mut found = BTreeSet::new();
        kinds(&self.root.expression(), &mut found);
        found
    }

    /// The audiences it asks for, each once.
    #[must_use]
    pub fn audiences(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        self.root.expression().walk(&mut |expr| {
            if let Kind::InAudience(membership) = &expr.kind {
                found.insert(membership.audience.clone());
            }
        });
        found
    }

    /// Whether the answer hangs on the record's own row and the time alone.
    #[must_use]
    pub fn is_of_one_row(&self) -> bool {
        !self.root.expression().is_relational()
    }

    /// The leaves, in the order they are written.
    #[must_use]
    pub fn leaves(&self) -> Vec<&Node> {
        let mut leaves = Vec::new();
        self.root.walk(&mut |node| {
            if node.condition().is_some() {
                leaves.push(node);
            }
        });
        leaves
    }

    /// The slots of the record's own row that the answer hangs on, each once, ascending. If none of these changed, and the plan does
    /// not depend on the time, the answer has not changed.
    #[must_use]
    pub fn slots(&self) -> Vec<usize> {
        let conditions = self.leaves().into_iter().filter_map(Node::condition);
        let mut slots: Vec<usize> = conditions
            .flat_map(|c| c.fields().into_iter().filter(|f| f.is_of_root()).map(|f| f.slot).collect::<Vec<_>>())
            .collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Whether a person may enter or leave by the passing of time alone.
    #[must_use]
    pub fn depends_on_now(&self) -> bool {
        self.leaves().into_iter().filter_map(Node::condition).any(|c| c.depends_on_now())
    }
}

impl Node {
    #[must_use]
    pub fn kind(&self) -> NodeKind {
        match self {
            Self::Const(_) => NodeKind::Const,
            Self::And(_) => NodeKind::And,
            Self::Or(_) => NodeKind::Or,
            Self::Not(_) => NodeKind::Not,
            Self::Compare { op: CompareOp::Eq, .. } => NodeKind::Eq,
            Self::Compare { op: CompareOp::Ne, .. } => NodeKind::Ne,
            Self::Compare { op: CompareOp::Lt, .. } => NodeKind::Lt,
            Self::Compare { op: CompareOp::Le, .. } => NodeKind::Le,
            Self::Compare { op: CompareOp::Gt, .. } => NodeKind::Gt,
            Self::Compare { op: CompareOp::Ge, .. } => NodeKind::Ge,
            Self::In { .. } => NodeKind::In,
            Self::InList { .. } => NodeKind::InList,
            Self::IsNull(_) => NodeKind::IsNull,
            Self::TextMatch { how: TextMatch::Contains, .. } => NodeKind::Contains,
            Self::TextMatch { how: TextMatch::StartsWith, .. } => NodeKind::StartsWith,
            Self::TextMatch { how: TextMatch::EndsWith, .. } => NodeKind::EndsWith,
            Self::Flag(_) => NodeKind::Flag,
            Self::Quantified(quantified) => of_quantifier(&quantified.how),
            Self::Sequence(_) => NodeKind::Sequence,
            Self::InAudience(_) => NodeKind::InAudience,
        }
    }

    /// Calls `visit` on this node and on all below it, outside first, in the order they are written.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Node)) {
        visit(self);
        match self {
            Self::And(all) | Self::Or(all) => all.iter().for_each(|one| one.walk(visit)),
            Self::Not(inner) => inner.walk(visit),
            _ => {}
        }
    }

    /// A leaf as the expression it came from: printed it is its clause, compiled its evaluator. None for a connective
    /// or a constant.
    #[must_use]
    pub fn condition(&self) -> Option<Expr> {
        let kind = match self.clone() {
            Self::Const(_) | Self::And(_) | Self::Or(_) | Self::Not(_) => return None,
            Self::Compare { op, left, right } => Kind::Compare { op, left: Box::new(left), right: Box::new(right) },
            Self::In { value, list } => Kind::In { value: Box::new(value), list },
            Self::InList { value, list } => Kind::InList { value: Box::new(value), list: Box::new(list) },
            Self::IsNull(inner) => Kind::IsNull(Box::new(inner)),
            Self::TextMatch { how, text, pattern } => {
                Kind::Match { how, text: Box::new(text), pattern: Box::new(pattern) }
            }
            Self::Flag(expr) => return Some(expr),
            Self::Quantified(quantified) => Kind::Quantified(quantified),
            Self::Sequence(sequence) => Kind::Sequence(sequence),
            Self::InAudience(membership) => Kind::InAudience(membership),
        };
        Some(Expr::new(kind, Type::Boolean, self.at()))
    }

    /// The whole node as an expression.
    pub(crate) fn expression(&self) -> Expr {
        let all = |nodes: &[Node]| nodes.iter().map(Node::expression).collect();
        let kind = match self {
            Self::And(nodes) => Kind::And(all(nodes)),
            Self::Or(nodes) => Kind::Or(all(nodes)),
            Self::Not(node) => Kind::Not(Box::new(node.expression())),
            Self::Const(truth) => Kind::Literal(match truth {
                Truth::True => Value::Boolean(true),
                Truth::False => Value::Boolean(false),
                Truth::Unknown => Value::Null,
            }),
            leaf => return leaf.condition().unwrap_or_else(|| Node::Const(Truth::Unknown).expression()),
        };
        Expr::new(kind, Type::Boolean, self.at())
    }

    /// Where the leaf's first operand stands.
    fn at(&self) -> Position {
        match self {
            Self::Compare { left: first, .. }
            | Self::In { value: first, .. }
            | Self::InList { value: first, .. }
            | Self::TextMatch { text: first, .. }
            | Self::IsNull(first)
            | Self::Flag(first) => first.at,
            Self::Quantified(quantified) => quantified.condition.body.at,
            Self::Sequence(sequence) => sequence.steps.first().map_or(Position::START, |step| step.condition.body.at),
            Self::InAudience(_) | Self::Const(_) | Self::And(_) | Self::Or(_) | Self::Not(_) => Position::START,
        }
    }
}
