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
    left_to_groups(&own, Path::new("/sys/fs/cgroup"))
}

/// What the control groups leave that `own` names as /proc/self/cgroup does, of either version; `None` where none has
/// a limit.
fn left_to_groups(own: &str, root: &Path) -> Option<u64> {
    let groups = own.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some((parts.next()?, parts.next()?.trim_start_matches('/')))
    });
    let limits = groups.filter_map(|(controllers, name)| match controllers {
        "" => left_to(
            root,
            name,
            ["memory.max", "memory.current", "inactive_file"],
        ),
        _ if controllers.split(',').any(|it| it == "memory") => left_to(
            &root.join("memory"),
            name,
            [
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            ],
        ),
        _ => None,
    });
    limits.min()
}

/// What the limits on a group and on those above leave. What it holds of files nobody reads is free for the asking.
fn left_to(root: &Path, name: &str, [most, used, files]: [&str; 3]) -> Option<u64> {
    let folders = root.join(name);
    let folders = folders.ancestors().take_while(|it| it.starts_with(root));
    let limits = folders.filter_map(|folder| {
        let text = |file: &str| fs::read_to_string(folder.join(file)).ok();
        let number = |file: &str| text(file)?.trim().parse::<u64>().ok();
        let stat = text("memory.stat").unwrap_or_default();
        let files = stat.lines().find_map(|line| {
            let (name, count) = line.split_once(' ')?;
            count.parse::<u64>().ok().filter(|_| name == files)
        });
        let used = number(used)?.saturating_sub(files.unwrap_or(0));
        Some(number(most)?.saturating_sub(used))
    });
    limits.min()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_group_of_either_version_decides() -> std::io::Result<()> {
        let root = tempfile::tempdir()?;
        let write = |path: &str, text: &str| -> std::io::Result<()> {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap_or(root.path()))?;
            fs::write(path, text)
        };
        let left = |own: &str| left_to_groups(own, root.path());
        write("a/memory.max", "max\n")?;
        write("a/memory.current", "100\n")?;
        assert_eq!(left("0::/a\n"), None);
        write("a/b/memory.max", "5000\n")?;
        write("a/b/memory.current", "4000\n")?;
        assert_eq!(left("0::/a/b\n"), Some(1000));
        write(
            "a/b/memory.stat",
            "anon 500\ninactive_file 3000\nactive_file 500\n",
        )?;
        assert_eq!(left("0::/a/b\n"), Some(4000));
        write("a/memory.max", "4500\n")?;
        write("a/memory.current", "4500\n")?;
        assert_eq!(left("0::/a/b\n"), Some(0));
        write("memory/c/memory.limit_in_bytes", "700\n")?;
        write("memory/c/memory.usage_in_bytes", "300\n")?;
        let first = "12:cpu,cpuacct:/c\n4:memory:/c\n0::/\n";
        assert_eq!(left(first), Some(400));
        assert_eq!(left(&format!("{first}1:name=systemd:/c:d\n")), Some(400));
        write(
            "memory/c/memory.stat",
            "inactive_file 10\ntotal_inactive_file 200\n",
        )?;
        assert_eq!(left(first), Some(600));
        assert_eq!(left("4:memory:/gone\nnonsense\n"), None);
        Ok(())
    }
}
