//! Sections that do nothing here, or name Python code: what is said about them.

use super::expand::Names;
use super::keys;
use super::reading::{Reading, Scope};

const RPC: &str = "rpcinterface:";
const RPC_KEY: &str = "supervisor.rpcinterface_factory";
const RPC_MAIN: &str = "supervisor.rpcinterface:make_main_rpcinterface";
const CTL: &str = "ctlplugin:";
const CTL_KEY: &str = "supervisor.ctl_factory";

/// Warns about unknown sections and about plugins, and checks what a plugin must name. `names` has ENV_ names.
pub fn check(r: &mut Reading<'_>, names: &Names<'_>) {
    let sections: Vec<String> = r.doc.sections.iter().map(|s| s.name.clone()).collect();
    for section in &sections {
        let scope = Scope::plain(section, names);
        if section.starts_with(RPC) {
            rpc_interface(r, scope);
        } else if section.starts_with(CTL) {
            ctl_plugin(r, scope);
        } else if section == "supervisorctl" {
            r.unknown_keys(section);
        } else if keys::section(section).is_none() {
            let place = r.locate_section(section);
            let near = keys::near_section(section);
            let hint = near.as_ref().map_or(String::new(), |s| format!("; did you mean [{s}]?"));
            let keys: &[&str] = match &near {
                Some(near) if near.starts_with("role:") => &["members", "actions"],
                Some(near) if near.starts_with("user:") => &["password"],
                _ => &[],
            };
            if keys.iter().any(|key| r.doc.get(section, key).is_some()) {
                // Without it more would be allowed than was meant, perhaps everything.
                let text = format!("section [{section}] is not known{hint}");
                r.problems.error(text, vec![r.locate_section(section)]);
                continue;
            }
            r.problems.advice(format!("{place} is not known and has no effect{hint}"));
        }
    }
}

fn rpc_interface(r: &mut Reading<'_>, scope: Scope<'_>) {
    let section = scope.section;
    if r.raw(section, RPC_KEY).is_none() {
        let text = format!("section [{section}] does not specify a {RPC_KEY}");
        r.check::<()>(scope, "", Err(text));
        return;
    }
    match r.text(scope, RPC_KEY) {
        Some(factory) if factory != RPC_MAIN => {
            let place = r.locate(section, RPC_KEY);
            r.problems.advice(format!(
                "{place} names Python code, which cannot run here: its methods are not there; use those of {RPC_MAIN}, \
                 which are always there, from a program of your own"
            ));
        }
        _ => {}
    }
}

/// The daemon needs none of it; the client does not load Python code either.
fn ctl_plugin(r: &mut Reading<'_>, scope: Scope<'_>) {
    let section = scope.section;
    let key = if r.raw(section, CTL_KEY).is_some() { CTL_KEY } else { "" };
    let place = r.locate(section, key);
    r.problems.advice(format!(
        "{place} names Python code, which supervisorctl cannot run: its actions are not there; use a script that calls \
         supervisorctl or the XML-RPC interface"
    ));
}
