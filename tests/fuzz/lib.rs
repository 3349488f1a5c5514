//! The targets, as `tests/corpus.rs` replays them.

#[path = "../common/mod.rs"]
mod common;
pub mod targets;

/// Runs the target of this name.
pub fn run(name: &str, data: &[u8]) {
    let (_, run) = targets::TARGETS.iter().find(|(target, _)| *target == name).expect("a target");
    run(data);
}
