//! The outcome of a run on texts, for people.

use std::fmt::Write;

use serde_json::Value;

/// Returns the lines that tell what came of a run, from its summary.
pub fn shown(summary: &Value) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let mut text = match summary["trained"].as_bool() {
        Some(false) => "nothing was left to train".to_owned(),
        _ => format!("trained {} updates in {:.1} s", summary["updates"], number(&summary["train_seconds"])),
    };
    let last = &summary["last"];
    if last.get("score").is_some() {
        let _ = write!(
            text,
            "\nlast update: score {:.3}, {:.1} tokens a completion, {:.0} % cut off",
            number(&last["score"]),
            number(&last["completion_length"]),
            100.0 * number(&last["truncated_share"]),
        );
        if let Some(divergence) = last.get("kl_per_text") {
            let _ = write!(text, ", KL divergence from the reference {:.2} nats", number(divergence));
        }
    }
    let held_out = &summary["held_out"];
    match held_out["of"].as_str() {
        Some("texts") => {
            let _ = write!(
                text,
                "\nheld out: {} texts, {} tokens, loss {:.4} nats a token, perplexity {:.2}",
                held_out["texts"],
                held_out["tokens"],
                number(&held_out["loss"]),
                number(&held_out["perplexity"]),
            );
        }
        Some("pairs") => {
            let _ = write!(text, "\nheld out: {}", pairs(held_out));
        }
        _ => {}
    }
    let _ = write!(text, "\nmodel saved in {}", summary["model"].as_str().unwrap_or_default());
    text
}

/// Returns the lines that tell how well preferences were predicted.
pub fn pairs(figures: &Value) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let interval = &figures["interval"];
    let mut text = format!(
        "{} pairs, accuracy {:.1} % (95 % interval {:.1} to {:.1})",
        figures["pairs"],
        100.0 * number(&figures["accuracy"]),
        100.0 * number(&interval[0]),
        100.0 * number(&interval[1]),
    );
    for range in figures["calibration"].as_array().into_iter().flatten() {
        let _ = write!(
            text,
            "\n  predicted {:>3.0} %, right {:>3.0} % of {} pairs",
            100.0 * number(&range["predicted"]),
            100.0 * number(&range["observed"]),
            range["pairs"],
        );
    }
    text
}
