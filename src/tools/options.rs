//! Command lines of the tools. Most are read as Python's getopt reads them; those of the batches as its optparse does,
//! whose texts and exit status differ.

use super::{Start, Tool, print, say};
use crate::config::getopt::{self, Opt, Parsed, Takes};
use crate::config::text::repr;

/// Exit status of the tools that read with getopt, for what they cannot use.
pub const USAGE: u8 = 255;
/// Exit status of optparse.
const WRONG: u8 = 2;

/// An option of a tool.
pub const fn option(
    short: char,
    long: &'static str,
    value: Option<&'static str>,
    help: &'static str,
) -> Opt {
    Opt { short: Some(short), ..long_option(long, value, help) }
}

/// An option of a tool without a short form.
pub const fn long_option(
    long: &'static str,
    value: Option<&'static str>,
    help: &'static str,
) -> Opt {
    let value = match value {
        Some(name) => Some((name, Takes::Text)),
        None => None,
    };
    Opt { short: None, long, value, help, own: false }
}

/// The option that every tool has.
pub const HELP: Opt = option('h', "help", None, "print this text and exit");

/// Of those that mail by a program.
pub const SENDMAIL_PROGRAM: Opt = option(
    's',
    "sendmail_program",
    Some("COMMAND"),
    "command that takes the mail on its standard input (default /usr/sbin/sendmail -t -i)",
);

/// Of those that restart and mail of it.
pub const EMAIL: Opt =
    option('m', "email", Some("ADDRESS"), "who is mailed of restarts; without it nobody is");

impl Tool {
    /// The text that `--help` prints.
    pub fn help(&self) -> String {
        let mut text = format!("{} {}\n\n", self.name, self.synopsis);
        for paragraph in self.details {
            text.push_str(&folded(paragraph));
            text.push('\n');
        }
        text.push_str("Options:\n\n");
        text.push_str(&getopt::help(self.options));
        if !self.example.is_empty() {
            text.push_str("\nExample:\n\n");
            self.example.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        }
        text
    }

    /// Prints the help where something is wrong with the command line.
    pub(super) fn usage(&self) -> u8 {
        print(&self.help());
        USAGE
    }

    /// Options and further words. An error is the exit status: the help was printed.
    pub(super) fn read(&self, start: &Start) -> Result<Parsed, u8> {
        let Ok(parsed) = getopt::parse(&start.args, self.options) else {
            return Err(self.usage());
        };
        if parsed.0.iter().any(|(name, _)| is(name, &HELP)) {
            print(&self.help());
            return Err(0);
        }
        Ok(parsed)
    }

    /// Options as optparse reads them: further words may stand between them and mean nothing.
    pub(super) fn read_mixed(&self, start: &Start) -> Result<Vec<(String, String)>, u8> {
        let mut options = Vec::new();
        let mut rest = start.args.clone();
        while !rest.is_empty() {
            let ends = rest.iter().position(|word| word == "--");
            let (found, words) = getopt::parse(&rest, self.options)
                .map_err(|error| self.refuse(&in_words_of_optparse(&error, self.options)))?;
            options.extend(found);
            if ends.is_some_and(|end| end + words.len() < rest.len()) {
                break;
            }
            rest = words.into_iter().skip(1).collect();
        }
        if options.iter().any(|(name, _)| is(name, &HELP)) {
            print(&self.help());
            return Err(0);
        }
        Ok(options)
    }

    /// Says what is wrong as optparse does; its exit status.
    pub(super) fn refuse(&self, what: &str) -> u8 {
        say(&format!("Usage: {0} [options]\n\n{0}: error: {what}\n", self.name));
        WRONG
    }
}

/// Whether a name that was read is that of this option.
pub fn is(name: &str, option: &Opt) -> bool {
    match name.strip_prefix("--") {
        Some(long) => long == option.long,
        None => name.strip_prefix('-').map(|short| short.chars().next()) == Some(option.short),
    }
}

/// The words of optparse for an error of getopt's.
fn in_words_of_optparse(error: &str, options: &[Opt]) -> String {
    let words: Vec<&str> = error.split(' ').collect();
    match words.as_slice() {
        ["option", name, "not", "recognized"] => format!("no such option: {name}"),
        ["option", name, "requires", "argument"] => format!("{name} option requires 1 argument"),
        ["option", name, "must", ..] => format!("{name} option does not take a value"),
        ["option", name, "not", "a", ..] => {
            let forms = options.iter().map(|option| format!("--{}", option.long));
            let mut fitting: Vec<String> = forms.filter(|form| form.starts_with(name)).collect();
            fitting.sort_unstable();
            format!("ambiguous option: {name} ({}?)", fitting.join(", "))
        }
        _ => error.to_owned(),
    }
}

/// A size in bytes: a number, with KB, MB or GB after it in any case.
pub fn byte_size(value: &str) -> Option<i64> {
    suffixed(value, &[("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30)])
}

/// A time in seconds: a number, with s, m, h or d after it in any case.
pub fn seconds(value: &str) -> Option<i64> {
    suffixed(value, &[("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)])
}

fn suffixed(value: &str, units: &[(&str, i64)]) -> Option<i64> {
    let value = value.to_lowercase();
    let unit = units.iter().find_map(|(suffix, unit)| Some((value.strip_suffix(suffix)?, *unit)));
    let (digits, unit) = unit.unwrap_or((&value, 1));
    integer(digits)?.checked_mul(unit)
}

/// A whole number as Python reads one, underscores apart.
pub fn integer(digits: &str) -> Option<i64> {
    digits.trim().parse().ok()
}

/// Python's `repr` of a list of strings.
pub fn list(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| repr(word)).collect();
    format!("[{}]", words.join(", "))
}

/// Lines of at most 79 characters.
fn folded(paragraph: &str) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in paragraph.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > 79 {
            text.push('\n');
            column = 0;
        }
        if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        assert_eq!(byte_size("200MB"), Some(200 << 20));
        assert_eq!(byte_size("1gb"), Some(1 << 30));
        assert_eq!(byte_size(" 5 kb"), Some(5120));
        assert_eq!(byte_size("10000"), Some(10_000));
        assert_eq!(byte_size("-1"), Some(-1));
        for wrong in ["", "x", "1TB", "MB", "1.5MB", "99999999999999GB"] {
            assert_eq!(byte_size(wrong), None, "{wrong}");
        }
        assert_eq!(
            (seconds("2m"), seconds("1D"), seconds("7")),
            (Some(120), Some(86_400), Some(7))
        );
        assert_eq!((seconds("1w"), seconds("m")), (None, None));
    }

    #[test]
    fn lists_look_like_pythons() {
        assert_eq!(list(&["a".to_owned(), "it's".to_owned()]), "['a', \"it's\"]");
        assert_eq!(list(&[]), "[]");
    }

    #[test]
    fn paragraphs_are_folded() {
        let text = folded(&"word ".repeat(40));
        assert!(text.lines().all(|line| line.len() <= 79));
        assert_eq!(text.split_whitespace().count(), 40);
    }

    #[test]
    fn errors_are_those_of_optparse() {
        let options = super::super::crashsms::TOOL.options;
        let text = |args: &[&str]| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            in_words_of_optparse(&getopt::parse(&args, options).unwrap_err(), options)
        };
        assert_eq!(text(&["--bogus"]), "no such option: --bogus");
        assert_eq!(text(&["-i"]), "-i option requires 1 argument");
        assert_eq!(text(&["--s", "a"]), "ambiguous option: --s (--smtpHost, --subject?)");
        assert_eq!(text(&["--tls=1"]), "--tls option does not take a value");
    }

    #[test]
    fn words_between_options_mean_nothing() {
        let read = |args: &[&str]| {
            let args = args.iter().map(|arg| (*arg).to_owned()).collect();
            let options = super::super::crashsms::TOOL.read_mixed(&Start { args }).unwrap();
            options.into_iter().map(|(_, value)| value).collect::<Vec<_>>().join(",")
        };
        assert_eq!(read(&["x", "-t", "a", "y", "-f", "b"]), "a,b");
        assert_eq!(read(&["-t", "a", "--", "-f", "b"]), "a");
        assert_eq!(read(&["-t", "--", "-f", "b"]), "--,b");
    }
}
