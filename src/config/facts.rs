//! What the reader learns about its surroundings while it can still open files.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use privsep::start::Start;
use privsep::table::Table;

use super::settings::Zone;
use super::text;

const ZONES: &str = "/usr/share/zoneinfo";
const ZONE_MAX: usize = 64 << 10;

/// The surroundings.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The caller's words.
    pub start: Start,
    /// The directory that the daemon was started in, absolute.
    pub cwd: String,
    /// Host name.
    pub node: String,
    /// The cgroup v2 directory that the daemon lives in.
    pub cgroup: Option<Vec<u8>>,
    /// Local time.
    pub zone: Zone,
    /// The most descriptors that the system lets any process have.
    pub descriptors: Option<u64>,
    /// Layers of the sandbox that this system does not offer, as the parser met it.
    pub missing: Vec<&'static str>,
    /// At a later reading, the table in force.
    pub current: Option<Table>,
}

impl Facts {
    /// Looks around.
    pub fn gather(start: Start) -> Facts {
        let here = || Some(std::env::current_dir().ok()?.into_os_string().into_encoded_bytes());
        let cwd = Some(start.cwd.clone())
            .filter(|dir| !dir.is_empty())
            .or_else(here)
            .map(|dir| text::from_bytes(&dir))
            .filter(|dir| dir.starts_with('/'))
            .unwrap_or_else(|| "/".to_owned());
        let node = nix::unistd::gethostname()
            .map(|name| text::from_bytes(name.as_bytes()))
            .unwrap_or_default();
        let read = |path: &str| std::fs::read(path).map(|b| text::from_bytes(&b)).ok();
        let cgroup = read("/proc/self/cgroup")
            .zip(read("/proc/self/mountinfo"))
            .and_then(|(own, mounts)| cgroup(&own, &mounts));
        let zone = zone(variable(&start, "TZ").as_deref());
        let descriptors = read("/proc/sys/fs/nr_open").and_then(|n| n.trim().parse().ok());
        let cgroup = cgroup.map(|dir| text::bytes(&dir));
        Facts { start, cwd, node, cgroup, zone, descriptors, missing: Vec::new(), current: None }
    }

    /// The caller's environment, names and values.
    pub fn environment(&self) -> impl Iterator<Item = (String, String)> {
        self.start.env.iter().filter_map(|word| {
            let word = text::from_bytes(word);
            let (name, value) = word.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        })
    }

    /// A variable of the caller's environment.
    pub fn variable(&self, name: &str) -> Option<String> {
        variable(&self.start, name)
    }
}

fn variable(start: &Start, name: &str) -> Option<String> {
    start.env.iter().find_map(|word| {
        let word = text::from_bytes(word);
        let (key, value) = word.split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}

/// The directory of our cgroup: own path from /proc/self/cgroup below the mount of cgroup2 in mountinfo.
fn cgroup(own: &str, mounts: &str) -> Option<String> {
    let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    if !own.starts_with('/') || own.split('/').any(|part| part == "..") {
        return None;
    }
    mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        if kind.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (unescape(fields.next()?), unescape(fields.next()?));
        let below = match root.as_str() {
            "/" => own,
            root => {
                own.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'))?
            }
        };
        let dir = format!("{}{}", point.trim_end_matches('/'), below);
        Some(match dir.trim_end_matches('/') {
            "" => "/".to_owned(),
            dir => dir.to_owned(),
        })
    })
}

/// Mountinfo writes space, tab, line feed and backslash in octal.
fn unescape(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(field.to_owned(), |text, (code, c)| text.replace(code, c))
}

/// The zone that `TZ` names, by the rules of the C library.
pub(crate) fn zone(tz: Option<&str>) -> Zone {
    let Some(tz) = tz else {
        return tzif(Path::new("/etc/localtime")).unwrap_or(Zone::Utc);
    };
    let name = tz.strip_prefix(':').unwrap_or(tz);
    if name.is_empty() {
        return Zone::Utc;
    }
    let file = if name.starts_with('/') {
        tzif(Path::new(name))
    } else if name.split('/').any(|part| part == "..") {
        None
    } else {
        tzif(&Path::new(ZONES).join(name))
    };
    file.unwrap_or_else(|| match jiff::tz::TimeZone::posix(name) {
        Ok(_) => Zone::Posix(name.to_owned()),
        Err(_) => Zone::Utc,
    })
}

fn tzif(path: &Path) -> Option<Zone> {
    let meta = std::fs::metadata(path).ok()?;
    if !meta.is_file() || meta.len() > u64::try_from(ZONE_MAX).unwrap_or(0) {
        return None;
    }
    let bytes = std::fs::read(path).ok()?;
    jiff::tz::TimeZone::tzif("local", &bytes).ok()?;
    Some(Zone::Tzif(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroup_is_found_below_its_mount() {
        let mounts = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
                      31 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
        let find = |own, mounts| cgroup(own, mounts);
        assert_eq!(
            find("1:cpu:/x\n0::/system.slice/s.service\n", mounts).as_deref(),
            Some("/sys/fs/cgroup/system.slice/s.service")
        );
        assert_eq!(find("0::/\n", mounts).as_deref(), Some("/sys/fs/cgroup"));
        assert_eq!(find("0::/../x\n", mounts), None);
        assert_eq!(find("1:cpu:/x\n", mounts), None);
        let inner = "31 23 0:26 /docker/1 /a\\040b rw - cgroup2 cgroup rw\n";
        assert_eq!(find("0::/docker/1/x\n", inner).as_deref(), Some("/a b/x"));
        assert_eq!(find("0::/docker/12\n", inner), None);
    }

    #[test]
    fn zones_by_name_rule_and_path() {
        assert_eq!(zone(Some("")), Zone::Utc);
        assert_eq!(zone(Some("JST-9")), Zone::Posix("JST-9".into()));
        assert_eq!(zone(Some(":JST-9")), Zone::Posix("JST-9".into()));
        assert_eq!(zone(Some("No/Where")), Zone::Utc);
        assert_eq!(zone(Some("../../../etc/passwd")), Zone::Utc);
        assert_eq!(zone(Some("/etc/passwd")), Zone::Utc);
        if Path::new("/usr/share/zoneinfo/Asia/Tokyo").exists() {
            assert!(matches!(zone(Some("Asia/Tokyo")), Zone::Tzif(_)));
            assert!(matches!(zone(Some(":/usr/share/zoneinfo/Asia/Tokyo")), Zone::Tzif(_)));
        }
    }
}
