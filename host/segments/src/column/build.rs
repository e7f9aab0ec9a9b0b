//! Segments as one net of steps, in which what is equal is there once.

use crate::condition::{Compiler, Condition};
use crate::logic::Truth;
use crate::plan::{Node, Plan, node};
use crate::scalar::Scalar;
use attiva_core::time::Millis;
use attiva_expr::{Aggregate, Expr, Kind, Lambda, Position, Quantifier, Set, Step, Type};
use std::collections::HashMap;

/// Segments, ready to be evaluated together. Made once for a set of plans; the data may change.
#[derive(Debug)]
pub struct SegmentSet {
    pub(crate) steps: Vec<Work>,
    /// Of each plan, where its answer stands.
    pub(crate) roots: Vec<usize>,
}

/// One step: made of steps before it.
#[derive(Debug)]
pub(crate) struct Work {
    /// The table it has an answer for each row of.
    pub(crate) entity: usize,
    pub(crate) op: Op,
}

#[derive(Debug)]
pub(crate) enum Op {
    Const(Truth),
    Not(usize),
    And(Vec<usize>),
    Or(Vec<usize>),
    /// A condition on values.
    Leaf(Inputs),
    /// A value of values.
    Value(Inputs),
    Quantified {
        how: Quantifier,
        path: Vec<Step>,
        filter: Option<usize>,
        condition: usize,
    },
    Member {
        audience: String,
        path: Vec<Step>,
    },
    Sequence {
        path: Vec<Step>,
        filter: Option<usize>,
        time: usize,
        moments: Vec<Moment>,
        events: usize,
    },
    Aggregate {
        how: Aggregate,
        of: Type,
        path: Vec<Step>,
        filter: Option<usize>,
        value: Option<Source>,
        at: Position,
    },
    Base {
        amount: Source,
        currency: Source,
        at: Position,
    },
    /// What looks from inside of a set to outside of it, row by row.
    RowByRow(Condition),
}

#[derive(Debug)]
pub(crate) struct Moment {
    pub(crate) condition: usize,
    pub(crate) within_ms: Option<Millis>,
    pub(crate) not_between: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) scalar: Scalar,
    pub(crate) sources: Vec<Source>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// A stored column, of the table itself or of what is reached by relations to one.
    Field { path: Vec<Step>, entity: usize, slot: usize },
    /// A column or an answer that a step has made.
    Work(usize),
}

impl Op {
    /// What it does to which steps, of those that go from one table to another.
    fn made_of(&self) -> Option<String> {
        match self {
            Self::Quantified { how, path, filter, condition } => {
                Some(format!("{how:?} {path:?} {filter:?} {condition}"))
            }
            Self::Aggregate { how, path, filter, value, .. } => Some(format!("{how:?} {path:?} {filter:?} {value:?}")),
            Self::Sequence { path, filter, moments, .. } => Some(format!("sequence {path:?} {filter:?} {moments:?}")),
            _ => None,
        }
    }
}

impl SegmentSet {
    /// Plans that were checked against one model. A plan without an entity is taken for one of entity 0.
    #[must_use]
    pub fn new(plans: &[&Plan]) -> Self {
        let mut builder = Builder { steps: Vec::new(), known: HashMap::new() };
        let roots = plans.iter().map(|plan| {
            let mut whole = plan.root().expression();
            whole.relevel(0);
            builder.truth(plan.entity().unwrap_or_default(), &node(&whole))
        });
        let roots = roots.collect();
        Self { steps: builder.steps, roots }
    }

    /// How many steps there are after what is equal has become one.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps.len()
    }
}

struct Builder {
    steps: Vec<Work>,
    known: HashMap<String, usize>,
}

impl Builder {
    fn add(&mut self, key: String, entity: usize, op: Op) -> usize {
        self.steps.push(Work { entity, op });
        self.known.insert(key, self.steps.len() - 1);
        self.steps.len() - 1
    }

    fn truth(&mut self, entity: usize, node: &Node) -> usize {
        let joined = |sign: &str, parts: &[usize]| format!("{entity} {sign} {parts:?}");
        match node {
            Node::Const(truth) => {
                let key = format!("{entity} {truth:?}");
                self.once(key, entity, |_| Op::Const(*truth))
            }
            Node::Not(inner) => {
                let inner = self.truth(entity, inner);
                self.once(joined("not", &[inner]), entity, |_| Op::Not(inner))
            }
            Node::And(all) => {
                let all = self.operands(entity, all);
                self.once(joined("and", &all), entity, |_| Op::And(all.clone()))
            }
            Node::Or(all) => {
                let all = self.operands(entity, all);
                self.once(joined("or", &all), entity, |_| Op::Or(all.clone()))
            }
            leaf => {
                let condition = leaf.expression();
                self.leaf(entity, &condition)
            }
        }
    }

    /// The order makes no difference.
    fn operands(&mut self, entity: usize, nodes: &[Node]) -> Vec<usize> {
        let mut all: Vec<usize> = nodes.iter().map(|one| self.truth(entity, one)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn once(&mut self, key: String, entity: usize, op: impl FnOnce(&mut Self) -> Op) -> usize {
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let op = op(self);
        // What is made of equal steps is equal, in whatever order it was written.
        let Some(made_of) = op.made_of() else { return self.add(key, entity, op) };
        let made_of = format!("{entity} {made_of}");
        let step = match self.known.get(&made_of) {
            Some(known) => *known,
            None => self.add(made_of, entity, op),
        };
        self.known.insert(key, step);
        step
    }

    fn leaf(&mut self, entity: usize, condition: &Expr) -> usize {
        let key = format!("{entity} {condition}");
        self.once(key, entity, |builder| builder.leaf_op(entity, condition))
    }

    fn leaf_op(&mut self, entity: usize, condition: &Expr) -> Op {
        if looks_outside(condition) {
            return Op::RowByRow(Compiler::new(entity).condition(&node(condition)));
        }
        match &condition.kind {
            Kind::Quantified(q) => Op::Quantified {
                how: q.how.clone(),
                path: q.set.steps(),
                filter: self.filter(&q.set),
                condition: self.lambda(&q.set, &q.condition),
            },
            Kind::Sequence(s) => Op::Sequence {
                path: s.set.steps(),
                filter: self.filter(&s.set),
                time: s.time,
                moments: s
                    .steps
                    .iter()
                    .map(|step| Moment {
                        condition: self.lambda(&s.set, &step.condition),
                        within_ms: step.within_ms,
                        not_between: step.not_between.as_ref().map(|between| self.lambda(&s.set, between)),
                    })
                    .collect(),
                events: s.set.entity,
            },
            Kind::InAudience(m) => Op::Member {
                audience: m.audience.clone(),
                path: m.hops.iter().flat_map(|hop| hop.steps.iter().copied()).collect(),
            },
            _ => Op::Leaf(self.inputs(entity, condition)),
        }
    }

    fn inputs(&mut self, entity: usize, expr: &Expr) -> Inputs {
        let scalar = Scalar::new(expr);
        let sources = scalar.inputs.iter().map(|input| self.source(entity, input)).collect();
        Inputs { scalar, sources }
    }

    /// A value for each row of a table.
    fn source(&mut self, entity: usize, value: &Expr) -> Source {
        match &value.kind {
            Kind::Field(field) => Source::Field {
                path: field.hops.iter().flat_map(|hop| hop.steps.iter().copied()).collect(),
                entity: field.hops.last().map_or(entity, |hop| hop.to),
                slot: field.slot,
            },
            Kind::Quantified(_) | Kind::Sequence(_) | Kind::InAudience(_) => Source::Work(self.leaf(entity, value)),
            _ => {
                let key = format!("{entity} value {:?} {value}", value.ty);
                Source::Work(self.once(key, entity, |builder| builder.value_op(entity, value)))
            }
        }
    }

    fn value_op(&mut self, entity: usize, value: &Expr) -> Op {
        match &value.kind {
            Kind::Aggregated(a) => Op::Aggregate {
                how: a.how,
                of: a.value.as_ref().map_or(Type::Integer, |lambda| lambda.body.ty),
                path: a.set.steps(),
                filter: self.filter(&a.set),
                value: a.value.as_ref().map(|lambda| self.source(a.set.entity, &inside(lambda))),
                at: value.at,
            },
            Kind::InBase { amount, currency } => {
                Op::Base { amount: self.source(entity, amount), currency: self.source(entity, currency), at: value.at }
            }
            _ => Op::Value(self.inputs(entity, value)),
        }
    }

    fn filter(&mut self, set: &Set) -> Option<usize> {
        let all: Vec<usize> = set.filters.iter().map(|filter| self.lambda(set, filter)).collect();
        match all[..] {
            [] => None,
            [one] => Some(one),
            _ => {
                let key = format!("{} and {all:?}", set.entity);
                Some(self.once(key, set.entity, |_| Op::And(all.clone())))
            }
        }
    }

    fn lambda(&mut self, set: &Set, lambda: &Lambda) -> usize {
        self.truth(set.entity, &node(&inside(lambda)))
    }
}

/// What is asked of an element, about that element alone.
fn inside(lambda: &Lambda) -> Expr {
    let mut body = lambda.body.clone();
    body.relevel(1);
    body
}

/// Whether something inside of a set is about what is outside of it.
fn looks_outside(condition: &Expr) -> bool {
    let mut found = false;
    condition.walk(&mut |expr| {
        let (set, own): (&Set, Vec<&Lambda>) = match &expr.kind {
            Kind::Quantified(q) => (&q.set, vec![&q.condition]),
            Kind::Aggregated(a) => (&a.set, a.value.iter().collect()),
            Kind::Sequence(s) => (&s.set, s.lambdas().collect()),
            _ => return,
        };
        let mut bodies = set.filters.iter().chain(own).map(|lambda| &lambda.body);
        found |= bodies.any(|body| body.outermost().is_some_and(|level| level < set.level));
    });
    found
}
