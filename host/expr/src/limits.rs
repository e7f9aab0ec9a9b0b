//! The limits, and the cheap reading of the text that enforces them before the parser sees it.
//!
//! The parser recurses once or more for every operator, so a long chain overflows its stack and takes the process
//! along. This scan bounds what can make it recurse. For that it must cut the text into tokens exactly as the parser
//! does; where it could not be sure (a text that is not closed, an escape that does not exist) it refuses, which also
//! gives a better message than the parser would.

use crate::problem::{Position, Problem};

/// Most bytes of an expression.
pub const BYTES_MAX: usize = 64 * 1024;
/// Most tokens: a list of about 5,000 values.
pub const TOKENS_MAX: usize = 10_000;
/// Most operators, member accesses, calls and brackets: what makes a tree deep.
pub const OPERATORS_MAX: usize = 2_000;
/// Most brackets open at once.
pub const NESTING_MAX: usize = 64;
/// Most levels of a checked expression, chains of one operator counted as one level.
pub const DEPTH_MAX: usize = 32;

/// Refuses what is over the limits or cannot be cut into tokens.
pub(crate) fn scan(text: &str) -> Result<(), Problem> {
    if text.len() > BYTES_MAX {
        let message = format!("the expression has {} bytes; at most {BYTES_MAX} are allowed", text.len());
        return Err(Problem::new(Problem::TOO_LARGE, Position::START, message));
    }
    let mut scan = Scan { text, bytes: text.as_bytes(), at: 0, tokens: 0, operators: 0, open: Vec::new() };
    while scan.at < scan.bytes.len() {
        scan.token()?;
    }
    match scan.open.pop() {
        Some((_, at)) => Err(scan.syntax(at, "this bracket is never closed")),
        None => Ok(()),
    }
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    tokens: usize,
    operators: usize,
    /// The brackets that are open: what closes each, and where it was opened.
    open: Vec<(u8, usize)>,
}

impl Scan<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn syntax(&self, at: usize, message: impl Into<String>) -> Problem {
        Problem::new(Problem::SYNTAX, Position::of(self.text, at), message)
    }

    fn too_large(&self, what: &str, most: usize) -> Problem {
        let message = format!("the expression has more than {most} {what}; split it or simplify it");
        Problem::new(Problem::TOO_LARGE, Position::of(self.text, self.at), message)
    }

    fn token(&mut self) -> Result<(), Problem> {
        match self.peek(0) {
            b' ' | b'\t' | b'\r' | b'\n' | 0x0c => {
                self.at += 1;
                return Ok(());
            }
            b'/' if self.peek(1) == b'/' => {
                self.skip_while(|b| b != b'\n');
                return Ok(());
            }
            _ => {}
        }
        self.tokens += 1;
        if self.tokens > TOKENS_MAX {
            return Err(self.too_large("words and signs", TOKENS_MAX));
        }
        match self.peek(0) {
            b'"' | b'\'' => self.string(false),
            b'`' => self.escaped_name(),
            b'0'..=b'9' => self.number(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
            b',' | b':' => {
                self.at += 1;
                Ok(())
            }
            b'(' => self.bracket(b')'),
            b'[' => self.bracket(b']'),
            b'{' => self.bracket(b'}'),
            b')' | b']' | b'}' => self.close(),
            _ => self.operator(),
        }
    }

    fn skip_while(&mut self, go_on: impl Fn(u8) -> bool) {
        while self.at < self.bytes.len() && go_on(self.bytes[self.at]) {
            self.at += 1;
        }
    }

    fn count_operator(&mut self, bytes: usize) -> Result<(), Problem> {
        self.operators += 1;
        if self.operators > OPERATORS_MAX {
            return Err(self.too_large("operators", OPERATORS_MAX));
        }
        self.at += bytes;
        Ok(())
    }

    fn bracket(&mut self, closing: u8) -> Result<(), Problem> {
        if self.open.len() == NESTING_MAX {
            let message = format!("brackets are nested more than {NESTING_MAX} deep");
            return Err(Problem::new(Problem::TOO_LARGE, Position::of(self.text, self.at), message));
        }
        self.open.push((closing, self.at));
        self.count_operator(1)
    }

    fn close(&mut self) -> Result<(), Problem> {
        match self.open.pop() {
            Some((closing, _)) if closing == self.peek(0) => {
                self.at += 1;
                Ok(())
            }
            Some((closing, _)) => {
                Err(self.syntax(self.at, format!("`{}` is expected before this bracket", closing as char)))
            }
            None => Err(self.syntax(self.at, "this bracket closes nothing")),
        }
    }

    fn operator(&mut self) -> Result<(), Problem> {
        match (self.peek(0), self.peek(1)) {
            (b'=', b'=') | (b'!' | b'<' | b'>', b'=') | (b'&', b'&') | (b'|', b'|') => self.count_operator(2),
            (b'=', _) => Err(self.syntax(self.at, "`=` assigns nothing here; to compare, write `==`")),
            (b'&', _) => Err(self.syntax(self.at, "a single `&`; for \"and\", write `&&`")),
            (b'|', _) => Err(self.syntax(self.at, "a single `|`; for \"or\", write `||`")),
            (b'+' | b'-' | b'*' | b'/' | b'%' | b'!' | b'<' | b'>' | b'?' | b'.', _) => self.count_operator(1),
            _ => {
                let found = self.text[self.at..].chars().next().unwrap_or_default();
                Err(self.syntax(self.at, format!("`{}` means nothing here", found.escape_debug())))
            }
        }
    }

    /// Digits, and the letters and fraction that may follow. Letters that are no exponent are the parser's to refuse.
    fn number(&mut self) -> Result<(), Problem> {
        let start = self.at;
        self.skip_while(|b| b.is_ascii_alphanumeric() || b == b'_');
        if self.peek(0) == b'.' && self.peek(1).is_ascii_digit() {
            self.at += 1;
            self.skip_while(|b| b.is_ascii_alphanumeric() || b == b'_');
        }
        // `1r"..."` would be a number and a raw text to the parser.
        if matches!(self.peek(0), b'"' | b'\'') {
            return Err(self.syntax(start, "a number runs into a text here"));
        }
        Ok(())
    }

    fn word(&mut self) -> Result<(), Problem> {
        let start = self.at;
        self.skip_while(|b| b.is_ascii_alphanumeric() || b == b'_');
        let word = &self.text[start..self.at];
        if matches!(self.peek(0), b'"' | b'\'') {
            let prefix = word.to_ascii_lowercase();
            return match prefix.as_str() {
                "r" | "br" => self.string(true),
                "b" => self.string(false),
                _ => Err(self.syntax(start, format!("`{word}` runs into a text here"))),
            };
        }
        if word == "in" { self.count_operator(0) } else { Ok(()) }
    }

    fn escaped_name(&mut self) -> Result<(), Problem> {
        let start = self.at;
        self.at += 1;
        self.skip_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/' | b' '));
        if self.peek(0) != b'`' || self.at == start + 1 {
            let allowed = "letters, digits, blanks and _ . - / up to the next `";
            return Err(self.syntax(start, format!("a name in backquotes may have {allowed}")));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self, raw: bool) -> Result<(), Problem> {
        let start = self.at;
        let quote = self.peek(0);
        let triple = self.peek(1) == quote && self.peek(2) == quote;
        let width = if triple { 3 } else { 1 };
        self.at += width;
        loop {
            match self.peek(0) {
                _ if self.at >= self.bytes.len() => return Err(self.syntax(start, "this text is never closed")),
                b'\n' | b'\r' if !triple => return Err(self.syntax(start, "this text is not closed on its line")),
                b'\\' if !raw => self.escape()?,
                b if b == quote && (!triple || (self.peek(1) == quote && self.peek(2) == quote)) => {
                    self.at += width;
                    return Ok(());
                }
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), Problem> {
        let hex = |from: usize, digits: usize| (from..from + digits).all(|i| self.peek(i).is_ascii_hexdigit());
        let octal = |i: usize| matches!(self.peek(i), b'0'..=b'7');
        let width = match self.peek(1) {
            b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`' => 2,
            b'x' | b'X' if hex(2, 2) => 4,
            b'u' if hex(2, 4) => 6,
            b'U' if hex(2, 8) => 10,
            b'0'..=b'3' if octal(2) && octal(3) => 4,
            _ => return Err(self.syntax(self.at, "an escape that does not exist; for a backslash, write `\\\\`")),
        };
        self.at += width;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_writes_passes() {
        for text in [
            "person.a == \"x\" && !(b in ['p', \"q\"]) || c ? 1.5e-3 : -2",
            "r\"\\q\" + br'\\q' + b\"\\x00\" + \"\\u00e9\\101\"",
            "\"\"\"two\nlines \" and 'quotes'\"\"\" // a comment: \" ' ( [",
            "record.`Job Title` == \"é 😀 (\"",
            "",
        ] {
            assert_eq!(scan(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_cut_is_refused_with_its_place() {
        for (text, column, part) in [
            ("a = 1", 3, "write `==`"),
            ("a & b", 3, "write `&&`"),
            ("a | b", 3, "write `||`"),
            ("a == \"x", 6, "never closed"),
            ("a == \"x\n\"", 6, "on its line"),
            ("a == \"\"\"x\"\"", 6, "never closed"),
            ("\"ab\\q\"", 4, "an escape"),
            ("\"\\u12\"", 2, "an escape"),
            ("(a", 1, "never closed"),
            ("a)", 2, "closes nothing"),
            ("(a]", 3, "`)` is expected"),
            ("é", 1, "`é` means nothing"),
            ("a; b", 2, "`;` means nothing"),
            ("1r\"\\q\"", 1, "runs into"),
            ("rb\"\\q\"", 1, "runs into"),
            ("a.`b\"c`", 3, "backquotes"),
        ] {
            let problem = scan(text).unwrap_err();
            assert_eq!((problem.code, problem.line, problem.column), (Problem::SYNTAX, 1, column), "{text}");
            assert!(problem.message.contains(part), "{text}: {}", problem.message);
        }
    }

    #[test]
    fn each_limit_holds_to_the_last_one_allowed() {
        let chain = |operators: usize| vec!["a"; operators + 1].join("+");
        let words = |tokens: usize| "a ".repeat(tokens);
        let nested = |deep: usize| "(".repeat(deep) + "a" + &")".repeat(deep);
        for (most, over) in [
            (chain(OPERATORS_MAX), chain(OPERATORS_MAX + 1)),
            (words(TOKENS_MAX), words(TOKENS_MAX + 1)),
            (nested(NESTING_MAX), nested(NESTING_MAX + 1)),
            (" ".repeat(BYTES_MAX), " ".repeat(BYTES_MAX + 1)),
            ("a in ".repeat(OPERATORS_MAX), "a in ".repeat(OPERATORS_MAX + 1)),
            ("!".repeat(OPERATORS_MAX), "!".repeat(OPERATORS_MAX + 1)),
            ("a[0]".repeat(OPERATORS_MAX), "a[0]".repeat(OPERATORS_MAX + 1)),
        ] {
            assert_eq!(scan(&most), Ok(()));
            assert_eq!(scan(&over).unwrap_err().code, Problem::TOO_LARGE);
        }
    }

    #[test]
    fn what_stands_in_a_text_or_a_comment_counts_for_nothing() {
        assert_eq!(scan(&format!("\"{}\"", "+(".repeat(OPERATORS_MAX + 1))), Ok(()));
        assert_eq!(scan(&format!("a // {}", "+(".repeat(OPERATORS_MAX + 1))), Ok(()));
        let after = format!("a // x\n{}", "+a".repeat(OPERATORS_MAX + 1));
        assert_eq!(scan(&after).unwrap_err().code, Problem::TOO_LARGE);
    }
}
