//! Encoding, decoding and saving.

use std::fs;

use burn_pg_lm::{Tokenizer, tokenizer::TokenizerError};
use serde_json::json;

use crate::fixture::{self, Copy};

const TEXTS: [&str; 8] = [
    "",
    "The robot doesn't know.",
    "  spaces   and\ttabs\r\n\n",
    "Größe 12345 ½",
    "👨‍👩‍👧 你好 \u{10FFFF} \0",
    "\u{FFFD} is a character too",
    "<|start|>user\nHi<|end|>",
    "e\u{301} İ ﬁ",
];

#[test]
fn texts_survive_encoding_and_decoding() {
    let tokenizer = fixture::tokenizer();
    for text in TEXTS {
        for ids in [tokenizer.encode(text), tokenizer.encode_plain(text)] {
            assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        }
        assert_eq!(tokenizer.first_inexpressible(text), None);
    }
}

#[test]
fn long_texts_survive_encoding_and_decoding() {
    let tokenizer = fixture::tokenizer();
    for part in [" ", "a", "\n ", "ä", "<|end|>", "1 2\t"] {
        let text = part.repeat(20_000);
        assert_eq!(tokenizer.decode(&tokenizer.encode(&text)).unwrap(), text);
    }
}

#[test]
fn special_tokens_are_recognised_in_trusted_text_only() {
    let tokenizer = fixture::tokenizer();
    let end = tokenizer.token("<|end|>").unwrap();
    assert_eq!((tokenizer.end(), tokenizer.required_end().unwrap(), tokenizer.ends()), (Some(end), end, &[end][..]));

    let text = "a<|end|>b";
    assert_eq!(tokenizer.encode(text), [tokenizer.encode("a"), vec![end], tokenizer.encode("b")].concat());
    assert!(!tokenizer.encode_plain(text).contains(&end));
    assert_eq!(tokenizer.encode("a b"), tokenizer.encode_plain("a b"));
}

#[test]
fn decoding_step_by_step_gives_whole_characters_and_the_same_text() {
    let tokenizer = fixture::tokenizer();
    for text in TEXTS {
        let mut decoder = tokenizer.decoder();
        let mut shown = String::new();
        for id in tokenizer.encode(text) {
            shown += &decoder.push(id).unwrap().unwrap_or_default();
            assert!(text.starts_with(&shown), "{shown:?} of {text:?}");
        }
        assert_eq!((&*shown, decoder.finish()), (text, None));
    }
}

#[test]
fn decoding_step_by_step_agrees_with_decoding_for_any_bytes() {
    let tokenizer = fixture::tokenizer();
    // All single bytes, which follow the special tokens, and more often those of real characters.
    let mut ids: Vec<_> = (3..259).collect();
    ids.extend(tokenizer.encode_plain("ä你😀\u{10FFFF}").repeat(20));
    let mut state = 1_u64;
    for _ in 0..5_000 {
        let sequence: Vec<_> = (0..6)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ids[usize::try_from(state >> 33).unwrap() % ids.len()]
            })
            .collect();
        let mut decoder = tokenizer.decoder();
        let mut text: String = sequence.iter().filter_map(|id| decoder.push(*id).unwrap()).collect();
        text.extend(decoder.finish());
        assert_eq!(text, tokenizer.decode(&sequence).unwrap());
    }
}

#[test]
fn ids_without_a_token_are_refused() {
    let tokenizer = fixture::tokenizer();
    for id in [400, u32::MAX] {
        let error = tokenizer.decode(&[5, id]).unwrap_err();
        assert_eq!(error.to_string(), format!("there is no token with the id {id}; the largest id is 399"));
        assert!(matches!(tokenizer.decoder().push(id), Err(TokenizerError::UnknownId { last: 399, .. })));
    }
}

#[test]
fn bytes_without_a_token_are_reported() {
    let copy = Copy::new();
    // Without the second byte of "ä" and what is merged with it.
    let mut definition = copy.json("tokenizer.json");
    let has_byte = |text: &str| text.contains('¤');
    definition["model"]["vocab"].as_object_mut().unwrap().retain(|token, _| !has_byte(token));
    definition["model"]["merges"].as_array_mut().unwrap().retain(|merge| !has_byte(&merge.to_string()));
    copy.write("tokenizer.json", definition.to_string());
    let tokenizer = copy.load().unwrap();
    assert_eq!(tokenizer.first_inexpressible("Käse"), Some('ä'));
    assert_eq!(tokenizer.decode(&tokenizer.encode("Käse")).unwrap(), "K\u{FFFD}se");
    assert_eq!(tokenizer.first_inexpressible("Kase"), None);
}

#[test]
fn files_are_saved_byte_for_byte() {
    let copy = Copy::new();
    copy.write("generation_config.json", r#"{ "eos_token_id": [0, 2] }"#);
    copy.write("chat_template.jinja", "{{ messages }}\r\n");
    copy.write("config.json", "{}");
    let tokenizer = copy.load().unwrap();
    let other = Copy::empty();
    let target = other.path().join("new/folder");
    tokenizer.save(&target).unwrap();
    tokenizer.save(&target).unwrap();
    let mut names: Vec<_> = fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["chat_template.jinja", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]);
    for name in names {
        assert_eq!(fs::read(copy.path().join(&name)).unwrap(), fs::read(target.join(&name)).unwrap());
    }
    assert_eq!(Tokenizer::load(&target).unwrap().ends(), tokenizer.ends());
}

#[test]
fn another_tokenizer_is_not_mixed_in() {
    let target = Copy::empty();
    target.write("added_tokens.json", "{}");
    let error = fixture::tokenizer().save(target.path()).unwrap_err();
    assert!(matches!(error, TokenizerError::OtherTokenizer { .. }), "{error}");
    assert!(!target.path().join("tokenizer.json").exists());
}

#[test]
fn all_ends_are_known() {
    let copy = Copy::new();
    for (ids, ends) in [(json!(2), &[0, 2][..]), (json!([1, 0]), &[0, 1]), (json!(null), &[0])] {
        copy.write("generation_config.json", json!({"eos_token_id": ids, "max_length": 10}).to_string());
        assert_eq!(copy.load().unwrap().ends(), ends);
    }
    copy.set("tokenizer_config.json", "/eos_token", json!({"content": "<|unused|>", "special": true}));
    assert_eq!(copy.load().unwrap().ends(), [2]);
    copy.set("tokenizer_config.json", "/eos_token", json!(null));
    copy.write("special_tokens_map.json", r#"{"eos_token": "<|start|>"}"#);
    assert_eq!(copy.load().unwrap().ends(), [1]);
}

#[test]
fn padding_truncation_and_templates_of_the_file_are_not_used() {
    let copy = Copy::new();
    let ids = copy.load().unwrap().encode("The robot walks.");
    copy.set(
        "tokenizer.json",
        "/truncation",
        json!({"max_length": 2, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}),
    );
    let padding = json!({"strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
        "pad_type_id": 0, "pad_token": "<|end|>"});
    copy.set("tokenizer.json", "/padding", padding);
    copy.set(
        "tokenizer.json",
        "/post_processor",
        json!({"type": "BertProcessing", "sep": ["<|end|>", 0], "cls": ["<|start|>", 1]}),
    );
    assert_eq!(copy.load().unwrap().encode("The robot walks."), ids);
}

#[test]
fn special_tokens_of_the_settings_are_recognised() {
    let copy = Copy::new();
    copy.set("tokenizer.json", "/added_tokens", json!([]));
    assert_eq!(copy.load().unwrap().encode("<|end|>"), [0]);
    assert_ne!(copy.load().unwrap().encode("<|start|>"), [1]);
}

#[test]
fn gpt2s_files_give_the_same_tokenizer() {
    let copy = Copy::new();
    let model = copy.json("tokenizer.json")["model"].clone();
    let merges = model["merges"].as_array().unwrap().iter();
    let lines = merges.map(|pair| format!("{} {}\n", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    let raw = Copy::empty();
    raw.write("vocab.json", model["vocab"].to_string());
    raw.write("merges.txt", format!("#version: 0.2\n{}", lines.collect::<String>()));

    let (expected, plain) = (copy.load().unwrap(), raw.load().unwrap());
    assert_eq!((plain.vocab_size(), plain.end()), (400, None));
    for text in TEXTS {
        assert_eq!(plain.encode(text), expected.encode_plain(text));
    }
    raw.write("tokenizer_config.json", r#"{"eos_token": "<|end|>", "pad_token": "<|start|>"}"#);
    for text in TEXTS {
        assert_eq!(raw.load().unwrap().encode(text), expected.encode(text));
    }
}
