//! Names that configurations give: of users, labels, accounts and groups of the system; and who `members=` names by them.

use super::malformed::Malformed;

/// What `anonymous` is called in `members=`.
pub(super) const ANONYMOUS: &str = "anonymous";
/// What kinds of names certificates have.
const CERTIFICATE: [&str; 4] = ["CN=", "DNS:", "EMAIL:", "URI:"];
/// The most characters of a certificate's name.
const LONGEST: usize = 255;

/// An element of `members=`, before anybody has looked up who that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberName {
    /// `NAME`: who logs in by that name, and the system's account of that name.
    Either(String),
    /// `user:NAME`: who logs in by that name.
    User(String),
    /// `unix:NAME` or `unix:UID`: an account of the system.
    Account(String),
    /// `@GROUP` or `@GID`: members of a group of the system.
    Group(String),
    /// `anonymous`: whoever reaches a server that asks nothing.
    Anonymous,
    /// `cert:CN=…`, `cert:DNS:…`, `cert:EMAIL:…`, `cert:URI:…`: whoever has the key of a certificate with exactly that name.
    Certificate(String),
}

impl MemberName {
    /// Reads an element of `members=`; blanks around it do not count.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn parse(text: &str) -> Result<MemberName, Malformed> {
        let text = text.trim();
        if text == ANONYMOUS {
            return Ok(MemberName::Anonymous);
        }
        if let Some(group) = text.strip_prefix('@') {
            return Ok(MemberName::Group(account("the group after @", group)?.to_owned()));
        }
        match text.split_once(':') {
            None => Ok(MemberName::Either(user_name(text)?.to_owned())),
            Some(("user", name)) => Ok(MemberName::User(user_name(name)?.to_owned())),
            Some(("unix", name)) => {
                Ok(MemberName::Account(account("the account after unix:", name)?.to_owned()))
            }
            Some(("cert", name)) => Ok(MemberName::Certificate(certificate(name)?.to_owned())),
            Some(_) => Err(Malformed::new(format!(
                "{text:?} is no member: write NAME, user:NAME, unix:NAME, unix:UID, @GROUP, cert:CN=NAME or {ANONYMOUS}"
            ))),
        }
    }
}

/// A name to log in by, as in `[user:NAME]`.
///
/// # Errors
/// What is wrong with it: it is empty, `anonymous`, begins with `@`, or has a blank, colon, slash, comma or control
/// character.
pub fn user_name(text: &str) -> Result<&str, Malformed> {
    if text == ANONYMOUS {
        return Err(Malformed::new(format!(
            "no user can be called {ANONYMOUS}: it stands for whoever reaches a server that asks nothing"
        )));
    }
    plain("user name", text, "")
}

/// What a certificate says of its holder, with what kind of name that is: `CN=deploy`, `DNS:ci.example.org`,
/// `EMAIL:ops@example.org`, `URI:spiffe://example.org/ci`. It is compared character for character.
///
/// # Errors
/// What is wrong with it: there is no kind or no name, it is longer than 255 characters, or has a control character.
pub fn certificate(text: &str) -> Result<&str, Malformed> {
    let Some(name) = CERTIFICATE.into_iter().find_map(|kind| text.strip_prefix(kind)) else {
        return Err(Malformed::new(format!(
            "{text:?} is no name of a certificate: write cert:CN=NAME, cert:DNS:NAME, cert:EMAIL:ADDRESS or cert:URI:URI, \
             in capitals"
        )));
    };
    if name.is_empty() {
        return Err(Malformed::new(format!("the name of the certificate after {text} is missing")));
    }
    if name.chars().count() > LONGEST {
        return Err(Malformed::new(format!(
            "the name of the certificate {text:?} is longer than {LONGEST} characters"
        )));
    }
    match name.chars().find(|c| c.is_control()) {
        None => Ok(text),
        Some(c) => Err(Malformed::new(format!(
            "the name of the certificate {text:?} cannot have {c:?} in it"
        ))),
    }
}

/// An element of `labels=`, or of `programs=` after the `@`.
///
/// # Errors
/// What is wrong with it: see [`user_name`]; and labels have no `*`, `?`, `[` and `]`.
pub fn label(text: &str) -> Result<&str, Malformed> {
    plain("label", text, "*?[]")
}

fn plain<'t>(what: &str, text: &'t str, more: &str) -> Result<&'t str, Malformed> {
    if text.is_empty() {
        return Err(Malformed::new(format!("the {what} is empty")));
    }
    if text.starts_with('@') {
        return Err(Malformed::new(format!("the {what} {text:?} cannot begin with @")));
    }
    let bad =
        |c: char| c.is_control() || c.is_whitespace() || ":/,".contains(c) || more.contains(c);
    match text.chars().find(|c| bad(*c)) {
        None => Ok(text),
        Some(c) => Err(Malformed::new(format!(
            "the {what} {text:?} cannot have {c:?} in it: take letters, digits, `-`, `_` and `.`"
        ))),
    }
}

/// Accounts and groups of a directory service may have blanks and slashes.
fn account<'t>(what: &str, text: &'t str) -> Result<&'t str, Malformed> {
    if text.is_empty() {
        return Err(Malformed::new(format!("{what} is missing")));
    }
    match text.chars().find(|c| c.is_control() || ":,".contains(*c)) {
        None => Ok(text),
        Some(c) => Err(Malformed::new(format!("{what}, {text:?}, cannot have {c:?} in it"))),
    }
}
