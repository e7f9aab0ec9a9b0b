//! The application layer: everything Attiva can be asked to do. The HTTP API is thin over it, and the command line is
//! thin over the HTTP API.

pub mod answers;
pub mod chance;
mod documents;
pub mod keys;
pub(crate) mod name;
pub mod refusal;
pub mod tenancy;

use answers::Answers;
use attiva_core::ports::clock::{Chance, Clock};
use attiva_core::ports::store::ControlStore;
use keys::Keys;
use refusal::Result;
use std::sync::Arc;
use tenancy::Tenancy;

/// The application. Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    control: Arc<dyn ControlStore>,
    keys: Keys,
    answers: Answers,
    tenancy: Tenancy,
}

impl App {
    /// An application over its stores.
    pub fn new(control: Arc<dyn ControlStore>, clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        let keys = Keys::new(Arc::clone(&control), Arc::clone(&clock), Arc::clone(&chance));
        let answers = Answers::new(Arc::clone(&control), Arc::clone(&clock));
        let tenancy = Tenancy::new(Arc::clone(&control), Arc::clone(&clock), Arc::clone(&chance));
        Self { inner: Arc::new(Inner { clock, chance, control, keys, answers, tenancy }) }
    }

    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }

    #[must_use]
    pub fn chance(&self) -> &dyn Chance {
        &*self.inner.chance
    }

    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    #[must_use]
    pub fn answers(&self) -> &Answers {
        &self.inner.answers
    }

    #[must_use]
    pub fn tenancy(&self) -> &Tenancy {
        &self.inner.tenancy
    }

    /// Whether the stores answer.
    pub fn ready(&self) -> Result<()> {
        self.inner.control.kept_answer("")?;
        Ok(())
    }
}
