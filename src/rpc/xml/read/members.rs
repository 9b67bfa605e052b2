//! The members of a structure.

use std::collections::HashMap;

use super::Child;
use super::Refused::{self, Nonsense};
use crate::rpc::xml::Value;

/// So many names are compared one by one; more are looked up, or a hostile call could make that slow.
const FEW: usize = 32;

/// Members in order, each name once.
#[derive(Default)]
struct Members {
    list: Vec<(String, Value)>,
    /// Where each name is; empty while there are few.
    places: HashMap<String, usize>,
}

impl Members {
    fn find(&mut self, name: &str) -> Option<&mut Value> {
        let place = if self.places.is_empty() {
            self.list.iter().position(|(known, _)| known == name)
        } else {
            self.places.get(name).copied()
        };
        self.list.get_mut(place?).map(|(_, value)| value)
    }

    /// A name given again has its last value, in its first place.
    fn put(&mut self, name: String, value: Value) {
        if let Some(known) = self.find(&name) {
            *known = value;
            return;
        }
        let place = self.list.len();
        if place == FEW {
            let names = self.list.iter().enumerate();
            self.places = names.map(|(place, (name, _))| (name.clone(), place)).collect();
        }
        if place >= FEW {
            self.places.insert(name.clone(), place);
        }
        self.list.push((name, value));
    }
}

/// Each child has two children, name and value.
pub(super) fn read<'t>(
    children: impl ExactSizeIterator<Item = Child<'t>>,
) -> Result<Value, Refused> {
    let list = Vec::with_capacity(children.len());
    let mut members = Members { list, places: HashMap::new() };
    for child in children {
        let (name, value) = child.pair().ok_or(Nonsense)?;
        let name = match name {
            Value::Str(name) => name,
            Value::Nil => String::new(),
            _ => return Err(Nonsense),
        };
        members.put(name, value);
    }
    Ok(Value::Struct(members.list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_given_again_has_one_place_however_many_there_are() {
        for count in [1, FEW - 1, FEW, FEW + 1, 3 * FEW] {
            let mut members = Members::default();
            for round in 0..2 {
                for n in 0..count {
                    members.put(n.to_string(), Value::Int(if round == 0 { -1 } else { n as i64 }));
                }
            }
            let expected: Vec<_> =
                (0..count).map(|n| (n.to_string(), Value::Int(n as i64))).collect();
            assert_eq!(members.list, expected);
        }
    }
}
