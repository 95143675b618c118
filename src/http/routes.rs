//! Every route, and the search for the routes of a path.

use std::future::ready;

use hyper::Method;

use crate::domain::Code;
use crate::http::authority::AUTHORITY_PATH;
use crate::http::path::{self, PathParameters};
use crate::http::query::{AFTER, LIMIT, ORDER, Parameter, ParameterValue, Query};
use crate::http::route::{Access, Handler, RequestBody, ResponseBody, Route};
use crate::http::{health, pages};

const NO_QUERY: Query = Query::Parameters(&[]);

/// The routes. Those of one path are adjacent, and the busiest come first.
#[rustfmt::skip]
pub(super) static ROUTES: &[Route] = &[
    Route {
        method: Method::GET, path: "/api/{kind}", access: Access::Read, query: Query::List,
        request: RequestBody::None, response: ResponseBody::Json("{Kind}Page"), rules: &[],
        id: "list{Kinds}", summary: "List {plural}, newest first",
        handler: |api, request| Box::pin(api.list(request)),
    },
    Route {
        method: Method::POST, path: "/api/{kind}", access: Access::Create, query: NO_QUERY,
        request: RequestBody::Json("New{Kind}"), response: ResponseBody::Created("{Kind}"),
        rules: &[
            Code::OutOfStock, Code::NotForSale, Code::OrderEnded, Code::Overpaid, Code::RefundTooLarge,
            Code::TooManyTransactions, Code::TooManyShipments, Code::TooManyOpenOrders, Code::Duplicate,
        ],
        id: "create{Kind}", summary: "Create a {noun}",
        handler: |api, request| Box::pin(api.create(request)),
    },
    Route {
        method: Method::GET, path: "/api/{kind}/{id}", access: Access::Read, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Versioned("{Kind}"), rules: &[],
        id: "get{Kind}", summary: "Read a {noun}",
        handler: |api, request| Box::pin(api.get(request)),
    },
    Route {
        method: Method::PATCH, path: "/api/{kind}/{id}", access: Access::Patch, query: NO_QUERY,
        request: RequestBody::MergePatch("{Kind}Patch"), response: ResponseBody::Versioned("{Kind}"),
        rules: &[
            Code::StatusSkipped, Code::Overpaid, Code::RefundTooLarge, Code::FieldFixed, Code::Duplicate,
            Code::OrderFixed, Code::OutOfStock, Code::NotForSale,
        ],
        id: "update{Kind}", summary: "Change a {noun}",
        handler: |api, request| Box::pin(api.patch(request)),
    },
    Route {
        method: Method::DELETE, path: "/api/{kind}/{id}", access: Access::Change, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Nothing,
        rules: &[Code::InUse, Code::RefundTooLarge, Code::OrderCompleted],
        id: "delete{Kind}", summary: "Delete a {noun}",
        handler: |api, request| Box::pin(api.delete(request)),
    },
    Route {
        method: Method::POST, path: "/api/sales", access: Access::Sell, query: NO_QUERY,
        request: RequestBody::Json("NewSale"), response: ResponseBody::Sold,
        rules: &[
            Code::OutOfStock, Code::NotForSale, Code::Overpaid, Code::FieldFixed, Code::TotalChanged,
            Code::ClientIdReused, Code::SaleDeleted, Code::TooManyOpenOrders,
        ],
        id: "sell", summary: "Store a sale: an order and its payments in one",
        handler: |api, request| Box::pin(api.sell(request)),
    },
    Route {
        method: Method::PUT, path: "/api/{products}/by-sku/{sku}", access: Access::Change, query: NO_QUERY,
        request: RequestBody::Json("{Kind}Put"), response: ResponseBody::Put("{Kind}"),
        rules: &[Code::Duplicate],
        id: "put{Kind}", summary: "Create the product with this SKU, or change the given fields of it",
        handler: |api, request| Box::pin(api.put_by_sku(request)),
    },
    Route {
        method: Method::POST, path: "/api/{products}/{id}/stock", access: Access::Change, query: NO_QUERY,
        request: RequestBody::Json("StockChange"), response: ResponseBody::Repeatable("{Kind}"),
        rules: &[Code::OutOfStock, Code::NotCounted],
        id: "changeStock", summary: "Change the stock of a product by a quantity",
        handler: |api, request| Box::pin(api.change_stock(request)),
    },
    Route {
        method: Method::POST, path: "/api/{customers}/{id}/erase", access: Access::Change, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Versioned("{Kind}"), rules: &[],
        id: "erase{Kind}", summary: "Erase a customer's personal data",
        handler: |api, request| Box::pin(api.erase(request)),
    },
    Route {
        method: Method::GET, path: "/api/shop", access: Access::LoggedIn, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Versioned("Shop"), rules: &[],
        id: "getShop", summary: "Read the shop's name, currency and tax mode",
        handler: |api, request| Box::pin(api.get_shop(request)),
    },
    Route {
        method: Method::PATCH, path: "/api/shop", access: Access::Admin, query: NO_QUERY,
        request: RequestBody::MergePatch("ShopPatch"), response: ResponseBody::Versioned("Shop"),
        rules: &[Code::ShopFixed],
        id: "updateShop", summary: "Change the shop's name, and before it has amounts its currency and tax mode",
        handler: |api, request| Box::pin(api.patch_shop(request)),
    },
    Route {
        method: Method::GET, path: "/api/events", access: Access::LoggedIn,
        query: Query::Parameters(&[
            LIMIT, AFTER, ORDER,
            Parameter {
                name: "channel", value: ParameterValue::Word("Channel"),
                about: "Only this channel's events. Without it, those of all channels that your role may follow.",
            },
        ]),
        request: RequestBody::None, response: ResponseBody::Json("EventPage"), rules: &[],
        id: "listEvents", summary: "Read the event log, oldest first by default",
        handler: |api, request| Box::pin(api.events(request)),
    },
    Route {
        method: Method::POST, path: "/api/auth/login", access: Access::Public, query: NO_QUERY,
        request: RequestBody::Json("Login"), response: ResponseBody::Json("UserSession"),
        rules: &[Code::WrongCredentials, Code::TooManyLogins],
        id: "login", summary: "Log in",
        handler: |api, request| Box::pin(api.login(request)),
    },
    Route {
        method: Method::POST, path: "/api/setup", access: Access::Public, query: NO_QUERY,
        request: RequestBody::Json("Setup"), response: ResponseBody::Made("UserSession"),
        rules: &[
            Code::WrongSetupCode, Code::SetupEnded, Code::TooManyLogins, Code::Duplicate, Code::ShopFixed,
        ],
        id: "setUp", summary: "Make the first admin, by the link of the first start, and log in",
        handler: |api, request| Box::pin(api.set_up(request)),
    },
    Route {
        method: Method::POST, path: "/api/auth/logout", access: Access::LoggedIn, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Nothing, rules: &[],
        id: "logout", summary: "Log out; a device is removed",
        handler: |api, request| Box::pin(api.logout(request)),
    },
    Route {
        method: Method::GET, path: "/api/auth/me", access: Access::LoggedIn, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Json("Session"), rules: &[],
        id: "getSession", summary: "Read the user or the device of your session",
        handler: |api, request| Box::pin(api.me(request)),
    },
    Route {
        method: Method::POST, path: "/api/auth/password", access: Access::LoggedIn, query: NO_QUERY,
        request: RequestBody::Json("PasswordChange"), response: ResponseBody::Nothing,
        rules: &[Code::WrongCredentials, Code::TooManyLogins],
        id: "changePassword", summary: "Change your own password",
        handler: |api, request| Box::pin(api.change_password(request)),
    },
    Route {
        method: Method::POST, path: "/api/pairing", access: Access::Public, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Made("OpenedPairing"),
        rules: &[Code::TooManyPairings],
        id: "openPairing", summary: "Ask to be paired, as a device that then shows the code",
        handler: |api, request| Box::pin(ready(api.open_pairing(request))),
    },
    Route {
        method: Method::GET, path: "/api/pairing", access: Access::Public, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Json("PairingProgress"),
        rules: &[Code::NoPairing, Code::PairingEnded],
        id: "pollPairing", summary: "Ask whether your pairing was approved; the reply then logs you in",
        handler: |api, request| Box::pin(api.poll_pairing(request)),
    },
    Route {
        method: Method::GET, path: "/api/pairing/qr.svg", access: Access::Public, query: Query::Ignored,
        request: RequestBody::None, response: ResponseBody::Page,
        rules: &[Code::MalformedRequest, Code::NoPairing, Code::PairingEnded],
        id: "getPairingQr", summary: "Draw the QR code of your pairing: a link for the phone of an admin",
        handler: |api, request| Box::pin(ready(api.pairing_qr(request))),
    },
    Route {
        method: Method::GET, path: "/api/pairing/{code}", access: Access::Admin, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Json("PairingDevice"),
        rules: &[Code::NotFound, Code::CodeUsed, Code::TooManyCodes],
        id: "getPairing", summary: "Look at the device that shows a code",
        handler: |api, request| Box::pin(ready(api.get_pairing(request))),
    },
    Route {
        method: Method::POST, path: "/api/pairing/{code}", access: Access::Admin, query: NO_QUERY,
        request: RequestBody::Json("NewDevice"), response: ResponseBody::Made("Device"),
        rules: &[Code::NotFound, Code::CodeUsed, Code::TooManyCodes, Code::TooManyDevices],
        id: "approvePairing", summary: "Pair the device that shows a code",
        handler: |api, request| Box::pin(api.approve_pairing(request)),
    },
    Route {
        method: Method::GET, path: "/api/users", access: Access::Admin,
        query: Query::Parameters(&[LIMIT, AFTER]),
        request: RequestBody::None, response: ResponseBody::Json("UserPage"), rules: &[],
        id: "listUsers", summary: "List users, newest first",
        handler: |api, request| Box::pin(api.list_users(request)),
    },
    Route {
        method: Method::POST, path: "/api/users", access: Access::Admin, query: NO_QUERY,
        request: RequestBody::Json("NewUser"), response: ResponseBody::Created("User"),
        rules: &[Code::Duplicate, Code::TooManyLogins],
        id: "createUser", summary: "Create a user",
        handler: |api, request| Box::pin(api.create_user(request)),
    },
    Route {
        method: Method::GET, path: "/api/users/{id}", access: Access::Admin, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Versioned("User"), rules: &[],
        id: "getUser", summary: "Read a user",
        handler: |api, request| Box::pin(api.get_user(request)),
    },
    Route {
        method: Method::PATCH, path: "/api/users/{id}", access: Access::Admin, query: NO_QUERY,
        request: RequestBody::MergePatch("UserPatch"), response: ResponseBody::Versioned("User"),
        rules: &[Code::Duplicate, Code::LastAdmin, Code::TooManyLogins],
        id: "updateUser", summary: "Change a user",
        handler: |api, request| Box::pin(api.patch_user(request)),
    },
    Route {
        method: Method::DELETE, path: "/api/users/{id}", access: Access::Admin, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Nothing, rules: &[Code::LastAdmin],
        id: "deleteUser", summary: "Delete a user",
        handler: |api, request| Box::pin(api.delete_user(request)),
    },
    Route {
        method: Method::GET, path: "/api/devices", access: Access::Admin,
        query: Query::Parameters(&[LIMIT, AFTER]),
        request: RequestBody::None, response: ResponseBody::Json("DevicePage"), rules: &[],
        id: "listDevices", summary: "List devices, newest first",
        handler: |api, request| Box::pin(api.list_devices(request)),
    },
    Route {
        method: Method::POST, path: "/api/devices", access: Access::Admin, query: NO_QUERY,
        request: RequestBody::Json("NewDevice"), response: ResponseBody::Created("AddedDevice"),
        rules: &[Code::TooManyDevices],
        id: "createDevice", summary: "Add a device; the response has its token, which no other has",
        handler: |api, request| Box::pin(api.create_device(request)),
    },
    Route {
        method: Method::GET, path: "/api/devices/{id}", access: Access::Admin, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Versioned("Device"), rules: &[],
        id: "getDevice", summary: "Read a device; the ETag is that of its name and role",
        handler: |api, request| Box::pin(api.get_device(request)),
    },
    Route {
        method: Method::PATCH, path: "/api/devices/{id}", access: Access::Admin, query: NO_QUERY,
        request: RequestBody::MergePatch("DevicePatch"), response: ResponseBody::Versioned("Device"), rules: &[],
        id: "updateDevice", summary: "Change a device; its token stays valid",
        handler: |api, request| Box::pin(api.patch_device(request)),
    },
    Route {
        method: Method::DELETE, path: "/api/devices/{id}", access: Access::Admin, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Nothing, rules: &[],
        id: "deleteDevice", summary: "Remove a device; its token ends",
        handler: |api, request| Box::pin(api.delete_device(request)),
    },
    Route {
        method: Method::GET, path: "/api/audit", access: Access::Admin,
        query: Query::Parameters(&[
            LIMIT, AFTER,
            Parameter {
                name: "user_id", value: ParameterValue::Number, about: "Only this user's changes.",
            },
            Parameter {
                name: "device_id", value: ParameterValue::Number, about: "Only this device's changes.",
            },
            Parameter {
                name: "entity", value: ParameterValue::Word("AuditEntity"),
                about: "Only changes of this kind of entity.",
            },
            Parameter {
                name: "row_id", value: ParameterValue::Number,
                about: "Only changes of the entity with this id; give `entity` as well.",
            },
        ]),
        request: RequestBody::None, response: ResponseBody::Json("AuditPage"), rules: &[],
        id: "listAuditEntries", summary: "Read the audit trail, newest first",
        handler: |api, request| Box::pin(api.audit(request)),
    },
    Route {
        method: Method::GET, path: "/api/status", access: Access::Admin,
        query: Query::Parameters(&[Parameter {
            name: "after", value: ParameterValue::Number,
            about: "Only samples after this one: `next` of an earlier reply.",
        }]),
        request: RequestBody::None, response: ResponseBody::Json("Status"), rules: &[],
        id: "getStatus", summary: "Read the server's load, now and in the last hour",
        handler: |api, request| Box::pin(api.status(request)),
    },
    Route {
        method: Method::GET, path: "/api/demo", access: Access::Public, query: Query::Ignored,
        request: RequestBody::None, response: ResponseBody::Json("DemoLogins"), rules: &[],
        id: "listDemoLogins", summary: "Read the logins of a demo; a real shop has none here",
        handler: |api, _| Box::pin(ready(Ok(api.demo_logins()))),
    },
    Route {
        method: Method::GET, path: "/api/errors", access: Access::Admin, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Json("ErrorPage"), rules: &[],
        id: "listErrors", summary: "Read the newest warnings and errors of the server's log, newest first",
        handler: |api, request| Box::pin(api.errors(request)),
    },
    Route {
        method: Method::GET, path: "/api/backups", access: Access::Admin, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Json("Backups"), rules: &[Code::BackupFailed],
        id: "listBackups", summary: "List the backups on the server, newest first",
        handler: |api, _| Box::pin(api.list_backups()),
    },
    Route {
        method: Method::POST, path: "/api/backups", access: Access::Admin, query: NO_QUERY,
        request: RequestBody::None, response: ResponseBody::Made("Backup"),
        rules: &[Code::BackupRunning, Code::BackupFailed, Code::DiskFull],
        id: "createBackup", summary: "Make a backup now; the reply comes when it is complete",
        handler: |api, request| Box::pin(api.make_backup(request)),
    },
    Route {
        method: Method::GET, path: "/healthz", access: Access::Public, query: Query::Ignored,
        request: RequestBody::None, response: ResponseBody::Json("State"), rules: &[],
        id: "getHealth", summary: "Check whether the process lives",
        handler: |_, _| Box::pin(ready(Ok(health::health()))),
    },
    Route {
        method: Method::GET, path: "/readyz", access: Access::Public, query: Query::Ignored,
        request: RequestBody::None, response: ResponseBody::Json("State"),
        rules: &[Code::Stopping, Code::Unavailable],
        id: "getReadiness", summary: "Check whether the shop can take orders",
        handler: |api, _| Box::pin(ready(api.readiness())),
    },
    Route {
        method: Method::GET, path: "/metrics", access: Access::Public, query: Query::Ignored,
        request: RequestBody::None,
        response: ResponseBody::Text("application/openmetrics-text"), rules: &[Code::MetricsNotAllowed],
        id: "getMetrics", summary: "Read the metrics",
        handler: |api, request| Box::pin(ready(api.metrics_page(request))),
    },
    Route {
        method: Method::GET, path: "/openapi.json", access: Access::Public, query: Query::Ignored,
        request: RequestBody::None, response: ResponseBody::Json("Document"), rules: &[],
        id: "getOpenApi", summary: "Read this document",
        handler: |api, request| Box::pin(ready(Ok(api.openapi(request)))),
    },
    Route {
        method: Method::GET, path: "/asyncapi.json", access: Access::Public, query: Query::Ignored,
        request: RequestBody::None, response: ResponseBody::Json("Document"), rules: &[],
        id: "getAsyncApi", summary: "Read the description of the WebSocket",
        handler: |api, request| Box::pin(ready(Ok(api.asyncapi(request)))),
    },
    page(AUTHORITY_PATH, |api, _| Box::pin(ready(api.authority()))),
];

/// Each page of the shop, and each part of one.
const ASSETS: &[Route] = &[page("", |api, request| Box::pin(pages::asset(api, request)))];

const fn page(path: &'static str, handler: Handler) -> Route {
    Route {
        method: Method::GET,
        path,
        access: Access::Public,
        query: Query::Ignored,
        request: RequestBody::None,
        response: ResponseBody::Page,
        rules: &[],
        id: "",
        summary: "",
        handler,
    }
}

/// The routes of a path, and its parameters; `None` if there is no such path.
pub(super) fn of_path(path: &str) -> Option<(&'static [Route], PathParameters)> {
    // Most paths are a row's, letter by letter: to compare them takes a tenth of reading all templates.
    let own = ROUTES.iter().position(|row| row.path == path && !path.contains('{'));
    let of_template = || {
        let mut rows = ROUTES.iter().enumerate();
        rows.find_map(|(start, row)| Some((start, path::read(row.path, path)?)))
    };
    let found = own.map(|start| (start, PathParameters::default())).or_else(of_template);
    let Some((start, parameters)) = found else {
        return crate::pages::find(path).map(|_| (ASSETS, PathParameters::default()));
    };
    let rows = &ROUTES[start..];
    let end = rows.iter().position(|row| row.path != rows[0].path).unwrap_or(rows.len());
    Some((&rows[..end], parameters))
}

/// The value of `Allow` for the routes of a path.
pub(super) fn allow(rows: &[Route]) -> String {
    let mut names: Vec<&str> = rows.iter().map(|route| route.method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.join(", ")
}

#[cfg(test)]
mod tests;
