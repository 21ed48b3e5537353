//! JSON-RPC 2.0: a message in, an answer or none out. A call that was carried out is answered with
//! `null`, as AppGateway answers the calls of `Metrics` itself.

use serde_json::{Map, Value, json};

/// Named parameters of a call.
pub type Params = Map<String, Value>;

/// The most calls in one batch.
pub const MAX_BATCH: usize = 64;

/// The most bytes of an id that is given back.
const MAX_ID: usize = 128;

/// Why a call was not carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    pub code: i32,
    pub message: String,
}

impl RpcError {
    fn new(code: i32, message: impl Into<String>) -> RpcError {
        RpcError { code, message: message.into() }
    }

    /// The message is no JSON.
    pub fn parse(message: impl Into<String>) -> RpcError {
        RpcError::new(-32700, message)
    }

    /// The message is JSON and no call.
    pub fn invalid_request(message: impl Into<String>) -> RpcError {
        RpcError::new(-32600, message)
    }

    pub fn method_not_found(method: &str) -> RpcError {
        let shown: String = method.chars().take(64).collect();
        RpcError::new(
            -32601,
            format!("unknown method \"{shown}\"; expected one of Metrics or Lifecycle"),
        )
    }

    pub fn invalid_params(message: impl Into<String>) -> RpcError {
        RpcError::new(-32602, message)
    }

    /// The call is right, and too much.
    pub fn limit(message: impl Into<String>) -> RpcError {
        RpcError::new(-32000, message)
    }
}

/// Carries out the calls of one message. Gives what is to be answered; nothing to notifications.
pub fn answer(
    text: &str,
    mut carry_out: impl FnMut(&str, Params) -> Result<(), RpcError>,
) -> Option<String> {
    let answer = match serde_json::from_str(text) {
        Err(error) => Some(failure(Value::Null, &RpcError::parse(format!("no JSON: {error}")))),
        Ok(Value::Array(calls)) => batch(calls, &mut carry_out),
        Ok(call) => single(call, &mut carry_out),
    };
    answer.map(|answer| answer.to_string())
}

fn batch(
    calls: Vec<Value>,
    carry_out: &mut impl FnMut(&str, Params) -> Result<(), RpcError>,
) -> Option<Value> {
    if calls.is_empty() || calls.len() > MAX_BATCH {
        let why = format!("a batch of {} calls; expected 1 to {MAX_BATCH}", calls.len());
        return Some(failure(Value::Null, &RpcError::invalid_request(why)));
    }
    let answers: Vec<Value> =
        calls.into_iter().filter_map(|call| single(call, carry_out)).collect();
    (!answers.is_empty()).then_some(Value::Array(answers))
}

fn single(
    call: Value,
    carry_out: &mut impl FnMut(&str, Params) -> Result<(), RpcError>,
) -> Option<Value> {
    let Value::Object(mut call) = call else {
        return Some(failure(Value::Null, &RpcError::invalid_request("a call is an object")));
    };
    let (id, notification) = match call.remove("id") {
        None => (Value::Null, true),
        Some(Value::String(id)) if id.len() > MAX_ID => {
            let why = format!("an id of {} bytes; expected at most {MAX_ID}", id.len());
            return Some(failure(Value::Null, &RpcError::invalid_request(why)));
        }
        Some(id @ (Value::Null | Value::Number(_) | Value::String(_))) => (id, false),
        Some(_) => {
            let why = "an id is a number, a string or null";
            return Some(failure(Value::Null, &RpcError::invalid_request(why)));
        }
    };
    if call.get("jsonrpc") != Some(&json!("2.0")) {
        return Some(failure(id, &RpcError::invalid_request("expected \"jsonrpc\": \"2.0\"")));
    }
    let Some(Value::String(method)) = call.remove("method") else {
        return Some(failure(
            id,
            &RpcError::invalid_request("the method is missing, or no string"),
        ));
    };
    let done = match call.remove("params") {
        None | Some(Value::Null) => carry_out(&method, Params::new()),
        Some(Value::Object(params)) => carry_out(&method, params),
        Some(Value::Array(params)) if params.is_empty() => carry_out(&method, Params::new()),
        Some(Value::Array(_)) => Err(RpcError::invalid_params("expected parameters by name")),
        Some(_) => {
            return Some(failure(id, &RpcError::invalid_request("params are an object")));
        }
    };
    match done {
        _ if notification => None,
        Ok(()) => Some(json!({"jsonrpc": "2.0", "id": id, "result": null})),
        Err(error) => Some(failure(id, &error)),
    }
}

/// An answer that says no. `id` is null where none could be read.
pub fn failure(id: Value, error: &RpcError) -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": id,
        "error": {"code": error.code, "message": error.message},
    })
}
