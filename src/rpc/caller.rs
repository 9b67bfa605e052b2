//! Who makes a call, as far as decisions and the audit log want to know.

use std::rc::Rc;

use policy::access::{Principal, Proof, Who};

/// Who asks, from where, in which request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub principal: Rc<Principal>,
    /// Where from: an address and port, or `unix`.
    pub peer: Rc<str>,
    /// By which server section.
    pub server: Rc<str>,
    /// Number of the request, for the audit log.
    pub request: u64,
}

impl Caller {
    /// Whoever reaches a server that asks nothing.
    pub fn anonymous() -> Caller {
        Caller {
            principal: Rc::new(Principal::new(Who::Anonymous, Proof::None)),
            peer: "unknown".into(),
            server: "".into(),
            request: 0,
        }
    }
}
