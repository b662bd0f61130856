//! The Llama family.

use serde_json::{Value, json};

use super::{
    ConfigError,
    keys::{Keys, divides},
};

/// The class of a model that gives scores.
pub(super) const SCORES: &str = "LlamaForSequenceClassification";

/// The configuration of a model of the Llama family: rotary positions, RMS norms before each part of a block, no
/// biases, grouped queries, and the activation `silu` in a gated perceptron.
#[derive(Debug, Clone, PartialEq)]
pub struct LlamaConfig {
    /// Number of tokens (`vocab_size`).
    pub vocab_size: usize,
    /// Length of the longest sequence, in tokens (`max_position_embeddings`).
    pub max_positions: usize,
    /// Width of the hidden state of a token (`hidden_size`), a multiple of `heads`.
    pub hidden_size: usize,
    /// Width inside the perceptron of a block (`intermediate_size`).
    pub intermediate_size: usize,
    /// Number of blocks (`num_hidden_layers`).
    pub layers: usize,
    /// Number of heads of the queries (`num_attention_heads`), a multiple of `kv_heads`.
    pub heads: usize,
    /// Number of heads of the keys and values (`num_key_value_heads`, by default `heads`).
    pub kv_heads: usize,
    /// Width of a head (`head_dim`, by default `hidden_size` divided by `heads`), an even number.
    pub head_dim: usize,
    /// What RMS norms add to the mean square (`rms_norm_eps`, by default 1e-6).
    pub norm_epsilon: f64,
    /// Base of the wavelengths of the rotary positions (`rope_theta`, by default 10000).
    pub rope_theta: f64,
    /// True if the embedding of the tokens is also the weight of the output layer (`tie_word_embeddings`, by default
    /// false).
    pub tied_embeddings: bool,
    /// The token that starts a text (`bos_token_id`). A file without the setting has none.
    pub bos: Option<u32>,
    /// The tokens that end a text (`eos_token_id`). A file without the setting has none.
    pub eos: Vec<u32>,
    /// The token with which other programs fill up batches (`pad_token_id`). Here nothing is padded, but a score is read before it. A file without
    /// the setting, or with an id of no token, has none.
    pub pad: Option<u32>,
}

pub(super) fn parse(mut keys: Keys) -> Result<LlamaConfig, ConfigError> {
    keys.architectures(&["LlamaForCausalLM", "LlamaModel", SCORES])?;
    let vocab_size = keys.size("vocab_size")?;
    let hidden_size = keys.size("hidden_size")?;
    let heads = keys.size("num_attention_heads")?;
    divides(("num_attention_heads", heads), ("hidden_size", hidden_size))?;
    let config = LlamaConfig {
        vocab_size,
        max_positions: keys.size("max_position_embeddings")?,
        hidden_size,
        intermediate_size: keys.size("intermediate_size")?,
        layers: keys.size("num_hidden_layers")?,
        heads,
        kv_heads: keys.optional_size("num_key_value_heads")?.unwrap_or(heads),
        head_dim: keys.optional_size("head_dim")?.unwrap_or(hidden_size / heads),
        norm_epsilon: keys.positive("rms_norm_eps")?.unwrap_or(1e-6),
        rope_theta: rope_theta(&mut keys)?,
        tied_embeddings: keys.flag("tie_word_embeddings", false)?,
        bos: keys.token("bos_token_id", vocab_size)?,
        eos: keys.tokens("eos_token_id", vocab_size)?,
        pad: keys.token("pad_token_id", vocab_size).unwrap_or_default(),
    };
    divides(("num_key_value_heads", config.kv_heads), ("num_attention_heads", heads))?;
    if !config.head_dim.is_multiple_of(2) {
        let (key, value) = ("head_dim".into(), config.head_dim.into());
        let expected = "even: rotary positions turn pairs of values".into();
        return Err(ConfigError::Invalid { key, value, expected });
    }
    keys.fixed("hidden_act", "silu")?;
    for flag in ["attention_bias", "mlp_bias", "is_encoder_decoder", "add_cross_attention", "use_sliding_window"] {
        keys.fixed(flag, false)?;
    }
    keys.fixed("pretraining_tp", 1)?;
    keys.fixed("pruned_heads", serde_json::Map::new())?;
    for nothing in ["quantization_config", "rope_scaling", "sliding_window"] {
        keys.fixed(nothing, Value::Null)?;
    }
    keys.finish()?;
    Ok(config)
}

/// Takes the base of the rotary positions, from its old place (`rope_theta`) or its new one (`rope_parameters`).
fn rope_theta(keys: &mut Keys) -> Result<f64, ConfigError> {
    let mut theta = keys.positive("rope_theta")?;
    // Both the whole heads and pairs of values that are half a head apart are turned.
    keys.fixed("partial_rotary_factor", 1)?;
    keys.fixed("rope_interleaved", false)?;
    if let Some(mut new) = keys.object("rope_parameters", "rope_parameters.")? {
        new.fixed("rope_type", "default")?;
        new.fixed("partial_rotary_factor", 1)?;
        match theta {
            Some(theta) => new.fixed("rope_theta", theta)?,
            None => theta = new.positive("rope_theta")?,
        }
        new.finish()?;
    }
    Ok(theta.unwrap_or(10_000.0))
}

impl LlamaConfig {
    pub(super) fn to_value(&self) -> Value {
        json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocab_size,
            "max_position_embeddings": self.max_positions,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "attention_bias": false,
            "mlp_bias": false,
            "rms_norm_eps": self.norm_epsilon,
            "rope_theta": self.rope_theta,
            "tie_word_embeddings": self.tied_embeddings,
            "bos_token_id": self.bos,
            "eos_token_id": super::one_or_list(&self.eos),
            "pad_token_id": self.pad,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::{ModelConfig, tests::refusal};

    /// SmolLM2-135M-Instruct's own.
    pub const SMOLLM2: &str = r#"{
        "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 1,
        "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 576, "initializer_range": 0.041666666666666664,
        "intermediate_size": 1536, "is_llama_config": true, "max_position_embeddings": 8192, "mlp_bias": false,
        "model_type": "llama", "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3,
        "pad_token_id": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": false, "rope_scaling": null,
        "rope_theta": 100000, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "transformers_version": "4.42.3",
        "use_cache": true, "vocab_size": 49152
    }"#;

    /// The same model, as `transformers` 5.24 writes it.
    const SMOLLM2_NEW: &str = r#"{
        "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 1,
        "eos_token_id": 2, "head_dim": 64, "hidden_act": "silu", "hidden_size": 576, "initializer_range": 0.02,
        "intermediate_size": 1536, "max_position_embeddings": 8192, "mlp_bias": false, "model_type": "llama",
        "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3, "pad_token_id": 2,
        "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_parameters": {"rope_theta": 100000.0, "rope_type": "default"},
        "tie_word_embeddings": true, "transformers_version": "5.24.0", "use_cache": true, "vocab_size": 49152
    }"#;

    /// The smallest configuration that is accepted.
    const SMALL: &str = r#"{"model_type": "llama", "vocab_size": 61, "hidden_size": 32, "intermediate_size": 48,
        "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64}"#;

    #[test]
    fn smollm2_is_read_in_both_forms() {
        let expected = ModelConfig::Llama(LlamaConfig {
            vocab_size: 49152,
            max_positions: 8192,
            hidden_size: 576,
            intermediate_size: 1536,
            layers: 30,
            heads: 9,
            kv_heads: 3,
            head_dim: 64,
            norm_epsilon: 1e-5,
            rope_theta: 100_000.0,
            tied_embeddings: true,
            bos: Some(1),
            eos: vec![2],
            pad: Some(2),
        });
        for text in [SMOLLM2, SMOLLM2_NEW, &expected.to_json()] {
            assert_eq!(ModelConfig::parse(text).unwrap(), expected);
        }
    }

    #[test]
    fn defaults_are_those_of_transformers() {
        let ModelConfig::Llama(config) = ModelConfig::parse(SMALL).unwrap() else { panic!("not Llama") };
        assert_eq!((config.kv_heads, config.head_dim, config.norm_epsilon), (4, 8, 1e-6));
        assert_eq!((config.rope_theta, config.tied_embeddings), (10_000.0, false));
        assert_eq!((config.bos, &config.eos[..]), (None, &[][..]));
        let config = ModelConfig::Llama(LlamaConfig { eos: vec![3, 5], head_dim: 12, kv_heads: 2, ..config });
        assert_eq!(ModelConfig::parse(&config.to_json()).unwrap(), config);
    }

    #[test]
    fn other_arithmetic_is_refused() {
        let unsupported = [
            (
                "architectures",
                json!(["MistralForCausalLM"]),
                "LlamaForCausalLM, LlamaModel, LlamaForSequenceClassification",
            ),
            (
                "architectures",
                json!("LlamaForCausalLM"),
                "LlamaForCausalLM, LlamaModel, LlamaForSequenceClassification",
            ),
            ("attention_bias", json!(true), "false"),
            ("hidden_act", json!("gelu"), "\"silu\""),
            ("mlp_bias", json!(true), "false"),
            ("partial_rotary_factor", json!(0.5), "1"),
            ("pretraining_tp", json!(2), "1"),
            ("quantization_config", json!({"quant_method": "gptq"}), "null"),
            ("rope_interleaved", json!(true), "false"),
            ("rope_scaling", json!({"rope_type": "llama3", "factor": 32.0}), "null"),
            ("sliding_window", json!(4096), "null"),
            ("use_sliding_window", json!(true), "false"),
        ];
        for (key, value, supported) in unsupported {
            let expected = format!("`{key}` is {value}; supported: {supported}");
            assert_eq!(refusal(SMOLLM2, key, value), expected);
        }
        let message = refusal(SMOLLM2, "logit_scale", json!(2));
        assert!(message.starts_with("`logit_scale` is not a known setting"), "{message}");
    }

    #[test]
    fn other_rotary_positions_are_refused() {
        let refused = |value| refusal(SMALL, "rope_parameters", value);
        assert_eq!(
            refused(json!({"rope_type": "yarn", "factor": 4})),
            "`rope_parameters.rope_type` is \"yarn\"; supported: \"default\""
        );
        assert_eq!(
            refused(json!({"partial_rotary_factor": 0.25})),
            "`rope_parameters.partial_rotary_factor` is 0.25; supported: 1"
        );
        assert_eq!(
            refused(json!({"rope_theta": -1})),
            "`rope_parameters.rope_theta` is -1; it must be a number above 0"
        );
        assert_eq!(refused(json!("default")), "`rope_parameters` is \"default\"; it must be an object");
        let message = refused(json!({"factor": 4}));
        assert!(message.starts_with("`rope_parameters.factor` is not a known setting"), "{message}");
        assert_eq!(
            refusal(SMOLLM2, "rope_parameters", json!({"rope_theta": 5000})),
            "`rope_parameters.rope_theta` is 5000; supported: 100000.0"
        );
    }

    #[test]
    fn impossible_sizes_are_refused() {
        let sizes = [
            "vocab_size",
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "max_position_embeddings",
        ];
        for key in sizes {
            let whole = "it must be a whole number from 1 to 4294967295";
            assert_eq!(refusal(SMOLLM2, key, json!(0)), format!("`{key}` is 0; {whole}"));
            assert_eq!(refusal(SMOLLM2, key, Value::Null), format!("`{key}` is missing; {whole}"));
        }
        for key in ["num_key_value_heads", "head_dim"] {
            assert!(refusal(SMOLLM2, key, json!(0)).starts_with(&format!("`{key}` is 0; it must be")));
        }
        for (key, value, expected) in [
            ("num_attention_heads", 7, "`hidden_size` is 576, which is not a multiple of `num_attention_heads`, 7"),
            (
                "num_key_value_heads",
                2,
                "`num_attention_heads` is 9, which is not a multiple of `num_key_value_heads`, 2",
            ),
            ("head_dim", 63, "`head_dim` is 63; it must be even: rotary positions turn pairs of values"),
        ] {
            assert_eq!(refusal(SMOLLM2, key, json!(value)), expected);
        }
        assert_eq!(
            refusal(SMOLLM2, "rms_norm_eps", json!("1e-5")),
            "`rms_norm_eps` is \"1e-5\"; it must be a number above 0"
        );
    }

    #[test]
    fn ids_outside_the_vocabulary_are_refused() {
        let expected = "it must be the id of a token, below `vocab_size`, or a list of them";
        for wrong in [json!(49152), json!([2, 49152]), json!(-1), json!("</s>")] {
            assert_eq!(
                refusal(SMOLLM2, "eos_token_id", wrong.clone()),
                format!("`eos_token_id` is {wrong}; {expected}")
            );
        }
        assert_eq!(
            refusal(SMOLLM2, "bos_token_id", json!([1, 2])),
            "`bos_token_id` is [1,2]; it must be the id of one token"
        );
    }
}
