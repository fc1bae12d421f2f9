//! What a model will take of memory and whether the machine has it, asked before anything is loaded, and the return of
//! what is no longer used. Knows sizes only.

use std::{fs, path::Path};

use anyhow::{Result, bail};

/// Bytes a model takes once it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The weights, with the copies the fast kernels make.
    pub weights: u64,
    /// Keys and values for the whole context.
    pub cache: u64,
    /// Rows of logits and what a pass holds between.
    pub work: u64,
}

impl Need {
    /// All of it.
    #[must_use]
    pub fn total(self) -> u64 {
        self.weights + self.cache + self.work
    }

    /// Refuses what will not fit, with both numbers and the way out.
    ///
    /// # Errors
    /// When more is needed than is free.
    pub fn check(self, model: &Path) -> Result<()> {
        let Some(free) = available() else {
            return Ok(());
        };
        if self.total() > free {
            bail!(
                "{} needs about {} ({} weights, {} cache, {} work) and only {} are free; close something, choose a \
                 smaller model, or lower --context",
                model.display(),
                megabytes(self.total()),
                megabytes(self.weights),
                megabytes(self.cache),
                megabytes(self.work),
                megabytes(free)
            );
        }
        Ok(())
    }
}

/// A size for people, in megabytes of 10^6 bytes.
#[must_use]
fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

/// What this process may still take: the least of the machine's free memory, its control group's and its own
/// limit. `None` where the system does not say.
fn available() -> Option<u64> {
    [machine(), group(), limit()].into_iter().flatten().min()
}

fn machine() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

fn group() -> Option<u64> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let name = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mut folder = Path::new("/sys/fs/cgroup").join(name.trim_start_matches('/'));
    let mut least = None;
    // A limit may stand on any folder above.
    while folder.starts_with("/sys/fs/cgroup") {
        let number = |file: &str| -> Option<u64> {
            fs::read_to_string(folder.join(file))
                .ok()?
                .trim()
                .parse()
                .ok()
        };
        if let (Some(most), Some(used)) = (number("memory.max"), number("memory.current")) {
            let left = most.saturating_sub(used);
            least = Some(least.map_or(left, |least: u64| least.min(left)));
        }
        if !folder.pop() {
            break;
        }
    }
    least
}

/// What `ulimit -v` leaves.
fn limit() -> Option<u64> {
    let most = rustix::process::getrlimit(rustix::process::Resource::As).current?;
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmSize:"))?;
    let used = line
        .split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)?;
    Some(most.saturating_sub(used))
}

/// Returns what was freed to the system: the C library keeps most of what was taken in pieces of some megabytes, as
/// matrices are, for a next time.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(
        unsafe_code,
        reason = "it touches freed memory alone, may be called from any thread, and has no other interface"
    )]
    unsafe {
        libc::malloc_trim(0);
    }
}
