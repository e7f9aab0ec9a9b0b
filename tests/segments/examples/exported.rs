//! Writes the exported tables of a sandbox with statements and members for `exported.py`.
//!
//! `cargo run -p attiva-segments-judge --example exported -- FOLDER [random segments] [worlds]`
#![expect(clippy::print_stdout, reason = "says what it has written")]

use attiva_segments_judge::exported::{Exported, fill, texts};
use serde_json::json;
use std::error::Error;
use std::path::Path;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("a folder to write to is wanted")?;
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (random, worlds) = (number(1_000)?, number(40)?);
    let exported = Exported::start(Path::new(&folder)).await?;
    fill(&exported, 0..worlds / 2).await?;
    exported.settled().await?;
    exported.engine.take_tables().await?;
    fill(&exported, worlds / 2..worlds).await?;
    let (cases, taken) = exported.judged(&texts(random)).await?;
    let told: Vec<_> =
        cases.iter().map(|case| json!({ "segment": case.segment, "sql": case.sql, "members": case.members })).collect();
    std::fs::write(Path::new(&folder).join("cases.json"), serde_json::to_vec(&told)?)?;
    println!("{} statements, manifest {}, in {folder}", cases.len(), taken.manifest);
    Ok(())
}
