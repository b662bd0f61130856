//! Successive halving: many trials with few steps, the best of them with more.

use anyhow::{Context, Result, bail};
use serde::Serialize;
use toml::Table;

use super::keys::Keys;

/// `[halving]`
pub struct Halving {
    pub factor: usize,
    first_steps: u64,
    /// The number of seeds in all rungs but the last; `None` for all.
    first_seeds: Option<usize>,
}

/// Runs that are compared with each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rung {
    /// The steps of each run; `None` for those of its settings.
    pub steps: Option<u64>,
    pub seeds: Vec<u64>,
}

impl Halving {
    pub fn read(table: Table) -> Result<Self> {
        let mut keys = Keys::new("halving", table, &["factor", "first_steps", "first_seeds"])?;
        let factor = keys.count("factor", 2)?.unwrap_or(3);
        let first_steps = keys.count("first_steps", 1)?;
        let first_seeds = keys.count("first_seeds", 1)?;
        Ok(Self {
            factor: usize::try_from(factor).context("`halving.factor` is too large")?,
            first_steps: first_steps
                .context("[halving] has no `first_steps`; give the steps of a run in the first rung")?,
            first_seeds: first_seeds.map(usize::try_from).transpose().context("`halving.first_seeds` is too large")?,
        })
    }

    /// Returns the rungs for the trials of the environment that has most of them. A rung with a single trial would decide
    /// nothing, and is left out unless it is the last.
    pub fn rungs(&self, total_steps: u64, seeds: &[u64], trials: usize) -> Result<Vec<Rung>> {
        let Self { factor, first_steps, first_seeds } = *self;
        if first_steps >= total_steps {
            bail!(
                "`halving.first_steps` is {first_steps}; it must be below `total_steps`, which is {total_steps} in the last \
                 rung"
            );
        }
        if trials < 2 {
            bail!("[halving] needs at least two trials to choose from; give more in [grid] or [random]");
        }
        let first_seeds = first_seeds.unwrap_or(seeds.len());
        let Some(first_seeds) = seeds.get(..first_seeds) else {
            bail!("`halving.first_seeds` is {first_seeds}; it must be at most the number of `seeds`, {}", seeds.len());
        };
        let (mut rungs, mut steps, mut trials) = (Vec::new(), first_steps, trials);
        while steps < total_steps && trials > 1 {
            rungs.push(Rung { steps: Some(steps), seeds: first_seeds.into() });
            steps = steps.saturating_mul(factor as u64);
            trials = kept(trials, factor);
        }
        rungs.push(Rung { steps: Some(total_steps), seeds: seeds.into() });
        Ok(rungs)
    }
}

/// Returns how many of `count` trials go on to the next rung: one of `factor`, rounded up.
pub fn kept(count: usize, factor: usize) -> usize {
    count.div_ceil(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Halving> {
        Halving::read(text.parse().unwrap())
    }

    fn rungs(text: &str, total: u64, seeds: &[u64], trials: usize) -> Result<Vec<(u64, usize)>> {
        let rungs = read(text)?.rungs(total, seeds, trials)?;
        Ok(rungs.into_iter().map(|rung| (rung.steps.unwrap(), rung.seeds.len())).collect())
    }

    #[test]
    fn each_rung_has_more_steps_and_the_last_one_all() {
        let of = |trials| rungs("first_steps = 20_000\nfirst_seeds = 2", 200_000, &[1, 2, 3], trials).unwrap();
        assert_eq!(of(27), [(20_000, 2), (60_000, 2), (180_000, 2), (200_000, 3)]);
        // One trial is left after the second rung.
        assert_eq!(of(9), [(20_000, 2), (60_000, 2), (200_000, 3)]);
        assert_eq!(of(3), [(20_000, 2), (200_000, 3)]);
    }

    #[test]
    fn one_of_factor_is_kept_and_at_least_one() {
        assert_eq!([9, 8, 7, 3, 2, 1].map(|count| kept(count, 3)), [3, 3, 3, 1, 1, 1]);
    }

    #[test]
    fn halving_that_cannot_be_is_refused() {
        for (text, message) in [
            ("factor = 1\nfirst_steps = 5", "`halving.factor` is 1; it must be a whole number from 2"),
            ("factor = 2", "[halving] has no `first_steps`; give the steps of a run in the first rung"),
            (
                "first_steps = 1e5",
                "`halving.first_steps` is 100000; it must be below `total_steps`, which is 100000 in the last rung",
            ),
            (
                "first_steps = 5\nfirst_seeds = 3",
                "`halving.first_seeds` is 3; it must be at most the number of `seeds`, 2",
            ),
        ] {
            assert_eq!(rungs(text, 100_000, &[0, 1], 9).unwrap_err().to_string(), message);
        }
        let error = rungs("first_steps = 5", 10, &[0], 1).unwrap_err().to_string();
        assert_eq!(error, "[halving] needs at least two trials to choose from; give more in [grid] or [random]");
    }
}
