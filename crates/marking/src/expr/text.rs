//! Reads conditions: text to tokens, tokens to an [`Expr`].

use std::fmt;

use super::{DEPTH_MAX, Expr, Op, SECOND, TESTS_MAX, TREND_MAX, Test};

/// What is wrong with a condition, and at which byte of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The byte.
    pub at: usize,
    /// What is wrong.
    pub what: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Number(f64),
    Span(i64),
    Text(String),
    Sign(&'static str),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Number(number) => write!(f, "{number}"),
            Self::Span(span) => write!(f, "{}s", span / SECOND),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Sign(sign) => f.write_str(sign),
        }
    }
}

/// Reads a condition.
///
/// # Errors
/// [`Fault`] with the place within `text`.
pub fn read(text: &str) -> Result<Expr<String>, Fault> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens, at: 0, end: text.len(), tests: 0 };
    let expr = reader.any(0)?;
    match reader.tokens.get(reader.at) {
        None => Ok(expr),
        Some((at, token)) => Err(Fault { at: *at, what: format!("`{token}` was not expected here") }),
    }
}

/// Reads a span of time: `30min`, `4h`, `90s`, `5d`; µs.
#[must_use]
pub fn span(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let count: i64 = text.get(..digits)?.parse().ok()?;
    let unit = match text.get(digits..)? {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    count.checked_mul(unit)?.checked_mul(SECOND)
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Fault> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap_or_default();
        let run = |keep: fn(char) -> bool| rest.find(|c| !keep(c)).unwrap_or(rest.len());
        let (length, token) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first.is_ascii_alphabetic() {
            let length = run(|c| c.is_ascii_alphanumeric() || c == '_');
            (length, Token::Word(rest.get(..length).unwrap_or_default().to_owned()))
        } else if first.is_ascii_digit() || first == '-' {
            let length = 1 + rest
                .get(1..)
                .and_then(|r| r.find(|c: char| !c.is_ascii_alphanumeric() && c != '.'))
                .unwrap_or(rest.len() - 1);
            let said = rest.get(..length).unwrap_or_default();
            let token = span(said).map(Token::Span).or_else(|| said.parse().ok().map(Token::Number));
            (
                length,
                token.ok_or_else(|| Fault {
                    at,
                    what: format!("`{said}` is neither a number nor a time such as 30min"),
                })?,
            )
        } else if first == '"' || first == '\'' {
            let inner = rest.get(1..).and_then(|r| r.split_once(first)).map(|(inner, _)| inner);
            let inner = inner.ok_or_else(|| Fault { at, what: "this text has no end".to_owned() })?;
            (inner.len() + 2, Token::Text(inner.to_owned()))
        } else {
            let sign = ["<=", ">=", "!=", "<", ">", "=", "(", ")", ","].into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| Fault { at, what: format!("`{first}` has no meaning here") })?;
            (sign.len(), Token::Sign(sign))
        };
        found.push((at, token));
        at += length;
    }
    Ok(found)
}

struct Reader<'t> {
    tokens: &'t [(usize, Token)],
    at: usize,
    end: usize,
    tests: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn fault<T>(&self, what: &str) -> Result<T, Fault> {
        let at = self.tokens.get(self.at).map_or(self.end, |(at, _)| *at);
        let found = self.peek().map_or("the end".to_owned(), |token| format!("`{token}`"));
        Err(Fault { at, what: format!("{what}, not {found}") })
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(said)) if said == word);
        self.at += usize::from(found);
        found
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(said)) if *said == sign);
        self.at += usize::from(found);
        found
    }

    fn need_sign(&mut self, sign: &str) -> Result<(), Fault> {
        if self.take_sign(sign) { Ok(()) } else { self.fault(&format!("expected `{sign}`")) }
    }

    fn any(&mut self, depth: usize) -> Result<Expr<String>, Fault> {
        let mut parts = vec![self.all(depth)?];
        while self.take_word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Any(parts) })
    }

    fn all(&mut self, depth: usize) -> Result<Expr<String>, Fault> {
        let mut parts = vec![self.one(depth)?];
        while self.take_word("and") {
            parts.push(self.one(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::All(parts) })
    }

    fn one(&mut self, depth: usize) -> Result<Expr<String>, Fault> {
        if depth > DEPTH_MAX {
            return self.fault("a condition is nested at most 8 deep");
        }
        if self.take_word("not") {
            return Ok(Expr::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take_sign("(") {
            let inner = self.any(depth + 1)?;
            self.need_sign(")")?;
            return Ok(inner);
        }
        self.tests += 1;
        if self.tests > TESTS_MAX {
            return self.fault("a condition holds at most 32 tests");
        }
        self.test().map(Expr::Test)
    }

    fn test(&mut self) -> Result<Test<String>, Fault> {
        let Some(Token::Word(word)) = self.peek().cloned() else { return self.fault("expected a signal or a test") };
        self.at += 1;
        if !self.take_sign("(") {
            let op = match self.peek() {
                Some(Token::Sign("<")) => Op::Less,
                Some(Token::Sign("<=")) => Op::LessOrEqual,
                Some(Token::Sign(">")) => Op::Greater,
                Some(Token::Sign(">=")) => Op::GreaterOrEqual,
                Some(Token::Sign("=")) => Op::Equal,
                Some(Token::Sign("!=")) => Op::NotEqual,
                Some(_) | None => return self.fault("expected a comparison"),
            };
            self.at += 1;
            return Ok(Test::Compare(word, op, self.number()?));
        }
        let test = match word.as_str() {
            "flag" => Test::Flag("value".to_owned(), self.texts()?),
            "flag_of" => Test::Flag(self.name_then()?, self.texts()?),
            "says" => Test::Says(self.name_then()?, self.texts()?),
            "over" => Test::Over(self.name()?),
            "under" => Test::Under(self.name()?),
            "constant" => Test::Constant(self.name_then()?, self.time()?),
            "zero" => Test::Zero(self.name_then()?, self.time()?),
            "missing" => Test::Missing(self.name_then()?, self.time()?),
            "silent" => Test::Silent(self.time()?),
            "offline" => Test::Offline(self.time()?),
            "rising" | "falling" => {
                let (name, by) = (self.name_then()?, self.number()?);
                self.need_sign(",")?;
                let over = self.time()?;
                if over > TREND_MAX || by <= 0.0 {
                    self.at -= 1;
                    return self.fault("a trend is a positive change within at most 1h");
                }
                if word == "rising" { Test::Rising(name, by, over) } else { Test::Falling(name, by, over) }
            }
            _ => {
                self.at -= 2;
                return self.fault(
                    "expected flag, flag_of, says, over, under, constant, zero, missing, silent, offline, rising or falling",
                );
            }
        };
        self.need_sign(")")?;
        Ok(test)
    }

    fn name(&mut self) -> Result<String, Fault> {
        let Some(Token::Word(word)) = self.peek().cloned() else { return self.fault("expected a signal") };
        self.at += 1;
        Ok(word)
    }

    fn name_then(&mut self) -> Result<String, Fault> {
        let name = self.name()?;
        self.need_sign(",")?;
        Ok(name)
    }

    fn number(&mut self) -> Result<f64, Fault> {
        let Some(Token::Number(number)) = self.peek().cloned() else { return self.fault("expected a number") };
        self.at += 1;
        Ok(number)
    }

    fn time(&mut self) -> Result<i64, Fault> {
        let Some(Token::Span(span)) = self.peek().cloned() else { return self.fault("expected a time such as 30min") };
        self.at += 1;
        Ok(span)
    }

    fn texts(&mut self) -> Result<Vec<String>, Fault> {
        let mut texts = Vec::new();
        loop {
            let Some(Token::Text(text)) = self.peek().cloned() else { return self.fault("expected a text in quotes") };
            texts.push(text);
            self.at += 1;
            if !self.take_sign(",") {
                return Ok(texts);
            }
        }
    }
}
