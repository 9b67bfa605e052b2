//! Files that pages refer to, under the reference's names. They are part of the program.

use std::sync::OnceLock;

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use sha2::{Digest, Sha256};

use super::reply::Reply;

/// A file.
#[derive(Debug)]
pub struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
    version: OnceLock<String>,
}

const fn file(name: &'static str, kind: &'static str, content: &'static [u8]) -> Asset {
    Asset { name, kind, content, version: OnceLock::new() }
}

static ASSETS: [Asset; 8] = [
    file(
        "stylesheets/supervisor.css",
        "text/css;charset=utf-8",
        include_bytes!("assets/supervisor.css"),
    ),
    file("images/icon.png", "image/png", include_bytes!("assets/icon.png")),
    file("images/supervisor.gif", "image/gif", include_bytes!("assets/supervisor.gif")),
    file("images/rule.gif", "image/gif", include_bytes!("assets/rule.gif")),
    file("images/state0.gif", "image/gif", include_bytes!("assets/state0.gif")),
    file("images/state1.gif", "image/gif", include_bytes!("assets/state1.gif")),
    file("images/state2.gif", "image/gif", include_bytes!("assets/state2.gif")),
    file("images/state3.gif", "image/gif", include_bytes!("assets/state3.gif")),
];

impl Asset {
    pub(super) fn named(name: &str) -> Option<&'static Asset> {
        ASSETS.iter().find(|asset| asset.name == name)
    }

    /// What changes with the content, and with nothing else.
    fn version(&self) -> &str {
        self.version.get_or_init(|| {
            let sum = Sha256::digest(self.content);
            sum.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
        })
    }

    /// The file, or word that the client has it already.
    pub(super) fn reply(&self, headers: &HeaderMap) -> Reply {
        let tag = format!("\"{}\"", self.version());
        let known = headers.get_all(IF_NONE_MATCH).iter().any(|known| {
            let known = known.to_str().unwrap_or_default().split(',').map(str::trim);
            known.map(|k| k.strip_prefix("W/").unwrap_or(k)).any(|k| k == tag || k == "*")
        });
        let (status, content) = match known {
            true => (StatusCode::NOT_MODIFIED, &[][..]),
            false => (StatusCode::OK, self.content),
        };
        let mut reply = Reply::file(status, self.kind, content);
        // Pages refer to it by version, so it may be kept; not by what several users share, as a password may be asked.
        reply.say(CACHE_CONTROL, "private, max-age=604800");
        reply.headers.extend(HeaderValue::try_from(tag).ok().map(|tag| (ETAG, tag)));
        reply
    }
}

/// The relative address of a file of this name, which changes with its content.
pub(super) fn address(name: &str) -> String {
    let version = Asset::named(name).map(Asset::version).unwrap_or_default();
    format!("{name}?v={version}")
}
