//! A report as Markdown.

use std::fmt::Write;

use burn_pg::device::AdapterKind;

use crate::{
    comparison::{Crossover, Figure, Kind, Measured, NOISY, Outcome, Report, Rounds},
    numbers::grouped,
};

/// Renders a report.
pub fn render(report: &Report) -> String {
    let (conditions, mut text) = (&report.conditions, String::from("# Device benchmark\n\n"));
    line(
        &mut text,
        format_args!("{}, {}, `bench devices {}`.", conditions.program(), report.date, conditions.amount()),
    );
    line(&mut text, format_args!("{}.\n", conditions.machine));
    text.push_str(&devices(report));
    if !report.without_adapter.is_empty() {
        let names: Vec<_> = report.without_adapter.iter().map(|backend| format!("`{backend}`")).collect();
        line(&mut text, format_args!("\nNo adapter found: {}.", names.join(", ")));
    }
    line(
        &mut text,
        format_args!(
            "\nEach value is the median of several rounds, with the spread of the rounds (highest minus lowest) in \
             brackets. A figure\nwhose rounds spread by more than {:.0} % is marked as noisy. A figure for which there was no time is skipped; the \
             brackets\nthen contain the time of one iteration.",
            100.0 * NOISY
        ),
    );
    text.push_str(&crossovers(report));
    for kind in Kind::ALL {
        text.push_str(&figures(report, kind));
    }
    text.trim_end().to_owned()
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string can be written to");
}

/// Renders the list of devices.
fn devices(report: &Report) -> String {
    let mut rows = vec![["device", "adapter", "kind", "driver", "measured in"].map(String::from).to_vec()];
    for device in &report.devices {
        let kind = device.adapter.as_ref().map_or("unknown", |adapter| match adapter.kind {
            AdapterKind::Cpu => "CPU",
            AdapterKind::Gpu => "GPU",
            AdapterKind::Software => "software driver",
            AdapterKind::Broken => "cannot be opened",
        });
        let name = match (&device.adapter, device.backend.is_cpu()) {
            (_, true) => report.conditions.machine.cpu.as_deref().unwrap_or("unknown CPU"),
            (Some(adapter), false) => &adapter.name,
            (None, false) => "unknown",
        };
        let driver = device.driver.as_deref().unwrap_or("-");
        let seconds = format!("{:.0} s", device.seconds);
        rows.push([&*report.label(device), name, kind, driver, &seconds].map(String::from).to_vec());
    }
    let mut text = table(&rows);
    for device in &report.devices {
        if let Some(failure) = &device.failure {
            line(&mut text, format_args!("\n**{} failed**: {failure}.", report.label(device)));
        }
    }
    text
}

/// Renders the comparison with the CPU; nothing if there is none.
fn crossovers(report: &Report) -> String {
    let compared: Vec<_> = report.devices.iter().filter(|device| is_compared(report, device)).collect();
    if compared.is_empty() {
        return String::new();
    }
    let mut keys: Vec<(Kind, usize)> = Vec::new();
    for Crossover { kind, width, .. } in &report.crossovers {
        if !keys.contains(&(*kind, *width)) {
            keys.push((*kind, *width));
        }
    }
    let mut rows = vec![header("faster than `flex`", report, &compared)];
    for (kind, width) in keys {
        let cell = |device: &&Measured| match report.crossover(device, kind, width) {
            None => "not compared".into(),
            Some(Crossover { from_envs: Some(from), .. }) => format!("from {}", grouped(*from)),
            Some(Crossover { from_envs: None, compared: [_, largest], .. }) => {
                format!("not up to {}", grouped(*largest))
            }
        };
        let name = format!("{}, width {width}", kind.title().to_lowercase());
        rows.push([name].into_iter().chain(compared.iter().map(cell)).collect());
    }
    format!(
        "\n## Crossover\n\nThe number of environments from which a device is faster than the CPU (for updates, the number of \
         samples in a\nminibatch). Only the sizes below were tried.\n\n{}",
        table(&rows)
    )
}

fn is_compared(report: &Report, device: &Measured) -> bool {
    report.crossovers.iter().any(|found| (found.backend, found.index) == (device.backend, device.index))
}

fn header(first: &str, report: &Report, devices: &[&Measured]) -> Vec<String> {
    [first.to_owned()].into_iter().chain(devices.iter().map(|device| report.label(device))).collect()
}

/// Renders the figures of a kind, with a column for each device that has some.
fn figures(report: &Report, kind: Kind) -> String {
    let devices: Vec<_> = report.devices.iter().filter(|device| device.of_kind(kind).next().is_some()).collect();
    if devices.is_empty() {
        return String::new();
    }
    let mut names: Vec<&str> = Vec::new();
    for figure in devices.iter().flat_map(|device| device.of_kind(kind)) {
        if !names.contains(&&*figure.name) {
            names.push(&figure.name);
        }
    }
    let (mut rows, mut reasons) = (vec![header("", report, &devices)], Vec::new());
    for name in names {
        let cells = devices.iter().copied().map(|device| {
            let figure = device.of_kind(kind).find(|figure| figure.name == name);
            figure.map_or_else(|| "-".into(), |figure| cell(figure, &mut reasons))
        });
        rows.push([name.to_owned()].into_iter().chain(cells).collect());
    }
    let mut text = format!("\n## {}\n\n{}\n\n{}", kind.title(), kind.explanation(), table(&rows));
    if !reasons.is_empty() {
        text.push('\n');
    }
    for (number, reason) in (1..).zip(reasons) {
        line(&mut text, format_args!("{number}. {reason}."));
    }
    text
}

/// Renders a figure. The number of its reason, if it has no value, is the position in `reasons`.
fn cell<'a>(figure: &'a Figure, reasons: &mut Vec<&'a str>) -> String {
    let reason = match &figure.outcome {
        Outcome::Measured(rounds) => return measured(figure.kind, rounds),
        Outcome::NotMeasured { reason } => reason,
        Outcome::Skipped { seconds: None } => return "skipped".into(),
        Outcome::Skipped { seconds: Some(seconds) } => return format!("skipped ({} s)", digits(*seconds)),
    };
    let known = reasons.iter().position(|known| known == reason);
    let index = known.unwrap_or_else(|| {
        reasons.push(reason);
        reasons.len() - 1
    });
    format!("not measured ({})", index + 1)
}

fn measured(kind: Kind, rounds: &Rounds) -> String {
    let value = match kind {
        Kind::DeviceTime => format!("{:.0} %", 100.0 * rounds.median),
        Kind::Launch => digits(rounds.median),
        _ => prefixed(rounds.median),
    };
    let noisy = if rounds.noisy { ", noisy" } else { "" };
    format!("{value} ({:.0} %{noisy})", 100.0 * rounds.spread())
}

/// Writes three digits of a number and its prefix: `12.3 M`.
fn prefixed(value: f64) -> String {
    let prefixes = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match prefixes.into_iter().find(|(least, _)| value >= 0.9995 * least) {
        Some((unit, prefix)) => format!("{} {prefix}", digits(value / unit)),
        None => digits(value),
    }
}

/// Writes at least three digits of a number.
fn digits(value: f64) -> String {
    let decimals = match value {
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

/// Renders a table, the first row of which is its header. Columns are aligned, also for those who read the text.
fn table(rows: &[Vec<String>]) -> String {
    let escaped = |row: &Vec<String>| row.iter().map(|cell| cell.replace('|', "\\|")).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(escaped).collect();
    let columns = rows[0].len();
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default().max(3))
        .collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!(" {cell:<width$} |"));
        line(&mut text, format_args!("|{}", cells.collect::<String>()));
        if number == 0 {
            let rules = widths.iter().map(|width| format!(" {} |", "-".repeat(*width)));
            line(&mut text, format_args!("|{}", rules.collect::<String>()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use burn_pg::device::{Adapter, Backend};

    use super::*;
    use crate::comparison::{Conditions, Machine, Size};

    fn figure(kind: Kind, name: &str, size: Option<Size>, outcome: Outcome) -> Figure {
        Figure { kind, name: name.into(), size, unit: kind.unit().into(), outcome }
    }

    fn rounds(values: &[f64]) -> Outcome {
        Outcome::Measured(Rounds::of(values.to_vec()))
    }

    fn device(backend: Backend, name: &str, kind: AdapterKind, figures: Vec<Figure>) -> Measured {
        let adapter = Some(Adapter { name: name.into(), kind });
        Measured { adapter, seconds: 40.2, figures, ..Measured::new(backend, 0) }
    }

    /// A report with every kind of outcome.
    fn report() -> Report {
        let acting = |outcomes: [Outcome; 2]| {
            let figure = |(envs, outcome)| {
                figure(Kind::Inference, &format!("{envs} environments"), Some(Size { envs, width: 64 }), outcome)
            };
            [64, 1_024].into_iter().zip(outcomes).map(figure).collect::<Vec<_>>()
        };
        let mut cpu = acting([rounds(&[1e6, 1e6, 1.04e6]), rounds(&[2e6])]);
        let unsafe_code = Outcome::NotMeasured { reason: "it needs `unsafe`".into() };
        cpu.insert(0, figure(Kind::Launch, "replayed", None, unsafe_code.clone()));
        let mut gpu = acting([rounds(&[2e5, 3e5, 4e5]), rounds(&[1.234e7])]);
        gpu.insert(0, figure(Kind::Launch, "replayed", None, unsafe_code));
        gpu.insert(0, figure(Kind::Launch, "queued", None, rounds(&[31.24])));
        gpu.push(figure(Kind::Training, "8 environments", None, Outcome::Skipped { seconds: Some(4.5) }));
        gpu.push(figure(Kind::Training, "64 environments", None, Outcome::Skipped { seconds: None }));
        gpu.push(figure(Kind::DeviceTime, "inference", None, rounds(&[0.8])));
        let lost = Measured {
            failure: Some("its process ended with signal: 11 (SIGSEGV)".into()),
            seconds: 40.2,
            ..Measured::new(Backend::Vulkan, 0)
        };
        let devices = vec![
            device(Backend::Flex, "CPU", AdapterKind::Cpu, cpu),
            Measured {
                driver: Some("Vulkan, NVIDIA 570.86".into()),
                ..device(Backend::Wgpu, "A|B 100", AdapterKind::Gpu, gpu)
            },
            lost,
        ];
        let machine = Machine { os: "Debian 13".into(), arch: "x86_64".into(), cpu: Some("A 9".into()), cores: 8 };
        let commit = Some("0123456789abcdef".into());
        let conditions = Conditions { version: "0.1.0".into(), commit, machine, quick: true, seconds: 40 };
        let mut report = Report::new(conditions, "2026-11-27".into());
        for device in devices {
            report.insert(device);
        }
        report.add_without_adapter(&[Backend::Cuda]);
        report
    }

    #[test]
    fn a_report_is_rendered_with_a_column_for_each_device_and_the_reasons_for_what_is_missing() {
        assert_eq!(render(&report()), include_str!("example.md").trim_end());
    }

    #[test]
    fn a_report_is_read_back_from_its_json() {
        let report = report();
        assert_eq!(serde_json::from_str::<Report>(&serde_json::to_string(&report).unwrap()).unwrap(), report);
    }

    #[test]
    fn values_have_three_digits() {
        assert_eq!([0.164, 9.99, 12.34, 134.2].map(digits), ["0.16", "9.99", "12.3", "134"]);
        assert_eq!([12.3, 999.96, 1_234.0, 5.6e10].map(prefixed), ["12.3", "1.00 k", "1.23 k", "56.0 G"]);
    }
}
