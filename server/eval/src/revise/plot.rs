//! Drawings of the report, as SVG that stands in the page. It knows labels and numbers only.

use std::fmt::Write;

/// A text that may stand in HTML and in attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// A label and its bars; `None` draws a dash.
pub(crate) struct Group {
    pub(crate) label: String,
    /// Shares between 0 and 1, with what is written beside the bar.
    pub(crate) bars: Vec<Share>,
}

/// A share between 0 and 1 with its words; `None` where there is nothing to say.
pub(crate) type Share = Option<(f64, String)>;

const LEFT: f64 = 190.0;
const WIDTH: f64 = 520.0;
const BAR: f64 = 15.0;

/// Horizontal bars in groups, one colour for each series.
pub(crate) fn bars(groups: &[Group], series: &[&str]) -> String {
    let mut body = String::new();
    let mut y = 26.0;
    for (at, name) in series.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a handful of series")]
        let x = LEFT + at as f64 * 150.0;
        let _ = write!(
            body,
            r#"<rect class="s{at}" x="{x:.0}" y="2" width="11" height="11"/><text x="{:.0}" y="12">{}</text>"#,
            x + 16.0,
            escape(name)
        );
    }
    for group in groups {
        let _ = write!(
            body,
            r#"<text class="label" x="{:.0}" y="{:.0}">{}</text>"#,
            LEFT - 8.0,
            y + 12.0,
            escape(&group.label)
        );
        for (at, bar) in group.bars.iter().enumerate() {
            let (length, words) = match bar {
                Some((share, words)) => (share.clamp(0.0, 1.0) * WIDTH, words.as_str()),
                None => (0.0, "–"),
            };
            let _ = write!(
                body,
                r#"<rect class="s{at}" x="{LEFT:.0}" y="{y:.1}" width="{length:.1}" height="{:.1}"/><text x="{:.1}" y="{:.1}">{}</text>"#,
                BAR - 2.0,
                LEFT + length + 5.0,
                y + 11.0,
                escape(words)
            );
            y += BAR;
        }
        y += 9.0;
    }
    for tenth in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let x = LEFT + tenth * WIDTH;
        let _ = write!(
            body,
            r#"<line x1="{x:.1}" x2="{x:.1}" y1="20" y2="{y:.0}"/><text class="tick" x="{x:.1}" y="{:.0}">{:.0} %</text>"#,
            y + 13.0,
            tenth * 100.0
        );
    }
    svg(LEFT + WIDTH + 130.0, y + 20.0, &body)
}

/// One bar a label, cut into parts; each part a colour.
pub(crate) fn stacks(rows: &[(String, Vec<usize>)], series: &[&str]) -> String {
    let mut body = String::new();
    let mut x = LEFT;
    for (at, name) in series.iter().enumerate() {
        let _ = write!(
            body,
            r#"<rect class="s{at}" x="{x:.0}" y="2" width="11" height="11"/><text x="{:.0}" y="12">{}</text>"#,
            x + 16.0,
            escape(name)
        );
        #[expect(clippy::cast_precision_loss, reason = "a short word")]
        let width = name.len() as f64 * 6.6;
        x += width + 34.0;
    }
    let mut y = 26.0;
    for (label, parts) in rows {
        let sum: usize = parts.iter().sum();
        let _ = write!(
            body,
            r#"<text class="label" x="{:.0}" y="{:.0}">{}</text>"#,
            LEFT - 8.0,
            y + 14.0,
            escape(label)
        );
        let mut x = LEFT;
        for (at, part) in parts.iter().enumerate().filter(|it| *it.1 > 0) {
            #[expect(clippy::cast_precision_loss, reason = "counts of questions are small")]
            let width = *part as f64 / sum.max(1) as f64 * WIDTH;
            let _ = write!(
                body,
                r#"<rect class="s{at}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="18"><title>{}: {part}</title></rect>"#,
                escape(series.get(at).copied().unwrap_or(""))
            );
            if width > 22.0 {
                let _ = write!(
                    body,
                    r#"<text class="within" x="{:.1}" y="{:.1}">{part}</text>"#,
                    x + width / 2.0,
                    y + 13.0
                );
            }
            x += width;
        }
        y += 26.0;
    }
    svg(LEFT + WIDTH + 130.0, y + 4.0, &body)
}

/// A table of squares: shares from 0 to 1 with their words; `None` stays empty.
pub(crate) fn squares(columns: &[&str], rows: &[(String, Vec<Share>)]) -> String {
    const CELL: f64 = 88.0;
    let mut body = String::new();
    for (at, column) in columns.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a handful of columns")]
        let x = 100.0 + at as f64 * CELL + CELL / 2.0;
        // Long names of modes break at their plus sign.
        let (first, second) = column.split_once('+').unwrap_or((column, ""));
        let plus = if second.is_empty() && !column.ends_with('+') {
            String::new()
        } else {
            format!("+{second}")
        };
        let _ = write!(
            body,
            r#"<text class="tick" x="{x:.1}" y="12">{}</text><text class="tick" x="{x:.1}" y="25">{}</text>"#,
            escape(first),
            escape(&plus)
        );
    }
    let mut y = 32.0;
    for (label, cells) in rows {
        let _ = write!(
            body,
            r#"<text class="label" x="94" y="{:.0}">{}</text>"#,
            y + 15.0,
            escape(label)
        );
        for (at, cell) in cells.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a handful of columns")]
            let x = 100.0 + at as f64 * CELL;
            let Some((share, words)) = cell else { continue };
            let _ = write!(
                body,
                r#"<rect class="s0" fill-opacity="{:.2}" x="{x:.1}" y="{y:.1}" width="{:.1}" height="20"/><text class="tick" x="{:.1}" y="{:.1}">{}</text>"#,
                0.08 + 0.72 * share.clamp(0.0, 1.0),
                CELL - 3.0,
                x + CELL / 2.0,
                y + 14.0,
                escape(words)
            );
        }
        y += 23.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of columns")]
    let width = 110.0 + columns.len() as f64 * CELL;
    svg(width, y + 4.0, &body)
}

/// One row of dots a label, along an axis of seconds.
pub(crate) fn dots(rows: &[(String, Vec<f32>)]) -> String {
    let most = rows
        .iter()
        .flat_map(|it| it.1.iter().copied())
        .fold(1.0_f32, f32::max);
    let mut body = String::new();
    let mut y = 10.0;
    for (label, values) in rows {
        let _ = write!(
            body,
            r#"<text class="label" x="{:.0}" y="{:.0}">{}</text><line x1="{LEFT:.0}" x2="{:.0}" y1="{y:.0}" y2="{y:.0}"/>"#,
            LEFT - 8.0,
            y + 4.0,
            escape(label),
            LEFT + WIDTH
        );
        for value in values {
            let x = LEFT + f64::from(value / most) * WIDTH;
            let _ = write!(
                body,
                r#"<circle class="s0" cx="{x:.1}" cy="{y:.1}" r="4"><title>{value:.1} s</title></circle>"#
            );
        }
        let mut sorted = values.clone();
        sorted.sort_by(f32::total_cmp);
        if let Some(median) = sorted.get(sorted.len() / 2) {
            let x = LEFT + f64::from(median / most) * WIDTH;
            let _ = write!(
                body,
                r#"<line class="median" x1="{x:.1}" x2="{x:.1}" y1="{:.1}" y2="{:.1}"/><text x="{:.0}" y="{:.0}">median {median:.1} s</text>"#,
                y - 8.0,
                y + 8.0,
                LEFT + WIDTH + 8.0,
                y + 4.0
            );
        }
        y += 24.0;
    }
    svg(LEFT + WIDTH + 130.0, y, &body)
}

fn svg(width: f64, height: f64, body: &str) -> String {
    format!(
        r#"<svg viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" role="img">{body}</svg>"#
    )
}
