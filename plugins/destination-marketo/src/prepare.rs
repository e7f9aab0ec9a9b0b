//! Before the first member: the mapping is checked, the list is found or made, and what it will take is said.

use crate::config::{Mode, Options};
use crate::fields::{self, EMAIL};
use crate::imports;
use crate::list;
use crate::state::{Files, State};
use attiva_connector::{Prepared, Result, Run, Target, encode_state};
use marketo_api::{Api, BATCH_MAX};

pub(crate) fn prepare(api: &Api<'_>, target: &Target, run: &Run, dry_run: bool) -> Result<Prepared> {
    let options = Options::of(target)?;
    let described = fields::describe(api)?;
    fields::check(&run.columns, options.mode, &described)?;
    let by_files = imports::is_cheaper(&options, run);
    let mut notes = fields::notes(&run.columns, &described);
    let found = list::find(api, &target.name)?;
    let id = match (found, dry_run) {
        (Some(list), _) => {
            let whose =
                if list.is_of(target) { "" } else { " It was not made for this target: whoever else is on it stays." };
            notes.push(format!("The list {} (id {}) is there.{whose}", target.name, list.id));
            list.id
        }
        (None, true) => {
            notes.push(format!("There is no list {}; it would be made in the folder {}.", target.name, options.folder));
            0
        }
        (None, false) => {
            notes.push(format!("The list {} is made in the folder {}.", target.name, options.folder));
            list::create(api, target, &options)?.id
        }
    };
    notes.extend(run.rows_expected.filter(|rows| *rows > 0).map(|rows| cost(rows, by_files, &options, run)));
    let state = State { files: by_files.then(Files::default), ..State::new(id) };
    Ok(Prepared { state: encode_state(&state)?, notes, wait_ms: None })
}

/// Calls and time of both channels, at the pace that Marketo advises and that the host keeps: 50 calls in 20 seconds.
fn cost(rows: u64, by_files: bool, options: &Options, run: &Run) -> String {
    let batches = rows.div_ceil(BATCH_MAX as u64);
    let has_email = run.columns.iter().any(|(name, _)| name == EMAIL);
    // The address is asked for, or the person is made, before the list is filled.
    let calls = if has_email || options.mode == Mode::Create { 2 * batches } else { batches };
    let by_calls = format!("{calls} calls of {BATCH_MAX} people, about {}", minutes(calls * 2 / 5));
    if !by_files {
        return format!("{rows} members take {by_calls}.");
    }
    let files = imports::files_of(rows, run);
    // Each file is sent, waited for, and asked after.
    format!(
        "{rows} members go in by about {files} files of 10 MB: {} calls, and as long as Marketo takes to import them. \
         One by one it would be {by_calls}.",
        files * 3
    )
}

fn minutes(seconds: u64) -> String {
    match seconds.div_ceil(60) {
        0 | 1 => "a minute".into(),
        minutes => format!("{minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_connector::DataType;

    #[test]
    fn a_million_members_are_reckoned() {
        let run = |columns: &[&str]| Run {
            id: "r".into(),
            started_ms: 0,
            rows_expected: Some(1_000_000),
            columns: columns.iter().map(|name| ((*name).to_owned(), DataType::Text)).collect(),
        };
        let by_id = cost(1_000_000, false, &Options::default(), &run(&["id"]));
        assert_eq!(by_id, "1000000 members take 3334 calls of 300 people, about 23 minutes.");
        let by_email = cost(1_000_000, false, &Options::default(), &run(&["email"]));
        assert_eq!(by_email, "1000000 members take 6668 calls of 300 people, about 45 minutes.");
        let by_files = cost(1_000_000, true, &Options::default(), &run(&["id"]));
        assert!(by_files.starts_with("1000000 members go in by about 2 files of 10 MB: 6 calls"), "{by_files}");
    }
}
