//! Scores, and numbers that sum them up.

/// The scores of runs, in one task or several.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    tasks: Vec<Vec<f64>>,
}

/// Why scores are refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScoresError {
    /// There are no tasks.
    #[error("there are no tasks")]
    NoTasks,
    /// A task has no runs.
    #[error("task {task} has no runs")]
    NoRuns {
        /// Its number, counted from 0.
        task: usize,
    },
    /// A score is NaN or infinite.
    #[error(
        "the score of run {run} in task {task} is {score}; scores must be finite: give a run that failed the score of a failure"
    )]
    NotFinite {
        /// The number of the task, counted from 0.
        task: usize,
        /// The number of the run, counted from 0.
        run: usize,
        /// The score.
        score: f64,
    },
}

impl Scores {
    /// Takes the scores of all runs of each task. Tasks may have different numbers of runs.
    ///
    /// # Errors
    /// [`ScoresError`] if there are no tasks, a task has no runs, or a score is not finite.
    pub fn new(tasks: Vec<Vec<f64>>) -> Result<Self, ScoresError> {
        if tasks.is_empty() {
            return Err(ScoresError::NoTasks);
        }
        for (task, runs) in tasks.iter().enumerate() {
            if runs.is_empty() {
                return Err(ScoresError::NoRuns { task });
            }
            if let Some((run, &score)) = runs.iter().enumerate().find(|(_, score)| !score.is_finite()) {
                return Err(ScoresError::NotFinite { task, run, score });
            }
        }
        Ok(Self { tasks })
    }

    /// Returns the scores of each task.
    #[must_use]
    pub fn tasks(&self) -> &[Vec<f64>] {
        &self.tasks
    }

    /// Returns the scores of each task, to be overwritten.
    pub(super) fn tasks_mut(&mut self) -> &mut [Vec<f64>] {
        &mut self.tasks
    }
}

/// A number that sums up scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// The mean over tasks of their mean scores. A single run can dominate it.
    Mean,
    /// The median over tasks of their mean scores. It says nothing about half of the tasks.
    Median,
    /// The mean of the middle half of the scores of all tasks: the lowest and the highest quarter, rounded down to whole scores, are left out.
    InterquartileMean,
    /// By how much scores fall short of a target on average, where those above it count as the target. Less is better.
    OptimalityGap {
        /// The target.
        target: f64,
    },
}

impl Statistic {
    /// Returns the number.
    #[must_use]
    pub fn of(self, scores: &Scores) -> f64 {
        match self {
            Self::Mean => mean(scores.tasks.iter().map(|runs| mean(runs.iter().copied()))),
            Self::Median => {
                let means = sorted(scores.tasks.iter().map(|runs| mean(runs.iter().copied())));
                let (half, is_odd) = (means.len() / 2, means.len() % 2 == 1);
                if is_odd { means[half] } else { f64::midpoint(means[half - 1], means[half]) }
            }
            Self::InterquartileMean => {
                let all = sorted(scores.tasks.iter().flatten().copied());
                let cut = all.len() / 4;
                mean(all[cut..all.len() - cut].iter().copied())
            }
            Self::OptimalityGap { target } => {
                target - mean(scores.tasks.iter().map(|runs| mean(runs.iter().map(|score| score.min(target)))))
            }
        }
    }
}

/// Returns how probable it is that a run of `x` has a higher score than a run of `y` in the same task, as a mean over tasks. Equal scores count as
/// half.
///
/// # Panics
/// If there are not as many tasks in both.
#[must_use]
pub fn probability_of_improvement(x: &Scores, y: &Scores) -> f64 {
    assert_eq!(x.tasks.len(), y.tasks.len(), "the same tasks");
    let in_task = |(x, y): (&Vec<f64>, &Vec<f64>)| {
        let pairs = x.iter().flat_map(|x| y.iter().map(move |y| (x, y)));
        mean(pairs.map(|(x, y)| {
            if x > y {
                1.0
            } else if x == y {
                0.5
            } else {
                0.0
            }
        }))
    };
    mean(x.tasks.iter().zip(&y.tasks).map(in_task))
}

fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = numbers.fold((0.0, 0.0), |(sum, count), number| (sum + number, count + 1.0));
    sum / count
}

fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}
