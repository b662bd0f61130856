//! Training of a tokenizer.

use std::fs;

use burn_pg_lm::{
    ChatTemplate, Tokenizer,
    tokenizer::{TokenizerError, Training},
};

use crate::fixture::{self, Copy};

/// With the variable `BURN_PG_WRITE_FIXTURES` the trained tokenizer is written to the fixture.
#[test]
fn training_gives_the_fixture_to_the_byte() {
    let text = fs::read_to_string(fixture::folder().join("text.txt")).unwrap();
    let write = std::env::var_os("BURN_PG_WRITE_FIXTURES").is_some();
    let mut lines: Vec<_> = text.lines().collect();
    for _ in 0..2 {
        let tokenizer = Tokenizer::train(&lines, &fixture::training()).unwrap();
        assert_eq!(tokenizer.vocab_size(), 400);
        let copy = Copy::empty();
        tokenizer.save(if write { fixture::folder() } else { copy.path().into() }.as_path()).unwrap();
        if !write {
            for file in ["tokenizer.json", "tokenizer_config.json"] {
                let (trained, fixture) = (copy.path().join(file), fixture::folder().join(file));
                assert!(fs::read(trained).unwrap() == fs::read(fixture).unwrap(), "{file} differs");
            }
            assert!(ChatTemplate::load(copy.path()).unwrap().is_some());
        }
        // The order of the texts does not matter.
        lines.reverse();
    }
}

#[test]
fn impossible_trainings_are_refused() {
    let training = Training { vocab_size: 258, ..fixture::training() };
    let error = Tokenizer::train(["text"], &training).unwrap_err();
    assert!(matches!(error, TokenizerError::VocabularyTooSmall { size: 258, least: 259 }), "{error}");

    let training = Training { eos_token: Some("<eos>".into()), ..fixture::training() };
    let error = Tokenizer::train(["text"], &training).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`eos_token` is \"<eos>\", which is not in the vocabulary; remove the setting or correct it"
    );
}

#[test]
fn a_tokenizer_without_texts_has_bytes_only() {
    let training = Training { eos_token: None, chat_template: None, ..fixture::training() };
    let tokenizer = Tokenizer::train([""; 0], &training).unwrap();
    assert_eq!((tokenizer.vocab_size(), tokenizer.end()), (259, None));
    assert!(matches!(tokenizer.required_end(), Err(TokenizerError::NoEnd)));
    assert_eq!(tokenizer.encode("äb").len(), 3);
}

#[test]
fn texts_begin_with_the_end_token_if_that_is_asked_for() {
    let training = Training { starts_with_end: true, ..fixture::training() };
    let copy = Copy::empty();
    Tokenizer::train(["low lower lowest"], &training).unwrap().save(copy.path()).unwrap();
    let read = Tokenizer::load(copy.path()).unwrap();
    assert_eq!(read.start(), [read.end().unwrap()]);
    // What the post-processor adds is not a part of the text.
    assert!(!read.encode("low").contains(&read.end().unwrap()));
    assert!(fixture::tokenizer().start().is_empty());
}
