//! Building faults. The kind says who acts next; `action` tells them what to do.

use crate::{CheckResult, Fault, FaultKind, Warning};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $kind:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(code: impl Into<String>, message: impl Into<String>) -> Self {
            Self::new(FaultKind::$kind, code, message)
        }
    )*};
}

impl Fault {
    /// A fault with no action, no waiting time and no field yet.
    #[must_use]
    pub fn new(kind: FaultKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
            action: String::new(),
            retry_after_ms: None,
            field: None,
        }
    }

    kinds! {
        /// The configuration is wrong. Never retried.
        config = Config;
        /// The vendor refused the credential. Never retried by itself.
        auth = Auth;
        /// The credential lacks a permission.
        scope = Scope;
        /// Too many calls for now. Say when to come back with [`retry_after_ms`](Self::retry_after_ms).
        rate_limited = RateLimited;
        /// A budget is spent: the run ends cleanly, the next one goes on.
        quota = Quota;
        /// A failure that passes: the host repeats the call.
        transient = Transient;
        /// The vendor's data cannot be read as what it should be.
        data = Data;
        /// The vendor's instance, or this connector, cannot do this.
        unsupported = Unsupported;
        /// A defect of the connector.
        internal = Internal;
    }

    /// What the person who acts next shall do, in one sentence.
    #[must_use]
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.action = action.into();
        self
    }

    /// How long to wait before the call can succeed.
    #[must_use]
    pub fn retry_after_ms(mut self, wait: u64) -> Self {
        self.retry_after_ms = Some(wait);
        self
    }

    /// The configuration key or column at fault.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Whether the host will repeat the call by itself.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self.kind, FaultKind::RateLimited | FaultKind::Transient)
    }
}

impl CheckResult {
    /// A test that passed.
    #[must_use]
    pub fn passed(name: &str, title: &str) -> Self {
        Self { name: name.into(), title: title.into(), fault: None, skipped: None }
    }

    /// A test that failed.
    #[must_use]
    pub fn failed(name: &str, title: &str, fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::passed(name, title) }
    }

    /// A test that was not run, and why.
    #[must_use]
    pub fn skipped(name: &str, title: &str, reason: &str) -> Self {
        Self { skipped: Some(reason.into()), ..Self::passed(name, title) }
    }

    /// The test passed if what was tried went well.
    #[must_use]
    pub fn of<T>(name: &str, title: &str, tried: Result<T, Fault>) -> Self {
        match tried {
            Ok(_) => Self::passed(name, title),
            Err(fault) => Self::failed(name, title, fault),
        }
    }
}

impl Warning {
    /// Something a person should know that stopped nothing.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}
