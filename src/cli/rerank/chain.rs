//! Stages of several models: those of one that follow each other run in one call, and the next model gets the documents that are left.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use pollster::block_on;
use tabrank::{
    Bm25Options, DocumentEmbeddings, Fusion, LoadOptions, LongDocuments, ModelKind, Overrides,
    RerankOptions, RerankOutput, Reranker, StageKind, StageOptions, StageResult, TextKind,
    TokenPooling,
};

use super::RerankArgs;
use super::brought::Brought;
use crate::cli::input::Place;
use crate::cli::progress::Progress;
use crate::cli::stages::{DenseArg, StageArg, StageName};
use crate::cli::{CliError, jsonl, model, say};

/// The models, and which stages each of them runs.
pub struct Chain {
    /// The command's own first.
    models: Vec<Reranker>,
    parts: Vec<Part>,
    long_documents: LongDocuments,
    token_pooling: Option<TokenPooling>,
}

/// Stages that one model runs in one call.
struct Part {
    /// By its place among the models.
    model: usize,
    stages: Vec<StageOptions>,
    /// Whether a stage wants the model; those in front of the first that does are done along with it.
    wants_model: bool,
}

/// What is ranked.
pub struct Candidates<'a> {
    pub texts: &'a [String],
    pub places: Vec<&'a Place>,
    /// Empty where the scores are not wanted, or there are none.
    pub given: Vec<Option<f64>>,
    pub brought: Brought,
}

/// A document that is left.
#[derive(Clone, Default)]
pub struct Left {
    /// Its place among all.
    pub index: usize,
    /// None where there was no time for the last stage.
    pub score: Option<f32>,
    pub fused: Option<f32>,
    pub same_as: Option<usize>,
    pub truncated: bool,
    pub stages: Vec<StageResult>,
}

impl Chain {
    /// Loads the models of all stages, each once.
    ///
    /// # Errors
    /// Those of loading, and stages that their model cannot do.
    pub fn load(args: &RerankArgs) -> Result<Self, CliError> {
        let mut folders = vec![&args.model.model];
        let long_documents = args.long.long_documents()?;
        let models = vec![args.model.load()?];
        let token_pooling = args.pool.token_pooling()?;
        let mut chain = Self { models, parts: Vec::new(), long_documents, token_pooling };
        let options = LoadOptions { overrides: Overrides::default(), ..args.model.options() };
        for stage in &args.stages {
            let folder = stage.model.as_ref();
            let known = folder.map(|folder| folders.iter().position(|known| *known == folder));
            let at = match (known, folder) {
                (Some(None), Some(folder)) => {
                    folders.push(folder);
                    chain.models.push(model::load(folder, &options)?);
                    folders.len() - 1
                }
                (known, _) => known.flatten().unwrap_or(0),
            };
            chain.push(at, stage, args)?;
        }
        if chain.parts.is_empty() {
            chain.parts.push(Part { model: 0, stages: Vec::new(), wants_model: true });
        }
        chain.check_windows(args)?;
        Ok(chain)
    }

    /// Appends a stage, which needs no model to count words or to take the scores that were given.
    fn push(&mut self, at: usize, stage: &StageArg, args: &RerankArgs) -> Result<(), CliError> {
        let wants_model = !matches!(stage.name, StageName::Given | StageName::Bm25);
        let options = StageOptions { kind: self.kind(at, stage, args)?, keep: stage.keep };
        match self.parts.last_mut() {
            Some(last) if !wants_model => last.stages.push(options),
            Some(last) if last.model == at || !last.wants_model => {
                last.stages.push(options);
                (last.model, last.wants_model) = (at, true);
            }
            _ => self.parts.push(Part { model: at, stages: vec![options], wants_model }),
        }
        Ok(())
    }

    /// Refuses windows where no model makes any.
    fn check_windows(&self, args: &RerankArgs) -> Result<(), CliError> {
        let ranks = self.parts.iter().any(|part| self.makes_embeddings(part.model));
        let tells_apart = args.diversify.is_some() && self.tells_apart().is_some();
        match self.long_documents {
            LongDocuments::Windows { .. } if !ranks && !tells_apart => Err(CliError::Argument {
                argument: "--long-documents windows".to_owned(),
                reason: "needs a model that makes embeddings: a cross-encoder cuts".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Width of the embeddings of the command's own model; 0 of a cross-encoder.
    pub fn width(&self) -> usize {
        self.models[0].info().dimension
    }

    fn makes_embeddings(&self, model: usize) -> bool {
        self.models[model].info().kind == ModelKind::LateInteraction
    }

    /// Whose vectors tell documents apart: the last model's that makes any, else the command's.
    fn tells_apart(&self) -> Option<usize> {
        let models = self.parts.iter().rev().map(|part| part.model);
        models.chain([0]).find(|&model| self.makes_embeddings(model))
    }

    fn kind(&self, at: usize, stage: &StageArg, args: &RerankArgs) -> Result<StageKind, CliError> {
        stage.check_model(&self.models[at])?;
        Ok(match stage.name {
            StageName::Given => StageKind::Given,
            StageName::Bm25 => StageKind::Bm25(Bm25Options::default()),
            StageName::Dense => StageKind::Dense(DenseArg::pooling(args.dense, &self.models[at])),
            StageName::Late => StageKind::Late,
            StageName::Cross => StageKind::CrossEncoder,
        })
    }

    /// What is left of the candidates, best first.
    ///
    /// # Errors
    /// Those of ranking, with the line of the text that they are about.
    pub fn rank(
        &self,
        args: &RerankArgs,
        candidates: &Candidates<'_>,
    ) -> Result<Vec<Left>, CliError> {
        let count = candidates.texts.len();
        let mut left: Vec<Left> =
            (0..count).map(|index| Left { index, ..Left::default() }).collect();
        let (last, others) = self.parts.split_last().expect("a chain has a part");
        let end = args.budget_ms.map(|budget| Instant::now() + Duration::from_millis(budget));
        let top_k = args.top_k.map(NonZeroUsize::get);
        for part in others {
            let options = self.options(part, given(&left, candidates));
            let unscored;
            (left, unscored) = self.call(part.model, args, options, left, candidates, end)?;
            if unscored > 0 {
                left.iter_mut().for_each(|left| left.score = None);
                return Ok(cut(left.len(), left, top_k));
            }
        }
        let options = RerankOptions {
            fuse: args.fuse.map(Fusion::from),
            min_score: args.min_score,
            ..self.options(last, given(&left, candidates))
        };
        let tells_apart = args.diversify.and_then(|_| self.tells_apart());
        let Some(other) = tells_apart.filter(|&model| model != last.model) else {
            let options = RerankOptions { top_k, diversify: args.diversify, ..options };
            let (left, unscored) = self.call(last.model, args, options, left, candidates, end)?;
            return Ok(cut(unscored, left, top_k));
        };
        let unscored;
        (left, unscored) = self.call(last.model, args, options, left, candidates, end)?;
        if unscored > 0 {
            return Ok(cut(unscored, left, top_k));
        }
        // The last one is a cross-encoder, which has no vectors.
        let options = RerankOptions { top_k, diversify: args.diversify, ..self.by_scores(&left) };
        let ranked = self.output(other, args, &options, &left, candidates, None)?;
        Ok(ranked.results.iter().map(|result| left[result.index].clone()).collect())
    }

    /// What is asked of a part.
    fn options(&self, part: &Part, given: Vec<Option<f64>>) -> RerankOptions {
        let long_documents = match self.makes_embeddings(part.model) {
            true => self.long_documents,
            false => LongDocuments::Cut,
        };
        let (stages, token_pooling) = (part.stages.clone(), self.token_pooling);
        RerankOptions { stages, long_documents, given, token_pooling, ..RerankOptions::default() }
    }

    /// Keeps the order that there is, by what it was made by.
    fn by_scores(&self, left: &[Left]) -> RerankOptions {
        let score = |left: &Left| left.fused.or(left.score).map(f64::from);
        RerankOptions {
            stages: vec![StageKind::Given.into()],
            given: left.iter().map(score).collect(),
            long_documents: self.long_documents,
            ..RerankOptions::default()
        }
    }

    /// What a model leaves of the documents that it is given, and for how many of them there was no time.
    fn call(
        &self,
        model: usize,
        args: &RerankArgs,
        options: RerankOptions,
        left: Vec<Left>,
        candidates: &Candidates<'_>,
        end: Option<Instant>,
    ) -> Result<(Vec<Left>, usize), CliError> {
        let output = self.output(model, args, &options, &left, candidates, end)?;
        if output.query_truncated {
            let limit = self.models[model].info().query_length;
            say(format_args!(
                "warning: the query has more than {limit} tokens; the rest is not read"
            ));
        }
        let unscored = output.unscored_count;
        Ok((merged(&left, output), unscored))
    }

    fn output(
        &self,
        model: usize,
        args: &RerankArgs,
        options: &RerankOptions,
        left: &[Left],
        candidates: &Candidates<'_>,
        end: Option<Instant>,
    ) -> Result<RerankOutput, CliError> {
        let texts: Vec<&String> = left.iter().map(|left| &candidates.texts[left.index]).collect();
        let embeddings = self.embeddings(model, left, candidates)?;
        let options = RerankOptions { embeddings, ..options.clone() };
        let mut progress = Progress::new("rank", texts.len()).until(end);
        let output =
            block_on(self.models[model].rerank(&args.query, &texts, &options, &mut progress));
        let place = |index: usize| candidates.places[left[index].index];
        let output = output.map_err(|error| jsonl::located(error, TextKind::Document, place))?;
        output
            .warnings
            .iter()
            .for_each(|warning| say(format_args!("warning: {}", warning.message)));
        Ok(output)
    }

    /// What documents bring along for a model.
    ///
    /// # Errors
    /// A document without a text that brings nothing for it.
    fn embeddings(
        &self,
        model: usize,
        left: &[Left],
        candidates: &Candidates<'_>,
    ) -> Result<DocumentEmbeddings, CliError> {
        let Candidates { texts, places, brought, .. } = candidates;
        let reads = |index: usize| {
            !self.makes_embeddings(model) || brought.owner(index, &self.models) != Some(model)
        };
        let is_mute = |index: usize| texts[index].is_empty() && brought.has(index) && reads(index);
        if let Some(mute) = left.iter().find(|left| is_mute(left.index)) {
            let reason = "has embeddings of another model, and no \"text\", which a stage reads";
            return Err(places[mute.index].wrong(reason));
        }
        let left: Vec<usize> = left.iter().map(|left| left.index).collect();
        match self.makes_embeddings(model) {
            true => brought.of(&left, model, &self.models),
            false => Ok(DocumentEmbeddings::default()),
        }
    }
}

/// The scores that came with what is left, or the order.
fn given(left: &[Left], candidates: &Candidates<'_>) -> Vec<Option<f64>> {
    let score = |left: &Left| match candidates.given.get(left.index) {
        Some(score) => *score,
        None => Some(-(left.index as f64)),
    };
    left.iter().map(score).collect()
}

/// As many as are wanted; so many were not scored in time.
fn cut(unscored: usize, mut left: Vec<Left>, top_k: Option<usize>) -> Vec<Left> {
    if unscored > 0 {
        say(format_args!(
            "warning: {unscored} candidates were not scored in time; they follow in the order that they had"
        ));
    }
    left.truncate(top_k.unwrap_or(usize::MAX));
    left
}

/// The documents that a part has left of those that it was given.
fn merged(before: &[Left], output: RerankOutput) -> Vec<Left> {
    let merged = output.results.into_iter().zip(output.truncated).map(|(result, truncated)| {
        let mut left = before[result.index].clone();
        left.score = Some(result.score);
        left.fused = result.fused;
        let first = |place: usize| before[place].same_as.unwrap_or(before[place].index);
        let same_as = result.same_as.map(first).filter(|&first| first != left.index);
        left.same_as = same_as.or(left.same_as);
        left.truncated |= truncated;
        left.stages.extend(result.stages);
        left
    });
    let unscored = output.unscored.into_iter().map(|document| {
        let mut left = before[document.index].clone();
        left.score = None;
        left.stages.extend(document.stages);
        left
    });
    merged.chain(unscored).collect()
}
