//! What can go wrong, one variant a cause, each naming the culprit.
//!
//! Outside input (files, texts, devices) returns an [`Error`]; a broken invariant of our own panics
//! with the reason why it cannot happen. Texts of users never appear in a message: only their index.

use crate::text_kind::TextKind;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that the library refuses.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A query holds no token: nothing, white space, or what the tokenizer drops. `index`: its place, where several are encoded.
    #[error("the query is empty: it holds nothing that the model reads")]
    EmptyQuery { index: usize },
    /// The tokenizer refused a text.
    #[error("{} could not be tokenized: {reason}", kind.place(*index))]
    Tokenize { kind: TextKind, index: usize, reason: String },
    /// A setting that was given in place of the checkpoint's own does not go with the checkpoint.
    #[error("{option} {reason}")]
    Override { option: &'static str, reason: String },
    /// What only a model with embeddings gives was asked of a cross-encoder.
    #[error(
        "{what} needs embeddings, and this model is a cross-encoder: it reads query and document as one text and gives a score"
    )]
    NoEmbeddings { what: &'static str },
    /// What only a cross-encoder gives was asked of another model.
    #[error(
        "{what} needs a cross-encoder, and this model makes embeddings of queries and documents each by itself"
    )]
    NotCrossEncoder { what: &'static str },
    /// An argument of a call that does not go with the others, or with the model.
    #[error("{argument} {reason}")]
    Argument { argument: String, reason: String },
    /// A file with embeddings or a codec is damaged or hostile. `place`: the file, or the field or tensor of it.
    #[error("{place} {reason}")]
    InvalidVectors { place: String, reason: String },
    /// A document's text was given to a model whose documents are pages. `index`: its place in the list.
    #[error(
        "documents[{index}] is a text, and this model reads texts of queries alone: its documents are pages, of which it takes the \
         embeddings"
    )]
    PagesOnly { index: usize },
    /// A file of a picture is damaged, hostile or of an unknown kind.
    #[error("the picture {reason}")]
    InvalidPicture { reason: String },
    /// A picture has no pixels, or more than are taken.
    #[error(
        "the picture has {width} × {height} pixels; at least one, at most 65,535 a side and 89,478,485 in all are taken"
    )]
    PictureSize { width: usize, height: usize },
    /// A page is too long and narrow for its model.
    #[error(
        "the picture has {width} × {height} pixels; this model takes none that is more than 200 times as long as wide"
    )]
    PictureRatio { width: usize, height: usize },
    /// A document's embeddings are not those that this model would make.
    #[error("the embeddings of documents[{index}] {reason}")]
    ModelMismatch { index: usize, reason: String },
    /// Windows of long documents would overlap by more than half.
    #[error("overlap is {overlap}; a window of this model holds {room} tokens of a document, of which at most {} can overlap", room / 2)]
    Overlap { overlap: usize, room: usize },

    /// The checkpoint folder lacks a file that its other files call for.
    #[error("the checkpoint has no {name}{hint}")]
    MissingFile { name: String, hint: &'static str },
    /// A name that cannot belong to a checkpoint folder.
    #[error("{name:?} is not the name of a file below the checkpoint folder")]
    FileName { name: String },
    /// A file is larger than a file of its kind may be.
    #[error("{file} has {bytes} bytes; at most {limit} are taken")]
    FileTooLarge { file: String, bytes: u64, limit: u64 },
    /// A file that should be JSON is not.
    #[error("{file} is not valid JSON: {reason}")]
    InvalidJson { file: String, reason: String },
    /// A field is absent, of the wrong type or out of range.
    #[error("{file}: {field} {reason}")]
    InvalidField { file: String, field: String, reason: String },
    /// The checkpoint asks for something this version does not compute.
    #[error("{file}: {field} {value:?} is not supported; {hint}")]
    Unsupported { file: String, field: String, value: String, hint: &'static str },
    /// A value beyond what this version computes or holds.
    #[error("{file}: {field} is {value}; at most {limit} is supported")]
    Limit { file: String, field: String, value: String, limit: usize },
    /// Another kind of file stands under the name.
    #[error("{file} is {found}")]
    OtherFile { file: String, found: &'static str },
    /// The weights take more memory than there is taken to be.
    #[error(
        "the weights take {bytes} bytes of memory as {dtype}; at most {limit} are taken in a browser: load them with dtype q8 or \
         q4, or convert them with `tabrank convert DIR --dtype q8 -o OUT` and load what that makes"
    )]
    TooLarge { bytes: u64, dtype: &'static str, limit: u64 },
    /// A part of a weight file could not be read.
    #[error("{file} could not be read: {reason}")]
    Read { file: String, reason: String },
    /// A weight file is not a valid safetensors file.
    #[error("{file} is not a valid safetensors file: {reason}")]
    InvalidSafetensors { file: String, reason: String },
    /// A pickle is damaged, or holds more than tensors. Nothing of it was executed.
    #[error("{file} is no pickle of tensors alone: {reason}")]
    InvalidPickle { file: String, reason: String },
    /// The weights lack a tensor of the architecture.
    #[error("tensor {name} is missing from {file}")]
    MissingTensor { file: String, name: String },
    /// A tensor's shape does not follow from the configuration.
    #[error("tensor {name} has shape {found:?}; the configuration calls for {expected:?}")]
    TensorShape { name: String, expected: Vec<usize>, found: Vec<usize> },
    /// A tensor is stored in a type that is not read.
    #[error("tensor {name} has type {found}; F32, F16 and BF16 are read")]
    TensorType { name: String, found: String },
    /// A tensor holds NaN or infinity.
    #[error("tensor {name} holds a value that is not finite")]
    TensorNotFinite { name: String },
    /// A bundle's manifest is damaged or hostile.
    #[error("tabrank.json: {field} {reason}")]
    BundleManifest { field: String, reason: String },
    /// A bundle is of a format that this version does not read.
    #[error(
        "tabrank.json: version {found:?} is not supported, 1.x and 2.x are; convert the checkpoint again with the \
         `tabrank convert` of this version"
    )]
    BundleVersion { found: String },
    /// A bundle's tensors are not those that its configuration calls for. At most ten names of each kind.
    #[error("the bundle's tensors do not fit its configuration: missing [{}], not expected [{}]",
        missing.join(", "), extra.join(", "))]
    BundleTensors { missing: Vec<String>, extra: Vec<String> },
    /// A bundle's tensor is stored in a way that the format does not allow.
    #[error("tensor {name} {reason}")]
    BundleTensor { name: String, reason: String },
    /// A file of a bundle or an index is not the one that its manifest lists.
    #[error("{file} is damaged, or another file: {reason}")]
    Integrity { file: String, reason: String },
    /// An index's manifest is damaged or hostile.
    #[error("index.json: {field} {reason}")]
    IndexManifest { field: String, reason: String },
    /// A part of an index is the one that its manifest lists, and yet not what such a part is.
    #[error("{file} {reason}")]
    IndexPart { file: String, reason: String },
    /// An index holds another model's embeddings.
    #[error("the index {reason}")]
    IndexModel { reason: String },
    /// Only a checkpoint is converted: its numbers are gone from a bundle.
    #[error("this is a bundle ({dtype}) already; convert the checkpoint that it was made from")]
    AlreadyBundle { dtype: &'static str },
    /// `tokenizer.json` is damaged, hostile or of an unknown kind.
    #[error("tokenizer.json: {reason}")]
    InvalidTokenizer { reason: String },

    /// WebGPU was asked for and cannot be had.
    #[error("WebGPU is not available: {reason}")]
    WebGpuUnavailable { reason: String },
    /// The device computed something else than the CPU did.
    #[error("the WebGPU device failed its check: {reason}")]
    DeviceRejected { reason: String },
    /// The device went away, or refused to give its results back.
    #[error("the device was lost: {reason}")]
    DeviceLost { reason: String },
    /// A score or an embedding is NaN or infinite.
    #[error("{what} of {} is not finite", kind.place(*index))]
    NotFinite { what: &'static str, kind: TextKind, index: usize },
    /// A checkpoint's weights are finite, and what they make of a text is not.
    #[error("this checkpoint cannot be computed: {what} is not finite, whatever the text")]
    Overflow { what: String },
    /// The caller's observer asked to stop.
    #[error("stopped by the caller")]
    Aborted,
}

impl Error {
    /// Of an argument.
    pub(crate) fn argument(argument: impl Into<String>, reason: impl Into<String>) -> Self {
        Error::Argument { argument: argument.into(), reason: reason.into() }
    }

    /// Of a part of a file with embeddings or a codec.
    pub(crate) fn vectors(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Error::InvalidVectors { place: place.into(), reason: reason.into() }
    }

    /// What is wrong with an argument, of what stands under its name in such a file.
    pub(crate) fn in_file(self, file: &str) -> Self {
        match self {
            Error::Argument { argument, reason } => {
                Error::vectors(format!("{file}: {argument}"), reason)
            }
            other => other,
        }
    }

    /// Every string that [`Error::code`] can answer, sorted.
    pub const CODES: &[&str] = &[
        "ABORTED",
        "BUNDLE_INVALID",
        "BUNDLE_VERSION",
        "CHECKPOINT_INVALID",
        "CHECKPOINT_UNSUPPORTED",
        "DEVICE_LOST",
        "DEVICE_REJECTED",
        "INDEX_INVALID",
        "INTEGRITY_FAILED",
        "INVALID_INPUT",
        "MODEL_MISMATCH",
        "NON_FINITE",
        "WEBGPU_UNAVAILABLE",
    ];

    /// The stable name of the cause, for programs. Messages may change; codes do not.
    pub fn code(&self) -> &'static str {
        match self {
            Error::EmptyQuery { .. }
            | Error::Tokenize { .. }
            | Error::Override { .. }
            | Error::NoEmbeddings { .. }
            | Error::NotCrossEncoder { .. }
            | Error::Argument { .. }
            | Error::InvalidVectors { .. }
            | Error::Overlap { .. }
            | Error::PagesOnly { .. }
            | Error::InvalidPicture { .. }
            | Error::PictureSize { .. }
            | Error::PictureRatio { .. } => "INVALID_INPUT",
            Error::ModelMismatch { .. } | Error::IndexModel { .. } => "MODEL_MISMATCH",
            Error::MissingFile { .. }
            | Error::FileName { .. }
            | Error::InvalidJson { .. }
            | Error::OtherFile { .. }
            | Error::InvalidField { .. }
            | Error::InvalidSafetensors { .. }
            | Error::InvalidPickle { .. }
            | Error::Read { .. }
            | Error::MissingTensor { .. }
            | Error::TensorShape { .. }
            | Error::TensorType { .. }
            | Error::TensorNotFinite { .. }
            | Error::InvalidTokenizer { .. } => "CHECKPOINT_INVALID",
            Error::Unsupported { .. }
            | Error::Limit { .. }
            | Error::FileTooLarge { .. }
            | Error::TooLarge { .. }
            | Error::AlreadyBundle { .. } => "CHECKPOINT_UNSUPPORTED",
            Error::BundleManifest { .. }
            | Error::BundleTensors { .. }
            | Error::BundleTensor { .. } => "BUNDLE_INVALID",
            Error::BundleVersion { .. } => "BUNDLE_VERSION",
            Error::IndexManifest { .. } | Error::IndexPart { .. } => "INDEX_INVALID",
            Error::Integrity { .. } => "INTEGRITY_FAILED",
            Error::WebGpuUnavailable { .. } => "WEBGPU_UNAVAILABLE",
            Error::DeviceRejected { .. } => "DEVICE_REJECTED",
            Error::DeviceLost { .. } => "DEVICE_LOST",
            Error::NotFinite { .. } | Error::Overflow { .. } => "NON_FINITE",
            Error::Aborted => "ABORTED",
        }
    }
}

/// Something that a user should know although the work went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Stable name, for programs.
    pub code: &'static str,
    /// What happened and what it means.
    pub message: String,
}
