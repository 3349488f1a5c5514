//! Which ways to rank stand in the table? Each alone, those that are used over each other, and one's own.

use super::measures::DEPTH;
use crate::cli::stages::{FuseArg, StageName};

/// How many documents late interaction hands on to a cross-encoder.
const BEFORE_CROSS: usize = 20;

/// Stages, each over the one before; the first ranks the whole corpus.
#[derive(Clone, PartialEq, Eq)]
pub struct Approach {
    pub stages: Vec<Stage>,
    /// How its order is made of the last stage's and the first's; `None`: the last stage's is the order.
    pub fuse: Option<FuseArg>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    pub kind: Kind,
    /// How many documents it keeps; `None` for all, of the first stage for [`DEPTH`].
    pub keep: Option<usize>,
}

/// A way to rank.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What the run says.
    Given,
    Bm25,
    Dense,
    Late,
    /// By its place among the cross-encoders.
    Cross(usize),
}

impl Kind {
    pub fn name(self) -> StageName {
        match self {
            Kind::Given => StageName::Given,
            Kind::Bm25 => StageName::Bm25,
            Kind::Dense => StageName::Dense,
            Kind::Late => StageName::Late,
            Kind::Cross(_) => StageName::Cross,
        }
    }
}

impl Approach {
    /// Ways to rank that keep all, each over the one before.
    pub fn of(kinds: &[Kind]) -> Self {
        let stages = kinds.iter().map(|&kind| Stage { kind, keep: None }).collect();
        Self { stages, fuse: None }
    }

    /// The last stage over those before it; how many one keeps is said where it is not the default.
    pub fn name(&self) -> String {
        let name = |stage: &Stage| match stage.keep {
            Some(keep) => format!("{}:{keep}", stage.kind.name()),
            None => stage.kind.name().to_string(),
        };
        let stages = self.stages.iter().rev().map(name).collect::<Vec<_>>().join(" over ");
        match self.fuse {
            None => stages,
            Some(FuseArg::Ranks) => format!("{stages}, ranks fused"),
            Some(FuseArg::Scores) => format!("{stages}, scores fused"),
        }
    }

    /// What gives the results their scores.
    pub fn last(&self) -> Kind {
        self.stages.last().expect("an approach has a stage").kind
    }

    /// How many documents it takes of the corpus, if it begins with this.
    pub fn depth(&self, first: Kind) -> usize {
        let stage = self.stages.first().filter(|stage| stage.kind == first);
        stage.map_or(0, |stage| stage.keep.unwrap_or(DEPTH))
    }
}

/// The table. A run takes the place of our own first stages under a cross-encoder.
pub fn table(has_run: bool, has_cross: bool) -> Vec<Approach> {
    use Kind::{Bm25, Cross, Dense, Given, Late};

    let alone: [&[Kind]; 4] = [&[Given], &[Bm25], &[Dense], &[Late]];
    let pairs: [&[Kind]; 5] =
        [&[Given, Dense], &[Given, Late], &[Bm25, Dense], &[Bm25, Late], &[Dense, Late]];
    let rows = alone.iter().chain(&pairs).filter(|row| has_run || row[0] != Given);
    let mut table: Vec<Approach> = rows.map(|row| Approach::of(row)).collect();
    if has_cross {
        let (words, vectors) = if has_run { (Given, Given) } else { (Bm25, Dense) };
        table.push(Approach::of(&[words, Cross(0)]));
        let mut three = Approach::of(&[vectors, Late, Cross(0)]);
        three.stages[1].keep = Some(BEFORE_CROSS);
        table.push(three);
    }
    table
}
