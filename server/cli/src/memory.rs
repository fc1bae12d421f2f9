//! How the process holds its memory.

/// Has memory come in pages of kilobytes from now on. The allocator asks for pages of megabytes: in
/// a long scan what one file leaves comes back for the next as megabytes to be cleared, and a server
/// that keeps little of much it touches holds half as much memory again; some keys waited ten
/// milliseconds longer with them. A short run starts faster with the large ones.
pub(crate) fn take_small_pages() {
    // Without it all works as well.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
