//! Rewards of decoded text: words, sentiment, and programs.

use std::{fs, path::PathBuf};

use burn_pg_lm::{
    data::DataError,
    reward::{Answer, Contains, Lexicon, RuleError, TextReward, Words},
};
use tempfile::TempDir;

use crate::helpers::assert_close;

fn answer(completion: &str) -> Answer<'_> {
    Answer { prompt: "the the the", completion, ended: true, columns: None }
}

fn scores(reward: &mut dyn TextReward, completions: &[&str]) -> Vec<f64> {
    let texts: Vec<_> = completions.iter().map(|completion| answer(completion)).collect();
    reward.score(&texts).unwrap()
}

#[test]
fn a_function_of_one_text_is_a_reward() {
    let mut reward = |text: &Answer<'_>| if text.ended { text.prompt.len() as f64 } else { f64::NAN };
    let texts = [answer("a"), Answer { ended: false, ..answer("a") }];
    let found = reward.score(&texts).unwrap();
    assert!(found[0] == 11.0 && found[1].is_nan() && found.len() == 2);
}

#[test]
fn the_number_of_words_is_compared_with_a_target() {
    let mut reward = Words::new(4.0).unwrap();
    let completions = ["", "one, two - three", "It's four words now.", "a b c d e f g h i j k l"];
    assert_eq!(scores(&mut reward, &completions), [-1.0, -0.25, 0.0, -2.0]);
    assert_eq!(scores(&mut Words::new(0.5).unwrap(), &["a"]), [-1.0]);
}

#[test]
fn targets_that_are_none_are_refused() {
    for target in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        assert!(matches!(Words::new(target), Err(RuleError::Target { .. })));
    }
    assert_eq!(Words::new(-1.0).unwrap_err().to_string(), "the target is -1 words; it must be more than 0, and finite");
}

#[test]
fn whole_words_of_a_list_are_counted_in_any_case() {
    let mut reward = Contains::new(["cat", "Don\u{2019}t"]).unwrap();
    let completions = ["Cats, concatenated: the CAT,cat", "DON'T! don't", "no such thing", "", "--"];
    assert_eq!(scores(&mut reward, &completions), [0.4, 1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn lists_of_other_things_than_words_are_refused() {
    assert_eq!(Contains::new([""; 0]).unwrap_err(), RuleError::NoWords);
    for text in ["red car", "", ":)", "cat.", "half-way"] {
        assert_eq!(Contains::new(["dog", text]).unwrap_err(), RuleError::NotAWord { text: text.into() });
    }
    let message = Contains::new(["red car"]).unwrap_err().to_string();
    assert_eq!(message, "\"red car\" is not one word: give words of letters and digits, one by one");
}

fn file(content: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lexicon.txt");
    fs::write(&path, content).unwrap();
    (folder, path)
}

/// Valences of `vader_lexicon.txt`.
const VALENCES: &str = "\u{feff}smart\t1.7\t0.78102\t[2, 1]\r\nhandsome\t2.2\n\nfunny\t1.9\ngood\t1.9\tx\nhorrible\t-2.5\n\
                        bad\t9\nno\t-1.2\n:)\t2.0\n:D\t2.3\nbad\t-2.5\nwell-made\t1\n";

#[test]
fn sentiment_is_that_of_vader_for_sentences_without_its_other_rules() {
    let (_folder, path) = file(VALENCES);
    let mut reward = Lexicon::load(&path).unwrap();
    // The numbers are those in the README of `vaderSentiment`.
    let cases = [
        ("VADER is smart, handsome, and funny.", 0.8316),
        ("The book was good.", 0.4404),
        ("At least it isn't a horrible book.", 0.431),
        ("Not bad at all", 0.431),
    ];
    let (sentences, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    assert_close(&scores(&mut reward, &sentences), &expected, 5e-5, "sentiment");
}

#[test]
fn sentiment_is_a_sum_and_negations_reach_three_words() {
    let (_folder, path) = file(VALENCES);
    let lexicon = Lexicon::load(&path).unwrap();
    let score = |x: f64| x / (x * x + 15.0).sqrt();
    for (text, sum) in [
        ("", 0.0),
        ("a house", 0.0),
        ("good good BAD", 1.3),
        ("never a very good", -0.74 * 1.9),
        ("never a very very good", 1.9),
        ("good, not", 1.9),
        ("no no no", 0.0),
        ("don\u{2019}t, not good", -0.74 * 1.9),
        ("Knots good", 1.9),
        ("good :) :d (good):)", 1.9 + 2.0 + 2.3 + 1.9),
        ("(well-made) well-made", 1.0),
    ] {
        let found = lexicon.sentiment(text);
        assert!((found - score(sum)).abs() < 1e-12, "{text:?}: {found} instead of {}", score(sum));
    }
}

#[test]
fn damaged_lexicons_are_refused() {
    for (line, expected) in [
        ("bad -2.5", "it must have a word, a tab and a number"),
        ("\t-2.5", "there is no word before the tab"),
        ("bad\t", "the valence of \"bad\" is \"\"; it must be a finite number"),
        ("bad\tvery\t1", "the valence of \"bad\" is \"very\"; it must be a finite number"),
        ("bad\tinf", "the valence of \"bad\" is \"inf\"; it must be a finite number"),
        ("bad\tNaN", "the valence of \"bad\" is \"NaN\"; it must be a finite number"),
    ] {
        let (_folder, path) = file(format!("good\t1.9\n\n{line}\n"));
        let error = Lexicon::load(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("line 3 of {}: {expected}", path.display()));
    }
    let (_folder, path) = file(b"good\t1.9\nb\xff\t1");
    assert!(matches!(Lexicon::load(&path), Err(DataError::NotText { line: 2, at: 1, .. })));
    let (_folder, path) = file("\n");
    assert!(matches!(Lexicon::load(&path), Err(DataError::NoRecords { .. })));
    assert!(matches!(Lexicon::load(&path.with_file_name("missing")), Err(DataError::File(_))));
}

#[cfg(unix)]
mod scripts {
    use std::{
        fs,
        path::Path,
        process::{Command, Stdio},
        thread,
        time::{Duration, Instant},
    };

    use burn_pg::Error;
    use burn_pg_lm::reward::{Answer, Script, ScriptError, TextReward};

    use super::answer;

    /// Starts a shell script.
    fn script(script: &str) -> Script {
        Script::start("/bin/sh", ["-c", script]).unwrap()
    }

    /// Returns the error and the message for a batch of two texts.
    fn refusal(program: &str) -> (ScriptError, String) {
        let error = script(program).ask(&[answer("a"), answer("b")]).unwrap_err();
        let message = error.to_string();
        (error, message)
    }

    #[test]
    fn a_program_scores_texts_batch_after_batch() {
        let mut reward = script(
            r#"n=0; while IFS= read -r line; do n=$((n + 1)); case "$line" in
                '{"prompt":"p","completion":"a \"b\"\nc","ended":false}') echo "  0.25 " ;;
                *null*) echo null ;;
                *nan*) echo NaN ;;
                *) echo $n ;;
            esac; done"#,
        );
        let odd = Answer { prompt: "p", completion: "a \"b\"\nc", ended: false, columns: None };
        assert_eq!(reward.score(&[answer("x"), odd, answer("y")]).unwrap(), [1.0, 0.25, 3.0]);
        assert!(reward.score(&[]).unwrap().is_empty());
        let found = reward.score(&[answer("null"), answer("x")]).unwrap();
        assert!(found[0].is_nan() && found[1] == 5.0);
        assert!(reward.score(&[answer("nan")]).unwrap()[0].is_nan());
    }

    #[test]
    fn full_pipes_on_both_sides_do_not_stop_it() {
        let mut reward = script("while read -r line; do printf '%1000s\\n' 1; done; true").with_time_limit(LONG);
        let long = "x".repeat(1000);
        let texts = vec![answer(&long); 400];
        assert_eq!(reward.ask(&texts).unwrap(), [1.0; 400]);
    }

    const LONG: Duration = Duration::from_mins(5);

    #[test]
    fn a_program_that_cannot_be_started_is_named() {
        let error = Script::start("/nowhere/score", ["a"]).unwrap_err();
        assert!(error.to_string().starts_with("`/nowhere/score` cannot be started: "), "{error}");
    }

    #[test]
    fn an_exit_is_reported_with_its_code_and_last_messages() {
        let (error, message) =
            refusal("read -r line; echo 1; for i in 1 2 3 4 5 6; do echo m$i >&2; echo >&2; done; exit 3");
        assert!(matches!(error, ScriptError::Exited { answers: 1, texts: 2, .. }));
        let expected = "`/bin/sh` ended with exit status: 3 after 1 of 2 answers; the last lines of its standard error: \
                        m2 / m3 / m4 / m5 / m6";
        assert_eq!(message, expected);
        let (_, message) = refusal("kill -9 $$");
        assert_eq!(message, "`/bin/sh` ended with signal: 9 (SIGKILL) after 0 of 2 answers");
    }

    #[test]
    fn answers_that_are_no_numbers_are_shown() {
        for (given, shown) in
            [("good", "good"), ("", ""), ("1e999", "1e999"), ("[1]", "[1]"), ("1 2", "1 2"), ("\\377", "\u{fffd}")]
        {
            let (error, message) = refusal(&format!("read -r line; echo 1; printf '{given}\\n'; exec cat >/dev/null"));
            assert!(matches!(error, ScriptError::NoNumber { text: 2, texts: 2, .. }), "{error:?}");
            let expected = format!("`/bin/sh` answered text 2 of 2 with {shown:?}; it must be a number or `null`");
            assert_eq!(message, expected);
        }
    }

    #[test]
    fn long_answers_are_shortened() {
        for (given, shown) in [("printf 'é%.0s' $(seq 100)", "é"), ("printf '%010000d' 0", "0")] {
            let (_, message) = refusal(&format!("read -r line; {given}; exec cat >/dev/null"));
            let shown = shown.repeat(80) + "…";
            assert!(message.starts_with(&format!("`/bin/sh` answered text 1 of 2 with {shown:?};")), "{message}");
        }
    }

    #[test]
    fn a_program_that_stops_answering_is_reported() {
        for program in ["read -r line; echo 1", "read -r line; echo 1; exec sleep 600 >&-"] {
            let (error, message) = refusal(program);
            assert!(matches!(error, ScriptError::TooFew { answers: 1, texts: 2, .. }), "{error:?}");
            assert_eq!(
                message,
                "`/bin/sh` gave 1 of 2 answers and closed its output; it must answer each line and wait for more"
            );
        }
    }

    #[test]
    fn answers_that_nobody_asked_for_are_reported() {
        let mut reward = script("while read -r line; do printf '1\\n2\\n'; done");
        let error = reward.ask(&[answer("a")]).and_then(|_| {
            thread::sleep(Duration::from_millis(500));
            reward.ask(&[answer("b")])
        });
        let message = error.unwrap_err().to_string();
        let expected = "`/bin/sh` printed \"2\" after it had answered every text; it must print one line for each text";
        assert_eq!(message, expected);
    }

    #[test]
    fn a_batch_has_a_time_limit() {
        let start = Instant::now();
        let mut reward = script("read -r line; echo 1; exec sleep 600");
        assert_eq!(reward.ask(&[answer("a")]).unwrap(), [1.0]);
        reward = reward.with_time_limit(Duration::from_millis(250));
        // More than fits into a pipe, so that the writing thread waits too.
        let long = "x".repeat(100_000);
        let error = reward.ask(&[answer(&long), answer(&long)]).unwrap_err();
        assert!(matches!(error, ScriptError::TimeOut { answers: 0, texts: 2, .. }), "{error:?}");
        let expected = "`/bin/sh` gave 0 of 2 answers in 0.25 s; it must write out each answer at once, without a buffer, \
                        or be given more time";
        assert_eq!(error.to_string(), expected);
        assert!(start.elapsed() < Duration::from_mins(1));
    }

    #[test]
    fn nothing_is_scored_after_an_error() {
        let mut reward = script("echo no; cat >/dev/null");
        assert!(reward.ask(&[answer("a")]).is_err());
        let error = reward.score(&[answer("a")]).unwrap_err();
        assert!(matches!(&error, Error::Source { name, .. } if name == "script"));
        let expected = "the source `script` failed: `/bin/sh` was ended after an earlier error; start it again";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn the_program_is_killed_when_it_is_dropped_and_after_errors() {
        let is_running = |pid: &str| {
            Command::new("/bin/sh")
                .args(["-c", &format!("kill -0 {pid}")])
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success()
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let start = |answer: &str, path: &Path| {
            script(&format!("echo $$ >'{}'; read -r line; echo {answer}; exec sleep 600", path.display()))
        };
        let mut reward = start("1", &path);
        assert_eq!(reward.ask(&[answer("a")]).unwrap(), [1.0]);
        let pid = fs::read_to_string(&path).unwrap();
        assert!(is_running(pid.trim()));
        drop(reward);
        assert!(!is_running(pid.trim()));
        let mut reward = start("no", &path);
        assert!(reward.ask(&[answer("a")]).is_err());
        assert!(!is_running(fs::read_to_string(&path).unwrap().trim()));
    }
}
