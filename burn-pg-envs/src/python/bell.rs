//! The connection to a worker: single bytes that say that something is to be done or has been done.

use std::{
    io::{self, Error, ErrorKind, Read, Write},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

#[cfg(not(unix))]
use std::net::{TcpListener as Listener, TcpStream as Socket};
#[cfg(unix)]
use std::os::unix::net::{UnixListener as Listener, UnixStream as Socket};

use super::peer::Peer;

/// Interval at which a silent worker is checked. It may have died while one of its own processes keeps the connection
/// open.
const GLANCE: Duration = Duration::from_millis(200);

/// Time in which a worker must connect, where it is not started with a connection.
const CONNECTING: Duration = Duration::from_mins(1);

/// Time in which an answer is looked for before this thread sleeps. Waking a thread of another core may take longer than a
/// step: 30 us in a virtual machine, each way. Meanwhile the core is offered to other threads.
const EAGER: Duration = Duration::from_micros(200);

/// The connection to one worker.
#[derive(Debug)]
pub struct Bell {
    socket: Socket,
    /// True if reads do not block at first.
    is_eager: bool,
}

/// An address on this machine at which a worker is expected.
pub struct Expected {
    listener: Listener,
    address: String,
}

impl Expected {
    /// Listens in `folder` (or, where that is not possible, at a port that is free).
    pub fn new(folder: &Path) -> io::Result<Self> {
        #[cfg(unix)]
        let (listener, address) = {
            let path = folder.join("socket");
            let _ = std::fs::remove_file(&path);
            // The path of a socket may have about a hundred characters, and that of the folder more.
            let short = Path::new("/tmp").join(folder.file_name().unwrap_or_default()).with_extension("socket");
            match Listener::bind(&path) {
                Ok(listener) => (listener, format!("unix:{}", path.display())),
                Err(_) => (Listener::bind(&short)?, format!("unix:{}", short.display())),
            }
        };
        #[cfg(not(unix))]
        let (listener, address) = {
            let _ = folder;
            let listener = Listener::bind(("127.0.0.1", 0))?;
            let address = listener.local_addr()?.to_string();
            (listener, address)
        };
        listener.set_nonblocking(true)?;
        Ok(Self { listener, address })
    }

    /// The address, as the worker takes it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits until the worker connects.
    pub fn accept(self, peer: &mut Peer) -> io::Result<Bell> {
        let start = Instant::now();
        let socket = loop {
            match self.listener.accept() {
                Ok((socket, _)) => break socket,
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) if start.elapsed() > CONNECTING || peer.is_gone() => {
                    peer.kill();
                    return Err(ErrorKind::ConnectionAborted.into());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        socket.set_nonblocking(false)?;
        #[cfg(not(unix))]
        socket.set_nodelay(true)?;
        if let Some(path) = self.address.strip_prefix("unix:") {
            let _ = std::fs::remove_file(path);
        }
        Bell::new(socket)
    }
}

/// Why nothing was read.
#[derive(Debug)]
pub enum Silence {
    /// The worker has ended.
    Ended,
    /// The time is over.
    TooLong,
    /// The connection failed.
    Failed(Error),
}

impl Bell {
    fn new(socket: Socket) -> io::Result<Self> {
        socket.set_read_timeout(Some(GLANCE))?;
        Ok(Self { socket, is_eager: false })
    }

    /// Lets all further reads look for an answer before they sleep. Only for short requests.
    pub fn be_eager(&mut self) -> io::Result<()> {
        self.is_eager = true;
        self.socket.set_nonblocking(true)
    }

    /// Starts `command` with a connection: its standard input where the system allows that, or else an address on this
    /// machine as its last argument.
    pub fn start(mut command: Command) -> io::Result<(Self, Peer)> {
        #[cfg(unix)]
        {
            let (socket, other) = Socket::pair()?;
            let child = command.stdin(std::process::Stdio::from(std::os::fd::OwnedFd::from(other))).spawn()?;
            Ok((Self::new(socket)?, Peer::Process(child)))
        }
        #[cfg(not(unix))]
        {
            let expected = Expected::new(Path::new("."))?;
            let child = command.arg(expected.address()).stdin(std::process::Stdio::null()).spawn()?;
            let mut peer = Peer::Process(child);
            Ok((expected.accept(&mut peer)?, peer))
        }
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Sends a body with its length.
    pub fn send_body(&mut self, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len()).map_err(|_| Error::from(ErrorKind::InvalidInput))?;
        self.send(&length.to_le_bytes())?;
        self.send(body)
    }

    /// Fills `bytes`, within `timeout`.
    pub fn read(&mut self, bytes: &mut [u8], peer: &mut Peer, timeout: Duration) -> Result<(), Silence> {
        if !self.is_eager {
            return self.wait(bytes, peer, timeout);
        }
        let read = self.look(bytes)?;
        if read == bytes.len() {
            return Ok(());
        }
        self.socket.set_nonblocking(false).map_err(Silence::Failed)?;
        let waited = self.wait(&mut bytes[read..], peer, timeout);
        self.socket.set_nonblocking(true).map_err(Silence::Failed)?;
        waited
    }

    /// Reads what arrives soon, and returns its length.
    fn look(&mut self, bytes: &mut [u8]) -> Result<usize, Silence> {
        let (start, mut done) = (Instant::now(), 0);
        while done < bytes.len() && start.elapsed() < EAGER {
            match self.socket.read(&mut bytes[done..]) {
                Ok(0) => return Err(Silence::Ended),
                Ok(read) => done += read,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => std::thread::yield_now(),
                    ErrorKind::Interrupted => {}
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => return Err(Silence::Ended),
                    _ => return Err(Silence::Failed(error)),
                },
            }
        }
        Ok(done)
    }

    /// Fills `bytes`, within `timeout`. Sleeps until something arrives.
    fn wait(&mut self, mut bytes: &mut [u8], peer: &mut Peer, timeout: Duration) -> Result<(), Silence> {
        let mut begun = None;
        while !bytes.is_empty() {
            match self.socket.read(bytes) {
                Ok(0) => return Err(Silence::Ended),
                Ok(read) => bytes = &mut bytes[read..],
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                        // After a silence only: what it has sent before its end can still be read.
                        if peer.is_gone() {
                            return Err(Silence::Ended);
                        }
                        let since = begun.get_or_insert_with(Instant::now);
                        if since.elapsed().saturating_add(GLANCE) >= timeout {
                            return Err(Silence::TooLong);
                        }
                    }
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => return Err(Silence::Ended),
                    _ => return Err(Silence::Failed(error)),
                },
            }
        }
        Ok(())
    }

    /// Reads a body that was sent with its length.
    pub fn read_body(&mut self, peer: &mut Peer, timeout: Duration) -> Result<Vec<u8>, Silence> {
        let mut length = [0; 4];
        self.read(&mut length, peer, timeout)?;
        let mut body = vec![0; u32::from_le_bytes(length) as usize];
        self.read(&mut body, peer, timeout)?;
        Ok(body)
    }
}
