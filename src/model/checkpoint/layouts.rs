//! Which file is where in each layout? The rounds of [`CheckpointFiles::wanted`].

use super::adapter::ADAPTER_WEIGHTS;
use super::modules::{self, Module, ModuleKind};
use super::{
    ADAPTER, ARTIFACT, Architecture, CheckpointFiles, MODULES, NO_PICKLES, PICKLE, PICKLE_INDEX,
    PREPROCESSOR, PROCESSOR, SENTENCE_TRANSFORMERS, Visual, VisualClass, WEIGHT_INDEX, WEIGHTS,
    token_ids, weights,
};
use crate::error::{Error, Result};
use crate::model::bundle::MANIFEST;

/// Bytes of `tokenizer.json` in which PyLate's markers are looked for.
const PYLATE_TOKENS: usize = 256 << 10;

impl CheckpointFiles {
    /// The modules that `modules.json` lists; a lone Transformer where there is no such file.
    pub(crate) fn modules(&self) -> Result<Vec<Module>> {
        match self.get(MODULES) {
            Some(bytes) => modules::parse(bytes),
            None => Ok(vec![Module::transformer()]),
        }
    }

    /// Folder of the Transformer module, with a closing `/` unless it is the root.
    pub(crate) fn transformer_path(&self) -> Result<String> {
        let modules = self.modules()?;
        Ok(modules[0].path_of(""))
    }

    /// Where an adapter's settings would lie, if there is one: beside the Transformer's weights, which it changes.
    ///
    /// # Errors
    /// What `modules.json` says wrongly.
    pub fn adapter_file(&self) -> Result<String> {
        Ok(format!("{}{ADAPTER}", self.transformer_path()?))
    }

    /// Where an adapter's weights lie.
    ///
    /// # Errors
    /// As [`CheckpointFiles::adapter_file`].
    pub(super) fn adapter_weights(&self) -> Result<String> {
        Ok(format!("{}{ADAPTER_WEIGHTS}", self.transformer_path()?))
    }

    /// Whether an adapter changes the weights; of other models than those of pages it is refused.
    pub(crate) fn is_adapted(&self) -> Result<bool> {
        let there = self.bundle.is_none() && self.get(&self.adapter_file()?).is_some();
        Ok(there && self.visual()?.is_some())
    }

    /// Who saved it, if this is a model of pages.
    pub(crate) fn visual(&self) -> Result<Option<VisualClass>> {
        let name = format!("{}config.json", self.transformer_path()?);
        let Some(config) = self.fields(&name)? else {
            return Ok(None);
        };
        Ok(Visual::of(&config)?.map(|visual| visual.class))
    }

    /// A bundle says everything else itself.
    pub(super) fn manifest_file(&self) -> Result<Vec<(String, bool)>> {
        Ok(vec![(MANIFEST.to_owned(), true)])
    }

    /// `modules.json` decides where everything else is.
    pub(super) fn roots(&self) -> Result<Vec<(String, bool)>> {
        Ok(vec![(MODULES.to_owned(), true)])
    }

    pub(super) fn settings(&self) -> Result<Vec<(String, bool)>> {
        let root = self.transformer_path()?;
        let mut files = vec![
            (format!("{root}config.json"), false),
            (format!("{root}tokenizer.json"), false),
            (format!("{root}tokenizer_config.json"), true),
        ];
        let multi_vector = self.is_multi_vector()?;
        if self.get(MODULES).is_some() {
            let head = multi_vector || self.has_pylate_module()?;
            files.push((SENTENCE_TRANSFORMERS.to_owned(), !head));
            files.push((format!("{root}sentence_bert_config.json"), !multi_vector));
        } else if self.has_pylate_tokens() {
            files.push((SENTENCE_TRANSFORMERS.to_owned(), true));
        }
        for module in self.modules()?.iter().filter(|module| module.has_settings) {
            // Of the others the libraries have defaults for all they say, which are not those of multi-vector models.
            let optional = !multi_vector && !module.kind.has_weights();
            files.push((module.path_of("config.json"), optional));
        }
        Ok(files)
    }

    /// Whether all settings are there that the folder shows to be its own. A bundle lists its files itself, perhaps those of a
    /// folder that lacked some.
    pub(crate) fn check_settings(&self) -> Result<()> {
        let needed = self.settings()?.into_iter().filter(|(_, optional)| !optional);
        match needed.map(|(name, _)| name).find(|name| self.get(name).is_none()) {
            Some(name) => Err(Error::MissingFile { name, hint: "" }),
            None => Ok(()),
        }
    }

    pub(super) fn weight_files(&self) -> Result<Vec<(String, bool)>> {
        let root = self.transformer_path()?;
        self.check_architecture(&root)?;
        let mut files = Vec::new();
        if self.visual()?.is_some() {
            let processors = [PROCESSOR, PREPROCESSOR].map(|file| (format!("{root}{file}"), true));
            files.extend(processors);
        }
        if self.is_stanford()? {
            files.push((ARTIFACT.to_owned(), false));
        }
        files.extend(self.token_files()?.into_iter().map(|name| (format!("{root}{name}"), true)));
        files.extend(self.backbone_choices(&root)?);
        if self.is_adapted()? {
            files.push((self.adapter_weights()?, false));
        }
        for module in self.modules()? {
            if module.kind.has_weights() {
                let file = module.path_of(WEIGHTS);
                files.push((file.clone(), self.takes_pickles));
                if self.is_absent(&file) && self.takes_pickles {
                    files.push((module.path_of(PICKLE), false));
                }
            }
        }
        Ok(files)
    }

    /// The files that may hold the backbone's weights: each form is looked for where those before it are absent.
    fn backbone_choices(&self, root: &str) -> Result<Vec<(String, bool)>> {
        let mut files = Vec::new();
        let forms = [WEIGHTS, WEIGHT_INDEX, PICKLE, PICKLE_INDEX];
        let forms = if self.takes_pickles { &forms[..] } else { &forms[..2] };
        for (place, form) in forms.iter().enumerate() {
            let file = format!("{root}{form}");
            files.push((file.clone(), place + 1 < forms.len()));
            if let Some(bytes) = self.get(&file).filter(|_| form.ends_with(".json")) {
                let shards = weights::shards(&file, bytes)?.into_iter();
                files.extend(shards.map(|shard| (format!("{root}{shard}"), false)));
            }
            if !self.is_absent(&file) {
                break;
            }
        }
        Ok(files)
    }

    /// Whether a file was looked for in vain.
    fn is_absent(&self, file: &str) -> bool {
        matches!(self.files.get(file), Some(None))
    }

    /// What is not computed is refused before its weights are asked for.
    fn check_architecture(&self, root: &str) -> Result<()> {
        match self.text_config(&format!("{root}config.json"))? {
            Some(config) => Architecture::of(&config).map(drop),
            None => Ok(()),
        }
    }

    /// Whether this is the layout of Stanford's ColBERT: the projection lies among the backbone's weights.
    pub(crate) fn is_stanford(&self) -> Result<bool> {
        if self.get(MODULES).is_some() {
            return Ok(false);
        }
        let Some(config) = self.fields("config.json")? else {
            return Ok(false);
        };
        Ok(config
            .strings("architectures")?
            .is_some_and(|names| names.iter().any(|name| name == "HF_ColBERT")))
    }

    /// Whether this is a cross-encoder: by what `config_sentence_transformers.json` says where there are modules, else by the class
    /// of the weights.
    pub(crate) fn is_cross_encoder(&self) -> Result<bool> {
        if self.get(MODULES).is_some() {
            let config = self.fields(SENTENCE_TRANSFORMERS)?;
            let class = config.as_ref().map_or(Ok(None), |config| config.string("model_type"))?;
            return Ok(class == Some("CrossEncoder"));
        }
        let Some(config) = self.fields("config.json")? else {
            return Ok(false);
        };
        let classes = config.strings("architectures")?.unwrap_or_default();
        Ok(classes.iter().any(|name| name.ends_with("ForSequenceClassification")))
    }

    /// Whether `modules.json` is sentence-transformers 6's for multi-vector models.
    pub(crate) fn is_multi_vector(&self) -> Result<bool> {
        let kinds = [ModuleKind::MultiVectorMask, ModuleKind::TokenWeighting];
        Ok(self.modules()?.iter().any(|module| kinds.contains(&module.kind)))
    }

    /// Whether `modules.json` lists a class of PyLate's.
    pub(crate) fn has_pylate_module(&self) -> Result<bool> {
        Ok(self.modules()?.iter().any(|module| module.of_pylate))
    }

    /// Whether PyLate has added its markers to the tokens: a trace that it leaves in a folder without `modules.json`. Added tokens
    /// stand in front of the vocabulary.
    fn has_pylate_tokens(&self) -> bool {
        const MARKERS: [&[u8]; 2] = [b"\"[Q] \"", b"\"[D] \""];
        let start = self.get("tokenizer.json").unwrap_or_default();
        let start = &start[..start.len().min(PYLATE_TOKENS)];
        MARKERS.iter().all(|marker| start.windows(marker.len()).any(|part| part == *marker))
    }

    /// The small files that hold tokens of tokenizers saved by transformers before 4.34: later ones say all in
    /// `tokenizer_config.json`, which outranks these, or write neither (`backend`, from 5 on).
    fn token_files(&self) -> Result<Vec<&'static str>> {
        let name = format!("{}tokenizer_config.json", self.transformer_path()?);
        let config = self.fields(&name)?;
        if config.is_some_and(|config| {
            ["added_tokens_decoder", "backend"].iter().any(|field| config.has(field))
        }) {
            return Ok(Vec::new());
        }
        let mut files = vec!["special_tokens_map.json"];
        if self.has_rows_without_tokens()? {
            files.push("added_tokens.json");
        }
        Ok(files)
    }

    /// Whether the model's table has rows for more tokens than `tokenizer.json` names.
    fn has_rows_without_tokens(&self) -> Result<bool> {
        let root = self.transformer_path()?;
        let name = format!("{root}config.json");
        let config = self.text_config(&name)?;
        let rows = match config.as_ref().and_then(|config| config.value("vocab_size")) {
            Some(rows) => rows.as_u64().unwrap_or(0),
            None => return Ok(false),
        };
        let ids = self
            .token_ids
            .get_or_init(|| self.get(&format!("{root}tokenizer.json")).map_or(0, token_ids::end));
        Ok(*ids < rows)
    }

    /// Names of the files that hold the backbone's weights; of a bundle, the one that they came from.
    pub(crate) fn backbone_files(&self) -> Result<Vec<String>> {
        let root = self.transformer_path()?;
        let [whole, pickle] = [WEIGHTS, PICKLE].map(|file| format!("{root}{file}"));
        if self.get(&whole).is_some() || self.bundle.is_some() {
            return Ok(vec![whole]);
        }
        if self.get(&pickle).is_some() {
            return Ok(vec![pickle]);
        }
        let indices = [WEIGHT_INDEX, PICKLE_INDEX].map(|file| format!("{root}{file}"));
        let index = indices.into_iter().find_map(|file| Some((self.get(&file)?, file)));
        let (bytes, index) = index.ok_or(Error::MissingFile { name: whole, hint: NO_PICKLES })?;
        Ok(weights::shards(&index, bytes)?
            .into_iter()
            .map(|shard| format!("{root}{shard}"))
            .collect())
    }
}
