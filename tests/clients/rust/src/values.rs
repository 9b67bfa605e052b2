//! The values of the harness and those of a crate.

/// Makes `made` and `shown` for a crate's type of values, from what it calls them.
macro_rules! values {
    ($Value:ident, $Int:ident, $Bool:ident, $null:expr) => {
        fn made(json: &Json) -> $Value {
            match json {
                Json::Null => $null,
                Json::Bool(truth) => $Value::$Bool(*truth),
                Json::Number(number) => {
                    let number = number.as_i64().and_then(|n| n.try_into().ok());
                    $Value::$Int(number.unwrap_or(i32::MAX))
                }
                Json::String(text) => $Value::String(text.clone()),
                Json::Array(items) => $Value::Array(items.iter().map(made).collect()),
                Json::Object(members) => {
                    let members = members.iter().map(|(name, value)| (name.clone(), made(value)));
                    $Value::Struct(members.collect())
                }
            }
        }

        fn shown(value: &$Value) -> Json {
            match value {
                $Value::$Int(number) => json!(number),
                $Value::$Bool(truth) => json!(truth),
                $Value::String(text) => json!(text),
                $Value::Array(items) => items.iter().map(shown).collect(),
                $Value::Struct(members) => {
                    members.iter().map(|(name, value)| (name.clone(), shown(value))).collect()
                }
                other => json!(format!("{other:?}")),
            }
        }
    };
}
