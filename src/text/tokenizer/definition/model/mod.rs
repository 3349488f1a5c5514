//! The model: which pieces of a word, or of a text, are tokens.

mod bpe;
mod unigram;
mod word_piece;

use tokenizers::ModelWrapper;
use tokenizers::models::bpe::{BPE, BpeBuilder};
use tokenizers::models::wordpiece::{WordPiece, WordPieceBuilder};

use super::file::{self, File};
use super::{FILE, invalid, unsupported};
use crate::error::Result;
use crate::model::checkpoint::Fields;
use crate::model::config::{ModelConfig, TokenizerClass};

/// The kinds of model that are read.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    WordPiece,
    Bpe,
    Unigram,
}

/// A vocabulary in the library's own tables.
pub(super) enum Vocabulary {
    WordPiece(WordPieceBuilder),
    Bpe(BpeBuilder),
    Unigram(Vec<(String, f64)>),
}

/// The file, with its vocabulary.
pub(super) fn read(bytes: &[u8], rows: usize) -> Result<(File, Vocabulary)> {
    // An empty table of the type that the builders want, whose name the library does not export.
    let table = WordPiece::read_bytes(&[]);
    let mut table = table.map_err(|error| invalid(error.to_string()))?;
    let mut file = file::read(bytes, rows, &mut table)?;
    let vocabulary = match kind(&file)? {
        Kind::WordPiece => Vocabulary::WordPiece(WordPiece::builder().vocab(table)),
        Kind::Bpe => {
            let merges = std::mem::take(&mut file.merges);
            bpe::check(&merges, |token| table.contains_key(token))?;
            Vocabulary::Bpe(BPE::builder().vocab_and_merges(table, merges))
        }
        Kind::Unigram => Vocabulary::Unigram(file.scored.take().unwrap_or_default()),
    };
    Ok((file, vocabulary))
}

/// The model of the class that reads the file.
pub(super) fn build(
    model: &Fields<'_>,
    vocabulary: Vocabulary,
    config: &ModelConfig,
) -> Result<ModelWrapper> {
    let class = &config.tokenizer.class;
    Ok(match (vocabulary, class) {
        (Vocabulary::WordPiece(builder), TokenizerClass::Bert(_) | TokenizerClass::General) => {
            word_piece::build(model, builder, config)?.into()
        }
        (Vocabulary::Bpe(builder), TokenizerClass::Roberta(_) | TokenizerClass::General) => {
            bpe::build(model, builder, class)?.into()
        }
        (Vocabulary::Unigram(scored), TokenizerClass::General) => {
            unigram::build(model, scored)?.into()
        }
        (_, TokenizerClass::Bert(_)) => {
            return Err(model.unsupported(
                "model.type",
                "another kind",
                "WordPiece is, for BertTokenizer",
            ));
        }
        (_, TokenizerClass::Roberta(_)) => {
            return Err(model.unsupported(
                "model.type",
                "another kind",
                "BPE is, for RobertaTokenizer",
            ));
        }
    })
}

/// Files of tokenizers before 0.9 name no type. Of such a file the library takes the first kind whose fields are all there:
/// BPE has `merges`, WordPiece more fields than what comes behind it, and Unigram a list.
fn kind(file: &File) -> Result<Kind> {
    let Some(model) = &file.model else {
        return Err(Fields::of(FILE, file.parts.clone()).invalid("model", "is missing"));
    };
    let model = Fields::of(FILE, model.clone());
    let scored = file.scored.is_some();
    let kind = match model.string("type")? {
        Some("WordPiece") => Kind::WordPiece,
        Some("BPE") => Kind::Bpe,
        Some("Unigram") => Kind::Unigram,
        Some(other) => {
            return Err(model.unsupported("model.type", other, "WordPiece, BPE and Unigram are"));
        }
        None if model.has("merges") => Kind::Bpe,
        None if scored => Kind::Unigram,
        None => Kind::WordPiece,
    };
    match (kind, scored) {
        (Kind::Unigram, false) => Err(invalid("model.vocab needs tokens with scores".to_owned())),
        (Kind::WordPiece | Kind::Bpe, true) => {
            Err(invalid("model.vocab needs tokens with ids".to_owned()))
        }
        _ => Ok(kind),
    }
}
