//! The GPT-2 family.

use serde_json::{Map, Value, json};

use super::{
    ConfigError,
    keys::{Keys, divides},
};

/// The class of a model that gives scores.
pub(super) const SCORES: &str = "GPT2ForSequenceClassification";

/// The configuration of a model of the GPT-2 family: learned positions, layer norms before each part of a block, biases
/// everywhere, and the activation `gelu_new` (the tanh approximation of GELU).
#[derive(Debug, Clone, PartialEq)]
pub struct Gpt2Config {
    /// Number of tokens (`vocab_size`).
    pub vocab_size: usize,
    /// Length of the longest sequence, in tokens (`n_positions`).
    pub max_positions: usize,
    /// Width of the hidden state of a token (`n_embd`), a multiple of `heads`.
    pub hidden_size: usize,
    /// Width inside the perceptron of a block (`n_inner`, by default 4 times `hidden_size`).
    pub intermediate_size: usize,
    /// Number of blocks (`n_layer`).
    pub layers: usize,
    /// Number of attention heads (`n_head`).
    pub heads: usize,
    /// What layer norms add to the variance (`layer_norm_epsilon`, by default 1e-5).
    pub norm_epsilon: f64,
    /// True if the embedding of the tokens is also the weight of the output layer (`tie_word_embeddings`, by default
    /// true).
    pub tied_embeddings: bool,
    /// The token that starts a text (`bos_token_id`). A file without the setting has none.
    pub bos: Option<u32>,
    /// The tokens that end a text (`eos_token_id`). A file without the setting has none.
    pub eos: Vec<u32>,
    /// The token with which other programs fill up batches (`pad_token_id`). Here nothing is padded, but a score is read before it. A file without
    /// the setting, or with an id of no token, has none.
    pub pad: Option<u32>,
}

pub(super) fn parse(mut keys: Keys) -> Result<Gpt2Config, ConfigError> {
    keys.architectures(&["GPT2LMHeadModel", "GPT2Model", SCORES])?;
    let vocab_size = keys.size("vocab_size")?;
    let hidden_size = keys.size("n_embd")?;
    let config = Gpt2Config {
        vocab_size,
        max_positions: keys.size("n_positions")?,
        hidden_size,
        intermediate_size: keys.optional_size("n_inner")?.unwrap_or(4 * hidden_size),
        layers: keys.size("n_layer")?,
        heads: keys.size("n_head")?,
        norm_epsilon: keys.positive("layer_norm_epsilon")?.unwrap_or(1e-5),
        tied_embeddings: keys.flag("tie_word_embeddings", true)?,
        bos: keys.token("bos_token_id", vocab_size)?,
        eos: keys.tokens("eos_token_id", vocab_size)?,
        pad: keys.token("pad_token_id", vocab_size).unwrap_or_default(),
    };
    divides(("n_head", config.heads), ("n_embd", hidden_size))?;
    // The old name of `n_positions`.
    keys.fixed("n_ctx", config.max_positions)?;
    keys.fixed("activation_function", "gelu_new")?;
    keys.fixed("scale_attn_weights", true)?;
    for flag in
        ["add_cross_attention", "is_encoder_decoder", "reorder_and_upcast_attn", "scale_attn_by_inverse_layer_idx"]
    {
        keys.fixed(flag, false)?;
    }
    keys.fixed("pruned_heads", Map::new())?;
    keys.fixed("quantization_config", Value::Null)?;
    keys.finish()?;
    Ok(config)
}

impl Gpt2Config {
    pub(super) fn to_value(&self) -> Value {
        json!({
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "vocab_size": self.vocab_size,
            "n_positions": self.max_positions,
            "n_embd": self.hidden_size,
            "n_inner": self.intermediate_size,
            "n_layer": self.layers,
            "n_head": self.heads,
            "activation_function": "gelu_new",
            "layer_norm_epsilon": self.norm_epsilon,
            "tie_word_embeddings": self.tied_embeddings,
            "bos_token_id": self.bos,
            "eos_token_id": super::one_or_list(&self.eos),
            "pad_token_id": self.pad,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ModelConfig, tests::refusal};

    /// GPT-2's own, as `transformers` 5.24 writes it.
    const GPT2: &str = r#"{
        "activation_function": "gelu_new", "add_cross_attention": false, "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.1, "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_inner": null, "n_layer": 12,
        "n_positions": 1024, "pad_token_id": null, "reorder_and_upcast_attn": false, "resid_pdrop": 0.1,
        "scale_attn_by_inverse_layer_idx": false, "scale_attn_weights": true, "summary_activation": null,
        "summary_first_dropout": 0.1, "summary_proj_to_labels": true, "summary_type": "cls_index",
        "summary_use_proj": true, "tie_word_embeddings": true, "transformers_version": "5.24.0", "use_cache": true,
        "vocab_size": 50257
    }"#;

    #[test]
    fn gpt2_is_read() {
        let expected = Gpt2Config {
            vocab_size: 50257,
            max_positions: 1024,
            hidden_size: 768,
            intermediate_size: 3072,
            layers: 12,
            heads: 12,
            norm_epsilon: 1e-5,
            tied_embeddings: true,
            bos: Some(50256),
            eos: vec![50256],
            pad: None,
        };
        let config = ModelConfig::parse(GPT2).unwrap();
        assert_eq!(config, ModelConfig::Gpt2(expected));
        assert_eq!(ModelConfig::parse(&config.to_json()).unwrap(), config);
    }

    #[test]
    fn defaults_are_those_of_transformers() {
        let small =
            r#"{"model_type": "gpt2", "vocab_size": 13, "n_positions": 24, "n_embd": 8, "n_layer": 2, "n_head": 2}"#;
        let ModelConfig::Gpt2(config) = ModelConfig::parse(small).unwrap() else { panic!("not GPT-2") };
        assert_eq!((config.intermediate_size, config.norm_epsilon, config.tied_embeddings), (32, 1e-5, true));
        assert_eq!((config.bos, &config.eos[..]), (None, &[][..]));
        let config = ModelConfig::Gpt2(Gpt2Config { tied_embeddings: false, norm_epsilon: 3.7e-6, ..config });
        assert_eq!(ModelConfig::parse(&config.to_json()).unwrap(), config);
    }

    #[test]
    fn other_arithmetic_is_refused() {
        let refused = |key, value| refusal(GPT2, key, value);
        let unsupported = [
            ("activation_function", json!("relu"), "\"gelu_new\""),
            ("add_cross_attention", json!(true), "false"),
            (
                "architectures",
                json!(["GPT2DoubleHeadsModel"]),
                "GPT2LMHeadModel, GPT2Model, GPT2ForSequenceClassification",
            ),
            ("is_encoder_decoder", json!(true), "false"),
            ("n_ctx", json!(512), "1024"),
            ("pruned_heads", json!({"0": [1]}), "{}"),
            ("quantization_config", json!({"bits": 4}), "null"),
            ("reorder_and_upcast_attn", json!(true), "false"),
            ("scale_attn_by_inverse_layer_idx", json!(true), "false"),
            ("scale_attn_weights", json!(false), "true"),
        ];
        for (key, value, supported) in unsupported {
            let expected = format!("`{key}` is {value}; supported: {supported}");
            assert_eq!(refused(key, value), expected);
        }
        assert_eq!(
            refused("n_heads", json!(3)),
            "`n_heads` is not a known setting of a model; remove it if it does not change what the model computes"
        );
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for key in ["vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "n_inner"] {
            for wrong in [json!(0), json!(-1), json!(1.5), json!("8"), json!(1_u64 << 32)] {
                let expected = format!("`{key}` is {wrong}; it must be a whole number from 1 to 4294967295");
                assert_eq!(refusal(GPT2, key, wrong), expected);
            }
        }
        for key in ["vocab_size", "n_positions", "n_embd", "n_layer", "n_head"] {
            let expected = format!("`{key}` is missing; it must be a whole number from 1 to 4294967295");
            assert_eq!(refusal(GPT2, key, Value::Null), expected);
        }
        assert_eq!(refusal(GPT2, "n_head", json!(7)), "`n_embd` is 768, which is not a multiple of `n_head`, 7");
        assert_eq!(
            refusal(GPT2, "layer_norm_epsilon", json!(0)),
            "`layer_norm_epsilon` is 0; it must be a number above 0"
        );
        assert_eq!(
            refusal(GPT2, "tie_word_embeddings", json!(1)),
            "`tie_word_embeddings` is 1; it must be true or false"
        );
    }
}
