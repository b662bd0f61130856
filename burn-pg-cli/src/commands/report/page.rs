//! A report as one HTML page.

use std::fmt::Write;

use base64::{Engine, prelude::BASE64_STANDARD};

use super::table::{COLUMNS, OF_GROUPS};
use crate::{commands::how_to_go_on::quoted, comparison::Machine, program, runs::Run};

/// The look of the page; readable on a screen of any size, in the dark, and on paper.
const STYLE: &str = include_str!("page.css");

/// What a report shows.
pub struct Page<'a> {
    pub title: String,
    /// The curve of the returns, as SVG.
    pub curve: String,
    /// Other figures of the first run, as SVG.
    pub figures: Vec<String>,
    pub table: Vec<[String; 7]>,
    /// Empty if no group has several runs.
    pub groups: Vec<[String; 4]>,
    pub film: Option<Film>,
    pub runs: &'a [Run],
}

/// An episode that was played.
pub struct Film {
    pub gif: Vec<u8>,
    pub caption: String,
}

impl Page<'_> {
    pub fn html(&self) -> String {
        let (title, first) = (escaped(&self.title), &self.runs[0]);
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        );
        let _ = writeln!(html, "<p class=\"about\">{}</p>", escaped(&about(first)));
        let _ = writeln!(html, "<h2>Returns</h2>\n<figure>{}</figure>", self.curve);
        if !self.groups.is_empty() {
            html += &table(&OF_GROUPS, &self.groups);
        }
        html += &table(&COLUMNS, &self.table);
        if let Some(film) = &self.film {
            let (data, caption) = (BASE64_STANDARD.encode(&film.gif), escaped(&film.caption));
            let _ = writeln!(
                html,
                "<h2>An episode</h2>\n<figure><img alt=\"{title}: an episode\" src=\"data:image/gif;base64,{data}\">\
                 <figcaption>The policy of {} with its most probable actions: {caption}</figcaption></figure>",
                escaped(&first.path.display().to_string())
            );
        }
        if !self.figures.is_empty() {
            let path = escaped(&first.path.display().to_string());
            let figures = self.figures.iter().map(|figure| format!("<figure>{figure}</figure>\n"));
            let _ = writeln!(html, "<h2>Figures of {path}</h2>\n<div class=\"figures\">");
            html.extend(figures);
            html += "</div>\n";
        }
        // Runs on texts have settings of their own.
        if first.config.run.source.is_none() {
            let _ = writeln!(html, "<h2>To repeat it</h2>\n<pre>{}</pre>", escaped(&self.commands()));
        }
        html += "<h2>Settings</h2>\n";
        for run in self.runs {
            let (path, settings) = (escaped(&run.path.display().to_string()), escaped(&run.config.to_toml()));
            let _ = writeln!(html, "<details><summary>{path}</summary>\n<pre>{settings}</pre></details>");
        }
        html + "</body>\n</html>"
    }

    /// Returns the commands that repeat the runs.
    fn commands(&self) -> String {
        let command = |run: &Run| {
            let config = quoted(&run.path.join("config.toml"));
            let device = run.summary.as_ref().and_then(|summary| summary["device"].as_str().map(str::to_owned));
            let device = device.map_or_else(String::new, |device| format!(" --device {device}"));
            let from = run.summary.as_ref().and_then(|summary| summary["init_from"].as_str());
            let from = from.map_or_else(String::new, |from| format!(" --init-from {}", quoted(from.as_ref())));
            program::command(format_args!("train --config {config}{device}{from}"))
        };
        self.runs.iter().map(command).collect::<Vec<_>>().join("\n")
    }
}

/// Returns what the first run was trained with.
fn about(run: &Run) -> String {
    let text = |key: &str| run.summary.as_ref().and_then(|summary| summary[key].as_str().map(str::to_owned));
    let version = text("version").unwrap_or_else(|| env!("CARGO_PKG_VERSION").into());
    let machine = text("machine").unwrap_or_else(|| format!("{} (where this report was written)", Machine::this()));
    let device = text("device").map_or_else(String::new, |device| format!(", device {device}"));
    format!("burn-pg {version}{device}; {machine}")
}

fn table<const N: usize>(columns: &[&str; N], rows: &[[String; N]]) -> String {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        cells.fold(String::new(), |row, cell| row + &format!("<{tag}>{}</{tag}>", escaped(cell)))
    };
    let head = cells("th", &mut columns.iter().copied());
    let line = |row: &[String; N]| format!("<tr>{}</tr>\n", cells("td", &mut row.iter().map(String::as_str)));
    let body: String = rows.iter().map(line).collect();
    format!("<div class=\"wide\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n")
}

/// Returns a text as HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_break_the_page() {
        assert_eq!(escaped("<b> & \"c\""), "&lt;b&gt; &amp; &quot;c&quot;");
        let rows = [["<script>".to_owned(), "2".to_owned()]];
        let html = table(&["a", "b"], &rows);
        assert!(html.contains("<th>a</th><th>b</th>") && html.contains("<td>&lt;script&gt;</td><td>2</td>"), "{html}");
    }
}
