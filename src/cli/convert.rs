//! `tabrank convert`: a checkpoint folder into a bundle.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::{PathBufValueParser, TypedValueParser as _};
use pollster::block_on;
use tabrank::{BundleFiles, CheckpointFiles, ConvertOptions, Dtype, Overrides, Source, convert};

use super::overrides::OverrideArgs;
use super::parity::{self, Parity};
use super::progress::Progress;
use super::{CliError, model, output, readme};

/// Convert a checkpoint into a bundle: smaller weights, every file hashed.
///
/// The bundle is a folder that every --model takes and that the browser loads from a URL. Before it is written, it is
/// held against the checkpoint on a few built-in sentences; --max-error says how much it may lose. The checkpoint's weights may be
/// safetensors, or PyTorch's pickles (pytorch_model.bin), of which nothing is executed.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank convert models/all-MiniLM-L6-v2 --dtype q8 -o bundles/all-MiniLM-L6-v2-q8
  tabrank convert colbert --dtype q4 -o colbert-q4 --repository me/colbert --license mit")]
pub struct ConvertArgs {
    /// The checkpoint folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// How matrices are stored: f32 (exact), f16, q8 (a quarter of f32) or q4 (an eighth).
    #[arg(long)]
    dtype: DtypeArg,
    /// The folder to make, or an empty one to fill.
    #[arg(short, long, value_name = "OUT", value_parser = PathBufValueParser::new().try_map(folder))]
    output: PathBuf,
    /// Largest loss that is taken: 1 less the mean cosine of an embedding with the checkpoint's, of a cross-encoder 1 less the
    /// correlation of what goes into the score's function [default: 0.02, for q4 0.1].
    #[arg(long, value_name = "LOSS")]
    max_error: Option<f64>,
    /// Of models that read pages: leave out the weights that only pages need. Beside the others they lie in files of their own, which
    /// nobody needs who asks questions and encodes no pages.
    #[arg(long)]
    without_pages: bool,
    /// Where the checkpoint came from, for the manifest.
    #[arg(long)]
    repository: Option<String>,
    /// The checkpoint's commit, for the manifest.
    #[arg(long)]
    revision: Option<String>,
    /// The checkpoint's license, for the manifest [default: what its README.md says].
    #[arg(long)]
    license: Option<String>,
    /// Kept in the manifest: they are in force wherever the bundle is loaded, unless a load has others.
    #[command(flatten)]
    overrides: OverrideArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum DtypeArg {
    F32,
    F16,
    Q8,
    Q4,
}

impl DtypeArg {
    fn dtype(self) -> Dtype {
        match self {
            DtypeArg::F32 => Dtype::F32,
            DtypeArg::F16 => Dtype::F16,
            DtypeArg::Q8 => Dtype::Q8,
            DtypeArg::Q4 => Dtype::Q4,
        }
    }
}

pub fn run(args: &ConvertArgs) -> Result<(), CliError> {
    let mut files = model::read_to_convert(&args.folder)?;
    let output = output(args)?;
    let options = options(args);
    let overrides = args.overrides.overrides();
    let reference = parity::run(&model::load_files(files.clone(), overrides)?)?;
    if !args.without_pages {
        files.take_pages();
    }
    let mut progress = Progress::new("convert", 0);
    let bundle = block_on(convert(files, &options, &mut progress))?;
    drop(progress);
    let converted = CheckpointFiles::from_bundle(&bundle)?;
    let sizes = sizes(&converted)?;
    let found = parity::run(&model::load_files(converted, Overrides::default())?)?;
    let parity = parity::compare(&reference, &found);
    check_parity(args, &parity)?;
    // The manifest comes last: without it a folder is no bundle.
    let files = bundle.files.iter().rev().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    output::make_folder(&output, files).map_err(|source| CliError::write(&args.output, source))?;
    print(&args.output, &bundle, &sizes, &parity).map_err(CliError::Stdout)
}

/// A bundle has no one stream.
fn folder(name: PathBuf) -> Result<PathBuf, &'static str> {
    match name == Path::new("-") {
        true => Err("a bundle is a folder, and - is stdout; ./- is a folder of that name"),
        false => Ok(name),
    }
}

fn options(args: &ConvertArgs) -> ConvertOptions {
    let license = args.license.clone().or_else(|| readme::license(&args.folder));
    let (repository, revision) = (args.repository.clone(), args.revision.clone());
    let source = Source { repository, revision, license };
    ConvertOptions { dtype: args.dtype.dtype(), source, overrides: args.overrides.overrides() }
}

/// Where the output's name leads. Nothing is ever overwritten.
fn output(args: &ConvertArgs) -> Result<PathBuf, CliError> {
    let used = |reason| CliError::OutputInUse { path: args.output.clone(), reason };
    let path =
        output::follow(&args.output).map_err(|source| CliError::write(&args.output, source))?;
    let Ok(output) = path.canonicalize() else {
        return Ok(path);
    };
    if args.folder.canonicalize().is_ok_and(|folder| folder == output) {
        return Err(used("is the checkpoint itself"));
    }
    match output::is_empty(&output) {
        Ok(true) => Ok(output),
        Ok(false) => Err(used("is not empty")),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(used("is not a folder")),
        Err(source) => Err(CliError::write(&args.output, source)),
    }
}

fn check_parity(args: &ConvertArgs, parity: &Parity) -> Result<(), CliError> {
    let limit = args.max_error.unwrap_or(match args.dtype {
        DtypeArg::Q4 => 0.1,
        DtypeArg::F32 | DtypeArg::F16 | DtypeArg::Q8 => 0.02,
    });
    let loss = parity.loss();
    // Written so that a loss that is no number fails.
    if loss <= limit { Ok(()) } else { Err(CliError::Loss { loss, limit }) }
}

/// Bytes of the tensors of each type, in order of the types' names.
fn sizes(files: &CheckpointFiles) -> Result<Vec<(String, usize)>, CliError> {
    let mut sizes = std::collections::BTreeMap::new();
    for tensor in files.tensors()? {
        *sizes.entry(tensor.dtype).or_default() += tensor.bytes;
    }
    Ok(sizes.into_iter().collect())
}

fn print(
    output: &Path,
    bundle: &BundleFiles,
    sizes: &[(String, usize)],
    parity: &Parity,
) -> io::Result<()> {
    let total: usize = bundle.files.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut out = io::stdout().lock();
    writeln!(out, "{}: {} files, {total} bytes", output.display(), bundle.files.len())?;
    for (dtype, bytes) in sizes {
        writeln!(out, "  {dtype:<4} {bytes:>12} bytes of weights")?;
    }
    parity.print(&mut out)
}
