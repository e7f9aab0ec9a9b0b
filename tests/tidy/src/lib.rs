//! Tests about the repository itself. The README lists what each file keeps true.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod crates;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod fault_matrix;
#[cfg(test)]
mod guardrails;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod links;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod text;
