//! The daemon at the other end: calls, and what its answers hold.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::address::Address;
use super::http::Connection;
use super::tls::{NoTls, Tls};

use super::trouble::Trouble;
use crate::config::token_line;
use crate::rpc::xml::{self, Value};

/// Longest answer that is read, in bytes. A log read as a whole is the longest there is.
const MAX_ANSWER: u64 = 1 << 30;

/// Where and as whom to call.
pub struct Server {
    /// As given; texts show it.
    pub url: String,
    /// Name and password; sent when both are there.
    pub username: Option<String>,
    /// See `username`.
    pub password: Option<String>,
    tls: Arc<Tls>,
    connection: Option<Connection>,
    peer: Option<u32>,
}

impl Server {
    /// A server that is called when first needed.
    pub fn new(url: String, username: Option<String>, password: Option<String>) -> Server {
        Server { url, username, password, tls: Arc::default(), connection: None, peer: None }
    }

    /// The same server, which is spoken to like this where it speaks TLS.
    pub fn with_tls(mut self, tls: Tls) -> Server {
        self.tls = Arc::new(tls);
        self
    }

    /// How servers that speak TLS are spoken to.
    pub fn tls(&self) -> &Tls {
        &self.tls
    }

    /// What there is to say before the server is spoken to: nothing, but where TLS is spoken that checks nothing.
    pub fn warning(&self) -> Option<String> {
        let address = Address::parse(&self.url).ok().filter(Address::is_tls)?;
        self.tls.is_insecure().then(|| {
            format!(
                "Warning: insecure: it is not checked who {} is. Whoever is in between can read and change all that is sent, \
                 passwords included.",
                address.host_header()
            )
        })
    }

    /// Why the server cannot be spoken to by TLS, where it is: something is wrong with the files for it.
    pub fn unready(&self) -> Option<String> {
        let tls = Address::parse(&self.url).is_ok_and(|address| address.is_tls());
        if tls { self.tls.check().err().map(|NoTls(text)| text) } else { None }
    }

    /// The same server, by a connection of its own.
    pub fn again(&self) -> Server {
        Server {
            url: self.url.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            tls: Arc::clone(&self.tls),
            connection: None,
            peer: None,
        }
    }

    /// Speaks to the server at another address from now on, as the same user.
    pub fn turn_to(&mut self, url: &str) {
        self.url = url.to_owned();
        self.connection = None;
        self.peer = None;
    }

    /// Whether it is told by the socket who calls: no name is given.
    pub fn is_by_socket(&self) -> bool {
        self.url.starts_with("unix:") && self.authorization().is_none()
    }

    /// The value of the `Authorization` header.
    pub fn authorization(&self) -> Option<String> {
        let password = self.password.as_ref()?;
        if token_line::is_token(password) {
            // It says itself whose it is.
            return Some(format!("Bearer {password}"));
        }
        let name = self.username.as_ref()?;
        Some(format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
    }

    /// Calls a method and waits for its answer, however long it takes.
    pub fn call(&mut self, method: &str, params: &[Value]) -> Result<Value, Trouble> {
        let mut connection = self.connect()?;
        let body = xml::encode_call(method, params);
        connection.post(self.authorization().as_deref(), &[&body])?;
        self.answer(connection)
    }

    /// Calls two methods at once, of which neither waits for anything. The second one's answer counts only if the
    /// first one's is not an error.
    pub fn call_both(
        &mut self,
        first: &Call,
        second: &Call,
    ) -> (Result<Value, Trouble>, Result<Vec<u8>, Trouble>) {
        let bodies = [first, second].map(Call::body);
        let sent = self.connect().and_then(|mut connection| {
            let [one, two] = &bodies;
            connection.post(self.authorization().as_deref(), &[one, two])?;
            Ok(connection)
        });
        let answer = match sent {
            Ok(connection) => self.answer(connection),
            Err(trouble) => Err(trouble),
        };
        let second = match self.connection.take() {
            Some(connection) => self.text(connection),
            None if answer.is_err() => Err(Trouble::Disconnected),
            // A server that closes after an answer has not seen the second question.
            None => self.call_text(second),
        };
        (answer, second)
    }

    /// Calls a method on a connection of its own; the answer is still to come.
    pub fn begin(&self, call: &Call, idle: Option<Connection>) -> Result<Connection, Trouble> {
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(&Address::parse(&self.url)?, &self.tls)?,
        };
        connection.post(self.authorization().as_deref(), &[&call.body()])?;
        Ok(connection)
    }

    /// The user whose socket the last connection was to, as the kernel says; nothing of one to a host.
    pub fn peer(&self) -> Option<u32> {
        self.peer
    }

    fn connect(&mut self) -> Result<Connection, Trouble> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let connection = Connection::open(&Address::parse(&self.url)?, &self.tls)?;
        self.peer = connection.peer();
        Ok(connection)
    }

    /// Calls a method; its answer as it came.
    pub fn call_text(&mut self, call: &Call) -> Result<Vec<u8>, Trouble> {
        let mut connection = self.connect()?;
        connection.post(self.authorization().as_deref(), &[&call.body()])?;
        self.text(connection)
    }

    fn text(&mut self, connection: Connection) -> Result<Vec<u8>, Trouble> {
        let (text, connection) = receive_text(connection);
        self.connection = connection;
        text
    }

    /// Reads an answer, and keeps the connection where it can serve again.
    fn answer(&mut self, connection: Connection) -> Result<Value, Trouble> {
        let (answer, connection) = receive(connection);
        self.connection = connection;
        answer
    }

    /// The connection of the last call, for another use.
    pub fn take_idle(&mut self) -> Option<Connection> {
        self.connection.take()
    }
}

/// A method and its parameters.
#[derive(Debug, Clone)]
pub struct Call {
    method: &'static str,
    params: Vec<Value>,
}

impl Call {
    /// A call that is not made yet.
    pub fn new(method: &'static str, params: &[Value]) -> Call {
        Call { method, params: params.to_vec() }
    }

    fn body(&self) -> Vec<u8> {
        xml::encode_call(self.method, &self.params)
    }
}

/// Reads the answer to the next call of a connection; the connection, too, where it can serve again.
pub fn receive(connection: Connection) -> (Result<Value, Trouble>, Option<Connection>) {
    let (text, connection) = receive_text(connection);
    (text.and_then(|text| decode(&text)), connection)
}

fn receive_text(mut connection: Connection) -> (Result<Vec<u8>, Trouble>, Option<Connection>) {
    match connection.answer(MAX_ANSWER) {
        Ok((head, text)) if head.status == 200 => (Ok(text), head.keep_alive.then_some(connection)),
        Ok((head, _)) => (Err(Trouble::Http { status: head.status, reason: head.reason }), None),
        Err(trouble) => (Err(trouble), None),
    }
}

/// The value of an answer, or its fault.
pub fn decode(answer: &[u8]) -> Result<Value, Trouble> {
    Ok(xml::decode_response(answer)??)
}

/// What `getProcessInfo` says of a process, as far as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its name, without the group.
    pub name: String,
    /// Its group.
    pub group: String,
    /// The number of its state.
    pub state: i64,
    /// The name of its state.
    pub statename: String,
    /// What there is to say about the state.
    pub description: String,
    /// Its process id; 0 when it does not run.
    pub pid: i64,
}

impl TryFrom<&Value> for Info {
    type Error = Trouble;

    fn try_from(value: &Value) -> Result<Info, Trouble> {
        Ok(Info {
            name: text(value, "name")?,
            group: text(value, "group")?,
            state: int(value, "state")?,
            statename: text(value, "statename")?,
            description: text(value, "description")?,
            pid: int(value, "pid")?,
        })
    }
}

/// One process's part in the answer to a command about several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The process's group.
    pub group: String,
    /// The process; `None` only for a group named where a process is wanted.
    pub name: Option<String>,
    /// A fault's number, or 80.
    pub status: i64,
    /// A fault's text.
    pub description: String,
}

impl TryFrom<&Value> for Outcome {
    type Error = Trouble;

    fn try_from(value: &Value) -> Result<Outcome, Trouble> {
        Ok(Outcome {
            name: Some(text(value, "name")?),
            group: text(value, "group")?,
            status: int(value, "status")?,
            description: text(value, "description")?,
        })
    }
}

fn text(value: &Value, key: &str) -> Result<String, Trouble> {
    value.member(key).and_then(Value::as_str).map(str::to_owned).ok_or(Trouble::Answer)
}

fn int(value: &Value, key: &str) -> Result<i64, Trouble> {
    value.member(key).and_then(Value::as_int).ok_or(Trouble::Answer)
}

/// The items of an answer that is a list.
pub fn list<'a, T>(answer: &'a Value) -> Result<Vec<T>, Trouble>
where
    T: TryFrom<&'a Value, Error = Trouble>,
{
    match answer {
        Value::Array(items) => items.iter().map(T::try_from).collect(),
        _ => Err(Trouble::Answer),
    }
}

/// The text of an answer that is one.
pub fn string(answer: Value) -> Result<String, Trouble> {
    match answer {
        Value::Str(text) => Ok(text),
        _ => Err(Trouble::Answer),
    }
}
