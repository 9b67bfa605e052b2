//! XML-RPC, as any client may send it: reading is total and keeps its limits; what was read is written so that it reads
//! the same; and any value at all is written as well-formed XML.
//!
//! An input is a document. Its bytes also make a value that no document could bring: any character, any number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use supervisor::rpc::fault::Fault;
use supervisor::rpc::xml::{
    Value, decode_call, decode_response, encode_call, encode_fault, encode_response,
};

/// Makes values of the bytes, down to some depth.
fn value(bytes: &mut &[u8], depth: usize) -> Value {
    let mut take = |count: usize| {
        let (taken, rest) = bytes.split_at(count.min(bytes.len()));
        *bytes = rest;
        taken
    };
    let kind = take(1).first().copied().unwrap_or(0);
    let count = usize::from(kind >> 3);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let number = |bytes: &[u8]| {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        i64::from_le_bytes(whole)
    };
    match kind & 7 {
        0 => Value::Int(number(take(8))),
        1 => Value::Bool(count > 0),
        2 => Value::Str(text(take(count))),
        3 => Value::Double(f64::from_bits(number(take(8)).cast_unsigned())),
        4 if depth > 0 => {
            let items = (0..count).map_while(|_| more(bytes, depth));
            Value::Array(items.collect())
        }
        5 if depth > 0 => {
            // A name that comes twice has one place when it is read.
            let members = (0..count).map_while(|n| {
                let name = more(bytes, 1)?;
                let name = format!("{n}{}", name.as_str().unwrap_or_default());
                Some((name, more(bytes, depth)?))
            });
            Value::Struct(members.collect())
        }
        6 => Value::DateTime("20261121T04:28:00".to_owned()),
        _ => Value::Nil,
    }
}

/// The next value, one level down, while there are bytes.
fn more(bytes: &mut &[u8], depth: usize) -> Option<Value> {
    (!bytes.is_empty()).then(|| value(bytes, depth - 1))
}

/// What a reader gets of a text: XML has no other line ends than LF, and not all characters.
fn carried(text: &str) -> String {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let can = |c: char| matches!(c, '\t' | '\n' | ' '..='\u{FFFD}' | '\u{10000}'..);
    lines.chars().map(|c| if can(c) { c } else { '\u{FFFD}' }).collect()
}

/// What a reader gets of a value.
fn read(value: Value) -> Value {
    match value {
        Value::Int(number) => Value::Int(number.clamp(i32::MIN.into(), i32::MAX.into())),
        Value::Str(text) => Value::Str(carried(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(read).collect()),
        Value::Struct(members) => {
            let members = members.into_iter();
            Value::Struct(members.map(|(name, value)| (carried(&name), read(value))).collect())
        }
        other => other,
    }
}

/// Equal, NaN included.
fn same(a: &Value, b: &Value) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

fuzz_target!(|bytes: &[u8]| {
    let _ = decode_response(bytes);
    if let Ok((name, params)) = decode_call(bytes) {
        let again = decode_call(&encode_call(&name, &params));
        // Written out, an untyped value has an element more: the limits may be met. CR may make two names one.
        let folds = format!("{params:?}").contains("\\r");
        if let Some((name_again, params_again)) = again.ok().filter(|_| !folds) {
            assert_eq!(name_again, carried(&name));
            let params: Vec<Value> = params.into_iter().map(read).collect();
            assert!(same(&Value::Array(params_again), &Value::Array(params)));
        }
    }
    let mut rest = bytes;
    let made = value(&mut rest, 4);
    let written = encode_response(&made);
    assert!(
        std::str::from_utf8(&written)
            .is_ok_and(|text| text == carried(text) || text.contains('\r'))
    );
    let back = decode_response(&written).expect("well-formed").expect("no fault");
    assert!(same(&back, &read(made)), "{back:?}");
    let text = String::from_utf8_lossy(bytes).into_owned();
    let fault = Fault { code: -7, text: carried(&text) };
    let written = encode_fault(&Fault { text, ..fault.clone() });
    assert_eq!(decode_response(&written), Ok(Err(fault)));
});
