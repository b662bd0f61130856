//! The process of a worker.

use std::{
    io::ErrorKind,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use super::{
    bell::{Bell, Expected, Silence},
    host::Host,
    log::Log,
    peer::Peer,
    setup::{Described, Exception, Setup},
    shared::{Layout, Shared},
};

/// How long a worker may take to import its modules and to make its environments, if a step may not take longer.
const MAKING: Duration = Duration::from_mins(5);

/// How long a worker may take to close its environments before it is killed.
const CLOSING: Duration = Duration::from_secs(2);

/// A running worker.
#[derive(Debug)]
pub struct Process {
    peer: Peer,
    bell: Bell,
    shared: Option<Shared>,
    timeout: Duration,
    /// What the worker prints, if it goes to a file, and how long the file was before.
    log: Option<(Arc<Log>, u64)>,
}

/// What a worker says about a batch of steps, or why it can say nothing any more.
#[derive(Debug)]
pub enum Trouble {
    /// Environments have raised exceptions; the others have been stepped.
    Exceptions(Vec<Exception>),
    /// The worker is no longer there.
    Lost(String),
}

/// Height, width, and three bytes for each pixel.
pub type Picture = (usize, usize, Vec<u8>);

/// A worker, and what it says about its environments.
pub type Started = (Process, Described);

impl Process {
    /// Starts a worker with the code in `folder`, and has it make its environments.
    ///
    /// # Errors
    /// Why there is no worker, or what the environments raised.
    pub fn start(
        python: &Path,
        folder: &Path,
        log: &Arc<Log>,
        setup: &Setup<'_>,
        timeout: Duration,
    ) -> Result<Started, Trouble> {
        let open = || log.append().and_then(|(out, begin)| Ok((out.try_clone()?, out, begin)));
        let (out, err, log_begin) = open().map_err(|error| lost(format!("its log: {error}")))?;
        let mut command = Command::new(python);
        // Unbuffered, so that the log is complete when the worker dies.
        command.arg("-u").arg(folder).stdout(Stdio::from(out)).stderr(Stdio::from(err));
        let started = Bell::start(command).map_err(|error| match error.kind() {
            ErrorKind::NotFound => lost(format!(
                "there is no Python at `{}`: name one with `--python`, `env.python` or BURN_PG_PYTHON",
                python.display()
            )),
            _ => lost(format!("`{}` cannot be started: {error}", python.display())),
        });
        let (bell, peer) = started?;
        Self::set_up(bell, peer, Some((Arc::clone(log), log_begin)), setup, timeout)
    }

    /// Has a host start a worker, which makes its environments. `folder` is for its connection.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn of_host(host: &dyn Host, folder: &Path, setup: &Setup<'_>, timeout: Duration) -> Result<Started, Trouble> {
        let unconnected = |error| lost(format!("its connection: {error}"));
        let expected = Expected::new(folder).map_err(unconnected)?;
        host.start(expected.address()).map_err(lost)?;
        let mut peer = Peer::Thread;
        let bell = expected.accept(&mut peer).map_err(unconnected)?;
        Self::set_up(bell, peer, None, setup, timeout)
    }

    /// Has a worker make its environments.
    fn set_up(
        bell: Bell,
        peer: Peer,
        log: Option<(Arc<Log>, u64)>,
        setup: &Setup<'_>,
        timeout: Duration,
    ) -> Result<Started, Trouble> {
        let mut process = Self { peer, bell, shared: None, timeout: timeout.max(MAKING), log };
        let text = serde_json::to_vec(setup).expect("a setup is plain data");
        process.bell.send_body(&text).map_err(|_| process.ended())?;
        process.answer()?;
        // They are made; the first reset may take as long as any other.
        process.timeout = timeout;
        process.answer()?;
        let text = process.body()?;
        let described = serde_json::from_slice(&text).map_err(|error| lost(format!("its answer: {error}")))?;
        Ok((process, described))
    }

    /// Shares a file of `layout` with the worker.
    pub fn share(&mut self, layout: &Layout) -> Result<(), Trouble> {
        #[derive(serde::Serialize)]
        struct Place<'a> {
            path: &'a Path,
            #[serde(flatten)]
            layout: &'a Layout,
        }
        let size = layout.size;
        let shared = Shared::create(size)
            .map_err(|error| lost(format!("{size} bytes of memory cannot be shared with it: {error}")))?;
        let text = serde_json::to_vec(&Place { path: shared.path(), layout });
        let text = text.map_err(|error| lost(format!("the path of the shared file: {error}")))?;
        self.bell.send_body(&text).map_err(|_| self.ended())?;
        self.answer()?;
        // The worker has mapped the file, so its name is needed no more; and none is left if this program is killed.
        shared.unlink();
        self.shared = Some(shared);
        self.bell.be_eager().map_err(|error| lost(format!("its connection: {error}")))
    }

    /// The file that is shared.
    pub fn shared(&self) -> &Shared {
        self.shared.as_ref().expect("a worker is used after a file is shared with it")
    }

    /// Asks for something, with one byte.
    pub fn ask(&mut self, request: u8) -> Result<(), Trouble> {
        self.bell.send(&[request]).map_err(|_| self.ended())
    }

    /// Waits until what was asked for is done.
    pub fn answer(&mut self) -> Result<(), Trouble> {
        match self.byte()? {
            b'k' => Ok(()),
            b'e' => {
                let text = self.body()?;
                let exceptions = serde_json::from_slice(&text).map_err(|error| lost(format!("its answer: {error}")))?;
                Err(Trouble::Exceptions(exceptions))
            }
            other => Err(lost(format!("its answer is the byte {other}, which has no meaning"))),
        }
    }

    /// Asks for a picture of one environment. `None` if it has none.
    pub fn picture(&mut self, row: usize) -> Result<Option<Picture>, Trouble> {
        self.ask(b'p')?;
        let row = u32::try_from(row).expect("a worker has fewer than 2^32 environments");
        self.bell.send(&row.to_le_bytes()).map_err(|_| self.ended())?;
        match self.byte()? {
            b'p' => {
                let mut body = self.body()?;
                let pixels = body.split_off(8.min(body.len()));
                let length =
                    |at: usize| body.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
                match (length(0), length(4)) {
                    (Some(height), Some(width)) if pixels.len() == 3 * height as usize * width as usize => {
                        Ok(Some((height as usize, width as usize, pixels)))
                    }
                    _ => Err(lost("its picture has another size than it says")),
                }
            }
            b'n' => self.body().map(|_| None),
            _ => {
                let text = self.body()?;
                Err(Trouble::Exceptions(serde_json::from_slice(&text).unwrap_or_default()))
            }
        }
    }

    fn byte(&mut self) -> Result<u8, Trouble> {
        let mut byte = [0];
        let read = self.bell.read(&mut byte, &mut self.peer, self.timeout);
        read.map_err(|silence| self.trouble(silence))?;
        Ok(byte[0])
    }

    fn body(&mut self) -> Result<Vec<u8>, Trouble> {
        let read = self.bell.read_body(&mut self.peer, self.timeout);
        read.map_err(|silence| self.trouble(silence))
    }

    #[cold]
    fn trouble(&mut self, silence: Silence) -> Trouble {
        match silence {
            Silence::Ended => self.ended(),
            Silence::TooLong => {
                self.peer.kill();
                let reason = format!("it did not answer within {} s and was killed", self.timeout.as_secs_f64());
                self.with_log(&reason)
            }
            Silence::Failed(error) => self.with_log(&format!("its connection failed: {error}")),
        }
    }

    /// Returns how the worker has ended.
    #[cold]
    fn ended(&mut self) -> Trouble {
        // It has closed the connection, so it ends soon; if it does not, it is of no use any more.
        let how = self.peer.end(CLOSING);
        self.with_log(&how)
    }

    /// Adds the last lines of the log to `reason`.
    fn with_log(&self, reason: &str) -> Trouble {
        match self.log.as_ref().and_then(|(log, begin)| log.end(*begin)) {
            None => lost(reason),
            Some(end) => lost(format!("{reason}; {end}")),
        }
    }
}

impl Drop for Process {
    /// Ends the worker, also one that hangs.
    fn drop(&mut self) {
        let _ = self.bell.send(b"c");
        self.peer.end(CLOSING);
    }
}

fn lost(reason: impl Into<String>) -> Trouble {
    Trouble::Lost(reason.into())
}
