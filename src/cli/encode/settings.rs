//! What decides which embeddings come of a text. All of it has to be the same where a run goes on with what another has left.

use std::collections::BTreeMap;

use tabrank::late_interaction::codec::file::{EmbeddingsInfo, EmbeddingsWriter, planes};
use tabrank::late_interaction::codec::{Codec, CompressedEmbeddings, Rows};
use tabrank::{
    EncodeOptions, Error, LongDocuments, ModelKind, Pooling, Reranker, Result, TextKind,
};

/// Settings by their names, as they are told.
pub type Said = BTreeMap<String, String>;

/// How texts are encoded and stored.
pub struct Settings {
    pub kind: TextKind,
    pub options: EncodeOptions,
    pub codec: Codec,
    /// Width of a row.
    pub dimension: usize,
    pub info: EmbeddingsInfo,
    /// Whether the texts' ids are kept beside their rows.
    pub keeps_ids: bool,
    /// Whether they are page images, of which size and grid are kept.
    pub keeps_pages: bool,
    pub said: Said,
}

impl Settings {
    /// Of what was asked for.
    ///
    /// # Errors
    /// A model that makes no embeddings, and a codec of another width.
    pub fn new(
        model: &Reranker,
        kind: TextKind,
        options: EncodeOptions,
        codec: Codec,
    ) -> Result<Self> {
        if model.info().kind == ModelKind::CrossEncoder {
            return Err(Error::NoEmbeddings { what: "encoding" });
        }
        let (id, dimension) = (&model.info().embedding_id, model.width(options.pooling));
        let of_tokens = kind == TextKind::Document && options.pooling == Pooling::None;
        let token_pooling = model.token_pooling(options.token_pooling).filter(|_| of_tokens);
        let token_pooling = token_pooling.map(|pooling| pooling.to_string());
        // A vector for a text is no token's embedding: nobody is to take it for one.
        let embedding_id = (options.pooling == Pooling::None).then(|| id.clone());
        let said = [
            ("model", id.clone()),
            ("kind", format!("{kind:?}").to_lowercase()),
            ("pooling", format!("{:?}", options.pooling).to_lowercase()),
            ("codec", codec_name(&codec)),
            ("pool factor", token_pooling.clone().unwrap_or_else(|| "1".to_owned())),
            ("long documents", long_documents(options.long_documents)),
        ];
        let said = said.map(|(name, value)| (name.to_owned(), value)).into();
        let info = EmbeddingsInfo { embedding_id, token_pooling };
        CompressedEmbeddings::new(codec.clone(), dimension)?;
        Ok(Self {
            kind,
            options,
            codec,
            dimension,
            info,
            keeps_ids: false,
            keeps_pages: false,
            said,
        })
    }

    /// Of rows that were made beforehand.
    ///
    /// # Errors
    /// A codec of another width.
    pub fn of_rows(info: EmbeddingsInfo, dimension: usize, codec: Codec) -> Result<Self> {
        CompressedEmbeddings::new(codec.clone(), dimension)?;
        let unknown = || "unknown".to_owned();
        let said = [
            ("model", info.embedding_id.clone().unwrap_or_else(unknown)),
            ("codec", codec_name(&codec)),
            ("pool factor", info.token_pooling.clone().unwrap_or_else(|| "1".to_owned())),
        ];
        let said = said.map(|(name, value)| (name.to_owned(), value)).into();
        let (kind, options) = (TextKind::Document, EncodeOptions::default());
        Ok(Self {
            kind,
            options,
            codec,
            dimension,
            info,
            keeps_ids: false,
            keeps_pages: false,
            said,
        })
    }

    /// The file that is made with them.
    pub fn writer(&self) -> EmbeddingsWriter {
        EmbeddingsWriter::new(self.codec.clone(), self.dimension, self.info.clone())
    }

    /// How many tensors have a row for each token.
    pub fn planes(&self) -> usize {
        planes(Rows::new(&self.codec).view()).len()
    }

    /// Bytes of a row in all of them.
    pub fn row_bytes(&self) -> u64 {
        self.codec.row_bytes(self.dimension) as u64
    }

    /// The first setting that others have otherwise.
    pub fn difference(&self, others: &Said) -> Option<String> {
        let differs = |(name, ours): (&String, &String)| match others.get(name) {
            Some(theirs) if theirs == ours => None,
            Some(theirs) => Some(format!("its {name} is {theirs}, and that of this run {ours}")),
            None => Some(format!("its state does not say its {name}")),
        };
        self.said.iter().find_map(differs)
    }
}

fn codec_name(codec: &Codec) -> String {
    codec.residual().map_or(codec.name(), |codec| codec.id()).to_owned()
}

fn long_documents(how: LongDocuments) -> String {
    match how {
        LongDocuments::Cut => "cut".to_owned(),
        LongDocuments::Windows { overlap, most } => {
            let overlap = overlap.map_or("an eighth".to_owned(), |overlap| overlap.to_string());
            format!("windows ({most} at most, overlap {overlap})")
        }
    }
}
