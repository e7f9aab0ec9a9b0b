//! The kill campaign: every named point, then random moments until the time is over. Prints its seed and what each
//! kill hit; ends with an error at the first journey that differs from an undisturbed one.

use anyhow::{Context, Result, ensure};
use attiva_e2e::readings::Readings;
use attiva_e2e::scenarios::{self, Stage};
use attiva_e2e::vendors::Vendors;
use attiva_e2e::{Kill, same, travel};
use attiva_sync::crash::{POINTS, POINTS_OF_READBACK};
use clap::Parser;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 10_000)]
    leads: u64,
    /// For the random moments; a fresh one if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Random moments go on until this has passed; at least ten are tried.
    #[arg(long, default_value_t = 0)]
    seconds: u64,
    /// Random moments at least.
    #[arg(long, default_value_t = 10)]
    moments: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let began = Instant::now();
    let clock = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let mut random = arguments.seed.unwrap_or(u64::try_from(clock % u128::from(u64::MAX))?);
    println!("seed {random}, {} leads", arguments.leads);
    let vendors = Vendors::start(arguments.leads, 7)?;
    let undisturbed = Instant::now();
    let reference = travel(&vendors, Kill::Never)?.landed;
    let length = undisturbed.elapsed();
    println!("undisturbed: {} profiles, {} bytes, {length:?}", reference.profiles.len(), reference.file.len());

    let (mut kills, mut journeys) = (0u64, 0u64);
    for name in POINTS {
        let count = 1 + next(&mut random) % 2;
        let told = travel(&vendors, Kill::AtPoint { name, count }).with_context(|| format!("{name}:{count}"))?;
        let told = if told.phase.is_none() {
            // The point was not passed that often; once it always is.
            travel(&vendors, Kill::AtPoint { name, count: 1 })?
        } else {
            told
        };
        let phase = told.phase.as_ref().with_context(|| format!("{name} was never passed"))?;
        same(&reference, &told.landed).with_context(|| format!("killed at {name}"))?;
        println!("killed at {name}: {phase}: same");
        (kills, journeys) = (kills + 1, journeys + 1);
    }
    kills += readings(&mut random)?;
    kills += deliveries(&mut random)?;
    let at_points = kills;
    let span = u64::try_from(length.as_millis())?.max(1);
    while journeys < POINTS.len() as u64 + arguments.moments || began.elapsed() < Duration::from_secs(arguments.seconds)
    {
        let after = Duration::from_millis(next(&mut random) % span);
        let told = travel(&vendors, Kill::After(after)).with_context(|| format!("killed after {after:?}"))?;
        same(&reference, &told.landed).with_context(|| format!("killed after {after:?}"))?;
        println!("killed after {after:?}: {}: same", told.phase.as_deref().unwrap_or("it had ended by then"));
        kills += u64::from(told.phase.is_some());
        journeys += 1;
    }
    ensure!(kills > at_points, "no random moment hit anything");
    println!("{journeys} journeys, {kills} kills, {:?}", began.elapsed());
    println!("{kills} passed, 0 failed");
    Ok(())
}

/// Readings of a list, killed at each of their points. How many kills.
fn readings(random: &mut u64) -> Result<u64> {
    let vendors = Vendors::start(3, 7)?;
    let mut readings = Readings::prepare(&vendors)?;
    let (reference, _) = readings.read(Kill::Never)?;
    for name in POINTS_OF_READBACK {
        // Three pages, and one step of the comparison.
        let count = if name == "readback.compared" { 1 } else { 1 + next(random) % 3 };
        let (found, was_killed) = readings.read(Kill::AtPoint { name, count })?;
        ensure!(was_killed, "{name} was not passed {count} times");
        ensure!(found == reference, "killed at {name}:{count}: {found:?} instead of {reference:?}");
        println!("killed at {name}:{count}: same");
    }
    readings.stop()?;
    Ok(POINTS_OF_READBACK.len() as u64)
}

/// A delivery to Marketo or to LinkedIn, whichever the dice say, killed on either side of what is sent: what may still land
/// is waited out, a minute and more. How many kills.
fn deliveries(random: &mut u64) -> Result<u64> {
    let vendors = Vendors::start(3, 7)?;
    let mut stage = Stage::prepare(&vendors)?;
    let name = ["win-back", "buying-group"][usize::from(next(random).is_multiple_of(2))];
    let all = stage.scenarios()?;
    let scenario = all.iter().find(|it| it.name == name).context("a scenario of that name")?;
    let calm = stage.undisturbed(scenario)?;
    let unsure = ["batch.opened", "batch.delivered"];
    for point in unsure {
        let told = stage.killed(scenario, point, 1).with_context(|| format!("{name} killed at {point}"))?;
        scenarios::same(&calm, &told).with_context(|| format!("{name} killed at {point}"))?;
        println!("{name} killed at {point}: same");
    }
    stage.stop()?;
    Ok(unsure.len() as u64)
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
