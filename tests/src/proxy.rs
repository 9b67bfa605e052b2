//! Programs that people put between their clients and the daemon.

use std::env;
use std::path::Path;

/// Where nginx is; `None` where there is none to be had.
pub fn nginx() -> Option<String> {
    find("SUPERVISOR_NGINX", "/usr/sbin/nginx", "tools/nginx.sh")
}

/// Where stunnel is; `None` where there is none to be had.
pub fn stunnel() -> Option<String> {
    find("SUPERVISOR_STUNNEL", "/usr/bin/stunnel4", "tools/stunnel.sh")
}

fn find(variable: &str, usual: &str, script: &str) -> Option<String> {
    match env::var(variable) {
        Ok(path) if path.is_empty() || path == "none" => None,
        Ok(path) => Some(path),
        Err(_) => {
            let found = Path::new(usual).exists();
            assert!(found, "no {usual} here: {script} gets it, or says `none`");
            Some(usual.to_owned())
        }
    }
}
