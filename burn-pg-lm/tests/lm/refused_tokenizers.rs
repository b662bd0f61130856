//! Folders that are no tokenizer, or a damaged one.

use std::fs;

use burn_pg_lm::{FileError, tokenizer::TokenizerError};
use serde_json::{Value, json};

use crate::fixture::Copy;

#[test]
fn missing_files_are_named() {
    let folder = Copy::empty();
    let error = folder.load().unwrap_err();
    assert!(matches!(error, TokenizerError::NoTokenizer { .. }));
    assert!(
        error
            .to_string()
            .ends_with("has no tokenizer: it needs `tokenizer.json`, or both `vocab.json` and `merges.txt`")
    );
    folder.write("vocab.json", "{}");
    assert!(matches!(folder.load(), Err(TokenizerError::NoTokenizer { .. })));
}

#[test]
fn files_that_are_not_json_are_refused() {
    for file in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"] {
        let copy = Copy::new();
        copy.write(file, "{");
        assert!(copy.refusal().starts_with(&format!("{file} has invalid JSON: EOF")), "{}", copy.refusal());
        copy.write(file, "[]");
        assert!(matches!(
            copy.load(),
            Err(TokenizerError::File(FileError::Json { .. }) | TokenizerError::Unsupported { .. })
        ));
        copy.write(file, b"{\"\xC3\": 1}");
        assert_eq!(copy.refusal(), format!("{file} is not text in UTF-8: byte 2 is wrong"));
        fs::remove_file(copy.path().join(file)).unwrap();
        fs::create_dir(copy.path().join(file)).unwrap();
        assert_eq!(copy.refusal(), format!("{file} cannot be read"));
    }
}

#[cfg(unix)]
#[test]
fn links_to_anything_but_a_file_are_refused() {
    use std::os::unix::fs::symlink;

    let copy = Copy::new();
    fs::rename(copy.path().join("tokenizer.json"), copy.path().join("blob")).unwrap();
    symlink("blob", copy.path().join("tokenizer.json")).unwrap();
    assert!(copy.load().is_ok());
    fs::remove_file(copy.path().join("blob")).unwrap();
    assert_eq!(copy.refusal(), "tokenizer.json cannot be read");
}

#[test]
fn other_kinds_of_tokenizers_are_refused() {
    for (place, value, message) in [
        ("/model/type", json!("Unigram"), "`model.type` of the tokenizer is \"Unigram\"; supported: \"BPE\""),
        ("/model/dropout", json!(0.1), "`model.dropout` of the tokenizer is 0.1; supported: 0.0"),
        ("/model/byte_fallback", json!(true), "`model.byte_fallback` of the tokenizer is true; supported: false"),
        (
            "/model/end_of_word_suffix",
            json!("</w>"),
            "`model.end_of_word_suffix` of the tokenizer is \"</w>\"; supported: \"\"",
        ),
        (
            "/model/continuing_subword_prefix",
            json!("##"),
            "`model.continuing_subword_prefix` of the tokenizer is \"##\"; supported: \"\"",
        ),
        ("/decoder", json!(null), "`decoder` of the tokenizer is null; supported: \"ByteLevel\""),
        (
            "/decoder",
            json!({"type": "Fuse"}),
            "`decoder` of the tokenizer is {\"type\":\"Fuse\"}; supported: \"ByteLevel\"",
        ),
    ] {
        let copy = Copy::new();
        copy.set("tokenizer.json", place, value);
        assert_eq!(copy.refusal(), message);
    }
}

#[test]
fn damaged_vocabularies_are_refused() {
    for (place, value, message) in [
        ("/model/vocab/A", json!(300), "the tokenizer is damaged: two tokens have the id 300"),
        (
            "/model/merges/0",
            json!(["A", "B"]),
            "the tokenizer is damaged: merges make \"AB\", which is not in the vocabulary",
        ),
        (
            "/model/unk_token",
            json!("<unk>"),
            "the tokenizer is damaged: `model.unk_token` is \"<unk>\", which is not in the vocabulary",
        ),
        ("/added_tokens/0/id", json!(7), "the tokenizer is damaged: \"<|end|>\" must have the id 7, but has the id 0"),
        ("/added_tokens/0/content", json!(""), "the tokenizer is damaged: \"\" must have the id 0, but has no id"),
    ] {
        let copy = Copy::new();
        let mut definition = copy.json("tokenizer.json");
        *match definition.pointer_mut(place) {
            Some(old) => old,
            None => panic!("{place}"),
        } = value;
        copy.write("tokenizer.json", definition.to_string());
        assert_eq!(copy.refusal(), message);
    }
}

#[test]
fn an_added_token_beyond_a_gap_is_refused() {
    // The crate `tokenizers` gives the token the id 400.
    let copy = Copy::new();
    let mut tokens = copy.json("tokenizer.json")["added_tokens"].clone();
    let mut token = tokens[0].clone();
    (token["id"], token["content"]) = (json!(500), json!("<|new|>"));
    tokens.as_array_mut().unwrap().push(token);
    copy.set("tokenizer.json", "/added_tokens", tokens);
    assert_eq!(copy.refusal(), "the tokenizer is damaged: \"<|new|>\" must have the id 500, but has the id 400");
}

#[test]
fn settings_that_contradict_the_tokenizer_are_refused() {
    for (key, value, message) in [
        (
            "eos_token",
            json!("</s>"),
            "`eos_token` is \"</s>\", which is not in the vocabulary; remove the setting or correct it",
        ),
        (
            "pad_token",
            json!({"content": "[PAD]"}),
            "`pad_token` is \"[PAD]\", which is not in the vocabulary; remove the setting or correct it",
        ),
        (
            "eos_token",
            json!(3),
            "tokenizer_config.json has invalid JSON: `eos_token`: it must be a text, or an object with the \
             text as `content`",
        ),
        (
            "add_prefix_space",
            json!(true),
            "`add_prefix_space` of the tokenizer is true; supported: false, as in the file `tokenizer.json`",
        ),
        (
            "added_tokens_decoder",
            json!({"5": {"content": "<|end|>"}}),
            "the tokenizer is damaged: \"<|end|>\" must have the id 5, but has the id 0",
        ),
    ] {
        let copy = Copy::new();
        copy.set("tokenizer_config.json", &format!("/{key}"), value);
        assert_eq!(copy.refusal(), message);
    }
    let copy = Copy::new();
    copy.write("generation_config.json", r#"{"eos_token_id": [0, 400]}"#);
    assert_eq!(
        copy.refusal(),
        "the tokenizer is damaged: `eos_token_id` in `generation_config.json`: there is no token with the id \
         400; the largest id is 399"
    );
}

#[test]
fn vocabularies_in_two_files_are_checked() {
    let folder = Copy::empty();
    folder.write("vocab.json", r#"{"a": 0, "b": 1, "ab": 2}"#);
    folder.write("merges.txt", "#version: 0.2\na b\n");
    assert_eq!(folder.load().unwrap().encode("abba"), [2, 1, 0]);
    for (merges, expected) in [
        (
            "a b\n\na b c\n",
            "the tokenizer is damaged: line 3 of `merges.txt` is not two tokens with a space between them",
        ),
        ("ab a\n", "the tokenizer is damaged: merges make \"aba\", which is not in the vocabulary"),
        ("ab\n", "the tokenizer is damaged: line 1 of `merges.txt` is not two tokens with a space between them"),
    ] {
        folder.write("merges.txt", merges);
        assert!(folder.refusal().starts_with(expected), "{}", folder.refusal());
    }
    folder.write("merges.txt", "a b\n");
    folder.write("added_tokens.json", r#"{"<pad>": 3}"#);
    assert!(matches!(folder.load(), Err(TokenizerError::UnsupportedFile { .. })));
}

/// Damages the fixture in thousands of ways. None may panic.
#[test]
fn damaged_files_never_panic() {
    let copy = Copy::new();
    let text = fs::read(copy.path().join("tokenizer.json")).unwrap();
    let mut state = 7_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..400 {
        let mut damaged = text.clone();
        for _ in 0..=next(3) {
            let (at, length) = (next(damaged.len()), next(12));
            let end = (at + length).min(damaged.len());
            match next(3) {
                0 => drop(damaged.drain(at..end)),
                1 => damaged[at] = b" \"0,:{}[]a-"[next(11)],
                _ => damaged.extend_from_within(at..end),
            }
        }
        copy.write("tokenizer.json", &damaged);
        if let Ok(tokenizer) = copy.load() {
            let _ = tokenizer.encode("The robot doesn't know. <|end|> ä");
        }
    }
}

/// Replaces each value outside the vocabulary. None may panic.
#[test]
fn replaced_values_never_panic() {
    let copy = Copy::new();
    let original = copy.json("tokenizer.json");
    for place in places(&original, "") {
        for value in [json!(null), json!("x"), json!(-1), json!(4_294_967_295_u32), json!([]), json!({}), json!(true)] {
            let mut changed = original.clone();
            *changed.pointer_mut(&place).unwrap() = value;
            copy.write("tokenizer.json", changed.to_string());
            if let Ok(tokenizer) = copy.load() {
                let _ = tokenizer.encode("The robot doesn't know. <|end|> ä");
            }
        }
    }
}

/// Returns the places of the values in a JSON document: of long lists and objects, of a few.
fn places(value: &Value, place: &str) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).take(3).collect()
        }
        Value::Object(map) => map.iter().map(|(key, item)| (key.replace('/', "~1"), item)).take(12).collect(),
        _ => Vec::new(),
    };
    let mut all = vec![place.to_owned()];
    for (key, item) in inner {
        all.extend(places(item, &format!("{place}/{key}")));
    }
    all
}
