//! Numbers that lie in a file: a `.npy` file, or one tensor of what `torch.save` has written.

use std::ops::Range;

use half::f16;

use super::IndexFolder;
use crate::error::{Error, Result};
use crate::model::checkpoint::Place;

/// Types that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    F16,
    F32,
    F64,
    I32,
    I64,
    U8,
}

impl Number {
    /// As NumPy writes it, little-endian; and as it is called.
    const NAMES: [(Self, &str, &str); 6] = [
        (Number::F16, "<f2", "F16"),
        (Number::F32, "<f4", "F32"),
        (Number::F64, "<f8", "F64"),
        (Number::I32, "<i4", "I32"),
        (Number::I64, "<i8", "I64"),
        (Number::U8, "|u1", "U8"),
    ];

    /// By what NumPy writes. A byte has no order, and some say one.
    pub(super) fn from_descr(descr: &str) -> Option<Self> {
        let descr = if descr == "<u1" { "|u1" } else { descr };
        let found = Self::NAMES.iter().find(|(_, name, _)| *name == descr);
        found.map(|(number, _, _)| *number)
    }

    fn from_name(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(_, _, found)| *found == name);
        found.map(|(number, _, _)| *number)
    }

    fn entry(self) -> (Self, &'static str, &'static str) {
        let entry = Self::NAMES.into_iter().find(|(number, _, _)| *number == self);
        entry.expect("all are named")
    }

    pub(super) fn descr(self) -> &'static str {
        self.entry().1
    }

    fn name(self) -> &'static str {
        self.entry().2
    }

    /// Bytes of one.
    pub(super) fn size(self) -> u64 {
        match self {
            Number::U8 => 1,
            Number::F16 => 2,
            Number::F32 | Number::I32 => 4,
            Number::F64 | Number::I64 => 8,
        }
    }
}

/// Where numbers lie, row after row. They lie within their file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Array {
    /// How errors name it.
    pub(super) file: String,
    pub(super) number: Number,
    pub(super) shape: Vec<u64>,
    /// From the file's start.
    pub(super) start: u64,
}

impl Array {
    /// A tensor of a pickle.
    ///
    /// # Errors
    /// [`Error::InvalidVectors`]: it is of a type that is not read.
    pub(super) fn of_place(place: &Place) -> Result<Self> {
        let info = place.info("");
        let number = Number::from_name(&info.dtype).ok_or_else(|| {
            Error::vectors(&place.file, format!("is of {}, which is not read", info.dtype))
        })?;
        let shape = place.shape.iter().map(|&size| size as u64).collect();
        Ok(Self { file: place.file.clone(), number, shape, start: place.bytes.start })
    }

    /// What is wrong with it.
    pub(super) fn wrong(&self, reason: impl Into<String>) -> Error {
        Error::vectors(&self.file, reason)
    }

    /// Its sizes, if it has as many.
    ///
    /// # Errors
    /// [`Error::InvalidVectors`].
    pub(super) fn sizes<const RANK: usize>(&self) -> Result<[u64; RANK]> {
        <[u64; RANK]>::try_from(self.shape.as_slice()).map_err(|_| {
            self.wrong(format!("has shape {:?}; one of {RANK} sizes is read", self.shape))
        })
    }

    /// All of its numbers.
    ///
    /// # Errors
    /// [`Error::InvalidVectors`]: they are no floats; what reading fails with.
    pub(super) fn floats<F: IndexFolder>(&self, folder: &F) -> Result<Vec<f32>, F::Error> {
        let bytes = self.bytes(folder, 0..self.shape.iter().product())?;
        Ok(match self.number {
            Number::F16 => each(&bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Number::F32 => each(&bytes, f32::from_le_bytes),
            Number::F64 => each(&bytes, |bytes| f64::from_le_bytes(bytes) as f32),
            _ => return Err(self.type_error("F16, F32 and F64").into()),
        })
    }

    /// Some of its numbers, by their places among all.
    ///
    /// # Errors
    /// [`Error::InvalidVectors`]: they are not of 32 or 64 bits, or one is below 0; what reading fails with.
    pub(super) fn counts<F: IndexFolder>(
        &self,
        folder: &F,
        places: Range<u64>,
    ) -> Result<Vec<u64>, F::Error> {
        let bytes = self.bytes(folder, places)?;
        let numbers = match self.number {
            Number::I32 => each(&bytes, |bytes| i32::from_le_bytes(bytes).into()),
            Number::I64 => each(&bytes, i64::from_le_bytes),
            _ => return Err(self.type_error("I32 and I64").into()),
        };
        let count = |number: i64| {
            u64::try_from(number)
                .map_err(|_| self.wrong(format!("holds {number}, which is below 0")))
        };
        Ok(numbers.into_iter().map(count).collect::<Result<_>>()?)
    }

    /// Some of its numbers as they are, by their places among all.
    pub(super) fn bytes<F: IndexFolder>(
        &self,
        folder: &F,
        places: Range<u64>,
    ) -> Result<Vec<u8>, F::Error> {
        let at = |place: u64| self.start + place * self.number.size();
        folder.read_at(&self.file, at(places.start)..at(places.end))
    }

    /// # Errors
    /// [`Error::InvalidVectors`]: it is of another type.
    pub(super) fn expect(&self, number: Number) -> Result<()> {
        match self.number == number {
            true => Ok(()),
            false => Err(self.type_error(number.name())),
        }
    }

    fn type_error(&self, read: &str) -> Error {
        self.wrong(format!("is of {}; {read} are read", self.number.name()))
    }
}

fn each<const SIZE: usize, T>(bytes: &[u8], number: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|bytes| number(*bytes)).collect()
}
