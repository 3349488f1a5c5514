//! Typed access to the fields of one JSON file; every error names file and field.

use std::fmt::Display;

use serde_json::{Map, Value};

use crate::error::{Error, Result, Warning};
use crate::model::contents::found_instead;

/// A JSON object and where it stands.
#[derive(Clone)]
pub(crate) struct Fields<'a> {
    file: &'a str,
    /// The fields that lead to it, each with a closing `.`; empty for the outermost object.
    path: String,
    map: Map<String, Value>,
}

impl<'a> Fields<'a> {
    pub(crate) fn parse(file: &'a str, bytes: &[u8]) -> Result<Self> {
        match parse_json(file, bytes)? {
            Value::Object(map) => Ok(Self::of(file, map)),
            _ => Err(Error::InvalidJson {
                file: file.to_owned(),
                reason: "the outermost value is not an object".to_owned(),
            }),
        }
    }

    /// The fields of an object that was parsed already.
    pub(crate) fn of(file: &'a str, map: Map<String, Value>) -> Self {
        Self { file, path: String::new(), map }
    }

    /// The same with another value of a field.
    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        self.map.insert(field.to_owned(), value);
        self
    }

    /// The same with fields that it does not say; one that it says otherwise stays.
    pub(crate) fn with_defaults(mut self, fields: Vec<(&str, Value)>) -> Self {
        for (field, value) in fields {
            self.map.entry(field).or_insert(value);
        }
        self
    }

    /// The file's name.
    pub(crate) fn file(&self) -> &'a str {
        self.file
    }

    /// The fields of an object inside this one; `None` if it is absent or null.
    pub(crate) fn object(&self, field: &str) -> Result<Option<Fields<'a>>> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Object(map)) => {
                let path = format!("{}.", self.full(field));
                Ok(Some(Fields { file: self.file, path, map: map.clone() }))
            }
            Some(_) => Err(self.invalid(field, "is not an object")),
        }
    }

    /// Whether the field is there, null included.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.map.contains_key(field)
    }

    /// The field's value; `None` if it is absent or null.
    pub(crate) fn value(&self, field: &str) -> Option<&Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.map.keys().map(String::as_str)
    }

    pub(crate) fn string(&self, field: &str) -> Result<Option<&str>> {
        self.value(field)
            .map(|value| value.as_str().ok_or_else(|| self.invalid(field, "is not a string")))
            .transpose()
    }

    pub(crate) fn bool(&self, field: &str) -> Result<Option<bool>> {
        self.value(field)
            .map(|value| value.as_bool().ok_or_else(|| self.invalid(field, "is not true or false")))
            .transpose()
    }

    pub(crate) fn float(&self, field: &str) -> Result<Option<f64>> {
        self.value(field)
            .map(|value| value.as_f64().ok_or_else(|| self.invalid(field, "is not a number")))
            .transpose()
    }

    /// A whole number from 1 to `limit`.
    pub(crate) fn count(&self, field: &str, limit: usize) -> Result<Option<usize>> {
        let Some(value) = self.value(field) else {
            return Ok(None);
        };
        let number = value.as_f64().filter(|number| *number >= 1.0 && number.fract() == 0.0);
        match (value.as_u64(), number) {
            (Some(count), Some(_)) if count <= limit as u64 => Ok(Some(count as usize)),
            (_, Some(number)) if number > limit as f64 => Err(self.limit(field, value, limit)),
            _ => Err(self.invalid(field, &format!("is {value}; a whole number from 1 is needed"))),
        }
    }

    pub(crate) fn strings(&self, field: &str) -> Result<Option<Vec<String>>> {
        let Some(value) = self.value(field) else {
            return Ok(None);
        };
        value
            .as_array()
            .and_then(|list| {
                list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
            })
            .map(Some)
            .ok_or_else(|| self.invalid(field, "is not a list of strings"))
    }

    /// A list of whole numbers below `end`.
    pub(crate) fn numbers(&self, field: &str, end: usize) -> Result<Option<Vec<u32>>> {
        let Some(value) = self.value(field) else {
            return Ok(None);
        };
        let number = |item: &Value| item.as_u64().filter(|&n| n < end as u64).map(|n| n as u32);
        let list = value.as_array().and_then(|list| list.iter().map(number).collect());
        list.map(Some).ok_or_else(|| {
            self.invalid(field, &format!("is not a list of whole numbers below {end}"))
        })
    }

    /// A list of strings, of which one may stand by itself.
    pub(crate) fn words(&self, field: &str) -> Result<Option<Vec<String>>> {
        match self.value(field) {
            Some(Value::String(word)) => Ok(Some(vec![word.clone()])),
            _ => self.strings(field),
        }
    }

    /// What the reference libraries take where the file does not say; null is not a way of saying nothing.
    pub(crate) fn or_default<T: Display>(
        &self,
        field: &str,
        value: Option<T>,
        default: T,
        warnings: &mut Vec<Warning>,
    ) -> Result<T> {
        match value {
            Some(value) => Ok(value),
            None if self.has(field) => Err(self.invalid(field, "is null")),
            None => {
                warnings.push(self.defaulted(field, &default.to_string()));
                Ok(default)
            }
        }
    }

    /// A field that is not `known` may change numbers in a version of a library to come.
    pub(crate) fn warn_of_unknown(&self, known: &[&str], warnings: &mut Vec<Warning>) {
        let unknown: Vec<&str> = self.names().filter(|name| !known.contains(name)).collect();
        if !unknown.is_empty() {
            warnings.push(Warning {
                code: "SETTING_UNKNOWN",
                message: format!(
                    "{} says something that this version does not know and leaves out: {}",
                    self.file,
                    unknown.join(", ")
                ),
            });
        }
    }

    /// That a default was taken.
    pub(crate) fn defaulted(&self, field: &str, value: &str) -> Warning {
        Warning {
            code: "SETTING_DEFAULTED",
            message: format!(
                "{} does not say {}; the reference libraries take {value}, and so does this",
                self.file,
                self.full(field)
            ),
        }
    }

    /// Turns an absent field into an error.
    pub(crate) fn required<T>(&self, field: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.invalid(field, "is missing"))
    }

    pub(crate) fn invalid(&self, field: &str, reason: &str) -> Error {
        Error::InvalidField {
            file: self.file.to_owned(),
            field: self.full(field),
            reason: reason.to_owned(),
        }
    }

    fn limit(&self, field: &str, value: &Value, limit: usize) -> Error {
        Error::Limit {
            file: self.file.to_owned(),
            field: self.full(field),
            value: value.to_string(),
            limit,
        }
    }

    pub(crate) fn unsupported(&self, field: &str, value: &str, hint: &'static str) -> Error {
        Error::Unsupported {
            file: self.file.to_owned(),
            field: self.full(field),
            value: value.to_owned(),
            hint,
        }
    }

    /// A field's name behind those that lead to it.
    fn full(&self, field: &str) -> String {
        format!("{}{field}", self.path)
    }
}

/// Parses JSON; nesting is bounded by the parser itself.
pub(crate) fn parse_json(file: &str, bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| not_json(file, bytes, &error))
}

/// The error for bytes that a parser refused.
pub(crate) fn not_json(file: &str, bytes: &[u8], error: &serde_json::Error) -> Error {
    match found_instead(bytes) {
        Some(found) => Error::OtherFile { file: file.to_owned(), found },
        None => Error::InvalidJson { file: file.to_owned(), reason: error.to_string() },
    }
}
