//! When history ends, where calls at the vendor are what binds it: a connector knows how much there is to read, or the host how
//! many keys; what calls a stream has, only the host. Estimates go by what was read so far.

use attiva_core::Fault;
use attiva_core::Millis;
use attiva_core::page::Page;
use attiva_core::ports::connector::Source;
use attiva_core::quota::Priority;
use attiva_core::run::StreamProgress;

/// The calls that are left of a stream whose connector says how many records there are, after a page that took `calls`; nothing
/// if that cannot be told.
pub(crate) fn calls_left(page: &Page, progress: &StreamProgress, calls: u64) -> Option<u64> {
    let estimate = page.estimate.as_ref()?;
    let left = estimate.records_total?.checked_sub(estimate.records_done?)?;
    let records = progress.received + page.rows.len as u64 + page.rejects.len() as u64;
    in_proportion(left, progress.calls + calls, records)
}

/// Calls for what is `left`, where so many were made for what is done.
pub(crate) fn in_proportion(left: u64, calls: u64, done: u64) -> Option<u64> {
    if left == 0 || calls == 0 || done == 0 {
        return None;
    }
    let calls = (u128::from(left) * u128::from(calls)).div_ceil(u128::from(done));
    Some(u64::try_from(calls).unwrap_or(u64::MAX))
}

/// Says it, where the stream has calls for itself.
pub(crate) fn say(
    page: &mut Page,
    source: &dyn Source,
    stream: &str,
    calls_left: Option<u64>,
    now: Millis,
) -> Result<(), Fault> {
    let (Some(estimate), Some(left)) = (&mut page.estimate, calls_left) else { return Ok(()) };
    if let Some(pace) = source.pace(stream, Priority::Backfill)? {
        estimate.phase.push_str("; ");
        estimate.phase.push_str(&pace.told(left, now));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_costs_as_what_was_done() {
        assert_eq!(in_proportion(900, 2, 300), Some(6));
        assert_eq!(in_proportion(1, 1, 300), Some(1), "a part of a call is a call");
        for nothing in [(0, 2, 300), (9, 0, 300), (9, 2, 0)] {
            assert_eq!(in_proportion(nothing.0, nothing.1, nothing.2), None, "{nothing:?}");
        }
        assert_eq!(in_proportion(u64::MAX, u64::MAX, 1), Some(u64::MAX));
    }
}
