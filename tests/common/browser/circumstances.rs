//! The circumstances of a page: its screen, its keys and scanner, its clock, its network, the light.

use super::{Browser, Screen};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

/// Replaces the page's clock and its timeouts. Intervals stay as they are: they look at the clock.
const CLOCK: &str = "{
    const [now, later, never] = [Date.now.bind(Date), setTimeout.bind(window), clearTimeout.bind(window)];
    const timers = new Map();
    let skipped = 0;
    let held = 0;
    const arm = (id, timer) => {
        const run = () => timers.delete(id) && timer.work();
        const wait = Math.max(0, timer.at - Date.now());
        if (!held || !wait) timer.real = later(run, wait);
    };
    const change = () => {
        for (const [id, timer] of timers) {
            never(timer.real);
            arm(id, timer);
        }
    };
    Date.now = () => (held || now()) + skipped;
    window.setTimeout = (work, time = 0, ...values) => {
        const timer = { work: () => work(...values), at: Date.now() + time };
        const id = later(() => {}, 0);
        timers.set(id, timer);
        arm(id, timer);
        return id;
    };
    window.clearTimeout = (id) => {
        if (timers.has(id)) never(timers.get(id).real);
        timers.delete(id);
    };
    window.clock = {
        skip(time) {
            skipped += time;
            change();
        },
        hold() {
            held = now();
            change();
        },
        release() {
            skipped -= now() - held;
            held = 0;
            change();
        },
        drawn: () => new Promise((resolve) => later(() => requestAnimationFrame(() => later(resolve, 0)), 0)),
    };
}";

/// Counts the tones of a page.
const LISTENER: &str = "{
    window.tones = 0;
    const create = AudioContext.prototype.createOscillator;
    AudioContext.prototype.createOscillator = function () {
        window.tones += 1;
        return create.call(this);
    };
}";

impl Browser {
    /// Gives it another screen.
    pub(crate) fn show_on(&self, screen: Screen) {
        let Screen { width, height, is_touched, .. } = screen;
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_touched});
        self.cdp("Emulation.setDeviceMetricsOverride", &metrics);
        self.cdp("Emulation.setTouchEmulationEnabled", &json!({"enabled": is_touched}));
    }

    /// Presses a key wherever the focus is, such as `ArrowDown` or `r`.
    #[track_caller]
    pub(crate) fn key(&self, key: &str) {
        self.key_at(key, None);
    }

    /// Presses these keys as a person does, ten in a second by the times in the events.
    #[track_caller]
    pub(crate) fn keys(&self, keys: &[&str]) {
        let mut time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        for key in keys {
            self.key_at(key, Some(time));
            time += 0.1;
        }
    }

    /// Types a code as a scanner does, one character in 2 ms, and ends it with this key. The events say that
    /// they began at `at`, seconds since 1970, whenever the browser gets them.
    #[track_caller]
    pub(crate) fn scan(&self, code: &str, end: &str, at: f64) {
        let keys = code.chars().map(String::from).chain([end.to_owned()]);
        let mut time = at;
        for key in keys {
            self.key_at(&key, Some(time));
            time += 0.002;
        }
    }

    fn key_at(&self, key: &str, time: Option<f64>) {
        let text = match key {
            "Enter" => Some("\r"),
            one if one.chars().count() == 1 => Some(one),
            _ => None,
        };
        let codes = [("Tab", 9), ("Enter", 13), ("Escape", 27), ("ArrowLeft", 37), ("ArrowUp", 38)];
        let codes = codes.iter().chain(&[("ArrowRight", 39), ("ArrowDown", 40)]);
        let code = codes.clone().find(|(name, _)| *name == key).map_or(0, |(_, code)| *code);
        let mut event = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code});
        let fields = event.as_object_mut().unwrap();
        fields.extend(text.map(|text| ("text".to_owned(), json!(text))));
        fields.extend(time.map(|time| ("timestamp".to_owned(), json!(time))));
        self.cdp("Input.dispatchKeyEvent", &event);
        event["type"] = json!("keyUp");
        self.cdp("Input.dispatchKeyEvent", &event);
    }

    /// Taps twice where this element is, within 150 ms by the times in the events. The first tap may remove it.
    #[track_caller]
    pub(crate) fn tap_twice(&self, selector: &str) {
        let place = "const box = document.querySelector(arguments[0]).getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];";
        let place = self.run(place, &[json!(selector)]);
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        for (count, after) in [(1, 0.0), (2, 0.15)] {
            for kind in ["mousePressed", "mouseReleased"] {
                let event = json!({
                    "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": count,
                    "timestamp": begun + after,
                });
                self.cdp("Input.dispatchMouseEvent", &event);
            }
        }
    }

    /// Runs a script in each page that is opened from now on, before the page's own.
    pub(crate) fn before_each_page(&self, script: &str) {
        self.cdp("Page.addScriptToEvaluateOnNewDocument", &json!({"source": script}));
    }

    /// Has the pages that are opened from now on count their tones, in `tones`.
    pub(crate) fn count_the_tones(&self) {
        self.before_each_page(LISTENER);
    }

    /// Gives the pages that are opened from now on a clock that `skip` can move.
    pub(crate) fn take_the_clock(&self) {
        self.before_each_page(CLOCK);
    }

    /// Stops the page's clock, so that a slow machine does not come into a time that is looked at.
    #[track_caller]
    pub(crate) fn hold_the_clock(&self) {
        self.run("clock.hold()", &[]);
    }

    /// Lets the page's clock go on from where it stands.
    #[track_caller]
    pub(crate) fn release_the_clock(&self) {
        self.run("clock.release()", &[]);
    }

    /// Moves the page's clock, as if so many seconds had passed. The timers that are due then have run, and what they
    /// changed is drawn.
    #[track_caller]
    pub(crate) fn skip(&self, seconds: u32) {
        self.run("clock.skip(arguments[0])", &[json!(seconds * 1000)]);
        // A timer may lead to another page.
        drop(self.try_run("return clock.drawn()", &[]));
    }

    /// As in the tools for developers: an open socket stays open and hears nothing.
    pub(crate) fn set_offline(&self, is_offline: bool) {
        self.limit_network(is_offline, -1.0);
    }

    /// Limits the network to a speed in bit/s; a negative one is none.
    pub(crate) fn limit_network(&self, is_offline: bool, speed: f64) {
        let bytes = speed / 8.0;
        let limits = json!({
            "offline": is_offline, "latency": 0, "downloadThroughput": bytes, "uploadThroughput": bytes,
        });
        self.cdp("Network.enable", &json!({}));
        self.cdp("Network.emulateNetworkConditions", &limits);
    }

    /// Shows the page in the dark, or in the light.
    pub(crate) fn set_dark(&self, is_dark: bool) {
        let value = if is_dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.cdp("Emulation.setEmulatedMedia", &media);
    }
}
