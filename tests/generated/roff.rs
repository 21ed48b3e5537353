//! Pages in man(7) macros, which man-db, mandoc and groff all read.

/// A page that is written from its top to its end.
pub struct Page {
    source: String,
    /// A heading came last, and a paragraph begins by itself.
    fresh: bool,
}

/// One part of a section.
pub enum Block {
    Text(&'static str),
    /// A term and what it is.
    Entry(&'static str, &'static str),
    /// Lines as they are typed or shown.
    Lines(&'static str),
}

impl Page {
    /// No date: the same source makes the same page every day.
    pub fn new(name: &str, section: u8, volume: &str, summary: &str) -> Page {
        let version = env!("CARGO_PKG_VERSION");
        let source = ".\\\" Made from the source: change src/cli, src/config/definition.rs or\n\
                      .\\\" tests/generated/texts.rs, and run `make man`.\n";
        let mut page = Page { source: source.to_owned(), fresh: true };
        let title = name.to_ascii_uppercase();
        page.raw(&format!(".TH \"{title}\" {section} \"\" \"playheadd {version}\" \"{volume}\""));
        page.section("NAME");
        page.raw(&format!("{name} \\- {}", running(summary)));
        page
    }

    fn raw(&mut self, line: &str) {
        self.source.push_str(line);
        self.source.push('\n');
        self.fresh = false;
    }

    fn paragraph(&mut self) {
        if !self.fresh {
            self.raw(".PP");
        }
    }

    pub fn section(&mut self, title: &str) {
        self.raw(&format!(".SH \"{title}\""));
        self.fresh = true;
    }

    /// A heading inside of a section, as it is typed.
    pub fn heading(&mut self, title: &str) {
        self.raw(&format!(".SS \"{}\"", typed(title)));
        self.fresh = true;
    }

    /// Paragraphs with blank lines between them.
    pub fn text(&mut self, text: &str) {
        for paragraph in text.split("\n\n") {
            self.paragraph();
            self.running(paragraph);
        }
    }

    /// A term, marked up as running text is, and what it is.
    pub fn entry(&mut self, term: &str, text: &str) {
        // Long lists of terms have a line each.
        let cut = if term.len() > 60 { ", " } else { "\n" };
        for (n, term) in term.split(cut).enumerate() {
            self.raw(if n == 0 { ".TP" } else { ".TQ" });
            self.raw(&guarded(running(term)));
        }
        for (n, paragraph) in text.split("\n\n").enumerate() {
            if n > 0 {
                self.raw(".IP");
            }
            self.running(paragraph);
        }
    }

    pub fn lines(&mut self, lines: &str) {
        self.paragraph();
        self.raw(".in +4n");
        self.raw(".EX");
        for line in lines.trim_matches('\n').lines() {
            self.raw(&guarded(typed(line)));
        }
        self.raw(".EE");
        self.raw(".in");
    }

    pub fn blocks(&mut self, blocks: &[Block]) {
        for block in blocks {
            match block {
                Block::Text(text) => self.text(text),
                Block::Entry(term, text) => self.entry(term, text),
                Block::Lines(lines) => self.lines(lines),
            }
        }
    }

    /// A line of a synopsis.
    pub fn usage(&mut self, usage: &str) {
        self.paragraph();
        self.running(usage);
    }

    pub fn finish(self) -> String {
        self.source
    }

    fn running(&mut self, text: &str) {
        // A sentence begins a line: groff spaces their ends by itself.
        let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for sentence in sentences(&joined) {
            for line in wrapped(&running(sentence)) {
                self.raw(&guarded(line));
            }
        }
    }
}

/// Lines of at most 78 characters, cut at blanks.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= 78 {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// Cuts behind a full stop that ends a sentence.
fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.match_indices(". ").map(|(at, _)| at).find(|at| {
        let quoted = rest[..*at].matches('`').count() % 2 == 1;
        let next = rest[at + 2..].chars().next();
        !quoted && next.is_some_and(|c| c.is_uppercase() || c == '`')
    }) {
        found.push(&rest[..=at]);
        rest = &rest[at + 2..];
    }
    found.push(rest);
    found
}

/// A line that begins with a dot or an apostrophe is text, and no request.
fn guarded(line: String) -> String {
    match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line,
    }
}

/// What is typed: each character as it is on a keyboard.
fn typed(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '"' => out.push_str("\\(dq"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            c => out.push(c),
        }
    }
    out
}

/// Running text: what stands in backticks is typed, and bold; what stands in `<` and `>` is a
/// placeholder, and in italics.
fn running(text: &str) -> String {
    let mut out = String::new();
    for (n, part) in text.split('`').enumerate() {
        match n % 2 {
            0 => out.push_str(&placeholders(part)),
            _ => {
                // `\%`: no word of it is hyphenated.
                let words: Vec<String> =
                    part.split(' ').map(|w| format!("\\%{}", typed(w))).collect();
                out.push_str(&format!("\\fB{}\\fR", words.join(" ")));
            }
        }
    }
    assert!(text.matches('`').count().is_multiple_of(2), "a backtick stands alone in: {text}");
    out
}

fn placeholders(text: &str) -> String {
    let plain = |text: &str| text.replace('\\', "\\e");
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let (name, behind) =
            after.split_once('>').unwrap_or_else(|| panic!("'<' alone in: {text}"));
        out.push_str(&format!("{}\\fI{}\\fR", plain(before), typed(name)));
        rest = behind;
    }
    out + &plain(rest)
}
