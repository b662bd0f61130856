//! Metrics as event files of TensorBoard.

mod events;
mod record;

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    process,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::LogError;
use crate::{Observer, UpdateStats, run::Evaluated, source::Episode};
use events::{Event, histogram, scalar};
use record::write_record;

/// Time between two flushes. A killed run loses at most this much of the log, and TensorBoard is at most this late.
const BETWEEN_FLUSHES: Duration = Duration::from_secs(2);

/// Writes the metrics of a run to an event file of TensorBoard, under the names of Stable-Baselines3 (`rollout/ep_rew_mean`,
/// `train/approx_kl`, `time/fps`, ...). The horizontal axis is the number of environment steps. Returns and lengths of the episodes that
/// ended in an update are also written as histograms.
///
/// Metrics that Stable-Baselines3 does not have are called `train/` and their name. `train/value_loss` is twice our `value_loss`, because
/// Stable-Baselines3 has no factor 1/2 in it.
///
/// ```
/// use burn_pg::{Config, DeviceChoice, Trainer, device, run::log::TensorBoard};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("tensorboard");
/// let config = Config::default().with(|config| config.run.total_steps = 4_096).validate()?;
/// let device = device::open(DeviceChoice::Auto)?.device;
/// let mut tensorboard = TensorBoard::create(&path, None)?;
/// Trainer::of(&config, &device)?.run(&mut tensorboard)?;
/// tensorboard.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TensorBoard {
    path: PathBuf,
    file: BufWriter<File>,
    flushed: Instant,
    /// The returns and lengths of the episodes since the last update.
    episodes: [Vec<f64>; 2],
    failed: Option<LogError>,
}

impl TensorBoard {
    /// Creates an event file in `folder`, which is created if needed. If the run resumes after `resumed` environment steps, TensorBoard
    /// no longer shows what earlier files have beyond them.
    ///
    /// # Errors
    /// [`LogError`]
    pub fn create(folder: &Path, resumed: Option<u64>) -> Result<Self, LogError> {
        let failed = |path: &Path, source| LogError { path: path.into(), source };
        fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        let (path, file) = create_event_file(folder).map_err(|source| failed(folder, source))?;
        let mut board = Self {
            path,
            file: BufWriter::new(file),
            flushed: Instant::now(),
            episodes: [Vec::new(), Vec::new()],
            failed: None,
        };
        board.write(&Event::first(now()))?;
        if let Some(env_steps) = resumed {
            board.write(&Event::resumed(now(), env_steps + 1))?;
        }
        board.flush()?;
        Ok(board)
    }

    /// Writes the metrics of an update, and the episodes since the one before.
    ///
    /// # Errors
    /// [`LogError`]
    pub fn update(&mut self, stats: &UpdateStats) -> Result<(), LogError> {
        let mut values: Vec<_> = scalars(stats).into_iter().map(|(name, value)| scalar(name, value)).collect();
        for (name, values_of_episodes) in ["rollout/ep_rew", "rollout/ep_len"].into_iter().zip(&mut self.episodes) {
            values.extend(histogram(name, values_of_episodes));
            values_of_episodes.clear();
        }
        self.write(&Event::summary(now(), stats.env_steps, values))?;
        if self.flushed.elapsed() >= BETWEEN_FLUSHES { self.flush() } else { Ok(()) }
    }

    /// Writes the mean return of an evaluation, as `eval/mean_reward`.
    ///
    /// # Errors
    /// [`LogError`]
    pub fn evaluation(&mut self, evaluated: &Evaluated) -> Result<(), LogError> {
        let values = vec![scalar("eval/mean_reward".into(), evaluated.return_mean)];
        self.write(&Event::summary(now(), evaluated.env_steps, values))
    }

    /// Flushes the file.
    ///
    /// # Errors
    /// [`LogError`], also one that has ended the run.
    pub fn finish(mut self) -> Result<(), LogError> {
        self.failed.take().map_or(Ok(()), Err)?;
        self.flush()
    }

    /// Takes note of episodes that have ended.
    pub(super) fn episodes(&mut self, ended: &[Episode]) {
        let [returns, lengths] = &mut self.episodes;
        returns.extend(ended.iter().map(|episode| episode.episode_return));
        lengths.extend(ended.iter().map(|episode| f64::from(episode.length)));
    }

    pub(super) fn flush(&mut self) -> Result<(), LogError> {
        self.flushed = Instant::now();
        self.file.flush().map_err(|source| LogError { path: self.path.clone(), source })
    }

    fn write(&mut self, event: &Event) -> Result<(), LogError> {
        write_record(&mut self.file, event).map_err(|source| LogError { path: self.path.clone(), source })
    }

    fn keep(&mut self, written: Result<(), LogError>) -> ControlFlow<()> {
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
        if self.failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Ends the run if the file cannot be written; [`finish`](TensorBoard::finish) then returns the error.
impl Observer for TensorBoard {
    fn on_update(&mut self, stats: &UpdateStats) -> ControlFlow<()> {
        let written = self.update(stats);
        self.keep(written)
    }

    fn on_episode(&mut self, episode: &Episode) {
        self.episodes(std::slice::from_ref(episode));
    }

    fn on_evaluation(&mut self, evaluated: &Evaluated) {
        // An error ends the run at the next update.
        if let Err(error) = self.evaluation(evaluated) {
            self.failed.get_or_insert(error);
        }
    }
}

/// Returns the names of Stable-Baselines3 and the values of an update.
fn scalars(stats: &UpdateStats) -> Vec<(String, f64)> {
    let optional = [
        ("rollout/ep_rew_mean", stats.episode_return_mean),
        ("rollout/ep_len_mean", stats.episode_length_mean),
        ("train/explained_variance", stats.explained_variance),
    ];
    let always = [
        ("time/fps", stats.steps_per_second),
        ("time/iterations", stats.update as f64),
        ("time/time_elapsed", stats.elapsed_seconds),
        ("time/total_timesteps", stats.env_steps as f64),
        ("train/learning_rate", stats.learning_rate),
    ];
    let there = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let fields = there.chain(always).map(|(name, value)| (name.to_owned(), value));
    let has_ratio = stats.losses.contains_key("approx_kl");
    let losses = stats.losses.iter().map(|(name, &value)| match name.as_str() {
        // As in its PPO and in its A2C.
        "policy_loss" if has_ratio => ("train/policy_gradient_loss".into(), value),
        "value_loss" => ("train/value_loss".into(), 2.0 * value),
        _ => (format!("train/{name}"), value),
    });
    fields.chain(losses).collect()
}

/// Creates a file with a new name, which TensorBoard reads after all earlier ones.
fn create_event_file(folder: &Path) -> io::Result<(PathBuf, File)> {
    let seconds = now().floor();
    for attempt in 0.. {
        let path = folder.join(format!("events.out.tfevents.{seconds:010}.burn-pg.{}.{attempt}", process::id()));
        match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|file| (path, file)),
        }
    }
    unreachable!("some name is free")
}

/// Returns the seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
