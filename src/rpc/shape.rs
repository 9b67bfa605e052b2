//! Structures of answers, written member by member: straight into the text of an answer, or as a value for those who
//! go on with it. What the members are stands in one place either way.

use super::xml::{Text, Value};

/// What the members of a structure are written to.
pub(super) trait Shape {
    /// A member that is a string.
    fn text(&mut self, name: &'static str, text: &str);
    /// A member that is a number.
    fn int(&mut self, name: &'static str, number: i64);
    /// A member that is a truth.
    fn truth(&mut self, name: &'static str, truth: bool);
    /// A member that is a list of numbers.
    fn ints(&mut self, name: &'static str, numbers: impl Iterator<Item = i64>);
}

/// What structures are written to, one after the other.
pub(super) trait Rows {
    /// What each is written to.
    type Row: Shape;
    /// Writes one; `fill` writes its members.
    fn row(&mut self, fill: impl FnOnce(&mut Self::Row));
}

/// The members of a `struct`.
#[derive(Default)]
pub(super) struct Members(Vec<(String, Value)>);

impl Members {
    fn add(&mut self, name: &str, value: Value) {
        self.0.push((name.to_owned(), value));
    }
}

impl Shape for Members {
    fn text(&mut self, name: &'static str, text: &str) {
        self.add(name, Value::from(text));
    }

    fn int(&mut self, name: &'static str, number: i64) {
        self.add(name, Value::Int(number));
    }

    fn truth(&mut self, name: &'static str, truth: bool) {
        self.add(name, Value::Bool(truth));
    }

    fn ints(&mut self, name: &'static str, numbers: impl Iterator<Item = i64>) {
        self.add(name, Value::Array(numbers.map(Value::Int).collect()));
    }
}

impl Rows for Vec<Value> {
    type Row = Members;

    fn row(&mut self, fill: impl FnOnce(&mut Members)) {
        let mut members = Members::default();
        fill(&mut members);
        self.push(Value::Struct(members.0));
    }
}

impl Shape for Text {
    fn text(&mut self, name: &'static str, text: &str) {
        self.member(name, |to| to.string(text));
    }

    fn int(&mut self, name: &'static str, number: i64) {
        self.member(name, |to| to.int(number));
    }

    fn truth(&mut self, name: &'static str, truth: bool) {
        self.member(name, |to| to.boolean(truth));
    }

    fn ints(&mut self, name: &'static str, numbers: impl Iterator<Item = i64>) {
        self.member(name, |to| to.array(|to| numbers.for_each(|number| to.int(number))));
    }
}

impl Rows for Text {
    type Row = Text;

    fn row(&mut self, fill: impl FnOnce(&mut Text)) {
        self.structure(fill);
    }
}
