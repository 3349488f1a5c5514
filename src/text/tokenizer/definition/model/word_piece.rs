//! WordPiece: the vocabulary and how words that are not in it are cut into pieces.

use tokenizers::Model;
use tokenizers::models::wordpiece::{WordPiece, WordPieceBuilder};

use super::{invalid, unsupported};
use crate::error::Result;
use crate::model::checkpoint::Fields;
use crate::model::config::{ModelConfig, TokenizerClass, TokenizerConfig};

/// Longest prefix of a piece inside a word, in bytes. It is put before every piece that is looked up.
const LONGEST_PREFIX: usize = 64;
/// Most characters of a word that is cut into pieces: the work of a word grows with their square.
const LONGEST_WORD: usize = 256;

/// The model. `BertTokenizer` takes no more of it than the vocabulary.
pub(super) fn build(
    model: &Fields<'_>,
    builder: WordPieceBuilder,
    config: &ModelConfig,
) -> Result<WordPiece> {
    let unknown = model.required("unk_token", model.string("unk_token")?)?;
    let prefix = model.string("continuing_subword_prefix")?;
    let prefix = model.required("continuing_subword_prefix", prefix)?;
    let longest = model.count("max_input_chars_per_word", usize::MAX)?;
    let longest = model.required("max_input_chars_per_word", longest)?;
    let builder = match config.tokenizer.class {
        TokenizerClass::Bert(_) => {
            builder.unk_token(unknown_of_bert(&config.tokenizer)?.to_owned())
        }
        _ => {
            check_limits(prefix, longest)?;
            builder
                .unk_token(unknown.to_owned())
                .continuing_subword_prefix(prefix.to_owned())
                .max_input_chars_per_word(longest)
        }
    };
    let model = builder.build().map_err(|error| invalid(error.to_string()))?;
    match model.token_to_id(&model.unk_token) {
        Some(_) => Ok(model),
        None => {
            let unknown = &model.unk_token;
            Err(invalid(format!("the vocabulary lacks the unknown token {unknown:?}")))
        }
    }
}

fn unknown_of_bert(config: &TokenizerConfig) -> Result<&str> {
    let unknown = config.special_tokens.get("unk_token");
    unknown.ok_or_else(|| config.missing("unk_token", "BertTokenizer needs it"))
}

fn check_limits(prefix: &str, longest: usize) -> Result<()> {
    if prefix.len() > LONGEST_PREFIX {
        let found = format!("{} bytes", prefix.len());
        return Err(unsupported("continuing_subword_prefix", found, "at most 64 are"));
    }
    if longest > LONGEST_WORD {
        return Err(unsupported(
            "max_input_chars_per_word",
            longest.to_string(),
            "at most 256 are",
        ));
    }
    Ok(())
}
