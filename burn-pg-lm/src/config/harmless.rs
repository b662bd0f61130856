//! Settings that do not change what a model computes here. They are ignored.

/// Probabilities of dropout. Nothing is dropped out here, neither in training nor in generation.
pub(super) const DROPOUT: [&str; 5] =
    ["attention_dropout", "attn_pdrop", "embd_pdrop", "resid_pdrop", "summary_first_dropout"];

/// Where a model comes from, how it was initialised, and in which form its weights are stored.
pub(super) const ORIGIN: [&str; 13] = [
    "_commit_hash",
    "_name_or_path",
    "dtype",
    "finetuning_task",
    "gradient_checkpointing",
    "initializer_range",
    "is_llama_config",
    "tokenizer_class",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
];

/// How `transformers` runs a model, and what it returns.
pub(super) const RUNNING: [&str; 14] = [
    "_attn_implementation",
    "_attn_implementation_autoset",
    "attn_implementation",
    "chunk_size_feed_forward",
    "is_decoder",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "return_dict",
    "sep_token_id",
    "tf_legacy_loss",
    "torchscript",
    "use_bfloat16",
    "use_cache",
];

/// Settings of heads that are not the language model's.
pub(super) const HEADS: [&str; 9] = [
    "id2label",
    "label2id",
    "num_labels",
    "problem_type",
    "summary_activation",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "task_specific_params",
];

/// Settings of generation, which older versions of `transformers` stored with the model.
pub(super) const GENERATION: [&str; 29] = [
    "bad_words_ids",
    "begin_suppress_tokens",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_length",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_scores",
    "prefix",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict_in_generate",
    "suppress_tokens",
    "temperature",
    "tie_encoder_decoder",
    "top_k",
    "top_p",
    "typical_p",
];

/// Returns true if a setting does not change what a model computes.
pub(super) fn is_harmless(key: &str) -> bool {
    [&DROPOUT[..], &ORIGIN, &RUNNING, &HEADS, &GENERATION].iter().any(|list| list.contains(&key))
}
