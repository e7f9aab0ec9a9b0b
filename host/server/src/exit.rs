//! Exit codes of the program. Stable: scripts rely on them.

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Something failed; the message, or the problem document, says what and who acts next.
    Fault = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The host could not be reached.
    Unreachable = 3,
    /// The API key is missing, refused, or not allowed to do this.
    Auth = 4,
    /// There is no such thing.
    Missing = 5,
    /// It exists already, is in progress, or was changed by somebody else in between.
    Conflict = 6,
    /// What runs is not what files say.
    Differs = 7,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
