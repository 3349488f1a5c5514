//! How does a PDF become pictures? A process of this same program draws its pages and hands them over one at a time, so that nothing that a
//! hostile file does stays: endless loops, bombs and nesting end that process, and the page is told by its number.
//!
//! That process may take [`MEMORY`] bytes (where the system keeps such limits: not on Windows), a page [`Limits::seconds`], a file
//! [`MAX_FILE`] bytes. It draws the next page while the one before is encoded, and no more: two pages are in memory, however many a file has.

mod child;
mod draw;
mod messages;
mod words;

use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

pub use self::child::{DrawArgs, run as draw};
pub use self::messages::Drawn;
use self::messages::Message;

/// Largest file, in bytes.
pub const MAX_FILE: u64 = 1 << 30;
/// Most bytes that drawing may take.
const MEMORY: u64 = 3 << 30;
/// How a PDF begins; other bytes may stand before it.
const BEGINNING: &[u8] = b"%PDF-";
/// Within so many bytes.
const WITHIN: usize = 1024;

/// Whether a file that begins so is a PDF.
pub fn is_pdf(start: &[u8]) -> bool {
    let start = &start[..start.len().min(WITHIN)];
    start.windows(BEGINNING.len()).any(|bytes| bytes == BEGINNING)
}

/// How pages are drawn.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Pixels of a page's longer side; none where only its words are wanted.
    pub pixels: Option<u16>,
    /// Most seconds that a page may take.
    pub seconds: u64,
}

/// A PDF, of which pages are drawn.
pub struct Pdf {
    path: PathBuf,
    limits: Limits,
    pages: usize,
    /// The process that is at work, and the page that it hands over next, from 0.
    work: Option<(Work, usize)>,
}

struct Work {
    child: Child,
    messages: Receiver<io::Result<Message>>,
}

impl Pdf {
    /// Opens a file. Its first pages are not drawn if a run that is gone on with has come to `first`.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub fn open(path: &Path, limits: Limits, first: usize) -> Result<Self, String> {
        let mut work = Work::start(path, limits, first).map_err(|error| error.to_string())?;
        let pages = match work.next(limits.seconds)? {
            Message::Opened { pages } => pages,
            Message::Refused { reason } => return Err(reason),
            Message::Page(_) => return Err("what draws it answers in another order".to_owned()),
        };
        Ok(Self { path: path.to_owned(), limits, pages, work: Some((work, first)) })
    }

    /// How many pages there are.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Draws a page, by its number from 0.
    ///
    /// # Errors
    /// Why it cannot be drawn. The pages behind it can be.
    pub fn page(&mut self, page: usize) -> Result<Drawn, String> {
        let (mut work, next) = match self.work.take() {
            Some(work) => work,
            None => (self.start(page)?, page),
        };
        if next != page {
            work = self.start(page)?;
        }
        match work.next(self.limits.seconds)? {
            Message::Page(drawn) => {
                self.work = Some((work, page + 1));
                Ok(drawn)
            }
            Message::Refused { reason } => {
                self.work = Some((work, page + 1));
                Err(reason)
            }
            Message::Opened { .. } => Err("what draws it answers in another order".to_owned()),
        }
    }

    fn start(&self, page: usize) -> Result<Work, String> {
        let work = Work::start(&self.path, self.limits, page);
        let mut work = work.map_err(|error| error.to_string())?;
        match work.next(self.limits.seconds)? {
            Message::Opened { .. } => Ok(work),
            _ => Err("the file can no longer be opened".to_owned()),
        }
    }
}

impl Work {
    fn start(path: &Path, limits: Limits, first: usize) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["pages", "draw", "--first", &first.to_string()]);
        if let Some(pixels) = limits.pixels {
            command.args(["--pixels", &pixels.to_string()]);
        }
        command.arg("--").arg(path);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut out = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let (sender, messages) = sync_channel(0);
        thread::spawn(move || {
            loop {
                let message = Message::read(&mut out);
                let is_last = message.is_err();
                if sender.send(message).is_err() || is_last {
                    return;
                }
            }
        });
        Ok(Self { child, messages })
    }

    /// What the process says next.
    ///
    /// # Errors
    /// Why it says nothing: it has ended, or takes too long.
    fn next(&mut self, seconds: u64) -> Result<Message, String> {
        match self.messages.recv_timeout(Duration::from_secs(seconds)) {
            Ok(Ok(message)) => Ok(message),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(ended(self.child.wait())),
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("drawing it takes more than {seconds} s"))
            }
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process that ended by itself may have come to.
fn ended(status: io::Result<ExitStatus>) -> String {
    let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    format!("drawing it needs more than {} GB of memory or nests too deeply ({how})", MEMORY >> 30)
}

#[cfg(test)]
mod tests {
    use super::is_pdf;

    #[test]
    fn a_pdf_is_told_by_how_it_begins() {
        assert!(is_pdf(b"%PDF-1.7\n"));
        assert!(is_pdf(&[&b"\xEF\xBB\xBF"[..], b"%PDF-1.4"].concat()));
        assert!(!is_pdf(b"%PDF"));
        assert!(!is_pdf(&[&[b' '; 2_000][..], b"%PDF-1.4"].concat()));
        assert!(!is_pdf(b""));
    }
}
