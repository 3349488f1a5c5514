//! Which ids does this text become?
//!
//! The kind's prefix stands before the text, the text is cut to the kind's length less the special
//! tokens, the special tokens go round it, and a query is filled up with the expansion token. Which
//! tokens yield embeddings follows from expansion and skiplist.
//!
//! As in the references, a text that spells out a special token (`[SEP]`, a marker) gets that token, unless the caller
//! wants such words to be text ([`SpelledTokens`]).
//!
//! A model of pages has tokens of its own behind a query's text, and no texts of documents.
//!
//! Of a long text only a start is tokenized: see `window`.

mod definition;
mod offsets;
mod page;
mod pairs;
mod probe;
mod whole_page;
mod window;

use std::collections::{BTreeMap, HashMap, HashSet};

use definition::Definition;
use offsets::{LowerCased, Trim, strip, without_prefix};
pub(crate) use page::PagePrompt;
pub use pairs::PairQuery;
use pairs::PairTemplate;
use tokenizers::{AddedToken, AddedVocabulary};
pub(crate) use whole_page::WholePrompt;

use crate::error::{Error, Result, Warning};
use crate::model::checkpoint::CheckpointFiles;
use crate::model::config::{LowerCase, ModelConfig, QueryExpansion};
use crate::text::long_documents::{LongDocuments, Window};
use crate::text::token_batch::TokenSequence;
use crate::text_kind::TextKind;

/// What becomes of special tokens, markers and other added tokens that a text spells out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SpelledTokens {
    /// They are those tokens, as in the reference libraries.
    #[default]
    Parse,
    /// They are text like any other: nobody can write a document that holds them.
    Text,
}

/// A checkpoint's tokenizer with its two kinds of text.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// Names of the added tokens that the inner tokenizer has lost.
    lost: HashMap<u32, String>,
    query: Side,
    document: Side,
    expansion: Option<Expansion>,
    trim: Option<Trim>,
    strip: bool,
    lower_case: bool,
    windows: window::Windows,
    /// What goes round the texts of a pair, if the model reads any.
    pair: Option<PairTemplate>,
    /// Whether documents are pages, not texts.
    pages_only: bool,
    /// Stands for a part of a page.
    image: Option<u32>,
    /// What goes round the image of a page, if the model reads any.
    page: Option<Result<PagePrompt>>,
    /// The same of a page that is seen in one piece.
    whole: Option<Result<WholePrompt>>,
}

/// How one kind of text becomes tokens.
struct Side {
    /// The tokens that the prefix starts with, where texts cannot spell them out.
    head: Option<tokenizers::Encoding>,
    /// Bytes of the prefix that they are.
    head_length: usize,
    /// What of the prefix stands before the text.
    prefix: String,
    /// The tokens that stand behind the text.
    tail: Option<tokenizers::Encoding>,
    /// Most tokens of the text with its prefix, special tokens and those behind it not counted.
    content_length: usize,
    /// Ids that yield no embedding.
    skiplist: HashSet<u32>,
}

struct Expansion {
    length: usize,
    id: u32,
    attend: bool,
}

impl Tokenizer {
    /// Builds the tokenizer of a checkpoint; pushes a warning for settings that have no effect.
    ///
    /// # Errors
    /// [`Error::InvalidTokenizer`], [`Error::InvalidField`], [`Error::Unsupported`].
    pub fn load(
        files: &CheckpointFiles,
        config: &ModelConfig,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self> {
        let name = format!("{}tokenizer.json", files.transformer_path()?);
        let bytes =
            files.get(&name).ok_or_else(|| Error::MissingFile { name: name.clone(), hint: "" })?;
        let Definition { tokenizer: inner, trim, pair } = definition::build(bytes, config)?;
        let text = &config.text;
        let mut skiplist = skiplist(&inner, &text.skiplist_words, warnings);
        skiplist.extend(text.pages.iter().flat_map(|pages| &pages.dropped_ids));
        let pages = text.pages.as_ref();
        let tail = pages.map_or("", |pages| pages.suffix.as_str());
        let tail = tail_tokens(&inner, tail)?;
        let image = pages.and_then(|pages| pages.image_token.as_ref());
        let image = image.and_then(|image| inner.token_to_id(image));
        let page = config.page.as_ref().and_then(|page| page.as_ref().ok());
        let whole = config.whole_page.as_ref().and_then(|page| page.as_ref().ok());
        // Of a pair each text must have room for a token.
        let (special, least) = match &pair {
            Some(pair) => (pair.special(), 2),
            None => (added_tokens(&inner), 1),
        };
        let behind = tail.as_ref().map_or(0, tokenizers::Encoding::len);
        let side = |prefix: &str, field: &'static str, (length, special), skips: bool| {
            // A marker that is a token without the space behind it needs none: it is apart from the text as it is.
            let spaced = text.prefixes_are_tokens && inner.token_to_id(prefix).is_none();
            let prefix = if spaced { prefix.trim_end() } else { prefix };
            let marker = text.prefixes_are_tokens && !prefix.is_empty();
            Ok(Side {
                head: None,
                head_length: 0,
                prefix: prefix.to_owned(),
                tail: None,
                content_length: content_length(config, field, length, special, least, marker)?,
                skiplist: if skips { skiplist.clone() } else { HashSet::new() },
            })
        };
        let query = side(
            &text.query_prefix,
            "query_length",
            (text.query_length, special + behind),
            text.skiplist_queries || pages.is_some(),
        )?;
        let tokenizer = Self {
            query: Side { tail, ..query },
            document: side(
                &text.document_prefix,
                "document_length",
                (text.document_length, special),
                text.skiplist_documents,
            )?,
            expansion: text
                .query_expansion
                .as_ref()
                .map(|expansion| Expansion::resolve(&inner, config, expansion))
                .transpose()?,
            trim,
            strip: text.strip,
            lower_case: text.lower_case == LowerCase::Text,
            windows: window::Windows::new(&inner),
            pair,
            pages_only: pages.is_some(),
            image,
            page: page.map(|config| PagePrompt::new(&inner, config)),
            whole: whole.map(|config| WholePrompt::new(&inner, config)),
            lost: HashMap::new(),
            inner,
        };
        tokenizer.probe()?;
        Ok(tokenizer)
    }

    /// Says what becomes of added tokens that a text spells out; the prefixes keep theirs. What is text stays text.
    ///
    /// # Errors
    /// [`Error::InvalidTokenizer`].
    pub fn with_spelled_tokens(mut self, spelled: SpelledTokens) -> Result<Self> {
        if spelled == SpelledTokens::Parse {
            return Ok(self);
        }
        for side in [&mut self.query, &mut self.document] {
            side.take_head(&self.inner).map_err(|error| invalid(error.to_string()))?;
        }
        let added: BTreeMap<u32, AddedToken> =
            self.inner.get_added_tokens_decoder().into_iter().collect();
        let names = added.keys().filter_map(|&id| Some((id, self.inner.id_to_token(id)?)));
        self.lost.extend(names);
        self.inner.with_added_vocabulary(AddedVocabulary::new());
        // Runs of white space are no words that mean something: where they can keep their ids, they stay.
        for (id, token) in added.into_iter().filter(|(_, token)| token.content.trim().is_empty()) {
            if id as usize == self.inner.get_vocab_size(true) {
                self.inner.add_tokens([token]).map_err(|error| invalid(error.to_string()))?;
            }
        }
        self.windows = window::Windows::new(&self.inner);
        Ok(self)
    }

    /// Tokenizes one text. `index` is its place in the caller's list, for errors.
    ///
    /// # Errors
    /// [`Error::Tokenize`], [`Error::PagesOnly`].
    pub fn tokenize(&self, kind: TextKind, index: usize, text: &str) -> Result<TokenSequence> {
        self.check_kind(kind, index)?;
        let sequence = self.sequence(kind, index, text)?;
        match self.image.is_some_and(|image| sequence.ids.contains(&image)) {
            true => {
                let reason = "it spells out the token that stands for a part of a page".to_owned();
                Err(Error::Tokenize { kind, index, reason })
            }
            false => Ok(sequence),
        }
    }

    /// Refuses texts of documents where those are pages.
    fn check_kind(&self, kind: TextKind, index: usize) -> Result<()> {
        match self.pages_only && kind == TextKind::Document {
            true => Err(Error::PagesOnly { index }),
            false => Ok(()),
        }
    }

    /// A text's tokens, whatever they stand for.
    fn sequence(&self, kind: TextKind, index: usize, text: &str) -> Result<TokenSequence> {
        let side = self.side(kind);
        let (mut sequence, _) = self
            .real_tokens(side, text, LongDocuments::Cut)
            .map_err(|error| refused(kind, index, &error))?;
        if let (TextKind::Query, Some(expansion)) = (kind, &self.expansion) {
            expansion.fill(&mut sequence);
        }
        side.skip(&mut sequence);
        Ok(sequence)
    }

    /// Tokenizes a document, in as many windows as are asked for. `index` as in [`Tokenizer::tokenize`].
    ///
    /// # Errors
    /// [`Error::Tokenize`], [`Error::Overlap`], [`Error::PagesOnly`].
    pub fn windows(&self, index: usize, text: &str, long: LongDocuments) -> Result<Vec<Window>> {
        self.check_kind(TextKind::Document, index)?;
        let side = &self.document;
        let (mut sequence, frame) = self
            .real_tokens(side, text, long)
            .map_err(|error| refused(TextKind::Document, index, &error))?;
        long.check(frame.room)?;
        side.skip(&mut sequence);
        let text = frame.before..sequence.len() - frame.behind;
        Ok(long.windows(&sequence, text, frame.room))
    }

    /// The ids of pages, if the model reads any, or why they cannot be had: queries do without.
    pub(crate) fn page_prompt(&self) -> Option<&Result<PagePrompt>> {
        self.page.as_ref()
    }

    /// As [`Tokenizer::page_prompt`], of pages that are seen in one piece.
    pub(crate) fn whole_prompt(&self) -> Option<&Result<WholePrompt>> {
        self.whole.as_ref()
    }

    fn side(&self, kind: TextKind) -> &Side {
        match kind {
            TextKind::Query => &self.query,
            TextKind::Document => &self.document,
        }
    }

    /// The token of an id, as the vocabulary spells it.
    pub fn token(&self, id: u32) -> String {
        let token = self.inner.id_to_token(id).or_else(|| self.lost.get(&id).cloned());
        token.unwrap_or_default()
    }

    /// Ids of the special tokens.
    pub(crate) fn special_ids(&self) -> HashSet<u32> {
        let added = self.inner.get_added_tokens_decoder();
        added.into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect()
    }

    /// Ids of the special tokens that go before and behind every text.
    ///
    /// # Errors
    /// [`Error::InvalidTokenizer`].
    pub(crate) fn frame(&self) -> Result<(Vec<u32>, Vec<u32>)> {
        let framed = self.inner.encode("a", true).map_err(|error| invalid(error.to_string()))?;
        let inserted = framed.get_special_tokens_mask();
        let before = inserted.iter().take_while(|&&flag| flag == 1).count();
        let after = inserted.iter().rev().take_while(|&&flag| flag == 1).count();
        let ids = framed.get_ids();
        let end = ids.len().saturating_sub(after).max(before);
        Ok((ids[..before].to_vec(), ids[end..].to_vec()))
    }

    /// Prefix, text and special tokens, cut to the kind's length or to what its windows reach.
    fn real_tokens(
        &self,
        side: &Side,
        text: &str,
        long: LongDocuments,
    ) -> tokenizers::Result<(TokenSequence, Frame)> {
        let (content, skipped) = if self.strip { strip(text) } else { (text, 0) };
        let passed = self.windows.passed_over(content);
        let (content, skipped) = (&content[passed..], skipped + passed);
        let kept = self.kept_tokens(side, content, long, side.content_length)?;
        let (text_length, encoding) = (kept.encoding.len(), side.before_tail(kept.encoding));
        let encoding = self.inner.post_process(encoding, None, true)?;
        let in_text = |(start, end): (usize, usize)| {
            let range = without_prefix((start, end), side.prefix.len())?;
            let range = kept.lower.as_ref().map_or(range, |lower| lower.original(range));
            Some((range.0 + skipped, range.1 + skipped))
        };
        let inserted = encoding.get_special_tokens_mask();
        let first = inserted.iter().take_while(|&&flag| flag == 1).count();
        let of_text = first..first + text_length;
        let offsets = (0..)
            .zip(encoding.get_offsets().iter().zip(inserted))
            .map(|(place, (&range, &inserted))| {
                let in_range = inserted == 0 && (side.tail.is_none() || of_text.contains(&place));
                in_range.then(|| in_text(range)).flatten()
            })
            .collect();
        let before = first + kept.head;
        let frame = Frame {
            before,
            behind: inserted[before..].iter().rev().take_while(|&&flag| flag == 1).count(),
            room: side.content_length - kept.head,
        };
        let sequence = TokenSequence {
            ids: encoding.get_ids().to_vec(),
            attention_mask: vec![true; encoding.len()],
            embedding_mask: vec![true; encoding.len()],
            offsets,
            truncated: kept.truncated,
        };
        Ok((sequence, frame))
    }

    /// Tokens of the prefix and of as much of the content as they need, cut to what all windows reach, of which one holds `length`
    /// tokens.
    fn kept_tokens(
        &self,
        side: &Side,
        content: &str,
        long: LongDocuments,
        length: usize,
    ) -> tokenizers::Result<Kept> {
        let most = long.most().saturating_mul(length);
        let mut windows = self.windows.of(content, most).peekable();
        loop {
            let window =
                windows.next().expect("a text has a window, and the loop ends at the last");
            let lower = self.lower_case.then(|| LowerCased::new(window));
            let lowered = lower.as_ref().map_or(window, |lower| lower.text.as_str());
            let full = [side.prefix.as_str(), lowered].concat();
            let mut encoding = self.inner.encode(full.as_str(), false)?;
            if let Some(trim) = self.trim {
                trim.apply(&mut encoding, &full, side.head_length);
            }
            let mut encoding = side.after_head(encoding);
            let head = side.head_of(&encoding);
            let reach = head.saturating_add(long.reach(length - head));
            let enough = encoding.len() > reach;
            if enough || windows.peek().is_none() {
                let rest = &content[window.len()..];
                let truncated = enough || !self.windows.is_nothing(rest);
                encoding.truncate(reach, 0, tokenizers::TruncationDirection::Right);
                return Ok(Kept { encoding, head, lower, truncated });
            }
        }
    }
}

impl Side {
    /// Sets the tokens of the prefix up to its last added one apart.
    fn take_head(&mut self, inner: &tokenizers::Tokenizer) -> tokenizers::Result<()> {
        let prefix = inner.encode(self.prefix.as_str(), false)?;
        let added = inner.get_added_tokens_decoder();
        let last = prefix.get_ids().iter().rposition(|id| added.contains_key(id));
        let Some(last) = last else {
            return Ok(());
        };
        let tokens = prefix.get_ids().iter().zip(prefix.get_tokens()).take(last + 1);
        // None of these lies in the text.
        let apart = tokens.map(|(&id, token)| tokenizers::Token::new(id, token.clone(), (0, 0)));
        self.head = Some(tokenizers::Encoding::from_tokens(apart.collect(), 0));
        self.head_length = prefix.get_offsets()[last].1;
        self.prefix.drain(..self.head_length);
        Ok(())
    }

    /// What was tokenized, behind the tokens that were set apart.
    fn after_head(&self, rest: tokenizers::Encoding) -> tokenizers::Encoding {
        match &self.head {
            Some(head) => tokenizers::Encoding::merge([head.clone(), rest], false),
            None => rest,
        }
    }

    /// What was tokenized, with the tokens that stand behind it.
    fn before_tail(&self, text: tokenizers::Encoding) -> tokenizers::Encoding {
        match &self.tail {
            Some(tail) => tokenizers::Encoding::merge([text, tail.clone()], false),
            None => text,
        }
    }

    /// Tokens of the prefix at the start of an encoding, as many as fit in.
    fn head_of(&self, encoding: &tokenizers::Encoding) -> usize {
        let in_prefix = |&&range: &&(usize, usize)| {
            range.1 <= self.prefix.len() && (self.head.is_some() || !self.prefix.is_empty())
        };
        let head = encoding.get_offsets().iter().take_while(in_prefix).count();
        head.min(self.content_length)
    }

    /// Tokens of the skiplist yield no embedding.
    fn skip(&self, sequence: &mut TokenSequence) {
        for (id, embeds) in sequence.ids.iter().zip(&mut sequence.embedding_mask) {
            *embeds &= !self.skiplist.contains(id);
        }
    }
}

/// What stands round a text's own tokens.
struct Frame {
    /// Special tokens and tokens of the prefix in front of them.
    before: usize,
    /// Special tokens behind them.
    behind: usize,
    /// How many of the text's tokens fit in between.
    room: usize,
}

/// The tokens of a text that are kept, without special tokens.
struct Kept {
    encoding: tokenizers::Encoding,
    /// How many of them are the prefix's.
    head: usize,
    /// What was tokenized, where that is not the text itself.
    lower: Option<LowerCased>,
    truncated: bool,
}

impl Expansion {
    fn resolve(
        tokenizer: &tokenizers::Tokenizer,
        config: &ModelConfig,
        expansion: &QueryExpansion,
    ) -> Result<Self> {
        let token = expansion
            .token
            .as_deref()
            .or(config.tokenizer.special_tokens.get("mask_token"))
            .ok_or_else(|| Self::without_mask(config))?;
        let id = tokenizer.token_to_id(token).ok_or_else(|| {
            let reason = format!("{token:?} is not in the vocabulary");
            match config.overridden.refuse_if_set("expansion_token", &reason) {
                Err(error) => error,
                Ok(()) => invalid(format!("the expansion token {reason}")),
            }
        })?;
        Ok(Self { length: expansion.length, id, attend: expansion.attend })
    }

    fn without_mask(config: &ModelConfig) -> Error {
        let reason = "is true, and this checkpoint names no mask token to fill queries up with; set an expansion token too";
        match config.overridden.refuse_if_set("do_query_expansion", reason) {
            Err(error) => error,
            Ok(()) => config.tokenizer.missing("mask_token", "query expansion needs it"),
        }
    }

    fn fill(&self, sequence: &mut TokenSequence) {
        let length = self.length.max(sequence.len());
        sequence.ids.resize(length, self.id);
        sequence.attention_mask.resize(length, self.attend);
        sequence.embedding_mask.resize(length, true);
        sequence.offsets.resize(length, None);
    }
}

/// Ids of the skiplist. Words that are no single token are left out: their id would be the unknown
/// token's, and every unknown word would go with them.
fn skiplist(
    tokenizer: &tokenizers::Tokenizer,
    words: &[String],
    warnings: &mut Vec<Warning>,
) -> HashSet<u32> {
    let unknown: Vec<&str> = words
        .iter()
        .filter(|word| tokenizer.token_to_id(word).is_none())
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        warnings.push(Warning {
            code: "SKIPLIST_UNKNOWN",
            message: format!(
                "{} words of the skiplist are no tokens of this vocabulary and are left out: {}",
                unknown.len(),
                unknown.join(" ")
            ),
        });
    }
    words.iter().filter_map(|word| tokenizer.token_to_id(word)).collect()
}

/// The tokens behind a text, which is apart from them: they begin with an added one.
fn tail_tokens(
    tokenizer: &tokenizers::Tokenizer,
    tail: &str,
) -> Result<Option<tokenizers::Encoding>> {
    if tail.is_empty() {
        return Ok(None);
    }
    let encoding = tokenizer.encode(tail, false).map_err(|error| invalid(error.to_string()))?;
    let first = encoding.get_ids().first();
    let added = tokenizer.get_added_tokens_decoder();
    match first.is_some_and(|id| added.contains_key(id)) {
        true => Ok(Some(encoding)),
        false => Err(invalid(format!("{tail:?}, which stands behind a query, is no added token"))),
    }
}

/// Number of special tokens that go round a text.
fn added_tokens(tokenizer: &tokenizers::Tokenizer) -> usize {
    use tokenizers::PostProcessor;
    tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(false))
}

fn content_length(
    config: &ModelConfig,
    field: &'static str,
    length: usize,
    special: usize,
    least: usize,
    marker: bool,
) -> Result<usize> {
    // At least one token of a text: none at all would make every text alike.
    let content = length.checked_sub(special);
    if let Some(content) = content.filter(|&content| content >= least + usize::from(marker)) {
        return Ok(content);
    }
    let and_marker = if marker { " and a marker" } else { "" };
    let rest = format!("leaves no room beside {special} special tokens{and_marker}");
    config.overridden.refuse_if_set(field, &format!("is {length}, which {rest}"))?;
    Err(invalid(format!("{field} {length} {rest}")))
}

fn refused(kind: TextKind, index: usize, error: &tokenizers::Error) -> Error {
    Error::Tokenize { kind, index, reason: error.to_string() }
}

fn invalid(reason: String) -> Error {
    Error::InvalidTokenizer { reason }
}
