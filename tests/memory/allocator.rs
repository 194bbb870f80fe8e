//! An allocator that counts, so that the peak of a call is known to the byte.
#![expect(unsafe_code, reason = "an allocator is unsafe, and this one hands everything on to the system's")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static TOTAL: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn grown(bytes: usize) {
    TOTAL.fetch_add(bytes, SeqCst);
    PEAK.fetch_max(NOW.fetch_add(bytes, SeqCst) + bytes, SeqCst);
}

// SAFETY: the system allocator does all of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may be there for a moment.
        grown(size);
        NOW.fetch_sub(layout.size(), SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Counts allocations from some moment on.
pub(crate) struct Since {
    now: usize,
    total: usize,
}

impl Since {
    pub(crate) fn now() -> Self {
        let now = NOW.load(SeqCst);
        PEAK.store(now, SeqCst);
        Self { now, total: TOTAL.load(SeqCst) }
    }

    /// The most bytes allocated at once, beyond those allocated before.
    pub(crate) fn peak(&self) -> usize {
        PEAK.load(SeqCst).saturating_sub(self.now)
    }

    /// All bytes allocated, freed or not.
    pub(crate) fn total(&self) -> usize {
        TOTAL.load(SeqCst) - self.total
    }
}
