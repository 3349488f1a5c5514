//! Settings in place of a checkpoint's own, as arguments.

use clap::Args;
use tabrank::Overrides;

const HEADING: &str = "Settings in place of the model's own";

/// Settings in place of the model's own, under the names of PyLate's constructor.
#[derive(Args)]
pub struct OverrideArgs {
    /// Put before each query: one token of the vocabulary in a folder of PyLate or of Stanford's ColBERT, else any text; an
    /// empty one for none.
    #[arg(long, help_heading = HEADING, value_name = "TEXT", allow_hyphen_values = true)]
    query_prefix: Option<String>,
    /// Put before each document, as --query-prefix is.
    #[arg(long, help_heading = HEADING, value_name = "TEXT", allow_hyphen_values = true)]
    document_prefix: Option<String>,
    /// Most tokens of a query, special tokens included; with expansion to a fixed length that length too.
    #[arg(long, help_heading = HEADING, value_name = "TOKENS")]
    query_length: Option<usize>,
    /// Most tokens of a document, special tokens included.
    #[arg(long, help_heading = HEADING, value_name = "TOKENS")]
    document_length: Option<usize>,
    /// Whether short queries are filled up with mask tokens.
    #[arg(long, help_heading = HEADING, value_name = "BOOL")]
    do_query_expansion: Option<bool>,
    /// Tokens that queries are filled up to, if not to the query's length.
    #[arg(long, help_heading = HEADING, value_name = "TOKENS")]
    expansion_length: Option<usize>,
    /// What queries are filled up with, in place of the mask token.
    #[arg(long, help_heading = HEADING, value_name = "TOKEN", allow_hyphen_values = true)]
    expansion_token: Option<String>,
    /// Whether the other tokens attend to those that a query was filled up with.
    #[arg(long, help_heading = HEADING, value_name = "BOOL")]
    attend_to_expansion_tokens: Option<bool>,
    /// Tokens that yield no embedding, with spaces between them; an empty list for none.
    #[arg(long, help_heading = HEADING, value_name = "WORDS", allow_hyphen_values = true)]
    skiplist_words: Option<String>,
    /// Values of an embedding that are kept, the first ones, before embeddings are made unit vectors; what that costs is up to the
    /// checkpoint, and some are trained for it.
    #[arg(long, help_heading = HEADING, value_name = "WIDTH")]
    truncate_dim: Option<usize>,
}

impl OverrideArgs {
    /// What they say.
    pub fn overrides(&self) -> Overrides {
        let words = |list: &String| list.split_whitespace().map(str::to_owned).collect();
        Overrides {
            query_prefix: self.query_prefix.clone(),
            document_prefix: self.document_prefix.clone(),
            query_length: self.query_length,
            document_length: self.document_length,
            do_query_expansion: self.do_query_expansion,
            expansion_length: self.expansion_length,
            expansion_token: self.expansion_token.clone(),
            attend_to_expansion_tokens: self.attend_to_expansion_tokens,
            skiplist_words: self.skiplist_words.as_ref().map(words),
            truncate_dim: self.truncate_dim,
        }
    }
}

/// The argument that a setting comes from; what is no setting's name stays as it is.
pub fn argument(option: &str) -> String {
    if !option.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return option.to_owned();
    }
    option.chars().fold(String::from("--"), |spelled, letter| match letter {
        '_' => spelled + "-",
        'A'..='Z' => format!("{spelled}-{}", letter.to_ascii_lowercase()),
        _ => format!("{spelled}{letter}"),
    })
}

#[cfg(test)]
mod tests {
    use super::argument;

    #[test]
    fn arguments_are_spelled_as_they_are_typed() {
        assert_eq!(argument("query_length"), "--query-length");
        assert_eq!(argument("longestEdge"), "--longest-edge");
        assert_eq!(argument("the query's embeddings"), "the query's embeddings");
        assert_eq!(argument("documents[3]"), "documents[3]");
    }
}
