//! docs/integrating-a-player.md as a page, so that what the validator says can link to the mistake.

const PAGE: &str = include_str!("../../docs/integrating-a-player.md");

/// The whole page. It knows headings, fences, tables as they are written, and paragraphs: no more is needed.
pub(super) fn html() -> String {
    let mut out = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>Integrating a player</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <link rel=\"icon\" href=\"/bench/icon.svg\">\
         <link rel=\"stylesheet\" href=\"/bench/page.css\"></head><body class=\"text\"><main>\n",
    );
    let mut open = "";
    let mut close = |out: &mut String, next: &'static str| {
        if open != next {
            if !open.is_empty() {
                *out += &format!("</{open}>\n");
            }
            match next {
                "" => {}
                "pre" => *out += "<pre tabindex=\"0\">",
                _ => *out += &format!("<{next}>"),
            }
            open = next;
        }
    };
    let mut fenced = false;
    for line in PAGE.lines() {
        if line.starts_with("```") {
            close(&mut out, if fenced { "" } else { "pre" });
            fenced = !fenced;
        } else if fenced {
            out += &format!("{}\n", escaped(line));
        } else if let Some((level, title)) = heading(line) {
            close(&mut out, "");
            let (id, title) = (anchor(title), escaped(title));
            out += &format!("<h{level} id=\"{id}\">{title}</h{level}>\n");
        } else if line.is_empty() {
            close(&mut out, "");
        } else if line.starts_with('|') {
            close(&mut out, "pre");
            out += &format!("{}\n", escaped(line));
        } else {
            close(&mut out, "p");
            out += &format!("{}\n", spans(line));
        }
    }
    close(&mut out, "");
    out + "</main></body></html>\n"
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let title = line.trim_start_matches('#');
    let level = line.len() - title.len();
    (1..=6).contains(&level).then(|| (level, title.trim()))
}

/// As GitHub makes it of a heading.
fn anchor(title: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
    title.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Code between backticks; the rest as it is written.
fn spans(line: &str) -> String {
    let parts = line.split('`').enumerate();
    parts
        .map(|(at, part)| match at % 2 {
            0 => escaped(part),
            _ => format!("<code>{}</code>", escaped(part)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_of_the_findings_leads_to_a_heading() {
        let findings = include_str!("page/findings.js");
        let links: Vec<_> = findings
            .split("link: '")
            .skip(1)
            .map(|rest| rest.split('\'').next().unwrap_or_default())
            .collect();
        assert!(links.len() > 8, "{links:?}");
        let page = html();
        for link in links {
            assert!(page.contains(&format!("id=\"{link}\"")), "no heading for {link}");
        }
    }

    #[test]
    fn what_it_makes_is_whole() {
        let page = html();
        for tag in ["p", "pre", "h2", "h3", "code"] {
            let begins = page.matches(&format!("<{tag}>")).count()
                + page.matches(&format!("<{tag} ")).count();
            assert_eq!(begins, page.matches(&format!("</{tag}>")).count(), "{tag}");
            assert!(begins > 0, "{tag}");
        }
        assert!(page.contains("&lt;") && !page.contains("<unistd"), "code is escaped");
    }
}
