//! The sweep file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Error, Result, anyhow, bail};
use burn_pg::config::full_key;
use toml::{Table, Value};

use super::{
    base::Base,
    grid::Grid,
    halving::Halving,
    keys::{Keys, whole},
    lines::places,
    random::Random,
    setting::{Settings, check_names, check_value, flat},
};

/// The largest seed that a run can have.
const LARGEST_SEED: u64 = i64::MAX as u64;

/// The keys of the file besides those of a base.
const KEYS: [&str; 8] = ["runs", "seeds", "first_seed", "jobs", "set", "grid", "random", "halving"];

/// A sweep as its file describes it. The settings themselves are not checked yet.
pub struct SweepFile {
    pub bases: Vec<Base>,
    pub seeds: Vec<u64>,
    pub jobs: Option<usize>,
    /// Settings of all runs.
    pub set: Settings,
    /// The settings of each trial.
    pub trials: Vec<Settings>,
    /// Successive halving, and the steps of its last rung.
    pub halving: Option<(Halving, u64)>,
    /// The place of each setting: `[grid], line 9`.
    pub places: BTreeMap<String, String>,
}

impl SweepFile {
    pub fn read(path: &Path) -> Result<(Self, String)> {
        let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let file = Self::parse(&text, folder).with_context(|| path.display().to_string())?;
        Ok((file, text))
    }

    fn parse(text: &str, folder: &Path) -> Result<Self> {
        let table = text.parse::<Table>().map_err(|error| invalid(&error, text))?;
        let mut keys = Keys::new("", table, &[&Base::KEYS[..], &KEYS].concat())?;
        let bases = Base::all(&mut keys, folder)?;
        let seeds = seeds(&mut keys)?;
        let jobs = keys.count("jobs", 1)?.map(usize::try_from).transpose().context("`jobs` is too large")?;
        let set = flat(keys.table("set")?.unwrap_or_default(), &|_| false);
        let grid = keys.table("grid")?.map(Grid::read).transpose()?;
        let random = keys.table("random")?.map(Random::read).transpose()?;
        let halving = keys.table("halving")?.map(Halving::read).transpose()?;

        set.iter().try_for_each(|(name, value)| check_value("set", name, value))?;
        let (search, searched) = match (&grid, &random) {
            (Some(_), Some(_)) => bail!("there are both [grid] and [random]; leave out one of them"),
            (Some(grid), None) => ("grid", grid.names()),
            (None, Some(random)) => ("random.settings", random.names()),
            (None, None) => ("grid", Vec::new()),
        };
        if let Some(name) = searched.iter().find(|name| halving.is_some() && is_total_steps(name)) {
            bail!("in [{search}]: `{name}` cannot be searched with [halving], which sets the steps; move it to [set]");
        }
        check_names([("set", set.keys().collect()), (search, searched)])?;
        let halving = halving.map(|halving| total_steps(&set).map(|steps| (halving, steps))).transpose()?;
        let trials = match (grid, random) {
            (Some(grid), _) => grid.combinations(),
            (_, Some(random)) => random.draws(),
            (None, None) => vec![Settings::new()],
        };
        Ok(Self { bases, seeds, jobs, set, trials, halving, places: places(text) })
    }
}

/// Returns the error for a text that is not TOML, on one line.
fn invalid(error: &toml::de::Error, text: &str) -> Error {
    let line = error.span().and_then(|span| text.get(..span.start)).map(|before| 1 + before.matches('\n').count());
    let place = line.map_or_else(String::new, |line| format!("line {line}: "));
    anyhow!("not valid TOML: {place}{}", error.message())
}

/// Takes `seeds`, a number or a list, and `first_seed`.
fn seeds(keys: &mut Keys) -> Result<Vec<u64>> {
    const EXPECTED: &str = "it must be a number of seeds, such as 10, or a list, such as [1000, 1001]";
    let first = keys.count("first_seed", 0)?;
    let Some(seeds) = keys.take("seeds") else {
        bail!("there are no `seeds`; give the number of runs of each trial, such as seeds = 10 for the seeds 0 to 9");
    };
    let seeds: Vec<u64> = match &seeds {
        Value::Integer(count @ 1..=10_000) => {
            let first = first.unwrap_or(0);
            (first..first + count.unsigned_abs()).collect()
        }
        Value::Array(_) if first.is_some() => {
            bail!("`seeds` is a list, so that `first_seed` has no meaning; leave out `first_seed`")
        }
        Value::Array(list) if !list.is_empty() => {
            let seeds: Option<Vec<_>> = list.iter().map(|seed| whole(seed).filter(|_| seed.is_integer())).collect();
            seeds.with_context(|| format!("`seeds` is {}; {EXPECTED}", Value::from(list.clone())))?
        }
        other => bail!("`seeds` is {other}; {EXPECTED}"),
    };
    if seeds.iter().any(|&seed| seed > LARGEST_SEED) {
        bail!("`first_seed` is too large; the largest seed is 2^63 - 1");
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = seeds.iter().find(|seed| !seen.insert(**seed)) {
        bail!("`seeds` contains {twice} twice; leave out one of them");
    }
    Ok(seeds)
}

fn is_total_steps(name: &str) -> bool {
    full_key(name).is_ok_and(|full| full == "run.total_steps")
}

fn total_steps(set: &Settings) -> Result<u64> {
    let Some((name, value)) = set.iter().find(|(name, _)| is_total_steps(name)) else {
        bail!("[halving] needs `total_steps` in [set]: the steps of a run in the last rung");
    };
    whole(value).with_context(|| format!("in [set]: `{name}` is {value}; it must be a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SweepFile> {
        SweepFile::parse(text, Path::new("no/folder"))
    }

    fn error(text: &str) -> String {
        format!("{:#}", parse(text).err().unwrap())
    }

    #[test]
    fn a_file_with_everything_is_read() {
        let file = parse(
            "seeds = 3\nfirst_seed = 1000\njobs = 2\n\
             runs = [{ env = 'CartPole-v1', algo = 'ppo' }, { env = 'CartPole-v1', algo = 'a2c', failure_score = 0 }]\n\
             [set]\ntotal_steps = 1e5\n[grid]\ngamma = [0.9, 0.99]\nlearning_rate = [1e-3, 3e-4]\n\
             [halving]\nfactor = 2\nfirst_steps = 2e4",
        )
        .unwrap();
        assert_eq!((file.seeds, file.jobs), (vec![1000, 1001, 1002], Some(2)));
        assert_eq!((file.bases.len(), file.trials.len()), (2, 4));
        assert_eq!(file.bases[0].arguments(), ["CartPole-v1", "--algo", "ppo"]);
        assert_eq!(file.bases[1].failure_score, Some(0.0));
        assert_eq!(file.halving.unwrap().1, 100_000);
    }

    #[test]
    fn a_file_without_a_search_has_one_trial() {
        let file = parse("env = 'CartPole-v1'\nseeds = [7, 3]").unwrap();
        assert_eq!((file.seeds, file.trials), (vec![7, 3], vec![Settings::new()]));
        assert!(file.jobs.is_none() && file.halving.is_none());
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_the_key_and_what_to_do() {
        let seeds = "it must be a number of seeds, such as 10, or a list, such as [1000, 1001]";
        for (text, message) in [
            (
                "env = 'x'",
                "there are no `seeds`; give the number of runs of each trial, such as seeds = 10 for the seeds 0 to 9",
            ),
            ("seeds = 1", "there is no environment; give one, such as env = \"CartPole-v1\""),
            ("env = 'x'\nseeds = 0", &format!("`seeds` is 0; {seeds}")),
            ("env = 'x'\nseeds = []", &format!("`seeds` is []; {seeds}")),
            ("env = 'x'\nseeds = [1, -1]", &format!("`seeds` is [1, -1]; {seeds}")),
            ("env = 'x'\nseeds = 'many'", &format!("`seeds` is \"many\"; {seeds}")),
            ("env = 'x'\nseeds = [1, 2, 1]", "`seeds` contains 1 twice; leave out one of them"),
            (
                "env = 'x'\nseeds = [1]\nfirst_seed = 3",
                "`seeds` is a list, so that `first_seed` has no meaning; leave out `first_seed`",
            ),
            ("seeds = 1\nenv = 'x'\njobs = 0", "`jobs` is 0; it must be a whole number from 1"),
            ("seeds = 1\nenv = 3", "`env` is 3; it must be a text, such as \"ppo\""),
            ("env = \'x\'\nseeds = 1\nset = 3", "`set` is 3; it must be a table, such as { gamma = 0.98 }"),
            (
                "seeds = 1\nruns = []",
                "`runs` is an empty list; it must be a list of tables, such as runs = [{ env = \"CartPole-v1\", algo = \
                 \"a2c\" }]",
            ),
            (
                "seeds = 1\nruns = [{ envs = 'x' }]",
                "entry 1 of `runs`: unknown key `runs.envs` (did you mean `env`?); known are: env, algo, preset, config, \
                 failure_score",
            ),
            (
                "seeds = 1\nenv = 'x'\nruns = [{ env = 'y' }]",
                "there is `runs`, and also `env`, `algo`, `preset`, `config` or `failure_score` beside it; put these into \
                 `runs`",
            ),
            (
                "seeds = 1\nruns = [{ env = 'y' }, { env = 'y' }]",
                "entry 2 of `runs` is there twice; leave out one of them",
            ),
            (
                "env = \'x\'\nseeds = 1\n[set]\ngamma = 0.9\n[grid]\ngamma = [0.9]",
                "`gamma` is given in [set] and in [grid]; leave out one of them",
            ),
            (
                "env = \'x\'\nseeds = 1\n[set]\ngamma = 2026-01-01",
                "in [set]: a value of `gamma` is 2026-01-01; it must be a number, a text, true, false, or a list of them",
            ),
            (
                "env = \'x\'\nseeds = 1\n[grid]\ngamma = [0.9]\n[random]\ntrials = 1\nsettings = { learning_rate = { choice = [1] } }",
                "there are both [grid] and [random]; leave out one of them",
            ),
            (
                "env = \'x\'\nseeds = 1\n[grid]\ngamma = [0.9]\n[halving]\nfirst_steps = 5",
                "[halving] needs `total_steps` in [set]: the steps of a run in the last rung",
            ),
            (
                "env = \'x\'\nseeds = 1\n[grid]\ntotal_steps = [9]\n[halving]\nfirst_steps = 5",
                "in [grid]: `total_steps` cannot be searched with [halving], which sets the steps; move it to [set]",
            ),
        ] {
            assert_eq!(error(text), message, "{text}");
        }
        let unread = error("seeds = 1\nconfig = 'my.toml'");
        assert!(unread.starts_with("`config`: no/folder") && unread.contains("cannot be read"), "{unread}");
        let unknown = error("env = \'x\'\nseeds = 1\ngird = {}");
        assert!(unknown.starts_with("unknown key `gird` (did you mean `grid`?)"), "{unknown}");
        let setting = error("env = \'x\'\nseeds = 1\nlearning_rate = 1e-3");
        assert!(setting.ends_with("settings of the runs belong in [set], [grid] or [random.settings]"), "{setting}");
        assert_eq!(
            error("env = \'x\'\nseeds = 1\nset = "),
            "not valid TOML: line 3: string values must be quoted, expected literal string"
        );
    }
}
