//! As whom to speak to which server, where the configuration file is not what says it.

use super::contexts;
use super::options::{CommandLine, home};
use super::secret;
use crate::config::ctl::{Client, TlsFiles};

/// A variable that is set to something.
fn variable<'e>(environment: &'e [(String, String)], name: &str) -> Option<&'e str> {
    let found = environment.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
}

/// The context that is to be used. One that the environment names gives way to a server named on the command line.
pub fn context(
    line: &CommandLine,
    environment: &[(String, String)],
) -> Result<Option<Client>, String> {
    let server_is_named = line.configuration.is_some() || line.serverurl.is_some();
    let name = match &line.context {
        Some(_) if server_is_named => {
            return Err("--context names a server: it goes with neither -c nor -s".to_owned());
        }
        Some(name) => name.as_str(),
        None => match variable(environment, "SUPERVISOR_CONTEXT") {
            Some(name) if !server_is_named => name,
            _ => return Ok(None),
        },
    };
    let home = home_of(environment);
    let file = contexts::place(environment, home.as_deref())
        .ok_or("there is no home directory, so there are no contexts: set HOME")?;
    let context = contexts::find(name, &file, home.as_deref())?;
    let given = line.password.is_some() || line.password_file.is_some();
    let password = match (context.password, context.password_file) {
        (None, Some(file)) if !given => Some(secret::password(&file)?),
        (None, None) => from_environment(environment)?,
        (password, _) => password,
    };
    Ok(Some(Client {
        serverurl: context.serverurl,
        username: context.username,
        password,
        prompt: context.prompt,
        history_file: context.history_file,
        tls: context.tls,
        tokens_file: None,
    }))
}

/// The caller's home directory.
pub fn home_of(environment: &[(String, String)]) -> Option<String> {
    variable(environment, "HOME").map(str::to_owned).or_else(|| home(""))
}

fn from_environment(environment: &[(String, String)]) -> Result<Option<String>, String> {
    match variable(environment, "SUPERVISOR_PASSWORD") {
        Some(password) => Ok(Some(password.to_owned())),
        None => variable(environment, "SUPERVISOR_PASSWORD_FILE").map(secret::password).transpose(),
    }
}

/// What TLS goes by. The command line comes first; then a context, then the environment, then the configuration. A
/// certificate and its key come from the same place.
pub fn tls(
    line: &CommandLine,
    environment: &[(String, String)],
    file: TlsFiles,
    in_context: bool,
) -> TlsFiles {
    let get = |name: &str| variable(environment, name).map(str::to_owned);
    let typed = (line.cert.clone(), line.key.clone());
    let told = (get("SUPERVISOR_CERT"), get("SUPERVISOR_KEY"));
    let kept = (file.cert, file.key);
    let authorities = get("SUPERVISOR_CACERT");
    let (pairs, cacert) = if in_context {
        ([typed, kept, told], file.cacert.or(authorities))
    } else {
        ([typed, told, kept], authorities.or(file.cacert))
    };
    let given = |(cert, key): &(Option<String>, Option<String>)| cert.is_some() || key.is_some();
    let (cert, key) = pairs.into_iter().find(given).unwrap_or_default();
    TlsFiles {
        cacert: line.cacert.clone().or(cacert),
        cert,
        key,
        crl: line.crl.clone().or(file.crl),
        insecure: line.insecure.is_some() || file.insecure,
    }
}

/// The password that the command line gives; else, without a context, that of the environment.
pub fn password(
    line: &CommandLine,
    environment: &[(String, String)],
    context: bool,
) -> Result<Option<String>, String> {
    match (&line.password, &line.password_file) {
        (Some(_), Some(_)) => Err("-p and --password-file exclude each other".to_owned()),
        (Some(password), None) => Ok(Some(password.clone())),
        (None, Some(file)) => secret::password(file).map(Some),
        (None, None) if context => Ok(None),
        (None, None) => from_environment(environment),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::options::{Stop, read};

    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Home {
            use std::os::unix::fs::PermissionsExt;
            let home = Home(tempfile::tempdir().unwrap());
            let text = "[context:own]\nserverurl=http://own:1\nusername=me\npassword=kept\n\
                        [context:bare]\nserverurl=http://bare:1\nusername=me\n\
                        [context:filed]\nserverurl=http://f:1\nusername=me\npassword_file=~/secret\n";
            fs::create_dir(home.0.path().join("supervisor")).unwrap();
            for (name, text) in [("supervisor/contexts.ini", text), ("secret", "filed\n")] {
                let path = home.0.path().join(name);
                fs::write(&path, text).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            }
            fs::write(home.0.path().join("c"), "[supervisorctl]\nusername=u\npassword=conf\n")
                .unwrap();
            home
        }

        fn path(&self, name: &str) -> String {
            self.0.path().join(name).to_str().unwrap().to_owned()
        }

        /// Address and password, or the error.
        fn run(
            &self,
            args: &[&str],
            variables: &[(&str, &str)],
        ) -> Result<(String, String), String> {
            let mut words = vec!["/nonexistent/bin/supervisorctl".to_owned()];
            words.extend(args.iter().map(|word| (*word).to_owned()));
            let mut environment: Vec<(String, String)> =
                variables.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            environment.push(("XDG_CONFIG_HOME".to_owned(), self.path("")));
            environment.push(("HOME".to_owned(), self.path("")));
            match read(&words, &environment) {
                Ok(options) => {
                    Ok((options.client.serverurl, options.client.password.unwrap_or_default()))
                }
                Err(Stop::Usage(text)) => Err(text.lines().next().unwrap_or_default().to_owned()),
                Err(Stop::Help(_)) => Err("help".to_owned()),
            }
        }
    }

    #[test]
    fn who_says_the_password() {
        let home = Home::new();
        let (conf, secret) = (home.path("c"), home.path("secret"));
        let password = |args: &[&str], variables: &[(&str, &str)]| {
            home.run(args, variables).map(|(_, password)| password)
        };
        let env = ("SUPERVISOR_PASSWORD", "env");
        let env_file = ("SUPERVISOR_PASSWORD_FILE", secret.as_str());
        let text = |text: &str| Ok(text.to_owned());
        assert_eq!(password(&["-c", &conf, "pid"], &[]), text("conf"));
        assert_eq!(password(&["-c", &conf, "pid"], &[env_file]), text("filed"));
        assert_eq!(password(&["-c", &conf, "pid"], &[env, env_file]), text("env"));
        assert_eq!(
            password(&["-c", &conf, "--password-file", &secret, "pid"], &[env]),
            text("filed")
        );
        assert_eq!(password(&["-c", &conf, "-p", "q", "pid"], &[env]), text("q"));
        assert_eq!(password(&["--context", "own", "pid"], &[env]), text("kept"));
        assert_eq!(password(&["--context", "bare", "pid"], &[env]), text("env"));
        assert_eq!(password(&["--context", "filed", "pid"], &[env]), text("filed"));
        assert_eq!(password(&["--context", "own", "-p", "q", "pid"], &[]), text("q"));
        let both = password(&["-p", "q", "--password-file", &secret, "pid"], &[]);
        assert_eq!(both, Err("Error: -p and --password-file exclude each other".to_owned()));
    }

    #[test]
    fn who_says_by_what_tls_goes() {
        use super::{CommandLine, TlsFiles, tls};
        let text = |text: &str| Some(text.to_owned());
        let file = TlsFiles {
            cacert: text("f.ca"),
            cert: text("f.cert"),
            key: text("f.key"),
            crl: text("f.crl"),
            insecure: false,
        };
        let environment = [("SUPERVISOR_CACERT", "e.ca"), ("SUPERVISOR_CERT", "e.cert")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let none = CommandLine::default();
        assert_eq!(tls(&none, &[], file.clone(), false), file);
        assert_eq!(tls(&none, &environment, file.clone(), true), file);
        // A certificate never goes with the key of another.
        let told = tls(&none, &environment, file.clone(), false);
        assert_eq!((told.cacert, told.cert, told.key), (text("e.ca"), text("e.cert"), None));
        assert_eq!(told.crl, text("f.crl"));
        let line =
            CommandLine { cert: text("l.cert"), insecure: text(""), ..CommandLine::default() };
        let typed = tls(&line, &environment, file, true);
        assert_eq!((typed.cert, typed.key, typed.insecure), (text("l.cert"), None, true));
    }

    #[test]
    fn contexts_name_servers() {
        let home = Home::new();
        let conf = home.path("c");
        let url = |args: &[&str], variables: &[(&str, &str)]| {
            home.run(args, variables).map(|(url, _)| url)
        };
        let own = ("SUPERVISOR_CONTEXT", "own");
        assert_eq!(url(&["pid"], &[own]), Ok("http://own:1".to_owned()));
        assert_eq!(url(&["--context=bare", "pid"], &[own]), Ok("http://bare:1".to_owned()));
        assert_eq!(url(&["-s", "http://s:1", "pid"], &[own]), Ok("http://s:1".to_owned()));
        assert_eq!(url(&["-c", &conf, "pid"], &[own]), Ok("http://localhost:9001".to_owned()));
        let error = url(&["-c", &conf, "--context", "own", "pid"], &[]).unwrap_err();
        assert!(error.contains("neither -c nor -s"), "{error}");
        let error = url(&["--context", "nosuch", "pid"], &[]).unwrap_err();
        assert!(error.ends_with("there are: own, bare, filed"), "{error}");
    }
}
