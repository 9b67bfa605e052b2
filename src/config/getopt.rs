//! Python's `getopt`: the command line as the reference reads it, with its error texts. Daemon and client share it.

/// An option, declared once: the command line is read by it, and help and man pages are made from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opt {
    /// The letter of the short form.
    pub short: Option<char>,
    /// The word of the long form.
    pub long: &'static str,
    /// What its value is called and of what kind it is, where it has one.
    pub value: Option<(&'static str, Takes)>,
    /// What it does, without a full stop.
    pub help: &'static str,
    /// Whether Supervisor does not have it: then it must be written out, so that no abbreviation of its options becomes
    /// ambiguous.
    pub own: bool,
}

/// What an option's value is, for completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A file's path.
    File,
    /// A directory's path.
    Directory,
    /// A user's name.
    User,
    /// A server's address.
    Url,
    /// The name of a context.
    Context,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Anything else.
    Text,
}

/// `-c`, as daemon and client have it.
pub const CONFIGURATION: Opt = Opt {
    short: Some('c'),
    long: "configuration",
    value: Some(("FILENAME", Takes::File)),
    help: "configuration file; searched for if not given",
    own: false,
};

/// `-h`, as daemon and client have it.
pub const HELP: Opt = Opt {
    short: Some('h'),
    long: "help",
    value: None,
    help: "print this text and exit",
    own: false,
};

impl Opt {
    /// As the help shows it: `-c/--configuration FILENAME`.
    pub fn form(&self) -> String {
        let short = self.short.map(|letter| format!("-{letter}/")).unwrap_or_default();
        let value = self.value.map(|(name, _)| format!(" {name}")).unwrap_or_default();
        format!("{short}--{}{value}", self.long)
    }
}

/// The help's lines about options.
pub fn help(options: &[Opt]) -> String {
    options.iter().map(|option| format!("{} -- {}\n", option.form(), option.help)).collect()
}

/// Reads `args` by declared options; `-?` is there beside `-h`. See [`getopt`].
pub fn parse(args: &[String], options: &[Opt]) -> Result<Parsed, String> {
    let letter = |option: &Opt| {
        let colon = if option.value.is_some() { ":" } else { "" };
        option.short.map(|letter| format!("{letter}{colon}"))
    };
    let short: String =
        std::iter::once("?".to_owned()).chain(options.iter().filter_map(letter)).collect();
    let word = |option: &Opt| {
        let own = if option.own { "!" } else { "" };
        let equals = if option.value.is_some() { "=" } else { "" };
        format!("{own}{}{equals}", option.long)
    };
    let long: Vec<String> = options.iter().map(word).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    getopt(args, &short, &long)
}

/// Options as (name with its hyphens, argument or empty), and the words after them.
pub type Parsed = (Vec<(String, String)>, Vec<String>);

/// Reads `args` (without the program's name). `short` lists letters, one that takes an argument followed by a colon;
/// `long` lists names, one that takes an argument with `=` at its end, one
/// that must be written out with `!` at its start (those that Supervisor does not have, so that no abbreviation of its
/// options becomes ambiguous). The error is Python's text.
pub fn getopt(args: &[String], short: &str, long: &[&str]) -> Result<Parsed, String> {
    let mut options = Vec::new();
    let mut rest = args.iter();
    loop {
        let here = rest.clone();
        match rest.next().map(String::as_str) {
            Some("--") => break,
            Some(arg) if arg.starts_with("--") => {
                options.push(long_option(arg.get(2..).unwrap_or(""), long, &mut rest)?);
            }
            Some(arg) if arg.len() > 1 && arg.starts_with('-') => {
                let letters = arg.get(1..).unwrap_or("");
                short_options(letters, short, &mut rest, &mut options)?;
            }
            _ => {
                rest = here;
                break;
            }
        }
    }
    Ok((options, rest.cloned().collect()))
}

type Rest<'a> = std::slice::Iter<'a, String>;

fn long_option(arg: &str, long: &[&str], rest: &mut Rest<'_>) -> Result<(String, String), String> {
    let (typed, given) = match arg.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (arg, None),
    };
    let fits = |l: &&&str| match l.strip_prefix('!') {
        Some(whole) => whole.trim_end_matches('=') == typed,
        None => l.starts_with(typed),
    };
    let possible: Vec<&str> = long.iter().filter(fits).map(|l| l.trim_start_matches('!')).collect();
    let full = match possible.as_slice() {
        [] => return Err(format!("option --{typed} not recognized")),
        [one] => one,
        many => many
            .iter()
            .find(|l| l.trim_end_matches('=') == typed)
            .ok_or_else(|| format!("option --{typed} not a unique prefix"))?,
    };
    let name = full.trim_end_matches('=');
    let value = match (full.ends_with('='), given) {
        (true, Some(value)) => value.to_owned(),
        (true, None) => {
            rest.next().cloned().ok_or_else(|| format!("option --{name} requires argument"))?
        }
        (false, Some(_)) => return Err(format!("option --{name} must not have an argument")),
        (false, None) => String::new(),
    };
    Ok((format!("--{name}"), value))
}

fn short_options(
    letters: &str,
    short: &str,
    rest: &mut Rest<'_>,
    options: &mut Vec<(String, String)>,
) -> Result<(), String> {
    let mut chars = letters.chars();
    while let Some(letter) = chars.next() {
        let at = short
            .find(letter)
            .filter(|_| letter != ':')
            .ok_or_else(|| format!("option -{letter} not recognized"))?;
        let takes = short.get(at + letter.len_utf8()..).is_some_and(|s| s.starts_with(':'));
        let mut value = String::new();
        if takes {
            value = chars.as_str().to_owned();
            chars = "".chars();
            if value.is_empty() {
                value = rest
                    .next()
                    .cloned()
                    .ok_or_else(|| format!("option -{letter} requires argument"))?;
            }
        }
        options.push((format!("-{letter}"), value));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &[&str] =
        &["configuration=", "nodaemon", "nocleanup", "minfds=", "minprocs=", "help", "!check"];

    fn run(args: &[&str]) -> Result<Parsed, String> {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        getopt(&args, "h?c:nk", LONG)
    }

    fn options(args: &[&str]) -> Vec<(String, String)> {
        run(args).unwrap().0
    }

    #[test]
    fn reads_short_and_long_options() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(options(&["-nc", "f"]), [pair("-n", ""), pair("-c", "f")]);
        assert_eq!(options(&["-cf"]), [pair("-c", "f")]);
        assert_eq!(options(&["--conf", "f"]), [pair("--configuration", "f")]);
        assert_eq!(options(&["--conf=f"]), [pair("--configuration", "f")]);
        assert_eq!(options(&["--nod"]), [pair("--nodaemon", "")]);
        assert_eq!(
            run(&["-n", "a", "-k"]).unwrap(),
            (vec![pair("-n", "")], vec!["a".to_owned(), "-k".to_owned()])
        );
        assert_eq!(
            options(&["--check", "--c=x"]),
            [pair("--check", ""), pair("--configuration", "x")]
        );
        assert_eq!(run(&["--", "-n"]).unwrap().1, ["-n"]);
        assert_eq!(run(&["-"]).unwrap().1, ["-"]);
    }

    #[test]
    fn errors_are_pythons() {
        for (args, text) in [
            (&["--bogus"][..], "option --bogus not recognized"),
            (&["--chec"], "option --chec not recognized"),
            (&["-x"], "option -x not recognized"),
            (&["-:"], "option -: not recognized"),
            (&["-c"], "option -c requires argument"),
            (&["--configuration"], "option --configuration requires argument"),
            (&["--min=1"], "option --min not a unique prefix"),
            (&["--nodaemon=1"], "option --nodaemon must not have an argument"),
        ] {
            assert_eq!(run(args), Err(text.to_owned()));
        }
    }
}
