use super::*;
use crate::rpc::fault::Code;
use crate::rpc::xml::{encode_call, encode_fault, encode_response};

fn param(inner: &str) -> Result<Value, BadCall> {
    let body = format!(
        "<?xml version='1.0'?><methodCall><methodName>a.b</methodName>\
         <params><param>{inner}</param></params></methodCall>"
    );
    let (method, mut params) = decode_call(body.as_bytes())?;
    assert_eq!((method.as_str(), params.len()), ("a.b", 1));
    Ok(params.remove(0))
}

fn value(inner: &str) -> Result<Value, BadCall> {
    param(&format!("<value>{inner}</value>"))
}

fn string(text: &str) -> Result<Value, BadCall> {
    Ok(Value::Str(text.to_owned()))
}

const BAD: Result<Value, BadCall> = Err(BadCall::Unmarshallable);

#[test]
fn scalars() {
    assert_eq!(value("<int>5</int>"), Ok(Value::Int(5)));
    assert_eq!(value("<i4> -7\n</i4>"), Ok(Value::Int(-7)));
    assert_eq!(value("<int>99999999999999999999</int>"), Ok(Value::Int(i64::MAX)));
    assert_eq!(value("<int>-99999999999999999999</int>"), Ok(Value::Int(i64::MIN)));
    assert_eq!(value("<int>5.0</int>"), BAD);
    assert_eq!(value("<int/>"), BAD);
    assert_eq!(value("<i8>5</i8>"), string("5"));
    assert_eq!(value("<boolean>1</boolean>"), Ok(Value::Bool(true)));
    assert_eq!(value("<boolean>true</boolean>"), Ok(Value::Bool(false)));
    assert_eq!(value("<double> 1.5 </double>"), Ok(Value::Double(1.5)));
    assert_eq!(value("<double>x</double>"), BAD);
    assert_eq!(value("<nil/>"), Ok(Value::Nil));
    assert_eq!(value("<ex:nil/>"), BAD);
    let time = "20261121T04:28:00";
    let read = value(&format!("<dateTime.iso8601>{time}</dateTime.iso8601>"));
    assert_eq!(read, Ok(Value::DateTime(time.to_owned())));
    assert_eq!(value("<dateTime.iso8601>2026-11-21T04:28:00</dateTime.iso8601>"), BAD);
    assert_eq!(value("<dateTime.iso8601>20261321T04:28:00</dateTime.iso8601>"), BAD);
}

#[test]
fn strings() {
    assert_eq!(value(""), string(""));
    assert_eq!(value(" bare "), string(" bare "));
    assert_eq!(value("<string/>"), string(""));
    assert_eq!(value("<string>a&lt;b&#x41;&#66;&amp;</string>"), string("a<bAB&"));
    assert_eq!(value("<string>a<!-- no -->b<![CDATA[<c>]]></string>"), string("ab<c>"));
    assert_eq!(value("<string>a\r\nb\rc</string>"), string("a\nb\nc"));
    assert_eq!(value("\n  <string>x</string>\n"), string("x"));
}

#[test]
fn base64_is_text() {
    assert_eq!(value("<base64>w6k=</base64>"), string("é"));
    assert_eq!(value("<base64>\n w6\n k =\n</base64>"), string("é"));
    assert_eq!(value("<base64></base64>"), string(""));
    assert_eq!(value("<base64>w6k</base64>"), BAD);
    assert_eq!(value("<base64>/////w==</base64>"), BAD);
}

#[test]
fn arrays_and_structs() {
    assert_eq!(value("<array><data/></array>"), Ok(Value::Array(vec![])));
    assert_eq!(value("<array></array>"), BAD);
    let list = "<array><data><value><int>1</int></value>\n<value>x</value></data></array>";
    assert_eq!(value(list), Ok(Value::Array(vec![Value::Int(1), "x".into()])));
    let map = "<struct><member><name>a</name><value>1</value></member>\
               <member><name>b</name><value>2</value></member>\
               <member><name>a</name><value>3</value></member></struct>";
    let members = vec![("a".to_owned(), "3".into()), ("b".to_owned(), "2".into())];
    assert_eq!(value(map), Ok(Value::Struct(members)));
    assert_eq!(value("<struct><member><name>a</name></member></struct>"), BAD);
    assert_eq!(param(""), BAD);
}

#[test]
fn method_names() {
    let call = |inner: &str| decode_call(format!("<x>{inner}</x>").as_bytes());
    assert_eq!(call("<methodName> a.b </methodName>"), Ok((" a.b ".to_owned(), vec![])));
    assert_eq!(call(""), Err(BadCall::NoMethodName));
    assert_eq!(call("<methodName/>"), Err(BadCall::NoMethodName));
}

#[test]
fn refuses_what_is_no_plain_xml() {
    let call = "<methodCall><methodName>a.b</methodName></methodCall>";
    let refused = |body: String| {
        assert_eq!(decode_call(body.as_bytes()), Err(BadCall::Unmarshallable), "{body}");
    };
    assert!(decode_call(call.as_bytes()).is_ok());
    assert!(decode_call(format!("\u{feff}<?xml version='1.0'?>\n{call}\n").as_bytes()).is_ok());
    refused(String::new());
    refused("text".to_owned());
    refused(format!("<!DOCTYPE a>{call}"));
    refused(format!("<!DOCTYPE a [<!ENTITY b 'c'>]>{call}"));
    refused(format!("<?php x?>{call}"));
    refused(format!(" <?xml version='1.0'?>{call}"));
    refused(format!("{call}<?xml version='1.0'?>"));
    refused(format!("{call}{call}"));
    refused(format!("{call}x"));
    refused(format!("{call}<![CDATA[ ]]>"));
    refused(format!("x{call}"));
    refused("<methodCall><methodName>a.b</methodName>".to_owned());
    refused("<methodCall><methodName>a.b</methodCall></methodName>".to_owned());
    refused("<a x='1'><methodName>a.b</methodName></a>".to_owned());
    refused("<a><methodName>&unknown;</methodName></a>".to_owned());
    refused("<a><methodName>a & b</methodName></a>".to_owned());
    refused("<a><methodName>&#0;</methodName></a>".to_owned());
    refused("<a><methodName>&#x1b;</methodName></a>".to_owned());
    refused("<a><methodName>a\0</methodName></a>".to_owned());
    refused("<a><methodName>\u{ffff}</methodName></a>".to_owned());
    refused("<1><methodName>a.b</methodName></1>".to_owned());
    assert_eq!(decode_call(b"<a>\xff</a>"), Err(BadCall::Unmarshallable));
}

#[test]
fn encodings() {
    let call = |encoding: &str, name: &str| {
        let prolog = format!("<?xml version='1.0' encoding='{encoding}'?>");
        decode_call(format!("{prolog}<a><methodName>{name}</methodName></a>").as_bytes()).is_ok()
    };
    assert!(call("UTF-8", "é"));
    assert!(call("iso-8859-1", "e"));
    assert!(!call("iso-8859-1", "é"));
    assert!(!call("UTF-16", "e"));
    assert!(!call("utf-7", "e"));
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |depth: usize| {
        let body = format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        decode_call(body.as_bytes())
    };
    assert_eq!(nested(32), Err(BadCall::NoMethodName));
    assert_eq!(nested(33), Err(BadCall::Limit(Limit::Depth)));
    let wide = |nodes: usize| decode_call(format!("<a>{}</a>", "<b/>".repeat(nodes)).as_bytes());
    assert_eq!(wide(19_999), Err(BadCall::NoMethodName));
    assert_eq!(wide(20_000), Err(BadCall::Limit(Limit::Nodes)));
    let answer = encode_response(&Value::Array(vec![Value::Int(1); 50_000]));
    assert!(decode_response(&answer).is_ok());
}

#[test]
fn what_is_written_is_read() {
    let values = vec![
        Value::Int(-1),
        Value::Bool(true),
        "<&>é ".into(),
        Value::Double(0.25),
        Value::Array(vec![Value::Struct(vec![("k".to_owned(), "v".into())])]),
    ];
    let call = encode_call("a.b", &values);
    assert_eq!(decode_call(&call), Ok(("a.b".to_owned(), values.clone())));
    for value in values {
        assert_eq!(decode_response(&encode_response(&value)), Ok(Ok(value)));
    }
    let fault = Fault::new(Code::NoFile).with("/x<y");
    assert_eq!(decode_response(&encode_fault(&fault)), Ok(Err(fault)));
}

#[test]
fn answers_that_are_none() {
    assert_eq!(decode_response(b""), Err(BadAnswer));
    assert_eq!(decode_response(b"<html><body>no</body></html>"), Err(BadAnswer));
    assert_eq!(decode_response(b"<a><fault><value>x</value></fault></a>"), Err(BadAnswer));
    let escape = b"<a><params><param><value>\x1b[m</value></param></params></a>";
    assert_eq!(decode_response(escape), Ok(Ok("\x1b[m".into())));
}
