//! The benchmark of devices. It is run with little time, so that most figures are skipped.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{assert_contains, burn_pg, command, json, refused, success, text, usage_error};

const FLEX: [&str; 7] = ["bench", "devices", "--quick", "--device", "flex", "--seconds", "1"];

#[test]
fn each_device_has_figures_in_the_json() {
    let folder = tempfile::tempdir().unwrap();
    let report = json(&burn_pg(folder.path(), ["bench", "devices", "--quick", "--seconds", "1", "--json"]));
    assert_eq!((&report["version"], &report["quick"]), (&env!("CARGO_PKG_VERSION").into(), &true.into()));
    assert!(report["machine"]["cores"].as_u64().unwrap() > 0, "{report}");
    let devices = report["devices"].as_array().unwrap();
    assert_eq!(devices[0]["backend"], "flex");
    for device in devices {
        assert!(device["failure"].is_null(), "{device}");
        assert!(device["adapter"]["name"].is_string(), "{device}");
        let figures = device["figures"].as_array().unwrap();
        for kind in ["launch", "copy", "product", "inference", "update", "training", "device_time"] {
            assert!(figures.iter().any(|figure| figure["kind"] == kind), "{kind} in {device}");
        }
        assert_eq!(figures.iter().any(|figure| figure["kind"] == "environment"), device["adapter"]["kind"] == "cpu");
        for figure in figures {
            match figure["outcome"].as_str().unwrap() {
                "measured" => assert!(figure["median"].as_f64().unwrap() > 0.0, "{figure}"),
                "not_measured" => assert!(figure["reason"].is_string(), "{figure}"),
                outcome => assert_eq!(outcome, "skipped", "{figure}"),
            }
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "no file is written");
}

fn report(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join("report.json")).unwrap()).unwrap()
}

#[test]
fn a_report_is_written_once_and_continued_only_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let bench = |more: &[&str]| burn_pg(path, [&FLEX[..], &["--out", "report.md"], more].concat());
    let printed = bench(&[]);
    let markdown = fs::read_to_string(path.join("report.md")).unwrap();
    assert_eq!(success(&printed), markdown);
    assert!(markdown.starts_with("# Device benchmark\n"), "{markdown}");
    assert_contains(text(&printed.stderr), "written to report.md and report.json");
    let first = report(path);
    assert_eq!(fs::read_dir(path).unwrap().count(), 2);

    assert_contains(usage_error(&bench(&[])), "report.json already exists");
    // Nothing is left to measure, so that the figures stay the same.
    assert_eq!(success(&bench(&["--continue"])), markdown);
    assert_eq!(report(path), first);
    // A device that failed is measured again.
    let mut failed = first.clone();
    failed["devices"][0]["failure"] = "lost".into();
    failed["devices"][0]["figures"] = json!([]);
    fs::write(path.join("report.json"), failed.to_string()).unwrap();
    success(&bench(&["--continue"]));
    let again = report(path);
    assert_eq!(again["devices"].as_array().unwrap().len(), 1);
    assert!(again["devices"][0]["failure"].is_null() && !again["devices"][0]["figures"][0].is_null(), "{again}");

    let other_amount = burn_pg(path, ["bench", "devices", "--out", "report.md", "--continue"]);
    assert_contains(usage_error(&other_amount), "it was measured with --quick --seconds 1, and this is --seconds 100");
    let mut earlier = first.clone();
    earlier["version"] = "0.0.1".into();
    fs::write(path.join("report.json"), earlier.to_string()).unwrap();
    assert_contains(
        usage_error(&bench(&["--continue"])),
        "report.json cannot be continued: it was measured with burn-pg 0.0.1",
    );
    fs::write(path.join("report.json"), "{").unwrap();
    assert_contains(usage_error(&bench(&["--continue"])), "report.json is not a report of this program");
    fs::remove_file(path.join("report.json")).unwrap();
    assert_contains(usage_error(&bench(&["--continue"])), "report.md exists, but not report.json");
}

#[test]
fn unknown_devices_and_unusable_files_are_refused() {
    let bench = |more: &[&'static str]| [&["bench", "devices"], more].concat();
    refused(&bench(&["--device", "gpu"]), &["unknown device `gpu`", "known are: auto, cuda"]);
    refused(&bench(&["--device", "flex", "--adapter", "1"]), &["device `flex` has no adapter 1; it has: 0 (CPU)"]);
    refused(&bench(&["--adapter", "1"]), &["--device"]);
    refused(&bench(&["--out", "report.txt"]), &["--out report.txt", ".md"]);
    refused(&bench(&["--out", "none/report.md"]), &["there is no folder none"]);
    refused(&bench(&["--continue"]), &["--out"]);
    refused(&bench(&["--seconds", "0"]), &["--seconds", "from 1 to 3600"]);
}

#[test]
fn a_report_without_a_gpu_is_not_kept_for_the_device_auto() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let output = command(folder.path(), ["bench", "devices", "--quick", "--seconds", "1"])
        .env("BURN_PG_CACHE", &cache)
        .output()
        .unwrap();
    success(&output);
    assert!(!cache.exists() && !text(&output.stderr).contains("auto"), "{output:?}");
}
