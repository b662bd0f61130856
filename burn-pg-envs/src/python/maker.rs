//! How workers are started.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tempfile::TempDir;

use super::{
    host::Host,
    interpreter::interpreter,
    log::Log,
    name::Maker,
    process::{Process, Trouble},
    program::write_worker,
    reason::{of_lost, of_start},
    setup::{Setup, Together},
};
use crate::{EnvError, EnvOptions, EnvSpec};

/// Seconds after which a step counts as hanging.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Everything that starting a worker needs.
pub struct WorkerMaker {
    pub name: String,
    pub options: EnvOptions,
    timeout: Duration,
    /// The code of worker processes, or the connections of a host.
    folder: TempDir,
    place: Place,
}

/// Where workers run.
enum Place {
    /// Each in a process.
    Processes {
        python: PathBuf,
        log: Arc<Log>,
    },
    Host(Arc<dyn Host>),
}

impl WorkerMaker {
    pub fn new(name: &str, options: &EnvOptions, host: Option<Arc<dyn Host>>) -> Result<Self, EnvError> {
        let invalid = |reason: String| EnvError::Python { id: name.into(), reason };
        // The environments of a host may be looked at in a debugger.
        let default = if host.is_some() { Duration::MAX } else { TIMEOUT };
        let timeout = options.timeout.map_or(Some(default), |seconds| Duration::try_from_secs_f64(seconds).ok());
        let timeout = timeout.filter(|timeout| !timeout.is_zero()).ok_or_else(|| {
            invalid(format!("its time-out of {} s is not above 0", options.timeout.unwrap_or_default()))
        })?;
        let folder = tempfile::Builder::new().prefix("burn-pg-").tempdir();
        let folder = folder.and_then(|folder| write_worker(folder.path()).map(|()| folder));
        let folder = folder.map_err(|error| invalid(format!("a temporary folder is needed: {error}")))?;
        let place = match host {
            Some(host) => Place::Host(host),
            None => {
                let log = Log::open(options.log.as_deref()).map_err(|error| invalid(format!("its log: {error}")))?;
                Place::Processes { python: interpreter(options.python.as_deref()), log: Arc::new(log) }
            }
        };
        Ok(Self { name: name.into(), options: options.clone(), timeout, folder, place })
    }

    /// Starts a worker with `rows` environments. Also returns what they can do if they are stepped as one.
    pub fn start(&self, rows: usize) -> Result<(Process, EnvSpec, Option<Together>), EnvError> {
        let Self { name, options, timeout, folder, place } = self;
        let started = match place {
            Place::Host(host) => {
                Process::of_host(&**host, folder.path(), &Setup::of_host(name, options, rows), *timeout)
            }
            Place::Processes { python, log } => {
                let parts = Maker::of(name).ok_or_else(|| {
                    let reason = "its name begins with none of `gym:`, `envpool:` and `ale:`".into();
                    EnvError::Python { id: name.clone(), reason }
                })?;
                Process::start(python, folder.path(), log, &Setup::new(parts, options, rows), *timeout)
            }
        };
        let (process, described) = started.map_err(|trouble| self.not_started(&trouble))?;
        let together = described.together;
        let spec = described.into_spec(name, options);
        spec.check()?;
        Ok((process, spec, together))
    }

    pub fn not_started(&self, trouble: &Trouble) -> EnvError {
        let reason = match &self.place {
            Place::Processes { python, .. } => of_start(trouble, python),
            Place::Host(_) => of_lost(trouble),
        };
        EnvError::Python { id: self.name.clone(), reason }
    }

    /// Most workers for `num_envs` environments.
    pub fn most_workers(&self, num_envs: usize) -> usize {
        let is_one = match self.place {
            Place::Host(_) => true,
            Place::Processes { .. } => Maker::of(&self.name).is_some_and(|(maker, _)| maker.is_vectorised()),
        };
        if is_one { 1 } else { num_envs }
    }
}
