//! What does Ctrl-C leave? Nothing: the output that is being made goes, and the exit code is 130.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
#[cfg(unix)]
use std::{fs, process};

#[cfg(unix)]
use super::output;

static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The folders in which outputs are being made. Whoever holds this is not interrupted.
pub fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on the signals that ask a process to end remove what is unfinished.
#[cfg(unix)]
pub fn handle() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let ignored = ignored();
    let asked = [SIGINT, SIGTERM, SIGHUP];
    let wanted = asked.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let Ok(mut signals) = Signals::new(wanted) else {
        return;
    };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            end(128 + signal);
        }
    });
}

#[cfg(not(unix))]
pub fn handle() {}

/// The signals that the parent has this process ignore, as `nohup` does, a bit each; none where the system does not say.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(unix)]
fn end(code: i32) -> ! {
    // Held until the process has ended, so that nobody finishes what is being removed.
    let folders = unfinished();
    folders.iter().for_each(|folder| output::remove(folder));
    process::exit(code)
}
