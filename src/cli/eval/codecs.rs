//! `--codec`: documents as they are stored in fewer bytes, held against all of their embeddings.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;
use tabrank::late_interaction::codec::{Codec, CompressedEmbeddings, ResidualCodec};
use tabrank::late_interaction::token_pooling::pool_each;
use tabrank::{TokenEmbeddings, TokenPooling};

use super::compared::Likeness;
use super::measures::Quality;
use crate::cli::CliError;
use crate::cli::compress::{CodecArg, PoolArgs, pooling_by};

/// Which ways to store documents are held against f32.
#[derive(clap::Args)]
pub struct CodecsArgs {
    /// A way to store documents: f32, f16, int8, binary, or the file of a codec, with ",pool=FACTOR" and ",then=CODEC:KEEP" behind it for
    /// what --pool-factor and --then say for all. May be given several times.
    #[arg(long = "codec", value_name = "CODEC", conflicts_with_all = ["compare", "cross", "stages"])]
    ways: Vec<WayArg>,
    #[command(flatten)]
    pool: PoolArgs,
    /// A second pass over the best KEEP of the first, by another codec: int8:20.
    #[arg(long, value_name = "CODEC:KEEP", requires = "ways")]
    then: Option<ThenArg>,
}

/// A way as it is written: `int8`, `int8,pool=2`, `binary,then=int8:20`.
#[derive(Clone, Debug, PartialEq)]
struct WayArg {
    codec: CodecArg,
    pool: Option<f64>,
    then: Option<ThenArg>,
}

/// A second pass as it is written: `int8:20`.
#[derive(Clone, Debug, PartialEq)]
struct ThenArg {
    codec: CodecArg,
    keep: NonZeroUsize,
}

impl FromStr for WayArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let codec = codec(parts.next().unwrap_or_default())?;
        let mut way = Self { codec, pool: None, then: None };
        for part in parts {
            match part.split_once('=') {
                Some(("pool", factor)) => {
                    way.pool = Some(factor.parse().map_err(|_| "the factor is no number")?);
                }
                Some(("then", then)) => way.then = Some(then.parse()?),
                _ => return Err("behind a codec stand pool=FACTOR and then=CODEC:KEEP".to_owned()),
            }
        }
        Ok(way)
    }
}

impl FromStr for ThenArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, keep) = text.rsplit_once(':').ok_or("a second pass is CODEC:KEEP")?;
        let keep = keep.parse().map_err(|_| "a second pass keeps 1 or more")?;
        Ok(Self { codec: codec(name)?, keep })
    }
}

fn codec(text: &str) -> Result<CodecArg, String> {
    match text {
        "" => Err("the codec is missing".to_owned()),
        text => text.parse().map_err(|never: std::convert::Infallible| match never {}),
    }
}

/// What is made of a document's embeddings.
#[derive(Clone, PartialEq)]
pub struct Form {
    codec: Codec,
    pooling: Option<TokenPooling>,
}

impl Form {
    /// Some documents, of which the first has a place in the corpus.
    ///
    /// # Errors
    /// Those of pooling and compressing.
    fn of(&self, all: &TokenEmbeddings, first: usize) -> Result<CompressedEmbeddings, CliError> {
        Ok(match self.pooling {
            Some(pooling) => {
                self.codec.compress(&pool_each(all, pooling, |place| first + place)?)?
            }
            None => self.codec.compress(all)?,
        })
    }
}

/// A way to store and score documents.
pub struct Way {
    pub name: String,
    /// By its place among the forms.
    pub first: usize,
    /// The form of a second pass, and how many it is for.
    pub then: Option<(usize, usize)>,
}

impl CodecsArgs {
    /// Whether none is asked for.
    pub fn is_empty(&self) -> bool {
        self.ways.is_empty()
    }
}

/// All ways that were asked for.
#[derive(Default)]
pub struct Codecs {
    pub forms: Vec<Form>,
    pub ways: Vec<Way>,
}

impl Codecs {
    /// Reads the codecs' files.
    ///
    /// # Errors
    /// What cannot be read, a factor below 1, and one for nothing.
    pub fn load(args: &CodecsArgs) -> Result<Self, CliError> {
        let mut codecs = Self::default();
        let pooling = args.pool.token_pooling()?;
        if pooling.is_some() && args.ways.is_empty() {
            let argument = "--pool-factor".to_owned();
            let reason = "is for the ways to store documents that --codec names".to_owned();
            return Err(CliError::Usage { argument, reason });
        }
        for way in &args.ways {
            let pooling = match way.pool {
                Some(factor) => Some(pooling_by(factor)?),
                None => pooling,
            };
            let mut name = way.codec.to_string();
            if let Some(pooling) = pooling {
                name.push_str(&format!(", pooled by {pooling}"));
            }
            let first = codecs.form(&way.codec, pooling)?;
            let then = way.then.as_ref().or(args.then.as_ref());
            let then = then.map(|ThenArg { codec, keep }| {
                name.push_str(&format!(", then {codec}:{keep}"));
                Ok::<_, CliError>((codecs.form(codec, pooling)?, keep.get()))
            });
            let then = then.transpose()?;
            codecs.ways.push(Way { name, first, then });
        }
        Ok(codecs)
    }

    /// The residual ones.
    pub fn residual(&self) -> Vec<Arc<ResidualCodec>> {
        self.forms.iter().filter_map(|form| form.codec.residual().cloned()).collect()
    }

    /// The place of a form, which may be there.
    fn form(&mut self, codec: &CodecArg, pooling: Option<TokenPooling>) -> Result<usize, CliError> {
        let form = Form { codec: codec.load()?, pooling };
        let known = self.forms.iter().position(|known| *known == form);
        Ok(known.unwrap_or_else(|| {
            self.forms.push(form);
            self.forms.len() - 1
        }))
    }

    /// Some documents in each form; `first`: the place of the first in the corpus.
    ///
    /// # Errors
    /// Those of pooling and compressing.
    pub fn of(
        &self,
        all: &TokenEmbeddings,
        first: usize,
    ) -> Result<Vec<CompressedEmbeddings>, CliError> {
        self.forms.par_iter().map(|form| form.of(all, first)).collect()
    }
}

/// How candidates fare that are scored from codes.
#[derive(Serialize)]
pub struct Coded {
    pub codec: String,
    /// Of a document.
    pub bytes: f64,
    #[serde(flatten)]
    pub quality: Quality,
    /// To the order by all embeddings in f32.
    #[serde(flatten)]
    pub likeness: Likeness,
    /// Milliseconds until as many candidates are scored, on one core; null where the corpus has fewer.
    pub ms_100: Option<f64>,
    pub ms_1000: Option<f64>,
}

impl Coded {
    /// Two lines below the table, whose first column has a width.
    pub fn print(&self, out: &mut impl Write, width: usize) -> io::Result<()> {
        let Self { codec, bytes, ms_100, ms_1000, .. } = self;
        let Quality { ndcg, mrr, recall } = self.quality;
        let Likeness { overlap, identical } = self.likeness;
        let ms = |time: Option<f64>| time.map_or("-".to_owned(), |time| format!("{time:.2}"));
        writeln!(
            out,
            "{codec:<width$} {ndcg:>8.4} {mrr:>8.4} {recall:>11.4} {:>25} {bytes:>12.0}",
            ""
        )?;
        writeln!(
            out,
            "{:<width$} of the top ten {overlap:.2} shared, {:.1} % identical; {} ms for 100 candidates, {} for 1,000",
            "",
            100.0 * identical,
            ms(*ms_100),
            ms(*ms_1000)
        )
    }
}
