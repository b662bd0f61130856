//! The memory that is available on this machine.
//!
//! The crate `sysinfo` is not used: it reads the limit of one control group but not of its parents, and counts caches
//! as memory in use.

use std::{fs, path::Path};

use burn::tensor::Device;

/// Returns the bytes that this process can allocate without taking memory from others. This is the minimum of the
/// available memory of the system and of the memory left below the limit of each control group of the process. `None`
/// if unknown, as on all systems but Linux.
pub(crate) fn available() -> Option<u64> {
    let of_system = fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_of_system(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let of_groups = group_folders(&groups).into_iter().filter_map(|folder| left_in_group(folder.as_ref()));
    of_system.into_iter().chain(of_groups).min()
}

/// Returns the bytes of memory of a device, and of its largest buffer, as its driver says.
pub(crate) fn of_device(device: &Device) -> [Option<u64>; 2] {
    #[cfg(feature = "cube")]
    if let Some(client) = crate::kernel::cube::client(&burn::tensor::Tensor::empty([1], device)) {
        let memory = &client.properties().memory;
        return [memory.max_memory(), Some(memory.max_page_size)];
    }
    let _ = device;
    [None, None]
}

/// Returns `MemAvailable` of `/proc/meminfo` in bytes; the file has units of 1024 bytes.
fn available_of_system(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number * 1024)
}

/// Returns the folders with the memory accounts of the control groups in `/proc/self/cgroup` and of their parents. A
/// line is `0::/a/b` in version 2 and `4:memory:/a/b` in version 1. A container may get the paths from outside the
/// container. Its root folder is then the folder of its own group.
fn group_folders(text: &str) -> Vec<String> {
    let mut folders = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(id), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let root = match (id, controllers) {
            ("0", "") => "/sys/fs/cgroup",
            (_, controllers) if controllers.split(',').any(|name| name == "memory") => "/sys/fs/cgroup/memory",
            _ => continue,
        };
        // From the group itself up to the root.
        let mut path = path.trim_end_matches('/');
        loop {
            folders.push(format!("{root}{path}"));
            let Some((above, _)) = path.rsplit_once('/') else { break };
            path = above;
        }
    }
    folders
}

/// Returns the bytes left below the limit of a control group, if it has a limit. Caches of inactive files are not
/// counted as used: the kernel reclaims them first.
fn left_in_group(folder: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let (limit, used) = match number("memory.max") {
        Some(limit) => (limit, number("memory.current")?),
        None => (number("memory.limit_in_bytes")?, number("memory.usage_in_bytes")?),
    };
    let caches = read("memory.stat").and_then(|text| inactive_files(&text)).unwrap_or_default();
    Some(limit.saturating_sub(used.saturating_sub(caches)))
}

/// Returns the bytes of reclaimable caches in `memory.stat`.
fn inactive_files(text: &str) -> Option<u64> {
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(key, _)| *key == name)?.1.trim().parse().ok()
    };
    // In version 1, `inactive_file` excludes child groups.
    field("total_inactive_file").or_else(|| field("inactive_file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read_in_kibibytes() {
        let text = "MemTotal:       24682416 kB\nMemFree:        20113084 kB\nMemAvailable:   23491892 kB\n";
        assert_eq!(available_of_system(text), Some(23_491_892 * 1024));
        assert_eq!(available_of_system("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn folders_go_from_the_group_of_the_process_up_to_the_root() {
        assert_eq!(group_folders("0::/\n"), ["/sys/fs/cgroup"]);
        assert_eq!(
            group_folders("0::/user.slice/run-1.scope\n"),
            ["/sys/fs/cgroup/user.slice/run-1.scope", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup"]
        );
        let old = "9:name=systemd:/\n4:cpu,memory:/a/b\n2:cpuacct:/\n";
        let root = "/sys/fs/cgroup/memory";
        assert_eq!(group_folders(old), [format!("{root}/a/b"), format!("{root}/a"), root.to_owned()]);
    }

    #[test]
    fn memory_left_in_a_group_is_the_limit_minus_the_use_without_inactive_caches() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(left_in_group(folder.path()), None);
        // Version 1.
        write("memory.limit_in_bytes", "1000\n");
        write("memory.usage_in_bytes", "700\n");
        assert_eq!(left_in_group(folder.path()), Some(300));
        write("memory.stat", "inactive_file 10\ntotal_inactive_file 50\n");
        assert_eq!(left_in_group(folder.path()), Some(350));
        // Version 2, where a group without a limit has the word `max`.
        write("memory.max", "2000\n");
        write("memory.current", "2500\n");
        write("memory.stat", "anon 3\ninactive_file 100\n");
        assert_eq!(left_in_group(folder.path()), Some(0));
        write("memory.max", "max\n");
        write("memory.limit_in_bytes", "");
        assert_eq!(left_in_group(folder.path()), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn available_memory_of_this_machine_is_between_a_mebibyte_and_a_pebibyte() {
        let available = available().unwrap();
        assert!(available > 1 << 20 && available < 1 << 50, "{available}");
    }
}
