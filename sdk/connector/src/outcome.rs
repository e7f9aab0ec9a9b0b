//! Outcomes: what became of one row.

use crate::{Outcome, OutcomeStatus};

macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident = $status:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name() -> Self {
            Self::new(OutcomeStatus::$status)
        }
    )*};
}

impl Outcome {
    /// An outcome with nothing more to say.
    #[must_use]
    pub fn new(status: OutcomeStatus) -> Self {
        Self { status, code: String::new(), field: None, message: String::new(), member_id: None }
    }

    plain! {
        /// The vendor made a new member.
        created = Created;
        /// The vendor changed a member.
        updated = Updated;
        /// The vendor removed a member.
        removed = Removed;
        /// The vendor already had it so.
        unchanged = Unchanged;
        /// The vendor knows nobody like this.
        unmatched = Unmatched;
        /// Taken, not yet certain.
        pending = Pending;
    }

    /// The row was refused: a stable code, and the vendor's words.
    #[must_use]
    pub fn rejected(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), ..Self::new(OutcomeStatus::Rejected) }
    }

    /// The vendor's own name for the member, at most 256 bytes: it comes back with the member's next row. The host goes by it to
    /// tell who is one to the vendor, so name whom you take out, too, also where the vendor says that it was not there.
    #[must_use]
    pub fn member_id(mut self, id: impl Into<String>) -> Self {
        self.member_id = Some(id.into());
        self
    }

    /// The column at fault.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}
