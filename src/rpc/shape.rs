//! Structures of answers, written member by member: straight into the text of an answer, or as a value for those who
//! go on with it. What the members are stands in one place either way.

use super::table::{Structure, Type};
use super::xml::{Frame, Row, Text, Value};

/// What the members of a structure are written to, in the order of its description.
pub(super) trait Shape {
    /// A member that is a string.
    fn text(&mut self, name: &'static str, text: &str);
    /// A member that is a number.
    fn int(&mut self, name: &'static str, number: i64);
    /// A member that is a truth.
    fn truth(&mut self, name: &'static str, truth: bool);
    /// A member that is a list or has not always the same type.
    fn value(&mut self, name: &'static str, value: Value);
}

/// What structures are written to, one after the other.
pub(super) trait Rows {
    /// What each is written to.
    type Row<'r>: Shape
    where
        Self: 'r;
    /// Writes one; `fill` writes its members.
    fn row(&mut self, of: &'static Structure, fill: impl FnOnce(&mut Self::Row<'_>));
    /// About so many more will come.
    fn expect(&mut self, count: usize);
}

/// The members of a `struct`.
#[derive(Default)]
pub(super) struct Members(Vec<(String, Value)>);

impl Shape for Members {
    fn text(&mut self, name: &'static str, text: &str) {
        self.value(name, Value::from(text));
    }

    fn int(&mut self, name: &'static str, number: i64) {
        self.value(name, Value::Int(number));
    }

    fn truth(&mut self, name: &'static str, truth: bool) {
        self.value(name, Value::Bool(truth));
    }

    fn value(&mut self, name: &'static str, value: Value) {
        self.0.push((name.to_owned(), value));
    }
}

impl Rows for Vec<Value> {
    type Row<'r> = Members;

    fn row(&mut self, of: &'static Structure, fill: impl FnOnce(&mut Members)) {
        let mut members = Members(Vec::with_capacity(of.fields.len()));
        fill(&mut members);
        self.push(Value::Struct(members.0));
    }

    fn expect(&mut self, count: usize) {
        self.reserve(count);
    }
}

impl Shape for Row<'_> {
    fn text(&mut self, _: &'static str, text: &str) {
        self.string(text);
    }

    fn int(&mut self, _: &'static str, number: i64) {
        self.number(number);
    }

    fn truth(&mut self, _: &'static str, truth: bool) {
        self.number(truth.into());
    }

    fn value(&mut self, _: &'static str, value: Value) {
        self.any(&value);
    }
}

/// Bytes of one structure, more than most have.
const ROW: usize = 1_500;

impl Rows for Text {
    type Row<'r> = Row<'r>;

    fn row(&mut self, of: &'static Structure, fill: impl FnOnce(&mut Row<'_>)) {
        self.framed(&of.frame, fill);
    }

    fn expect(&mut self, count: usize) {
        self.reserve(count.saturating_mul(ROW));
    }
}

/// The text that stands around the values of a structure's members.
pub(super) fn frame(fields: &'static [super::table::Field]) -> Frame {
    Frame::new(fields.iter().map(|field| {
        let tag = match field.kind {
            Type::Int | Type::Bool | Type::Str => Some(field.kind.word()),
            _ => None,
        };
        (field.name, tag)
    }))
}
