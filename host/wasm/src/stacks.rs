//! Stacks of calls, used again. A call runs on a stack of its own, and to map, protect, touch and unmap one takes the
//! kernel longer than a small call takes the guest. What is mapped stays, up to a number, each with its guard page;
//! where more calls run at once, theirs are unmapped afterwards.
//!
//! What an earlier call has left on a stack is no guest's to read: a guest's own memory is elsewhere, and compiled code
//! reads of the stack what it has written there.
#![expect(unsafe_code, reason = "memory is mapped, and handed out as what it is: each block says what it rests on")]

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::ffi::c_void;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::{StackCreator, StackMemory};

/// How many stacks are kept that no call runs on. One keeps what its deepest call has touched, two megabytes at most and
/// usually a few pages.
const KEPT_MAX: usize = 16;

/// The stacks of an engine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stacks {
    free: Arc<Mutex<Vec<Mapping>>>,
}

impl Stacks {
    fn take(&self, len: usize) -> Option<Mapping> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop_if(|mapping| mapping.len == len)
    }

    fn give(&self, mapping: Mapping) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT_MAX {
            free.push(mapping);
        }
    }
}

// SAFETY: each stack is a mapping that nothing else refers to, readable and writable above its guard page, aligned to
// pages, and given back only when wasmtime has dropped it.
unsafe impl StackCreator for Stacks {
    fn new_stack(&self, size: usize, zeroed: bool) -> wasmtime::Result<Box<dyn StackMemory>> {
        let page = rustix::param::page_size();
        let len = size.max(page).next_multiple_of(page) + page;
        // Whoever wants zeros gets what was never used.
        let used = if zeroed { None } else { self.take(len) };
        let mapping = match used {
            Some(mapping) => mapping,
            None => Mapping::new(len, page)?,
        };
        Ok(Box::new(Stack { mapping: Some(mapping), page, home: self.clone() }))
    }
}

/// A stack that a call runs on.
struct Stack {
    /// There until it is dropped.
    mapping: Option<Mapping>,
    page: usize,
    home: Stacks,
}

impl Stack {
    fn start(&self) -> usize {
        self.mapping.as_ref().map_or(0, |mapping| mapping.base)
    }

    fn end(&self) -> usize {
        self.start() + self.mapping.as_ref().map_or(0, |mapping| mapping.len)
    }
}

// SAFETY: the ranges are those of the mapping, which lives as long as this does.
unsafe impl StackMemory for Stack {
    fn top(&self) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(self.end())
    }

    fn range(&self) -> Range<usize> {
        self.start() + self.page..self.end()
    }

    fn guard_range(&self) -> Range<*mut u8> {
        let [start, end] = [self.start(), self.start() + self.page].map(std::ptr::with_exposed_provenance_mut);
        start..end
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Some(mapping) = self.mapping.take() {
            self.home.give(mapping);
        }
    }
}

/// Memory of the system's: a page that nobody may touch, and a stack above it. Unmapped when dropped.
#[derive(Debug)]
struct Mapping {
    base: usize,
    len: usize,
}

impl Mapping {
    fn new(len: usize, page: usize) -> wasmtime::Result<Self> {
        // SAFETY: new memory, at no address that anybody has asked for.
        let base = unsafe { mmap_anonymous(std::ptr::null_mut(), len, ProtFlags::empty(), MapFlags::PRIVATE) }?;
        let mapping = Self { base: base.expose_provenance(), len };
        // SAFETY: within what was just mapped, of which nobody knows yet.
        unsafe { mprotect(base.byte_add(page), len - page, MprotectFlags::READ | MprotectFlags::WRITE) }?;
        Ok(mapping)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nobody runs on it: it is in no `Stack`.
        let unmapped = unsafe { munmap(std::ptr::with_exposed_provenance_mut::<c_void>(self.base), self.len) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 64 << 10;

    #[test]
    fn a_stack_is_used_again_and_keeps_its_guard() {
        let stacks = Stacks::default();
        let first = stacks.new_stack(SIZE, false).unwrap();
        let (range, guard) = (first.range(), first.guard_range());
        assert_eq!((range.len(), range.end, guard.end.addr()), (SIZE, first.top().addr(), range.start));
        let second = stacks.new_stack(SIZE, false).unwrap();
        assert_ne!(second.range(), range, "two calls at once have two stacks");
        drop(first);
        assert_eq!(stacks.new_stack(SIZE, false).unwrap().range(), range);
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        // A neighbour that nobody may touch either is told as one with it.
        let around = |line: &&str| {
            let (start, end) = line.split_once(' ').and_then(|(range, _)| range.split_once('-')).unwrap();
            let [start, end] = [start, end].map(|text| usize::from_str_radix(text, 16).unwrap());
            start <= guard.start.addr() && guard.end.addr() <= end
        };
        let line = maps.lines().find(around).unwrap();
        assert!(line.contains(" ---p "), "{line}");
        drop(second);
        assert_ne!(stacks.new_stack(2 * SIZE, false).unwrap().range().len(), SIZE, "of another size, another one");
    }

    #[test]
    fn zeros_were_never_used_and_no_more_are_kept_than_said() {
        let stacks = Stacks::default();
        let used = stacks.new_stack(SIZE, false).unwrap();
        // SAFETY: the stack is this test's, and no call runs on it.
        unsafe { used.top().sub(1).write(7) };
        drop(used);
        let zeroed = stacks.new_stack(SIZE, true).unwrap();
        // SAFETY: as above.
        assert_eq!(unsafe { zeroed.top().sub(1).read() }, 0);
        drop(zeroed);
        let many: Vec<_> = (0..KEPT_MAX + 5).map(|_| stacks.new_stack(SIZE, false).unwrap()).collect();
        drop(many);
        assert_eq!(stacks.free.lock().unwrap().len(), KEPT_MAX);
    }
}
