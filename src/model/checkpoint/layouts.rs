//! Which file is where in each layout? The rounds of [`CheckpointFiles::wanted`].

use super::modules::{self, Module, ModuleKind};
use super::{
    ARTIFACT, CheckpointFiles, MODULES, NO_PICKLES, SENTENCE_TRANSFORMERS, WEIGHT_INDEX, weights,
};
use crate::error::{Error, Result};
use crate::model::bundle::MANIFEST;

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
        if self.get(MODULES).is_some() {
            files.push((SENTENCE_TRANSFORMERS.to_owned(), true));
            files.push((format!("{root}sentence_bert_config.json"), true));
        }
        for module in self.modules()?.iter().filter(|module| module.has_settings) {
            // Of the others the libraries have defaults for all they say.
            let optional = module.kind != ModuleKind::Dense;
            files.push((module.path_of("config.json"), optional));
        }
        Ok(files)
    }

    pub(super) fn weight_files(&self) -> Result<Vec<(String, bool)>> {
        let root = self.transformer_path()?;
        let mut files = Vec::new();
        if self.is_stanford()? {
            files.push((ARTIFACT.to_owned(), false));
        }
        if self.needs_special_tokens_map()? {
            files.push((format!("{root}special_tokens_map.json"), true));
        }
        let whole = format!("{root}model.safetensors");
        files.push((whole.clone(), true));
        if matches!(self.files.get(&whole), Some(None)) {
            let index = format!("{root}{WEIGHT_INDEX}");
            files.push((index.clone(), false));
            if let Some(bytes) = self.get(&index) {
                files.extend(
                    weights::shards(&index, bytes)?
                        .into_iter()
                        .map(|shard| (format!("{root}{shard}"), false)),
                );
            }
        }
        for module in self.modules()? {
            if module.kind == ModuleKind::Dense {
                files.push((module.path_of("model.safetensors"), false));
            }
        }
        Ok(files)
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

    /// Whether `modules.json` is sentence-transformers 6's for multi-vector models.
    pub(crate) fn is_multi_vector(&self) -> Result<bool> {
        Ok(self.modules()?.iter().any(|module| module.kind == ModuleKind::MultiVectorMask))
    }

    /// Older tokenizer configurations leave the special tokens to a file of their own.
    fn needs_special_tokens_map(&self) -> Result<bool> {
        let name = format!("{}tokenizer_config.json", self.transformer_path()?);
        let Some(config) = self.fields(&name)? else {
            return Ok(true);
        };
        Ok(!["mask_token", "unk_token"].iter().all(|field| config.has(field)))
    }

    /// Names of the files that hold the backbone's weights; of a bundle, the one that they came from.
    pub(crate) fn backbone_files(&self) -> Result<Vec<String>> {
        let root = self.transformer_path()?;
        let whole = format!("{root}model.safetensors");
        if self.get(&whole).is_some() || self.bundle.is_some() {
            return Ok(vec![whole]);
        }
        let index = format!("{root}{WEIGHT_INDEX}");
        let bytes = self.get(&index).ok_or(Error::MissingFile { name: whole, hint: NO_PICKLES })?;
        Ok(weights::shards(&index, bytes)?
            .into_iter()
            .map(|shard| format!("{root}{shard}"))
            .collect())
    }
}
