//! The streams: what they are called, how each is read, and whether this subscription has it.

use crate::config::Config;
use crate::extract::Extract;
use crate::fields::{self, Field};
use crate::objects::Object;
use crate::refreshed::{self, Refreshed};
use crate::{event, list_members, program_members, request};
use attiva_connector::{FaultKind, Result, Stream};
use marketo_api::Api;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dataset {
    Persons,
    Object(Object),
    Refreshed(Refreshed),
    ProgramMembers,
    ListMembers,
    Activities,
}

/// In the order in which a run reads them: what names keys comes before what is read by them.
pub(crate) const ALL: [Dataset; 10] = [
    Dataset::Persons,
    Dataset::Object(Object::Companies),
    Dataset::Refreshed(Refreshed::NamedAccounts),
    Dataset::Object(Object::OpportunityRoles),
    Dataset::Object(Object::Opportunities),
    Dataset::Refreshed(Refreshed::Programs),
    Dataset::ProgramMembers,
    Dataset::Refreshed(Refreshed::StaticLists),
    Dataset::ListMembers,
    Dataset::Activities,
];

impl Dataset {
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|dataset| dataset.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Persons => "persons",
            Self::Object(Object::Companies) => "companies",
            Self::Object(Object::OpportunityRoles) => "opportunity_roles",
            Self::Object(Object::Opportunities) => "opportunities",
            Self::Refreshed(Refreshed::NamedAccounts) => "named_accounts",
            Self::Refreshed(Refreshed::Programs) => "programs",
            Self::Refreshed(Refreshed::StaticLists) => "static_lists",
            Self::ProgramMembers => "program_memberships",
            Self::ListMembers => "static_list_memberships",
            Self::Activities => "activities",
        }
    }

    /// Hundredths of what reading takes of a day that this dataset has for itself: several times what it costs with a run
    /// every five minutes (the README has that), and more for those whose history or changes take calls by number. Together
    /// 90; the rest is for describing what there is, seven calls an hour, and for checks.
    pub(crate) fn share(self) -> u32 {
        match self {
            Self::Activities => 24,
            Self::Persons => 20,
            Self::ProgramMembers => 12,
            Self::ListMembers => 10,
            Self::Object(Object::OpportunityRoles | Object::Opportunities) => 8,
            Self::Object(Object::Companies) => 4,
            Self::Refreshed(Refreshed::NamedAccounts) => 2,
            Self::Refreshed(Refreshed::Programs | Refreshed::StaticLists) => 1,
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Persons => "Persons",
            Self::Object(Object::Companies) => "Companies",
            Self::Object(Object::OpportunityRoles) => "Opportunity contact roles",
            Self::Object(Object::Opportunities) => "Opportunities",
            Self::Refreshed(Refreshed::NamedAccounts) => "Named accounts",
            Self::Refreshed(Refreshed::Programs) => "Programs",
            Self::Refreshed(Refreshed::StaticLists) => "Static lists",
            Self::ProgramMembers => "Program memberships",
            Self::ListMembers => "Static list memberships",
            Self::Activities => "Activities",
        }
    }

    /// The bulk extract it uses, if any.
    pub(crate) fn extract(self) -> Extract {
        match self {
            Self::Activities => Extract::Activities,
            Self::ProgramMembers => Extract::Members,
            Self::Persons | Self::Object(_) | Self::Refreshed(_) | Self::ListMembers => Extract::Leads,
        }
    }

    /// The fields of its records as the instance has them now.
    pub(crate) fn fields(self, api: &Api, config: &Config) -> Result<Vec<Field>> {
        match self {
            Self::Persons => fields::select(fields::describe(api)?, config, &[]),
            Self::Object(object) => fields::describe_object(api, object.path()),
            Self::Refreshed(Refreshed::NamedAccounts) => fields::describe_object(api, refreshed::ACCOUNTS),
            // A question that costs one call and needs the permission that reading needs.
            Self::Refreshed(Refreshed::Programs) => {
                api.send(&request::programs(0, 1, None)).map(|_| Refreshed::Programs.fields())
            }
            Self::Refreshed(Refreshed::StaticLists) => Ok(Refreshed::StaticLists.fields()),
            Self::ProgramMembers => fields::describe_object(api, program_members::OBJECT),
            Self::ListMembers => Ok(list_members::fields()),
            Self::Activities => Ok(event::fields()),
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Persons => fields::ID,
            Self::Object(object) => object.key(),
            Self::Refreshed(of) => of.key(),
            // Both ids together; no column has them as one.
            Self::ProgramMembers => "leadId",
            Self::ListMembers => "membershipId",
            Self::Activities => "marketoGUID",
        }
    }

    fn cursor_column(self) -> Option<&'static str> {
        match self {
            Self::ListMembers => None,
            Self::Activities => Some("activityDate"),
            _ => Some(fields::UPDATED_AT),
        }
    }

    /// Its description. What the instance does not serve, or does not let this user see, is there with no columns, and
    /// not suggested: who chooses it all the same is told why.
    ///
    /// # Errors
    /// What is no answer to that question: a broken connection, a spent quota.
    pub(crate) fn stream(self, api: &Api, config: &Config) -> Result<Stream> {
        let (columns, served) = match self.fields(api, config) {
            Ok(fields) => (fields, true),
            Err(fault)
                if self != Self::Persons
                    && matches!(fault.kind, FaultKind::Scope | FaultKind::Unsupported | FaultKind::Data) =>
            {
                (Vec::new(), false)
            }
            Err(fault) => return Err(fault),
        };
        let keyed_by = match self {
            Self::Object(object) => {
                let (stream, column) = object.keyed_by();
                Some((stream.to_owned(), column.to_owned()))
            }
            _ => None,
        };
        Ok(Stream {
            name: self.name().into(),
            title: self.title().into(),
            columns: columns.iter().map(Field::column).collect(),
            key: self.key().into(),
            cursor_column: self.cursor_column().map(Into::into),
            deletes: matches!(self, Self::Persons | Self::ProgramMembers | Self::ListMembers),
            keyed_by,
            suggested: served && self.is_suggested(),
        })
    }

    /// The others cost calls of a day's budget, and are chosen by who wants them.
    fn is_suggested(self) -> bool {
        self == Self::Persons
    }
}
