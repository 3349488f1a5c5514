//! The table of settings: each field that transformers, sentence-transformers 6, PyLate and Stanford's ColBERT read of a checkpoint's
//! files is used here, refused, or without effect on numbers. A field that no row names and no file format leaves open is warned of.
//!
//! Read in: the configuration and the model of each backbone in transformers 5.24, and `PreTrainedConfig`; `MultiVectorEncoder`, `SentenceTransformer` and
//! their modules of sentence-transformers 6.2, `CrossEncoder` among them; `ColBERT` and `Dense` of PyLate 1.6; `colbert/infra/config/settings.py` and
//! `colbert/modeling/` of stanford-futuredata/ColBERT. The tokenizer's files have a table of their own, `tokenizer_fields.rs`.

mod common;

use std::collections::BTreeMap;

use Fate::{NoEffect, Refused, Used};
use serde_json::{Value, json};
use tabrank::model::embedding_id::embedding_id;
use tabrank::{CheckpointFiles, ModelConfig};

/// What becomes of a field with a value other than the fixture's.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// The configuration is another one.
    Used,
    /// The load fails, naming file and field.
    Refused,
    /// The configuration stays, and this is why it may.
    NoEffect(&'static str),
}

/// A file of a fixture and what becomes of its fields; a path leads into objects and lists, `modules.json` having a list outermost.
struct File {
    case: &'static str,
    name: &'static str,
    /// Whether the format is its library's own, so that an unknown field is warned of.
    closed: bool,
    fields: Vec<(&'static str, Value, Fate)>,
}

/// transformers keeps any field of `config.json` as an attribute; these are all that loading and the backbones look at, and those that
/// saved files carry.
fn config_json() -> Vec<File> {
    let file = |case, fields: Vec<_>| {
        let fields = fields.into_iter().chain(of_every_backbone()).collect();
        File { case, name: "config.json", closed: false, fields }
    };
    vec![
        file("plain", bert()),
        file("roberta-stanford", roberta()),
        file("xlm-roberta-stanford", roberta()),
        file("distilbert-stanford", distilbert()),
        file("jina", jina()),
        file("modernbert-pylate", modernbert()),
        newer_modernbert(),
    ]
}

/// The fixture whose files lie over those of another.
const POOLED: &str = "token_pooling";
const HEADS: &str = "is of heads for other tasks, which are not loaded";
const TRAINING: &str = "is of training";

fn of_every_backbone() -> Vec<(&'static str, Value, Fate)> {
    let generation = "is of generation, which an encoder does none of";
    vec![
        ("model_type", json!("lfm2"), Refused),
        ("vocab_size", json!(1_000), Used),
        ("max_position_embeddings", json!(32), Used),
        ("is_decoder", json!(true), Refused),
        ("is_causal", json!(true), Refused),
        ("add_cross_attention", json!(true), Refused),
        ("is_encoder_decoder", json!(true), Refused),
        ("quantization_config", json!({"quant_method": "gptq"}), Refused),
        ("pruned_heads", json!({"0": [1]}), Refused),
        ("per_layer_config", json!({"0": {"hidden_act": "relu"}}), Refused),
        ("embedding_size", json!(16), Refused),
        ("initializer_range", json!(0.5), NoEffect(TRAINING)),
        ("gradient_checkpointing", json!(true), NoEffect(TRAINING)),
        ("chunk_size_feed_forward", json!(4), NoEffect("cuts the same sums elsewhere")),
        ("dtype", json!("float16"), NoEffect("stored weights are widened, and computed in f32")),
        ("torch_dtype", json!("float16"), NoEffect("as dtype")),
        ("attn_implementation", json!("eager"), NoEffect("another order of the same sums")),
        ("bos_token_id", json!(3), NoEffect(generation)),
        ("eos_token_id", json!(3), NoEffect(generation)),
        ("tie_word_embeddings", json!(false), NoEffect(HEADS)),
        ("num_labels", json!(3), NoEffect(HEADS)),
        ("id2label", json!({"0": "a"}), NoEffect(HEADS)),
        ("label2id", json!({"a": 0}), NoEffect(HEADS)),
        ("problem_type", json!("regression"), NoEffect(HEADS)),
        ("output_attentions", json!(true), NoEffect("adds outputs")),
        ("output_hidden_states", json!(true), NoEffect("adds outputs")),
        ("return_dict", json!(false), NoEffect("is the form of the outputs")),
        (
            "auto_map",
            json!({"AutoModel": "own.Model"}),
            NoEffect("only read where code of the folder is trusted"),
        ),
        ("transformers_version", json!("9"), NoEffect("is a note")),
        ("_name_or_path", json!("x"), NoEffect("is a note")),
    ]
}

/// What BERT and the RoBERTas have in common.
fn of_berts() -> Vec<(&'static str, Value, Fate)> {
    vec![
        ("num_hidden_layers", json!(1), Used),
        ("intermediate_size", json!(32), Used),
        ("layer_norm_eps", json!(1e-3), Used),
        ("hidden_act", json!("gelu_new"), Used),
        ("hidden_act", json!("prelu"), Refused),
        ("position_embedding_type", json!("relative_key"), Refused),
        ("hidden_dropout_prob", json!(0.5), NoEffect(TRAINING)),
        ("attention_probs_dropout_prob", json!(0.5), NoEffect(TRAINING)),
        ("classifier_dropout", json!(0.5), NoEffect(HEADS)),
        ("use_cache", json!(false), NoEffect("is of generation, which an encoder does none of")),
    ]
}

fn bert() -> Vec<(&'static str, Value, Fate)> {
    let mut fields = of_berts();
    fields.extend([
        ("model_type", json!("roberta"), Used),
        ("hidden_size", json!(64), Used),
        ("num_attention_heads", json!(8), Used),
        ("type_vocab_size", json!(1), Used),
        ("position_embedding_type", json!("rotary"), Refused),
        (
            "pad_token_id",
            json!(3),
            NoEffect("padding is masked, and its row of the table is stored"),
        ),
        ("architectures", json!(["BertForMaskedLM"]), NoEffect("the backbone is the same")),
    ]);
    fields
}

fn roberta() -> Vec<(&'static str, Value, Fate)> {
    let mut fields = of_berts();
    fields.extend([
        ("model_type", json!("camembert"), Used),
        ("hidden_size", json!(64), Used),
        ("num_attention_heads", json!(4), Used),
        ("type_vocab_size", json!(2), Used),
        ("pad_token_id", json!(3), Used),
        ("pad_token_id", json!(-1), Refused),
        ("pad_token_id", json!(100_000), Refused),
        ("pad_token_id", json!(49), Refused),
        ("position_embedding_type", json!("alibi"), Refused),
        ("architectures", json!(["HF_ColBERT", "X"]), NoEffect("the layout is the same")),
    ]);
    fields
}

/// Jina's own class of XLM-RoBERTa; transformers knows the same body by another name.
fn jina() -> Vec<(&'static str, Value, Fate)> {
    let single = "is of one vector a text";
    let mut fields = of_berts();
    fields.extend([
        ("model_type", json!("jina_embeddings_v3"), Used),
        ("hidden_size", json!(80), Used),
        ("num_attention_heads", json!(4), Used),
        ("num_attention_heads", json!(8), Refused),
        ("type_vocab_size", json!(2), Used),
        ("position_embedding_type", json!("absolute"), Used),
        ("position_embedding_type", json!("alibi"), Refused),
        ("position_embedding_type", Value::Null, Refused),
        ("rotary_emb_base", json!(10_000), Used),
        ("rotary_emb_base", json!(0), Refused),
        ("rope_theta", json!(10_000), Used),
        ("rope_parameters", json!({"rope_type": "default", "rope_theta": 10_000}), Used),
        ("rope_parameters", json!({"rope_type": "yarn", "rope_theta": 10_000}), Refused),
        ("rope_scaling", json!({"type": "linear", "factor": 2}), Refused),
        ("lora_adaptations", json!(["retrieval.query"]), Refused),
        ("lora_rank", json!(8), NoEffect("there are no adapters")),
        ("pad_token_id", json!(3), NoEffect("no place is counted from it")),
        ("emb_pooler", json!("mean"), NoEffect(single)),
        ("truncate_dim", json!(8), NoEffect(single)),
        ("matryoshka_dimensions", json!([8, 4]), NoEffect(single)),
        ("use_flash_attn", json!(false), NoEffect("another order of the same sums")),
        ("architectures", json!(["HF_ColBERT", "X"]), NoEffect("the layout is the same")),
    ]);
    fields
}

fn distilbert() -> Vec<(&'static str, Value, Fate)> {
    vec![
        ("n_layers", json!(1), Used),
        ("n_heads", json!(4), Used),
        ("n_heads", json!(3), Refused),
        ("dim", json!(64), Used),
        ("hidden_dim", json!(32), Used),
        ("activation", json!("relu"), Used),
        ("activation", json!("prelu"), Refused),
        ("hidden_size", json!(64), Refused),
        ("num_attention_heads", json!(4), Refused),
        ("num_hidden_layers", json!(1), Refused),
        ("position_embedding_type", json!("rotary"), Refused),
        ("hidden_act", json!("relu"), NoEffect("activation is the class's own name")),
        ("intermediate_size", json!(32), NoEffect("hidden_dim is the class's own name")),
        ("layer_norm_eps", json!(1e-3), NoEffect("the class takes 1e-12")),
        ("type_vocab_size", json!(2), NoEffect("a text's type is not embedded")),
        ("sinusoidal_pos_embds", json!(true), NoEffect("says how the stored table was made")),
        (
            "pad_token_id",
            json!(3),
            NoEffect("padding is masked, and its row of the table is stored"),
        ),
        ("dropout", json!(0.5), NoEffect(TRAINING)),
        ("attention_dropout", json!(0.5), NoEffect(TRAINING)),
        ("qa_dropout", json!(0.5), NoEffect(HEADS)),
        ("seq_classif_dropout", json!(0.5), NoEffect(HEADS)),
        ("architectures", json!(["HF_ColBERT", "X"]), NoEffect("the layout is the same")),
    ]
}

/// Spelled as in transformers 4.
fn modernbert() -> Vec<(&'static str, Value, Fate)> {
    let kernel = "chooses between kernels of the same sums";
    let other_field = "this class has a field of another name";
    vec![
        ("hidden_size", json!(64), Refused),
        ("num_hidden_layers", json!(1), Used),
        ("num_attention_heads", json!(4), Used),
        ("num_attention_heads", json!(40), Refused),
        ("head_dim", json!(4), Refused),
        ("intermediate_size", json!(26), Used),
        (
            "pad_token_id",
            json!(3),
            NoEffect("padding is masked, and its row of the table is stored"),
        ),
        ("classifier_dropout", json!(0.5), NoEffect(HEADS)),
        ("architectures", json!(["ModernBertForMaskedLM"]), NoEffect("the backbone is the same")),
        ("norm_eps", json!(1e-6), Used),
        ("hidden_activation", json!("silu"), Used),
        ("hidden_activation", json!("prelu"), Refused),
        ("norm_bias", json!(true), Used),
        ("attention_bias", json!(true), Used),
        ("mlp_bias", json!(true), Used),
        ("local_attention", json!(6), Used),
        ("sliding_window", json!(3), Refused),
        ("sliding_window", json!(4), NoEffect("says what local_attention does")),
        ("global_attn_every_n_layers", json!(2), Used),
        (
            "layer_types",
            json!(["full_attention", "sliding_attention", "sliding_attention", "full_attention"]),
            NoEffect("says what the interval does"),
        ),
        ("layer_types", json!(vec!["full_attention"; 4]), Refused),
        ("global_rope_theta", json!(5e4), Used),
        ("local_rope_theta", json!(5e4), Used),
        ("local_rope_theta", Value::Null, Used),
        ("rope_parameters", json!({"sliding_attention": {"rope_theta": 5e4}}), Refused),
        ("rope_parameters", json!({}), NoEffect("says no base")),
        ("rope_scaling", json!({"type": "yarn", "factor": 2.0}), Refused),
        ("rope_scaling", json!({"type": "default"}), NoEffect("scales nothing")),
        ("rope_theta", json!(5e3), NoEffect("each kind of layer has a base of its own")),
        ("partial_rotary_factor", json!(0.5), NoEffect("all of a head is turned")),
        ("layer_norm_eps", json!(1e-2), NoEffect(other_field)),
        ("hidden_act", json!("relu"), NoEffect(other_field)),
        ("position_embedding_type", json!("sans_pos"), NoEffect("is a note")),
        ("cls_token_id", json!(3), NoEffect("the tokenizer's files name special tokens")),
        ("sep_token_id", json!(3), NoEffect("the tokenizer's files name special tokens")),
        ("attention_dropout", json!(0.5), NoEffect(TRAINING)),
        ("embedding_dropout", json!(0.5), NoEffect(TRAINING)),
        ("mlp_dropout", json!(0.5), NoEffect(TRAINING)),
        ("initializer_cutoff_factor", json!(3.0), NoEffect(TRAINING)),
        ("decoder_bias", json!(false), NoEffect(HEADS)),
        ("classifier_pooling", json!("mean"), NoEffect(HEADS)),
        ("classifier_bias", json!(true), NoEffect(HEADS)),
        ("classifier_activation", json!("relu"), NoEffect(HEADS)),
        ("sparse_prediction", json!(true), NoEffect(HEADS)),
        ("sparse_pred_ignore_index", json!(1), NoEffect(HEADS)),
        ("deterministic_flash_attn", json!(true), NoEffect(kernel)),
        ("reference_compile", json!(true), NoEffect(kernel)),
        ("repad_logits_with_grad", json!(true), NoEffect(HEADS)),
    ]
}

/// As transformers 5 spells it.
fn newer_modernbert() -> File {
    let theta = |kind: &'static str| match kind {
        "full" => "rope_parameters/full_attention/rope_theta",
        _ => "rope_parameters/sliding_attention/rope_theta",
    };
    let fields = vec![
        (theta("full"), json!(5e4), Used),
        (theta("sliding"), json!(5e4), Used),
        (theta("sliding"), Value::Null, Refused),
        ("rope_parameters/full_attention/rope_type", json!("linear"), Refused),
        ("rope_parameters/full_attention/factor", json!(2.0), Refused),
        ("rope_parameters/chunked_attention", json!({"rope_theta": 5e4}), Refused),
        ("layer_types/1", json!("full_attention"), Refused),
        ("layer_types/1", json!("chunked_attention"), Refused),
        ("global_attn_every_n_layers", json!(3), Refused),
        ("global_rope_theta", json!(5e4), Refused),
        ("local_rope_theta", json!(5e4), Refused),
    ];
    File { case: "modernbert-stanford", name: "config.json", closed: false, fields }
}

/// Folders without a head, as sentence-transformers turns them into multi-vector models and as it runs them itself.
fn plain() -> Vec<File> {
    let sentence_transformers = File {
        case: "bi-encoder",
        name: "config_sentence_transformers.json",
        closed: true,
        fields: vec![
            ("prompts/query", json!("another: "), Used),
            ("prompts/document", json!("another: "), Used),
            (
                "prompts/passage",
                json!("x"),
                NoEffect("a document has a prompt of its own, if only an empty one"),
            ),
            (
                "default_prompt_name",
                Value::Null,
                NoEffect("is for calls that name no kind of text"),
            ),
            ("default_prompt_name", json!("absent"), Refused),
            ("similarity_fn_name", json!("dot"), NoEffect("compares the vectors of whole texts")),
            ("truncate_dim", json!(7), Used),
            ("similarity_fn_name", json!("meanmaxsim"), Refused),
            ("similarity_fn_name", json!("xtr"), Refused),
            (
                "model_type",
                json!("SentenceTransformer"),
                NoEffect("is what a folder without it is"),
            ),
            ("model_type", json!("MultiVectorEncoder"), Refused),
            ("model_type", json!("SparseEncoder"), Refused),
            ("query_expansion", json!({"strategy": "fixed", "length": 8}), Refused),
            ("attend_to_mask_tokens", json!(true), Refused),
            ("__version__", json!({"pytorch": "1"}), NoEffect("is a note")),
            (
                "requirements",
                json!({"sentence-transformers": ">=5"}),
                NoEffect("is of the library's version"),
            ),
        ],
    };
    let pooling = File {
        case: "bi-encoder",
        name: "1_Pooling/config.json",
        closed: true,
        fields: vec![
            ("pooling_mode_mean_tokens", json!(true), Used),
            ("pooling_mode_cls_token", json!(false), Used),
            ("pooling_mode_max_tokens", json!(true), Used),
            ("pooling_mode_mean_sqrt_len_tokens", json!(true), Used),
            ("pooling_mode_weightedmean_tokens", json!(true), Used),
            ("pooling_mode_lasttoken", json!(true), Used),
            ("pooling_mode", json!("mean"), Used),
            ("include_prompt", json!(false), Used),
            ("word_embedding_dimension", json!(31), NoEffect("is told by the hidden states")),
            ("embedding_dimension", json!(31), NoEffect("is told by the hidden states")),
        ],
    };
    vec![
        sentence_transformers,
        pooling,
        transformer("bi-encoder"),
        File {
            case: "plain",
            name: "sentence_bert_config.json",
            closed: true,
            fields: vec![("max_seq_length", json!(20), Used)],
        },
        dense("bi-encoder", "2_Dense/config.json", json!("torch.nn.modules.linear.Identity")),
    ]
}

/// The arguments of sentence-transformers' `Transformer`, of every layout that has the file.
fn transformer(case: &'static str) -> File {
    let calls = "is what the module does";
    let expansion = json!({"strategy": "fixed", "length": 16});
    let own = ["sentence-transformers", "bi-encoder"].contains(&case);
    let length = if own { Used } else { Refused };
    let mut fields = vec![
        ("do_lower_case", json!(true), Used),
        ("document_length", json!(16), length),
        ("query_expansion", expansion, length),
        ("transformer_task", json!("feature-extraction"), NoEffect(calls)),
        ("transformer_task", json!("fill-mask"), Refused),
        ("module_output_name", json!("token_embeddings"), NoEffect(calls)),
        ("module_output_name", json!("sentence_embedding"), Refused),
        (
            "modality_config/text",
            json!({"method": "forward", "method_output_name": "last_hidden_state"}),
            NoEffect(calls),
        ),
        (
            "modality_config/text",
            json!({"method": "forward", "method_output_name": "pooler_output"}),
            Refused,
        ),
        (
            "modality_config/message",
            json!({"method": "forward", "method_output_name": "last_hidden_state"}),
            Refused,
        ),
        ("processing_kwargs/text", json!({"max_length": 8}), Refused),
        ("unpad_inputs", json!(true), NoEffect("texts are computed without padding anyway")),
        ("tokenizer_name_or_path", json!("another"), Refused),
        ("backend", json!("onnx"), NoEffect("the caller's own outranks it")),
    ];
    for name in [
        "model_args",
        "model_kwargs",
        "tokenizer_args",
        "processor_kwargs",
        "config_args",
        "config_kwargs",
    ] {
        fields.push((name, json!({"torch_dtype": "float16"}), NoEffect("computed in f32")));
        fields.push((name, json!({"trust_remote_code": true}), NoEffect("the library drops it")));
        fields.push((name, json!({"model_max_length": 8}), Refused));
    }
    File { case, name: "sentence_bert_config.json", closed: true, fields }
}

/// A Dense module of any layout.
fn dense(case: &'static str, name: &'static str, activation: Value) -> File {
    let fields = vec![
        ("in_features", json!(31), Refused),
        ("out_features", json!(4), Used),
        match case {
            "pylate" => ("bias", json!(true), Used),
            // The module's file has one then, which nothing calls for.
            _ => ("bias", json!(false), Refused),
        },
        ("activation_function", activation, Used),
        ("activation_function", json!("torch.nn.modules.activation.ELU"), Refused),
        ("activation_function", json!("mine.Function"), Refused),
        ("use_residual", json!(true), Used),
        ("module_input_name", json!("all_layer_embeddings"), Refused),
        ("module_output_name", json!("other_embeddings"), Refused),
    ];
    File { case, name, closed: true, fields }
}

fn pylate() -> Vec<File> {
    let settings = File {
        case: "pylate",
        name: "config_sentence_transformers.json",
        closed: true,
        fields: vec![
            ("query_prefix", json!("[unused1]"), Used),
            ("document_prefix", json!("[unused1]"), Used),
            ("query_length", json!(16), Used),
            ("document_length", json!(16), Used),
            ("do_query_expansion", json!(false), Used),
            ("attend_to_expansion_tokens", json!(true), Used),
            ("skiplist_words", json!(["the"]), Used),
            (
                "model_type",
                json!("SentenceTransformer"),
                NoEffect("PyLate's own fields tell the layout"),
            ),
            ("model_type", json!("MultiVectorEncoder"), Refused),
            ("prompts/query", json!("q: "), Refused),
            ("prompts/document", json!("d: "), Refused),
            ("prompts/passage", json!("d: "), NoEffect("no call takes it")),
            ("default_prompt_name", json!("query"), NoEffect("the prompt is empty")),
            ("query_expansion", json!({"strategy": "min", "length": 4}), Refused),
            ("attend_to_mask_tokens", json!(true), Refused),
            (
                "similarity_fn_name",
                json!("cosine"),
                NoEffect("both libraries take the sum of the largest"),
            ),
            (
                "similarity_fn_name",
                json!("dot"),
                NoEffect("PyLate's own name for its score outranks the file's"),
            ),
            ("similarity_fn_name", json!("meanmaxsim"), Refused),
            ("truncate_dim", json!(7), NoEffect("cuts one vector a text, in either library")),
            ("__version__", json!({"pytorch": "1"}), NoEffect("is a note")),
        ],
    };
    vec![
        settings,
        transformer("pylate"),
        File {
            case: "pylate",
            name: "sentence_bert_config.json",
            closed: true,
            fields: vec![(
                "max_seq_length",
                json!(20),
                NoEffect("each kind of text has a length of its own"),
            )],
        },
        dense("pylate", "1_Dense/config.json", json!("torch.nn.modules.activation.Tanh")),
    ]
}

fn stanford() -> File {
    let run = "is of a run, a training or an index";
    let mut fields = vec![
        ("query_token_id", json!("[unused2]"), Used),
        ("doc_token_id", json!("[unused2]"), Used),
        ("query_maxlen", json!(16), Used),
        ("doc_maxlen", json!(16), Used),
        ("attend_to_mask_tokens", json!(true), Used),
        ("mask_punctuation", json!(false), Used),
        ("dim", json!(8), Refused),
        ("similarity", json!("l2"), Refused),
        ("interaction", json!("flipr"), Refused),
        ("config", json!({"doc_maxlen": 8}), Refused),
        ("query_token", json!("[X]"), NoEffect("only shown")),
        ("doc_token", json!("[X]"), NoEffect("only shown")),
        ("model_name", json!("bert"), NoEffect("config.json tells the architecture")),
        ("checkpoint", json!("elsewhere"), NoEffect("this folder is read")),
    ];
    for name in [
        "accumsteps",
        "amp",
        "avoid_fork_if_possible",
        "bsize",
        "centroid_score_threshold",
        "clustering_mode",
        "collection",
        "distillation_alpha",
        "experiment",
        "gpus",
        "ignore_scores",
        "index_bsize",
        "index_name",
        "index_path",
        "index_root",
        "kmeans_niters",
        "load_index_with_mmap",
        "lr",
        "maxsteps",
        "meta",
        "name",
        "nbits",
        "ncells",
        "ndocs",
        "nranks",
        "nway",
        "overwrite",
        "pool_factor",
        "protected_tokens",
        "queries",
        "rank",
        "relu",
        "reranker",
        "resume",
        "root",
        "save_every",
        "triples",
        "use_ib_negatives",
        "warmup",
        "warmup_bert",
    ] {
        fields.push((name, json!(7), NoEffect(run)));
    }
    File { case: "stanford", name: "artifact.metadata", closed: true, fields }
}

fn sentence_transformers() -> Vec<File> {
    let case = "sentence-transformers";
    let file = |name, fields| File { case, name, closed: true, fields };
    vec![
        file(
            "config_sentence_transformers.json",
            vec![
                ("prompts/query", json!("another: "), Used),
                ("prompts/document", json!("another: "), Used),
                (
                    "prompts/passage",
                    json!("another: "),
                    NoEffect("a document has a prompt of its own"),
                ),
                (
                    "default_prompt_name",
                    json!("query"),
                    NoEffect("is for calls that name no kind of text"),
                ),
                ("default_prompt_name", json!("absent"), Refused),
                ("model_type", json!("SentenceTransformer"), Refused),
                ("model_type", json!("ColBERT"), Refused),
                ("similarity_fn_name", json!("maxsim"), NoEffect("is the default")),
                ("similarity_fn_name", json!("meanmaxsim"), Used),
                ("similarity_fn_name", json!("xtr"), Refused),
                ("query_prefix", json!("[Q] "), Refused),
                ("document_prefix", json!("[D] "), Refused),
                ("query_length", json!(8), Refused),
                ("document_length", json!(8), Refused),
                ("do_query_expansion", json!(false), Refused),
                ("attend_to_expansion_tokens", json!(true), Refused),
                ("skiplist_words", json!([]), Refused),
                ("query_expansion", json!({"strategy": "min", "length": 4}), Refused),
                ("attend_to_mask_tokens", json!(true), Refused),
                ("requirements", json!({}), NoEffect("is of the library's version")),
                ("truncate_dim", json!(7), NoEffect("cuts one vector a text")),
            ],
        ),
        transformer(case),
        File {
            case: "sentence-transformers-min",
            name: "sentence_bert_config.json",
            closed: true,
            fields: vec![
                ("query_length", json!(16), Used),
                ("query_length", json!(7), Refused),
                (
                    "max_seq_length",
                    json!(20),
                    NoEffect("both kinds of text have a length of their own"),
                ),
                ("query_expansion/strategy", json!("fixed"), Used),
                ("query_expansion/strategy", json!("max"), Refused),
                ("query_expansion/attend", json!(true), Used),
                ("query_expansion/token", json!("[MASK]"), Used),
                ("query_expansion/length", json!(9), Used),
                ("query_expansion/n_grams", json!(2), Refused),
            ],
        },
        dense(case, "1_Dense/config.json", json!("torch.nn.modules.activation.GELU")),
        file(
            "2_MultiVectorMask/config.json",
            vec![
                ("skiplist_words", json!(["the"]), Used),
                ("skiplist_tasks", json!("query"), Used),
                ("skiplist_tasks", json!(["query", "document"]), Used),
                ("keep_only_token_ids", json!([7]), Refused),
            ],
        ),
        file(
            "3_Normalize/config.json",
            vec![
                ("module_input_name", json!("all_layer_embeddings"), Refused),
                ("module_output_name", json!("sentence_embedding"), Refused),
            ],
        ),
    ]
}

/// A module of multi-vector models alone.
fn token_pooling() -> File {
    let fields = vec![
        ("pool_factor", json!(2), Used),
        ("pool_factor", json!(0.5), Refused),
        ("pool_factor", json!("2"), Refused),
        ("num_protected_tokens", json!(0), Used),
        ("num_protected_tokens", json!(-1), Refused),
        ("normalize_embeddings", json!(false), Used),
        ("tasks", json!("document"), NoEffect("says the same")),
        ("tasks", json!(["query", "document"]), Refused),
        ("tasks", json!([]), Refused),
    ];
    let name = "4_HierarchicalTokenPooling/config.json";
    File { case: POOLED, name, closed: true, fields }
}

/// Of models whose documents are pages: what transformers' classes and ColNanoVDR's module read.
fn pages() -> Vec<File> {
    let case = "visual/colmodernvbert";
    let config = vec![
        ("model_type", json!("colidefics3"), Refused),
        ("embedding_dim", json!(12), Refused),
        ("initializer_range", json!(0.5), NoEffect(TRAINING)),
        ("vlm_config", Value::Null, Refused),
        ("vlm_config/model_type", json!("idefics3"), Refused),
        ("vlm_config/text_config", Value::Null, Refused),
        ("vlm_config/text_config/model_type", json!("llama"), Refused),
        ("vlm_config/text_config/is_causal", json!(true), Refused),
        ("vlm_config/text_config/hidden_size", json!(32), Used),
        ("vlm_config/text_config/norm_eps", json!(1e-3), Used),
        ("vlm_config/text_config/local_attention", json!(16), Used),
        ("vlm_config/text_config/rope_parameters/full_attention/rope_theta", json!(1e3), Used),
        ("vlm_config/classifier_pooling", json!("mean"), NoEffect(HEADS)),
    ];
    let processor = vec![
        ("query_prefix", json!("Query: "), Used),
        ("query_prefix", json!(7), Refused),
        ("chat_template", json!("{}"), NoEffect("the class takes none")),
        ("processor_class", json!("Other"), NoEffect("the class of the model has its own")),
    ];
    let weighting = vec![
        ("hidden_dim", json!(25), Refused),
        ("hidden_name", json!("sentence_embedding"), Refused),
        ("mv_name", json!("token_embeddings"), Refused),
        ("learn_weights", json!(false), Refused),
        ("special_token_ids", json!([729]), Used),
        ("special_token_ids", json!([-1]), Refused),
    ];
    vec![
        File { case, name: "config.json", closed: false, fields: config },
        File { case, name: "processor_config.json", closed: false, fields: processor },
        File {
            case: "visual/colnanovdr",
            name: "3_ColNanoVDRWeighting/config.json",
            closed: true,
            fields: weighting,
        },
    ]
}

/// Kinds of modules, by what stands in `type` of a list's second entry.
fn modules() -> File {
    let module = |name: &str| json!(format!("sentence_transformers.models.{name}"));
    let mut fields = vec![
        ("1/idx", json!(7), NoEffect("the list's own order counts")),
        (
            "1/kwargs",
            json!(["task"]),
            NoEffect("names arguments of calls, which these modules have none of"),
        ),
        ("1/path", json!("../1_Dense"), Refused),
        ("1/name", json!("0"), Refused),
        (
            "1/type",
            json!("sentence_transformers.base.modules.dense.Dense"),
            NoEffect("is the same class"),
        ),
        ("1/type", json!("custom_dense.Dense"), Refused),
        ("1/type", module("Pooling"), Refused),
    ];
    for name in [
        "BoW",
        "CLIPModel",
        "CNN",
        "Dropout",
        "HierarchicalTokenPooling",
        "LSTM",
        "LambdaTokenPooling",
        "LayerNorm",
        "LogitScore",
        "Router",
        "SparseAutoEncoder",
        "SpladePooling",
        "StaticEmbedding",
        "WeightedLayerPooling",
        "WordEmbeddings",
        "WordWeights",
    ] {
        fields.push(("1/type", module(name), Refused));
    }
    File { case: "pylate", name: "modules.json", closed: false, fields }
}

/// What `CrossEncoder` reads beside the backbone's own.
fn cross_encoders() -> Vec<File> {
    let pairs = "is of calls that name a kind of text, which pairs are none of";
    let function = |name: &str| json!(format!("torch.nn.modules.activation.{name}"));
    let config = |case, fields| File { case, name: "config.json", closed: false, fields };
    let text = |output: &str| json!({"method": "forward", "method_output_name": output});
    vec![
        config(
            "cross-encoders/bert",
            vec![
                ("id2label", json!({"0": "relevant"}), NoEffect("is a name")),
                ("id2label", json!({"0": "no", "1": "yes"}), Refused),
                ("num_labels", json!(1), NoEffect("id2label says it")),
                ("sbert_ce_default_activation_function", function("Tanh"), Used),
                ("sbert_ce_default_activation_function", json!("own.Tanh"), Refused),
                ("sentence_transformers", json!({"activation_fn": "torch.nn.Tanh"}), Used),
                ("classifier_dropout", json!(0.5), NoEffect(TRAINING)),
                ("problem_type", json!("regression"), NoEffect(TRAINING)),
                ("type_vocab_size", json!(3), Used),
                ("hidden_size", json!(64), Used),
            ],
        ),
        config(
            "cross-encoders/roberta",
            vec![
                ("sentence_transformers/activation_fn", function("Sigmoid"), Used),
                ("sentence_transformers/activation_fn", json!("own.Tanh"), Refused),
                ("sentence_transformers/version", json!("9"), NoEffect("is a note")),
                (
                    "sbert_ce_default_activation_function",
                    function("Sigmoid"),
                    NoEffect("is outranked"),
                ),
            ],
        ),
        config(
            "cross-encoders/modernbert",
            vec![
                ("classifier_pooling", json!("mean"), Used),
                ("classifier_pooling", json!("max"), Refused),
                ("classifier_bias", json!(true), Used),
                ("classifier_activation", json!("relu"), Used),
                ("classifier_activation", json!("prelu"), Refused),
                ("classifier_dropout", json!(0.5), NoEffect(TRAINING)),
                ("norm_eps", json!(1e-2), Used),
                ("norm_bias", json!(true), Used),
            ],
        ),
        File {
            case: "cross-encoders/xlm-roberta",
            name: "config_sentence_transformers.json",
            closed: true,
            fields: vec![
                ("activation_fn", function("Tanh"), Used),
                ("activation_fn", Value::Null, NoEffect("the next file is asked")),
                ("activation_fn", json!("own.Tanh"), Refused),
                ("default_prompt_name", json!("other"), Used),
                ("default_prompt_name", Value::Null, Used),
                ("default_prompt_name", json!("absent"), Refused),
                ("prompts/search", json!("another: "), Used),
                ("prompts/other", json!("another: "), NoEffect("only a call that names it has it")),
                ("keep_in_fp32_modules", json!(["0"]), NoEffect("all is computed in f32")),
                ("__version__", json!({"pytorch": "1"}), NoEffect("is a note")),
                (
                    "requirements",
                    json!({"transformers": ">=5"}),
                    NoEffect("is of the library's version"),
                ),
            ],
        },
        File {
            case: "cross-encoders/xlm-roberta",
            name: "sentence_bert_config.json",
            closed: true,
            fields: vec![
                ("max_seq_length", json!(20), Used),
                ("do_lower_case", json!(true), Used),
                ("query_length", json!(9), NoEffect(pairs)),
                ("document_length", json!(9), NoEffect(pairs)),
                ("query_expansion", json!({"strategy": "fixed", "length": 8}), NoEffect(pairs)),
                ("transformer_task", json!("text-generation"), Refused),
                ("module_output_name", json!("token_embeddings"), Refused),
                ("modality_config/text", text("logits"), NoEffect("is what the module does")),
                ("modality_config/text", text("last_hidden_state"), Refused),
                ("modality_config/message", text("logits"), Refused),
            ],
        },
        File {
            case: "cross-encoders/modules",
            name: "1_Pooling/config.json",
            closed: true,
            fields: vec![
                ("pooling_mode", json!("mean"), Used),
                ("pooling_mode", json!("lasttoken"), Refused),
                ("include_prompt", json!(false), NoEffect("there is no prompt")),
                ("embedding_dimension", json!(31), NoEffect("is told by the hidden states")),
            ],
        },
        File {
            case: "cross-encoders/modules",
            name: "2_Dense/config.json",
            closed: true,
            fields: vec![
                ("activation_function", function("ReLU"), Used),
                ("activation_function", json!("own.Tanh"), Refused),
                ("bias", json!(true), Used),
                ("in_features", json!(23), Refused),
                ("use_residual", json!(true), Used),
                ("module_input_name", json!("token_embeddings"), Refused),
                ("module_output_name", json!("sentence_embedding"), NoEffect("is what it reads")),
                ("module_output_name", json!("token_embeddings"), Refused),
            ],
        },
        File {
            case: "cross-encoders/modules",
            name: "3_LayerNorm/config.json",
            closed: true,
            fields: vec![("dimension", json!(23), Refused)],
        },
    ]
}

fn table() -> Vec<File> {
    let mut files = vec![modules(), stanford()];
    files.extend(config_json());
    files.extend(plain().into_iter().chain(pylate()).chain(sentence_transformers()));
    files.extend(cross_encoders());
    files.push(token_pooling());
    files.extend(pages());
    files
}

#[test]
fn every_field_is_used_refused_or_without_effect() {
    for file in table() {
        let files = checkpoint(file.case);
        let base = read(&files).unwrap();
        let base_id = embedding_id(&files, &base, true).unwrap();
        for (path, value, fate) in &file.fields {
            let row = format!("{} {} {path} = {value}", file.case, file.name);
            let files = changed(&file, path, value);
            let found = read(&files);
            if let Ok(config) = &found {
                // What embeddings depend on is what the configuration holds, but for what a score is made of them by.
                let id = embedding_id(&files, config, true).unwrap();
                let alike = ModelConfig { similarity: base.similarity, ..config.clone() };
                assert_eq!(id == base_id, alike == base, "{row}");
            }
            match (fate, found) {
                (Refused, Err(error)) => names(&row, &error, file.name, path),
                (Used, Ok(config)) => assert!(config != base, "{row}: used by nothing"),
                (NoEffect(why), Ok(config)) => assert_eq!(config, base, "{row}: {why}"),
                // A shape or another setting no longer fits: the value was looked at.
                (Used, Err(error)) => assert!(error.contains("tensor "), "{row}: {error}"),
                (fate, Ok(_)) => panic!("{row}: should be {fate:?}, and was taken"),
                (fate, Err(error)) => panic!("{row}: should be {fate:?}: {error}"),
            }
        }
    }
}

/// `tests/reference/settings.py` asks the libraries' own classes which fields they take.
#[test]
fn the_table_has_every_field_that_the_libraries_take() {
    let listed = std::fs::read(common::fixtures().join("settings.json")).unwrap();
    let listed: BTreeMap<String, Vec<String>> = serde_json::from_slice(&listed).unwrap();
    assert_eq!(listed.len(), 12);
    for (key, fields) in listed {
        // The settings of a backbone stand in one file, whichever it is.
        let (name, model_type) = key.split_once(": ").unwrap_or((&key, ""));
        for field in fields {
            let of_file = table().into_iter().filter(|file| {
                file.name == name && (model_type.is_empty() || model_type_of(file) == model_type)
            });
            let mut rows = of_file.flat_map(|file| file.fields);
            let has = |path: &str| path.split('/').next() == Some(field.as_str());
            assert!(rows.any(|(path, ..)| has(path)), "{key}: no row for {field}");
        }
    }
}

fn model_type_of(file: &File) -> String {
    let files = checkpoint(file.case);
    let config: Value = serde_json::from_slice(files.get(file.name).unwrap()).unwrap();
    config["model_type"].as_str().unwrap().to_owned()
}

/// What a library of tomorrow may write is not left out in silence.
#[test]
fn an_unknown_field_is_warned_of_by_name() {
    for file in table().iter().filter(|file| file.closed) {
        let files = changed(file, "a_field_of_tomorrow", &json!(1));
        let warnings = ModelConfig::from_files(&files).unwrap().warnings;
        let says = |text: &str| text.contains(file.name) && text.contains("a_field_of_tomorrow");
        let warned = warnings.iter().any(|w| w.code == "SETTING_UNKNOWN" && says(&w.message));
        assert!(warned, "{} {}: {warnings:?}", file.case, file.name);
    }
}

/// The published fixtures themselves say nothing unknown.
#[test]
fn what_the_libraries_write_is_known() {
    let pairs = common::pairs::cases().into_iter().map(|case| format!("cross-encoders/{case}"));
    let cases = common::CASES.iter().map(|case| case.to_string()).chain(pairs);
    for case in cases {
        let warnings = ModelConfig::from_files(&checkpoint(&case)).unwrap().warnings;
        assert!(warnings.iter().all(|w| w.code != "SETTING_UNKNOWN"), "{case}: {warnings:?}");
    }
}

/// Everything but the warnings about defaults; with the model read as far as its shapes.
fn read(files: &CheckpointFiles) -> Result<ModelConfig, String> {
    files.wanted().map_err(|error| error.to_string())?;
    let mut config = ModelConfig::from_files(files).map_err(|error| error.to_string())?;
    assert!(config.warnings.iter().all(|w| w.code != "SETTING_UNKNOWN"), "{:?}", config.warnings);
    config.warnings.clear();
    Ok(config)
}

/// The files of a fixture.
fn checkpoint(case: &str) -> CheckpointFiles {
    if case == POOLED {
        return common::pooled_checkpoint();
    }
    common::checkpoint(&common::fixtures().join(case).join("checkpoint"))
}

fn changed(file: &File, path: &str, value: &Value) -> CheckpointFiles {
    let mut files = checkpoint(file.case);
    let mut whole: Value = serde_json::from_slice(files.get(file.name).unwrap()).unwrap();
    let mut place = &mut whole;
    for part in path.split('/') {
        place = match part.parse::<usize>() {
            Ok(index) => &mut place[index],
            Err(_) => &mut place[part],
        };
    }
    *place = value.clone();
    files.insert(file.name, whole.to_string().into_bytes()).unwrap();
    files
}

/// An error names the file and the field, or what does not fit the field's value.
fn names(row: &str, error: &str, file: &str, path: &str) {
    let mut parts = path.split('/').filter(|part| part.parse::<usize>().is_err());
    let folder = file.split('/').next().unwrap();
    let unfit = error.contains("tensor ") || error.contains("is not the name of a file");
    assert!(error.contains(folder) || unfit, "{row}: {error}");
    assert!(parts.any(|part| error.contains(part)) || unfit, "{row}: {error}");
}
