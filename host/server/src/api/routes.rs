//! Routes of a resource. The router and the description of the API are made of the same list, so that there is no
//! operation that is not described.

use super::State;
use super::operation::{Described, Describer};
use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};

/// One thing that can be asked for: a method on a path.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// What it belongs to, as people look for it: `activations`.
    pub(super) resource: &'static str,
    /// What it does to that: `list`. Both together are its id, which clients are generated from: it is as stable as
    /// the path.
    pub(super) name: &'static str,
    /// One line, as an imperative.
    pub(super) summary: &'static str,
    /// What it refuses with beside what follows from what it takes.
    pub(super) refuses: Vec<u16>,
    /// Tells what the handler takes and answers, from its signature.
    pub(super) describe: fn(&mut Describer<'_>),
}

impl Operation {
    pub(super) fn id(&self) -> String {
        format!("{}.{}", self.resource, self.name)
    }
}

/// Routes, and the operations they lead to.
pub(super) struct Routes {
    resource: &'static str,
    pub(super) router: Router<State>,
    pub(super) operations: Vec<Operation>,
    /// Resources with a line on each, in the order in which they were added.
    pub(super) resources: Vec<(&'static str, &'static str)>,
}

impl Routes {
    /// No routes yet, of one resource. `about` says in a line what it is.
    pub(super) fn of(resource: &'static str, about: &'static str) -> Self {
        Self { resource, router: Router::new(), operations: Vec::new(), resources: vec![(resource, about)] }
    }

    pub(super) fn get<A, B, H>(self, path: &'static str, name: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<A, State> + Described<B>,
        A: 'static,
    {
        self.add((Method::GET, MethodFilter::GET), path, name, summary, handler)
    }

    pub(super) fn post<A, B, H>(self, path: &'static str, name: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<A, State> + Described<B>,
        A: 'static,
    {
        self.add((Method::POST, MethodFilter::POST), path, name, summary, handler)
    }

    pub(super) fn put<A, B, H>(self, path: &'static str, name: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<A, State> + Described<B>,
        A: 'static,
    {
        self.add((Method::PUT, MethodFilter::PUT), path, name, summary, handler)
    }

    pub(super) fn patch<A, B, H>(
        self,
        path: &'static str,
        name: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<A, State> + Described<B>,
        A: 'static,
    {
        self.add((Method::PATCH, MethodFilter::PATCH), path, name, summary, handler)
    }

    pub(super) fn delete<A, B, H>(
        self,
        path: &'static str,
        name: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<A, State> + Described<B>,
        A: 'static,
    {
        self.add((Method::DELETE, MethodFilter::DELETE), path, name, summary, handler)
    }

    fn add<A, B, H>(
        mut self,
        (method, filter): (Method, MethodFilter),
        path: &'static str,
        name: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<A, State> + Described<B>,
        A: 'static,
    {
        self.router = self.router.route(path, on(filter, handler));
        let (resource, describe) = (self.resource, H::describe as fn(&mut Describer<'_>));
        self.operations.push(Operation { method, path, resource, name, summary, refuses: Vec::new(), describe });
        self
    }

    /// Statuses that the operation added last refuses with, where its signature does not tell.
    pub(super) fn refuses(mut self, statuses: &[u16]) -> Self {
        if let Some(last) = self.operations.last_mut() {
            last.refuses.extend_from_slice(statuses);
        }
        self
    }

    /// The operation added last asks a vendor, and passes on what that refuses: credentials, permissions, budgets, or
    /// that it is away.
    pub(super) fn asks_a_vendor(self) -> Self {
        self.refuses(&[429, 502])
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        for (resource, about) in other.resources {
            if !self.resources.iter().any(|(known, _)| *known == resource) {
                self.resources.push((resource, about));
            }
        }
        self
    }
}
