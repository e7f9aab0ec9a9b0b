//! The report as JUnit's XML, which every continuous integration reads.

use super::{Report, Verdict};
use std::fmt::Write;

pub(super) fn junit(report: &Report) -> String {
    let Report { connector, failed, not_applicable, rows, .. } = report;
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" skipped=\"{not_applicable}\">",
        escaped(connector),
        rows.len()
    );
    for row in rows {
        let name = format!("{:02} {}", row.number, row.name);
        let _ = write!(xml, "  <testcase classname=\"{}\" name=\"{}\"", escaped(row.area), escaped(&name));
        let _ = match &row.verdict {
            Verdict::Passed { .. } => writeln!(xml, "/>"),
            Verdict::Failed { problems } => writeln!(
                xml,
                "><failure message=\"{}\">{}</failure></testcase>",
                escaped(row.claim),
                escaped(&problems.join("\n"))
            ),
            Verdict::NotApplicable { reason } => {
                writeln!(xml, "><skipped message=\"{}\"/></testcase>", escaped(reason))
            }
        };
    }
    xml.push_str("</testsuite>\n");
    xml
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
