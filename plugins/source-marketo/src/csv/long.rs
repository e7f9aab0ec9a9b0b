//! Passing over a record that is too long to hold.

/// Finds the end of a record piece by piece, keeping nothing but a state, by the same rules as [`super::Record`]:
/// what rule 1 drops never decides where a cell ends, so that a machine of four states is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LongRecord {
    state: State,
    cell: usize,
    cell_length: usize,
    longest: (usize, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    CellStart,
    Bare,
    Quoted,
    /// Behind a quote in a quoted cell: the cell's end, or not.
    Quote,
}

impl LongRecord {
    /// At the beginning of a record.
    pub(crate) fn new() -> Self {
        Self { state: State::CellStart, cell: 0, cell_length: 0, longest: (0, 0) }
    }

    /// Takes the next piece; answers how much of it belongs to the record if the record ends there.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Option<usize> {
        for (i, &byte) in piece.iter().enumerate() {
            self.cell_length += 1;
            self.state = match (self.state, byte) {
                (State::CellStart | State::Bare | State::Quote, b'\n') => {
                    self.cell_ended();
                    return Some(i + 1);
                }
                (State::CellStart | State::Bare | State::Quote, b',') => {
                    self.cell_ended();
                    State::CellStart
                }
                (state @ (State::CellStart | State::Quote), b'\r' | 0) => state,
                (State::CellStart, b'"') => State::Quoted,
                (State::CellStart | State::Bare, _) => State::Bare,
                (State::Quoted, b'"') => State::Quote,
                (State::Quoted | State::Quote, _) => State::Quoted,
            };
        }
        None
    }

    /// Index and length in the file of the record's longest cell so far.
    pub(crate) fn longest_cell(&self) -> (usize, usize) {
        if self.cell_length > self.longest.1 { (self.cell, self.cell_length) } else { self.longest }
    }

    fn cell_ended(&mut self) {
        self.longest = self.longest_cell();
        self.cell += 1;
        self.cell_length = 0;
    }
}
