//! Expansion: Python's `%` formatting against a mapping of names.
//!
//! One thing differs: a conversion without a name (`%s`) is an error. The reference prints its whole mapping there,
//! the environment included.

use std::collections::{BTreeMap, BTreeSet};

use super::text::{ascii, repr};

/// The widest field.
const MAX_WIDTH: usize = 1 << 16;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// Text.
    Text(String),
    /// An integer.
    Number(i64),
}

/// Names, over those of an outer scope.
#[derive(Debug, Default, Clone)]
pub struct Names<'p> {
    outer: Option<&'p Names<'p>>,
    own: BTreeMap<String, Name>,
}

impl<'p> Names<'p> {
    /// No names yet but those of `outer`.
    pub fn over(outer: &'p Names<'p>) -> Self {
        Names { outer: Some(outer), own: BTreeMap::new() }
    }

    /// Adds a name for a text.
    pub fn text(mut self, name: &str, text: &str) -> Self {
        self.own.insert(name.to_owned(), Name::Text(text.to_owned()));
        self
    }

    /// Adds a name for a number.
    pub fn number(mut self, name: &str, number: i64) -> Self {
        self.own.insert(name.to_owned(), Name::Number(number));
        self
    }

    /// Adds a variable as `ENV_name`.
    pub fn variable(&mut self, name: &str, value: &str) {
        self.own.insert(format!("ENV_{name}"), Name::Text(value.to_owned()));
    }

    fn get(&self, name: &str) -> Option<&Name> {
        self.own.get(name).or_else(|| self.outer.and_then(|outer| outer.get(name)))
    }

    fn list(&self) -> BTreeSet<&str> {
        let mut all = self.outer.map(Names::list).unwrap_or_default();
        all.extend(self.own.keys().map(String::as_str));
        all
    }
}

/// Why a text cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    Unknown(String),
    Bad(String),
}

/// Expands `format`. The error is the reference's text; `label` says whose value it is, and `secret` keeps the value
/// out of it.
pub fn expand(format: &str, names: &Names, label: &str, secret: bool) -> Result<String, String> {
    if !format.contains('%') {
        return Ok(format.to_owned());
    }
    Formatter::new(format, names).run().map_err(|trouble| {
        let shown = if secret {
            "(not shown)".to_owned()
        } else {
            repr(format)
        };
        let label = repr(label);
        match trouble {
            Trouble::Unknown(name) => {
                let all: Vec<&str> = names.list().into_iter().collect();
                format!(
                    "Format string {shown} for {label} contains names ({}) which cannot be expanded. Available \
                     names: {}",
                    repr(&name),
                    all.join(", ")
                )
            }
            Trouble::Bad(why) => {
                format!("Format string {shown} for {label} is badly formatted: {why}")
            }
        }
    })
}

#[derive(Default)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

struct Formatter<'a> {
    chars: Vec<char>,
    at: usize,
    names: &'a Names<'a>,
    /// A name was used: Python then has no value left for a conversion without one.
    named: bool,
    out: String,
}

fn bad<T>(why: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Bad(why.into()))
}

impl<'a> Formatter<'a> {
    fn new(format: &str, names: &'a Names<'a>) -> Self {
        Formatter {
            chars: format.chars().collect(),
            at: 0,
            names,
            named: false,
            out: String::new(),
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.chars.get(self.at).copied();
        self.at += usize::from(c.is_some());
        c
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn run(mut self) -> Result<String, Trouble> {
        while let Some(c) = self.next() {
            if c == '%' {
                self.conversion()?;
            } else {
                self.out.push(c);
            }
        }
        Ok(self.out)
    }

    fn conversion(&mut self) -> Result<(), Trouble> {
        if self.peek() == Some('%') {
            self.at += 1;
            self.out.push('%');
            return Ok(());
        }
        let value = if self.peek() == Some('(') {
            self.at += 1;
            self.named = true;
            Some(self.name()?)
        } else {
            None
        };
        let spec = self.spec(matches!(value, Some(Name::Number(_))))?;
        let Some(kind) = self.next() else {
            return bad("incomplete format");
        };
        match (kind, value) {
            (_, None) if self.named => return bad("not enough arguments for format string"),
            (_, None) => return unnamed(kind, self.at - 1),
            (_, Some(Name::Text(text))) => {
                text_field(&mut self.out, &spec, kind, &text, self.at - 1)?
            }
            (_, Some(Name::Number(n))) => number_field(&mut self.out, &spec, kind, n, self.at - 1)?,
        }
        Ok(())
    }

    /// The name in parentheses, which may nest, and what it stands for.
    fn name(&mut self) -> Result<Name, Trouble> {
        let mut depth = 1;
        let mut name = String::new();
        loop {
            match self.next() {
                None => return bad("incomplete format key"),
                Some('(') => depth += 1,
                Some(')') => depth -= 1,
                Some(_) => {}
            }
            if depth == 0 {
                break;
            }
            name.extend(self.chars.get(self.at - 1));
        }
        match self.names.get(&name) {
            Some(value) => Ok(value.clone()),
            None => Err(Trouble::Unknown(name)),
        }
    }

    fn spec(&mut self, number: bool) -> Result<Spec, Trouble> {
        // A star takes the one value there is, which is then missing.
        let star = if number { "not enough arguments for format string" } else { "* wants int" };
        let mut spec = Spec::default();
        while let Some(c) = self.peek() {
            match c {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.space = true,
                '#' => spec.alternate = true,
                '0' => spec.zero = true,
                _ => break,
            }
            self.at += 1;
        }
        if self.peek() == Some('*') {
            return bad(star);
        }
        spec.width = self.digits("width too big")?;
        if self.peek() == Some('.') {
            self.at += 1;
            if self.peek() == Some('*') {
                return bad(star);
            }
            spec.precision = Some(self.digits("precision too big")?);
        }
        if matches!(self.peek(), Some('h' | 'l' | 'L')) {
            self.at += 1;
        }
        Ok(spec)
    }

    fn digits(&mut self, too_big: &str) -> Result<usize, Trouble> {
        let mut n = 0usize;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            n = n * 10 + usize::try_from(digit).unwrap_or(0);
            if n > MAX_WIDTH {
                return bad(too_big);
            }
            self.at += 1;
        }
        Ok(n)
    }
}

fn unsupported<T>(kind: char, at: usize) -> Result<T, Trouble> {
    let shown = if (' '..='\x7f').contains(&kind) { kind } else { '?' };
    bad(format!("unsupported format character '{shown}' (0x{:x}) at index {at}", u32::from(kind)))
}

fn unnamed(kind: char, at: usize) -> Result<(), Trouble> {
    match kind {
        's' | 'r' | 'a' => {
            bad(format!("%{kind} without a name in parentheses (write %% for a percent sign)"))
        }
        'd' | 'i' | 'u' => bad(format!("%{kind} format: a real number is required, not dict")),
        'o' | 'x' | 'X' => bad(format!("%{kind} format: an integer is required, not dict")),
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => bad("must be real number, not dict"),
        'c' => bad("%c requires int or char"),
        _ => unsupported(kind, at),
    }
}

fn text_field(
    out: &mut String,
    spec: &Spec,
    kind: char,
    text: &str,
    at: usize,
) -> Result<(), Trouble> {
    let full = match kind {
        's' => text.to_owned(),
        'r' => repr(text),
        'a' => ascii(text),
        'c' if text.chars().count() == 1 => return pad(out, spec, "", text, false),
        'd' | 'i' | 'u' => {
            return bad(format!("%{kind} format: a real number is required, not str"));
        }
        'o' | 'x' | 'X' => return bad(format!("%{kind} format: an integer is required, not str")),
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => return bad("must be real number, not str"),
        'c' => return bad("%c requires int or char"),
        _ => return unsupported(kind, at),
    };
    let cut: String = full.chars().take(spec.precision.unwrap_or(usize::MAX)).collect();
    pad(out, spec, "", &cut, false)
}

fn number_field(
    out: &mut String,
    spec: &Spec,
    kind: char,
    n: i64,
    at: usize,
) -> Result<(), Trouble> {
    let magnitude = n.unsigned_abs();
    let (prefix, digits) = match kind {
        's' | 'r' | 'a' => return text_field(out, spec, 's', &n.to_string(), at),
        'd' | 'i' | 'u' => ("", magnitude.to_string()),
        'o' => ("0o", format!("{magnitude:o}")),
        'x' => ("0x", format!("{magnitude:x}")),
        'X' => ("0X", format!("{magnitude:X}")),
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => ("", real(spec, kind, magnitude)),
        'c' => match u32::try_from(n).ok().and_then(char::from_u32) {
            Some(c) => return pad(out, spec, "", &c.to_string(), false),
            None => return bad("%c arg not in range(0x110000)"),
        },
        _ => return unsupported(kind, at),
    };
    let sign = match (n < 0, spec.plus, spec.space) {
        (true, _, _) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    let prefix = if spec.alternate { prefix } else { "" };
    let whole = matches!(kind, 'd' | 'i' | 'u' | 'o' | 'x' | 'X');
    let least = spec.precision.filter(|_| whole).unwrap_or(0);
    let digits = format!("{digits:0>least$}");
    pad(out, spec, &format!("{sign}{prefix}"), &digits, true)
}

/// `e`, `f` and `g` of a whole number.
fn real(spec: &Spec, kind: char, magnitude: u64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let value = magnitude as f64;
    let precision = spec.precision.unwrap_or(6);
    let text = match kind {
        'f' | 'F' => fixed(value, precision, spec.alternate),
        'e' | 'E' => scientific(value, precision, spec.alternate),
        _ => general(value, magnitude.to_string().len(), precision.max(1), spec.alternate),
    };
    if kind.is_uppercase() { text.to_uppercase() } else { text }
}

fn fixed(value: f64, precision: usize, alternate: bool) -> String {
    let point = if alternate && precision == 0 { "." } else { "" };
    format!("{value:.precision$}{point}")
}

fn scientific(value: f64, precision: usize, alternate: bool) -> String {
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if alternate && precision == 0 { "." } else { "" };
    format!("{mantissa}{point}e+{exponent:0>2}")
}

/// Whichever of the two is shorter, without zeros at its end unless they are asked for.
fn general(value: f64, digits: usize, precision: usize, alternate: bool) -> String {
    if digits <= precision {
        let places = if alternate { precision - digits } else { 0 };
        return fixed(value, places, alternate);
    }
    let all = scientific(value, precision - 1, alternate);
    match all.split_once('e') {
        Some((mantissa, exponent)) if !alternate && mantissa.contains('.') => {
            let short = mantissa.trim_end_matches('0').trim_end_matches('.');
            format!("{short}e{exponent}")
        }
        _ => all,
    }
}

fn pad(
    out: &mut String,
    spec: &Spec,
    lead: &str,
    body: &str,
    numeric: bool,
) -> Result<(), Trouble> {
    let missing = spec.width.saturating_sub(lead.chars().count() + body.chars().count());
    if spec.left {
        out.push_str(lead);
        out.push_str(body);
        out.push_str(&" ".repeat(missing));
    } else if spec.zero && numeric {
        out.push_str(lead);
        out.push_str(&"0".repeat(missing));
        out.push_str(body);
    } else {
        out.push_str(&" ".repeat(missing));
        out.push_str(lead);
        out.push_str(body);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names<'static> {
        Names::default()
            .text("here", "/etc")
            .text("a(b)", "nested")
            .text("x", "x")
            .number("process_num", 7)
            .number("n", -12)
    }

    fn ok(format: &str) -> String {
        expand(format, &names(), "s.k", false).unwrap()
    }

    fn why(format: &str) -> String {
        let error = expand(format, &names(), "s.k", false).unwrap_err();
        let (_, why) = error.split_once("badly formatted: ").unwrap();
        why.to_owned()
    }

    #[test]
    fn formats_as_python() {
        for (format, result) in [
            ("a%%b", "a%b"),
            ("%(here)s/x", "/etc/x"),
            ("%(a(b))s", "nested"),
            ("%(process_num)02d", "07"),
            ("%(process_num)s", "7"),
            ("%(process_num)5d|", "    7|"),
            ("%(process_num)-5d|", "7    |"),
            ("%(process_num)+d", "+7"),
            ("%(process_num) d", " 7"),
            ("%(process_num).3d", "007"),
            ("%(n)05d", "-0012"),
            ("%(n)x", "-c"),
            ("%(n)#06x", "-0x00c"),
            ("%(n)#o", "-0o14"),
            ("%(n)f", "-12.000000"),
            ("%(n)e", "-1.200000e+01"),
            ("%(n)g", "-12"),
            ("%(n).1g", "-1e+01"),
            ("%(here)r", "'/etc'"),
            ("%(here).2s", "/e"),
            ("%(here)06s", "  /etc"),
            ("%(x)c", "x"),
            ("%(process_num)ld", "7"),
        ] {
            assert_eq!(ok(format), result, "{format}");
        }
    }

    #[test]
    fn fails_as_python() {
        for (format, text) in [
            ("%", "incomplete format"),
            ("%5%", "unsupported format character '%' (0x25) at index 2"),
            ("a%(here)", "incomplete format"),
            ("%(here", "incomplete format key"),
            ("%(here)Y", "unsupported format character 'Y' (0x59) at index 7"),
            ("%(here)d", "%d format: a real number is required, not str"),
            ("%(here)x", "%x format: an integer is required, not str"),
            ("%(here)f", "must be real number, not str"),
            ("%(here)c", "%c requires int or char"),
            ("%d", "%d format: a real number is required, not dict"),
            ("%(here)*d", "* wants int"),
            ("%(n)*d", "not enough arguments for format string"),
            ("%\u{e9}", "unsupported format character '?' (0xe9) at index 1"),
            ("100% ok", "%o format: an integer is required, not dict"),
        ] {
            assert_eq!(why(format), text, "{format}");
        }
        assert!(why("date +%s").starts_with("%s without a name"));
    }

    #[test]
    fn unknown_names_are_listed_and_secrets_are_not() {
        let names = Names::default().text("b", "1").text("a", "2");
        assert_eq!(
            expand("%(z)s", &names, "s.k", false).unwrap_err(),
            "Format string '%(z)s' for 's.k' contains names ('z') which cannot be expanded. Available names: a, b"
        );
        let error = expand("hunter2%(z)s", &names, "s.password", true).unwrap_err();
        assert!(!error.contains("hunter2"));
    }

    #[test]
    fn inner_names_hide_outer_ones() {
        let outer = names();
        let mut inner = Names::over(&outer).text("here", "/usr");
        inner.variable("A", "b");
        assert_eq!(expand("%(here)s%(x)s%(ENV_A)s", &inner, "", false).unwrap(), "/usrxb");
    }

    #[test]
    fn agrees_with_python_on_thousands_of_formats() {
        use crate::config::python::{Random, answers};
        let pieces = [
            "%",
            "%(x)",
            "%(n)",
            "%(process_num)",
            "(",
            ")",
            "d",
            "s",
            "5",
            ".3",
            "0",
            "-",
            "+",
            " ",
            "#",
            "x",
            "o",
            "X",
            "e",
            "f",
            "g",
            "G",
            "c",
            "r",
            "a",
            "l",
            "%%",
            "%(here)s",
            "\u{e9}",
            "%(n",
        ];
        let texts = Random::new().texts(8_000, 6, &pieces);
        let body = "  d={'here':'/etc','a(b)':'nested','x':'x','process_num':7,'n':-12}\n\
            \x20 try: return t % d\n\
            \x20 except KeyError as e: return 'unknown '+str(e)\n\
            \x20 except Exception as e: return 'bad '+str(e)";
        let Some(theirs) = answers(&texts, body) else { return };
        let mut done = 0;
        for (text, theirs) in texts.iter().zip(theirs) {
            let ours = match Formatter::new(text, &names()).run() {
                Ok(text) => text,
                Err(Trouble::Unknown(name)) => format!("unknown {}", repr(&name)),
                Err(Trouble::Bad(why)) if why.contains("without a name") => continue,
                Err(Trouble::Bad(why)) => format!("bad {why}"),
            };
            done += 1;
            assert_eq!(ours, theirs, "{text:?}");
        }
        assert!(done > 2_000, "only {done} compared");
    }
}
