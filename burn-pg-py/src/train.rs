//! Training.

use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
};

use burn_pg::{
    CheckedConfig, Observer, Trainer, UpdateStats, device, evaluate_episodes,
    kernel::with_threads,
    run::{EarlierRun, RunDir, Session},
};
use pyo3::{exceptions::PyUserWarning, prelude::*, types::PyDict};

use crate::{
    agent::Agent,
    error::{Error, Refused, Result},
    host::evaluation_envs,
    run::{SETTINGS, settings},
    thread::{POLL, attended, start},
};

/// What the training thread tells the thread that called it.
enum Event {
    /// An update, with the way to say whether to go on.
    Update(Box<UpdateStats>, Sender<bool>),
    Warning(String),
}

/// A run to begin or to resume.
struct Job {
    config: CheckedConfig,
    /// The directory of a new run, if one is given.
    out: Option<PathBuf>,
    earlier: Option<EarlierRun>,
    /// True if a number of steps was given for an earlier run.
    is_extended: bool,
}

/// What training returns: the agent, the directory of the run, and the evaluation.
type Trained = (burn_pg::Agent, PathBuf, serde_json::Value);

/// Trains a run to its end. `arguments` are those of `train`; `given` are settings as JSON; `out` is a new directory, and
/// `resumed` one of an earlier run. `callback` is called after each update with its metrics, and ends the run if it returns
/// `False`.
#[pyfunction]
#[pyo3(signature = (arguments, given=None, out=None, resumed=None, callback=None, episodes=None))]
#[allow(clippy::needless_pass_by_value)] // as Python gives them
pub fn train(
    py: Python<'_>,
    arguments: Vec<String>,
    given: Option<&str>,
    out: Option<PathBuf>,
    resumed: Option<PathBuf>,
    callback: Option<Py<PyAny>>,
    episodes: Option<usize>,
) -> PyResult<(Agent, PathBuf, String)> {
    let given = given.map(str::to_owned);
    let job = attended(py, move || {
        if let Some(path) = &resumed {
            let (run, config) = burn_pg_cli::resume(path, &arguments).map_err(Refused)?;
            let is_extended = arguments.iter().any(|argument| argument.starts_with("--total-steps"));
            return Ok(Job { config, out: None, earlier: Some(run), is_extended });
        }
        let table = given.as_deref().map(settings).transpose()?;
        let config = burn_pg_cli::configure(&arguments, SETTINGS, table).map_err(Refused)?;
        Ok::<_, Refused>(Job { config, out, earlier: None, is_extended: false })
    })??;
    let (events, received) = channel();
    let stop = Arc::new(AtomicBool::new(false));
    let reporter = Reporter { events, stop: Arc::clone(&stop), is_asked: callback.is_some() };
    let training = start(move || run(job, reporter, episodes))?;
    let watched = watch(py, received, &stop, callback.as_ref());
    if let Err(Watched::Twice(raised)) = watched {
        // It is not waited for: an environment may never return.
        return Err(raised);
    }
    let outcome = py.detach(|| training.join()).map_err(|_| Error::new_err("training panicked"))?;
    match watched {
        // The run has been saved.
        Err(Watched::Once(raised) | Watched::Twice(raised)) => Err(raised),
        Ok(()) => {
            let (agent, path, summary) = outcome?;
            Ok((Agent::new(agent), path, summary.to_string()))
        }
    }
}

/// What was raised while a run was watched.
enum Watched {
    /// An exception of the callback, or a signal: the run ends after its update.
    Once(PyErr),
    /// A second signal.
    Twice(PyErr),
}

/// Handles the events of the training thread until it ends.
fn watch(
    py: Python<'_>,
    mut events: Receiver<Event>,
    stop: &AtomicBool,
    callback: Option<&Py<PyAny>>,
) -> std::result::Result<(), Watched> {
    let mut raised = None;
    let mut note = |error: PyErr| {
        stop.store(true, Ordering::Relaxed);
        raised.get_or_insert(error);
    };
    let mut signals = 0;
    loop {
        let event;
        (events, event) = py.detach(move || {
            let event = events.recv_timeout(POLL);
            (events, event)
        });
        if let Err(error) = py.check_signals() {
            signals += 1;
            if signals == 2 {
                return Err(Watched::Twice(error));
            }
            note(error);
        }
        match event {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
            Ok(Event::Warning(text)) => {
                if let Err(error) = warn(py, &text) {
                    note(error);
                }
            }
            Ok(Event::Update(stats, reply)) => {
                let goes_on = match callback.map(|callback| call(py, callback, &stats)) {
                    Some(Err(error)) => {
                        note(error);
                        false
                    }
                    Some(Ok(goes_on)) => goes_on,
                    None => true,
                };
                let _ = reply.send(goes_on);
            }
        }
    }
    raised.map_or(Ok(()), |raised| Err(Watched::Once(raised)))
}

fn warn(py: Python<'_>, text: &str) -> PyResult<()> {
    let text = std::ffi::CString::new(text.replace('\0', " ")).expect("there is no zero byte left");
    PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 2)
}

/// Calls the callback with the metrics. Returns false if it returns `False`, or a false value of NumPy.
fn call(py: Python<'_>, callback: &Py<PyAny>, stats: &UpdateStats) -> PyResult<bool> {
    let metrics = PyDict::new(py);
    let all = serde_json::to_value(stats).map_err(Refused::from)?;
    for (name, value) in all.as_object().into_iter().flatten() {
        match value {
            serde_json::Value::Number(number) if number.is_u64() => metrics.set_item(name, number.as_u64())?,
            serde_json::Value::Number(number) => metrics.set_item(name, number.as_f64())?,
            _ => metrics.set_item(name, py.None())?,
        }
    }
    let returned = callback.call1(py, (metrics,))?;
    Ok(returned.is_none(py) || returned.bind(py).is_truthy()?)
}

/// Tells the thread that called about the run.
struct Reporter {
    events: Sender<Event>,
    stop: Arc<AtomicBool>,
    /// True if there is a callback.
    is_asked: bool,
}

impl Observer for Reporter {
    fn on_update(&mut self, stats: &UpdateStats) -> ControlFlow<()> {
        let mut goes_on = true;
        if self.is_asked {
            let (reply, answer) = channel();
            let sent = self.events.send(Event::Update(Box::new(stats.clone()), reply));
            goes_on = sent.is_ok() && answer.recv().unwrap_or(false);
        }
        match goes_on && !self.stop.load(Ordering::Relaxed) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }

    fn on_fault(&mut self, fault: &burn_pg::Error) -> ControlFlow<()> {
        self.on_warning(&format!("an update was skipped: {fault}"));
        match self.stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn on_warning(&mut self, warning: &str) {
        let _ = self.events.send(Event::Warning(warning.into()));
    }
}

/// Trains to the end, and evaluates the policy over `episodes` episodes, or as the configuration says.
fn run(job: Job, mut reporter: Reporter, episodes: Option<usize>) -> Result<Trained> {
    let Job { config, out, earlier, is_extended } = job;
    let device = device::open(config.run.device)?;
    with_threads(config.run.threads, move || {
        let trainer = Trainer::of(&config, &device.device)?;
        let mut session = match (earlier, out) {
            (Some(run), _) => {
                let restored = run.restore(trainer)?;
                let (done, total) = (restored.trainer().env_steps(), config.run.total_steps);
                if is_extended && restored.trainer().is_over() {
                    let reason =
                        format!("the run has done {done} steps: with total_steps={total} nothing is left to train");
                    return Err(Refused(reason));
                }
                restored.go_on()?.0
            }
            (None, Some(path)) => Session::begin(trainer, RunDir::create(&path)?)?,
            (None, None) => Session::begin(trainer, burn_pg_cli::new_run_dir(&config)?)?,
        };
        session = burn_pg_cli::with_evaluation(&config, session, evaluation_envs);
        let is_over = session.trainer().is_over();
        session.train(&mut reporter).map_err(|stopped| Refused(burn_pg_cli::message(*stopped)))?;
        let agent = session.trainer().agent()?;
        let episodes = episodes.unwrap_or(config.evaluation.episodes);
        let evaluation = match episodes {
            0 => None,
            _ if reporter.stop.load(Ordering::Relaxed) => None,
            _ => {
                let envs = agent.make_envs(evaluation_envs(&agent.spec().id, episodes))?;
                Some(evaluate_episodes(&agent, envs, episodes, config.run.seed, false, |_| {})?)
            }
        };
        let summary = burn_pg_cli::summary(&config, &device, &session, !is_over, evaluation.as_ref());
        session.write_summary(&summary)?;
        Ok((agent, session.dir().path().to_owned(), summary))
    })
}
