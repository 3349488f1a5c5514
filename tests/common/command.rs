//! The command line as a test calls it.

use std::path::Path;

use assert_cmd::Command;

use super::fixtures;

/// `tabrank` with arguments.
pub fn tabrank(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tabrank"));
    command.args(arguments);
    command
}

/// A line of shell, in which `$tabrank` is the command, in a folder.
pub fn shell(folder: &Path, line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(folder);
    command.env("tabrank", env!("CARGO_BIN_EXE_tabrank")).env("model", checkpoint("pylate"));
    command
}

/// A fixture's folder.
pub fn checkpoint(case: &str) -> String {
    fixtures().join(case).join("checkpoint").display().to_string()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Names of the files in a folder, in order.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
