//! What `wit-bindgen` makes of the contract, and short names for it.
//!
//! Three generated modules, so that every connector carries exactly the exports it has: `base` has the imports and
//! the `plugin` interface; `source` and `destination` add one interface each and take the types from `base`.
//! An export macro of this crate uses `base` and one or both of the others; each leaves a section that describes its
//! world in the module, and `wit-component` unites them.

#![allow(missing_docs, reason = "generated from the WIT, which carries the documentation")]
#![allow(unsafe_code, reason = "generated: the canonical ABI is raw memory")]
#![allow(unreachable_pub, reason = "generated")]

pub mod base {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package attiva:sdk;
            world base {
                import attiva:connector/http@0.1.0;
                import attiva:connector/spool@0.1.0;
                import attiva:connector/log@0.1.0;
                import attiva:connector/clock@0.1.0;
                import attiva:connector/random@0.1.0;
                import attiva:connector/progress@0.1.0;
                export attiva:connector/plugin@0.1.0;
            }",
        world: "attiva:sdk/base",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_base",
    });
}

pub mod source {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package attiva:sdk;
            world source {
                export attiva:connector/source@0.1.0;
            }",
        world: "attiva:sdk/source",
        with: { "attiva:connector/types@0.1.0": crate::bindings::base::attiva::connector::types },
        generate_unused_types: true,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_source_interface",
    });
}

pub mod destination {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package attiva:sdk;
            world destination {
                export attiva:connector/destination@0.1.0;
            }",
        world: "attiva:sdk/destination",
        with: { "attiva:connector/types@0.1.0": crate::bindings::base::attiva::connector::types },
        generate_unused_types: true,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_destination_interface",
    });
}

pub use base::attiva::connector::http::{Request, Response};
pub use base::attiva::connector::log::Level;
pub use base::attiva::connector::spool::{Fetched, Status as SpoolStatus};
pub use base::attiva::connector::types::{
    BytesArray, CheckResult, Column, ColumnValues, Cursor, DataType, Fault, FaultKind, TextListArray, Warning,
};
pub use base::attiva::connector::{clock, http, log, progress, random, spool};
pub use destination::exports::attiva::connector::destination::{
    Artifact, Batch, Delivered, EraseResult, EraseStatus, FieldSpec, Finished, Member, MemberPage, Operation, Outcome,
    OutcomeStatus, Prepared, Run, Target, TargetObject,
};
pub use source::exports::attiva::connector::source::{
    ColumnSpec, Estimate, Limits, Merge, Page, Reject, RowKind, Stream,
};
