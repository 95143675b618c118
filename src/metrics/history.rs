//! The server's load in the last hour: one sample every `SAMPLE_INTERVAL`, in a ring of a fixed size.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::limits::SAMPLES_KEPT;
use crate::sync;

/// The name of each measure of a sample, and its meaning.
pub const MEASURES: [(&str, &str); 10] = [
    ("events", "The events that were published in the interval before the sample."),
    ("commit_mean_us", "The mean time of its commits, fsync included."),
    ("commit_max_us", "The longest time of its commits."),
    ("queue", "The most commands that waited for the writer at once in it."),
    ("connections", "Open TCP connections."),
    ("websockets", "Open WebSockets."),
    ("ring_events", "Events in the ring."),
    ("unsent", "Events that were not yet sent to the subscriber that is furthest behind."),
    ("memory_kib", "Resident memory."),
    ("disk_free_mib", "Free space of the database's disk."),
];

/// The values of all measures at one time.
pub type Sample = [u32; MEASURES.len()];

/// The newest samples.
#[derive(Debug)]
pub struct History(Mutex<Ring>);

#[derive(Debug)]
struct Ring {
    samples: VecDeque<Sample>,
    /// The number of all samples that there were.
    count: u64,
}

impl History {
    /// No samples yet, and room for all that are kept.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Ring { samples: VecDeque::with_capacity(SAMPLES_KEPT), count: 0 }))
    }

    /// Adds a sample, in place of the oldest one if there is no room.
    pub fn push(&self, sample: Sample) {
        let mut ring = sync::lock(&self.0);
        if ring.samples.len() == SAMPLES_KEPT {
            ring.samples.pop_front();
        }
        ring.samples.push_back(sample);
        ring.count += 1;
    }

    /// The samples after the first `after` ones, oldest first, and the number of all. All that are kept if there were
    /// never as many: then the server has started again since.
    pub fn after(&self, after: u64) -> (Vec<Sample>, u64) {
        let ring = sync::lock(&self.0);
        let new = ring.count.checked_sub(after).unwrap_or(ring.count);
        let new = usize::try_from(new).unwrap_or(usize::MAX).min(ring.samples.len());
        (ring.samples.range(ring.samples.len() - new..).copied().collect(), ring.count)
    }
}

/// The part of the next sample that the writer counts.
#[derive(Debug, Default)]
pub struct WriterLoad {
    commits: AtomicU32,
    commit_us: AtomicU64,
    commit_max_us: AtomicU32,
    queue_max: AtomicU32,
}

impl WriterLoad {
    /// Counts a commit that took this time.
    pub(super) fn commit(&self, time: Duration) {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_us.fetch_add(micros.into(), Ordering::Relaxed);
        self.commit_max_us.fetch_max(micros, Ordering::Relaxed);
    }

    /// Notes how many commands waited.
    pub fn queue(&self, commands: usize) {
        self.queue_max.fetch_max(saturated(commands), Ordering::Relaxed);
    }

    /// The mean and the longest commit in microseconds, and the longest queue, since the last call.
    pub fn take(&self) -> (u32, u32, u32) {
        let commits = self.commits.swap(0, Ordering::Relaxed);
        let mean = self.commit_us.swap(0, Ordering::Relaxed) / u64::from(commits.max(1));
        let longest = self.commit_max_us.swap(0, Ordering::Relaxed);
        (saturated(mean), longest, self.queue_max.swap(0, Ordering::Relaxed))
    }
}

/// The number as a measure.
pub fn saturated(number: impl TryInto<u32>) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(number: usize) -> Sample {
        [saturated(number); MEASURES.len()]
    }

    #[test]
    fn the_ring_keeps_the_newest_of_an_hour_in_its_first_memory() {
        let history = History::new();
        assert_eq!(history.after(0), (vec![], 0));
        let room = sync::lock(&history.0).samples.capacity();
        for number in 0..SAMPLES_KEPT + 5 {
            history.push(sample(number));
        }
        let (all, count) = history.after(0);
        assert_eq!((all.len(), count), (SAMPLES_KEPT, SAMPLES_KEPT as u64 + 5));
        assert_eq!((all[0], all[SAMPLES_KEPT - 1]), (sample(5), sample(SAMPLES_KEPT + 4)));
        assert_eq!(sync::lock(&history.0).samples.capacity(), room);
    }

    #[test]
    fn a_reader_gets_what_it_has_not_seen() {
        let history = History::new();
        (0..10).for_each(|number| history.push(sample(number)));
        assert_eq!(history.after(8), (vec![sample(8), sample(9)], 10));
        assert_eq!(history.after(10), (vec![], 10));
        // Those of the run before were more.
        assert_eq!(history.after(11).0.len(), 10);
        assert_eq!(history.after(u64::MAX).0.len(), 10);
    }

    #[test]
    fn the_writers_load_is_that_of_one_interval() {
        let load = WriterLoad::default();
        assert_eq!(load.take(), (0, 0, 0));
        for (micros, commands) in [(100, 3), (200, 7), (600, 5)] {
            load.commit(Duration::from_micros(micros));
            load.queue(commands);
        }
        assert_eq!(load.take(), (300, 600, 7));
        assert_eq!(load.take(), (0, 0, 0));
        load.commit(Duration::from_secs(1 << 40));
        assert_eq!(load.take(), (u32::MAX, u32::MAX, 0));
    }
}
