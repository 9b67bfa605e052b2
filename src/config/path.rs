//! Paths as text, by the rules of Python's `posixpath`.

/// All before the last slash, without slashes at its end.
pub fn dirname(path: &str) -> &str {
    let Some(at) = path.rfind('/') else {
        return "";
    };
    let head = path.get(..=at).unwrap_or("");
    let trimmed = head.trim_end_matches('/');
    if trimmed.is_empty() { head } else { trimmed }
}

/// All after the last slash.
pub fn basename(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `b` if it is absolute, else `b` below `a`.
pub fn join(a: &str, b: &str) -> String {
    if b.starts_with('/') || a.is_empty() {
        b.to_owned()
    } else if a.ends_with('/') {
        format!("{a}{b}")
    } else {
        format!("{a}/{b}")
    }
}

/// Collapses slashes, `.` and `..` by text alone.
pub fn normalise(path: &str) -> String {
    // POSIX leaves the meaning of exactly two leading slashes open, and Python keeps them.
    let root = match path.len() - path.trim_start_matches('/').len() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_none_or(|p| *p == "..") => {
                if root.is_empty() {
                    parts.push(part);
                }
            }
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let all = format!("{root}{}", parts.join("/"));
    if all.is_empty() { ".".to_owned() } else { all }
}

/// The absolute path, normalised.
pub fn absolute(cwd: &str, path: &str) -> String {
    normalise(&join(cwd, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_posixpath_does() {
        for (path, dir) in [("a", ""), ("/a", "/"), ("/a/b", "/a"), ("a//b", "a"), ("//a", "//")] {
            assert_eq!(dirname(path), dir, "{path}");
        }
        for (path, norm) in [
            ("/a/../b//c/.", "/b/c"),
            ("a/..", "."),
            ("../a", "../a"),
            ("/..", "/"),
            ("//a", "//a"),
            ("///a", "/a"),
            ("", "."),
        ] {
            assert_eq!(normalise(path), norm, "{path}");
        }
        assert_eq!(join("/a", "b"), "/a/b");
        assert_eq!(join("/a/", "/b"), "/b");
        assert_eq!(join("", "b"), "b");
        assert_eq!(absolute("/x", "./b"), "/x/b");
    }
}
