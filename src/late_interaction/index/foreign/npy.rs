//! NumPy's `.npy` files, versions 1 to 3:
//!
//! ```text
//! magic       "\x93NUMPY", then the version in two bytes
//! N           2 bytes, from version 2 on 4, little-endian: length of the header
//! header      N bytes: {'descr': '<f4', 'fortran_order': False, 'shape': (256, 32), }
//! data        up to the file's last byte
//! ```

use super::array::{Array, Number};
use crate::error::{Error, Result};
use crate::model::contents::found_instead;

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header, in bytes; one of two sizes has about 118.
const MAX_HEADER: usize = 4096;
/// Bytes of a file that hold its header.
pub(super) const START: u64 = 12 + MAX_HEADER as u64;
/// Numbers begin at a multiple of this.
const ALIGNMENT: usize = 64;

/// What the first [`START`] bytes say, or all, of a file of `size` bytes.
///
/// # Errors
/// [`Error::InvalidVectors`].
pub(super) fn read(file: &str, start: &[u8], size: u64) -> Result<Array> {
    let wrong = |reason: String| match found_instead(start) {
        Some(found) => Error::vectors(file, format!("is {found}")),
        None => Error::vectors(file, format!("is not a valid .npy file: {reason}")),
    };
    let (header, data) = header(start).map_err(|reason| wrong(reason.to_owned()))?;
    let header = Header::parse(header).map_err(|reason| wrong(reason.to_owned()))?;
    let number = Number::from_descr(header.descr)
        .ok_or_else(|| wrong(format!("its numbers are {:?}, which are not read", header.descr)))?;
    if header.fortran_order && header.shape.len() > 1 {
        return Err(wrong("it is in Fortran's order, column after column".to_owned()));
    }
    let count = header.shape.iter().try_fold(1u64, |count, &size| count.checked_mul(size));
    let end = count.and_then(|count| count.checked_mul(number.size())?.checked_add(data));
    match end {
        Some(end) if end == size => {
            Ok(Array { file: file.to_owned(), number, shape: header.shape, start: data })
        }
        _ => Err(wrong(format!("it has {size} bytes, which is not what its header says"))),
    }
}

/// The header's text, and where the data begins.
fn header(start: &[u8]) -> Result<(&str, u64), &'static str> {
    let rest = start.strip_prefix(MAGIC).ok_or("it does not begin as one")?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or("it ends too soon")?;
    let (length, rest) = match version[0] {
        1 => {
            let (length, rest) = rest.split_first_chunk().ok_or("it ends too soon")?;
            (u16::from_le_bytes(*length).into(), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk().ok_or("it ends too soon")?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        _ => return Err("it is of another version than 1, 2 and 3"),
    };
    if length > MAX_HEADER {
        return Err("its header is longer than 4096 bytes");
    }
    let data = (start.len() - rest.len() + length) as u64;
    let header = rest.get(..length).ok_or("it ends within its header")?;
    Ok((std::str::from_utf8(header).map_err(|_| "its header is no text")?, data))
}

/// The fields of a header.
struct Header<'a> {
    descr: &'a str,
    fortran_order: bool,
    shape: Vec<u64>,
}

impl<'a> Header<'a> {
    /// Python's words for a dictionary, of which NumPy writes these few.
    fn parse(text: &'a str) -> Result<Self, &'static str> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        let mut rest = Words(text);
        rest.expect('{')?;
        while !rest.take('}') {
            let key = rest.string()?;
            rest.expect(':')?;
            let twice = match key {
                "descr" => descr.replace(rest.string()?).is_some(),
                "fortran_order" => fortran_order.replace(rest.bool()?).is_some(),
                "shape" => shape.replace(rest.tuple()?).is_some(),
                _ => return Err("its header has another field than NumPy's"),
            };
            if twice {
                return Err("its header has a field twice");
            }
            if !rest.take(',') && !rest.0.trim_start().starts_with('}') {
                return Err(WORDS);
            }
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) if rest.0.trim().is_empty() => {
                Ok(Self { descr, fortran_order, shape })
            }
            _ => Err(WORDS),
        }
    }
}

const WORDS: &str = "its header is not as NumPy writes it";

/// What is left of a text.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn take(&mut self, sign: char) -> bool {
        let found = self.0.trim_start().strip_prefix(sign);
        found.map(|rest| self.0 = rest).is_some()
    }

    fn expect(&mut self, sign: char) -> Result<(), &'static str> {
        self.take(sign).then_some(()).ok_or(WORDS)
    }

    fn string(&mut self) -> Result<&'a str, &'static str> {
        let quote = if self.take('"') { '"' } else { '\'' };
        if quote == '\'' {
            self.expect(quote)?;
        }
        let (text, rest) = self.0.split_once(quote).ok_or(WORDS)?;
        self.0 = rest;
        Ok(text)
    }

    fn bool(&mut self) -> Result<bool, &'static str> {
        let text = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = text.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err(WORDS)
    }

    fn tuple(&mut self) -> Result<Vec<u64>, &'static str> {
        self.expect('(')?;
        let (inside, rest) = self.0.split_once(')').ok_or(WORDS)?;
        self.0 = rest;
        // A comma may follow the last size, and has to where it is the only one.
        let sizes = inside.trim().strip_suffix(',').unwrap_or(inside.trim());
        let size = |size: &str| size.trim().parse().map_err(|_| WORDS);
        match sizes {
            "" => Ok(Vec::new()),
            _ => sizes.split(',').map(size).collect(),
        }
    }
}

/// All in front of the numbers of a file of version 1, as NumPy writes it.
pub(super) fn write(number: Number, shape: &[u64]) -> Vec<u8> {
    let sizes = match shape {
        [size] => format!("({size},)"),
        _ => format!("({})", shape.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
    };
    let descr = number.descr();
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {sizes}, }}").into_bytes();
    let before = MAGIC.len() + 4;
    let length = (before + header.len() + 1).next_multiple_of(ALIGNMENT) - before;
    header.resize(length - 1, b' ');
    header.push(b'\n');
    [MAGIC, &[1, 0], &(length as u16).to_le_bytes(), &header].concat()
}
