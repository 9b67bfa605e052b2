//! Mail over SMTP.

use std::error::Error as _;
use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::Data;
use lettre::transport::smtp::extension::ClientId;

use super::clock;
use super::mail::one_line;
use crate::config::text::repr;

/// How long the server may take for each of its answers.
const PATIENCE: Duration = Duration::from_secs(60);
/// The port of servers that none is given for.
const PORT: u16 = 25;
/// Characters of a line of base64.
const LINE: usize = 76;

/// A server and how to log in.
pub struct Smtp {
    /// Name or address, and a port after a colon where it is not 25.
    pub host: String,
    /// Name and password, where the server wants them.
    pub credentials: Option<(String, String)>,
    /// Whether it is logged in over TLS alone.
    pub tls: bool,
}

/// A mail.
pub struct Mail {
    /// Who it is from: an address, or a name with the address in angle brackets.
    pub from: String,
    /// Who it is to.
    pub to: Vec<String>,
    /// The subject, if it has one.
    pub subject: Option<String>,
    /// Its text.
    pub body: String,
}

impl Smtp {
    /// Sends a mail. One recipient that the server takes is enough.
    pub fn send(&self, mail: &Mail) -> Result<(), String> {
        let (host, port) = self.place()?;
        let name = own_name();
        let hello = ClientId::Domain(name.clone());
        let mut server = SmtpConnection::connect((host, port), Some(PATIENCE), &hello, None, None)
            .map_err(|error| words(&error))?;
        let sent = self
            .secure(&mut server, host, &hello)
            .and_then(|()| self.deliver(&mut server, mail, &name));
        // The mail is gone or is not: how the server takes the farewell changes nothing.
        let _ = server.quit();
        sent
    }

    /// Begins TLS where it was asked for. Without a login it is taken where the server has it.
    fn secure(
        &self,
        server: &mut SmtpConnection,
        host: &str,
        hello: &ClientId,
    ) -> Result<(), String> {
        if !self.tls || self.credentials.is_none() && !server.can_starttls() {
            return Ok(());
        }
        let parameters = TlsParameters::new_rustls(host.to_owned());
        let begun = parameters.and_then(|parameters| server.starttls(&parameters, hello));
        begun.map_err(|error| words(&error))
    }

    fn deliver(&self, server: &mut SmtpConnection, mail: &Mail, name: &str) -> Result<(), String> {
        if let Some((user, password)) = &self.credentials {
            let credentials = Credentials::new(user.clone(), password.clone());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            server.auth(&mechanisms, &credentials).map_err(|error| words(&error))?;
        }
        let from = address(&mail.from);
        let refused = server.command(Line(format!("MAIL FROM:<{from}>")));
        refused.map_err(|error| with_sender(&error, &mail.from))?;
        let mut refused = Vec::new();
        for to in &mail.to {
            if let Err(error) = server.command(Line(format!("RCPT TO:<{}>", address(to)))) {
                refused.push(format!("{}: {}", repr(to), words(&error)));
            }
        }
        if refused.len() == mail.to.len() {
            return Err(format!("{{{}}}", refused.join(", ")));
        }
        server.command(Data).map_err(|error| words(&error))?;
        server.message(mail.text(name).as_bytes()).map_err(|error| words(&error))?;
        Ok(())
    }

    fn place(&self) -> Result<(&str, u16), String> {
        match self.host.split_once(':') {
            Some((host, port)) if !port.contains(':') => {
                let port = port.parse().map_err(|_| "nonnumeric port".to_owned())?;
                Ok((host, port))
            }
            _ => Ok((&self.host, PORT)),
        }
    }
}

/// A command of SMTP, on a line of its own whatever is in it.
struct Line(String);

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\r\n", one_line(&self.0))
    }
}

impl Mail {
    /// Headers and body, with the line ends of SMTP; plain ASCII whatever the text is.
    fn text(&self, host: &str) -> String {
        let ascii = self.body.is_ascii();
        let (charset, encoding) = if ascii { ("us-ascii", "7bit") } else { ("utf-8", "base64") };
        let mut text = format!(
            "Content-Type: text/plain; charset=\"{charset}\"\nMIME-Version: 1.0\n\
             Content-Transfer-Encoding: {encoding}\n"
        );
        let mut header = |name: &str, value: &str| {
            let _ = writeln!(text, "{name}: {}", encoded(&one_line(value)));
        };
        if let Some(subject) = self.subject.as_deref().filter(|subject| !subject.is_empty()) {
            header("Subject", subject);
        }
        header("From", &self.from);
        header("To", &self.to.join(", "));
        header("Date", &clock::mail_date());
        header("Message-ID", &message_id(host));
        text.push('\n');
        if ascii {
            text.push_str(&self.body)
        } else {
            text.push_str(&in_base64(&self.body))
        }
        // The end of the last line is what the end of the mail begins with.
        let text = text.strip_suffix('\n').unwrap_or(&text);
        text.replace("\r\n", "\n").replace(['\r', '\n'], "\r\n")
    }
}

/// Text of a header: as it is, or as an encoded word in the shorter of the two ways there are.
fn encoded(value: &str) -> String {
    if value.is_ascii() {
        return value.to_owned();
    }
    let mut quoted = String::new();
    for byte in value.bytes() {
        match byte {
            b' ' => quoted.push('_'),
            b'-' | b'!' | b'*' | b'+' | b'/' => quoted.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("={byte:02X}")),
        }
    }
    let base64 = STANDARD.encode(value);
    if base64.len() < quoted.len() {
        format!("=?utf-8?b?{base64}?=")
    } else {
        format!("=?utf-8?q?{quoted}?=")
    }
}

fn in_base64(body: &str) -> String {
    let mut lines = String::new();
    for chunk in body.as_bytes().chunks(LINE / 4 * 3) {
        lines.push_str(&STANDARD.encode(chunk));
        lines.push('\n');
    }
    lines
}

fn message_id(host: &str) -> String {
    let number = getrandom::u64().unwrap_or_default();
    let now = crate::logs::clock::now().wall.as_millis();
    format!("<{now}.{}.{number}@{host}>", std::process::id())
}

/// The machine's name, as the server is told it.
fn own_name() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let name = name.filter(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b'>' && b != b'<')
    });
    name.unwrap_or_else(|| "localhost".to_owned())
}

/// The address in `Name <address>`, or all of it.
fn address(text: &str) -> &str {
    let inner = text.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or(text.trim(), |(address, _)| address.trim())
}

/// What went wrong, in the words that Python has for it.
fn words(error: &Error) -> String {
    if let Some(code) = error.status() {
        return format!("({code}, {})", answer(error));
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<std::io::Error>() {
            return super::fetch::words(cause);
        }
        source = cause.source();
    }
    match error.source() {
        Some(cause) if cause.to_string() == "incomplete response" => {
            "Connection unexpectedly closed".to_owned()
        }
        Some(cause) => cause.to_string(),
        None => error.to_string(),
    }
}

fn with_sender(error: &Error, sender: &str) -> String {
    match error.status() {
        Some(code) => format!("({code}, {}, {})", answer(error), repr(sender)),
        None => words(error),
    }
}

/// What the server said, as Python shows its bytes.
fn answer(error: &Error) -> String {
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    format!("b{}", repr(&said))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(subject: Option<&str>, body: &str) -> String {
        let mail = Mail {
            from: "Me <me@b>".to_owned(),
            to: vec!["a@b".to_owned(), "c@d".to_owned()],
            subject: subject.map(str::to_owned),
            body: body.to_owned(),
        };
        let text = mail.text("host");
        let lines = text.split("\r\n");
        lines
            .filter(|line| !line.starts_with("Date") && !line.starts_with("Message-ID"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn texts_are_what_python_makes() {
        assert_eq!(
            mail(Some("Crash alert"), "one\ntwo"),
            "Content-Type: text/plain; charset=\"us-ascii\"\nMIME-Version: 1.0\n\
             Content-Transfer-Encoding: 7bit\nSubject: Crash alert\nFrom: Me <me@b>\n\
             To: a@b, c@d\n\none\ntwo"
        );
        assert_eq!(
            mail(None, "dätä"),
            "Content-Type: text/plain; charset=\"utf-8\"\nMIME-Version: 1.0\n\
             Content-Transfer-Encoding: base64\nFrom: Me <me@b>\nTo: a@b, c@d\n\nZMOkdMOk"
        );
    }

    #[test]
    fn headers_are_lines_of_ascii() {
        assert_eq!(encoded("plain text"), "plain text");
        assert_eq!(encoded("Prod: é"), "=?utf-8?b?UHJvZDogw6k=?=");
        assert_eq!(encoded("Café status"), "=?utf-8?q?Caf=C3=A9_status?=");
        assert_eq!(encoded("日本"), "=?utf-8?b?5pel5pys?=");
        assert!(mail(Some("a\nBcc: z"), "x").contains("Subject: a Bcc: z\n"));
    }

    #[test]
    fn addresses_and_places() {
        assert_eq!(address("Me <me@b>"), "me@b");
        assert_eq!(address(" root "), "root");
        let place = |host: &str| {
            let smtp = Smtp { host: host.to_owned(), credentials: None, tls: false };
            smtp.place().map(|(host, port)| format!("{host} {port}"))
        };
        assert_eq!(place("mail"), Ok("mail 25".to_owned()));
        assert_eq!(place("mail:2525"), Ok("mail 2525".to_owned()));
        assert_eq!(place("::1"), Ok("::1 25".to_owned()));
        assert_eq!(place("mail:x"), Err("nonnumeric port".to_owned()));
    }
}
