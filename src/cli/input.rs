//! Text in lines, as other programs write it: a byte order mark is passed over, and what is no text at all is said.

use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use super::CliError;

/// Most bytes of a line or an object.
const MAX_BYTES: usize = 64 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// First bytes of what is often handed over for text, what it is, and what to do.
const OTHER_FORMATS: &[(&[u8], &str)] = &[
    (b"\xFF\xFE", "is UTF-16; save it as UTF-8"),
    (b"\xFE\xFF", "is UTF-16; save it as UTF-8"),
    (b"\x1F\x8B", "is compressed (gzip); unpack it first"),
    (b"\x28\xB5\x2F\xFD", "is compressed (zstd); unpack it first"),
    (b"BZh", "is compressed (bzip2); unpack it first"),
    (b"\xFD7zXZ", "is compressed (xz); unpack it first"),
    (b"PK\x03\x04", "is a zip archive or a workbook; save its text as UTF-8"),
    (b"PAR1", "is Parquet; export it as JSONL"),
];

/// Where something stands in an input, line and column from 1.
#[derive(Clone)]
pub struct Place {
    pub file: Rc<str>,
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// What is wrong here.
    pub fn wrong(&self, reason: impl Into<String>) -> CliError {
        let Self { file, line, column } = self;
        CliError::Line {
            file: file.to_string(),
            line: *line,
            column: *column,
            reason: reason.into(),
        }
    }

    /// The place of a byte, where `bytes` begin here.
    pub fn at(&self, bytes: &[u8]) -> Self {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        let behind = bytes.iter().rev().take_while(|byte| **byte != b'\n').count();
        let column = if lines == 0 { self.column + behind } else { behind + 1 };
        Self { file: self.file.clone(), line: self.line + lines, column }
    }
}

/// Some bytes of an input, and where they begin.
pub struct Piece {
    pub place: Place,
    pub bytes: Vec<u8>,
}

impl Piece {
    /// As text.
    ///
    /// # Errors
    /// The place of the first byte that is not UTF-8.
    pub fn text(&self) -> Result<&str, CliError> {
        str::from_utf8(&self.bytes).map_err(|error| {
            self.place.at(&self.bytes[..error.valid_up_to()]).wrong("is not UTF-8")
        })
    }
}

/// An input that is read piece by piece.
pub struct Input<R> {
    reader: BufReader<R>,
    /// Of what comes next.
    place: Place,
}

impl<R: Read> Input<R> {
    /// Looks at the first bytes. `name` is for errors.
    ///
    /// # Errors
    /// What is no UTF-8 text.
    pub fn open(name: &str, reader: R) -> Result<Self, CliError> {
        let place = Place { file: name.into(), line: 1, column: 1 };
        let mut input = Self { reader: BufReader::new(reader), place };
        let start = input.buffered()?;
        let other = OTHER_FORMATS.iter().find(|(magic, _)| start.starts_with(magic));
        let reason = match start {
            [0, ..] | [_, 0, ..] => Some("holds NUL bytes, as UTF-16 does; save it as UTF-8"),
            _ => other.map(|(_, reason)| *reason),
        };
        if let Some(reason) = reason {
            return Err(input.place.wrong(reason));
        }
        if start.starts_with(BYTE_ORDER_MARK) {
            input.reader.consume(BYTE_ORDER_MARK.len());
        }
        Ok(input)
    }

    /// The next line that is not blank, without its end; `None` behind the last. Files that were joined may have a byte order mark each.
    ///
    /// # Errors
    /// A line of more than [`MAX_BYTES`], and what cannot be read.
    pub fn line(&mut self) -> Result<Option<Piece>, CliError> {
        loop {
            let place = self.place.clone();
            let mut bytes = Vec::new();
            let limit = MAX_BYTES as u64 + 1;
            let read = self.reader.by_ref().take(limit).read_until(b'\n', &mut bytes);
            read.map_err(|source| unreadable(&place, source))?;
            check_size(&place, &bytes)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            (self.place.line, self.place.column) = (place.line + 1, 1);
            if bytes.starts_with(BYTE_ORDER_MARK) {
                bytes.drain(..BYTE_ORDER_MARK.len());
            }
            bytes.truncate(bytes.trim_ascii_end().len());
            if !bytes.is_empty() {
                return Ok(Some(Piece { place, bytes }));
            }
        }
    }

    /// The next byte that is not white space; it stays.
    pub fn peek(&mut self) -> Result<Option<u8>, CliError> {
        loop {
            match self.peek_any()? {
                Some(byte) if byte.is_ascii_whitespace() => self.advance(byte),
                byte => return Ok(byte),
            }
        }
    }

    /// The next byte; it stays.
    pub fn peek_any(&mut self) -> Result<Option<u8>, CliError> {
        Ok(self.buffered()?.first().copied())
    }

    /// Passes over the byte that comes next.
    pub fn advance(&mut self, byte: u8) {
        self.reader.consume(1);
        match byte {
            b'\n' => (self.place.line, self.place.column) = (self.place.line + 1, 1),
            _ => self.place.column += 1,
        }
    }

    /// Of the byte that comes next.
    pub fn place(&self) -> &Place {
        &self.place
    }

    fn buffered(&mut self) -> Result<&[u8], CliError> {
        self.reader.fill_buf().map_err(|source| unreadable(&self.place, source))
    }
}

/// # Errors
/// Bytes that are more than a line or an object may have.
pub fn check_size(place: &Place, bytes: &[u8]) -> Result<(), CliError> {
    match bytes.len() <= MAX_BYTES {
        true => Ok(()),
        false => Err(place.wrong(format!("is longer than the {MAX_BYTES} bytes that are taken"))),
    }
}

fn unreadable(place: &Place, source: io::Error) -> CliError {
    CliError::Read { path: (*place.file).into(), source }
}
