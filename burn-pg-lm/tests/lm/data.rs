//! Files of prompts, preferences, demonstrations, documents and ratings, and what is refused in them.

use std::{fmt::Debug, fs, path::Path};

use burn_pg::envs::EnvRng;
use serde_json::{Map, json};

use burn_pg_lm::{
    FileError, Message,
    data::{
        DataError, Demonstration, Pair, Prompt, Query, Rated, demonstrations, documents, pairs, pairs_of_ratings,
        prompts, ratings, split,
    },
};

/// Reads a file of this name and content.
fn read_as<T>(
    name: &str,
    content: impl AsRef<[u8]>,
    read: impl Fn(&Path) -> Result<Vec<T>, DataError>,
) -> Result<Vec<T>, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    read(&path)
}

fn read<T>(content: impl AsRef<[u8]>, read: impl Fn(&Path) -> Result<Vec<T>, DataError>) -> Result<Vec<T>, DataError> {
    read_as("data.jsonl", content, read)
}

/// Checks that a second line is refused for these reasons.
#[track_caller]
fn assert_refused<T: Debug>(
    good: &str,
    read_file: impl Fn(&Path) -> Result<Vec<T>, DataError>,
    lines: &[(&str, &str)],
) {
    for (line, expected) in lines {
        match read(format!("{good}\n{line}\n"), &read_file) {
            Err(DataError::Line { line: 2, reason, .. }) => assert_eq!(reason, *expected, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

fn text(text: &str) -> Prompt {
    Prompt::Text(text.into())
}

fn pair(prompt: Prompt) -> Pair {
    Pair { prompt, chosen: "b".into(), rejected: "c".into(), margin: None, tie: false }
}

#[test]
fn prompts_are_texts_or_conversations() {
    let content = concat!(
        "\u{feff}{\"prompt\": \"Grüße\\n\"}\r\n",
        "\n  \t\n",
        " {\"messages\": [{\"role\": \"system\", \"content\": \"\"}, {\"role\": \"user\", \"content\": \"Hi\"}], \
         \"prompt\": null}",
    );
    let chat = Prompt::Chat(vec![Message::new("system", ""), Message::new("user", "Hi")]);
    let query = |prompt| Query { prompt, columns: Map::new() };
    assert_eq!(read(content, prompts).unwrap(), [query(text("Grüße\n")), query(chat)]);
    let read = read(r#"{"prompt": "2 + 2", "answer": 4, "level": "easy"}"#, prompts).unwrap();
    let columns = json!({ "answer": 4, "level": "easy" }).as_object().unwrap().clone();
    assert_eq!(read, [Query { prompt: text("2 + 2"), columns }]);
}

#[test]
fn prompts_that_are_none_are_refused() {
    assert_refused(
        r#"{"prompt": "a"}"#,
        prompts,
        &[
            ("{}", "it must have `prompt` or `messages`"),
            (r#"{"prompt": ""}"#, "`prompt` is empty"),
            (r#"{"messages": []}"#, "`messages` is empty; it must have at least one turn"),
            (r#"{"prompt": "a", "messages": []}"#, "it has both `prompt` and `messages`; remove one of them"),
            (
                r#"{"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#,
                "the last turn of `prompt` is an answer (`assistant`) already; leave it out",
            ),
            (r#"{"promt": "a"}"#, "it must have `prompt` or `messages`"),
            (
                r#"{"prompt": "a", "completion": "b"}"#,
                "it has `completion`, which is not known before something is written; remove it",
            ),
            (
                r#"{"messages": [{"role": "user", "content": "a", "name": "b"}]}"#,
                "unknown field `name`, expected `role` or `content` (at byte 53 of the line)",
            ),
            (r#"{"prompt": "a", "prompt": "b"}"#, "duplicate field `prompt` (at byte 24 of the line)"),
            (
                r#"{"prompt": 1}"#,
                "invalid type: integer `1`, expected a text, or a list of turns with `role` and `content` \
                 (at byte 12 of the line)",
            ),
            (r#"["a"]"#, "it must be a JSON object, which begins with `{`"),
            (r#""a""#, "it must be a JSON object, which begins with `{`"),
            (r#"{"prompt": "a"} {"prompt": "b"}"#, "trailing characters (at byte 17 of the line)"),
            (r#"{"prompt": "a""#, "EOF while parsing an object (at byte 14 of the line)"),
        ],
    );
}

#[test]
fn pairs_have_margins_or_are_ties() {
    let content = [
        r#"{"prompt": "a", "chosen": "b", "rejected": "c"}"#,
        r#"{"chosen": "b", "rejected": "c", "margin": 0.5, "tie": false}"#,
        r#"{"messages": [{"role": "user", "content": "a"}], "chosen": "b", "rejected": "c", "tie": true}"#,
        r#"{"chosen": "b", "rejected": "c", "margin": 0}"#,
        r#"{"chosen": "b", "rejected": "c", "margin": null}"#,
    ];
    let expected = [
        pair(text("a")),
        Pair { margin: Some(0.5), ..pair(text("")) },
        Pair { tie: true, ..pair(Prompt::Chat(vec![Message::new("user", "a")])) },
        Pair { margin: Some(0.0), ..pair(text("")) },
        pair(text("")),
    ];
    assert_eq!(read(content.join("\n"), pairs).unwrap(), expected);
}

#[test]
fn pairs_that_say_nothing_or_contradict_themselves_are_refused() {
    assert_refused(
        r#"{"chosen": "b", "rejected": "c"}"#,
        pairs,
        &[
            (r#"{"chosen": "b", "rejected": "b"}"#, "`chosen` and `rejected` are equal"),
            (r#"{"chosen": "", "rejected": "b"}"#, "`chosen` is empty"),
            (r#"{"chosen": "b", "rejected": ""}"#, "`rejected` is empty"),
            (
                r#"{"chosen": "b", "rejected": "c", "margin": -0.5}"#,
                "`margin` is -0.5; it must be 0 or more, and finite",
            ),
            (r#"{"chosen": "b", "rejected": "c", "margin": 1e999}"#, "number out of range (at byte 48 of the line)"),
            (
                r#"{"chosen": "b", "rejected": "c", "margin": 1, "tie": true}"#,
                "it has both `margin` and `tie`; the margin of a tie must be left out",
            ),
            (
                r#"{"prompt": "a", "messages": [], "chosen": "b", "rejected": "c"}"#,
                "it has both `prompt` and `messages`; remove one of them",
            ),
            (
                r#"{"chosen": "b", "rejected": "c", "margn": 1, "score_chosen": 2}"#,
                "it has `margn`; did you mean `margin`?",
            ),
            (r#"{"chosen": "b"}"#, "missing field `rejected` (at byte 15 of the line)"),
            (r#"{"rejected": "b"}"#, "missing field `chosen` (at byte 17 of the line)"),
        ],
    );
}

#[test]
fn demonstrations_need_a_prompt_and_a_completion() {
    let content = "{\"prompt\": \"\", \"completion\": \"b\"}\n\
                   {\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"completion\": \"b\"}";
    let expected = [text(""), Prompt::Chat(vec![Message::new("user", "a")])]
        .map(|prompt| Demonstration { prompt, completion: "b".into() });
    assert_eq!(read(content, demonstrations).unwrap(), expected);
    assert_refused(
        r#"{"prompt": "a", "completion": "b"}"#,
        demonstrations,
        &[
            (r#"{"prompt": "a", "completion": ""}"#, "`completion` is empty"),
            (r#"{"completion": "b"}"#, "it must have `prompt` or `messages`"),
            (r#"{"prompt": "a"}"#, "it must have `completion`"),
            (
                r#"{"messages": [{"role": "user", "content": "a"}]}"#,
                "the last turn of `messages` has the role `user`; it must be `assistant`",
            ),
            (
                r#"{"messages": [{"role": "assistant", "content": "a"}]}"#,
                "`messages` is an answer to nothing; it needs a prompt, or turns before it",
            ),
            (
                r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}]}"#,
                "the last turn of `messages` is empty",
            ),
            (
                r#"{"prompt": "a", "messages": [], "completion": "b"}"#,
                "it has both `prompt` and `messages`; remove one of them",
            ),
            (r#"{"promt": "a", "completion": "b", "id": 1}"#, "it has `promt`; did you mean `prompt`?"),
        ],
    );
}

#[test]
fn conversations_may_stand_wherever_a_text_may() {
    let (question, [good, bad]) = (
        r#"{"role": "user", "content": "a"}"#,
        ["b", "c"].map(|text| format!(r#"{{"role": "assistant", "content": "{text}"}}"#)),
    );
    let chat = || Prompt::Chat(vec![Message::new("user", "a")]);
    let lines = [
        format!(r#"{{"prompt": [{question}], "chosen": [{good}], "rejected": [{bad}]}}"#),
        format!(r#"{{"messages": [{question}], "chosen": "b", "rejected": [{bad}]}}"#),
        format!(r#"{{"chosen": [{question}, {good}], "rejected": [{question}, {bad}]}}"#),
    ];
    assert_eq!(read(lines.join("\n"), pairs).unwrap(), [pair(chat()), pair(chat()), pair(chat())]);
    let lines = [
        format!(r#"{{"prompt": [{question}], "completion": [{good}]}}"#),
        format!(r#"{{"messages": [{question}, {good}]}}"#),
    ];
    let demonstration = || Demonstration { prompt: chat(), completion: "b".into() };
    assert_eq!(read(lines.join("\n"), demonstrations).unwrap(), [demonstration(), demonstration()]);
    let queries = read(format!(r#"{{"prompt": [{question}]}}"#), prompts).unwrap();
    assert_eq!(queries, [Query { prompt: chat(), columns: Map::new() }]);

    assert_refused(
        r#"{"chosen": "b", "rejected": "c"}"#,
        pairs,
        &[
            (
                &format!(r#"{{"chosen": [{question}, {good}], "rejected": [{bad}, {good}]}}"#),
                "`chosen` and `rejected` answer different turns",
            ),
            (
                &format!(r#"{{"chosen": "b", "rejected": [{question}, {bad}]}}"#),
                "one of `chosen` and `rejected` is a conversation, and the other one a text",
            ),
            (
                &format!(r#"{{"prompt": [{question}], "chosen": [{question}, {good}], "rejected": [{bad}]}}"#),
                "`chosen` has 2 turns; after a prompt it must have one",
            ),
            (
                &format!(r#"{{"prompt": "a", "chosen": [{good}], "rejected": [{bad}]}}"#),
                "`chosen` is a list of turns, but the prompt is a text",
            ),
            (r#"{"prompt": [], "chosen": "a", "rejected": "b"}"#, "`prompt` is empty; it must have at least one turn"),
            (r#"{"chosen": [], "rejected": "b"}"#, "`chosen` is empty; it must have at least one turn"),
        ],
    );
}

#[test]
fn documents_are_lines_or_json() {
    assert_eq!(
        read_as("a.txt", "\u{feff}one\r\n\n  two \n \n{\"text\": 3}", documents).unwrap(),
        ["one", "  two ", "{\"text\": 3}"]
    );
    for name in ["a.jsonl", "a.JSONL"] {
        assert_eq!(
            read_as(name, "{\"text\": \"one\\ntwo\"}\n\n{\"text\": \" \"}", documents).unwrap(),
            ["one\ntwo", " "]
        );
    }
    assert_refused(
        r#"{"text": "a"}"#,
        documents,
        &[
            (r#"{"text": ""}"#, "`text` is empty"),
            ("one", "it must be a JSON object, which begins with `{`"),
            (r#"{"texts": "a", "source": "b"}"#, "missing field `text` (at byte 29 of the line)"),
        ],
    );
}

#[test]
fn ratings_are_lists_of_finite_numbers() {
    let rated = read(r#"{"text": "a", "ratings": [1, -2.5]}"#, ratings).unwrap();
    assert_eq!(rated, [Rated { text: "a".into(), ratings: vec![1.0, -2.5] }]);
    assert_eq!(rated[0].mean(), -0.75);
    assert_refused(
        r#"{"text": "a", "ratings": [1]}"#,
        ratings,
        &[
            (r#"{"text": "", "ratings": [1]}"#, "`text` is empty"),
            (r#"{"text": "a", "ratings": []}"#, "`ratings` is empty; a text needs at least one rating"),
            (r#"{"text": "a", "ratings": [1, -1e999]}"#, "number out of range (at byte 35 of the line)"),
            (r#"{"text": "a", "ratings": [1, null]}"#, "invalid type: null, expected f64 (at byte 33 of the line)"),
            (r#"{"text": "a"}"#, "missing field `ratings` (at byte 13 of the line)"),
            (r#"{"text": "a", "ratings": [1], "rating": 1, "n": 1}"#, "it has `rating`; did you mean `ratings`?"),
        ],
    );
}

#[test]
fn a_bad_line_is_named_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.jsonl");
    fs::write(&path, "\u{feff}\n\r\n{\"prompt\": \"a\"}\n\n{}\n").unwrap();
    let error = prompts(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("line 5 of {}: it must have `prompt` or `messages`", path.display()));
}

#[test]
fn bytes_that_are_not_text_are_named_with_their_line() {
    for (content, expected) in
        [(&b"{\"prompt\": \"a\"}\n\n{\"\xff\"}"[..], (3, 2)), (b"\xff", (1, 0)), (b"a\n\xe2\x82", (2, 0))]
    {
        match read(content, prompts) {
            Err(DataError::NotText { line, at, .. }) => assert_eq!((line, at), expected),
            other => panic!("{other:?}"),
        }
    }
    let error = read(b"a\nb\xff", documents).unwrap_err().to_string();
    assert!(error.starts_with("line 2 of ") && error.ends_with(" is not text in UTF-8: byte 1 of the line is wrong"));
}

#[test]
fn files_without_records_are_refused() {
    for content in ["", "\n \r\n\t", "\u{feff}"] {
        let error = read(content, pairs).unwrap_err();
        assert!(matches!(error, DataError::NoRecords { .. }), "{error}");
        assert!(error.to_string().ends_with("data.jsonl has no records: all of its lines are blank"));
        assert!(matches!(read_as("a.txt", content, documents), Err(DataError::NoRecords { .. })));
    }
}

#[test]
fn files_that_cannot_be_read_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("missing.jsonl"), folder.path().into()] {
        let error = prompts(&path).unwrap_err();
        assert!(matches!(error, DataError::File(FileError::Read { .. })), "{error}");
    }
}

#[test]
fn a_split_repeats_and_keeps_every_item() {
    let items: Vec<u32> = (0..10).collect();
    let (train, held_out) = split(items.clone(), 0.25, 7);
    assert_eq!((train.len(), held_out.len()), (7, 3));
    assert_eq!(split(items.clone(), 0.25, 7), (train.clone(), held_out.clone()));
    assert_ne!(split(items.clone(), 0.25, 8), (train.clone(), held_out.clone()));
    let mut all = [train, held_out].concat();
    assert_ne!(all, items);
    all.sort_unstable();
    assert_eq!(all, items);
}

#[test]
fn a_split_may_hold_out_nothing_or_everything() {
    assert!(split(vec![1, 2, 3], 0.0, 0).1.is_empty());
    assert!(split(vec![1, 2, 3], 1.0, 0).0.is_empty());
    assert_eq!(split(Vec::<u32>::new(), 0.5, 0), (Vec::new(), Vec::new()));
}

#[test]
#[should_panic(expected = "the share is NaN; it must be between 0 and 1")]
fn a_share_that_is_no_share_is_refused() {
    let _ = split(vec![1], f64::NAN, 0);
}

fn rated(text: &str, ratings: &[f64]) -> Rated {
    Rated { text: text.into(), ratings: ratings.into() }
}

#[test]
fn the_mean_is_that_of_all_raters() {
    assert_eq!(rated("a", &[1.0, -2.5, 3.0]).mean(), 0.5);
}

#[test]
fn a_pair_compares_one_rating_of_each_text() {
    // `b` is above `a` for one of its two raters, and above `c` for both.
    let texts = [rated("a", &[1.0]), rated("b", &[0.0, 2.0]), rated("c", &[-1.0])];
    let draw = |seed| pairs_of_ratings(&texts, 6000, &mut EnvRng::new(seed)).unwrap();
    let pairs = draw(3);
    assert_eq!(pairs, draw(3));
    assert_ne!(pairs, draw(4));
    let count = |chosen: &str, rejected: &str| {
        pairs.iter().filter(|pair| pair.chosen == chosen && pair.rejected == rejected).count()
    };
    assert_eq!((count("c", "a"), count("c", "b")), (0, 0));
    // 1000 and 2000 are expected, within five standard deviations of 29 and 37.
    for (found, expected, bound) in [
        (count("a", "b"), 1000_usize, 145),
        (count("b", "a"), 1000, 145),
        (count("a", "c"), 2000, 185),
        (count("b", "c"), 2000, 185),
    ] {
        assert!(found.abs_diff(expected) < bound, "{found} instead of {expected}");
    }
    assert!(pairs.iter().all(|pair| pair.margin.is_none() && !pair.tie && pair.prompt == text("")));
}

#[test]
fn rare_differences_are_found() {
    let mut texts: Vec<_> = (0..100).map(|i| rated(&i.to_string(), &[0.0])).collect();
    texts[37].ratings = vec![1.0];
    let pairs = pairs_of_ratings(&texts, 50, &mut EnvRng::new(0)).unwrap();
    assert!(pairs.len() == 50 && pairs.iter().all(|pair| pair.chosen == "37"));
}

#[test]
fn equal_ratings_and_equal_texts_do_not_loop_forever() {
    for second in [rated("b", &[1.0]), rated("a", &[0.0])] {
        let error = pairs_of_ratings(&[rated("a", &[1.0]), second], 3, &mut EnvRng::new(0)).unwrap_err();
        assert!(matches!(error, DataError::EqualRatings { drawn: 0, wanted: 3, attempts: 100_000 }));
    }
}

#[test]
fn fewer_than_two_texts_are_refused() {
    for texts in [&[][..], &[rated("a", &[1.0])]] {
        let error = pairs_of_ratings(texts, 1, &mut EnvRng::new(0)).unwrap_err();
        assert!(matches!(error, DataError::TooFewTexts { texts: found } if found == texts.len()));
    }
}
