//! `--stage`: ways to rank that a list goes through, one after the other.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use tabrank::{Fusion, ModelKind, Pooling, Reranker};

use super::CliError;

/// How a dense stage pools a text.
#[derive(Clone, Copy, ValueEnum)]
pub enum DenseArg {
    Mean,
    Cls,
    Checkpoint,
}

impl DenseArg {
    /// What was asked for, or what goes with a model.
    pub fn pooling(asked: Option<Self>, model: &Reranker) -> Pooling {
        match asked {
            Some(DenseArg::Mean) => Pooling::Mean,
            Some(DenseArg::Cls) => Pooling::Cls,
            Some(DenseArg::Checkpoint) => Pooling::Checkpoint,
            None => model.dense_pooling(),
        }
    }
}

/// What an order of two is made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FuseArg {
    Ranks,
    Scores,
}

impl From<FuseArg> for Fusion {
    fn from(by: FuseArg) -> Self {
        match by {
            FuseArg::Ranks => Fusion::RECIPROCAL_RANKS,
            FuseArg::Scores => Fusion::StandardScores,
        }
    }
}

/// A stage as it is written: `dense:100`, `cross=DIR:10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageArg {
    pub name: StageName,
    /// Of another model than that of the command.
    pub model: Option<PathBuf>,
    /// How many documents it hands on; `None` for all.
    pub keep: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageName {
    Given,
    Bm25,
    Dense,
    Late,
    Cross,
}

const NAMES: &[(&str, StageName)] = &[
    ("given", StageName::Given),
    ("bm25", StageName::Bm25),
    ("dense", StageName::Dense),
    ("late", StageName::Late),
    ("cross", StageName::Cross),
];

impl FromStr for StageArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, keep) = match text.rsplit_once(':') {
            Some((rest, digits)) if is_number(digits) => (rest, Some(number(digits)?)),
            _ => (text, None),
        };
        let (name, model) = match rest.split_once('=') {
            Some((name, folder)) => (name, Some(PathBuf::from(folder))),
            None => (rest, None),
        };
        let known = NAMES.iter().find(|(known, _)| *known == name);
        let name = known.map(|(_, name)| *name).ok_or_else(|| {
            let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
            format!("a stage is one of {}, with =DIR and :KEEP behind it", names.join(", "))
        })?;
        match (name, &model) {
            (StageName::Given | StageName::Bm25, Some(_)) => Err(format!("{name} has no model")),
            (_, Some(folder)) if folder.as_os_str().is_empty() => {
                Err("the folder is missing".to_owned())
            }
            _ => Ok(Self { name, model, keep }),
        }
    }
}

impl StageArg {
    /// Refuses a stage that a model cannot do.
    ///
    /// # Errors
    /// [`CliError::Argument`].
    pub fn check_model(&self, model: &Reranker) -> Result<(), CliError> {
        let reason = match (self.name, model.info().kind) {
            (StageName::Cross, ModelKind::LateInteraction) => {
                "needs a cross-encoder (cross=DIR), and its model makes embeddings"
            }
            (StageName::Dense | StageName::Late, ModelKind::CrossEncoder) => {
                "needs a model that makes embeddings, and its own is a cross-encoder"
            }
            _ => return Ok(()),
        };
        let argument = format!("--stage {}", self.name);
        Err(CliError::Argument { argument, reason: reason.to_owned() })
    }

    /// Why the stage cannot be had here.
    pub fn refused(&self, reason: &str) -> CliError {
        CliError::Usage { argument: format!("--stage {}", self.name), reason: reason.to_owned() }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(digits: &str) -> Result<usize, String> {
    let number: NonZeroUsize = digits.parse().map_err(|_| "a stage keeps 1 or more".to_owned())?;
    Ok(number.get())
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = NAMES.iter().find(|(_, name)| name == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

/// Refuses stages that do not stand where they can.
///
/// # Errors
/// [`CliError::Usage`].
pub fn check_order(stages: &[StageArg]) -> Result<(), CliError> {
    match stages.iter().skip(1).find(|stage| stage.name == StageName::Given) {
        Some(given) => {
            Err(given.refused("is the order that the list came in: nothing stands before it"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(StageName, Option<String>, Option<usize>), String> {
        let stage: StageArg = text.parse()?;
        Ok((stage.name, stage.model.map(|model| model.display().to_string()), stage.keep))
    }

    #[test]
    fn a_stage_is_a_name_a_folder_and_a_number() {
        let folder = |text: &str| Some(text.to_owned());
        for (text, expected) in [
            ("bm25", (StageName::Bm25, None, None)),
            ("dense:100", (StageName::Dense, None, Some(100))),
            ("cross=a/b:10", (StageName::Cross, folder("a/b"), Some(10))),
            ("cross=C:\\a=b", (StageName::Cross, folder("C:\\a=b"), None)),
            ("dense=x:y:7", (StageName::Dense, folder("x:y"), Some(7))),
        ] {
            assert_eq!(parsed(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_stage_is_said() {
        for (text, expected) in [
            ("late:0", "keeps 1 or more"),
            ("late:99999999999999999999999", "keeps 1 or more"),
            ("late:-1", "one of given, bm25, dense, late, cross"),
            ("late:", "one of given"),
            ("Late", "one of given"),
            ("", "one of given"),
            ("bm25=DIR", "bm25 has no model"),
            ("cross=:3", "the folder is missing"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
