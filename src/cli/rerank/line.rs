//! A candidate as it came, with what it was given.

use serde::{Serialize, Serializer};
use tabrank::StageResult;

use crate::cli::fields::{self, Fields};
use crate::cli::stages::StageName;

/// What a candidate is given. What was not asked for is left out.
#[derive(Serialize)]
pub struct Given {
    pub index: usize,
    pub rank: usize,
    /// None where there was no time.
    #[serde(serialize_with = "short_if_any")]
    pub score: Option<f64>,
    pub truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fused: Option<f32>,
    /// The `index` of the first candidate with the same text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<OfStage>,
}

/// What a stage said of a candidate.
#[derive(Serialize)]
pub struct OfStage {
    #[serde(rename = "use")]
    name: String,
    rank: usize,
    #[serde(serialize_with = "short")]
    pub score: f64,
}

impl OfStage {
    /// `given`: the candidate's own score, which may be finer than the engine tells.
    pub fn new(name: StageName, of: &StageResult, given: Option<f64>) -> Self {
        let score = given.filter(|_| name == StageName::Given).unwrap_or(of.score.into());
        Self { name: name.to_string(), rank: of.rank, score }
    }
}

fn short_if_any<S: Serializer>(score: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match score {
        Some(score) => short(score, serializer),
        None => serializer.serialize_none(),
    }
}

/// A number of 32 bits by the digits that tell it from others of 32 bits.
fn short<S: Serializer>(score: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let single = *score as f32;
    match f64::from(single) == *score {
        true => serializer.serialize_f32(single),
        false => serializer.serialize_f64(*score),
    }
}

const REPLACED: &str = "replaced";
/// The names of [`Given`]'s fields, and of what makes room for them.
const OURS: &[&str] =
    &["index", "rank", "score", "truncated", "fused", "same_as", "stages", REPLACED];

/// An object's own fields, then those that it is given, then those of its own by such a name.
pub fn line(fields: &Fields, given: &Given) -> String {
    let (replaced, own) = fields.split(OURS);
    let given = serde_json::to_string(given).expect("numbers serialize");
    let mut parts = vec![fields::join(&own), given[1..given.len() - 1].to_owned()];
    if !replaced.is_empty() {
        parts.push(format!("\"{REPLACED}\":{{{}}}", fields::join(&replaced)));
    }
    parts.retain(|part| !part.is_empty());
    format!("{{{}}}", parts.join(","))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    /// Fields in all of an object's levels of `replaced`, the innermost first: those that came before the ranks of `passes`.
    fn original(line: &str, passes: usize) -> Vec<String> {
        let object: Fields = serde_json::from_str(line).unwrap();
        let (ours, own) = object.split(OURS);
        let of =
            |fields: &[&_]| fields.iter().map(|field| fields::join(&[*field])).collect::<Vec<_>>();
        if passes == 0 {
            return of(&object.split(&[]).1);
        }
        let replaced = object.get(REPLACED).map_or("{}", RawValue::get);
        assert_eq!(ours.len(), 4 + usize::from(replaced != "{}"), "{line}");
        [of(&own), original(replaced, passes - 1)].concat()
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(OURS).prop_map(str::to_owned),
            prop::sample::select(&["r\\u0061nk", "text", "", "a\\n"][..]).prop_map(str::to_owned),
        ]
    }

    fn value() -> impl Strategy<Value = &'static str> {
        prop::sample::select(
            &[
                "1",
                "12345678901234567890.10",
                "1E400",
                "null",
                "\"\\u0061\"",
                "{\"a\": 1,\"a\": 2}",
                "[ ]",
            ][..],
        )
    }

    proptest! {
        /// Also names that come twice, or are written with escapes, and numbers of any size.
        #[test]
        fn nothing_of_an_object_is_lost_however_often_it_is_ranked(
            fields in prop::collection::vec((name(), value()), 0..6),
            passes in 1usize..4,
        ) {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let mut object = format!("{{{}}}", fields.join(", "));
            for _ in 0..passes {
                let parsed: Fields = serde_json::from_str(&object).unwrap();
                let given = Given {
                    index: 3,
                    rank: 1,
                    score: Some(0.5),
                    truncated: false,
                    fused: None,
                    same_as: None,
                    stages: Vec::new(),
                };
                object = line(&parsed, &given);
                prop_assert!(serde_json::from_str::<serde_json::Value>(&object.replace("1E400", "1")).is_ok());
            }
            let (mut found, mut expected) = (original(&object, passes), fields);
            found.sort();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
