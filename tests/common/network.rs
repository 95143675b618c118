//! A network of a test's own, in which connections can fail.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A network namespace with nothing but loopback, removed when dropped.
pub(crate) struct Network {
    name: String,
}

impl Network {
    /// Creates one and moves this thread into it, with everything that the thread starts and opens
    /// from now on.
    pub(crate) fn enter() -> Self {
        let network = Self::make();
        network.join();
        network
    }

    /// The same, in which all addresses of an IPv6 network are this machine's own, for sockets that bind freely.
    pub(crate) fn with_own(addresses: &str) -> Self {
        let network = Self::enter();
        network.ip(&format!("-6 route add local {addresses} dev lo"));
        network
    }

    /// Moves this thread into it.
    pub(crate) fn join(&self) {
        let namespace = File::open(format!("/run/netns/{}", self.name)).unwrap();
        let kind = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(namespace.as_fd(), kind).unwrap();
    }

    /// Creates one without any thread in it.
    pub(crate) fn make() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("tillcast-{}-{number}", std::process::id());
        run(&["ip", "netns", "add", &name]);
        let network = Self { name };
        network.ip("link set lo up");
        network.nft("add table inet bad");
        network.nft("add chain inet bad road { type filter hook input priority 0; }");
        network
    }

    /// Connects two networks by a virtual cable whose ends have these addresses.
    pub(crate) fn connect(&self, address: &str, other: &Self, other_address: &str) {
        self.ip(&format!("link add cable type veth peer name cable netns {}", other.name));
        for (network, address) in [(self, address), (other, other_address)] {
            network.ip(&format!("addr add {address}/24 dev cable"));
            network.ip("link set cable up");
        }
    }

    /// A command that runs in this network.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Drops packets that match this nftables expression from now on.
    pub(crate) fn drop_packets(&self, which: &str) {
        self.nft(&format!("add rule inet bad road {which} counter drop"));
    }

    /// The number of packets dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        let rules = self.nft("list table inet bad");
        let counts = rules.split("packets ").skip(1);
        counts.map(|rest| rest.split(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    fn ip(&self, words: &str) {
        let words: Vec<&str> = words.split(' ').collect();
        run(&[&["ip", "-n", &self.name], &words[..]].concat());
    }

    /// Runs a command of this network's packet filter.
    fn nft(&self, command: &str) -> String {
        run(&["ip", "netns", "exec", &self.name, "nft", command])
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        run(&["ip", "netns", "delete", &self.name]);
    }
}

/// Runs a command of the system; returns its output.
fn run(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output();
    let output = output.unwrap_or_else(|error| panic!("{words:?}: {error}; see tests/run"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}, which needs root: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}
