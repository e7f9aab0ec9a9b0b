//! Work at a rate that does not wait for answers: the n-th piece is due so long after the beginning, and how late it is done
//! counts from then, so that one that waited for another before it is not made to look fast.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How many pieces, how many a second (`None`: each thread begins its next one as soon as one is done), on how many threads.
#[derive(Clone, Copy)]
pub struct Pace {
    pub pieces: u64,
    pub per_second: Option<f64>,
    pub threads: u64,
}

impl Pace {
    /// How late each piece was done, in microseconds after it was due. `start`: what a thread needs for its pieces.
    pub fn run<S>(
        self,
        start: impl Fn() -> Result<S> + Sync,
        piece: impl Fn(&mut S, u64) -> Result<()> + Sync,
    ) -> Result<Vec<f64>> {
        let began = Instant::now();
        std::thread::scope(|scope| {
            let (start, piece) = (&start, &piece);
            let one = move |first| self.thread(first, began, start()?, piece);
            let running: Vec<_> = (0..self.threads).map(|first| scope.spawn(move || one(first))).collect();
            let mut late = Vec::new();
            for thread in running {
                match thread.join() {
                    Ok(done) => late.extend(done?),
                    Err(_) => bail!("a thread panicked"),
                }
            }
            Ok(late)
        })
    }

    /// Every `threads`-th piece from `first` on.
    fn thread<S>(
        self,
        first: u64,
        began: Instant,
        mut state: S,
        piece: &impl Fn(&mut S, u64) -> Result<()>,
    ) -> Result<Vec<f64>> {
        let mut late = Vec::new();
        for n in (first..self.pieces).step_by(usize::try_from(self.threads)?) {
            let due = match self.per_second {
                Some(rate) => began + Duration::from_secs_f64(n as f64 / rate),
                None => Instant::now(),
            };
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            piece(&mut state, n)?;
            late.push(due.elapsed().as_secs_f64() * 1e6);
        }
        Ok(late)
    }
}
