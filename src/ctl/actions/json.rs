//! What the daemon says, for documents.

use crate::config::json::Json;
use crate::rpc::xml::Value;

/// A value of an answer.
pub fn value(value: &Value) -> Json {
    match value {
        Value::Int(number) => Json::Int(*number),
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Str(text) | Value::DateTime(text) => Json::text(text.as_str()),
        // No method that is shown answers with these; their text is better than nothing.
        Value::Double(number) => Json::text(number.to_string()),
        Value::Nil => Json::text(""),
        Value::Array(items) => Json::list(items.iter().map(self::value)),
        Value::Struct(members) => {
            Json::object(members.iter().map(|(key, item)| (key.as_str(), self::value(item))))
        }
    }
}

/// An object that names a process or group, and has all that an answer says of it. The names stay as they are.
pub fn with_subject(subject: Vec<(&'static str, Json)>, answer: &Value) -> Json {
    let mut members: Vec<(String, Json)> =
        subject.into_iter().map(|(key, item)| (key.to_owned(), item)).collect();
    if let Value::Struct(answer) = answer {
        for (key, item) in answer {
            if !members.iter().any(|(name, _)| name == key) {
                members.push((key.clone(), value(item)));
            }
        }
    }
    Json::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_comes_first_and_wins() {
        let answer = Value::Struct(vec![
            ("name".to_owned(), "b".into()),
            ("pid".to_owned(), Value::Int(7)),
            ("inuse".to_owned(), Value::Bool(true)),
            ("more".to_owned(), Value::Array(vec!["x".into()])),
        ]);
        let json = with_subject(vec![("name", Json::text("a:b"))], &answer);
        let text = r#"{"name":"a:b","pid":7,"inuse":true,"more":["x"]}"#;
        assert_eq!(json.compact(), text);
    }
}
