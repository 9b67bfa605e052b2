//! `[supervisorctl]`, for the client: the main file alone, as the reference reads it.

use super::errors::Problems;
use super::expand::{Names, expand};
use super::ini::Document;
use super::path;
use super::values;

/// What the section says; defaults where it says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    /// Where the daemon answers.
    pub serverurl: String,
    /// Name to log in with.
    pub username: Option<String>,
    /// Password to log in with.
    pub password: Option<String>,
    /// Prompt of the shell.
    pub prompt: String,
    /// File of the shell's history, absolute.
    pub history_file: Option<String>,
    /// How servers prove who they are, and the client to them.
    pub tls: TlsFiles,
    /// The tokens that `serverurl`'s daemon knows, absolute; `[supervisord]` names it.
    pub tokens_file: Option<String>,
}

/// What TLS goes by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authorities that are trusted; those of the system if none.
    pub cacert: Option<String>,
    /// The client's certificate.
    pub cert: Option<String>,
    /// Its key; in the same file if none.
    pub key: Option<String>,
    /// What the authorities have revoked.
    pub crl: Option<String>,
    /// Servers are not checked at all.
    pub insecure: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("serverurl", &self.serverurl)
            .field("prompt", &self.prompt)
            .finish_non_exhaustive()
    }
}

impl Default for Client {
    fn default() -> Self {
        Client {
            serverurl: "http://localhost:9001".to_owned(),
            username: None,
            password: None,
            prompt: "supervisor".to_owned(),
            history_file: None,
            tls: TlsFiles::default(),
            tokens_file: None,
        }
    }
}

/// Who reads: what paths and expansions start from.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'c> {
    /// Working directory, absolute.
    pub cwd: &'c str,
    /// Environment.
    pub environment: &'c [(String, String)],
    /// The home directory of a user; of the caller for an empty name.
    pub home: fn(&str) -> Option<String>,
}

impl Caller<'_> {
    /// `~` expanded, absolute, normalised.
    fn normal(&self, path: &str) -> String {
        let Some(rest) = path.strip_prefix('~') else {
            return path::absolute(self.cwd, path);
        };
        let (name, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let variable = self.environment.iter().find(|(key, _)| name.is_empty() && key == "HOME");
        let home = variable.map(|(_, home)| home.clone()).or_else(|| (self.home)(name));
        let full = home.map_or_else(
            || path.to_owned(),
            |home| format!("{}{tail}/", home.trim_end_matches('/')),
        );
        path::absolute(self.cwd, &full)
    }
}

/// Reads the section from the bytes of `file_name`, a path as the caller named it. Errors go to `problems`.
pub fn read(file_name: &str, bytes: &[u8], caller: Caller<'_>, problems: &mut Problems) -> Client {
    const SECTION: &str = "supervisorctl";
    let mut client = Client::default();
    let mut doc = Document::default();
    if let Err(error) = doc.read(file_name, bytes) {
        let lines = error.lines.iter().map(|n| format!("{file_name}:{n}"));
        problems.error(error.text, lines.collect());
        return client;
    }
    if !doc.has(SECTION) {
        problems
            .error(".ini file does not include supervisorctl section", vec![file_name.to_owned()]);
        return client;
    }
    let mut names = Names::default();
    for (name, value) in caller.environment {
        names.variable(name, value);
    }
    let here = path::dirname(&caller.normal(file_name)).to_owned();
    let with_here = Names::over(&names).text("here", &here);
    let mut get = |key: &str, names: &Names<'_>| {
        let value = doc.get(SECTION, key)?;
        let secret = matches!(key, "username" | "password");
        let text = expand(&value.text, names, &format!("{SECTION}.{key}"), secret);
        text.map_err(|text| {
            let place = format!("{file_name}:{}: [{SECTION}] {key}", value.place.line);
            problems.error(text, vec![place]);
        })
        .ok()
    };
    if let Some(url) = get("serverurl", &with_here) {
        client.serverurl = match url.strip_prefix("unix://") {
            Some(path) => format!("unix://{}", caller.normal(path)),
            None => url,
        };
    }
    if let Some(prompt) = get("prompt", &names) {
        client.prompt = prompt;
    }
    client.username = get("username", &names);
    client.password = get("password", &names);
    let mut file = |key: &str| {
        let path = get(key, &with_here).filter(|path| !path.is_empty())?;
        Some(caller.normal(&path))
    };
    client.history_file = file("history_file");
    client.tls.cacert = file("cacert");
    client.tls.cert = file("cert");
    client.tls.key = file("key");
    client.tls.crl = file("crl");
    let insecure = get("insecure", &with_here).map(|text| values::boolean(&text));
    client.tls.insecure = match insecure.transpose() {
        Ok(value) => value.unwrap_or_default(),
        Err(text) => {
            problems.error(format!("[{SECTION}] insecure: {text}"), vec![file_name.to_owned()]);
            false
        }
    };
    client.tokens_file = tokens_file(&doc, &with_here, caller);
    client
}

/// Where the daemon has its tokens, which is no error of the client's if it cannot be told.
fn tokens_file(doc: &Document, names: &Names<'_>, caller: Caller<'_>) -> Option<String> {
    let value = doc.get("supervisord", "tokens_file")?;
    let text = expand(&value.text, names, "supervisord.tokens_file", false).ok()?;
    (!text.is_empty()).then(|| caller.normal(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> (Client, Problems) {
        let environment = [("HOME".to_owned(), "/home/me".to_owned())];
        let caller = Caller { cwd: "/srv/app", environment: &environment, home: |_| None };
        let mut problems = Problems::default();
        let client = read("etc/s.conf", text.as_bytes(), caller, &mut problems);
        (client, problems)
    }

    #[test]
    fn reads_the_section() {
        let (client, problems) = run(
            "[supervisorctl]\nserverurl=unix://%(here)s/../s.sock\nusername=u\npassword=p%%\nprompt=%(ENV_HOME)s\n\
             history_file=~/.hist\n",
        );
        assert!(problems.errors.is_empty());
        assert_eq!(client.serverurl, "unix:///srv/app/s.sock");
        assert_eq!(client.username.as_deref(), Some("u"));
        assert_eq!(client.password.as_deref(), Some("p%"));
        assert_eq!(client.prompt, "/home/me");
        assert_eq!(client.history_file.as_deref(), Some("/home/me/.hist"));
        assert_eq!((client.tls, client.tokens_file), (TlsFiles::default(), None));
    }

    #[test]
    fn tls_and_tokens() {
        let (client, problems) = run(
            "[supervisord]\ntokens_file=%(here)s/tokens\n[supervisorctl]\ncacert=%(here)s/ca.pem\ncert=~/me.pem\n\
             key=me.key\ncrl=/r\ninsecure=yes\n",
        );
        assert!(problems.errors.is_empty());
        let text = |text: &str| Some(text.to_owned());
        let tls = TlsFiles {
            cacert: text("/srv/app/etc/ca.pem"),
            cert: text("/home/me/me.pem"),
            key: text("/srv/app/me.key"),
            crl: text("/r"),
            insecure: true,
        };
        assert_eq!(client.tls, tls);
        assert_eq!(client.tokens_file, text("/srv/app/etc/tokens"));
        let wrong = run("[supervisorctl]\ninsecure=perhaps\n").1.errors.remove(0).text;
        assert!(wrong.contains("insecure: not a valid boolean"), "{wrong}");
    }

    #[test]
    fn defaults_and_errors() {
        let (client, problems) = run("[supervisorctl]\n");
        assert_eq!(client, Client::default());
        assert!(problems.errors.is_empty());
        let text = |text: &str| run(text).1.errors.remove(0).text;
        assert_eq!(text("[supervisord]\n"), ".ini file does not include supervisorctl section");
        assert!(text("[supervisorctl]\nbad\n").starts_with("Source contains parsing errors"));
        // `here` is not known in these.
        assert!(text("[supervisorctl]\nprompt=%(here)s\n").contains("names ('here')"));
        assert!(!text("[supervisorctl]\npassword=hunter2%(x)s\n").contains("hunter2"));
    }
}
