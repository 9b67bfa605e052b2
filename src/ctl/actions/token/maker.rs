//! Who makes a token: what the daemon says of the caller, as far as it is to be believed.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::Uid;
use policy::access::Who;

use super::super::super::session::Session;
use super::super::super::trouble::Trouble;
use super::super::rights::Me;
use super::Stop;
use crate::config::token_line;
use crate::rpc::fault::Code;

/// Who makes a token, as its line says; and whether the daemon is there to say so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Maker {
    pub(super) name: Option<String>,
    pub(super) daemon: bool,
}

/// Who the caller is to the daemon, if that one may make a token for the role.
pub(super) fn maker(session: &mut Session, role: &str, path: Option<&str>) -> Result<Maker, Stop> {
    let me = match session.call("supervisor.whoAmI", &[]) {
        Ok(answer) => Me::try_from(&answer)?,
        // Who may write the file may do so by hand as well.
        Err(trouble) if is_away(&trouble) && Uid::effective().is_root() => {
            return Ok(Maker { name: None, daemon: false });
        }
        Err(trouble) => return Err(trouble.into()),
    };
    judge(&me, role, &Source::of(session, path))
}

/// Whether nobody listens there.
pub(super) fn is_away(trouble: &Trouble) -> bool {
    use super::super::super::session::libc_errno::{ECONNREFUSED, ENOENT};
    matches!(trouble.errno(), Some(ECONNREFUSED | ENOENT))
}

/// Who has said who the caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Root, the caller, or whose the tokens file is, by a unix socket.
    Trusted,
    /// Somebody else by a unix socket.
    Socket,
    /// Some host. There nobody is an owner, and the kernel vouches for none.
    Host,
}

impl Source {
    fn of(session: &Session, path: Option<&str>) -> Source {
        let Some(peer) = session.server.peer() else {
            return Source::Host;
        };
        // Who has the file could write the line as well.
        let keeps = || {
            let path = Path::new(path?);
            let about = path
                .symlink_metadata()
                .or_else(|error| path.parent().map_or(Err(error), Path::symlink_metadata));
            about.ok().map(|about| about.uid())
        };
        let known = peer == 0 || peer == Uid::effective().as_raw() || keeps() == Some(peer);
        if known { Source::Trusted } else { Source::Socket }
    }
}

/// Whose the token is to be, if what the server says makes sense. What ends up in the file is what is understood of it, and
/// never the server's own text.
pub(super) fn judge(me: &Me, role: &str, source: &Source) -> Result<Maker, Stop> {
    let say = |text: String| Err(Stop::Say(text, Code::AccessDenied.name()));
    if me.auth == "token" {
        return say(
            "a token cannot make tokens, and the caller is one: nothing was made".to_owned()
        );
    }
    let Ok(who) = Who::maker(&me.detailed) else {
        return say(
            "only whoever is known by a name or number can make tokens, and the server does not say that of the caller: \
             log in by one; nothing was made"
                .to_owned(),
        );
    };
    let own = Uid::effective().as_raw();
    let credible = match (&who, source) {
        (_, Source::Trusted) => true,
        (Who::Unix { uid, .. }, Source::Socket) => *uid == own && !me.owner,
        (Who::Unix { .. }, Source::Host) => false,
        _ => !me.owner,
    };
    if !credible {
        return say(format!(
            "the server says that the caller is {who}{}, and is not one to be believed in that: over http and https nobody \
             is, and a unix socket has to be root's or the caller's own; nothing was made",
            if me.owner { ", an owner of the daemon" } else { "" }
        ));
    }
    if me.owner {
        return Ok(Maker { name: None, daemon: true });
    }
    if !me.roles.iter().any(|own| own == role) {
        // What is no name is nothing to show.
        let roles: Vec<String> =
            me.roles.iter().filter_map(|own| token_line::name(own).ok()).collect();
        let roles = if roles.is_empty() { "none".to_owned() } else { roles.join(", ") };
        return say(format!(
            "{who} does not have the role {role} (it has {roles}), and a token may do no more than who makes it: nothing was \
             made"
        ));
    }
    Ok(Maker { name: Some(who.detailed()), daemon: true })
}
