//! Numbers with their names, and the machine they come from.

use serde_json::{Map, Value, json};

/// What a benchmark found.
#[derive(Default)]
pub struct Figures {
    found: Vec<(String, Vec<f64>)>,
}

impl Figures {
    /// A figure measured once.
    pub fn one(&mut self, name: &str, value: f64) {
        self.found.push((name.to_owned(), vec![value]));
    }

    /// A figure measured several times.
    pub fn many(&mut self, name: &str, values: Vec<f64>) {
        self.found.push((name.to_owned(), values));
    }

    pub fn print(&self, as_json: bool) {
        println!("machine: {}", machine());
        println!("{:<28} {:>14} {:>14} {:>14} {:>6}", "figure", "median", "least", "most", "n");
        for (name, values) in &self.found {
            let (least, most) = spread(values);
            println!("{name:<28} {:>14.3} {least:>14.3} {most:>14.3} {:>6}", median(values), values.len());
        }
        if as_json {
            let numbers = self.found.iter().map(|(name, values)| (name.clone(), json!(median(values))));
            println!("{}", Value::Object(numbers.collect::<Map<_, _>>()));
        }
    }
}

/// The middle value; of an even number the mean of the two.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

fn spread(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), v| (least.min(*v), most.max(*v)))
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let field = |name: &str| {
        cpuinfo.lines().find_map(|l| l.strip_prefix(name)?.split_once(':')).map(|(_, v)| v.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned();
    let profile = if cfg!(debug_assertions) { "debug assertions on: not a benchmark build" } else { "release" };
    format!("{} x {cores}, load {load}, {profile}", field("model name").unwrap_or_else(|| "unknown processor".into()))
}

/// Percentile of unsorted values, by nearest rank.
#[must_use]
pub fn percentile(values: &mut [f64], percent: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = ((percent / 100.0) * values.len() as f64).ceil().max(1.0) as usize;
    values.get(rank - 1).copied().unwrap_or(f64::NAN)
}
