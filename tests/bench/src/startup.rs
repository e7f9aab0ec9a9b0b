//! `serve` on data that is there.

use crate::figures::Figures;
use crate::host::{Served, SimulatedMarketo};
use anyhow::Result;
use serde_json::json;
use std::time::Instant;

pub fn measure(figures: &mut Figures, records: u64, rounds: u32) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");
    let marketo = SimulatedMarketo::start(records)?;
    let served = Served::start(&data, None)?;
    let connection = served.connect(&marketo)?;
    let run = served.call("POST", &format!("connections/{connection}/runs"), Some(&json!({})))?;
    served.follow(&run)?;
    served.caught_up()?;
    let key = served.key();
    served.stop();
    let mut seconds = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        let served = Served::start(&data, Some(key.clone()))?;
        served.call("GET", "profiles?limit=1", None)?;
        seconds.push(began.elapsed().as_secs_f64());
        served.stop();
    }
    figures.one("profiles", records as f64);
    figures.many("startup_seconds", seconds);
    Ok(())
}
