//! `tabrank inspect` of a file: with which embeddings, or which codec?

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use tabrank::{EmbeddingsFacts, ResidualCodec, VectorFile};

use super::inspect::tell;
use super::{CliError, codec};

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Report {
    Embeddings {
        codec: &'static str,
        codec_id: Option<String>,
        dimension: usize,
        texts: usize,
        tokens: u64,
        bytes: usize,
        embedding_id: Option<String>,
        token_pooling: Option<String>,
    },
    Codec {
        codec_id: String,
        dimension: usize,
        nbits: usize,
        centroids: usize,
        /// Of a token that is stored by it.
        token_bytes: usize,
        embedding_id: Option<String>,
    },
}

/// Tells what a file holds.
pub fn run(path: &Path, json: bool) -> Result<(), CliError> {
    let report = match VectorFile::read(&path.display().to_string(), &codec::read(path)?)? {
        VectorFile::Embeddings(facts) => Report::of_embeddings(facts),
        VectorFile::Codec(codec) => Report::of_codec(&codec),
    };
    tell(&report, json, |out| report.print(out))
}

impl Report {
    fn of_embeddings(facts: EmbeddingsFacts) -> Self {
        Report::Embeddings {
            codec: facts.codec,
            codec_id: facts.codec_id,
            dimension: facts.dimension,
            texts: facts.texts,
            tokens: facts.rows,
            bytes: facts.bytes,
            embedding_id: facts.info.embedding_id,
            token_pooling: facts.info.token_pooling,
        }
    }

    fn of_codec(codec: &ResidualCodec) -> Self {
        Report::Codec {
            codec_id: codec.id().to_owned(),
            dimension: codec.dimension(),
            nbits: codec.nbits(),
            centroids: codec.centroid_count(),
            token_bytes: codec.residual_bytes() + 4,
            embedding_id: codec.parts().embedding_id.clone(),
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let (codec_id, embedding_id) = match self {
            Report::Embeddings {
                codec,
                dimension,
                texts,
                tokens,
                bytes,
                token_pooling,
                codec_id,
                embedding_id,
            } => {
                writeln!(out, "embeddings, {codec}, {dimension} wide")?;
                writeln!(out, "{texts} texts, {tokens} tokens, {bytes} bytes")?;
                if let Some(pooling) = token_pooling {
                    writeln!(out, "token pooling {pooling}")?;
                }
                (codec_id.as_ref(), embedding_id)
            }
            Report::Codec { codec_id, dimension, nbits, centroids, token_bytes, embedding_id } => {
                writeln!(out, "residual codec, {dimension} wide, {nbits} bits a number")?;
                writeln!(out, "{centroids} centroids, {token_bytes} bytes a token")?;
                (Some(codec_id), embedding_id)
            }
        };
        for (name, id) in [("codec id", codec_id), ("embedding id", embedding_id.as_ref())] {
            if let Some(id) = id {
                writeln!(out, "{name} {id}")?;
            }
        }
        Ok(())
    }
}
