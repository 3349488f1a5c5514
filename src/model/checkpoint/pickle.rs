//! Which tensors does a pickle name, and where do their numbers lie? Read by a machine that knows tensors and what holds them, and
//! executes nothing.
//!
//! A pickle is a program for a stack. What `torch.save` writes of a model's state is a dictionary from names to calls of
//! `torch._utils._rebuild_tensor_v2` with a storage, an offset, a shape and strides; the storages' numbers lie beside it. Of an index it
//! writes one tensor, or a tuple of them; a dictionary from numbers to texts has no tensors. The few instructions and names that this
//! takes are known here, and any other is refused by its name, called or not.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use safetensors::Dtype;

use super::Place;
use crate::error::{Error, Result};
use crate::model::contents::found_instead;

/// Longest pickle, in bytes; a model of a thousand tensors has about 100 kB.
pub const MAX_PICKLE: usize = 8 << 20;
/// The instruction that a pickle begins with.
const PROTOCOL: u8 = 0x80;
/// Most axes of a tensor. Each tensor has a copy of its shape, which a pickle can name again and again.
const MAX_AXES: usize = 16;

/// What is wrong with a file that begins with `start` and is no whole archive, for this `reason`.
pub fn no_archive(file: &str, start: &[u8], reason: &str) -> Error {
    let file = file.to_owned();
    let reason = match found_instead(start) {
        _ if start.starts_with(b"PK") => format!("its archive is cut off or damaged ({reason})"),
        _ if start.starts_with(&[PROTOCOL]) => {
            "it has no archive round it, as before PyTorch 1.6: load it in Python and save it again"
                .to_owned()
        }
        Some(found) => return Error::OtherFile { file, found },
        None => reason.to_owned(),
    };
    Error::InvalidPickle { file, reason }
}

/// A tensor as a pickle has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct View {
    dtype: Dtype,
    storage: String,
    /// In numbers.
    offset: u64,
    shape: Vec<usize>,
}

/// Names and places of the tensors of the pickle of `file`, whose storages lie at `storages` in the file.
///
/// # Errors
/// [`Error::InvalidPickle`], [`Error::FileTooLarge`].
pub(super) fn places(
    file: &str,
    pickle: &[u8],
    storages: &BTreeMap<String, Range<u64>>,
) -> Result<Vec<(String, Place)>> {
    if pickle.len() > MAX_PICKLE {
        let (bytes, limit) = (pickle.len() as u64, MAX_PICKLE as u64);
        return Err(Error::FileTooLarge { file: file.to_owned(), bytes, limit });
    }
    let invalid = |reason: String| Error::InvalidPickle { file: file.to_owned(), reason };
    let tensors = Machine::new(pickle).run().and_then(|machine| machine.state());
    let place = |(name, view): (String, View)| match view.place(file, storages) {
        Some(place) => Ok((name, place)),
        None => Err(invalid(not_within(&name))),
    };
    tensors.map_err(invalid)?.into_iter().map(place).collect()
}

/// Places of the tensors of a pickle of `file` that holds one, or a tuple of `count`, whose storages lie at `storages` in the file.
///
/// # Errors
/// Why that is not what it holds.
pub(crate) fn tensors(
    file: &str,
    pickle: &[u8],
    storages: &BTreeMap<String, Range<u64>>,
    count: usize,
) -> Outcome<Vec<Place>> {
    let views = Machine::new(pickle).run()?.tensors(count)?;
    let place = |(at, view): (usize, View)| {
        view.place(file, storages).ok_or_else(|| not_within(&at.to_string()))
    };
    views.into_iter().enumerate().map(place).collect()
}

/// A number or a text of a dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item<'p> {
    Number(i64),
    Text(&'p str),
}

/// The keys and values of a pickle that is one dictionary of numbers and texts, as they were set.
///
/// # Errors
/// Why that is not what it is.
pub(crate) fn dictionary(pickle: &[u8]) -> Outcome<Vec<(Item<'_>, Item<'_>)>> {
    Machine::new(pickle).run()?.dictionary()
}

fn not_within(name: &str) -> String {
    format!("tensor {name} does not lie within its storage")
}

impl View {
    fn place(&self, file: &str, storages: &BTreeMap<String, Range<u64>>) -> Option<Place> {
        let storage = storages.get(&self.storage)?;
        let size = self.dtype.bitsize() as u64 / 8;
        let count = self.shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64))?;
        let start = storage.start.checked_add(self.offset.checked_mul(size)?)?;
        let end = start.checked_add(count.checked_mul(size)?)?;
        (end <= storage.end).then(|| Place {
            low: None,
            file: file.to_owned(),
            dtype: self.dtype,
            shape: self.shape.clone(),
            bytes: start..end,
        })
    }
}

/// What stands on the stack. Containers are numbers of those that were made, so that values are copied and hold no others.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value<'p> {
    Mark,
    None,
    Bool,
    Int(i64),
    Text(&'p str),
    Tuple(usize),
    Dict(usize),
    Storage(usize),
    Tensor(usize),
    Global(Global),
}

/// The names that may be called or stand for a type.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Dtype),
}

impl Global {
    fn of(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
            ("torch", "FloatStorage") => Global::Storage(Dtype::F32),
            ("torch", "HalfStorage") => Global::Storage(Dtype::F16),
            ("torch", "BFloat16Storage") => Global::Storage(Dtype::BF16),
            ("torch", "DoubleStorage") => Global::Storage(Dtype::F64),
            ("torch", "LongStorage") => Global::Storage(Dtype::I64),
            ("torch", "IntStorage") => Global::Storage(Dtype::I32),
            ("torch", "ShortStorage") => Global::Storage(Dtype::I16),
            ("torch", "CharStorage") => Global::Storage(Dtype::I8),
            ("torch", "ByteStorage") => Global::Storage(Dtype::U8),
            ("torch", "BoolStorage") => Global::Storage(Dtype::BOOL),
            _ => return None,
        })
    }
}

/// Or why a pickle is refused.
pub(crate) type Outcome<T> = std::result::Result<T, String>;

struct Machine<'p> {
    rest: &'p [u8],
    stack: Vec<Value<'p>>,
    memo: HashMap<u32, Value<'p>>,
    tuples: Vec<Vec<Value<'p>>>,
    dicts: Vec<Vec<(Value<'p>, Value<'p>)>>,
    storages: Vec<(Dtype, &'p str, u64)>,
    tensors: Vec<Untold<'p>>,
}

/// A tensor that has no name yet.
struct Untold<'p> {
    storage: usize,
    offset: u64,
    shape: Vec<Value<'p>>,
    strides: Vec<Value<'p>>,
}

impl<'p> Machine<'p> {
    fn new(pickle: &'p [u8]) -> Self {
        Self {
            rest: pickle,
            stack: Vec::new(),
            memo: HashMap::new(),
            tuples: Vec::new(),
            dicts: Vec::new(),
            storages: Vec::new(),
            tensors: Vec::new(),
        }
    }

    /// Up to the pickle's end.
    fn run(mut self) -> Outcome<Self> {
        loop {
            let [code] = self.bytes()?;
            if code == b'.' {
                return Ok(self);
            }
            self.step(code)?;
        }
    }

    fn step(&mut self, code: u8) -> Outcome<()> {
        let value = match code {
            // PROTO, FRAME: which version, and how much comes together.
            PROTOCOL => return self.bytes::<1>().map(drop),
            0x95 => return self.bytes::<8>().map(drop),
            b'(' => Value::Mark,
            b'N' => Value::None,
            0x88 | 0x89 => Value::Bool,
            b'J' => Value::Int(i32::from_le_bytes(self.bytes()?).into()),
            b'K' => Value::Int(u8::from_le_bytes(self.bytes()?).into()),
            b'M' => Value::Int(u16::from_le_bytes(self.bytes()?).into()),
            0x8a => self.long()?,
            b'X' => {
                let length = u32::from_le_bytes(self.bytes()?);
                self.text(length as usize)?
            }
            0x8c => {
                let [length] = self.bytes()?;
                self.text(length.into())?
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                global(module, name)?
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => global(module, name)?,
                _ => return Err("it names what is no text".to_owned()),
            },
            b')' => self.tuple(Vec::new()),
            0x85..=0x87 => {
                let start = self.stack.len().checked_sub(usize::from(code - 0x84));
                let items = self.stack.split_off(start.ok_or(SHORT)?);
                self.tuple(items)
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.tuple(items)
            }
            b'}' => self.dict(),
            b'q' | b'r' | 0x94 => return self.remember(code),
            b'h' | b'j' => {
                let place = self.memo_place(code)?;
                *self.memo.get(&place).ok_or("it recalls what it did not keep")?
            }
            b's' | b'u' => return self.set_items(code),
            b'b' => return self.build(),
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            other => return Err(format!("it has the instruction {:?}", char::from(other))),
        };
        self.stack.push(value);
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> Outcome<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or("it ends too soon")?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn text(&mut self, length: usize) -> Outcome<Value<'p>> {
        let (text, rest) = self.rest.split_at_checked(length).ok_or("it ends too soon")?;
        self.rest = rest;
        Ok(Value::Text(std::str::from_utf8(text).map_err(|_| "it has a text that is not UTF-8")?))
    }

    fn line(&mut self) -> Outcome<&'p str> {
        let end = self.rest.iter().position(|&byte| byte == b'\n').ok_or("it ends too soon")?;
        let line = std::str::from_utf8(&self.rest[..end]);
        self.rest = &self.rest[end + 1..];
        line.map_err(|_| "it has a name that is not UTF-8".to_owned())
    }

    /// A whole number of up to eight bytes.
    fn long(&mut self) -> Outcome<Value<'p>> {
        let [length] = self.bytes()?;
        let (bytes, rest) = self.rest.split_at_checked(length.into()).ok_or("it ends too soon")?;
        self.rest = rest;
        let sign = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut whole = [if sign { 0xff } else { 0 }; 8];
        let place = whole.get_mut(..bytes.len()).ok_or("it has a number of more than 64 bits")?;
        place.copy_from_slice(bytes);
        Ok(Value::Int(i64::from_le_bytes(whole)))
    }

    fn pop(&mut self) -> Outcome<Value<'p>> {
        Ok(self.stack.pop().ok_or(SHORT)?)
    }

    fn pop_to_mark(&mut self) -> Outcome<Vec<Value<'p>>> {
        let mark = self.stack.iter().rposition(|&value| value == Value::Mark).ok_or(SHORT)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn tuple(&mut self, items: Vec<Value<'p>>) -> Value<'p> {
        self.tuples.push(items);
        Value::Tuple(self.tuples.len() - 1)
    }

    fn dict(&mut self) -> Value<'p> {
        self.dicts.push(Vec::new());
        Value::Dict(self.dicts.len() - 1)
    }

    fn memo_place(&mut self, code: u8) -> Outcome<u32> {
        match code {
            b'q' | b'h' => Ok(u8::from_le_bytes(self.bytes()?).into()),
            b'r' | b'j' => Ok(u32::from_le_bytes(self.bytes()?)),
            // MEMOIZE: the next place.
            _ => Ok(self.memo.len() as u32),
        }
    }

    fn remember(&mut self, code: u8) -> Outcome<()> {
        let place = self.memo_place(code)?;
        let value = *self.stack.last().ok_or(SHORT)?;
        self.memo.insert(place, value);
        Ok(())
    }

    fn set_items(&mut self, code: u8) -> Outcome<()> {
        let items = match code {
            b'u' => self.pop_to_mark()?,
            _ => {
                let (value, key) = (self.pop()?, self.pop()?);
                vec![key, value]
            }
        };
        let Some(Value::Dict(dict)) = self.stack.last().copied() else {
            return Err("it sets an item of what is no dictionary".to_owned());
        };
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err("it sets a key without a value".to_owned());
        };
        self.dicts[dict].extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    /// What a dictionary of a model's state carries beside its items says nothing of numbers.
    fn build(&mut self) -> Outcome<()> {
        match (self.pop()?, self.stack.last()) {
            (Value::Dict(_), Some(Value::Dict(_))) => Ok(()),
            _ => Err("it sets the state of what is no dictionary".to_owned()),
        }
    }

    /// `('storage', type, key, device, count)`, and perhaps nothing more.
    fn storage(&mut self) -> Outcome<Value<'p>> {
        let items = match self.pop()? {
            Value::Tuple(tuple) => self.tuples[tuple].as_slice(),
            _ => &[],
        };
        match *items {
            [
                Value::Text("storage"),
                Value::Global(Global::Storage(dtype)),
                Value::Text(key),
                Value::Text(_),
                Value::Int(count),
                ..,
            ] if count >= 0 && matches!(items.get(5..), Some([] | [Value::None])) => {
                self.storages.push((dtype, key, count as u64));
                Ok(Value::Storage(self.storages.len() - 1))
            }
            _ => Err("it has a storage that is none of plain numbers".to_owned()),
        }
    }

    fn call(&mut self) -> Outcome<Value<'p>> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Value::Tuple(tuple), Value::Global(function)) = (arguments, function) else {
            return Err("it calls what is no function".to_owned());
        };
        match (function, self.tuples[tuple].as_slice()) {
            (Global::OrderedDict, []) => Ok(self.dict()),
            (Global::RebuildParameter, &[Value::Tensor(tensor), Value::Bool, Value::Dict(_)]) => {
                Ok(Value::Tensor(tensor))
            }
            (
                Global::RebuildTensor,
                &[
                    Value::Storage(storage),
                    Value::Int(offset @ 0..),
                    Value::Tuple(shape),
                    Value::Tuple(strides),
                    Value::Bool,
                    Value::Dict(_),
                ],
            ) => {
                let [shape, strides] = [self.axes(shape)?, self.axes(strides)?];
                self.tensors.push(Untold { storage, offset: offset as u64, shape, strides });
                Ok(Value::Tensor(self.tensors.len() - 1))
            }
            (function, _) => {
                Err(format!("it calls {function:?} with something else than it takes"))
            }
        }
    }

    /// A shape or strides.
    fn axes(&self, tuple: usize) -> Outcome<Vec<Value<'p>>> {
        match self.tuples[tuple].len() {
            ..=MAX_AXES => Ok(self.tuples[tuple].clone()),
            count => Err(format!("it has a tensor of {count} axes; at most {MAX_AXES} are taken")),
        }
    }

    /// The tensors by name, in the pickle's order.
    fn state(self) -> Outcome<Vec<(String, View)>> {
        let [Value::Dict(state)] = self.stack[..] else {
            return Err("it does not make one dictionary of tensors".to_owned());
        };
        let mut names = HashSet::new();
        let mut tensors = Vec::new();
        for &(key, value) in &self.dicts[state] {
            let Value::Text(name) = key else {
                return Err("a key is no text".to_owned());
            };
            let Value::Tensor(tensor) = value else {
                return Err(format!("{name:?} is no tensor"));
            };
            if !names.insert(name) {
                return Err(format!("tensor {name} is there twice"));
            }
            tensors.push((name.to_owned(), self.view(name, &self.tensors[tensor])?));
        }
        Ok(tensors)
    }

    fn tensors(&self, count: usize) -> Outcome<Vec<View>> {
        let made = match self.stack[..] {
            [Value::Tuple(tuple)] => self.tuples[tuple].as_slice(),
            _ => &self.stack,
        };
        if made.len() != count {
            return Err(format!("it makes {} values, not {count} of tensors", made.len()));
        }
        let view = |(at, value): (usize, &Value<'_>)| match value {
            Value::Tensor(tensor) => self.view(&at.to_string(), &self.tensors[*tensor]),
            _ => Err(format!("value {at} is no tensor")),
        };
        made.iter().enumerate().map(view).collect()
    }

    fn dictionary(&self) -> Outcome<Vec<(Item<'p>, Item<'p>)>> {
        let [Value::Dict(dict)] = self.stack[..] else {
            return Err("it does not make one dictionary".to_owned());
        };
        let item = |value: Value<'p>| match value {
            Value::Int(number) => Ok(Item::Number(number)),
            Value::Text(text) => Ok(Item::Text(text)),
            _ => Err("it has a key or a value that is neither a number nor a text".to_owned()),
        };
        self.dicts[dict].iter().map(|&(key, value)| Ok((item(key)?, item(value)?))).collect()
    }

    /// Of the ways in which numbers may lie in a storage, row after row is taken.
    fn view(&self, name: &str, tensor: &Untold<'_>) -> Outcome<View> {
        let numbers = |values: &[Value<'_>]| -> Option<Vec<usize>> {
            let number = |value: &Value<'_>| match value {
                Value::Int(number) => usize::try_from(*number).ok(),
                _ => None,
            };
            values.iter().map(number).collect()
        };
        let sizes = (numbers(&tensor.shape), numbers(&tensor.strides));
        let (Some(shape), Some(strides)) = sizes else {
            return Err(format!("tensor {name} has a shape or strides that are none"));
        };
        if shape.len() != strides.len() || !is_row_major(&shape, &strides) {
            return Err(format!(
                "tensor {name} is a view, of shape {shape:?} with strides {strides:?}: save it again with contiguous()"
            ));
        }
        let (dtype, key, count) = self.storages[tensor.storage];
        let end = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64));
        let end = end.and_then(|length| length.checked_add(tensor.offset));
        match end.is_some_and(|end| end <= count) {
            true => Ok(View { dtype, storage: key.to_owned(), offset: tensor.offset, shape }),
            false => Err(not_within(name)),
        }
    }
}

const SHORT: &str = "it takes from an empty stack";

fn global<'p>(module: &str, name: &str) -> Outcome<Value<'p>> {
    Global::of(module, name).map(Value::Global).ok_or_else(|| {
        format!("it names {:?}, which is no part of a tensor", format!("{module}.{name}"))
    })
}

/// Where an axis has one place at most its stride says nothing.
fn is_row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = Some(1usize);
    shape.iter().zip(strides).rev().all(|(&size, &stride)| {
        let fits = size <= 1 || expected == Some(stride);
        expected = expected.and_then(|expected| expected.checked_mul(size.max(1)));
        fits
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A pickle of `{name: tensor}` of two numbers from `offset` on in a storage of four.
    fn state(names: &[&str], offset: u8) -> Vec<u8> {
        let mut pickle = b"\x80\x02}(".to_vec();
        for name in names {
            pickle.extend_from_slice(&text(name));
            pickle.extend_from_slice(b"ctorch._utils\n_rebuild_tensor_v2\n((");
            pickle.extend_from_slice(&text("storage"));
            pickle.extend_from_slice(b"ctorch\nFloatStorage\n");
            pickle.extend_from_slice(&[&text("0")[..], &text("cpu"), b"K\x04tQ"].concat());
            pickle.extend_from_slice(&[b'K', offset]);
            pickle.extend_from_slice(b"K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR");
        }
        pickle.extend_from_slice(b"u.");
        pickle
    }

    /// A pickle of a tensor `a` of one number that has this many axes, as its shape and its strides.
    fn with_axes(count: usize) -> Vec<u8> {
        let sizes = [&b"("[..], &b"K\x01".repeat(count), b"t"].concat();
        let one = state(&["a"], 0);
        let at = one.windows(4).position(|part| part == b"K\x02\x85K").expect("the shape is there");
        [&one[..at], &sizes, &sizes, &one[at + 6..]].concat()
    }

    fn text(text: &str) -> Vec<u8> {
        [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
    }

    fn read(pickle: &[u8]) -> Result<Vec<(String, Place)>> {
        places("m.bin", pickle, &BTreeMap::from([("0".to_owned(), 100..116)]))
    }

    fn refusal(pickle: &[u8]) -> String {
        read(pickle).unwrap_err().to_string()
    }

    #[test]
    fn tensors_lie_in_their_storages() {
        let found = read(&state(&["a", "b"], 2)).unwrap();
        let place = |(name, place): &(String, Place)| (name.clone(), place.bytes.clone());
        let places: Vec<_> = found.iter().map(place).collect();
        assert_eq!(places, [("a".to_owned(), 108..116), ("b".to_owned(), 108..116)]);
        assert!(refusal(&state(&["a"], 3)).contains("tensor a does not lie within its storage"));
        let short = BTreeMap::from([("0".to_owned(), 100..112)]);
        for storages in [short, BTreeMap::new()] {
            let error = places_of(&storages).unwrap_err().to_string();
            assert!(error.contains("tensor a does not lie within its storage"), "{error}");
        }
    }

    fn places_of(storages: &BTreeMap<String, Range<u64>>) -> Result<Vec<(String, Place)>> {
        places("m.bin", &state(&["a"], 2), storages)
    }

    #[test]
    fn hostile_pickles_are_refused() {
        let nested = [&b"(".repeat(100_000)[..], &b"t".repeat(100_000), b"."].concat();
        // A tuple of two of the one before: 2^40 of them, if they were copied.
        let doubling =
            [b")q\x00".to_vec(), b"h\x00h\x00\x86q\x00".repeat(40), b".".to_vec()].concat();
        let itself = b"}q\x00X\x01\x00\x00\x00ah\x00s.".to_vec();
        let cases: [(Vec<u8>, &str); 14] = [
            (state(&["a", "a"], 0), "tensor a is there twice"),
            (nested, "it does not make one dictionary"),
            (doubling, "it does not make one dictionary"),
            (itself, "\"a\" is no tensor"),
            (b"X\xff\xff\xff\xff".to_vec(), "it ends too soon"),
            (b"\x8a\xff".to_vec(), "it ends too soon"),
            (b"\x8a\x09123456789.".to_vec(), "more than 64 bits"),
            (b"j\xff\xff\xff\xff".to_vec(), "it recalls what it did not keep"),
            (b"R.".to_vec(), "it takes from an empty stack"),
            (b"cos\nsystem\n.".to_vec(), "it names \"os.system\", which is no part of a tensor"),
            (b"ccollections\nOrderedDict\nN\x85R.".to_vec(), "it calls OrderedDict with"),
            (b"]q\x00.".to_vec(), "it has the instruction ']'"),
            (with_axes(17), "it has a tensor of 17 axes; at most 16"),
            (vec![b'N'; MAX_PICKLE + 1], "m.bin has 8388609 bytes; at most 8388608"),
        ];
        for (pickle, reason) in cases {
            let found = refusal(&pickle);
            assert!(found.contains(reason) && found.contains("m.bin"), "{found}");
        }
    }

    proptest! {
        #[test]
        fn no_pickle_panics(
            at in 0usize..200,
            byte in any::<u8>(),
            noise in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut pickle = state(&["a", "b"], 0);
            let at = at % pickle.len();
            pickle[at] = byte;
            let _ = read(&pickle);
            pickle.splice(at..at, noise.iter().copied());
            let _ = read(&pickle);
            let _ = read(&noise);
        }
    }
}
