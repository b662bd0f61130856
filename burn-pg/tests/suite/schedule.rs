//! Schedules: the linear one compared with CleanRL's, the cosine with known values, and their notation in settings.

use burn_pg::optim::Schedule;
use serde::{Deserialize, Serialize};

use crate::{golden::golden, precision::assert_close};

#[derive(Deserialize)]
struct File {
    linear_lr: Vec<Decay>,
}

#[derive(Deserialize)]
struct Decay {
    iteration: u64,
    num_iterations: u64,
    lr0: f64,
    expected: f64,
}

#[test]
fn the_learning_rate_falls_as_in_cleanrl() {
    let file: File = golden("update/optimizers.json");
    assert!(!file.linear_lr.is_empty());
    for decay in file.linear_lr {
        let schedule = Schedule::Linear { start: decay.lr0, end: 0.0 };
        let ours = schedule.at((decay.iteration - 1) as f64 / decay.num_iterations as f64);
        // Relative to values of this magnitude.
        assert_close(&[ours / decay.lr0], &[decay.expected / decay.lr0], 1e-15, "learning rate");
    }
}

#[test]
fn a_schedule_leads_from_its_start_to_its_end() {
    for (start, end) in [(0.3, 0.1), (0.1, 0.3), (2.5e-4, 0.0)] {
        for schedule in [Schedule::Linear { start, end }, Schedule::Cosine { start, end }] {
            let what = format!("{schedule:?}");
            assert_eq!(schedule.ends(), [start, end], "{what}");
            assert_eq!(schedule.at(0.0), start, "{what}");
            assert_close(&[schedule.at(0.5)], &[f64::midpoint(start, end)], 1e-15, &what);
            assert_eq!([schedule.at(1.0), schedule.at(1.1)], [end; 2], "{what}");
            let distances: Vec<f64> =
                (0..=100).map(|update| (schedule.at(f64::from(update) / 100.0) - end).abs()).collect();
            assert!(distances.is_sorted_by(|before, after| before > after), "{what}: {distances:?}");
        }
    }
    let constant = Schedule::from(0.5);
    assert_eq!((constant.at(0.7), constant.ends()), (0.5, [0.5, 0.5]));
}

#[test]
fn a_cosine_falls_as_the_cosine_does() {
    let cosine = Schedule::Cosine { start: 3.0, end: 1.0 };
    // cos 60 degrees is 1/2, and cos 45 degrees is 1 / sqrt 2.
    assert_close(&[cosine.at(1.0 / 3.0), cosine.at(2.0 / 3.0)], &[2.5, 1.5], 1e-15, "thirds");
    assert_close(&[cosine.at(0.25)], &[2.0 + std::f64::consts::FRAC_1_SQRT_2], 1e-15, "a quarter");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Rates {
    rate: Schedule,
}

#[test]
fn schedules_are_written_as_numbers_or_tables() {
    for (text, schedule) in [
        ("rate = 0.25", Schedule::Constant { value: 0.25 }),
        ("rate = 3", Schedule::Constant { value: 3.0 }),
        ("rate = { kind = 'constant', value = 1 }", Schedule::Constant { value: 1.0 }),
        ("rate = { kind = 'linear', start = 1 }", Schedule::Linear { start: 1.0, end: 0.0 }),
        ("rate = { kind = 'linear', start = 1.0, end = 0.5 }", Schedule::Linear { start: 1.0, end: 0.5 }),
        ("rate = { kind = 'cosine', start = 1.0 }", Schedule::Cosine { start: 1.0, end: 0.0 }),
        ("[rate]\nstart = 1.0\nend = 0.5\nkind = 'cosine'", Schedule::Cosine { start: 1.0, end: 0.5 }),
    ] {
        let rates: Rates = toml::from_str(text).unwrap();
        assert_eq!(rates, Rates { rate: schedule }, "{text}");
        assert_eq!(toml::from_str::<Rates>(&toml::to_string(&rates).unwrap()).unwrap(), rates, "{text}");
        let json = serde_json::to_string(&rates).unwrap();
        assert_eq!(serde_json::from_str::<Rates>(&json).unwrap(), rates, "{text}");
    }
    assert_eq!(toml::to_string(&Rates { rate: Schedule::Constant { value: 0.25 } }).unwrap(), "rate = 0.25\n");
    for (text, message) in [
        ("rate = { kind = 'liner', start = 1.0 }", "unknown variant `liner`, expected one of `constant`, `linear`"),
        ("rate = { kind = 'linear', start = 1.0, stop = 0.5 }", "unknown field `stop`"),
        ("rate = { kind = 'linear' }", "missing field `start`"),
        ("rate = { start = 1.0 }", "missing field `kind`"),
        ("rate = 'fast'", "expected a number, or a table whose `kind` is"),
    ] {
        let error = toml::from_str::<Rates>(text).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}
