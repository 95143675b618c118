//! `tillcast device …`, which also works while the server runs.

use std::path::Path;

use crate::auth::device_token;
use crate::cli::privileges::within;
use crate::cli::terminal::{explain, print};
use crate::domain::device::{NewDevice, read_name, read_role};
use crate::domain::text::normalize;
use crate::domain::{Device, timestamp};
use crate::limits::DEVICES_MAX;
use crate::store::Console;

/// Adds a device, and prints its token, which is stored nowhere.
pub(super) fn add(data_dir: &Path, name: &str, role: &str) -> Result<(), String> {
    let name = read_name(name.to_owned()).map_err(|why| format!("the name {why}"))?;
    let role = read_role(role).map_err(|why| format!("the role {why}"))?;
    let (token, hash) = device_token().ok_or("the system gives no random bytes")?;
    let new = NewDevice { name, role };
    print(&within(data_dir, |data_dir| {
        let Device { id, name, .. } = open(data_dir)?.add_device(&new, hash).map_err(explain)?;
        Ok(format!("device {name} added, {}, id {id}; its token: {}\n", role.name(), token.0))
    })?)
}

/// Prints all devices, by id. What the server has seen of them comes to the list a while later.
pub(super) fn list(data_dir: &Path) -> Result<(), String> {
    print(&within(data_dir, |data_dir| all(&open(data_dir)?).map(|devices| table(&devices)))?)
}

fn table(devices: &[Device]) -> String {
    let row = |[id, role, seen, address, name]: [&str; 5]| {
        format!("{id:>6}  {role:<8}  {seen:<24}  {address:<15}  {name}\n")
    };
    let heading = row(["ID", "ROLE", "LAST SEEN", "ADDRESS", "NAME"]);
    let shown = |Device { id, name, role, seen, .. }: &Device| {
        let at = seen.map_or("never".to_owned(), |seen| timestamp::text(seen.at));
        let address = seen.map_or("-".to_owned(), |seen| seen.address.to_string());
        row([&id.to_string(), role.name(), &at, &address, name])
    };
    // The store lists the newest first.
    [heading].into_iter().chain(devices.iter().rev().map(shown)).collect()
}

/// Removes the device that has this name, or else this id. Its token and its sockets end.
pub(super) fn remove(data_dir: &Path, device: &str) -> Result<(), String> {
    print(&within(data_dir, |data_dir| {
        let store = open(data_dir)?;
        let Device { id, name, .. } = find(&all(&store)?, device)?;
        store.remove_device(id).map_err(explain)?;
        Ok(format!("device {name}, id {id}, removed; its token has ended\n"))
    })?)
}

fn find(devices: &[Device], wanted: &str) -> Result<Device, String> {
    let name = normalize(wanted.to_owned());
    let named: Vec<&Device> = devices.iter().filter(|device| device.name == name).collect();
    match named[..] {
        [one] => return Ok(one.clone()),
        [] => {}
        _ => {
            let ids: Vec<String> = named.iter().map(|device| device.id.to_string()).collect();
            let ids = ids.join(", ");
            return Err(format!("several devices have the name {name}; give one of the ids {ids}"));
        }
    }
    let with_id = devices.iter().find(|device| device.id.to_string() == name);
    with_id.cloned().ok_or_else(|| format!("there is no device {name}; see `tillcast device list`"))
}

/// All devices, newest first. There are few enough for one page.
fn all(store: &Console) -> Result<Vec<Device>, String> {
    store.devices(usize::try_from(DEVICES_MAX).unwrap_or(usize::MAX)).map_err(explain)
}

fn open(data_dir: &Path) -> Result<Console, String> {
    Console::open(data_dir).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Role;

    #[test]
    fn a_name_stands_above_an_id_and_may_be_too_little() {
        let device = |id, name: &str| Device {
            id,
            name: name.to_owned(),
            role: Role::Kiosk,
            version: 1,
            created_at: 0,
            updated_at: 0,
            seen: None,
        };
        let devices = [device(9, "7"), device(8, "till"), device(7, "till"), device(6, "Tür")];
        let found = |wanted: &str| find(&devices, wanted).map(|device| device.id);
        assert_eq!([found("Tu\u{308}r"), found("7"), found("8")], [Ok(6), Ok(9), Ok(8)]);
        assert!(found("till").unwrap_err().contains("8, 7"));
        assert!(found("tills").unwrap_err().contains("device list"));
        assert!(found("08").is_err());
    }
}
