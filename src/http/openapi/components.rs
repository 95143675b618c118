//! The named parts of the document: schemas, headers, parameters, and a response for each status of
//! a problem.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::domain::json_literal::json;
use crate::domain::json_schema::{
    self, NOT_BLANK, choice, closed, id, members, object, reference, seq, time, title,
};
use crate::domain::order_schemas::sale_and_stock_schemas;
use crate::domain::{Code, EntityKind, Role, device};
use crate::http::{audit, backups, errors, pairing, shop, status};
use crate::limits::{
    DEVICE_NAME_CHARS_MAX, IDEMPOTENCY_KEY_CHARS_MAX, PASSWORD_CHARS, SKU_CHARS_MAX,
    USERNAME_CHARS_MAX,
};

/// The codes of problems by their status.
pub(super) type Problems = BTreeMap<StatusCode, Vec<Code>>;

const ABOUT_PROBLEMS: &str = "\
    The answer to a request that is refused (RFC 9457). `code` keeps its meaning; `detail` is written for people and \
    may change. Each entry of `errors` names one wrong field, and has a code of its own.";

/// `problems` has the codes of each status's shared response.
pub(super) fn components(cookie_name: &str, problems: &Problems) -> Value {
    json!({
        "securitySchemes": {"session": {
            "type": "apiKey", "in": "cookie", "name": cookie_name,
            "description": "The cookie that a login sets.",
        }, "token": {
            "type": "http", "scheme": "bearer",
            "description": "The token of a device, which an admin adds: POST /api/devices. A request that has it is \
                            the device's, whatever its cookies are.",
        }},
        "schemas": schemas(),
        "headers": header_definitions(),
        "parameters": parameters(),
        "responses": responses(problems),
    })
}

/// References to headers, under their HTTP names.
pub(super) fn headers(names: &[&str]) -> Value {
    let on_the_wire = |name: &str| match name {
        "RetryAfter" => "Retry-After".to_owned(),
        "TillcastVersion" => "Tillcast-Version".to_owned(),
        "TillcastSeq" => "Tillcast-Seq".to_owned(),
        other => other.to_owned(),
    };
    let header =
        |name: &&str| (on_the_wire(name), json!({"$ref": format!("#/components/headers/{name}")}));
    Value::Object(members(names.iter().map(header)))
}

/// The sentence about a problem that has one of these codes.
pub(super) fn about_problem(codes: &[Code]) -> String {
    let names: Vec<&str> = codes.iter().map(|code| code.name()).collect();
    format!("A problem: {}.", names.join(", "))
}

fn header_definitions() -> Value {
    let text = || json!({"type": "string"});
    json!({
        "ETag": {"schema": text(), "description": "The version, for If-Match and If-None-Match."},
        "Location": {"schema": text(), "description": "The path of the new entity."},
        "RetryAfter": {
            "schema": {"type": "integer", "minimum": 1},
            "description": "The seconds to wait before another try.",
        },
        "TillcastSeq": {
            "schema": {"type": "integer", "format": "int64", "minimum": 0},
            "description": "The position in the event log that this reply reflects. A subscription \
                            `since` it misses nothing.",
        },
        "TillcastVersion": {"schema": text(), "description": "The server's version."},
    })
}

fn parameters() -> Value {
    let header = |name: &str, about: &str, schema: Value| {
        let about = about.to_owned();
        json!({"name": name, "in": "header", "description": about, "schema": schema})
    };
    let tags = json!({"type": "string"});
    let key = json!({
        "type": "string", "pattern": "^[!-~]([ -~]*[!-~])?$", "minLength": 1,
        "maxLength": IDEMPOTENCY_KEY_CHARS_MAX,
    });
    json!({
        "Id": {
            "name": "id", "in": "path", "required": true, "schema": id(),
            "description": "The entity's number, which the server gave it.",
        },
        "Sku": {
            "name": "sku", "in": "path", "required": true,
            "schema": {"type": "string", "minLength": 1, "maxLength": SKU_CHARS_MAX, "pattern": NOT_BLANK},
            "description": "The product's stock keeping unit.",
        },
        "Code": {
            "name": "code", "in": "path", "required": true, "schema": {"type": "string", "minLength": 1},
            "description": "The code that the device shows. Case, dashes and spaces do not matter.",
        },
        "IfMatch": header("If-Match", "Change only a version whose ETag is among these.", tags.clone()),
        "IfNoneMatch": header("If-None-Match", "Answer 304 to a version whose ETag is among these.", tags.clone()),
        "CreateOnly": header("If-None-Match", "With `*`, only create: 412 if it exists.", tags),
        "IdempotencyKey": header("Idempotency-Key", "Names this request, so that a repeat changes nothing.", key),
    })
}

/// A response for each of these statuses of problems.
fn responses(problems: &Problems) -> Value {
    let problem = |(status, codes): (&StatusCode, &Vec<Code>)| {
        let name = format!("Problem{}", status.as_u16());
        let mut of_response = vec!["TillcastVersion"];
        of_response.extend(matches!(status.as_u16(), 429 | 503).then_some("RetryAfter"));
        let response = json!({
            "description": about_problem(codes),
            "headers": headers(&of_response),
            "content": {"application/problem+json": {"schema": reference("Problem")}},
        });
        (name, response)
    };
    let mut responses = members(problems.iter().map(problem));
    let headers = headers(&["ETag", "TillcastVersion", "TillcastSeq"]);
    let about = "The client has this version already.";
    responses.insert("NotModified".to_owned(), json!({"description": about, "headers": headers}));
    Value::Object(responses)
}

fn schemas() -> Value {
    let mut schemas = json_schema::entities();
    schemas.extend(json_schema::choices());
    schemas.extend(sale_and_stock_schemas());
    schemas.extend(json_schema::events());
    schemas.extend(user_schemas());
    schemas.extend(device_schemas());
    schemas.extend(page_schemas());
    schemas.extend(pairing::schemas());
    schemas.extend(backups::schemas());
    schemas.extend(shop::schemas());
    let channels = EntityKind::ALL.map(|kind| kind.schema().channel);
    let text = json!({"type": "string"});
    schemas.extend(members([
        ("Channel", choice(channels)),
        ("SortOrder", choice(["asc", "desc"])),
        ("Document", json!({"type": "object", "additionalProperties": true})),
        ("State", object(members([("status", text.clone())]))),
        ("ProblemCode", problem_code()),
        ("Status", status::schema()),
        ("LoggedError", errors::schema()),
        ("FieldError", field_error()),
        ("Problem", problem()),
        (
            "DemoLogins",
            object(members([("data", json!({"type": "array", "items": reference("Login")}))])),
        ),
        ("Login", object(members([("username", text.clone()), ("password", text.clone())]))),
        (
            "PasswordChange",
            object(members([("current_password", text), ("new_password", password())])),
        ),
    ]));
    Value::Object(schemas)
}

/// The codes, each with its sentence.
fn problem_code() -> Value {
    let mut codes = choice(Code::ALL.iter().map(|code| code.name()));
    let sentence = |code: &Code| (code.name(), json!(code.about()));
    codes["x-enumDescriptions"] = Value::Object(members(Code::ALL.iter().map(sentence)));
    codes
}

fn field_error() -> Value {
    object(members([
        (
            "field",
            json!({"type": "string", "description": "The path of the field, such as items[0].quantity."}),
        ),
        ("code", reference("ProblemCode")),
        (
            "message",
            json!({"type": "string", "description": "The requirement that the field breaks."}),
        ),
    ]))
}

/// A problem (RFC 9457); members may be added.
fn problem() -> Value {
    json!({
        "type": "object",
        "description": ABOUT_PROBLEMS,
        "required": ["type", "code", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "code": reference("ProblemCode"),
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "A sentence for people."},
            "errors": {"type": "array", "items": reference("FieldError")},
        },
    })
}

fn password() -> Value {
    json!({"type": "string", "minLength": *PASSWORD_CHARS.start(), "maxLength": *PASSWORD_CHARS.end()})
}

fn user_schemas() -> Map<String, Value> {
    let username = json!({
        "type": "string", "minLength": 1, "maxLength": USERNAME_CHARS_MAX, "pattern": NOT_BLANK,
    });
    let (role, disabled) = (reference("Role"), json!({"type": "boolean"}));
    let given = [("username", username.clone()), ("role", role.clone()), ("password", password())];
    let mut patch = members(given.clone());
    patch.insert("disabled".to_owned(), disabled.clone());
    let setup = [
        ("code", json!({"type": "string", "description": "The code behind the # of the link."})),
        ("username", username.clone()),
        ("password", password()),
        ("shop", reference("ShopPatch")),
    ];
    let setup = closed(members(setup), &["code", "username", "password"].map(str::to_owned));
    let brief = [("id", id()), ("username", json!({"type": "string"})), ("role", role.clone())];
    let user = [
        ("id", id()),
        ("username", username),
        ("role", role),
        ("disabled", disabled),
        ("created_at", time()),
        ("updated_at", time()),
    ];
    members([
        ("Role", choice(Role::ALL.map(Role::name))),
        ("User", object(members(user))),
        ("NewUser", object(members(given))),
        ("Setup", setup),
        ("UserPatch", closed(patch, &[])),
        ("SessionUser", object(members(brief))),
        ("Session", session()),
        ("UserSession", object(members([("user", reference("SessionUser"))]))),
        ("AuditEntry", audit::schema()),
        ("AuditAction", audit::action_schema()),
        ("AuditEntity", audit::entity_schema()),
    ])
}

/// A user's session, or a device's.
fn session() -> Value {
    let device = object(members([("device", reference("SessionDevice"))]));
    json!({"oneOf": [reference("UserSession"), device]})
}

fn device_schemas() -> Map<String, Value> {
    let name = json!({
        "type": "string", "minLength": 1, "maxLength": DEVICE_NAME_CHARS_MAX, "pattern": NOT_BLANK,
    });
    let or_null = |mut schema: Value, about: &str| {
        schema["type"] = json!([schema["type"].take(), "null"]);
        schema["description"] = json!(about);
        schema
    };
    let count = |about: &str| json!({"type": "integer", "minimum": 0, "description": about});
    let given = [("name", name), ("role", reference("DeviceRole"))];
    let mut device = members([("id", id())]);
    device.extend(members(given.clone()));
    let brief = object(device.clone());
    device.extend(members([
        ("address", or_null(json!({"type": "string"}), "The address from which it came last.")),
        (
            "last_seen_at",
            or_null(time(), "The time of its last request, or now while it has a socket."),
        ),
        ("created_at", time()),
        ("updated_at", time()),
        ("sockets", count("Its open WebSockets.")),
        ("unsent", count("The events by which the slowest of them lags.")),
    ]));
    let mut added = device.clone();
    let about = "The token. It is in the first response alone, and stored nowhere.";
    added.insert("token".to_owned(), json!({"type": "string", "description": about}));
    let required: Vec<String> = device.keys().cloned().collect();
    let added = closed(added, &required);
    members([
        ("DeviceRole", choice(device::roles().map(Role::name))),
        ("NewDevice", object(members(given.clone()))),
        ("AddedDevice", added),
        ("SessionDevice", brief),
        ("Device", object(device)),
        ("DevicePatch", closed(members(given), &[])),
    ])
}

/// The identity of the event log.
fn log() -> Value {
    json!({
        "type": "string", "pattern": "^[0-9a-f]{12}$",
        "description": "The log's id. A restore gives the log a new id, and ends the positions of the old one.",
    })
}

/// A page of each list, and the cursor of the next one.
fn page_schemas() -> Map<String, Value> {
    let cursor = json!({
        "type": ["integer", "null"], "format": "int64",
        "description": "Give it as `after` for the next page; null on the last one.",
    });
    let page = |item: &str| {
        members([
            ("data", json!({"type": "array", "items": reference(item)})),
            ("next", cursor.clone()),
        ])
    };
    let names = EntityKind::ALL.map(|kind| title(kind.schema().noun));
    let mut pages = members(names.iter().map(|name| (format!("{name}Page"), object(page(name)))));
    pages.insert("UserPage".to_owned(), object(page("User")));
    pages.insert("DevicePage".to_owned(), object(page("Device")));
    pages.insert("ErrorPage".to_owned(), object(page("LoggedError")));
    pages.insert("AuditPage".to_owned(), object(page("AuditEntry")));
    let mut events = page("Event");
    events.insert("log".to_owned(), log());
    events.insert("oldest".to_owned(), seq());
    events.insert("head".to_owned(), seq());
    pages.insert("EventPage".to_owned(), object(events));
    pages
}
