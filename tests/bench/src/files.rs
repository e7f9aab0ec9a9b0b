//! Files of very many rows: what host and connector take to write one, by format. The rows are made here, so that nothing but
//! the export is measured; the store is an S3 that others wrote, in this process, and keeps objects on the disk.

use crate::figures::Figures;
use crate::ingest::{cpu_seconds, resident_mb};
use crate::vendor::connection;
use anyhow::{Context, Result, ensure};
use attiva_core::page::{Batch, Column, Operation, OutcomeStatus, Rows, column};
use attiva_core::ports::connector::{DeliveryRun, Target};
use attiva_core::{DataType, Value};
use attiva_simulators::s3::{S3, S3Config};
use attiva_wasm::Plugin;
use serde_json::json;
use std::time::Instant;

/// Rows of a batch, as the connector declares them.
const BATCH_ROWS: u64 = 5_000;
const BUCKET: &str = "audiences";
const SECRET: &str = "of-the-benchmark";
const FORMATS: [&str; 2] = ["csv", "parquet"];

pub fn measure(figures: &mut Figures, rows: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let aot = tempfile::tempdir()?;
    let bundled = attiva_plugins::bundled().iter().find(|b| b.name == "destination-s3").context("no destination-s3")?;
    let plugin = runtime.block_on(crate::install::host(&aot)?.admit(bundled.component))?;
    for format in FORMATS {
        runtime.block_on(one(figures, &plugin, format, rows))?;
    }
    Ok(())
}

/// One file: its rows a second, its bytes, and the memory that this process takes for it at its highest.
async fn one(figures: &mut Figures, plugin: &Plugin, format: &str, rows: u64) -> Result<()> {
    let (root, spools) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let store = S3::start(S3Config {
        port: 0,
        access_key: "AKIDBENCH".into(),
        secret_key: SECRET.into(),
        bucket: BUCKET.into(),
        root: root.path().to_owned(),
    })
    .await?;
    let configuration =
        json!({"bucket": BUCKET, "region": "us-east-1", "addressing": "path", "access_key_id": "AKIDBENCH"});
    let secret = ("secret_access_key", SECRET.to_owned());
    let context = connection("path", store.address(), secret, configuration, spools.path())?;
    let target = Target {
        id: "act_1".into(),
        object: "file".into(),
        name: "bench".into(),
        options: json!({ "format": format }),
    };
    let columns = COLUMNS.map(|(name, data_type)| (name.to_owned(), data_type)).to_vec();
    let run = DeliveryRun { id: "run".into(), started_at: 1_767_225_600_000, rows_expected: Some(rows), columns };
    // The highest since now.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let ((before_mb, _), began, cpu) = (resident_mb()?, Instant::now(), cpu_seconds());
    let (mut state, mut number) = (plugin.prepare(&context, &target, &run).await?.0.state, 0);
    for first in (0..rows).step_by(usize::try_from(BATCH_ROWS)?) {
        let batch = batch(number, first, rows.min(first + BATCH_ROWS));
        let (delivered, _) = plugin.deliver(&context, &target, &run, &state, &batch).await?;
        ensure!(delivered.outcomes.iter().all(|o| o.status == OutcomeStatus::Pending), "a row was refused");
        (state, number) = (delivered.state, number + 1);
    }
    let mut finished = plugin.finish(&context, &target, &run, &state).await?.0;
    while finished.pending_become == OutcomeStatus::Pending {
        finished = plugin.poll(&context, &target, &run, &finished.state).await?.0;
    }
    let seconds = began.elapsed().as_secs_f64();
    let file = finished.artifacts.iter().find(|artifact| artifact.rows.is_some()).context("no file")?;
    ensure!(file.rows == Some(rows), "the file has {:?} rows", file.rows);
    figures.one(&format!("{format}_rows_per_s"), rows as f64 / seconds);
    figures.one(&format!("{format}_cpu_us_a_row"), (cpu_seconds() - cpu) / rows as f64 * 1e6);
    figures.one(&format!("{format}_file_mb"), file.bytes.unwrap_or(0) as f64 / 1e6);
    figures.one(&format!("{format}_resident_more_mb"), resident_mb()?.1 - before_mb);
    store.shutdown().await;
    Ok(())
}

const COLUMNS: [(&str, DataType); 6] = [
    ("email", DataType::Text),
    ("first_name", DataType::Text),
    ("last_name", DataType::Text),
    ("country", DataType::Text),
    ("score", DataType::Integer),
    ("seen", DataType::Timestamp),
];

fn batch(number: u32, from: u64, to: u64) -> Batch {
    let value = |name: &str, n: u64| match name {
        "email" => Value::Text(format!("person.number.{n}@company{}.example", n % 40_000)),
        "first_name" => Value::Text(format!("First{}", n % 997)),
        "last_name" => Value::Text(format!("Lastname{}", n % 8_191)),
        "country" => Value::Text(["DE", "FR", "US", "JP", "BR"][usize::try_from(n % 5).unwrap_or(0)].into()),
        "score" => Value::Integer(i64::try_from(n % 101).unwrap_or(0)),
        _ => Value::Timestamp(1_767_225_600_000 + i64::try_from(n).unwrap_or(0) * 1_000),
    };
    let columns: Vec<Column> = COLUMNS
        .iter()
        .map(|(name, data_type)| column(name, *data_type, &(from..to).map(|n| value(name, n)).collect::<Vec<_>>()))
        .collect();
    let len = usize::try_from(to - from).unwrap_or(0);
    Batch {
        number,
        keys: (from..to).map(|n| Some(format!("{n}@123-ABC-456.Marketo"))).collect(),
        operations: vec![Operation::Upsert; len],
        member_ids: Vec::new(),
        rows: Rows { len, columns },
    }
}
