//! Prints a sample configuration.

use super::{Tool, print};

/// The sample: every section and key there is, those of the defaults that people change most in force.
pub const SAMPLE: &str = include_str!("sample.conf");

pub const TOOL: Tool = Tool {
    name: "echo_supervisord_conf",
    summary: "print a sample configuration of supervisord",
    synopsis: "",
    details: &[
        "What it prints can be used as it is and shows every section and key there is. Arguments mean nothing.",
    ],
    options: &[],
    exits: &[(0, "always")],
    example: &["echo_supervisord_conf >/etc/supervisord.conf"],
    run: |_, _| {
        print(SAMPLE);
        0
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    /// Lines of the sample that set keys, with the section that each is in.
    fn settings() -> Vec<(&'static str, bool, &'static str)> {
        let mut section = "";
        let mut settings = Vec::new();
        for line in SAMPLE.lines() {
            let (text, active) = match line.strip_prefix(';') {
                Some(text) => (text, false),
                None => (line, true),
            };
            if let Some(name) = text.strip_prefix('[').and_then(|text| text.split(']').next()) {
                section = name;
            } else if let Some((key, _)) = text.split_once('=')
                && !text.starts_with(' ')
            {
                settings.push((section, active, key.trim()));
            }
        }
        settings
    }

    #[test]
    fn every_key_is_shown() {
        let settings = settings();
        let shown = |section: &str, key: &str| {
            settings.iter().any(|(s, _, k)| s.starts_with(section) && *k == key)
        };
        for section in keys::SECTIONS.iter().filter(|section| section.name != "ctlplugin:") {
            for key in section.all() {
                let listener = section.name == "eventlistener:";
                let elsewhere = section.name == "fcgi-program:" && shown("program:", key.name)
                    || listener
                        && (key.name.starts_with("socket")
                            || key.name == "stdout_capture_maxbytes");
                assert!(
                    shown(section.name, key.name) || elsewhere,
                    "[{}] {}",
                    section.name,
                    key.name
                );
            }
        }
    }

    #[test]
    fn what_is_shown_exists_and_our_own_keys_are_not_in_force() {
        for (name, active, key) in settings() {
            let section = keys::section(name).unwrap_or_else(|| panic!("[{name}]"));
            let known = section.all().find(|known| known.name == key);
            let known = known.unwrap_or_else(|| panic!("[{name}] {key}"));
            assert!(known.inherited || !active, "[{name}] {key}");
        }
    }

    #[test]
    fn our_own_keys_are_marked() {
        for line in SAMPLE.lines().filter(|line| line.starts_with(';') && line.contains('=')) {
            let key = line.trim_start_matches(';').split('=').next().unwrap_or_default();
            let own = keys::SECTIONS.iter().flat_map(keys::Section::all);
            let own = own.filter(|known| known.name == key).any(|known| known.inherited);
            if !own && !key.contains(' ') && !key.contains('"') {
                assert!(line.contains("(+)"), "{line}");
            }
        }
    }
}
