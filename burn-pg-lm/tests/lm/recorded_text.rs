//! Texts, tokens and conversations recorded from Hugging Face's `tokenizers` and `transformers`.
//!
//! The vocabularies are not part of this repository. `BURN_PG_GPT2` names a folder with GPT-2's `vocab.json` and
//! `merges.txt`, and `BURN_PG_SMOLLM2` one with SmolLM2's `tokenizer.json`; without them the tests do nothing but say
//! so.

use std::path::PathBuf;

use burn_pg_lm::{ChatTemplate, Message, Tokenizer};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    strings: Vec<String>,
    gpt2: Encoded,
    smollm2: Encoded,
    control_tokens_smollm2: Vec<(u32, String)>,
    prefix_decoding_smollm2: Vec<Prefix>,
    chat_template: String,
    chats: Vec<Chat>,
}

#[derive(Deserialize)]
struct Encoded {
    vocab_size: usize,
    ids: Vec<Vec<u32>>,
}

#[derive(Deserialize)]
struct Prefix {
    ids: Vec<u32>,
    text: String,
}

#[derive(Deserialize)]
struct Chat {
    messages: Vec<Message>,
    add_generation_prompt: bool,
    text: String,
    ids: Vec<u32>,
}

fn golden() -> Golden {
    serde_json::from_value(crate::helpers::golden("tokenizers")).unwrap()
}

/// Returns the recording and the folder that a variable names.
fn with_folder(variable: &str) -> Option<(Golden, PathBuf)> {
    let Some(folder) = std::env::var_os(variable) else {
        eprintln!("skipped: {variable} is not set");
        return None;
    };
    Some((golden(), folder.into()))
}

fn check_strings(tokenizer: &Tokenizer, strings: &[String], expected: &Encoded) {
    assert_eq!(tokenizer.vocab_size(), expected.vocab_size);
    assert_eq!((strings.len(), expected.ids.len()), (88, 88));
    for (text, ids) in strings.iter().zip(&expected.ids) {
        assert_eq!(tokenizer.encode(text), *ids, "{text:?}");
        assert_eq!(tokenizer.decode(ids).unwrap(), *text);
        assert_eq!(tokenizer.decode(&tokenizer.encode_plain(text)).unwrap(), *text);
        let mut decoder = tokenizer.decoder();
        let shown: String = ids.iter().filter_map(|id| decoder.push(*id).unwrap()).collect();
        assert_eq!((shown, decoder.finish()), (text.clone(), None));
    }
}

#[test]
fn gpt2_encodes_as_recorded() {
    let Some((golden, folder)) = with_folder("BURN_PG_GPT2") else { return };
    let tokenizer = Tokenizer::load(&folder).unwrap();
    check_strings(&tokenizer, &golden.strings, &golden.gpt2);
    assert_eq!(tokenizer.end(), Some(50256));
}

#[test]
fn smollm2_encodes_as_recorded() {
    let Some((golden, folder)) = with_folder("BURN_PG_SMOLLM2") else { return };
    let tokenizer = Tokenizer::load(&folder).unwrap();
    check_strings(&tokenizer, &golden.strings, &golden.smollm2);
    assert_eq!(tokenizer.end(), tokenizer.token("<|im_end|>"));
    for (id, token) in golden.control_tokens_smollm2 {
        assert_eq!((tokenizer.token(&token), tokenizer.encode(&token)), (Some(id), vec![id]));
        assert!(!tokenizer.encode_plain(&token).contains(&id), "{token}");
    }
}

#[test]
fn prefixes_are_decoded_as_recorded() {
    let Some((golden, folder)) = with_folder("BURN_PG_SMOLLM2") else { return };
    let tokenizer = Tokenizer::load(&folder).unwrap();
    let whole = &golden.prefix_decoding_smollm2.last().unwrap().text;
    for Prefix { ids, text } in &golden.prefix_decoding_smollm2 {
        assert_eq!(tokenizer.decode(ids).unwrap(), *text);
        let mut decoder = tokenizer.decoder();
        let shown: String = ids.iter().filter_map(|id| decoder.push(*id).unwrap()).collect();
        assert!(whole.starts_with(&shown) && text.trim_end_matches('\u{FFFD}') == shown);
        assert_eq!(shown + &decoder.finish().unwrap_or_default(), *text);
    }
}

#[test]
fn chats_are_rendered_as_recorded() {
    let golden = golden();
    let template = ChatTemplate::new(&golden.chat_template, []).unwrap();
    assert_eq!(golden.chats.len(), 20);
    for chat in &golden.chats {
        assert_eq!(template.render(&chat.messages, chat.add_generation_prompt).unwrap(), chat.text);
    }
}

#[test]
fn chats_are_encoded_as_recorded() {
    let Some((golden, folder)) = with_folder("BURN_PG_SMOLLM2") else { return };
    let tokenizer = Tokenizer::load(&folder).unwrap();
    let template = ChatTemplate::load(&folder).unwrap().unwrap();
    for chat in &golden.chats {
        let text = template.render(&chat.messages, chat.add_generation_prompt).unwrap();
        assert_eq!(tokenizer.encode(&text), chat.ids);
        assert_eq!(tokenizer.decode(&chat.ids).unwrap(), chat.text);
    }
}
