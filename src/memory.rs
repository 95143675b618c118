//! The allocator's settings. No other module has unsafe code.
#![cfg_attr(
    target_env = "gnu",
    expect(
        unsafe_code,
        reason = "glibc's settings have no safe interface; each call says why it is sound"
    )
)]

/// Sets the allocator up for a small board. It must be called before the first thread starts.
///
/// glibc raises its mmap threshold when a large block is freed, and the next 19 MiB of a password
/// hash then come from the heap and stay there in pieces: fifty logins left 565 MiB behind. A
/// fixed threshold gives each hash's memory back at once. Two arenas are enough for the writer and
/// the runtime; the default is eight for each core.
pub fn prepare() {
    #[cfg(target_env = "gnu")]
    {
        const MMAP_THRESHOLD_BYTES: libc::c_int = 1 << 20;
        const ARENAS: libc::c_int = 2;
        // SAFETY: mallopt takes two integers and no pointers, and no other thread runs yet. A
        // setting that it refuses stays as it was.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
            libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        }
    }
}

/// Returns free pages to the system, after many connections have closed.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes an integer and may be called from any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
