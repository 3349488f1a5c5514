//! Objects in: one a line, or the elements of an array.

use std::io::{self, Read};

use clap::ValueEnum;
use tabrank::{Error, TextKind};

use super::fields::Fields;
use super::input::{Input, Piece, Place, check_size};
use super::{CliError, say};

/// What to do about a line that is wrong.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnError {
    Fail,
    Skip,
}

#[derive(clap::Args)]
pub struct InputArgs {
    /// What to do about an object that cannot be read: fail, or skip it and tell how many.
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    pub on_error: OnError,
}

/// An object of the input.
pub struct Record {
    /// The line, or the place in the array, from 0.
    pub index: usize,
    pub place: Place,
    pub fields: Fields,
}

impl Record {
    fn parse(index: usize, piece: &Piece) -> Result<Self, CliError> {
        let fields = serde_json::from_str(piece.text()?).map_err(|error| wrong(piece, &error))?;
        Ok(Self { index, place: piece.place.clone(), fields })
    }

    /// A field that must be a string.
    pub fn string(&self, field: &str) -> Result<String, CliError> {
        let value = self.fields.get(field);
        let value =
            value.ok_or_else(|| self.place.wrong(format!("the object has no {field:?}")))?;
        serde_json::from_str(value.get()).map_err(|_| {
            self.place.wrong(match value.get().starts_with('"') {
                true => format!("{field:?} has an escape that is no character"),
                false => format!("{field:?} is not a string"),
            })
        })
    }

    /// "id", or BEIR's "_id"; a number stands for its digits.
    ///
    /// # Errors
    /// An object that has neither, or another value there.
    pub fn id(&self) -> Result<String, CliError> {
        let field = if self.fields.get("id").is_some() { "id" } else { "_id" };
        match self.fields.get(field) {
            Some(value) if value.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                Ok(value.get().to_owned())
            }
            Some(_) => self.string(field),
            None => Err(self.place.wrong("the object has no \"id\" or \"_id\"")),
        }
    }

    /// The text, if there is one.
    pub fn text(&self) -> Result<Option<String>, CliError> {
        match self.fields.get("text").filter(|text| text.get() != "null") {
            Some(_) => self.string("text").map(Some),
            None => Ok(None),
        }
    }

    /// A field that must be a finite number, if it is there and not null.
    pub fn number(&self, field: &str) -> Result<Option<f64>, CliError> {
        let Some(value) = self.fields.get(field) else { return Ok(None) };
        let number: Option<Option<f64>> = serde_json::from_str(value.get()).ok();
        // It is told as a number of 32 bits.
        let number =
            number.filter(|number| number.is_none_or(|number| (number as f32).is_finite()));
        number.ok_or_else(|| self.place.wrong(format!("{field:?} is not a finite number")))
    }
}

/// Reads the objects of stdin.
///
/// # Errors
/// As [`read`].
pub fn read_stdin(
    args: &InputArgs,
    each: impl FnMut(Record) -> Result<(), CliError>,
) -> Result<(), CliError> {
    read("stdin", io::stdin().lock(), args.on_error, each)
}

/// Hands every object to `each`. `name` is for errors.
///
/// # Errors
/// As [`Records::next`] and [`Records::finish`].
pub fn read(
    name: &str,
    reader: impl Read,
    on_error: OnError,
    mut each: impl FnMut(Record) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut records = Records::open(name, reader, on_error)?;
    while records.next(&mut each)?.is_some() {}
    records.finish()
}

/// The objects of an input, which are taken one at a time. Blank lines are passed over and still count.
pub struct Records<R> {
    input: Input<R>,
    is_array: bool,
    on_error: OnError,
    count: usize,
    refused: usize,
    first: Option<CliError>,
}

impl<R: Read> Records<R> {
    /// `name` is for errors.
    ///
    /// # Errors
    /// What cannot be read at all.
    pub fn open(name: &str, reader: R, on_error: OnError) -> Result<Self, CliError> {
        let mut input = Input::open(name, reader)?;
        let is_array = input.peek()? == Some(b'[');
        Ok(Self { input, is_array, on_error, count: 0, refused: 0, first: None })
    }

    /// What `take` makes of the next object; `None` behind the last.
    ///
    /// # Errors
    /// What cannot be read. An object that is wrong or that `take` refuses, unless such are skipped.
    pub fn next<T>(
        &mut self,
        mut take: impl FnMut(Record) -> Result<T, CliError>,
    ) -> Result<Option<T>, CliError> {
        while let Some(piece) = self.piece()? {
            let index = if self.is_array { self.count } else { piece.place.line - 1 };
            self.count += 1;
            match Record::parse(index, &piece).and_then(&mut take) {
                Ok(taken) => return Ok(Some(taken)),
                Err(error) if self.on_error == OnError::Fail => return Err(error),
                Err(error) => {
                    self.refused += 1;
                    self.first.get_or_insert(error);
                }
            }
        }
        Ok(None)
    }

    /// Tells how many were skipped.
    ///
    /// # Errors
    /// The first one, where all were.
    pub fn finish(self) -> Result<(), CliError> {
        let Self { count, refused, first, .. } = self;
        match first {
            Some(error) if refused == count => Err(error),
            Some(error) => {
                say(format_args!("{refused} of {count} objects are skipped; the first: {error}"));
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn piece(&mut self) -> Result<Option<Piece>, CliError> {
        match self.is_array {
            true => next_element(&mut self.input, self.count),
            false => self.input.line(),
        }
    }
}

/// What the engine says of a text, with the place that the text came from.
pub fn located<'a>(error: Error, kind: TextKind, place: impl Fn(usize) -> &'a Place) -> CliError {
    if let (TextKind::Document, Some((index, reason))) = (kind, said_of_document(&error)) {
        return place(index).wrong(reason);
    }
    match text_of(&error) {
        Some((of, index)) if of == kind => {
            let Place { file, line, .. } = place(index);
            CliError::Text { file: file.to_string(), line: *line, source: error }
        }
        _ => error.into(),
    }
}

/// The document that an error is about beside its text, and what it says of that.
fn said_of_document(error: &Error) -> Option<(usize, String)> {
    match error {
        Error::ModelMismatch { index, reason } => {
            Some((*index, format!("its embeddings {reason}")))
        }
        Error::Argument { argument, reason } => {
            let index = argument.strip_prefix("documents[")?.strip_suffix(']')?.parse().ok()?;
            Some((index, reason.clone()))
        }
        _ => None,
    }
}

/// The text that an error is about, if it is about one.
pub fn text_of(error: &Error) -> Option<(TextKind, usize)> {
    match error {
        Error::EmptyQuery { index } => Some((TextKind::Query, *index)),
        Error::Tokenize { kind, index, .. } | Error::NotFinite { kind, index, .. } => {
            Some((*kind, *index))
        }
        Error::PagesOnly { index } => Some((TextKind::Document, *index)),
        _ => None,
    }
}

/// The next element of an array of which `count` have come; `None` behind the last.
fn next_element<R: Read>(input: &mut Input<R>, count: usize) -> Result<Option<Piece>, CliError> {
    if ends(input)? {
        return Ok(None);
    }
    // The array's bracket, or a comma.
    if let Some(before) = input.peek()? {
        input.advance(before);
    }
    if count == 0 && ends(input)? {
        return Ok(None);
    }
    input.peek()?;
    let piece = element(input)?;
    match piece.bytes.is_empty() {
        true => Err(piece.place.wrong("an element is missing")),
        false => Ok(Some(piece)),
    }
}

/// Whether the array ends here. Nothing may follow it.
fn ends<R: Read>(input: &mut Input<R>) -> Result<bool, CliError> {
    if input.peek()? != Some(b']') {
        return Ok(false);
    }
    input.advance(b']');
    match input.peek()? {
        None => Ok(true),
        Some(_) => Err(input.place().wrong("something follows the array")),
    }
}

/// The bytes up to the next comma, or bracket, of the array itself.
fn element<R: Read>(input: &mut Input<R>) -> Result<Piece, CliError> {
    let mut piece = Piece { place: input.place().clone(), bytes: Vec::new() };
    let (mut depth, mut within, mut escaped) = (0usize, false, false);
    loop {
        let Some(byte) = input.peek_any()? else {
            return Err(input.place().wrong("the array does not end"));
        };
        match byte {
            _ if escaped => escaped = false,
            b'\\' if within => escaped = true,
            b'"' => within = !within,
            _ if within => {}
            b',' | b']' if depth == 0 => return Ok(piece),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        input.advance(byte);
        piece.bytes.push(byte);
        check_size(&piece.place, &piece.bytes)?;
    }
}

fn wrong(piece: &Piece, error: &serde_json::Error) -> CliError {
    if error.is_data() {
        // Their own words hold the value.
        let found = kind(&piece.bytes);
        return piece.place.wrong(format!("is {found}; an object with a \"text\" is needed"));
    }
    let lines = piece.bytes.split_inclusive(|byte| *byte == b'\n').take(error.line() - 1);
    let before = lines.map(<[u8]>::len).sum::<usize>() + error.column().saturating_sub(1);
    piece.place.at(&piece.bytes[..before.min(piece.bytes.len())]).wrong(reason(error))
}

/// What a JSON value is that is no object.
fn kind(value: &[u8]) -> &'static str {
    match value.trim_ascii_start().first() {
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// serde_json appends a place of its own, which is the piece's.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
    match reason {
        _ if error.is_eof() => "the object does not end in its line (jq -c puts each into one)",
        "trailing characters" => "a second value follows; one object a line is read",
        reason => reason,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a message never holds: a user's words, digits or names.
    const CANARIES: [&str; 2] = ["KANARI", "8675309"];

    /// JSON values with a canary in each of their places.
    fn values() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(
            &[
                r#""KANARI""#,
                r#""KANARI\\ud800""#,
                "8675309",
                "-8675309.5e3",
                "8675309e8675309",
                "true",
                "null",
                "KANARI",
                "[]",
            ][..],
        );
        leaf.prop_map(str::to_owned).prop_recursive(3, 12, 3, |inner| {
            let name = prop::sample::select(&[r#""text""#, r#""KANARI""#, "8675309", "KANARI"][..]);
            let field = (name, inner.clone()).prop_map(|(name, value)| format!("{name}:{value}"));
            prop_oneof![
                prop::collection::vec(inner, 0..3).prop_map(|all| format!("[{}]", all.join(","))),
                prop::collection::vec(field, 0..3).prop_map(|all| format!("{{{}}}", all.join(","))),
            ]
        })
    }

    proptest! {
        /// Whole or damaged, alone or after others, in lines or in an array.
        #[test]
        fn no_message_holds_anything_of_the_input(
            values in prop::collection::vec(values(), 1..4),
            between in prop::sample::select(&["\n", ",", " "][..]),
            (place, damage) in (any::<prop::sample::Index>(), prop::sample::select(&["", "\"", "}", "]", "\\", "\u{1}", ":"][..])),
            array in any::<bool>(),
        ) {
            let mut input = values.join(between);
            input.insert_str(place.index(input.len()), damage);
            if array {
                input = format!("[{input}]");
            }
            for on_error in [OnError::Fail, OnError::Skip] {
                let each = |record: Record| record.string("text").map(drop);
                if let Err(error) = read("stdin", input.as_bytes(), on_error, each) {
                    let said = error.to_string();
                    prop_assert!(!CANARIES.iter().any(|canary| said.contains(canary)), "{said}");
                }
            }
        }
    }

    #[test]
    fn the_engine_s_words_get_the_line_of_the_text() {
        let place = Place { file: "stdin".into(), line: 7, column: 1 };
        let (kind, index) = (TextKind::Document, 3);
        let errors = [
            Error::Tokenize { kind, index, reason: "why".to_owned() },
            Error::NotFinite { what: "an embedding", kind, index },
        ];
        for error in errors {
            let code = CliError::from(error.clone()).exit_code();
            let found = located(error, TextKind::Document, |_| &place);
            assert!(found.to_string().starts_with("stdin:7: "), "{found}");
            assert_eq!(found.exit_code(), code);
        }
        let query = Error::EmptyQuery { index: 0 };
        let found = located(query.clone(), TextKind::Document, |_| &place);
        assert!(!found.to_string().contains("stdin"), "{found}");
        let found = located(query, TextKind::Query, |_| &place);
        assert!(found.to_string().starts_with("stdin:7: the query is empty"), "{found}");
    }
}
