//! The logs of a run in a directory.

use super::{Csv, LogError, TensorBoard};
use crate::{
    UpdateStats,
    config::LogConfig,
    run::{
        Evaluated,
        directory::{RunDir, valid_metrics},
    },
    source::Episode,
};

/// The logs that the configuration turns on.
#[derive(Debug, Default)]
pub struct Logs {
    tensorboard: Option<TensorBoard>,
    csv: Option<Csv>,
}

impl Logs {
    /// Opens the logs in a run directory. `resumed` is the number of environment steps after which a run resumes, whose metrics file has
    /// the updates up to then; `None` for a new run.
    pub fn open(config: LogConfig, dir: &RunDir, resumed: Option<u64>) -> Result<Self, LogError> {
        let tensorboard = || TensorBoard::create(&dir.tensorboard_path(), resumed);
        let csv = || Csv::create(&dir.csv_path(), &valid_metrics(&dir.metrics_path()));
        Ok(Self {
            tensorboard: config.tensorboard.then(tensorboard).transpose()?,
            csv: config.csv.then(csv).transpose()?,
        })
    }

    pub fn episodes(&mut self, ended: &[Episode]) {
        if let Some(board) = &mut self.tensorboard {
            board.episodes(ended);
        }
    }

    pub fn update(&mut self, stats: &UpdateStats) -> Result<(), LogError> {
        self.tensorboard.as_mut().map_or(Ok(()), |board| board.update(stats))?;
        self.csv.as_mut().map_or(Ok(()), |csv| csv.write(stats))
    }

    pub fn evaluation(&mut self, evaluated: &Evaluated) -> Result<(), LogError> {
        self.tensorboard.as_mut().map_or(Ok(()), |board| board.evaluation(evaluated))
    }

    pub fn flush(&mut self) -> Result<(), LogError> {
        self.tensorboard.as_mut().map_or(Ok(()), TensorBoard::flush)
    }
}
