//! Authentication-Results (RFC 8601): what a mail server found out about who sent a mail.

/// One field of the header, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationResults {
    /// Who says so.
    pub authserv_id: String,
    /// What it found.
    pub results: Vec<MethodResult>,
}

/// What one method found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodResult {
    /// `dkim`, `spf`, `dmarc` ..., lower-case.
    pub method: String,
    /// `pass`, `fail` ..., lower-case.
    pub result: String,
    /// `header.d` and its value ..., names lower-case.
    pub properties: Vec<(String, String)>,
}

impl MethodResult {
    /// The value of a property such as `header.d`.
    pub fn property(&self, name: &str) -> Option<&str> {
        let mut properties = self.properties.iter();
        let found = properties.find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl AuthenticationResults {
    /// Reads the value of a field. `None`: it is not of the form of RFC 8601 2.2, and proves nothing.
    pub fn read(value: &str) -> Option<AuthenticationResults> {
        let tokens = tokens(value)?;
        let mut clauses = tokens.split(|token| *token == Token::Semicolon);
        // RFC 8601 2.2: the identifier, and perhaps a version, which is 1.
        let authserv_id = match clauses.next()? {
            [Token::Word(id)] => id.to_lowercase(),
            [Token::Word(id), Token::Space, Token::Word(version)] if version == "1" => {
                id.to_lowercase()
            }
            _ => return None,
        };
        let results: Option<Vec<_>> = clauses
            .filter(|clause| !clause.is_empty())
            .map(clause)
            .collect();
        Some(AuthenticationResults {
            authserv_id,
            results: results?.into_iter().flatten().collect(),
        })
    }

    /// The domains that it proves to stand behind the mail: that of a signature (DKIM), of the envelope (SPF), of the
    /// author (DMARC).
    pub fn proven_domains(&self) -> Vec<String> {
        let passed = self.results.iter().filter(|it| it.result == "pass");
        let domain = |result: &MethodResult| {
            let value = match result.method.as_str() {
                "dkim" => result.property("header.d")?,
                "spf" => result.property("smtp.mailfrom")?,
                "dmarc" => result.property("header.from")?,
                _ => return None,
            };
            let domain = value.rsplit('@').next().unwrap_or(value);
            Some(domain.to_lowercase()).filter(|domain| !domain.is_empty())
        };
        passed.filter_map(domain).collect()
    }
}

/// `dkim=pass reason="good" header.d=example.com`, or `none`.
fn clause(tokens: &[Token]) -> Option<Option<MethodResult>> {
    if let [Token::Word(none)] = tokens {
        return none.eq_ignore_ascii_case("none").then_some(None);
    }
    let mut pairs = tokens.split(|token| *token == Token::Space);
    let mut pair = || -> Option<Option<(String, String)>> {
        match pairs.find(|pair| !pair.is_empty()) {
            None => Some(None),
            Some([Token::Word(key), Token::Equals, Token::Word(value)]) => {
                Some(Some((key.to_lowercase(), value.clone())))
            }
            Some(_) => None,
        }
    };
    let (method, result) = pair()??;
    let mut properties = Vec::new();
    while let Some(property) = pair()? {
        properties.push(property);
    }
    Some(Some(MethodResult {
        // RFC 8601 2.2: a version of the method may stand behind it.
        method: method.split('/').next().unwrap_or_default().to_owned(),
        result: result.to_lowercase(),
        properties,
    }))
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Equals,
    Semicolon,
    Space,
}

/// Words, quoted or not, without comments. Space counts only where it parts one pair from the next.
fn tokens(value: &str) -> Option<Vec<Token>> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut rest = value.chars().peekable();
    while let Some(c) = rest.next() {
        let token = match c {
            '(' => {
                skip_comment(&mut rest)?;
                Token::Space
            }
            '=' => Token::Equals,
            ';' => Token::Semicolon,
            '"' => Token::Word(quoted(&mut rest)?),
            c if c.is_whitespace() => Token::Space,
            c => {
                let mut word = String::from(c);
                let is_of_it = |c: &char| !c.is_whitespace() && !"=;(\"".contains(*c);
                while let Some(c) = rest.next_if(is_of_it) {
                    word.push(c);
                }
                Token::Word(word)
            }
        };
        push(&mut tokens, token);
    }
    while tokens.last() == Some(&Token::Space) {
        tokens.pop();
    }
    Some(tokens)
}

/// Space around `=` and `;` means nothing, nor does the second of two. A quoted local part and the domain behind it are one
/// word (RFC 8601 2.2, pvalue).
fn push(tokens: &mut Vec<Token>, token: Token) {
    if let (Token::Word(word), Some(Token::Word(last))) = (&token, tokens.last_mut()) {
        return last.push_str(word);
    }
    match (&token, tokens.last()) {
        (Token::Space, None | Some(Token::Space | Token::Equals | Token::Semicolon)) => return,
        (Token::Equals | Token::Semicolon, Some(Token::Space)) => drop(tokens.pop()),
        _ => {}
    }
    tokens.push(token);
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// RFC 5322 3.2.2: comments nest.
fn skip_comment(rest: &mut Chars<'_>) -> Option<()> {
    let mut depth = 1;
    while depth > 0 {
        match rest.next()? {
            '(' => depth += 1,
            ')' => depth -= 1,
            '\\' => drop(rest.next()?),
            _ => {}
        }
    }
    Some(())
}

fn quoted(rest: &mut Chars<'_>) -> Option<String> {
    let mut text = String::new();
    loop {
        match rest.next()? {
            '"' => return Some(text),
            '\\' => text.push(rest.next()?),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proven(value: &str) -> Option<(String, Vec<String>)> {
        let read = AuthenticationResults::read(value)?;
        let domains = read.proven_domains();
        Some((read.authserv_id, domains))
    }

    fn of(id: &str, domains: &[&str]) -> Option<(String, Vec<String>)> {
        Some((
            id.to_owned(),
            domains.iter().map(|it| (*it).to_owned()).collect(),
        ))
    }

    #[test]
    fn what_passed_proves_its_domain() {
        for (value, domains) in [
            ("mx.example.com; none", &[][..]),
            ("mx.example.com 1; none", &[]),
            (
                "mx.example.com; spf=pass smtp.mailfrom=a@example.net",
                &["example.net"],
            ),
            (
                "MX.example.com; spf=pass smtp.mailfrom=Example.NET",
                &["example.net"],
            ),
            (
                "mx.example.com (the edge);\r\n\tdkim=pass (2048-bit key; \"ok\") reason=\"good; signature\" header.d=a.example header.s = x;\r\n\tdmarc=pass header.from=b.example; dkim/1=fail header.d=c.example",
                &["a.example", "b.example"],
            ),
            (
                "mx.example.com; dkim=temperror header.d=a.example; auth=pass smtp.auth=x",
                &[],
            ),
            ("mx.example.com; dkim=pass header.i=@a.example", &[]),
            (
                "mx.example.com; spf=pass smtp.mailfrom=\"a;b (c=d) @x.example\"@example.net",
                &["example.net"],
            ),
            ("mx.example.com; spf=pass smtp.mailfrom=", &[]),
        ] {
            match value.ends_with("mailfrom=") {
                true => assert_eq!(proven(value), None),
                false => assert_eq!(proven(value), of("mx.example.com", domains), "{value}"),
            }
        }
    }

    #[test]
    fn what_is_not_of_its_form_proves_nothing() {
        for value in [
            "",
            ";",
            "mx.example.com 2; spf=pass smtp.mailfrom=a@b.example",
            "mx.example.com; spf=pass smtp.mailfrom=a@b.example (",
            "mx.example.com; spf=pass smtp.mailfrom=\"a@b.example",
            "mx.example.com evil; spf=pass smtp.mailfrom=a@b.example",
            "mx.example.com; spf pass",
            "mx.example.com; spf=pass=x",
        ] {
            assert_eq!(proven(value), None, "{value}");
        }
        // A comment that looks like a result, and a domain inside of a quoted reason.
        assert_eq!(
            proven("mx.example.com; dkim=fail (dkim=pass header.d=a.example)"),
            of("mx.example.com", &[])
        );
        assert_eq!(
            proven("mx.example.com; dkim=fail reason=\"; dkim=pass header.d=a.example\""),
            of("mx.example.com", &[])
        );
    }

    #[test]
    fn mutated_results_never_panic() {
        let mut rng = fastrand::Rng::with_seed(8601);
        let seed =
            "mx.example.com 1; dkim=pass (a (b) \\) c) reason=\"x\\\"y\" header.d=a.example; none";
        for _ in 0..20_000 {
            let mut text: Vec<char> = seed.chars().collect();
            for _ in 0..rng.usize(1..6) {
                let at = rng.usize(..text.len());
                match rng.u8(..3) {
                    0 => text[at] = rng.char('\0'..'\u{300}'),
                    1 => drop(text.remove(at)),
                    _ => text.insert(
                        at,
                        *rng.choice(&['(', ')', '"', '\\', ';', '=', ' ']).unwrap(),
                    ),
                }
            }
            let _ = proven(&text.into_iter().collect::<String>());
        }
    }
}
