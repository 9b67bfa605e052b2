//! Who may do what: what the decision point is asked, and what it says.

use super::super::session::Session;
use super::super::trouble::Trouble;
use crate::rpc::fault::Code;
use crate::rpc::xml::{Fault, Value};

/// What the daemon calls itself where actions have targets.
pub const DAEMON: &str = "daemon";
/// Most questions at once.
const AT_ONCE: usize = 1000;

/// What `whoAmI` says.
#[derive(Debug, PartialEq, Eq)]
pub struct Me {
    pub name: String,
    /// The name with all that rights may hang on: groups, too.
    pub detailed: String,
    pub auth: String,
    pub roles: Vec<String>,
    pub owner: bool,
}

impl Me {
    /// Whether something may be allowed and something else not.
    pub fn has_limits(&self) -> bool {
        !self.owner && !self.roles.is_empty()
    }
}

impl TryFrom<&Value> for Me {
    type Error = Trouble;

    fn try_from(value: &Value) -> Result<Me, Trouble> {
        let text = |key: &str| value.member(key).and_then(Value::as_str).map(str::to_owned);
        let Some(Value::Array(roles)) = value.member("roles") else { return Err(Trouble::Answer) };
        let roles = roles.iter().map(|role| role.as_str().map(str::to_owned));
        let name = text("name").ok_or(Trouble::Answer)?;
        Ok(Me {
            detailed: text("detailed").unwrap_or_else(|| name.clone()),
            name,
            auth: text("auth").ok_or(Trouble::Answer)?,
            roles: roles.collect::<Option<_>>().ok_or(Trouble::Answer)?,
            owner: value.member("owner") == Some(&Value::Bool(true)),
        })
    }
}

/// A question to the decision point. An empty `user` is whoever asks.
#[derive(Debug, Clone)]
pub struct Question {
    pub user: String,
    pub action: String,
    pub target: String,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: bool,
    pub rule: String,
    pub place: String,
    pub why: String,
}

impl TryFrom<&Value> for Verdict {
    type Error = Trouble;

    fn try_from(value: &Value) -> Result<Verdict, Trouble> {
        let text = |key: &str| value.member(key).and_then(Value::as_str).map(str::to_owned);
        let Some(Value::Bool(allowed)) = value.member("allowed") else {
            return Err(Trouble::Answer);
        };
        Ok(Verdict {
            allowed: *allowed,
            rule: text("rule").ok_or(Trouble::Answer)?,
            place: text("place").unwrap_or_default(),
            why: text("why").unwrap_or_default(),
        })
    }
}

/// Asks the decision point, many questions in one call.
pub fn ask(
    session: &mut Session,
    questions: &[Question],
) -> Result<Vec<Result<Verdict, Fault>>, Trouble> {
    let mut verdicts = Vec::with_capacity(questions.len());
    for part in questions.chunks(AT_ONCE) {
        let calls: Vec<Value> = part.iter().map(Question::call).collect();
        let answer = session.call("system.multicall", &[Value::Array(calls)])?;
        let Value::Array(items) = answer else { return Err(Trouble::Answer) };
        if items.len() != part.len() {
            return Err(Trouble::Answer);
        }
        for item in &items {
            verdicts.push(match fault_of(item) {
                Some(fault) => Err(fault),
                None => Ok(Verdict::try_from(item)?),
            });
        }
    }
    Ok(verdicts)
}

impl Question {
    fn call(&self) -> Value {
        let params = [&self.user, &self.action, &self.target].map(|text| text.as_str().into());
        Value::Struct(vec![
            ("methodName".to_owned(), "supervisor.explainAccess".into()),
            ("params".to_owned(), Value::Array(params.into())),
        ])
    }
}

fn fault_of(item: &Value) -> Option<Fault> {
    let code = item.member("faultCode")?.as_int()?;
    let text = item.member("faultString")?.as_str()?.to_owned();
    Some(Fault { code: i32::try_from(code).ok()?, text })
}

/// Says that a daemon knows nothing of roles.
pub fn say_unknown(session: &mut Session, status: u8) {
    let line = "ERROR: this supervisord does not tell who may do what: it knows no roles";
    session.error(line, Code::UnknownMethod.name());
    session.exit = status;
}

/// What a denial is called: `not allowed: restart`, from `ACCESS_DENIED: restart of web:nginx`.
pub fn denied(text: &str) -> String {
    let about = text.split_once(": ").map_or("", |(_, about)| about);
    match about.split_once(" of ") {
        // It is asked before all else.
        Some(("view", "daemon")) => "not allowed: the caller has no role".to_owned(),
        Some((action, _)) => format!("not allowed: {action}"),
        None if about.is_empty() => "not allowed".to_owned(),
        None => format!("not allowed: {about}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_name_the_action() {
        assert_eq!(denied("ACCESS_DENIED: restart of web:nginx"), "not allowed: restart");
        assert_eq!(denied("ACCESS_DENIED: signal(HUP) of a:b"), "not allowed: signal(HUP)");
        assert_eq!(denied("ACCESS_DENIED: view of daemon"), "not allowed: the caller has no role");
        assert_eq!(denied("ACCESS_DENIED"), "not allowed");
    }

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let pair = |key: &str, value: Value| (key.to_owned(), value);
        let me = |roles: Value| {
            Value::Struct(vec![
                pair("name", "unix:1000".into()),
                pair("auth", "peer".into()),
                pair("roles", roles),
                pair("owner", Value::Bool(false)),
            ])
        };
        let read = Me::try_from(&me(Value::Array(vec!["web".into()]))).unwrap();
        assert_eq!((read.name.as_str(), read.roles.len(), read.owner), ("unix:1000", 1, false));
        assert!(Me::try_from(&me(Value::Array(vec![Value::Int(1)]))).is_err());
        assert!(Me::try_from(&Value::Int(1)).is_err() && Verdict::try_from(&Value::Nil).is_err());
        let fault = Value::Struct(vec![
            pair("faultCode", Value::Int(10)),
            pair("faultString", "BAD_NAME: x".into()),
        ]);
        assert_eq!(fault_of(&fault).map(|fault| fault.code), Some(10));
        assert_eq!(fault_of(&me(Value::Nil)), None);
    }
}
