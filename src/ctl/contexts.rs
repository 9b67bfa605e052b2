//! Named contexts: servers with their credentials, in a file of the user's.

use ini::{Ini, ParseOption, Properties};

use super::options::is_url;
use super::secret;
use crate::config::ctl::TlsFiles;
use crate::config::text::repr;
use crate::config::{path, values};

/// Section names begin so.
const PREFIX: &str = "context:";
const KEYS: [&str; 11] = [
    "serverurl",
    "username",
    "password",
    "password_file",
    "prompt",
    "history_file",
    "cacert",
    "cert",
    "key",
    "crl",
    "insecure",
];

/// A server, and as whom to speak to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Where it listens.
    pub serverurl: String,
    /// Name to log in with.
    pub username: Option<String>,
    /// Password to log in with.
    pub password: Option<String>,
    /// A file with it.
    pub password_file: Option<String>,
    /// Prompt of the shell; the context's name if it says nothing.
    pub prompt: String,
    /// File of the shell's history.
    pub history_file: Option<String>,
    /// How the server proves who it is, and the client to it.
    pub tls: TlsFiles,
}

/// Where the contexts of a user with this home directory are: `$XDG_CONFIG_HOME/supervisor/contexts.ini`, that directory being `~/.config` by default.
pub fn place(environment: &[(String, String)], home: Option<&str>) -> Option<String> {
    let get = |name: &str| {
        let found =
            environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        found.filter(|value| value.starts_with('/')).map(str::to_owned)
    };
    let config = get("XDG_CONFIG_HOME").or_else(|| home.map(|home| path::join(home, ".config")))?;
    Some(path::join(&config, "supervisor/contexts.ini"))
}

/// The context of this name in a contexts file. `~/` in it is `home`.
pub fn find(name: &str, file: &str, home: Option<&str>) -> Result<Chosen, String> {
    let Some(read) = secret::read(file)? else {
        return Err(format!("there is no context {}: there is no file {file}", repr(name)));
    };
    let contexts = parse(&read.text, file)?;
    if let Some(why) = read.exposed
        && contexts.iter().any(|(_, context)| context.contains_key("password"))
    {
        return Err(format!("{file} holds a password and is not used: {why}"));
    }
    match contexts.iter().find(|(known, _)| known == name) {
        Some((_, context)) => choose(name, context, file, home),
        None => {
            let known: Vec<&str> = contexts.iter().map(|(name, _)| name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Err(format!("there is no context {} in {file}; there are: {known}", repr(name)))
        }
    }
}

/// The names of the contexts in a file that a shell can show; none if the file cannot be used.
pub fn names(file: &str) -> Vec<String> {
    let contexts = secret::read(file).ok().flatten().and_then(|read| parse(&read.text, file).ok());
    let names = contexts.unwrap_or_default().into_iter().map(|(name, _)| name);
    names.filter(|name| !name.contains(char::is_control)).collect()
}

/// The sections. Values are taken as they stand: no quotes, no escapes, a password may have any character.
fn parse(text: &str, file: &str) -> Result<Vec<(String, Properties)>, String> {
    let as_it_stands =
        ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
    // The library's message may show text of the file.
    let ini = Ini::load_from_str_opt(text, as_it_stands)
        .map_err(|error| format!("{file}, line {}: this is no INI file", error.line))?;
    let mut contexts: Vec<(String, Properties)> = Vec::new();
    for (section, properties) in &ini {
        let Some(section) = section else {
            if properties.is_empty() {
                continue;
            }
            return Err(format!("{file}: there are keys before the first section"));
        };
        let name = section.strip_prefix(PREFIX).map(str::trim).filter(|name| !name.is_empty());
        let Some(name) = name else {
            return Err(format!("{file}: [{section}] is no context: write [context:NAME]"));
        };
        if contexts.iter().any(|(known, _)| known == name) {
            return Err(format!("{file}: [{section}] is there twice"));
        }
        for (key, _) in properties {
            if !KEYS.contains(&key) {
                let keys = KEYS.join(", ");
                return Err(format!("{file}: [{section}] has no key {}; it has {keys}", repr(key)));
            }
        }
        contexts.push((name.to_owned(), properties.clone()));
    }
    Ok(contexts)
}

fn choose(
    name: &str,
    context: &Properties,
    file: &str,
    home: Option<&str>,
) -> Result<Chosen, String> {
    let get = |key: &str| context.get(key).filter(|value| !value.is_empty()).map(str::to_owned);
    let wrong = |what: &str| format!("{file}: [{PREFIX}{name}] {what}");
    let serverurl = get("serverurl").ok_or_else(|| wrong("has no serverurl"))?;
    if !is_url(&serverurl) {
        return Err(wrong(&format!("serverurl: {} is not a URL", repr(&serverurl))));
    }
    let beside = |place: String| match (place.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => path::join(home, rest),
        _ => path::join(path::dirname(file), &place),
    };
    let (password, password_file) = (get("password"), get("password_file").map(beside));
    if password.is_some() && password_file.is_some() {
        return Err(wrong("has both password and password_file"));
    }
    let insecure = get("insecure").map(|text| values::boolean(&text)).transpose();
    let tls = TlsFiles {
        cacert: get("cacert").map(beside),
        cert: get("cert").map(beside),
        key: get("key").map(beside),
        crl: get("crl").map(beside),
        insecure: insecure.map_err(|text| wrong(&format!("insecure: {text}")))?.unwrap_or_default(),
    };
    Ok(Chosen {
        tls,
        serverurl,
        username: get("username"),
        password,
        password_file,
        prompt: get("prompt").unwrap_or_else(|| name.to_owned()),
        history_file: get("history_file").map(beside),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    const TWO: &str = "; servers\n[context:web1]\nserverurl = http://[::1]:9001\nusername=u\n\
                       password=a;b#\\c \"d\n\n[context:db]\nserverurl=unix:///run/s.sock\n\
                       password_file=db.secret\nprompt=DB\n";

    fn look(name: &str, text: &str, mode: u32) -> Result<Chosen, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("contexts.ini");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let file = path.to_str().unwrap();
        find(name, file, None).map_err(|error| error.replace(dir.path().to_str().unwrap(), "DIR"))
    }

    #[test]
    fn contexts_are_found() {
        let web = look("web1", TWO, 0o600).unwrap();
        assert_eq!(web.serverurl, "http://[::1]:9001");
        assert_eq!((web.username.as_deref(), web.prompt.as_str()), (Some("u"), "web1"));
        assert_eq!(web.password.as_deref(), Some("a;b#\\c \"d"));
        assert_eq!(web.tls, TlsFiles::default());
        let db = look("db", TWO, 0o600).unwrap();
        assert_eq!((db.prompt.as_str(), db.password), ("DB", None));
        assert!(db.password_file.unwrap().ends_with("/db.secret"));
    }

    #[test]
    fn errors_say_what_to_do() {
        let error = |name, text, mode| look(name, text, mode).map(|_| ()).unwrap_err();
        assert_eq!(
            error("web", TWO, 0o600),
            "there is no context 'web' in DIR/contexts.ini; there are: web1, db"
        );
        assert_eq!(
            error("x", "", 0o600),
            "there is no context 'x' in DIR/contexts.ini; there are: none"
        );
        let exposed = error("db", TWO, 0o644);
        assert!(
            exposed.contains("holds a password and is not used: others may read it"),
            "{exposed}"
        );
        for (text, what) in [
            ("[web]\n", "write [context:NAME]"),
            ("a=b\n", "keys before the first section"),
            ("[context:x]\n[context:x]\nusername=a\n", "is there twice"),
            ("[context:x]\nurl=a\n", "has no key 'url'; it has serverurl,"),
            ("[context:x]\nusername=a\n", "has no serverurl"),
            ("[context:x]\nserverurl=here\n", "is not a URL"),
            ("[context:x]\nserverurl=http://h\npassword=a\npassword_file=b\n", "has both"),
            (
                "[context:x]\nserverurl=https://h\ninsecure=perhaps\n",
                "insecure: not a valid boolean",
            ),
            ("[context:x\nhunter2\n", "this is no INI file"),
        ] {
            let error = error("x", text, 0o600);
            assert!(error.contains(what) && !error.contains("hunter2"), "{error}");
        }
        assert!(
            find("x", "/nonexistent", None).map(|_| ()).unwrap_err().contains("there is no file")
        );
    }

    #[test]
    fn files_are_beside_the_contexts() {
        let text = "[context:x]\nserverurl=https://h\ncacert=ca.pem\ncert=~/me.pem\nkey=/k\ncrl=\ninsecure=no\n";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("contexts.ini");
        fs::write(&path, text).unwrap();
        let tls = find("x", path.to_str().unwrap(), Some("/home/me")).unwrap().tls;
        assert_eq!(tls.cacert, Some(dir.path().join("ca.pem").to_str().unwrap().to_owned()));
        assert_eq!(tls.cert.as_deref(), Some("/home/me/me.pem"));
        assert_eq!((tls.key.as_deref(), tls.crl, tls.insecure), (Some("/k"), None, false));
    }

    #[test]
    fn without_a_password_others_may_read_it() {
        let text = "[context:x]\nserverurl=http://h:1\npassword_file=/p\n";
        assert_eq!(look("x", text, 0o644).unwrap().password_file.as_deref(), Some("/p"));
    }

    #[test]
    fn what_others_may_write_is_not_used() {
        let text = "[context:x]\nserverurl=http://h:1\npassword_file=/p\n";
        for mode in [0o620, 0o602, 0o666] {
            let error = look("x", text, mode).map(|_| ()).unwrap_err();
            assert!(error.contains("is not used: others may change it"), "{error}");
        }
    }

    #[test]
    fn places() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let end = "supervisor/contexts.ini";
        let xdg = [pair("XDG_CONFIG_HOME", "/x")];
        assert_eq!(place(&xdg, Some("/h")), Some(format!("/x/{end}")));
        let relative = [pair("XDG_CONFIG_HOME", "x")];
        assert_eq!(place(&relative, Some("/h")), Some(format!("/h/.config/{end}")));
        assert_eq!(place(&[], None), None);
    }

    #[test]
    fn names_for_completion() {
        assert!(names("/nonexistent").is_empty());
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("{TWO}[context:a\u{1b}b]\n")).unwrap();
        assert_eq!(names(file.path().to_str().unwrap()), ["web1", "db"]);
        fs::set_permissions(file.path(), Permissions::from_mode(0o620)).unwrap();
        assert!(names(file.path().to_str().unwrap()).is_empty());
    }
}
