//! Examples as tokens.

use burn_pg_lm::{
    ChatTemplate, Message, ModelConfig,
    data::{Pair, Prompt},
    task::Encoder,
};

use crate::fixture::{folder, tokenizer};

#[test]
fn a_conversation_that_is_scored_has_all_that_its_template_writes() {
    let tokenizer = tokenizer();
    let end = tokenizer.required_end().unwrap();
    let template = ChatTemplate::load(&folder()).unwrap().unwrap();
    let config = format!(
        r#"{{"model_type": "llama", "vocab_size": {}, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 64, "hidden_act": "silu"}}"#,
        tokenizer.vocab_size()
    );
    let config = ModelConfig::parse(&config).unwrap();
    let question = Message::new("user", "why");
    let pair = Pair {
        prompt: Prompt::Chat(vec![question.clone()]),
        chosen: "so".into(),
        rejected: "no".into(),
        margin: None,
        tie: false,
    };
    let encoder = Encoder::new(&config, &tokenizer, Some(&template)).unwrap();
    assert_eq!(encoder.tail(), tokenizer.encode("\n"));
    // What a policy learns ends with the end token.
    let learned = &encoder.pairs(std::slice::from_ref(&pair)).unwrap()[0];
    assert_eq!(learned.chosen, [tokenizer.encode("so"), vec![end]].concat());
    let scored = &encoder.for_scores().pairs(&[pair]).unwrap()[0];
    let rendered = template.render(&[question, Message::new("assistant", "so")], false).unwrap();
    assert_eq!([&scored.prompt[..], &scored.chosen].concat(), tokenizer.encode(&rendered));
}
