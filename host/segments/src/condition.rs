//! A condition about one record, compiled for single evaluation: connectives over leaves, leaves over values, sets and
//! audiences.

use crate::expiry::Clock;
use crate::logic::Formula;
use crate::plan::{Node, node};
use crate::scalar::Scalar;
use attiva_core::time::Millis;
use attiva_expr::{
    Aggregate, ArithmeticOp, Expr, Field, Hop, Kind, Lambda, Position, Program, Quantifier, Sequence, Set, Step, Type,
};

#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) formula: Formula,
    pub(crate) leaves: Vec<Leaf>,
}

#[derive(Debug)]
pub(crate) struct Leaf {
    /// For people: printed, it is the clause.
    pub(crate) condition: Expr,
    pub(crate) ask: Ask,
}

/// What answers true, false or unknown.
#[derive(Debug)]
pub(crate) enum Ask {
    Scalar(Code, Clock),
    Quantified { how: Quantifier, set: Records, condition: Condition },
    Member { audience: String, of: Reached },
    Sequence { set: Records, time: usize, steps: Vec<Moment> },
}

#[derive(Debug)]
pub(crate) struct Moment {
    pub(crate) condition: Condition,
    pub(crate) within_ms: Option<Millis>,
    pub(crate) not_between: Option<Condition>,
}

/// A program and what fills its slots.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) program: Program,
    pub(crate) inputs: Inputs,
}

#[derive(Debug)]
pub(crate) enum Inputs {
    /// The row of one record, as it is.
    Row(Reached),
    Each(Vec<Read>),
}

/// What fills one slot.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) of: Expr,
    pub(crate) input: Input,
}

#[derive(Debug)]
pub(crate) enum Input {
    Field { of: Reached, slot: usize },
    Truth(Box<Ask>),
    Aggregate { how: Aggregate, of: Type, set: Records, value: Option<Code>, at: Position },
    Base(Box<Amount>),
}

/// An amount, its currency, and their product with a rate.
#[derive(Debug)]
pub(crate) struct Amount {
    pub(crate) amount: Code,
    pub(crate) currency: Code,
    pub(crate) product: Program,
    pub(crate) at: Position,
}

/// A variable's record, or one reached from it by relations to one.
#[derive(Debug, Clone)]
pub(crate) struct Reached {
    pub(crate) var: usize,
    pub(crate) steps: Vec<Step>,
    pub(crate) entity: usize,
}

#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) from: usize,
    pub(crate) steps: Vec<Step>,
    pub(crate) entity: usize,
    pub(crate) filters: Vec<Condition>,
}

/// The entities of the variables in sight, by level.
#[derive(Clone)]
pub(crate) struct Compiler {
    entities: Vec<usize>,
}

impl Compiler {
    pub(crate) fn new(entity: usize) -> Self {
        Self { entities: vec![entity] }
    }

    pub(crate) fn condition(&self, node: &Node) -> Condition {
        let mut leaves = Vec::new();
        let formula = self.formula(node, &mut leaves);
        Condition { formula, leaves }
    }

    fn formula(&self, node: &Node, leaves: &mut Vec<Leaf>) -> Formula {
        match node {
            Node::Const(truth) => Formula::Const(*truth),
            Node::And(all) => Formula::And(all.iter().map(|one| self.formula(one, leaves)).collect()),
            Node::Or(all) => Formula::Or(all.iter().map(|one| self.formula(one, leaves)).collect()),
            Node::Not(inner) => Formula::Not(Box::new(self.formula(inner, leaves))),
            leaf => {
                let condition = leaf.expression();
                leaves.push(Leaf { ask: self.ask(&condition), condition });
                Formula::Leaf(leaves.len() - 1)
            }
        }
    }

    fn ask(&self, condition: &Expr) -> Ask {
        match &condition.kind {
            Kind::Quantified(q) => Ask::Quantified {
                how: q.how.clone(),
                set: self.records(&q.set),
                condition: self.lambda(&q.set, &q.condition),
            },
            Kind::Sequence(s) => self.sequence(s),
            Kind::InAudience(m) => Ask::Member { audience: m.audience.clone(), of: self.reached(m.var, &m.hops) },
            _ => {
                let (code, scalar) = self.code(condition);
                Ask::Scalar(code, Clock::of(&scalar.expr))
            }
        }
    }

    fn sequence(&self, sequence: &Sequence) -> Ask {
        let set = &sequence.set;
        let moments = sequence.steps.iter().map(|step| Moment {
            condition: self.lambda(set, &step.condition),
            within_ms: step.within_ms,
            not_between: step.not_between.as_ref().map(|lambda| self.lambda(set, lambda)),
        });
        Ask::Sequence { set: self.records(set), time: sequence.time, steps: moments.collect() }
    }

    fn records(&self, set: &Set) -> Records {
        Records {
            from: set.from,
            steps: set.steps(),
            entity: set.entity,
            filters: set.filters.iter().map(|filter| self.lambda(set, filter)).collect(),
        }
    }

    /// As seen by an element of the set.
    fn element(&self, set: &Set) -> Self {
        let mut inner = self.clone();
        inner.entities.truncate(set.level);
        inner.entities.push(set.entity);
        inner
    }

    fn lambda(&self, set: &Set, lambda: &Lambda) -> Condition {
        self.element(set).condition(&node(&lambda.body))
    }

    fn reached(&self, var: usize, hops: &[Hop]) -> Reached {
        let own = self.entities.get(var).copied().unwrap_or_default();
        Reached {
            var,
            steps: hops.iter().flat_map(|hop| hop.steps.iter().copied()).collect(),
            entity: hops.last().map_or(own, |hop| hop.to),
        }
    }

    pub(crate) fn code(&self, expr: &Expr) -> (Code, Scalar) {
        let scalar = Scalar::new(expr);
        if let Some(var) = Scalar::of_one_record(&scalar.inputs) {
            // The fields' own slots are those of the row.
            let whole = Scalar { program: Program::new(expr), expr: expr.clone(), inputs: Vec::new() };
            return (Code { program: whole.program.clone(), inputs: Inputs::Row(self.reached(var, &[])) }, whole);
        }
        let inputs = scalar.inputs.iter().map(|input| Read { input: self.input(input), of: input.clone() }).collect();
        (Code { program: scalar.program.clone(), inputs: Inputs::Each(inputs) }, scalar)
    }

    fn input(&self, input: &Expr) -> Input {
        match &input.kind {
            Kind::Field(Field { var, hops, slot, .. }) => Input::Field { of: self.reached(*var, hops), slot: *slot },
            Kind::Aggregated(a) => {
                let element = self.element(&a.set);
                Input::Aggregate {
                    how: a.how,
                    of: a.value.as_ref().map_or(Type::Integer, |value| value.body.ty),
                    set: self.records(&a.set),
                    value: a.value.as_ref().map(|value| element.code(&value.body).0),
                    at: input.at,
                }
            }
            Kind::InBase { amount, currency } => {
                let (amount, currency) = (self.code(amount).0, self.code(currency).0);
                Input::Base(Box::new(Amount { amount, currency, product: product(input.at), at: input.at }))
            }
            _ => Input::Truth(Box::new(self.ask(input))),
        }
    }
}

/// Two decimals, multiplied.
pub(crate) fn product(at: Position) -> Program {
    let factor = |slot| {
        let field = Field { root: String::new(), name: String::new(), slot, var: 0, hops: Vec::new() };
        Box::new(Expr::new(Kind::Field(field), Type::Decimal, at))
    };
    let kind = Kind::Arithmetic { op: ArithmeticOp::Multiply, left: factor(0), right: factor(1) };
    Program::new(&Expr::new(kind, Type::Decimal, at))
}
