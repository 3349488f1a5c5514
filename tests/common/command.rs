//! The command line as a test calls it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

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

/// A run that writes x and reads a pipe that is not at its end, once the state that it has kept is as is waited for.
pub fn started(
    folder: &Path,
    arguments: &[&str],
    input: &str,
    is_kept: impl Fn(&str) -> bool,
) -> (Child, ChildStdin) {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tabrank"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    stdin.flush().unwrap();
    let (begin, state) = (Instant::now(), folder.join("x.partial/state.json"));
    while !fs::read_to_string(&state).is_ok_and(|state| is_kept(&state)) {
        assert!(begin.elapsed() < Duration::from_secs(60), "it keeps what it has done");
        std::thread::sleep(Duration::from_millis(5));
    }
    (child, stdin)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Names of the files in a folder, in order.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
