//! The programs whose members an export has: the list of them is read by offset over days, and moves whenever one is deleted.
//!
//! ```text
//! taken before     ... 5 6 7 8 | 9 10      the next begin behind 8, at offset 8
//! 2 was deleted    ... 5 6 7 8 9 | 10      at offset 8 stands 10: 9 would be missed
//! asked from 5 on      5 6 7 8 9 10        begins with one that was taken: 9 and 10 are what follows
//! ```
//!
//! So every question reaches back to programs that were taken, and back further where it does not find them.

use crate::cursor::ProgramsPlace;
use crate::extract::Extract;
use crate::reader::Reader;
use crate::request;
use attiva_connector::Result;
use marketo_api::Listed;
use serde::Deserialize;

/// Programs in one answer: Marketo gives no more.
const ANSWER_MAX: i64 = 200;
/// How far a question reaches back; what is left of an answer is enough for an export.
const BACK: i64 = 190;
/// Programs that are remembered: a question that reaches back begins with one of them.
const TAKEN_MAX: usize = 200;

/// The programs of the export of a window, none if there are no more; the same ones again where it is ordered again.
pub(crate) fn of_window(reader: &Reader, place: &mut ProgramsPlace, window: i64) -> Result<Vec<i64>> {
    if let Some((of, programs)) = &place.ordered
        && *of == window
    {
        return Ok(programs.clone());
    }
    let programs = next(reader, place)?;
    place.ordered = Some((window, programs.clone()));
    Ok(programs)
}

/// Those behind the ones that were taken.
fn next(reader: &Reader, place: &mut ProgramsPlace) -> Result<Vec<i64>> {
    let most = usize::try_from(Extract::Members.window()).unwrap_or(1);
    let (mut offset, mut programs) = behind(reader, place)?;
    // An answer may have fewer than were asked for and yet not be the last: that is the one without any.
    while !programs.is_empty() {
        let new = |id: &&i64| !place.taken.contains(id);
        let next: Vec<i64> = programs.iter().filter(new).take(most).copied().collect();
        if let Some(last) = next.last() {
            let index = programs.iter().position(|id| id == last).unwrap_or(0);
            place.offset = offset + index as i64 + 1;
            place.taken.extend(&next);
            place.taken.drain(..place.taken.len().saturating_sub(TAKEN_MAX));
            return Ok(next);
        }
        offset += programs.len() as i64;
        programs = list(reader, offset)?;
    }
    Ok(Vec::new())
}

/// An answer that begins at the beginning, or with a program that was taken; and its offset.
fn behind(reader: &Reader, place: &ProgramsPlace) -> Result<(i64, Vec<i64>)> {
    let mut offset = (place.offset - BACK).max(0);
    loop {
        let programs = list(reader, offset)?;
        if offset == 0 || programs.first().is_some_and(|id| place.taken.contains(id)) {
            return Ok((offset, programs));
        }
        offset = (offset - BACK).max(0);
    }
}

fn list(reader: &Reader, offset: i64) -> Result<Vec<i64>> {
    #[derive(Deserialize)]
    struct Program {
        id: i64,
    }

    let response = reader.api.send(&request::programs(offset, ANSWER_MAX, None))?;
    let listed: Listed<Program> = marketo_api::read(&response)?;
    Ok(listed.result.iter().map(|program| program.id).collect())
}
