//! The connection to a worker: single bytes that say that something is to be done or has been done.

use std::{
    io::{self, Error, ErrorKind, Read, Write},
    process::{Child, Command},
    time::{Duration, Instant},
};

#[cfg(not(unix))]
use std::net::{TcpListener, TcpStream as Socket};
#[cfg(unix)]
use std::os::unix::net::UnixStream as Socket;

/// How often a worker that does not answer is looked at, in case that it has died while a process that it has started
/// keeps the connection open.
const GLANCE: Duration = Duration::from_millis(200);

/// How long a worker may take to connect, where it is not born connected.
#[cfg(not(unix))]
const CONNECTING: Duration = Duration::from_secs(60);

/// The connection to one worker.
#[derive(Debug)]
pub struct Bell {
    socket: Socket,
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
    /// Starts `command` with a connection: its standard input where the system allows that, or else an address on this
    /// machine as its last argument.
    pub fn start(mut command: Command) -> io::Result<(Self, Child)> {
        #[cfg(unix)]
        {
            let (socket, other) = Socket::pair()?;
            socket.set_read_timeout(Some(GLANCE))?;
            let child = command.stdin(std::process::Stdio::from(std::os::fd::OwnedFd::from(other))).spawn()?;
            Ok((Self { socket }, child))
        }
        #[cfg(not(unix))]
        {
            let listener = TcpListener::bind(("127.0.0.1", 0))?;
            listener.set_nonblocking(true)?;
            let mut child =
                command.arg(listener.local_addr()?.to_string()).stdin(std::process::Stdio::null()).spawn()?;
            let start = Instant::now();
            let socket = loop {
                match listener.accept() {
                    Ok((socket, _)) => break socket,
                    Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                    Err(_) if start.elapsed() > CONNECTING || child.try_wait()?.is_some() => {
                        let _ = child.kill();
                        return Err(ErrorKind::ConnectionAborted.into());
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            };
            socket.set_nonblocking(false)?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(GLANCE))?;
            Ok((Self { socket }, child))
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
    pub fn read(&mut self, mut bytes: &mut [u8], child: &mut Child, timeout: Duration) -> Result<(), Silence> {
        let mut begun = None;
        while !bytes.is_empty() {
            match self.socket.read(bytes) {
                Ok(0) => return Err(Silence::Ended),
                Ok(read) => bytes = &mut bytes[read..],
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                        // What it has sent before its end can still be read, so it is looked at only after a silence.
                        if !matches!(child.try_wait(), Ok(None)) {
                            return Err(Silence::Ended);
                        }
                        let since = begun.get_or_insert_with(Instant::now);
                        if since.elapsed() + GLANCE >= timeout {
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
    pub fn read_body(&mut self, child: &mut Child, timeout: Duration) -> Result<Vec<u8>, Silence> {
        let mut length = [0; 4];
        self.read(&mut length, child, timeout)?;
        let mut body = vec![0; u32::from_le_bytes(length) as usize];
        self.read(&mut body, child, timeout)?;
        Ok(body)
    }
}
