//! How many threads work? As many as there are cores, or as RAYON_NUM_THREADS says.

use rayon::ThreadPoolBuilder;

use super::{CliError, say};

const VARIABLE: &str = "RAYON_NUM_THREADS";
/// Most threads: thousands of them take longer to start than any work that they share.
const MOST: usize = 512;

/// Starts no more of them than are of use, whatever the environment asks for.
///
/// # Errors
/// A system that has no room for as many.
pub fn limit() -> Result<(), CliError> {
    let asked = std::env::var(VARIABLE).ok().and_then(|count| count.parse::<usize>().ok());
    let Some(asked) = asked.filter(|&count| count > MOST) else { return Ok(()) };
    say(format_args!("warning: {VARIABLE} is {asked}; {MOST} threads are started"));
    ThreadPoolBuilder::new().num_threads(MOST).build_global().map_err(|error| CliError::Usage {
        argument: VARIABLE.to_owned(),
        reason: format!("is {asked}: {error}"),
    })
}
