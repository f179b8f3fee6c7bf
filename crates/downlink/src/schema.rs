//! One JSON schema for each command, made from the table.

use serde_json::{Map, Value, json};

use super::table::{Kind, ORDERS, Order, SET_KEY};

/// The schemas of all commands by name.
#[must_use]
pub fn all() -> Vec<(&'static str, Value)> {
    let mut names: Vec<&'static str> = ORDERS.iter().chain([&SET_KEY]).map(|order| order.name).collect();
    names.sort_unstable();
    names.dedup();
    let commands = names.into_iter().map(|name| (name, schema(name)));
    commands.chain([("confirmation", confirmation()), ("cancellation", cancellation())]).collect()
}

/// What every request has.
fn common() -> Map<String, Value> {
    let common = json!({
        "author": { "type": "string", "minLength": 1, "maxLength": 64 },
        "why": { "type": "string", "minLength": 1, "maxLength": 512 },
        "expires": { "type": "integer", "minimum": 1, "maximum": 2_592_000, "description": "seconds it may wait, from asked_at" },
        "asked_at": { "type": "string", "format": "date-time", "description": "when it was asked, with an offset" },
    });
    common.as_object().cloned().unwrap_or_default()
}

fn object(title: &str, required: &[&str], own: &Value) -> Value {
    let mut properties = common();
    properties.extend(own.as_object().cloned().unwrap_or_default());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title, "type": "object", "additionalProperties": false, "required": required, "properties": properties,
    })
}

fn confirmation() -> Value {
    let own = json!({ "confirm": { "type": "string", "pattern": "^[0-9a-f]{8}$" } });
    object("确认控制命令 (confirms the request of the same id)", &["confirm", "author", "why"], &own)
}

fn cancellation() -> Value {
    let own = json!({ "cancel": { "const": true } });
    object("撤销请求 (takes the request of the same id back)", &["cancel", "author", "why"], &own)
}

fn schema(name: &str) -> Value {
    let forms: Vec<&Order> = ORDERS.iter().chain([&SET_KEY]).filter(|order| order.name == name).collect();
    let first = forms.first();
    let mut parameters: Vec<Value> = forms.iter().map(|order| parameters(order)).collect();
    if name == SET_KEY.name
        && let Some(own) = parameters.first_mut()
    {
        // Left out, as it should be: the gateway makes the key.
        own["properties"]["NewSK"] = secret("^[0-9A-Za-z]{16}$");
    }
    let title = first.map_or_else(String::new, |order| format!("{} {} ({})", order.cn, order.zh, order.en));
    let own = json!({ "command": { "const": name }, "parameters": { "anyOf": parameters } });
    object(&title, &["command", "author", "why"], &own)
}

fn parameters(order: &Order) -> Value {
    let properties: Map<String, Value> =
        order.parameters.iter().map(|parameter| (parameter.name.to_owned(), kind(parameter.kind))).collect();
    let required: Vec<&str> = order.parameters.iter().filter(|p| p.required).map(|p| p.name).collect();
    let editions: Vec<&str> = order.editions.iter().map(|edition| edition.year()).collect();
    json!({
        "description": format!("editions {}", editions.join(", ")),
        "type": "object", "additionalProperties": false, "required": required, "properties": properties,
    })
}

/// A secret: sealed for the gateway, in a file, or (`plain_secrets`) in clear.
fn secret(pattern: &str) -> Value {
    let form = |name: &str| json!({ "type": "object", "additionalProperties": false, "required": [name], "properties": { name: { "type": "string" } } });
    json!({ "anyOf": [form("sealed"), form("file"), { "type": "string", "pattern": pattern }] })
}

fn kind(kind: Kind) -> Value {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match kind {
        Kind::Whole(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::OneOf(list) => json!({ "enum": list }),
        Kind::Time | Kind::TimeOrNow => text("^20[0-9]{12}$"),
        Kind::HourMinute => text("^([01][0-9]|2[0-3])[0-5][0-9]$"),
        Kind::HourMinuteSecond => text("^([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]$"),
        Kind::Code => text("^[0-9A-Za-z]{1,6}$"),
        Kind::Password => secret("^[0-9A-Za-z]{6}$"),
        Kind::NewMn => text("^[0-9A-F]{24}$"),
        Kind::Identifier => text("^[0-9A-Za-z]{1,24}$"),
        Kind::Target => text("^[0-9A-Za-z.:]{1,20}$"),
        Kind::Info => text("^[0-9A-Za-z._-]{1,24}$"),
        Kind::Codes => json!({ "type": "array", "minItems": 1, "maxItems": 16, "items": text("^[0-9A-Za-z]{1,6}$") }),
        Kind::Limits => {
            let limit = text("^-?[0-9]{1,14}([.][0-9]{1,2})?$");
            json!({ "type": "array", "minItems": 1, "maxItems": 16, "items": {
                "type": "object", "additionalProperties": false, "required": ["PolId", "LowValue", "UpValue"],
                "properties": { "PolId": text("^[0-9A-Za-z]{1,6}$"), "LowValue": limit, "UpValue": limit },
            } })
        }
        Kind::Hours => json!({ "type": "array", "minItems": 1, "maxItems": 24, "uniqueItems": true,
            "items": { "type": "integer", "minimum": 0, "maximum": 23 } }),
    }
}
