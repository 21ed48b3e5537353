//! JSON-RPC 2.0 as its specification has it, with `null` for what was done.

use playhead_firebolt::rpc::{MAX_BATCH, RpcError, answer};
use serde_json::{Value, json};

/// The answer, and the methods that were carried out. `no` is refused.
fn said(text: &str) -> (Option<Value>, Vec<String>) {
    let mut done = Vec::new();
    let answer = answer(text, |method, params| {
        if method == "no" {
            return Err(RpcError::invalid_params("expected yes"));
        }
        done.push(format!("{method} {}", Value::Object(params)));
        Ok(())
    });
    (answer.map(|text| serde_json::from_str(&text).expect("JSON")), done)
}

fn code(answer: &Option<Value>) -> (i64, Value) {
    let answer = answer.as_ref().expect("an answer");
    assert_eq!(answer["jsonrpc"], "2.0");
    assert!(answer.get("result").is_none());
    assert!(answer["error"]["message"].is_string());
    (answer["error"]["code"].as_i64().expect("a code"), answer["id"].clone())
}

#[test]
fn a_call_that_is_done() {
    for (params, seen) in [
        (r#","params":{"a":1}"#, r#"x {"a":1}"#),
        (r#","params":{}"#, "x {}"),
        (r#","params":null"#, "x {}"),
        (r#","params":[]"#, "x {}"),
        ("", "x {}"),
    ] {
        for id in ["1", "-7", "1.5", "\"a\"", "null"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x"{params}}}"#);
            let (answer, done) = said(&text);
            let id: Value = serde_json::from_str(id).expect("an id");
            assert_eq!(answer, Some(json!({"jsonrpc": "2.0", "id": id, "result": null})), "{text}");
            assert_eq!(done, [seen], "{text}");
        }
    }
}

#[test]
fn notifications_have_no_answer() {
    let (answer, done) = said(r#"{"jsonrpc":"2.0","method":"x"}"#);
    assert_eq!((answer, done), (None, vec!["x {}".to_owned()]));
    let (answer, done) = said(r#"{"jsonrpc":"2.0","method":"no"}"#);
    assert_eq!((answer, done), (None, vec![]));
}

#[test]
fn what_is_refused() {
    let long = "x".repeat(129);
    let long_id = format!(r#"{{"jsonrpc":"2.0","id":"{long}","method":"x"}}"#);
    let deep = "[".repeat(100_000);
    let rows = [
        ("", -32700, Value::Null),
        ("{", -32700, Value::Null),
        (&deep, -32700, Value::Null),
        ("{\"jsonrpc\":\"2.0\"} x", -32700, Value::Null),
        ("7", -32600, Value::Null),
        ("null", -32600, Value::Null),
        ("[]", -32600, Value::Null),
        (r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#, -32600, Value::Null),
        (r#"{"jsonrpc":"2.0","id":true,"method":"x"}"#, -32600, Value::Null),
        (&long_id, -32600, Value::Null),
        (r#"{"jsonrpc":"1.0","id":3,"method":"x"}"#, -32600, json!(3)),
        (r#"{"id":3,"method":"x"}"#, -32600, json!(3)),
        (r#"{"jsonrpc":"2.0","id":3}"#, -32600, json!(3)),
        (r#"{"jsonrpc":"2.0","id":3,"method":7}"#, -32600, json!(3)),
        (r#"{"jsonrpc":"2.0","id":3,"method":"x","params":7}"#, -32600, json!(3)),
        (r#"{"jsonrpc":"2.0","id":3,"method":"x","params":[1]}"#, -32602, json!(3)),
        (r#"{"jsonrpc":"2.0","id":3,"method":"no"}"#, -32602, json!(3)),
    ];
    for (text, expected, id) in rows {
        let (answer, done) = said(text);
        let shown: String = text.chars().take(80).collect();
        assert_eq!(code(&answer), (expected, id), "{shown}");
        assert!(done.is_empty(), "{shown}");
    }
}

#[test]
fn batches() {
    let (answer, done) = said(
        r#"[{"jsonrpc":"2.0","id":1,"method":"x"},
            {"jsonrpc":"2.0","method":"y"},
            {"jsonrpc":"2.0","id":2,"method":"no"},
            7,
            {"jsonrpc":"2.0","id":3,"method":"z","params":{"a":true}}]"#,
    );
    assert_eq!(done, ["x {}", "y {}", r#"z {"a":true}"#]);
    let Some(Value::Array(answers)) = answer else { panic!("expected answers, got {answer:?}") };
    let brief: Vec<(Value, Value)> = answers
        .iter()
        .map(|answer| (answer["id"].clone(), answer["error"]["code"].clone()))
        .collect();
    let expected = [
        (json!(1), Value::Null),
        (json!(2), json!(-32602)),
        (Value::Null, json!(-32600)),
        (json!(3), Value::Null),
    ];
    assert_eq!(brief, expected);

    // Nothing but notifications.
    let (answer, done) = said(r#"[{"jsonrpc":"2.0","method":"x"}]"#);
    assert_eq!((answer, done.len()), (None, 1));
}

#[test]
fn a_batch_has_a_bound() {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#;
    let batch = |calls: usize| format!("[{}]", vec![call; calls].join(","));
    let (answer, done) = said(&batch(MAX_BATCH));
    assert_eq!(done.len(), MAX_BATCH);
    assert_eq!(answer.expect("answers").as_array().map(Vec::len), Some(MAX_BATCH));
    let (answer, done) = said(&batch(MAX_BATCH + 1));
    assert_eq!(code(&answer), (-32600, Value::Null));
    assert!(done.is_empty());
}
