//! `burn-pg lm pretrain`, `sft`, `reward`, `dpo` and `rl`

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use anyhow::{Context, Error, Result, anyhow, bail};
use burn_pg::{
    DeviceChoice, Trainer,
    device::{self, Backend},
    kernel::with_threads,
    optim::count_parameters,
    policy::Policy,
    run::{EarlierRun, RunDir, Session, Stopped, directory::RunDirError},
    source::Source,
};
use burn_pg_lm::{
    Tokenizer,
    learning::Written,
    plan::{TextPlan, available_memory},
    task::{
        Reader, Ready, Settings, Task,
        figures::{Figures, of_pairs, of_scorer, of_texts, save_policy, save_scorer},
    },
};
use serde_json::{Value, json};

use super::{
    outcome::shown,
    settings::{FILE, Given, SettingsArgs, paths, with_absolute_paths},
    watch::WatchTexts,
};
use crate::{
    commands::{
        how_to_go_on::quoted,
        newest::{pass_over, tell_what_is_damaged},
    },
    failure::Failure,
    interrupt::Interrupt,
    output::{print_line, replace_file},
    program,
    progress::Progress,
    tell::tell,
};

/// Folder of runs without `--out`.
const RUNS: &str = "runs";
/// Folder of the model in a run directory.
pub const MODEL: &str = "model";
/// Folder of samples to read in a run directory.
const SAMPLES: &str = "samples";
/// Texts that are kept of an update.
const KEPT: usize = 4;

/// What all kinds of training have.
#[derive(clap::Args, Clone)]
#[allow(clippy::struct_excessive_bools)] // switches of the command line
pub struct Common {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Write the run to this directory, which must be empty or not exist [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Resume an earlier run from its newest checkpoint. Of all settings, only train.updates and train.threads can be changed
    #[arg(long, value_name = "RUN_DIR", conflicts_with_all = ["config", "out", "lora"])]
    resume: Option<PathBuf>,
    /// Train on this device; texts are always written on the CPU
    #[arg(long, value_name = "DEVICE", default_value = "flex")]
    device: DeviceChoice,
    /// Start even if the memory plan says that the run does not fit into the available memory; `lm plan` shows it. Runs on a GPU are not
    /// planned
    #[arg(long)]
    ignore_memory: bool,
    /// Print the settings as TOML, and do nothing else
    #[arg(long)]
    show_settings: bool,
    /// Print the summary as one line of JSON, and nothing else, on stdout
    #[arg(long)]
    json: bool,
    /// Show no progress, and no outcome unless --json is given
    #[arg(long)]
    quiet: bool,
}

/// Train a new language model on documents, or train an existing one further (--set task.model=FOLDER)
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct PretrainArgs {
    /// JSON lines with `text`, or a text file with one document a line
    #[arg(value_name = "DOCUMENTS")]
    data: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Train a language model on examples
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct ExamplesArgs {
    /// The folder of the model: config.json, safetensors, and the tokenizer
    #[arg(value_name = "MODEL")]
    model: Option<PathBuf>,
    /// JSON lines. A text may also be a list of turns with `role` and `content`. Demonstrations (`sft`) have `prompt` and `completion`, or
    /// `messages`, whose last turn is the completion. Preferences (`reward`, `dpo`) have `prompt`, `chosen` and
    /// `rejected`, and may have `margin` or `tie`. Rated texts (`reward` with --set pairs=N, which draws N pairs) have `text` and `ratings`
    #[arg(value_name = "DATA")]
    data: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Let a language model write, and train it to write what a reward scores highly
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct RlArgs {
    /// The folder of the model: config.json, safetensors, and the tokenizer
    #[arg(value_name = "MODEL")]
    model: Option<PathBuf>,
    /// JSON lines with `prompt` or `messages`
    #[arg(value_name = "PROMPTS")]
    data: Option<PathBuf>,
    /// Reward completions by model:FOLDER (the score of a reward model, or of adapters for this model), words:N (about N words),
    /// contains:WORD,WORD (the share of words that are in this list), lexicon:FILE (sentiment from -1 to 1, by a word list in VADER's format) or
    /// script:PROGRAM (reads JSON lines, answers with numbers). May be given several times: the rewards are added up. NAME=REWARD gives a reward
    /// its name in the metrics
    #[arg(long = "reward", value_name = "REWARD", value_parser = super::settings::reward)]
    rewards: Vec<toml::Value>,
    /// A reward that is reported and not optimised, such as a gold standard for `lm curve`. May be given several times
    #[arg(long = "watch", value_name = "REWARD", value_parser = super::settings::watched)]
    watched: Vec<toml::Value>,
    /// Start from the settings of a published algorithm; `lm presets` lists them
    #[arg(long, value_name = "NAME", conflicts_with = "resume")]
    preset: Option<String>,
    #[command(flatten)]
    common: Common,
}

const AFTER_HELP: &str = "Exit codes: 0 for success, 1 if the run fails, 2 if it is refused before anything is trained, 3 if the device \
                          fails, 129, 130 and 143 if it is interrupted (SIGHUP, Ctrl-C, SIGTERM) and can be resumed.";

impl PretrainArgs {
    pub fn run(&self) -> Result<(), Failure> {
        run("pretrain", None, &self.common, paths(&[("task.data", &self.data)]), &[])
    }
}

impl ExamplesArgs {
    pub fn run(&self, kind: &'static str) -> Result<(), Failure> {
        run(kind, None, &self.common, paths(&[("task.model", &self.model), ("task.data", &self.data)]), &[])
    }
}

impl RlArgs {
    pub fn run(&self) -> Result<(), Failure> {
        let mut named = paths(&[("task.model", &self.model), ("task.data", &self.data)]);
        if !self.rewards.is_empty() {
            named.push(("task.rewards", self.rewards.clone().into()));
        }
        run("rl", self.preset.as_deref(), &self.common, named, &self.watched)
    }
}

fn run(
    kind: &'static str,
    preset: Option<&str>,
    common: &Common,
    named: Vec<(&'static str, toml::Value)>,
    watched: &[toml::Value],
) -> Result<(), Failure> {
    let given = Given { kind, preset, from: &common.settings, named, watched };
    if common.show_settings {
        let settings = given.resolve().map_err(Failure::Usage)?;
        return print_line(toml::to_string(&settings).expect("settings can be written").trim_end());
    }
    let settings = match &common.resume {
        // A file of another run names the model under its adapters.
        None => given.resolve().map(|settings| Settings { base: None, ..settings }).and_then(with_absolute_paths),
        Some(path) => resumed(path, given),
    };
    let settings = settings.map_err(Failure::Usage)?;
    let summary = with_threads(settings.train.threads, || Job { settings: &settings, common }.run())?;
    match (common.json, common.quiet) {
        (true, _) => print_line(summary),
        (false, true) => Ok(()),
        (false, false) => print_line(shown(&summary)),
    }
}

/// Returns the settings of a run that is resumed, with those that may change.
fn resumed(path: &Path, given: Given<'_>) -> Result<Settings> {
    if !given.named.is_empty() || !given.watched.is_empty() {
        bail!("a run that is resumed has its model and its data already; give only --resume and --set");
    }
    let file = path.join(FILE);
    let stored = SettingsArgs { config: Some(file.clone()), ..SettingsArgs::default() };
    let old = Given { from: &stored, named: Vec::new(), ..given };
    let old = old.resolve().with_context(|| format!("{} is not a run of `lm {}`", path.display(), given.kind))?;
    let changed = SettingsArgs { config: Some(file), ..given.from.clone() };
    let new = Given { from: &changed, ..given }.resolve()?;
    let mut changed = old.clone();
    changed.train.updates = new.train.updates;
    changed.train.threads = new.train.threads;
    if changed != new {
        bail!("only `train.updates` and `train.threads` can be changed when a run is resumed");
    }
    Ok(new)
}

/// A run that was asked for.
struct Job<'a> {
    settings: &'a Settings,
    common: &'a Common,
}

/// A run that has been built.
struct Begun {
    /// The settings, with the fingerprint of the model under adapters.
    settings: Settings,
    backend: Backend,
    place: Place,
}

/// Where samples are kept, once the run has a directory.
type Place = Arc<OnceLock<PathBuf>>;

impl Job<'_> {
    /// Trains to the end. Returns the summary.
    fn run(&self) -> Result<Value, Failure> {
        let open = device::open(self.common.device).map_err(Failure::usage)?;
        // The plan is one of the CPU.
        if !self.common.ignore_memory && open.backend.is_cpu() {
            self.refuse_what_does_not_fit().map_err(Failure::Usage)?;
        }
        let place = Place::default();
        let ready = self.settings.build(&open.device, Some(reader(self.settings, &place)));
        let ready = ready.map_err(|error| Failure::refused(error.into()))?;
        let begun = Begun {
            settings: Settings { base: ready.around().base.clone(), ..self.settings.clone() },
            backend: open.backend,
            place,
        };
        match ready {
            Ready::Texts { trainer, held_out, around } => self.execute(&begun, trainer, |policy, folder| {
                save_policy(policy, &around, folder)?;
                Ok(of_texts(policy, &held_out)?)
            }),
            Ready::Pairs { trainer, held_out, around } => self.execute(&begun, trainer, |policy, folder| {
                save_policy(policy, &around, folder)?;
                let Task::Dpo(task) = &self.settings.task else { unreachable!("only DPO learns policies from pairs") };
                Ok(of_pairs(policy, &held_out, task.beta)?)
            }),
            Ready::Reward { trainer, held_out, around } => self.execute(&begun, trainer, |policy, folder| {
                save_scorer(policy, &around, folder)?;
                Ok(of_scorer(policy, &held_out)?)
            }),
            Ready::Rl { trainer, around } => self.execute(&begun, trainer, |policy, folder| {
                save_policy(policy, &around, folder)?;
                Ok(Figures::Nothing)
            }),
        }
    }

    /// Refuses a run that needs more memory than is available.
    fn refuse_what_does_not_fit(&self) -> Result<()> {
        self.settings.validate()?;
        let plan = TextPlan::of(self.settings, &self.settings.shapes()?);
        plan.check(available_memory()).context("the run is refused (--ignore-memory starts it all the same)")
    }

    /// Trains in a run directory, saves the model there, and writes the summary.
    fn execute<P: Policy + 'static, S: Source<P>>(
        &self,
        begun: &Begun,
        trainer: Trainer<P, S>,
        finish: impl FnOnce(&P, &Path) -> Result<Figures>,
    ) -> Result<Value, Failure> {
        let interrupt = Interrupt::install().map_err(Failure::run)?;
        let mut session = self.session(trainer, &begun.settings).map_err(Failure::refused)?;
        let (dir, kind) = (session.dir().clone(), self.settings.task.kind());
        let _ = begun.place.set(dir.path().join(SAMPLES));
        let parameters = count_parameters(session.trainer().policy());
        if !self.common.quiet {
            let update = session.trainer().updates();
            let how = if update > 0 { format!("going on after update {update} in") } else { "run directory".into() };
            let what = if self.settings.lora.is_some() { "adapters" } else { "weights" };
            tell(format_args!("{kind}, {parameters} {what} on {}, {how} {}", begun.backend, dir.path().display()));
        }
        let again = program::command(format_args!("lm {kind} --resume {}", quoted(dir.path())));
        let was_over = session.trainer().is_over();
        let progress = Progress::new(session.trainer().horizon(), self.common.quiet);
        let mut watch = WatchTexts::new(progress, interrupt);
        let outcome = session.train(&mut watch);
        watch.finish();
        outcome.map_err(|stopped| failed(*stopped, &again))?;
        if let Some(code) = watch.interrupt.exit_code() {
            let update = session.trainer().updates();
            return Err(Failure::Interrupted {
                advice: format!("saved after update {update}; go on with: {again}"),
                code,
            });
        }
        watch.interrupt.release();
        let finished = || -> Result<Value> {
            let folder = dir.path().join(MODEL);
            let figures = finish(session.trainer().policy(), &folder)?;
            let trainer = session.trainer();
            let summary = json!({
                "task": kind,
                "device": begun.backend,
                "updates": trainer.updates(),
                "steps": trainer.env_steps(),
                "train_seconds": trainer.seconds(),
                "trained": !was_over,
                "parameters": parameters,
                "last": watch.last(),
                "held_out": figures,
                "model": folder.to_string_lossy(),
                "run_dir": dir.path().to_string_lossy(),
            });
            session.write_summary(&summary)?;
            Ok(summary)
        };
        finished().map_err(|error| {
            Failure::of(error)
                .told(|cause| format!("{cause}; the policy is trained and saved; finish the run with: {again}"))
        })
    }

    /// Begins a new run, or goes on with an earlier one.
    fn session<P: Policy, S: Source<P>>(&self, trainer: Trainer<P, S>, settings: &Settings) -> Result<Session<P, S>> {
        if let Some(path) = &self.common.resume {
            let earlier = EarlierRun::open(path, None).inspect_err(tell_what_is_damaged)?;
            pass_over(earlier.damaged());
            let (session, _) = earlier.restore(trainer)?.go_on()?;
            write_settings(settings, session.dir())?;
            return Ok(session);
        }
        let dir = match &self.common.out {
            Some(path) => RunDir::create(path).map_err(|error| match error {
                RunDirError::Used(_) => anyhow!("{error}"),
                error => error.into(),
            })?,
            None => RunDir::create_numbered(RUNS.as_ref(), &format!("lm-{}", self.settings.task.kind()))?,
        };
        write_settings(settings, &dir)?;
        Ok(Session::begin(trainer, dir)?)
    }
}

fn write_settings(settings: &Settings, dir: &RunDir) -> Result<()> {
    let text = toml::to_string(settings).context("settings cannot be written as TOML")?;
    replace_file(&dir.path().join(FILE), text.trim_end())
}

/// Returns what keeps some texts of every few updates, as JSON lines to read.
fn reader(settings: &Settings, place: &Place) -> Reader {
    let (place, interval) = (
        Arc::clone(place),
        match &settings.task {
            Task::Rl(task) => task.samples_interval,
            _ => 0,
        },
    );
    Box::new(move |update, tokenizer: &Tokenizer, texts: &[Written<'_>], scores: &[f64]| {
        let Some(folder) = place.get().filter(|_| interval > 0 && (update == 1 || update.is_multiple_of(interval)))
        else {
            return;
        };
        let line = |(text, score): (&Written<'_>, &f64)| {
            let [prompt, completion] = [text.prompt, text.completion].map(|tokens| tokenizer.decode(tokens).ok());
            json!({ "prompt": prompt, "completion": completion, "ended": text.ended, "score": score }).to_string()
        };
        let lines: Vec<String> =
            texts.iter().zip(scores).step_by((texts.len() / KEPT).max(1)).take(KEPT).map(line).collect();
        let path = folder.join(format!("{update:06}.jsonl"));
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, lines.join("\n") + "\n"));
        if let Err(error) = written {
            tell(format_args!("warning: {} cannot be written: {error}", path.display()));
        }
    })
}

/// Returns the failure of a run: why training failed, and how to resume.
fn failed(stopped: Stopped, again: &str) -> Failure {
    let Stopped { error, policy } = stopped;
    Failure::of(Error::from(error)).told(|cause| match &policy {
        Ok(()) => format!("training failed: {cause}; the last good policy is saved; go on from the last checkpoint with: {again}"),
        Err(unsaved) => format!("training failed: {cause} (the last good policy is not saved: {unsaved}); go on from the last checkpoint, if there is one, with: {again}"),
    })
}
