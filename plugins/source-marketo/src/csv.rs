//! The CSV that Marketo writes, split into records and cells.
//!
//! Not the `csv` crate: Marketo's files have quotes inside quoted cells that are not doubled, carriage returns alone
//! and NUL bytes between characters, and tell *no value* (`null`) from the text `null` by quoting alone. `csv` drops
//! such a quote, ends a record at a lone carriage return, and does not say whether a cell was quoted.
//!
//! The rules, in this order:
//! 1. NUL bytes and carriage returns that no line feed follows are dropped, wherever they stand.
//! 2. A cell that begins with `"` is quoted. It ends at a `"` before a comma, a line's end or the file's end; `""` is
//!    a quote; any other `"` is a quote as well.
//! 3. Every other cell ends at a comma or a line's end. A line ends with LF or CRLF. Empty lines are no records.

mod long;

pub(crate) use long::LongRecord;

/// A record's cells, in buffers that are used again for the next record.
#[derive(Default)]
pub(crate) struct Record {
    cells: Vec<Cell>,
    /// Cells that are not in the input as they should be read.
    scratch: Vec<u8>,
    count: usize,
    unclosed: bool,
}

#[derive(Clone, Copy)]
struct Cell {
    start: usize,
    end: usize,
    in_scratch: bool,
    quoted: bool,
}

/// One cell's value. `Null` is the bare word `null`, or nothing at all between two commas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Null,
    Bytes(&'a [u8]),
}

/// What [`Record::read`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A record; the next begins at this place of the input.
    Record { start: usize, next: usize },
    /// No complete record: more input is needed from this place on. At the end of the file: there is none.
    Nothing { start: usize },
}

impl Record {
    /// Reads the record that begins at `from`. `last` says that the file ends with this input. At most `cells_max`
    /// cells are kept; the rest is only counted.
    pub(crate) fn read(&mut self, input: &[u8], from: usize, last: bool, cells_max: usize) -> Found {
        let start = after_empty_lines(input, from);
        self.cells.clear();
        self.scratch.clear();
        self.count = 0;
        self.unclosed = false;
        if start == input.len() {
            return Found::Nothing { start };
        }
        let mut at = start;
        loop {
            let Some((cell, end)) = self.cell(input, at, last) else { return Found::Nothing { start } };
            self.count += 1;
            if self.cells.len() < cells_max {
                self.cells.push(cell);
            }
            match end {
                End::Cell { next } => at = next,
                End::Record { next } => return Found::Record { start, next },
            }
        }
    }

    /// How many cells the record has, also those that were not kept.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Whether the file ended inside a quoted cell.
    pub(crate) fn unclosed(&self) -> bool {
        self.unclosed
    }

    /// The value of cell `index` of the record read last from `input`; null beyond the last cell.
    pub(crate) fn value<'a>(&'a self, input: &'a [u8], index: usize) -> Value<'a> {
        let Some(cell) = self.cells.get(index) else { return Value::Null };
        let whole = if cell.in_scratch { self.scratch.as_slice() } else { input };
        let bytes = whole.get(cell.start..cell.end).unwrap_or_default();
        match bytes {
            b"" | b"null" if !cell.quoted => Value::Null,
            _ => Value::Bytes(bytes),
        }
    }

    /// One cell from `at` on, or nothing if the input ends before it is certain where the cell ends.
    fn cell(&mut self, input: &[u8], at: usize, last: bool) -> Option<(Cell, End)> {
        let begin = after_dropped(input, at);
        match input.get(begin) {
            Some(b'"') => self.quoted(input, begin + 1, last),
            _ => self.bare(input, at, last),
        }
    }

    fn bare(&mut self, input: &[u8], at: usize, last: bool) -> Option<(Cell, End)> {
        let mut text = Text::new(at, self.scratch.len());
        let mut i = at;
        loop {
            i += run(input, i, BARE);
            let end = match input.get(i) {
                None if last => End::Record { next: i },
                None => return None,
                Some(b',') => End::Cell { next: i + 1 },
                Some(b'\n') => End::Record { next: i + 1 },
                Some(b'\r') if input.get(i + 1) == Some(&b'\n') => End::Record { next: i + 2 },
                Some(b'\r') if i + 1 == input.len() && !last => return None,
                Some(_) => {
                    text.skip(&mut self.scratch, input, i, 1);
                    i += 1;
                    continue;
                }
            };
            return Some((text.end(&mut self.scratch, input, i, false), end));
        }
    }

    fn quoted(&mut self, input: &[u8], at: usize, last: bool) -> Option<(Cell, End)> {
        let mut text = Text::new(at, self.scratch.len());
        let mut i = at;
        loop {
            i += run(input, i, QUOTED);
            match input.get(i) {
                None if last => {
                    self.unclosed = true;
                    return Some((text.end(&mut self.scratch, input, i, true), End::Record { next: i }));
                }
                None => return None,
                Some(b'"') => {
                    let next = after_dropped(input, i + 1);
                    let end = match input.get(next) {
                        None if last => End::Record { next },
                        None => return None,
                        Some(b',') => End::Cell { next: next + 1 },
                        Some(b'\n') => End::Record { next: next + 1 },
                        // A lone carriage return was passed over above, so this one belongs to a line's end.
                        Some(b'\r') if input.get(next + 1) == Some(&b'\n') => End::Record { next: next + 2 },
                        Some(b'\r') if next + 1 == input.len() && last => End::Record { next: next + 1 },
                        Some(b'\r') => return None,
                        Some(b'"') => {
                            text.skip(&mut self.scratch, input, i + 1, next - i);
                            i = next + 1;
                            continue;
                        }
                        Some(_) => {
                            i += 1;
                            continue;
                        }
                    };
                    return Some((text.end(&mut self.scratch, input, i, true), end));
                }
                Some(b'\r') if input.get(i + 1) == Some(&b'\n') => i += 2,
                Some(b'\r') if i + 1 == input.len() && !last => return None,
                Some(_) => {
                    text.skip(&mut self.scratch, input, i, 1);
                    i += 1;
                }
            }
        }
    }
}

/// Where a cell ends, and what begins at `next`.
enum End {
    Cell { next: usize },
    Record { next: usize },
}

/// A cell's text while it is read: a range of the input until the first byte that has to be left out, from then on a
/// copy in the scratch buffer.
struct Text {
    /// Where the part begins that is not yet copied.
    from: usize,
    scratch_start: usize,
    copied: bool,
}

impl Text {
    fn new(from: usize, scratch_start: usize) -> Self {
        Self { from, scratch_start, copied: false }
    }

    /// Leaves out `length` bytes at `at`.
    fn skip(&mut self, scratch: &mut Vec<u8>, input: &[u8], at: usize, length: usize) {
        scratch.extend_from_slice(input.get(self.from..at).unwrap_or_default());
        self.copied = true;
        self.from = at + length;
    }

    fn end(mut self, scratch: &mut Vec<u8>, input: &[u8], at: usize, quoted: bool) -> Cell {
        if !self.copied {
            return Cell { start: self.from, end: at, in_scratch: false, quoted };
        }
        self.skip(scratch, input, at, 0);
        Cell { start: self.scratch_start, end: scratch.len(), in_scratch: true, quoted }
    }
}

const BARE: u8 = 1;
const QUOTED: u8 = 2;

/// For each byte: in which kinds of cell it needs a look.
static SPECIAL: [u8; 256] = {
    let mut table = [0; 256];
    table[b',' as usize] = BARE;
    table[b'\n' as usize] = BARE;
    table[b'"' as usize] = QUOTED;
    table[b'\r' as usize] = BARE | QUOTED;
    table[0] = BARE | QUOTED;
    table
};

/// How many bytes from `at` on need no look.
fn run(input: &[u8], at: usize, kind: u8) -> usize {
    let rest = input.get(at..).unwrap_or_default();
    rest.iter().position(|&b| SPECIAL[usize::from(b)] & kind != 0).unwrap_or(rest.len())
}

/// The place of the next byte that is not dropped by rule 1, as far as the input tells.
fn after_dropped(input: &[u8], at: usize) -> usize {
    let mut i = at;
    loop {
        match (input.get(i), input.get(i + 1)) {
            (Some(0), _) => i += 1,
            (Some(b'\r'), Some(&next)) if next != b'\n' => i += 1,
            _ => return i,
        }
    }
}

fn after_empty_lines(input: &[u8], at: usize) -> usize {
    let rest = input.get(at..).unwrap_or_default();
    at + rest.iter().position(|b| !matches!(b, b'\n' | b'\r' | 0)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests;
