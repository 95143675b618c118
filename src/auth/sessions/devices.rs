//! The sessions of devices: what they show, and their change of role.

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;

use crate::auth::session::EndReason;
use crate::auth::sessions::Sessions;
use crate::domain::Principal;
use crate::domain::device::Sockets;

/// The part of a device that its session shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceActivity {
    /// The milliseconds since its last use, and the address from which that came; `None` if it never came.
    pub seen: Option<(i64, IpAddr)>,
    /// Its open sockets.
    pub sockets: Sockets,
}

impl Sessions {
    /// The devices' sessions as they are now, by the ids of the devices.
    pub fn devices(&self) -> HashMap<i64, DeviceActivity> {
        let now = self.now();
        let table = self.table();
        let devices = table.values().filter(|one| one.principal.is_device());
        let activity = devices.filter_map(|one| {
            let sockets = one.open_sockets();
            let used = if sockets.open > 0 { now } else { one.used() };
            let ago_ms = i64::try_from(now.saturating_sub(used)).unwrap_or(0);
            let seen = one.address().map(|address| (ago_ms, address));
            Some((one.principal.id()?, DeviceActivity { seen, sockets }))
        });
        activity.collect()
    }

    /// Goes on with a device's session under another role. Its sockets and the requests under way end.
    pub(super) fn change_role(&self, device: Principal) {
        let mut ended = Vec::new();
        for session in self.table().values_mut().filter(|one| one.principal.id() == device.id()) {
            let next = Arc::new(session.with_principal(device));
            ended.push(mem::replace(session, next));
        }
        self.end_all(ended, EndReason::RoleChanged);
    }
}
