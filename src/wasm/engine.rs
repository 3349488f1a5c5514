//! What does a loaded model do?

use js_sys::{Array, Float32Array, Uint32Array};
use tsify::Ts;
use wasm_bindgen::prelude::*;

use super::answers::{
    Cost, EncoderParts, EngineWarning, Explanation, GpuKernel, Inspection, KeptVectors, ModelInfo,
    PageSide, PairInspection, Ranked, bytes, sizes,
};
use super::checkpoint::Checkpoint;
use super::observer::{JsHooks, JsObserver};
use super::options::{Device, EncodeSettings, ExplainSettings, Kind, LoadSettings};
use super::ranking::RerankSettings;
use super::texts::{AskedQuery, JsQuery, JsTextList, JsTexts};
use super::vectors::DocumentVectors;
use super::{answers, from_js, now_ms, throw, to_js};
use crate::observer::{Observer, Stage, pause};
use crate::ops::profile;
use crate::{
    EncodeOptions, Encoded, Pooling, RerankOutput, RerankResult, Reranker, StageResult, Texts,
    TokenPooling,
};

/// A loaded model on one device.
#[wasm_bindgen]
pub struct Engine {
    pub(super) reranker: Reranker,
}

#[wasm_bindgen]
impl Engine {
    /// Loads a complete checkpoint, and takes it.
    pub async fn load(
        checkpoint: Checkpoint,
        options: Ts<LoadSettings>,
        hooks: JsHooks,
    ) -> Result<Engine, JsValue> {
        let options = from_js(options)?.into();
        let mut files = checkpoint.files;
        if files.manifest().is_none() {
            // Of a checkpoint they lie in the same files as all else.
            files.take_pages();
        }
        let reranker =
            Reranker::load(files, &options, &mut JsObserver::new(hooks)).await.map_err(throw)?;
        Ok(Engine { reranker })
    }

    #[wasm_bindgen(getter)]
    pub fn device(&self) -> Ts<Device> {
        to_js(&self.reranker.device().into())
    }

    #[wasm_bindgen(getter)]
    pub fn warnings(&self) -> Vec<Ts<EngineWarning>> {
        self.reranker.warnings().iter().map(|warning| to_js(&warning.into())).collect()
    }

    /// What the check at load found wrong with the GPU that `auto` gave up; nothing if it was only slow.
    #[wasm_bindgen(getter, js_name = gpuFault)]
    pub fn gpu_fault(&self) -> Option<String> {
        self.reranker.gpu_fault().map(str::to_owned)
    }

    /// How products are computed on the GPU, if one was found right.
    #[wasm_bindgen(getter, js_name = gpuKernel)]
    pub fn gpu_kernel(&self) -> Option<Ts<GpuKernel>> {
        self.reranker.gpu_kernel().map(|kernel| to_js(&kernel.into()))
    }

    #[wasm_bindgen(getter)]
    pub fn info(&self) -> Ts<ModelInfo> {
        let mut info = ModelInfo::from(self.reranker.info());
        info.pages = self.reranker.page_info().map(PageSide::from);
        to_js(&info)
    }

    /// Ranks `documents` against `query`, a text or embeddings of one. Those whose embeddings are among `vectors` are not encoded, and
    /// their text may be empty.
    pub async fn rerank(
        &self,
        query: JsQuery,
        documents: JsTextList,
        options: Ts<RerankSettings>,
        hooks: JsHooks,
        vectors: Option<DocumentVectors>,
    ) -> Result<Ts<Ranked>, JsValue> {
        let settings = from_js(options)?;
        let (explain, profile) = (settings.explain, settings.profile);
        let query = AskedQuery::new(query, self.reranker.info().dimension)?;
        let texts = JsTexts::new(documents)?;
        let embeddings = vectors.unwrap_or_default().into_embeddings(texts.len())?;
        let options = settings.into_options(self.reranker.dense_pooling(), embeddings);
        let mut observer = JsObserver::new(hooks);
        if profile {
            profile::start(now_ms);
        }
        let output = self.reranker.rerank(query.as_query(), &texts, &options, &mut observer).await;
        let times = profile::stop();
        let output = output.map_err(throw)?;
        let explanations = match explain {
            true => explanations(&output, query.text(), &texts, &mut observer).await?.into(),
            false => JsValue::UNDEFINED,
        };
        let parts = profile.then(|| EncoderParts::from(times));
        Ok(to_js(&ranked(&output, explanations, parts)))
    }

    /// Embeddings of texts of one kind.
    pub async fn encode(
        &self,
        kind: Ts<Kind>,
        texts: JsTextList,
        options: Ts<EncodeSettings>,
        hooks: JsHooks,
    ) -> Result<Ts<answers::Encoded>, JsValue> {
        let EncodeSettings { pooling, token_pooling, windows } = from_js(options)?;
        let pooling = Pooling::from(pooling);
        let token_pooling = token_pooling.map(TokenPooling::from);
        let options = EncodeOptions { pooling, token_pooling, long_documents: windows.into() };
        let (parts, mut lengths, mut truncated) = (Array::new(), Vec::new(), Vec::new());
        let take = |encoded: Encoded| {
            parts.push(&Float32Array::from(encoded.embeddings.values()));
            lengths.extend(encoded.embeddings.lengths().iter().map(|&length| length as u32));
            truncated.extend(encoded.truncated);
            Ok(())
        };
        let (kind, texts) = (from_js(kind)?.into(), JsTexts::new(texts)?);
        let mut observer = JsObserver::new(hooks);
        self.reranker
            .encode_each(kind, &texts, options, &mut observer, take)
            .await
            .map_err(throw)?;
        Ok(to_js(&answers::Encoded {
            parts,
            lengths: Uint32Array::from(lengths.as_slice()),
            dimension: self.reranker.width(pooling),
            truncated: bytes(&truncated),
        }))
    }

    /// What it takes to read documents and a query.
    pub async fn cost(
        &self,
        query: &str,
        documents: JsTextList,
        options: Ts<ExplainSettings>,
        hooks: JsHooks,
    ) -> Result<Ts<Cost>, JsValue> {
        let (texts, long_documents) = (JsTexts::new(documents)?, from_js(options)?.windows.into());
        let mut observer = JsObserver::new(hooks);
        let cost = self.reranker.cost(query, &texts, long_documents, &mut observer).await;
        Ok(to_js(&cost.map_err(throw)?.into()))
    }

    /// Token matches of one document.
    pub async fn explain(
        &self,
        query: &str,
        document: &str,
        options: Ts<ExplainSettings>,
        hooks: JsHooks,
    ) -> Result<Ts<Explanation>, JsValue> {
        let long_documents = from_js(options)?.windows.into();
        let explanation = self
            .reranker
            .explain(query, document, long_documents, &mut JsObserver::new(hooks))
            .await
            .map_err(throw)?;
        Ok(to_js(&Explanation::new(&explanation, query, document)))
    }

    /// Every stage of one text, for tests and bug reports.
    pub async fn inspect(&self, kind: Ts<Kind>, text: &str) -> Result<Ts<Inspection>, JsValue> {
        let inspection = self.reranker.inspect(from_js(kind)?.into(), text).await.map_err(throw)?;
        Ok(to_js(&Inspection::new(&inspection, text)))
    }

    /// Every stage of a query and a document that a cross-encoder reads as one text, for tests and bug reports.
    #[wasm_bindgen(js_name = inspectPair)]
    pub async fn inspect_pair(
        &self,
        query: &str,
        document: &str,
    ) -> Result<Ts<PairInspection>, JsValue> {
        let inspection = self.reranker.inspect_pair(query, document).await.map_err(throw)?;
        Ok(to_js(&inspection.into()))
    }
}

/// An explanation for each result; there may be a million matches.
async fn explanations(
    output: &RerankOutput,
    query: &str,
    texts: &JsTexts,
    observer: &mut JsObserver,
) -> Result<Array, JsValue> {
    observer.stage(Stage::Explain);
    let explanations = Array::new();
    for (explanation, result) in output.explanations.iter().zip(&output.results) {
        pause(observer).await.map_err(throw)?;
        let document = texts.text(result.index);
        let explanation = Explanation::new(explanation, query, &document);
        explanations.push(&to_js(&explanation).into());
    }
    Ok(explanations)
}

fn ranked(output: &RerankOutput, explanations: JsValue, parts: Option<EncoderParts>) -> Ranked {
    let RerankOutput { results, unscored, bound, query_truncated, kept, warnings, .. } = output;
    let behind = || unscored.iter().map(|document| document.index);
    let first = |result: &RerankResult| result.same_as.unwrap_or(result.index);
    let stages = stages(output);
    let scores: Vec<f32> = stages.iter().map(|stage| stage.map_or(f32::NAN, |s| s.score)).collect();
    let ranks = stages.iter().map(|stage| stage.map_or(0, |s| s.rank));
    let mut truncated = output.truncated.clone();
    truncated.resize(results.len() + unscored.len(), false);
    Ranked {
        indices: sizes(results.iter().map(|result| result.index).chain(behind())),
        scored: results.len(),
        unscored: output.unscored_count,
        scores: Float32Array::from(scores.as_slice()),
        ranks: sizes(ranks),
        fused: fused(results)
            .map_or(JsValue::UNDEFINED, |fused| Float32Array::from(fused.as_slice()).into()),
        same_as: sizes(results.iter().map(first).chain(behind())),
        bound: *bound,
        query_truncated: *query_truncated,
        truncated: bytes(&truncated),
        explanations,
        kept: kept.as_ref().map(KeptVectors::from),
        warnings: warnings.iter().map(EngineWarning::from).collect(),
        cost: output.cost.into(),
        parts,
    }
}

/// What each stage said of each document, those that it had no time for included.
fn stages(output: &RerankOutput) -> Vec<Option<StageResult>> {
    let RerankOutput { results, unscored, .. } = output;
    let all = results.iter().map(|result| &result.stages);
    let all: Vec<_> = all.chain(unscored.iter().map(|document| &document.stages)).collect();
    all.iter()
        .flat_map(|stages| (0..output.stages).map(|place| stages.get(place).copied()))
        .collect()
}

/// If they were fused.
fn fused(results: &[RerankResult]) -> Option<Vec<f32>> {
    results.iter().map(|result| result.fused).collect()
}
