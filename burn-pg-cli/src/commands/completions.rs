//! `burn-pg completions` and `burn-pg man`

use std::io::{self, Write, stdout};

use clap::Command;
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::{failure::Failure, program};

const AFTER_HELP: &str = "\
Examples:
  burn-pg completions bash > ~/.local/share/bash-completion/completions/burn-pg
  burn-pg completions zsh > ~/.zfunc/_burn-pg
  burn-pg completions fish > ~/.config/fish/completions/burn-pg.fish";

/// Print a script that completes commands and options in a shell
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP.replace("burn-pg", program::name()))]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Print the manual page, for `man`
#[derive(clap::Args)]
#[command(after_help = "Example:\n  burn-pg man > burn-pg.1 && man ./burn-pg.1".replace("burn-pg", program::name()))]
pub struct ManArgs {}

pub fn run(args: &Args, mut command: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, program::name(), &mut script);
    print(&script)
}

pub fn run_man(command: &Command) -> Result<(), Failure> {
    let mut pages = Vec::new();
    // One page: the program, and below it a section for each command.
    Man::new(command.clone()).render(&mut pages).map_err(Failure::run)?;
    sections(command, &mut pages).map_err(Failure::run)?;
    print(&pages)
}

/// Writes the sections of all commands below one.
fn sections(above: &Command, pages: &mut Vec<u8>) -> io::Result<()> {
    for command in above.get_subcommands().filter(|command| !command.is_hide_set()) {
        let man = Man::new(command.clone());
        man.render_synopsis_section(pages)?;
        man.render_description_section(pages)?;
        man.render_options_section(pages)?;
        sections(command, pages)?;
    }
    Ok(())
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = stdout();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Failure::run),
    }
}
