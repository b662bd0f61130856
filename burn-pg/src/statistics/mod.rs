//! Statistics of the scores of several runs: how good an algorithm is, and how sure that is.
//!
//! A score is a number for a whole run, such as the mean return of its final evaluation. With a few seeds, means and their differences are mostly
//! chance: report an [interquartile mean](Statistic::InterquartileMean) with its [interval](Bootstrap::interval). Scores of different tasks are
//! comparable only if they are normalised, for instance so that 1 is the score at which a task counts as solved. A run that failed
//! counts with the score of a failure; to leave it out would flatter the algorithm.
//!
//! ```
//! use burn_pg::statistics::{Bootstrap, Scores, Statistic};
//!
//! // Five runs of one task.
//! let scores = Scores::new(vec![vec![482.0, 500.0, 497.5, 121.0, 500.0]])?;
//! let mean = Statistic::InterquartileMean.of(&scores);
//! let interval = Bootstrap::default().interval(&[&scores], |resampled| Statistic::InterquartileMean.of(&resampled[0]));
//! println!("{mean:.1} (95 % interval {:.1} to {:.1})", interval.low, interval.high);
//! # assert!(interval.low <= mean && mean <= interval.high);
//! # Ok::<(), burn_pg::statistics::ScoresError>(())
//! ```
//!
//! Source: R. Agarwal et al., *Deep reinforcement learning at the edge of the statistical precipice* (2021), whose numbers these are.

mod bootstrap;
mod scores;

pub use bootstrap::{Bootstrap, Interval};
pub use scores::{Scores, ScoresError, Statistic, probability_of_improvement};
