//! Devices over REST, for admins.

use std::collections::HashMap;
use std::mem;

use hyper::StatusCode;

use crate::auth::sessions::DeviceActivity;
use crate::domain::Device;
use crate::domain::device::{DevicePatch, NewDevice, Seen};
use crate::http::api::Api;
use crate::http::entities::created;
use crate::http::problem::Problem;
use crate::http::reply::{self, Reply, ReplyExt};
use crate::http::request::ApiRequest;
use crate::limits::BODY_BYTES_MAX;
use crate::store;

impl Api {
    /// `GET /api/devices`.
    pub(super) async fn list_devices(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let mut query = mem::take(&mut request.query);
        let (limit, after) = (query.limit(), query.number("after", 0));
        query.finish()?;
        let permit = self.page_permit(request.owner()).await?;
        let mut devices = self.store.devices(after, limit + 1).await?;
        let next = reply::cut(&mut devices, limit, |device| device.id);
        let activities = self.auth.sessions.devices();
        let shown = devices.into_iter().map(|device| show(device, &activities));
        Ok(reply::page(shown, next).with_permit(permit))
    }

    /// `POST /api/devices`. The token is in the first response alone: nobody can read it again.
    pub(super) async fn create_device(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let session = request.session()?;
        let (body, bytes) = request.json_object(BODY_BYTES_MAX).await?;
        let key = request.idempotency_key(&session, &bytes)?;
        let new = NewDevice::read(body)?;
        let (mut response, token) = self.auth.add_device(self.caller(request)?, new, key).await?;
        if let Some(token) = token {
            response.body.truncate(response.body.len() - 1);
            response.body.extend([",\"token\":\"", &token.0, "\"}"]);
        }
        Ok(created("devices", response))
    }

    /// `GET /api/devices/{id}`.
    pub(super) async fn get_device(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        let device = self.store.device(request.id()?).await?;
        let unchanged = reply::not_modified(&request.parts.headers, device.version);
        Ok(unchanged.unwrap_or_else(|| self.shown(device)))
    }

    /// `PATCH /api/devices/{id}`.
    pub(super) async fn patch_device(&self, request: &mut ApiRequest) -> Result<Reply, Problem> {
        let id = request.id()?;
        let (body, _) = request.json_object(BODY_BYTES_MAX).await?;
        let patch = DevicePatch::read(body)?;
        let (precondition, caller) = (request.precondition(), self.caller(request)?);
        Ok(self.shown(self.store.update_device(caller, id, patch, precondition).await?))
    }

    /// `DELETE /api/devices/{id}`.
    pub(super) async fn delete_device(&self, request: &ApiRequest) -> Result<Reply, Problem> {
        let caller = self.caller(request)?;
        self.store.remove_device(caller, request.id()?, request.precondition()).await?;
        Ok(reply::empty(StatusCode::NO_CONTENT))
    }

    fn shown(&self, device: Device) -> Reply {
        let version = device.version;
        reply::versioned(StatusCode::OK, show(device, &self.auth.sessions.devices()), version)
    }
}

/// A device as JSON, with what its session shows: the database learns of uses only now and then.
fn show(mut device: Device, activities: &HashMap<i64, DeviceActivity>) -> String {
    let DeviceActivity { seen, sockets } = activities.get(&device.id).copied().unwrap_or_default();
    if let Some((ago_ms, address)) = seen {
        device.seen = Some(Seen { at: store::clock().saturating_sub(ago_ms), address });
    }
    device.json(sockets)
}
