//! The plan: a segment as a small tree of typed nodes, which every evaluator reads.
//!
//! Above, connectives; below, leaves. A leaf is one condition on values, such as an evaluator of columns can compute
//! for all rows at once and share between segments; what stands inside it is an expression.

use crate::logic::Truth;
use attiva_expr::{Checked, CompareOp, Expr, Kind, Position, Problem, Program, TextMatch, Type};
use serde::{Deserialize, Serialize};

/// A segment, planned. Its stored form is JSON; who may name what is settled in it, so it is to be made anew when the
/// model's fields change place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    root: Node,
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
}

/// Defines [`NodeKind`] and the list of all, which cannot fall apart.
macro_rules! node_kinds {
    ($($(#[$doc:meta])* $kind:ident,)*) => {
        /// What kinds of node there are, operators apart: an evaluator is tested on each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum NodeKind { $($(#[$doc])* $kind,)* }

        impl NodeKind {
            pub const ALL: &[Self] = &[$(Self::$kind,)*];
        }
    };
}

node_kinds! {
    Const, And, Or, Not, Eq, Ne, Lt, Le, Gt, Ge, In, InList,
    /// The one kind that is never unknown.
    IsNull,
    Contains, StartsWith, EndsWith, Flag,
}

/// Plans a checked condition. A segment answers yes or no: an expression of another type is refused.
pub fn plan(checked: &Checked) -> Result<Plan, Problem> {
    let root = checked.root();
    if root.ty != Type::Boolean {
        let message = "a segment is a condition, true or false for each person; this is a value: compare it";
        return Err(Problem::new(Problem::TYPE, root.at, message));
    }
    Ok(Plan { root: node(root) })
}

fn node(expr: &Expr) -> Node {
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
    if !expr.fields().is_empty() || expr.depends_on_now() {
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
        _ => Node::Flag(expr.clone()),
    }
}

impl Plan {
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
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

    /// The slots of the row that the answer hangs on, each once, ascending. If none of these changed, and the plan does
    /// not depend on the time, the answer has not changed.
    #[must_use]
    pub fn slots(&self) -> Vec<usize> {
        let conditions = self.leaves().into_iter().filter_map(Node::condition);
        let mut slots: Vec<usize> =
            conditions.flat_map(|c| c.fields().into_iter().map(|f| f.slot).collect::<Vec<_>>()).collect();
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
        };
        Some(Expr::new(kind, Type::Boolean, self.at()))
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
            Self::Const(_) | Self::And(_) | Self::Or(_) | Self::Not(_) => Position::START,
        }
    }
}
