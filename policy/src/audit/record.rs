//! The audit record: what the broker tells the audit writer of one decision or event.

use serde::{Deserialize, Serialize};

/// The most bytes of a record on its way, so that a pipe takes it whole or not at all.
pub const MAX: usize = 4_000;

/// One line to be, without its time, number and hash, which the writer adds. Never holds a secret or a log's content.
/// `W` is what a word is kept in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record<W = &'static str> {
    /// Which broker of the daemon's; [`Record::encode`] sets it.
    pub broker: u32,
    /// Which record of its, likewise.
    pub n: u64,
    /// What kind of thing happened: `access`, `login`, `config`, `lifecycle`.
    pub event: W,
    /// Who: `user:alice`, `unix:1000`, `pam:carol`, `cert:CN=deploy`, `token:ci`, `anonymous`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// How that was known: `none`, `peer`, `password`, `session`, `pam`, `certificate`, `token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<W>,
    /// Where from: `127.0.0.1:40312`, or `unix` with the server's section.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// What was asked: the word of `actions=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<W>,
    /// Of what: `group:name`, `daemon`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `allow` or `deny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<W>,
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

impl Record {
    /// The bytes for the pipe: one line of at most [`MAX`] bytes. `broker` says which broker of this daemon's and `n`
    /// counts its records: no two that are told are the same. Text that would make it longer is cut.
    pub fn encode(&self, broker: u32, n: u64) -> Vec<u8> {
        for most in [usize::MAX, 1_000, 250, 60] {
            let line = Record { broker, n, ..self.shortened(most) }.line();
            if line.len() <= MAX {
                return line;
            }
        }
        Record { broker, n, event: self.event, ..Record::default() }.line()
    }

    fn line(&self) -> Vec<u8> {
        // Numbers, words and text: there is nothing in it that JSON could not say.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    fn shortened(&self, most: usize) -> Record {
        let cut = |text: &Option<String>| {
            text.as_ref().map(|text| match text.char_indices().nth(most) {
                Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
                None => text.clone(),
            })
        };
        Record {
            who: cut(&self.who),
            peer: cut(&self.peer),
            target: cut(&self.target),
            rule: cut(&self.rule),
            outcome: cut(&self.outcome),
            detail: cut(&self.detail),
            ..self.clone()
        }
    }
}

/// A record as it came through the pipe: input, of which only these members go into the log.
pub type Told = Record<String>;

impl Told {
    /// Reads one line of a pipe, without its end. `None` where it is no record.
    pub fn decode(line: &[u8]) -> Option<Told> {
        serde_json::from_slice(line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Record {
        let text = || Some(text.to_owned());
        Record {
            event: "access",
            who: text(),
            auth: Some("peer"),
            peer: text(),
            action: Some("start"),
            target: text(),
            decision: Some("deny"),
            rule: text(),
            outcome: text(),
            request: Some(u64::MAX),
            detail: text(),
            ..Record::default()
        }
    }

    #[test]
    fn what_is_told_is_what_is_read() {
        let bytes = record("a \"\n\u{7}é").encode(3, 17);
        assert_eq!(bytes.iter().filter(|b| **b == b'\n').count(), 1);
        let told = Told::decode(bytes.strip_suffix(b"\n").unwrap()).unwrap();
        assert_eq!((told.broker, told.n), (3, 17));
        assert_eq!(told.detail.as_deref(), Some("a \"\n\u{7}é"));
        assert_eq!((told.event.as_str(), told.request), ("access", Some(u64::MAX)));
    }

    #[test]
    fn a_record_is_never_longer_than_a_pipe_takes_whole() {
        for text in ["x", "\u{1}", "é", "\u{10ffff}", "\"\\"] {
            for times in [1, 50, 100, 500, 5_000] {
                let bytes = record(&text.repeat(times)).encode(u32::MAX, u64::MAX);
                assert!(bytes.len() <= MAX, "{text:?} {times}: {}", bytes.len());
                let told = Told::decode(bytes.strip_suffix(b"\n").unwrap()).unwrap();
                assert!(told.who.is_some_and(|who| who.starts_with(text)), "{text:?} {times}");
            }
        }
    }

    #[test]
    fn what_is_no_record_is_none() {
        let good = record("x").encode(1, 2);
        let good = good.strip_suffix(b"\n").unwrap();
        assert!(Told::decode(good).is_some());
        let with = |more: &str| [good.strip_suffix(b"}").unwrap(), more.as_bytes(), b"}"].concat();
        for more in [
            r#","seq":1"#,
            r#","time":"x""#,
            r#","hash":"00""#,
            r#","source":"spawner""#,
            r#","event":"access""#,
            r#","n":3"#,
            "}{",
        ] {
            assert_eq!(Told::decode(&with(more)), None, "{more}");
        }
        for bytes in [&b""[..], b"{}", b"[]", b"null", b"\xff", b"{\"broker\":1,\"n\":2}"] {
            assert_eq!(Told::decode(bytes), None);
        }
    }
}
