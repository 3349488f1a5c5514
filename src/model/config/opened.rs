//! Which of a folder's files hold the weights of which part of the model, and behind which names?

use super::{DenseConfig, Layout, ModelConfig};
use crate::error::Result;
use crate::model::checkpoint::{CheckpointFiles, Weights};

impl ModelConfig {
    /// The text backbone's tensors, under its own names.
    ///
    /// # Errors
    /// Those of [`Weights::open`]; [`crate::Error::MissingTensor`] of a model of pages without such a backbone.
    pub(crate) fn backbone_weights<'f>(&self, files: &'f CheckpointFiles) -> Result<Weights<'f>> {
        let weights = Weights::open(files, &files.backbone_files()?)?;
        let (prefix, probe) = self.encoder.prefix();
        match files.visual()? {
            Some(class) => weights.behind(class.tower(), probe),
            None => Ok(weights.with_prefix(prefix, probe)),
        }
    }

    /// The tensors of a Dense module.
    ///
    /// # Errors
    /// As [`ModelConfig::backbone_weights`].
    pub(crate) fn dense_weights<'f>(
        &self,
        files: &'f CheckpointFiles,
        dense: &DenseConfig,
    ) -> Result<Weights<'f>> {
        match self.layout {
            Layout::Stanford => Weights::open(files, &files.backbone_files()?),
            Layout::Visual => {
                let weights = Weights::open(files, &files.backbone_files()?)?;
                weights.behind("", &format!("{}.weight", dense.stem()))
            }
            _ => Weights::open(files, std::slice::from_ref(&dense.file)),
        }
    }
}
