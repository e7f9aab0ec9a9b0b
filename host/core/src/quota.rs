//! The budget of a vendor instance: how many calls in a window, at once and a day, whoever makes them. What may begin,
//! who is next, and what has to be kept first, decided from times that are handed in; `attiva-wasm` does the waiting.
//!
//! **No limit is ever exceeded by us alone**, at whatever moment between its beginning and its end a call reaches the
//! vendor: a call holds its place in a window from the one until a window's length after the other. Days count what
//! begins, for both days near a midnight. Counts are kept in blocks, each kept as spent before any of it is: a kill
//! wastes what was left of a block. What was under way when the process died is taken to have reached the vendor by then,
//! if it ever does: its connections died with it.

mod day;
mod foreign;
mod kept;
mod pace;
mod queue;
mod reset;
mod shares;
mod shown;
mod window;

pub use foreign::Foreign;
pub use kept::{Kept, KeptDay};
pub use pace::CallPace;
pub use queue::{Ticket, User};
pub use reset::Reset;
pub use shares::{NoRoom, ShownShare};
pub use shown::{Shown, ShownLimit};

use crate::Millis;
use crate::spec::Rate;
use day::Day;
use queue::Queue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shares::{Shares, SpentByStream};
use std::collections::{BTreeMap, VecDeque};
use window::{Limit, share};

/// Who waits for what a call brings. The former go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "QuotaPriority")]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// A person.
    Interactive,
    /// Whoever wants to be up to date.
    Streaming,
    /// Nobody: what was there before is read.
    Backfill,
}

/// A moment, by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub wall: Millis,
    /// Milliseconds of a clock that never goes back.
    pub steady: u64,
}

/// What an operator says of one limit, in the place of what connectors declare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "QuotaSetting")]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Setting {
    Window {
        seconds: u32,
        calls: u32,
    },
    Concurrent {
        calls: u32,
    },
    Day {
        calls: u32,
    },
    /// Of what connectors that divide a day among their streams take of it.
    Streams {
        /// Hundredths of the day that the streams of a connector have together.
        percent: u32,
        /// Hundredths of that, by stream, in the place of those declared; empty: whoever comes first has them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shares: Option<BTreeMap<String, u32>>,
    },
}

/// Whether a call may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It has begun, and is counted; [`Quota::end`] has to be told of its end.
    Begun,
    /// First [`Quota::reserve`] has to be kept.
    Reserve,
    Wait(Wait),
}

/// Why a call waits, and until when at least; `None`: until somebody else ends or begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    Window {
        until: Option<u64>,
    },
    Concurrent {
        until: Option<u64>,
    },
    Day {
        until: Millis,
    },
    /// Somebody else is next.
    Turn,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Answered,
    /// Cut off: the vendor may be at work on it still.
    CutOff,
}

/// How long a vendor may be at work on a call that we have cut off.
const LINGER_MS: u64 = 30_000;
/// Calls reserved at once, at most.
const BLOCK_MAX: u64 = 100;

/// The budget of one instance.
#[derive(Debug, Default)]
pub struct Quota {
    declared: BTreeMap<String, Vec<Rate>>,
    settings: Vec<Setting>,
    windows: Vec<Limit>,
    at_once: Option<Limit>,
    days: Vec<Day>,
    queue: Queue,
    running: u64,
    /// Until when calls that were cut off count as running.
    lingering: Vec<u64>,
    /// When calls ended, oldest first; as far back as the longest window.
    ended: VecDeque<u64>,
    /// No call before this.
    held_until: Option<u64>,
    block: Block,
    users: BTreeMap<String, u64>,
    users_until: Option<Millis>,
    /// By plugin.
    shares: BTreeMap<String, Shares>,
    by_stream: SpentByStream,
    foreign: Option<Foreign>,
    /// As another process kept them: for days that are declared later than it was read.
    kept_days: Vec<KeptDay>,
}

/// Calls that are kept as spent and have not begun.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    left: u64,
    /// Until when they would count as they were kept.
    until: Option<Millis>,
    /// Each reservation has a number: one that was overtaken by a change of the limits grants nothing.
    number: u64,
}

/// What has to be kept before calls may begin.
#[derive(Debug, Clone)]
pub struct Reservation {
    pub kept: Kept,
    block: Block,
}

impl Quota {
    /// Notes what a connector declares; of several, all hold.
    pub fn declare(&mut self, by: &str, rates: &[Rate]) {
        if self.declared.get(by).is_some_and(|declared| declared == rates) {
            return;
        }
        self.declared.insert(by.to_owned(), rates.to_vec());
        self.declare_shares(by, rates);
        self.rebuild();
    }

    /// Notes what an operator says, in the place of what was said before.
    pub fn set(&mut self, settings: Vec<Setting>) {
        self.settings = settings;
        self.rebuild();
    }

    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Makes the limits of what is declared and set; what is counted stays.
    fn rebuild(&mut self) {
        let (mut windows, mut at_once, mut days) = (Vec::<Limit>::new(), None::<Limit>, Vec::<Day>::new());
        for rate in self.declared.values().flatten() {
            match rate {
                Rate::Window { calls, seconds, refused_by } => {
                    let at = position_or_push(&mut windows, |w| w.seconds == *seconds, || Limit::new(*seconds, *calls));
                    tighten(&mut windows[at], *calls, refused_by);
                }
                Rate::Concurrent { calls, refused_by } => {
                    tighten(at_once.get_or_insert_with(|| Limit::new(0, *calls)), *calls, refused_by);
                }
                Rate::Day { calls, resets, told_by, refused_by } => {
                    let Some(new) = Day::new(resets) else { continue };
                    let at = position_or_push(&mut days, |d| d.resets == *resets, || new);
                    let day = &mut days[at];
                    day.declared = match (day.declared, *calls) {
                        (Some(one), Some(other)) => Some(one.min(other)),
                        (one, other) => one.or(other),
                    };
                    day.told_by = day.told_by.take().or_else(|| told_by.clone());
                    join(&mut day.refused_by, refused_by);
                }
                Rate::Streams { .. } => {}
            }
        }
        for setting in &self.settings {
            match setting {
                Setting::Window { seconds, calls } => {
                    windows.iter_mut().filter(|w| w.seconds == *seconds).for_each(|w| w.set = Some(*calls));
                }
                Setting::Concurrent { calls } => {
                    if let Some(limit) = &mut at_once {
                        limit.set = Some(*calls);
                    }
                }
                Setting::Day { calls } => days.iter_mut().for_each(|day| day.set = Some(*calls)),
                Setting::Streams { .. } => {}
            }
        }
        for window in &mut windows {
            if let Some(before) = self.windows.iter().find(|before| before.seconds == window.seconds) {
                window.take_pace(before);
            }
        }
        for day in &mut days {
            if let Some(before) = self.days.iter().find(|before| before.resets == day.resets) {
                day.take_count(before);
            } else if let Some(kept) = self.kept_days.iter().find(|kept| kept.resets == day.resets) {
                day.restore(kept);
            }
        }
        (self.windows, self.at_once, self.days) = (windows, at_once, days);
        // What was reserved was reserved for other limits.
        self.block = Block { number: self.block.number + 1, ..Block::default() };
    }

    /// Goes on from what another process kept.
    pub fn restore(&mut self, kept: &Kept, now: Moment) {
        for day in &mut self.days {
            if let Some(kept) = kept.days.iter().find(|kept| kept.resets == day.resets) {
                day.restore(kept);
            }
        }
        self.kept_days.clone_from(&kept.days);
        // Calls of that process may have begun until a moment ago, unless it is known that it was at rest before.
        let over = kept.at.saturating_add(i64::from(kept.window_seconds) * 1000);
        if !kept.at_rest || now.wall <= over {
            self.ended.extend((0..kept.recent).map(|_| now.steady));
        }
        self.users.clone_from(&kept.users);
        self.by_stream.clone_from(&kept.streams);
        self.users_until = kept.users_until;
        self.foreign.clone_from(&kept.foreign);
        self.advance(now);
    }

    /// Whether anything has to be kept at all.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        !self.windows.is_empty() || !self.days.is_empty()
    }

    /// A call wants to be made.
    pub fn enter(&mut self, user: User, priority: Priority, now: Moment) -> Ticket {
        self.queue.enter(user, priority, now.steady)
    }

    /// A call that waited is not made.
    pub fn leave(&mut self, ticket: Ticket) {
        self.queue.leave(ticket);
    }

    /// Whether a call may begin; if it may, it has.
    pub fn turn(&mut self, ticket: Ticket, now: Moment) -> Turn {
        self.advance(now);
        let mut is_next = None;
        for (waiting, is_aged) in self.queue.order(now.steady) {
            let free = self.free(waiting.priority, is_aged, now);
            if waiting.ticket == ticket {
                match free {
                    Err(wait) => return Turn::Wait(wait),
                    Ok(()) => is_next = Some(is_aged),
                }
                break;
            }
            if free.is_ok() {
                return Turn::Wait(Wait::Turn);
            }
        }
        let Some(is_aged) = is_next else { return Turn::Wait(Wait::Turn) };
        if self.is_counted() {
            if !self.is_reserved(now) {
                return Turn::Reserve;
            }
            self.block.left -= 1;
        }
        let Some(begun) = self.queue.begin(ticket, is_aged) else { return Turn::Wait(Wait::Turn) };
        self.running += 1;
        self.days.iter_mut().for_each(|day| day.spend(now.wall, 1));
        self.spend_share(&begun.user.plugin, begun.user.stream.as_deref());
        *self.users.entry(begun.user.connection).or_default() += 1;
        Turn::Begun
    }

    /// Whether a call of a class may begin, if nobody else wants to.
    fn free(&self, priority: Priority, is_aged: bool, now: Moment) -> Result<(), Wait> {
        let day = self.days.iter().filter_map(|day| day.full_until(now.wall, |most| share(priority, most))).max();
        if let Some(until) = day {
            return Err(Wait::Day { until });
        }
        // Age opens what is left for others, save of a day: that would be gone.
        let share = |most| if is_aged { most } else { share(priority, most) };
        let mut window = None;
        for limit in &self.windows {
            let length = u64::from(limit.seconds) * 1000;
            let first = self.ended.partition_point(|ended| ended + length < now.steady);
            let occupied = self.at_vendor() + (self.ended.len() - first) as u64;
            let Some(over) = (occupied + 1).checked_sub(share(limit.calls())).filter(|over| *over > 0) else {
                continue;
            };
            // The one that has to leave the window before this one may begin.
            let leaving = self.ended.get(first + usize::try_from(over).unwrap_or(usize::MAX) - 1);
            let until = leaving.map(|ended| ended + length + 1);
            window = Some(window.map_or(until, |before: Option<u64>| before.zip(until).map(|(a, b)| a.max(b))));
        }
        if let Some(until) = window {
            return Err(Wait::Window { until });
        }
        if let Some(until) = self.held_until {
            return Err(Wait::Concurrent { until: Some(until) });
        }
        match &self.at_once {
            Some(limit) if self.at_vendor() >= share(limit.calls()) => {
                Err(Wait::Concurrent { until: self.lingering.first().copied() })
            }
            _ => Ok(()),
        }
    }

    fn at_vendor(&self) -> u64 {
        self.running + self.lingering.len() as u64
    }

    /// Whether a call may begin without anything being kept first.
    #[must_use]
    pub fn is_reserved(&self, now: Moment) -> bool {
        self.block.left > 0 && self.block.until.is_none_or(|until| now.wall < until)
    }

    /// What is to be kept before the next calls may begin. Any number of these may be on their way; the last one that
    /// is made is the one to keep last.
    pub fn reserve(&mut self, now: Moment) -> Reservation {
        self.advance(now);
        let tightest = self.windows.iter().map(|limit| u64::from(limit.said()) / 8);
        let days = self.days.iter().filter_map(Day::most).map(|most| most / 100);
        let calls = tightest.chain(days).min().unwrap_or(BLOCK_MAX).clamp(1, BLOCK_MAX);
        let until = self.days.iter().filter_map(|day| day.same_until(now.wall)).min();
        let block = Block { left: calls, until, number: self.block.number };
        // What is left of the block before is granted no more.
        self.block.left = 0;
        Reservation { kept: self.kept(now, calls), block }
    }

    /// A reservation is kept: its calls may begin.
    pub fn reserved(&mut self, reservation: &Reservation) {
        if reservation.block.number == self.block.number {
            self.block = Block { number: self.block.number + 1, ..reservation.block };
        }
    }

    /// What is to be kept soon, since the vendor said something that a restart must not forget.
    #[must_use]
    pub fn keep(&self, now: Moment) -> Kept {
        self.kept(now, self.block.left)
    }

    /// What is to be kept when nothing is to begin any more in this process.
    pub fn rest(&mut self, now: Moment) -> Kept {
        self.advance(now);
        self.block = Block { number: self.block.number + 1, ..Block::default() };
        Kept { at_rest: self.running == 0, ..self.kept(now, 0) }
    }

    fn kept(&self, now: Moment, reserved: u64) -> Kept {
        let window_seconds = self.windows.iter().map(|limit| limit.seconds).max().unwrap_or(0);
        let days = self.days.iter().map(|day| {
            let mut spent = day.clone();
            spent.spend(now.wall, reserved);
            spent.keep()
        });
        let unknown = self.kept_days.iter().filter(|kept| self.days.iter().all(|day| day.resets != kept.resets));
        Kept {
            at: now.wall,
            recent: self.at_vendor() + self.ended.len() as u64 + reserved,
            window_seconds,
            days: days.chain(unknown.cloned()).collect(),
            users: self.users.clone(),
            streams: self.by_stream.clone(),
            users_until: self.users_until,
            foreign: self.foreign.clone(),
            at_rest: false,
        }
    }

    /// A call that began is over.
    pub fn end(&mut self, ending: Ending, now: Moment) {
        self.running = self.running.saturating_sub(1);
        match ending {
            Ending::Answered => self.ended.push_back(now.steady),
            Ending::CutOff => self.lingering.push(now.steady + LINGER_MS),
        }
        self.advance(now);
    }

    fn advance(&mut self, now: Moment) {
        let steady = now.steady;
        let over = self.lingering.iter().filter(|until| **until <= steady).count();
        if over > 0 {
            self.lingering.retain(|until| *until > steady);
            // They were over some time before: now is the safe side.
            self.ended.extend((0..over).map(|_| steady));
        }
        let longest = self.windows.iter().map(|limit| u64::from(limit.seconds) * 1000).max();
        while self.ended.front().is_some_and(|ended| longest.is_none_or(|longest| ended + longest < steady)) {
            self.ended.pop_front();
        }
        self.held_until = self.held_until.filter(|until| *until > steady);
        self.windows.iter_mut().chain(&mut self.at_once).for_each(|limit| limit.advance(steady));
        self.days.iter_mut().for_each(|day| day.advance(now.wall));
        if self.users_until.is_none_or(|until| now.wall >= until) {
            self.users.clear();
            self.by_stream.clear();
            let of_a_day = self.days.iter().find_map(|day| match Reset::parse(&day.resets)? {
                Reset::Rolling => None,
                Reset::Midnight(_) => day.frees_at(),
            });
            self.users_until = of_a_day.or_else(|| Reset::parse("UTC0")?.next_midnight(now.wall));
        }
    }
}

fn position_or_push<T>(all: &mut Vec<T>, is_it: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> usize {
    all.iter().position(is_it).unwrap_or_else(|| {
        all.push(new());
        all.len() - 1
    })
}

fn tighten(limit: &mut Limit, calls: u32, refused_by: &[String]) {
    limit.declared = limit.declared.min(calls);
    join(&mut limit.refused_by, refused_by);
}

fn join(codes: &mut Vec<String>, more: &[String]) {
    for code in more {
        if !codes.contains(code) {
            codes.push(code.clone());
        }
    }
}

#[cfg(test)]
mod tests;
