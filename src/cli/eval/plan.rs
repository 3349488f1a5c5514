//! What was asked for: which approaches, by which cross-encoders.

use std::path::PathBuf;

use super::EvalArgs;
use super::approaches::{Approach, Kind, Stage, table};
use super::measures::DEPTH;
use crate::cli::CliError;
use crate::cli::stages::{StageArg, StageName, check_order};

pub struct Plan {
    pub approaches: Vec<Approach>,
    /// The place among them of the one whose results are written.
    pub written: usize,
    /// Folders of the cross-encoders.
    pub crosses: Vec<PathBuf>,
}

impl Plan {
    /// # Errors
    /// [`CliError::Usage`]: a stage that cannot be had.
    pub fn of(args: &EvalArgs) -> Result<Self, CliError> {
        check_order(&args.stages)?;
        let mut crosses: Vec<PathBuf> = args.cross.iter().cloned().collect();
        let first = match (&args.run, &args.embeddings) {
            (Some(_), _) => Kind::Given,
            (None, Some(_)) => Kind::Bm25,
            (None, None) => Kind::Dense,
        };
        let (alone, reranked) = (Approach::of(&[first]), Approach::of(&[first, Kind::Late]));
        let mut approaches = match args.compare.is_empty() && args.codecs.is_empty() {
            true => table(args.run.is_some(), args.cross.is_some()),
            false => vec![alone, reranked.clone()],
        };
        if args.embeddings.is_some() {
            approaches
                .retain(|approach| approach.stages.iter().all(|stage| stage.kind != Kind::Dense));
        }
        let own = own(args, &mut crosses)?.unwrap_or(reranked);
        let written =
            approaches.iter().position(|approach| *approach == own).unwrap_or_else(|| {
                approaches.push(own);
                approaches.len() - 1
            });
        let fused = args.fuse.iter().flat_map(|&by| {
            let over = approaches.iter().filter(|approach| approach.stages.len() > 1);
            over.map(move |approach| Approach { fuse: Some(by), ..approach.clone() })
        });
        let fused: Vec<Approach> = fused.collect();
        approaches.extend(fused);
        Ok(Self { approaches, written, crosses })
    }

    /// How many documents the stages that begin with this take of the corpus.
    pub fn depth(&self, first: Kind) -> usize {
        self.approaches.iter().map(|approach| approach.depth(first)).max().unwrap_or(0)
    }
}

/// The pipeline of `--stage`, if there is one.
fn own(args: &EvalArgs, crosses: &mut Vec<PathBuf>) -> Result<Option<Approach>, CliError> {
    let stages = args.stages.iter().enumerate().map(|(place, stage)| {
        let kind = kind(args, stage, place, crosses)?;
        Ok(Stage { kind, keep: stage.keep.filter(|&keep| place > 0 || keep != DEPTH) })
    });
    let stages: Vec<Stage> = stages.collect::<Result<_, CliError>>()?;
    Ok((!stages.is_empty()).then_some(Approach { stages, fuse: None }))
}

fn kind(
    args: &EvalArgs,
    stage: &StageArg,
    place: usize,
    crosses: &mut Vec<PathBuf>,
) -> Result<Kind, CliError> {
    match stage.name {
        StageName::Given if args.run.is_none() => Err(stage.refused("is the order of --run FILE, which is not there")),
        StageName::Dense | StageName::Late if stage.model.is_some() => Err(stage.refused(
            "is that of --model here; of another model write a run (--write-run) and give it (--run)",
        )),
        StageName::Dense if args.embeddings.is_some() => {
            Err(stage.refused("reads the texts, in whose place --embeddings stands"))
        }
        StageName::Cross if place == 0 => Err(stage.refused("takes what another stage has found")),
        StageName::Given => Ok(Kind::Given),
        StageName::Bm25 => Ok(Kind::Bm25),
        StageName::Dense => Ok(Kind::Dense),
        StageName::Late => Ok(Kind::Late),
        StageName::Cross => {
            let folder = stage.model.as_ref().or(args.cross.as_ref());
            let folder = folder.ok_or_else(|| stage.refused("wants a folder: cross=DIR"))?;
            let known = crosses.iter().position(|known| known == folder);
            Ok(Kind::Cross(known.unwrap_or_else(|| {
                crosses.push(folder.clone());
                crosses.len() - 1
            })))
        }
    }
}
