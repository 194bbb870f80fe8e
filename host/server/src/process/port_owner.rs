//! Finds out who listens on a port.

use std::net::SocketAddr;

/// The process that listens on this port, such as `nginx (process 42)`; `None` if the system does not tell.
#[cfg(target_os = "linux")]
pub(crate) fn port_owner(address: SocketAddr) -> Option<String> {
    use std::fs;

    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .flat_map(|table| {
            let inodes = table.lines().filter_map(|line| listener(line, address.port()));
            inodes.map(|inode| format!("socket:[{inode}]")).collect::<Vec<_>>()
        })
        .collect();
    let mut processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    processes.find_map(|process| {
        let id: u32 = process.file_name().to_str()?.parse().ok()?;
        // Only files of one's own processes can be read.
        let mut files = fs::read_dir(process.path().join("fd")).ok()?.filter_map(Result::ok);
        let is_one = |file: fs::DirEntry| {
            fs::read_link(file.path()).is_ok_and(|to| to.to_str().is_some_and(|to| sockets.iter().any(|one| one == to)))
        };
        files.any(is_one).then_some(())?;
        let name = fs::read_to_string(process.path().join("comm")).ok()?;
        Some(format!("{} (process {id})", name.trim()))
    })
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn port_owner(_: SocketAddr) -> Option<String> {
    None
}

/// The inode of the socket that a line of the table describes, if it listens on this port.
#[cfg(target_os = "linux")]
fn listener(line: &str, port: u16) -> Option<&str> {
    const LISTENS: &str = "0A";
    let mut fields = line.split_whitespace().skip(1);
    let (local, _remote, state) = (fields.next()?, fields.next()?, fields.next()?);
    let is_it = u16::from_str_radix(local.rsplit_once(':')?.1, 16) == Ok(port) && state == LISTENS;
    is_it.then(|| fields.nth(5)).flatten()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let owner = port_owner(listener.local_addr().unwrap()).unwrap();
        assert!(owner.ends_with(&format!("(process {})", std::process::id())), "{owner}");
    }
}
