//! The `tabrank` command: the same crate on files and pipes. Data goes to stdout, all else to stderr.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::interrupt::handle();
    match cli::run(cli::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            cli::say(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
