//! The process that draws: it limits itself, opens the file, and writes page after page.

use std::fs;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::thread;

use hayro::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};

use super::MAX_FILE;
use super::draw::draw;
use super::messages::{Drawn, Message};
use crate::cli::CliError;

/// Bytes of the stack: deep nesting that the interpreter takes has room, and what is deeper ends this process alone.
const STACK: usize = 256 << 20;
/// Most pages of a file.
const MAX_PAGES: usize = 100_000;

/// Draw the pages of a PDF for the run that has started this one.
#[derive(clap::Args)]
pub struct DrawArgs {
    path: PathBuf,
    /// The first page that is drawn, from 0.
    #[arg(long, default_value_t = 0)]
    first: usize,
    /// Pixels of the longer side [default: no picture is drawn].
    #[arg(long)]
    pixels: Option<u16>,
}

/// Writes all pages to stdout.
///
/// # Errors
/// Stdout that cannot be written: nobody wants more pages.
pub fn run(args: &DrawArgs) -> Result<(), CliError> {
    limit();
    // What is wrong is told in messages.
    panic::set_hook(Box::new(|_| ()));
    let done = thread::scope(|scope| {
        let drawing = thread::Builder::new().stack_size(STACK);
        drawing
            .spawn_scoped(scope, || pages(args, &mut io::stdout().lock()))?
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("drawing has ended")))
    });
    done.map_err(CliError::Stdout)
}

/// Neither memory nor time is taken beyond what is needed, and none when nobody waits any more.
#[cfg(unix)]
fn limit() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let limit = Rlimit { current: Some(super::MEMORY), maximum: Some(super::MEMORY) };
    let _ = setrlimit(Resource::As, limit);
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}

#[cfg(not(unix))]
fn limit() {}

fn pages(args: &DrawArgs, out: &mut impl Write) -> io::Result<()> {
    let opened = panic::catch_unwind(|| open(&args.path));
    let pdf = match opened.unwrap_or_else(|_| Err(PANICKED.to_owned())) {
        Ok(pdf) => pdf,
        Err(reason) => return Message::Refused { reason }.write(out),
    };
    let pages = pdf.pages().len();
    match pages {
        0 => return Message::Refused { reason: "has no pages".to_owned() }.write(out),
        MAX_PAGES.. => {
            let reason = format!("has {pages} pages; fewer than {MAX_PAGES} are drawn");
            return Message::Refused { reason }.write(out);
        }
        _ => Message::Opened { pages }.write(out)?,
    }
    (args.first..pages).try_for_each(|page| one(&pdf, page, args.pixels).write(out))
}

/// What the libraries under this should not do, and what is told if they do.
const PANICKED: &str = "is beyond what draws it";

fn one(pdf: &Pdf, page: usize, pixels: Option<u16>) -> Message {
    let drawn = panic::catch_unwind(AssertUnwindSafe(|| draw(&pdf.pages()[page], pixels)));
    let drawn: Result<Drawn, String> = drawn.unwrap_or_else(|_| Err(PANICKED.to_owned()));
    drawn.map_or_else(|reason| Message::Refused { reason }, Message::Page)
}

fn open(path: &Path) -> Result<Pdf, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_FILE {
        return Err(format!("has {size} bytes; at most {MAX_FILE} are read"));
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let reason = match Pdf::new(bytes) {
        Ok(pdf) => return Ok(pdf),
        Err(LoadPdfError::Invalid) => {
            "is a damaged PDF: neither its table of objects nor its pages are found"
        }
        Err(LoadPdfError::Decryption(DecryptionError::PasswordProtected)) => {
            "is encrypted with a password; save it without one"
        }
        Err(LoadPdfError::Decryption(_)) => {
            "is encrypted in a way that is not read; save it without"
        }
    };
    Err(reason.to_owned())
}
