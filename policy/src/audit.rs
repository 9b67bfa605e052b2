//! The audit record: what the broker tells the audit writer of one decision or event.

use serde::Serialize;

/// One line to be, without its time, number and hash, which the writer adds. Never holds a secret or a log's content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Record {
    /// What kind of thing happened: `access`, `login`, `config`, `lifecycle`.
    pub event: &'static str,
    /// Who: `user:alice`, `unix:1000`, `anonymous`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// How that was known: `none`, `peer`, `password`, `session`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<&'static str>,
    /// Where from: `127.0.0.1:40312`, or `unix` with the server's section.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// What was asked: the word of `actions=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'static str>,
    /// Of what: `group:name`, `daemon`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `allow` or `deny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<&'static str>,
    /// What decided: `role:web /etc/supervisord.conf:12`, `no roles`, `owner`, `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What came of it: `ok`, or the fault's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Which request: several records of one have the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// More, where there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
